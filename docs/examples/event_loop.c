/* SPDX-License-Identifier: MIT */
/* Requests and their answers: see event_loop.h. */
#include "event_loop.h"

#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 16 };

static int requests = 8, workers = 1;
static int64_t step = FILCH_MS(5);

static const struct flag flags[] = {
    { .name = "requests", .help = "how many tasks are submitted", .count = &requests, .least = 1, .most = 100000 },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "step",
      .help = "the last request starts after one of them, the first after all; 0: at once",
      .duration = &step },
    { 0 },
};

static int square(filch_task *self, void *number)
{
    intptr_t n = (intptr_t)number;
    return filch_return(self, (void *)(n * n));
}

static int submit(struct work *work)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    int64_t now = filch_now();
    int rc = 0;
    options.stop = work->stop;
    for (int i = 1; i <= requests && rc == 0; i++) {
        options.start_at_ns = step ? now + step * (requests + 1 - i) : 0;
        rc = filch_cq_submit(work->cq, work->pool, square, (void *)(intptr_t)i, &options, (void *)(intptr_t)i);
    }
    return rc;
}

int work_begin(struct work *work, int argc, char **argv, const char *about)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    program_flags(argc, argv, about, flags);
    options.workers = (unsigned)workers;
    memset(work, 0, sizeof *work);
    int rc = filch_pool_create(&work->pool, &options);
    if (rc == 0)
        rc = filch_stop_create(&work->stop, NULL);
    if (rc == 0)
        rc = filch_stop_fd(work->stop, &work->stop_fd);
    if (rc == 0)
        rc = filch_guard_begin(&work->guard, work->stop); /* Ctrl-C */
    if (rc == 0)
        rc = filch_cq_create(&work->cq);
    if (rc == 0)
        work->answers = filch_cq_fd(work->cq);
    return rc ? rc : submit(work);
}

static void print(const filch_cq_entry *entry)
{
    int request = (int)(intptr_t)entry->tag;
    void *result = NULL;
    if (filch_future_result(entry->future, 0, &result) == 0)
        printf("request %d: %ld\n", request, (long)(intptr_t)result);
    else
        printf("request %d: %s\n", request, filch_state_name(filch_future_state(entry->future)));
}

void work_answer(struct work *work)
{
    filch_cq_entry entries[BATCH];
    size_t n;
    do { /* until fewer come than asked for: right for loops of every kind */
        n = filch_cq_drain(work->cq, entries, BATCH);
        for (size_t i = 0; i < n; i++) {
            print(&entries[i]);
            filch_future_unref(entries[i].future);
        }
    } while (n == BATCH);
    if (filch_cq_pending(work->cq) == 0)
        filch_stop_request(work->stop, -EALREADY);
}

void work_stopping(struct work *work)
{
    work->stopping = true;
    bool early = filch_stop_reason(work->stop) != -EALREADY;
    printf("stop: %s\n", early ? "what has not started will not" : "everything is answered");
}

bool work_is_over(const struct work *work)
{
    return work->stopping && filch_cq_pending(work->cq) == 0;
}

int work_end(struct work *work, int rc)
{
    bool interrupted = work->guard && filch_guard_interrupted(work->guard);
    int code = program_ended(rc == 0 && interrupted ? -EINTR : rc, NULL, work->guard);
    filch_guard_end(work->guard);
    filch_cq_destroy(work->cq);
    filch_pool_destroy(work->pool);
    filch_stop_unref(work->stop);
    return code;
}
