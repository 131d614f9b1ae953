/* SPDX-License-Identifier: MIT */
/*
 * Tasks that become due while every thread that may be had waits: who waits for them runs them. A pool of one worker
 * and no spare threads has one thread.
 */
#include "scope_support.h"
#include "worker.h"

SUITE(due_at_cap);

static int succeed_at_third(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) < 3 ? filch_fail(self, -EIO, "not yet") : 0;
}

static filch_future *submit_retried(filch_pool *pool, int64_t interval_ns)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    retry.interval_ns = interval_ns;
    options.retry = &retry;
    must(filch_submit_with(pool, succeed_at_third, NULL, &options, &future) == 0);
    return future;
}

static filch_future *submit_delayed(filch_pool *pool)
{
    filch_future *future = NULL;
    must(filch_submit_after(pool, FILCH_MS(2), do_nothing, NULL, &future) == 0);
    return future;
}

static int await_one(filch_task *self, void *arg)
{
    (void)arg;
    filch_future *future = submit_retried(filch_task_pool(self), FILCH_MS(2));
    must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
    filch_future_unref(future);
    future = submit_delayed(filch_task_pool(self));
    int rc = filch_future_result(future, FILCH_FOREVER, NULL);
    filch_future_unref(future);
    return rc;
}

static int await_in_completion_order(filch_task *self, void *arg)
{
    (void)arg;
    filch_pool *pool = filch_task_pool(self);
    filch_future *futures[] = { submit(pool, do_nothing, NULL), submit_retried(pool, FILCH_MS(2)),
                                submit_delayed(pool), submit(pool, do_nothing, NULL),
                                submit_retried(pool, FILCH_MS(1)) };
    filch_completed *completed;
    filch_future *next;
    int n = 0;
    must(filch_completed_begin(&completed, futures, 5, FILCH_FOREVER) == 0);
    for (; filch_completed_next(completed, &next) == 1; n++)
        must(filch_future_state(next) == FILCH_DONE);
    filch_completed_end(completed);
    unref_all(futures, 5);
    return n == 5 ? 0 : -EPROTO;
}

/* The one that it awaits was looked at before it was due, and is due before the next wait begins. */
static int await_what_became_due_between(filch_task *self, void *arg)
{
    (void)arg;
    filch_pool *pool = filch_task_pool(self);
    filch_future *futures[] = { submit(pool, do_nothing, NULL), NULL };
    filch_completed *completed;
    filch_future *next;
    must(filch_submit_after(pool, FILCH_MS(100), do_nothing, NULL, &futures[1]) == 0);
    must(filch_completed_begin(&completed, futures, 2, FILCH_FOREVER) == 0);
    must(filch_completed_next(completed, &next) == 1);
    if (next == futures[0]) /* on a machine that was not held up that long */
        UNTIL(!filchi_deque_empty(&pool->timers->due));
    must(filch_completed_next(completed, &next) == 1);
    filch_completed_end(completed);
    unref_all(futures, 2);
    return 0;
}

static void spawn_some(filch_scope *scope)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options again = FILCH_TASK_OPTIONS, later = FILCH_TASK_OPTIONS;
    retry.interval_ns = FILCH_MS(2);
    again.retry = &retry;
    later.start_at_ns = filch_now() + FILCH_MS(3);
    spawn(scope, do_nothing, NULL);
    spawn_with(scope, succeed_at_third, NULL, &again);
    spawn_with(scope, do_nothing, NULL, &later);
}

static int join_scope(filch_task *self, void *arg)
{
    (void)arg;
    filch_scope *scope = scope_of(filch_task_pool(self));
    spawn_some(scope);
    return finish(scope);
}

static int drain_scope(filch_task *self, void *arg)
{
    (void)arg;
    filch_scope *scope = scope_of(filch_task_pool(self));
    filch_future *next;
    int n = 0;
    spawn_some(scope);
    while (filch_scope_next(scope, FILCH_FOREVER, &next) == 1)
        n++;
    int rc = finish(scope);
    return n == 3 ? rc : -EPROTO;
}

static void with_one_thread(filch_fn *fn)
{
    filch_pool *pool = lone_pool(0);
    cr_assert_eq(run_in(pool, fn, NULL), 0);
    filch_pool_destroy(pool);
}

Test(due_at_cap, a_wait_runs_what_becomes_due)
{
    with_one_thread(await_one);
}

Test(due_at_cap, an_iterator_runs_what_becomes_due)
{
    with_one_thread(await_in_completion_order);
}

Test(due_at_cap, an_iterator_runs_what_became_due_between_two_items)
{
    with_one_thread(await_what_became_due_between);
}

Test(due_at_cap, a_join_runs_what_becomes_due)
{
    with_one_thread(join_scope);
}

Test(due_at_cap, the_next_of_a_scope_runs_what_becomes_due)
{
    with_one_thread(drain_scope);
}

/* ---- With others about ---- */

Test(due_at_cap, tasks_from_outside_use_no_chance_up)
{
    filch_pool *pool = lone_pool(0);
    _Atomic int ran = 0;
    filch_future *waiting[4];
    filch_fn *const ways[] = { await_one, await_in_completion_order, join_scope, drain_scope };
    for (int i = 0; i < 4; i++)
        waiting[i] = submit(pool, ways[i], NULL);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(filch_submit(pool, count_up, &ran, NULL), 0);
    cr_assert_eq(filch_join(waiting, 4), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(filch_future_state(waiting[i]), FILCH_DONE);
    unref_all(waiting, 4);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&ran), 1000);
}

Test(due_at_cap, many_waits_at_a_small_cap)
{
    enum { N = 200 };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    options.workers = 2;
    options.spare_threads = 3;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_fn *const ways[] = { await_one, await_in_completion_order, join_scope, drain_scope };
    filch_future *waiting[N];
    for (int i = 0; i < N; i++)
        waiting[i] = submit(pool, ways[i % 4], NULL);
    cr_assert_eq(filch_join(waiting, N), 0);
    for (int i = 0; i < N; i++)
        cr_assert_eq(filch_future_state(waiting[i]), FILCH_DONE);
    unref_all(waiting, N);
    filch_pool_destroy(pool);
}
