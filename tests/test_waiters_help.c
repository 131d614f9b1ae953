/* SPDX-License-Identifier: MIT */
/* Threads outside of tasks that work while they wait: with nobody else if need be, within the bound on running tasks,
 * and with the errors of any wait. */
#include "initialised.h"
#include "support.h"

#include <signal.h>

SUITE(waiters_help);

/* ---- Helpers ---- */

static filch_pool *helped_pool(unsigned workers, bool lent_only)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.waiters_help = true;
    options.lent_threads_only = lent_only;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static int tell_thread(filch_task *self, void *out)
{
    (void)self;
    *(pthread_t *)out = pthread_self();
    return filch_return(self, out);
}

static int check_here(filch_task *self, void *thread)
{
    must(pthread_equal(pthread_self(), *(pthread_t *)thread));
    return filch_return(self, thread);
}

/* ---- Alone: no thread but ours ---- */

Test(waiters_help, a_pool_without_threads_is_worked_by_who_waits)
{
    filch_pool *pool = helped_pool(1, true);
    pthread_t here = pthread_self();
    void *result = NULL;
    atomic_store(&filchi_os_faults.threads, -1);
    for (int i = 0; i < 100; i++) {
        filch_future *future = submit(pool, check_here, &here);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
        cr_assert_eq(result, &here);
        cr_assert_not(filch_task_current());
        filch_future_unref(future);
    }
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(stats_of(pool).idle, 1);
    filch_pool_destroy(pool);
    atomic_store(&filchi_os_faults.threads, 0);
}

Test(waiters_help, joins_run_all_of_them)
{
    filch_pool *pool = helped_pool(1, true);
    pthread_t here = pthread_self();
    filch_future *futures[300];
    for (int i = 0; i < 300; i++)
        futures[i] = submit(pool, check_here, &here);
    cr_assert_eq(filch_join(futures, 300), 0);
    unref_all(futures, 300);
    cr_assert_eq(stats_of(pool).threads_peak, 1);
    filch_pool_destroy(pool);
}

/* What was claimed out of turn leaves an entry behind: no more of them than there were tasks at once. */
Test(waiters_help, stale_entries_do_not_pile_up)
{
    filch_pool *pool = helped_pool(1, true);
    pthread_t here = pthread_self();
    filch_future *first = submit(pool, check_here, &here);
    for (int i = 0; i < 1000; i++) {
        filch_future *future = submit(pool, check_here, &here);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        filch_future_unref(future);
        filch_pool_stats stats = stats_of(pool);
        cr_assert_leq(stats.submitted - stats.finished, 3);
    }
    filch_future_unref(first);
    filch_pool_destroy(pool);
}

static int sum_of_two(filch_task *self, void *depth)
{
    intptr_t n = (intptr_t)depth;
    filch_future *subs[2];
    void *parts[2];
    if (n == 0)
        return filch_return(self, (void *)1);
    for (int i = 0; i < 2; i++)
        must(filch_submit(filch_task_pool(self), sum_of_two, (void *)(n - 1), &subs[i]) == 0);
    for (int i = 0; i < 2; i++) {
        must(filch_future_result(subs[i], FILCH_FOREVER, &parts[i]) == 0);
        filch_future_unref(subs[i]);
    }
    return filch_return(self, (void *)((intptr_t)parts[0] + (intptr_t)parts[1]));
}

