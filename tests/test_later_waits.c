/* SPDX-License-Identifier: MIT */
/* Waiting, from tasks and from elsewhere, for what is to start later or again. */
#include "os.h"
#include "support.h"

SUITE(later_waits);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static filch_future *submit_after(filch_pool *pool, int64_t delay_ns, filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    must(filch_submit_after(pool, delay_ns, fn, arg, &future) == 0);
    return future;
}

/* Tried up to 9 times, interval_ns apart. */
static filch_future *submit_retried(filch_pool *pool, int64_t interval_ns, filch_fn *fn, void *arg)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    retry.max_attempts = 9;
    retry.interval_ns = interval_ns;
    options.retry = &retry;
    must(filch_submit_with(pool, fn, arg, &options, &future) == 0);
    return future;
}

/* Succeeds in the attempt that arg tells. */
static int succeed_in(filch_task *self, void *arg)
{
    unsigned attempt = filch_task_attempt(self);
    must(attempt <= (uintptr_t)arg);
    return attempt == (uintptr_t)arg ? 0 : -EIO;
}

static void expect_done_in(filch_future *future, unsigned attempts)
{
    must(filch_future_state(future) == FILCH_DONE);
    must(filch_future_attempts(future) == attempts);
    filch_future_unref(future);
}

static void run_on(unsigned workers, filch_fn *fn)
{
    filch_pool *pool = pool_of(workers);
    filch_future *future = submit(pool, fn, NULL);
    must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
    filch_future_unref(future);
    must(filch_pool_destroy(pool) == 0);
}

/* ---- Inside a task ---- */

static int await_delayed(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *future = submit_after(filch_task_pool(self), FILCH_MS(3), do_nothing, NULL);
    filch_future *never = submit_after(filch_task_pool(self), NEVER_DUE, do_nothing, NULL);
    must(filch_future_wait(never, 0) == -ETIMEDOUT);
    must(filch_future_wait(never, FILCH_US(100)) == -ETIMEDOUT);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    expect_done_in(future, 1);
    must(filch_future_cancel(never));
    filch_future_unref(never);
    return 0;
}

static int await_retried(filch_task *self, void *arg)
{
    (void)arg;
    for (int64_t interval = 0; interval <= FILCH_MS(1); interval += FILCH_US(500)) {
        filch_future *future = submit_retried(filch_task_pool(self), interval, succeed_in, (void *)4);
        must(filch_future_wait(future, FILCH_FOREVER) == 0); /* the first attempt may be run in place */
        expect_done_in(future, 4);
    }
    return 0;
}

Test(later_waits, a_task_awaits_a_delayed_one_with_any_number_of_workers)
{
    run_on(1, await_delayed);
    run_on(2, await_delayed);
}

Test(later_waits, a_task_awaits_a_retried_one_with_any_number_of_workers)
{
    run_on(1, await_retried);
    run_on(2, await_retried);
}

static int run_in_place_and_again(filch_task *self, void *arg)
{
    (void)arg;
    filch_pool *pool = filch_task_pool(self);
    for (int i = 0; i < 20; i++) { /* short ones, which teach the pool that running in place is cheap */
        filch_future *future = submit(pool, do_nothing, NULL);
        must(filch_future_wait(future, FILCH_FOREVER) == 0);
        filch_future_unref(future);
    }
    uint64_t before = stats_of(pool).ran_in_place;
    filch_future *older = submit_retried(pool, FILCH_US(100), succeed_in, (void *)2);
    filch_future *newer = submit_retried(pool, FILCH_US(100), succeed_in, (void *)3);
    must(filch_future_wait(older, FILCH_FOREVER) == 0); /* it leaves a stale entry below the newer */
    must(filch_future_wait(newer, FILCH_FOREVER) == 0);
    must(filch_pool_workers(pool) > 1 || stats_of(pool).ran_in_place > before); /* else perhaps stolen */
    expect_done_in(older, 2);
    expect_done_in(newer, 3);
    return 0;
}

Test(later_waits, one_that_ran_in_place_is_tried_again)
{
    run_on(1, run_in_place_and_again);
    run_on(2, run_in_place_and_again);
}

#define MANY 24

static int iterate(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *futures[MANY], *next;
    filch_completed *completed;
    bool seen[MANY] = { false };
    for (uintptr_t i = 0; i < MANY; i++)
        futures[i] = i % 3 == 0
                         ? submit_after(filch_task_pool(self), (int64_t)i * FILCH_US(100), succeed_in, (void *)1)
                         : submit_retried(filch_task_pool(self), FILCH_US(200), succeed_in, (void *)(i % 4 + 1));
    must(filch_completed_begin(&completed, futures, MANY, FILCH_FOREVER) == 0);
    for (int n = 0; n < MANY; n++) {
        must(filch_completed_next(completed, &next) == 1);
        must(filch_future_state(next) == FILCH_DONE);
        for (int i = 0; i < MANY; i++)
            if (futures[i] == next) {
                must(!seen[i]);
                seen[i] = true;
            }
    }
    must(filch_completed_next(completed, &next) == 0);
    filch_completed_end(completed);
    unref_all(futures, MANY);
    return 0;
}

