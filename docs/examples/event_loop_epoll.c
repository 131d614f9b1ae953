/* SPDX-License-Identifier: MIT */
/* An event loop on epoll: answers of tasks are events like any other. */
#include "event_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static int watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int loop(struct work *work, int epoll)
{
    /* Edge-triggered, as work_answer() drains until fewer come than it asks for; EPOLLIN alone would do as well. */
    int rc = watch(epoll, work->answers, EPOLLIN | EPOLLET);
    if (rc == 0)
        rc = watch(epoll, work->stop_fd, EPOLLIN | EPOLLONESHOT);
    while (rc == 0 && !work_is_over(work)) {
        struct epoll_event events[8];
        int n = epoll_wait(epoll, events, 8, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == work->answers)
                work_answer(work);
            else
                work_stopping(work);
        }
        if (n < 0 && errno != EINTR)
            rc = -errno;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct work work;
    int rc = work_begin(&work, argc, argv, "Answers requests from an event loop on epoll.");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (rc == 0)
        rc = epoll < 0 ? -errno : loop(&work, epoll);
    if (epoll >= 0)
        close(epoll);
    return work_end(&work, rc);
}
