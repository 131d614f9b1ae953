/* SPDX-License-Identifier: MIT */
/*
 * An event loop on io_uring: a multishot poll of each descriptor, which tells of edges. Exits with 77 where the system has
 * no io_uring, or does not allow it.
 */
#include "event_loop.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>

enum { ENTRIES = 8, SKIPPED = 77 };

static int watch(struct io_uring *ring, int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe)
        return -EBUSY;
    io_uring_prep_poll_multishot(sqe, fd, POLLIN);
    io_uring_sqe_set_data64(sqe, (__u64)fd);
    int submitted = io_uring_submit(ring);
    return submitted < 0 ? submitted : 0;
}

static int handle(struct work *work, struct io_uring *ring, const struct io_uring_cqe *event)
{
    int fd = (int)io_uring_cqe_get_data64(event);
    if (event->res < 0)
        return event->res;
    if (fd == work->stop_fd) {
        work_stopping(work);
        return 0;
    }
    /* A poll that has ended is begun again before the drain: so nothing that comes between the two is missed. */
    int rc = event->flags & IORING_CQE_F_MORE ? 0 : watch(ring, fd);
    work_answer(work);
    return rc;
}

static int loop(struct work *work, struct io_uring *ring)
{
    int rc = watch(ring, work->answers);
    if (rc == 0)
        rc = watch(ring, work->stop_fd);
    while (rc == 0 && !work_is_over(work)) {
        struct io_uring_cqe *event = NULL;
        int waited = io_uring_wait_cqe(ring, &event);
        if (waited == -EINTR)
            continue;
        rc = waited ? waited : handle(work, ring, event);
        if (event)
            io_uring_cqe_seen(ring, event);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct work work;
    struct io_uring ring;
    int refused = io_uring_queue_init(ENTRIES, &ring, 0);
    if (refused == -ENOSYS || refused == -EPERM) {
        printf("no io_uring here\n");
        return SKIPPED;
    }
    int rc = work_begin(&work, argc, argv, "Answers requests from an event loop on io_uring.");
    if (rc == 0)
        rc = refused ? refused : loop(&work, &ring);
    if (!refused)
        io_uring_queue_exit(&ring);
    return work_end(&work, rc);
}