Test(later_waits, an_iterator_gives_each_once_when_it_is_final)
{
    run_on(1, iterate);
    run_on(3, iterate);
}

static int await_stopped(filch_task *self, void *arg)
{
    filch_future *future = arg;
    int rc = filch_future_wait(future, FILCH_FOREVER);
    must(rc == 0 || (rc == -ECANCELED && filch_task_stopped(self)));
    return 0;
}

Test(later_waits, a_stop_or_a_cancel_wakes_every_waiter)
{
    enum { WAITERS = 8 };
    for (int how = 0; how < 2; how++) {
        filch_pool *pool = pool_of(1);
        filch_future *delayed = submit_after(pool, NEVER_DUE, do_nothing, NULL), *waiters[2 * WAITERS];
        filch_future *retried = submit_retried(pool, NEVER_DUE, fail_with_io, NULL);
        UNTIL(filch_future_state(retried) == FILCH_RETRY_WAIT);
        for (int i = 0; i < 2 * WAITERS; i++)
            waiters[i] = submit(pool, await_stopped, i % 2 ? delayed : retried);
        UNTIL(stats_of(pool).handoffs >= 2 * WAITERS);
        if (how)
            filch_stop_request(filch_pool_stop(pool), 0);
        else
            cr_assert(filch_future_cancel(delayed) && filch_future_cancel(retried));
        cr_assert_eq(filch_wait(waiters, 2 * WAITERS, FILCH_ALL, FILCH_FOREVER, NULL), 0);
        for (int i = 0; i < 2 * WAITERS; i++)
            cr_assert_eq(filch_future_state(waiters[i]), FILCH_DONE);
        unref_all(waiters, 2 * WAITERS);
        filch_future_unref(delayed);
        filch_future_unref(retried);
        cr_assert_eq(filch_pool_destroy(pool), 0);
    }
}

/* ---- Outside ---- */

Test(later_waits, an_iterator_gives_delayed_tasks_in_the_order_of_their_times)
{
    filch_pool *pool = pool_of(1);
    filch_future *futures[3], *next;
    filch_completed *completed;
    int64_t first = filch_now() + FILCH_MS(10);
    for (int i = 0; i < 3; i++)
        must(filch_submit_at(pool, first + (3 - i) * FILCH_MS(3), do_nothing, NULL, &futures[i]) == 0);
    must(filch_completed_begin(&completed, futures, 3, FILCH_FOREVER) == 0);
    for (int i = 2; i >= 0; i--) {
        cr_assert_eq(filch_completed_next(completed, &next), 1);
        cr_assert_eq(next, futures[i]);
    }
    filch_completed_end(completed);
    unref_all(futures, 3);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(later_waits, a_wait_for_the_first_or_the_first_error_does_not_count_attempts)
{
    filch_pool *pool = pool_of(1);
    filch_future *futures[3];
    size_t done = 9;
    futures[0] = submit_retried(pool, NEVER_DUE, fail_with_io, NULL);
    futures[1] = submit_after(pool, NEVER_DUE, do_nothing, NULL);
    UNTIL(filch_future_state(futures[0]) == FILCH_RETRY_WAIT);
    cr_assert_eq(filch_wait(futures, 2, FILCH_FIRST_ERROR, FILCH_MS(1), &done), -ETIMEDOUT);
    cr_assert_eq(done, 0, "an attempt that failed is not the task that failed");
    futures[2] = submit_retried(pool, FILCH_MS(1), succeed_in, (void *)3);
    cr_assert_eq(filch_wait(futures, 3, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &done), 0);
    cr_assert_eq(done, 1);
    cr_assert(filch_future_cancel(futures[0]));
    cr_assert_eq(filch_wait(futures, 3, FILCH_FIRST_ERROR, FILCH_FOREVER, &done), 0);
    cr_assert_eq(done, 2);
    cr_assert_eq(filch_cancel_all(futures, 3), 2);
    cr_assert_eq(filch_join(futures, 3), 0);
    unref_all(futures, 3);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static void count_callback(filch_future *future, void *count)
{
    must(filch_future_done(future));
    atomic_fetch_add((_Atomic int *)count, 1);
}

Test(later_waits, callbacks_come_once_after_the_last_attempt)
{
    filch_pool *pool = pool_of(2);
    filch_future *futures[20];
    _Atomic int called = 0;
    for (uintptr_t i = 0; i < 20; i++) {
        futures[i] = submit_retried(pool, FILCH_US(100), i % 2 ? succeed_in : fail_with_io, (void *)3);
        must(filch_future_on_done(futures[i], count_callback, (void *)&called) == 0);
    }
    cr_assert_eq(filch_wait(futures, 20, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(called, 20);
    unref_all(futures, 20);
}
