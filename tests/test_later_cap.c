/* SPDX-License-Identifier: MIT */
/* Tasks that await what is to start later or again when there is no other thread to run it: they do it themselves. */
#include "support.h"

/* A hang is what these are about. */
SUITE(later_cap);

static filch_pool *pool_with(unsigned workers, unsigned spare_threads)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.spare_threads = spare_threads;
    options.no_spare_threads = spare_threads == 0;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static filch_future *submit_after(filch_pool *pool, int64_t delay_ns)
{
    filch_future *future = NULL;
    must(filch_submit_after(pool, delay_ns, do_nothing, NULL, &future) == 0);
    return future;
}

static int succeed_in_third(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) == 3 ? 0 : -EIO;
}

static filch_future *submit_retried(filch_pool *pool)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    retry.interval_ns = FILCH_MS(2);
    options.retry = &retry;
    must(filch_submit_with(pool, succeed_in_third, NULL, &options, &future) == 0);
    return future;
}

static int await_delayed(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *future = submit_after(filch_task_pool(self), FILCH_MS(3));
    must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
    filch_future_unref(future);
    return 0;
}

static int await_retried(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *future = submit_retried(filch_task_pool(self));
    must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
    must(filch_future_attempts(future) == 3);
    filch_future_unref(future);
    return 0;
}

static int iterate(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *futures[4], *next;
    filch_completed *completed;
    for (int i = 0; i < 4; i++)
        futures[i] =
            i % 2 ? submit_after(filch_task_pool(self), FILCH_MS(i)) : submit_retried(filch_task_pool(self));
    must(filch_completed_begin(&completed, futures, 4, FILCH_FOREVER) == 0);
    for (int i = 0; i < 4; i++)
        must(filch_completed_next(completed, &next) == 1);
    filch_completed_end(completed);
    unref_all(futures, 4);
    return 0;
}

static int await_with_deadline(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *future = submit_after(filch_task_pool(self), FILCH_MS(3));
    must(filch_future_wait(future, FILCH_SECONDS(5)) == 0); /* there is time enough to run it */
    filch_future_unref(future);
    return 0;
}

/* As many as there may be threads, and some more, all wait at once. */
static void run_on(filch_pool *pool, filch_fn *fn, int n)
{
    filch_future *futures[16];
    for (int i = 0; i < n; i++)
        futures[i] = submit(pool, fn, NULL);
    must(filch_wait(futures, (size_t)n, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    for (int i = 0; i < n; i++)
        must(filch_future_state(futures[i]) == FILCH_DONE);
    unref_all(futures, (size_t)n);
    must(filch_pool_destroy(pool) == 0);
}

Test(later_cap, the_only_thread_awaits_a_delayed_task)
{
    run_on(pool_with(1, 0), await_delayed, 1);
}

Test(later_cap, the_only_thread_awaits_a_delayed_task_with_a_deadline)
{
    run_on(pool_with(1, 0), await_with_deadline, 1);
}

Test(later_cap, the_only_thread_awaits_a_retried_task)
{
    run_on(pool_with(1, 0), await_retried, 1);
}

Test(later_cap, the_only_thread_iterates_over_delayed_and_retried_tasks)
{
    run_on(pool_with(1, 0), iterate, 1);
}

Test(later_cap, all_threads_of_the_cap_await_delayed_tasks)
{
    run_on(pool_with(2, 1), await_delayed, 8);
}

Test(later_cap, all_threads_of_the_cap_await_retried_tasks)
{
    run_on(pool_with(2, 1), await_retried, 8);
}

static int await_shared(filch_task *self, void *future)
{
    (void)self;
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    return 0;
}

Test(later_cap, all_threads_of_the_cap_await_one_delayed_task)
{
    filch_pool *pool = pool_with(2, 1);
    filch_future *shared = submit_after(pool, FILCH_MS(10)), *waiters[5];
    for (int i = 0; i < 5; i++)
        waiters[i] = submit(pool, await_shared, shared);
    must(filch_wait(waiters, 5, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    unref_all(waiters, 5);
    filch_future_unref(shared);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int stop_and_wait(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *future = submit_after(filch_task_pool(self), FILCH_SECONDS(1000));
    must(filch_future_wait(future, FILCH_MS(1)) == -ETIMEDOUT);
    must(filch_future_cancel(future));
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    return 0;
}

Test(later_cap, the_only_thread_may_give_up_waiting_and_cancel)
{
    run_on(pool_with(1, 0), stop_and_wait, 3);
}
