/* SPDX-License-Identifier: MIT */
/* Waiting for one future or several, and sleeping. */
#include "await.h"
#include "transition.h"

#include <errno.h>

int filch_future_wait(filch_future *future, int64_t timeout_ns)
{
    if (filchi_future_final(future))
        return 0;
    return filchi_await_future(future, filchi_os_deadline(timeout_ns), true);
}

int filch_future_result(filch_future *future, int64_t timeout_ns, void **out)
{
    if (filchi_future_state(future) != FILCH_DONE) {
        int rc = filch_future_wait(future, timeout_ns);
        if (rc)
            return rc;
    }
    switch (filchi_future_state(future)) {
    case FILCH_DONE:
        if (out)
            *out = filchi_future_result(future);
        return 0;
    case FILCH_FAILED:
        filchi_future_look(future);
        return filchi_future_code(future);
    default:
        return -ECANCELED;
    }
}

static size_t count_final(filch_future *const *futures, size_t n)
{
    size_t final = 0;
    for (size_t i = 0; i < n; i++)
        final += filchi_future_final(futures[i]);
    return final;
}

/* Several are awaited: who helps outside of tasks takes what comes first, which costs it one beginning for all. */
static enum filchi_await_run run_inside(struct filchi_await *await, filch_future *future, void *arg)
{
    (void)arg;
    return await->thread ? filchi_await_run(await, future, false) : FILCHI_AWAIT_NOTHING;
}

static int await_of_several(filch_future *future, size_t n, int64_t deadline, bool heed)
{
    return n == 1 ? filchi_await_future(future, deadline, heed)
                  : filchi_await_future_running(future, deadline, heed, run_inside, NULL);
}

static int wait_all(filch_future *const *futures, size_t n, int64_t deadline)
{
    /* Newest first, as a task's own sub tasks are found; and one after the other, which allocates nothing. */
    int rc = 0;
    for (size_t i = n; i-- > 0 && !rc;)
        rc = await_of_several(futures[i], n, deadline, true);
    return rc;
}

static int wait_first(filch_future *const *futures, size_t n, bool error_only, int64_t timeout_ns)
{
    filch_completed *completed;
    filch_future *future;
    int rc = filch_completed_begin(&completed, futures, n, timeout_ns);
    if (rc)
        return rc;
    do
        rc = filch_completed_next(completed, &future);
    while (rc > 0 && error_only && filchi_future_state(future) == FILCH_DONE);
    filch_completed_end(completed);
    return rc < 0 ? rc : 0;
}

int filch_wait(filch_future *const *futures, size_t n, filch_wait_mode mode, int64_t timeout_ns, size_t *out_done)
{
    for (size_t i = 0; i < n; i++)
        if (!futures[i])
            return -EINVAL;
    int rc;
    switch (mode) {
    case FILCH_ALL:
        rc = wait_all(futures, n, filchi_os_deadline(timeout_ns));
        break;
    case FILCH_FIRST_COMPLETED:
        rc = wait_first(futures, n, false, timeout_ns);
        break;
    case FILCH_FIRST_ERROR:
        rc = wait_first(futures, n, true, timeout_ns);
        break;
    default:
        return -EINVAL;
    }
    if (out_done && (!rc || rc == -ETIMEDOUT))
        *out_done = count_final(futures, n);
    return rc;
}

int filch_join(filch_future *const *futures, size_t n)
{
    int first = 0;
    for (size_t i = n; i-- > 0;) {
        int rc = futures[i] ? await_of_several(futures[i], n, FILCHI_NEVER, false) : 0;
        if (rc && !first)
            first = rc;
    }
    return first;
}

size_t filch_cancel_all(filch_future *const *futures, size_t n)
{
    size_t cancelled = 0;
    for (size_t i = 0; i < n; i++)
        cancelled += futures[i] && filch_future_cancel(futures[i]);
    return cancelled;
}

int64_t filch_now(void)
{
    return filchi_os_now();
}

int filch_sleep(int64_t duration_ns)
{
    struct filchi_parker parker;
    struct filchi_await await;
    filchi_parker_init(&parker);
    filchi_await_begin_sleep(&await, &parker, filchi_os_deadline(duration_ns));
    int rc;
    do
        rc = filchi_await_pause(&await, filchi_parker_count(&parker), false);
    while (!rc);
    filchi_parker_settle(&parker, filchi_await_end(&await));
    return rc == -ETIMEDOUT ? 0 : rc;
}