Test(waiters_help, tasks_that_wait_for_their_own_do_so_on_the_waiting_thread)
{
    filch_pool *pool = helped_pool(1, true);
    void *result = NULL;
    filch_future *future = submit(pool, sum_of_two, (void *)8);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
    cr_assert_eq((intptr_t)result, 256);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(waiters_help, tasks_for_later_wake_who_waits)
{
    filch_pool *pool = helped_pool(1, true);
    filch_future *future = NULL;
    int64_t begun = filch_now();
    cr_assert_eq(filch_submit_after(pool, FILCH_MS(30), do_nothing, NULL, &future), 0);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_geq(filch_now() - begun, FILCH_MS(30));
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int fail_once(filch_task *self, void *n)
{
    return atomic_fetch_add((_Atomic int *)n, 1) ? 0 : filch_fail(self, -EIO, "once");
}

Test(waiters_help, tasks_that_are_tried_again_are_run_by_who_waits)
{
    filch_pool *pool = helped_pool(1, true);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    _Atomic int n = 0;
    retry.interval_ns = FILCH_MS(2);
    options.retry = &retry;
    cr_assert_eq(filch_submit_with(pool, fail_once, (void *)&n, &options, &future), 0);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- Every kind of wait ---- */

Test(waiters_help, iterators_wait_helping)
{
    filch_pool *pool = helped_pool(2, true);
    pthread_t here = pthread_self();
    filch_future *futures[20], *next;
    filch_completed *completed = NULL;
    for (int i = 0; i < 20; i++)
        futures[i] = submit(pool, check_here, &here);
    cr_assert_eq(filch_completed_begin(&completed, futures, 20, FILCH_FOREVER), 0);
    int n = 0;
    while (filch_completed_next(completed, &next) > 0)
        n++;
    filch_completed_end(completed);
    cr_assert_eq(n, 20);
    unref_all(futures, 20);
    filch_pool_destroy(pool);
}

Test(waiters_help, waiting_for_the_first_or_all_helps)
{
    filch_pool *pool = helped_pool(2, true);
    pthread_t here = pthread_self();
    filch_future *futures[8];
    size_t done = 0;
    for (int i = 0; i < 8; i++)
        futures[i] = submit(pool, check_here, &here);
    cr_assert_eq(filch_wait(futures, 8, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &done), 0);
    cr_assert_geq(done, 1);
    cr_assert_eq(filch_wait(futures, 8, FILCH_ALL, FILCH_SECONDS(60), &done), 0);
    cr_assert_eq(done, 8);
    unref_all(futures, 8);
    filch_pool_destroy(pool);
}

Test(waiters_help, scopes_wait_helping)
{
    filch_pool *pool = helped_pool(1, true);
    pthread_t here = pthread_self();
    filch_scope *scope = NULL;
    filch_future *next = NULL;
    cr_assert_eq(filch_scope_open(&scope, pool, NULL), 0);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(filch_scope_submit(scope, check_here, &here, NULL), 0);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(filch_scope_join(scope, NULL), 0);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

static int square(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    must(pthread_equal(pthread_self(), *(pthread_t *)arg));
    *(int *)out = *(const int *)in * *(const int *)in;
    return 0;
}

Test(waiters_help, maps_wait_helping)
{
    filch_pool *pool = helped_pool(2, true);
    pthread_t here = pthread_self();
    int in[50], out[50];
    for (int i = 0; i < 50; i++)
        in[i] = i;
    cr_assert_eq(filch_map(pool, square, &here, in, sizeof in[0], out, sizeof out[0], 50, NULL, NULL), 0);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(out[i], i * i);
    filch_pool_destroy(pool);
}

/* ---- With others ---- */

Test(waiters_help, no_more_tasks_run_than_there_are_workers)
{
    filch_pool *pool = helped_pool(1, false);
    struct gate gate = GATE;
    pthread_t where;
    filch_future *held = hold_worker(pool, &gate); /* by the pool's own thread: nobody waits */
    filch_future *next = submit(pool, tell_thread, &where);
    cr_assert_eq(filch_future_wait(next, FILCH_MS(30)), -ETIMEDOUT);
    cr_assert_eq(filch_future_state(next), FILCH_PENDING);
    let_go(&gate, held);
    cr_assert_eq(filch_future_wait(next, FILCH_FOREVER), 0);
    filch_future_unref(next);
    filch_pool_destroy(pool);
}

Test(waiters_help, what_is_awaited_at_once_mostly_runs_here)
{
    filch_pool *pool = helped_pool(2, false);
    pthread_t where, here = pthread_self();
    int n = 0;
    for (int i = 0; i < 1000; i++) {
        filch_future *future = submit(pool, tell_thread, &where);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        n += pthread_equal(where, here) != 0;
        filch_future_unref(future);
    }
    cr_assert_gt(n, 0);
    filch_pool_destroy(pool);
}

/* ---- How a wait ends ---- */

Test(waiters_help, a_poll_runs_nothing)
{
    filch_pool *pool = helped_pool(1, true);
    filch_future *future = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_future_wait(future, 0), -ETIMEDOUT);
    cr_assert_eq(filch_future_state(future), FILCH_PENDING);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(waiters_help, a_timeout_ends_a_wait_with_nothing_to_run)
{
    filch_pool *pool = helped_pool(1, true);
    filch_future *later = NULL;
    cr_assert_eq(filch_submit_at(pool, INT64_MAX, do_nothing, NULL, &later), 0);
    cr_assert_eq(filch_future_wait(later, FILCH_MS(5)), -ETIMEDOUT);
    filch_future_cancel(later);
    filch_future_unref(later);
    filch_pool_destroy(pool);
}

static int interrupt(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    raise(SIGINT);
    return 0;
}

Test(waiters_help, an_interrupt_ends_the_wait_between_two_tasks)
{
    filch_pool *pool = helped_pool(1, true);
    filch_guard *guard = NULL;
    filch_future *later = NULL;
    cr_assert_eq(filch_guard_begin(&guard, filch_pool_stop(pool)), 0);
    cr_assert_eq(filch_submit_with(pool, interrupt, NULL, NULL, NULL), 0);
    filch_stop *own = stop_under(NULL);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.stop = own;
    options.start_at_ns = INT64_MAX;
    cr_assert_eq(filch_submit_with(pool, do_nothing, NULL, &options, &later), 0);
    cr_assert_eq(filch_future_wait(later, FILCH_FOREVER), -EINTR);
    filch_guard_end(guard);
    filch_future_cancel(later);
    filch_future_unref(later);
    filch_stop_unref(own);
    filch_pool_destroy(pool);
}

/* ---- The end of the pool ---- */

struct waiting {
    filch_future *futures[2];
    filch_completed *completed;
    int rcs[3];
};

static void *iterate(void *arg)
{
    struct waiting *waiting = arg;
    filch_future *next;
    for (int i = 0; i < 3; i++)
        waiting->rcs[i] = filch_completed_next(waiting->completed, &next);
    return NULL;
}

Test(waiters_help, a_pool_may_go_while_one_waits_for_another_too)
{
    filch_pool *pool = helped_pool(1, false), *other = helped_pool(1, false);
    struct gate gate = GATE, long_one = GATE;
    struct waiting waiting = { 0 };
    pthread_t thread;
    waiting.futures[0] = hold_worker(pool, &gate);
    waiting.futures[1] = hold_worker(other, &long_one);
    must(filch_completed_begin(&waiting.completed, waiting.futures, 2, FILCH_FOREVER) == 0);
    must(pthread_create(&thread, NULL, iterate, &waiting) == 0);
    UNTIL(stats_of(pool).threads == 2);
    gate_open(&gate);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    gate_open(&long_one);
    pthread_join(thread, NULL);
    cr_assert_eq(waiting.rcs[0], 1);
    cr_assert_eq(waiting.rcs[1], 1);
    cr_assert_eq(waiting.rcs[2], 0);
    filch_completed_end(waiting.completed);
    unref_all(waiting.futures, 2);
    filch_pool_destroy(other);
}

Test(waiters_help, a_future_can_be_waited_for_after_its_pool)
{
    filch_pool *pool = helped_pool(1, true);
    filch_future *future = submit(pool, do_nothing, NULL);
    filch_pool_destroy(pool);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    filch_future_unref(future);
}

/* ---- Hooks and failures ---- */

Test(waiters_help, the_hooks_run_around_a_wait_that_helps)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    int rc = 0;
    options.waiters_help = options.lent_threads_only = true;
    options.worker_init = enter;
    options.worker_exit = leave;
    options.worker_arg = &rc;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_future *future = submit(pool, check_initialised, NULL);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(initialised, 0);
    filch_future_unref(future);
    rc = -EACCES;
    future = submit(pool, check_initialised, NULL);
    cr_assert_eq(filch_future_wait(future, FILCH_MS(5)), -ETIMEDOUT, "it waits without helping");
    rc = initialised = 0;
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(waiters_help, without_memory_a_wait_is_a_wait)
{
    filch_pool *pool = helped_pool(1, false);
    for (int i = 0; i < 20; i++) {
        filch_future *future = submit(pool, do_nothing, NULL);
        atomic_store(&filchi_os_faults.allocations, -1);
        int rc = filch_future_wait(future, FILCH_FOREVER);
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert_eq(rc, 0);
        filch_future_unref(future);
    }
    filch_pool_destroy(pool);
}

/* ---- The end ---- */

static void *await_outside(void *future)
{
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    return NULL;
}

/* It lies behind another one, and its entry is dropped by us while it runs there. */
Test(waiters_help, a_pool_is_not_at_its_end_while_a_task_runs_that_who_waits_has_claimed)
{
    filch_pool *pool = helped_pool(2, true);
    struct gate gate = GATE;
    pthread_t thread;
    filch_future *before = submit(pool, do_nothing, NULL), *claimed = submit(pool, pass_gate, &gate);
    must(pthread_create(&thread, NULL, await_outside, claimed) == 0);
    event_await(&gate.started);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_MS(50), NULL), -ETIMEDOUT);
    cr_assert_eq(filch_future_state(before), FILCH_DONE);
    gate_open(&gate);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_future_state(claimed), FILCH_DONE);
    pthread_join(thread, NULL);
    unref_all((filch_future *[]) { before, claimed }, 2);
    filch_pool_destroy(pool);
}
