/* SPDX-License-Identifier: MIT */
/* The life of a scope: opening, submitting, joining, and the ways to close it. */
#include "scope_support.h"

#include <signal.h>

SUITE(scope);

#define N 100

Test(scope, join_waits_for_every_task)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        filch_scope *scope = scope_of(pool);
        _Atomic int ran = 0;
        cr_assert_eq(filch_scope_join(scope, NULL), 0);
        for (int round = 1; round <= 3; round++) { /* it may be used again */
            for (int i = 0; i < N; i++)
                spawn(scope, count_up, &ran);
            cr_assert_eq(filch_scope_join(scope, NULL), 0);
            cr_assert_eq(atomic_load(&ran), round * N);
        }
        filch_scope_close(scope);
        filch_pool_destroy(pool);
    }
}

Test(scope, close_of_none_is_allowed)
{
    filch_scope_close(NULL);
}

static int submit_two_more(filch_task *self, void *levels)
{
    filch_scope *scope = filch_scope_current();
    must(filch_task_stop(self) == filch_scope_stop(scope));
    for (int i = 0; levels && i < 2; i++)
        spawn(scope, submit_two_more, (void *)((intptr_t)levels - 1));
    return levels ? 0 : -EIO;
}

Test(scope, tasks_submit_into_their_scope_while_it_is_joined)
{
    filch_pool *pool = pool_of(2);
    filch_scope *scope = collecting(pool);
    filch_error *error = NULL;
    spawn(scope, submit_two_more, (void *)10);
    cr_assert_eq(filch_scope_join(scope, &error), -EIO);
    cr_assert_eq(filch_error_suppressed_count(error), (1 << 10) - 1); /* the leaves, less one */
    filch_error_unref(error);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope, handles_stay_valid_after_the_close)
{
    filch_pool *pool = pool_of(1);
    for (int discard = 0; discard < 2; discard++) {
        filch_scope *scope = discard ? discarding(pool) : scope_of(pool);
        filch_future *held = spawn_held(scope, return_arg, &pool);
        void *result = NULL;
        cr_assert_eq(finish(scope), 0);
        cr_assert_eq(filch_future_result(held, 0, &result), 0);
        cr_assert_eq(result, &pool);
        filch_future_unref(held);
    }
    filch_pool_destroy(pool);
}

static void count_drop(void *counter)
{
    atomic_fetch_add((_Atomic int *)counter, 1);
}

/* run_until_stopped() takes its argument for an event. */
static int poll_until_stopped(filch_task *self, void *arg)
{
    (void)arg;
    return run_until_stopped(self, NULL);
}

static void expect_arguments_dropped(bool discard)
{
    filch_pool *pool = pool_of(2);
    filch_scope *scope = discard ? discarding(pool) : scope_of(pool);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    _Atomic int dropped = 0;
    retry.interval_ns = FILCH_SECONDS(3600);
    for (int i = 0; i < N; i++) {
        filch_task_options options = FILCH_TASK_OPTIONS;
        options.arg_dtor = count_drop;
        options.start_at_ns = i % 3 == 1 ? filch_now() + FILCH_SECONDS(3600) : 0;
        options.retry = i % 3 == 2 ? &retry : NULL;
        spawn_with(scope, i % 3 == 2 ? fail_with_io : poll_until_stopped, &dropped, &options);
    }
    filch_scope_close(scope);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&dropped), N);
}

Test(scope, each_argument_is_dropped_once)
{
    expect_arguments_dropped(false);
    expect_arguments_dropped(true);
}

/* ---- Ways to close it ---- */

static void leave_early(filch_pool *pool, struct event *started)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = scope_of(pool);
    for (int i = 0; i < 3; i++)
        spawn(scope, run_until_stopped, started);
    event_await(started);
    if (filch_scope_stop(scope))
        return;
    must(false);
}

Test(scope, the_end_of_the_block_stops_and_joins)
{
    filch_pool *pool = pool_of(2);
    struct event started = EVENT;
    leave_early(pool, &started);
    cr_assert_null(filch_scope_current());
    filch_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.submitted, 3);
    filch_pool_destroy(pool);
}

struct leaving {
    struct event started;
    filch_future *inside[4];
    filch_stop *stops[2];
};

static int leave_scopes_open(filch_task *self, void *arg)
{
    struct leaving *leaving = arg;
    filch_scope *outer = scope_of(filch_task_pool(self)), *inner = scope_of(filch_task_pool(self));
    leaving->stops[0] = filch_stop_ref(filch_scope_stop(outer));
    leaving->stops[1] = filch_stop_ref(filch_scope_stop(inner));
    for (int i = 0; i < 4; i++)
        leaving->inside[i] = spawn_held(i % 2 ? outer : inner, run_until_stopped, &leaving->started);
    return 0;
}

Test(scope, scopes_that_a_task_left_open_are_closed_before_it_is_final)
{
    for (int lone = 0; lone < 2; lone++) {
        filch_pool *pool = lone ? lone_pool(0) : pool_of(2);
        struct leaving leaving = { .started = EVENT };
        cr_assert_eq(run_in(pool, leave_scopes_open, &leaving), 0);
        for (int i = 0; i < 4; i++)
            cr_assert_eq(filch_future_state(leaving.inside[i]), FILCH_STOPPED);
        for (int i = 0; i < 2; i++) {
            cr_assert(filch_stop_requested(leaving.stops[i]));
            filch_stop_unref(leaving.stops[i]);
        }
        unref_all(leaving.inside, 4);
        filch_pool_destroy(pool);
    }
}

/* Each attempt leaves one open. */
static int leave_open_and_fail(filch_task *self, void *live)
{
    must(filch_scope_current() == NULL);
    must(atomic_load((_Atomic int *)live) == 0);
    spawn(scope_of(filch_task_pool(self)), count_up, live);
    must(filch_scope_join(filch_scope_current(), NULL) == 0);
    atomic_fetch_sub((_Atomic int *)live, 1);
    return filch_task_attempt(self) < 3 ? -EIO : 0;
}

Test(scope, scopes_that_an_attempt_left_open_are_closed_before_the_next)
{
    filch_pool *pool = pool_of(2);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *task = NULL;
    _Atomic int live = 0;
    retry.interval_ns = 0;
    options.retry = &retry;
    cr_assert_eq(filch_submit_with(pool, leave_open_and_fail, &live, &options, &task), 0);
    cr_assert_eq(filch_future_result(task, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_future_attempts(task), 3);
    filch_future_unref(task);
    filch_pool_destroy(pool);
}

/* ---- Options ---- */

Test(scope, options_out_of_range_are_refused)
{
    filch_pool *pool = pool_of(1);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL;
    cr_assert_eq(filch_scope_open(&scope, NULL, NULL), -EINVAL);
    options.policy = (filch_scope_policy)7;
    cr_assert_eq(filch_scope_open(&scope, pool, &options), -EINVAL);
    options.size = 0;
    cr_assert_eq(filch_scope_open(&scope, pool, &options), -EINVAL);
    cr_assert_null(scope);
    cr_assert_null(filch_scope_current());
    filch_pool_destroy(pool);
}

Test(scope, submits_that_are_wrong_are_refused)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool), *beside = scope_under(pool, filch_pool_stop(pool));
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_stop *const foreign[] = { stop_under(NULL), filch_pool_stop(pool), filch_scope_stop(beside) };
    filch_future *future = NULL;
    _Atomic int ran = 0;
    for (int i = 0; i < 3; i++) {
        options.stop = foreign[i];
        cr_assert_eq(filch_scope_submit_with(scope, count_up, &ran, &options, &future), -EINVAL);
    }
    options.stop = NULL;
    options.start_at_ns = -1;
    cr_assert_eq(filch_scope_submit_with(scope, count_up, &ran, &options, &future), -EINVAL);
    cr_assert_eq(filch_scope_submit(scope, NULL, &ran, &future), -EINVAL);
    cr_assert_null(future);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &future), 0);
    filch_stop_unref(foreign[0]);
    filch_scope_close(beside);
    cr_assert_eq(finish(scope), 0);
    cr_assert_eq(atomic_load(&ran), 0);
    filch_pool_destroy(pool);
}

Test(scope, a_task_may_have_a_stop_of_its_own_below_the_scopes)
{
    filch_pool *pool = pool_of(2);
    filch_scope *scope = scope_of(pool);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_stop *middle = stop_under(filch_scope_stop(scope));
    struct event started = EVENT;
    options.stop = stop_under(middle);
    spawn_with(scope, run_until_stopped, &started, &options);
    event_await(&started);
    filch_stop_unref(middle);
    filch_stop_unref(options.stop);
    filch_scope_close(scope); /* reaches it */
    filch_pool_destroy(pool);
}

/* ---- Constant memory ---- */

Test(scope, a_discarding_scope_keeps_nothing_of_a_million_tasks)
{
    enum { TASKS = 1000000, BATCH = 2000 }; /* more than a slab's first chunk has room for */
    filch_pool *pool = pool_of(2);
    filch_scope *scope = discarding(pool);
    _Atomic int ran = 0;
    long before = 0, now = 0;
    for (int i = 0; i < TASKS / BATCH; i++) {
        for (int j = 0; j < BATCH; j++)
            spawn(scope, count_up, &ran);
        cr_assert_eq(filch_scope_join(scope, NULL), 0);
        FILE *statm = fopen("/proc/self/statm", "r");
        cr_assert_eq(fscanf(statm, "%*d %ld", &now), 1);
        fclose(statm);
        if (i == 20)
            before = now;
    }
    cr_assert_eq(atomic_load(&ran), TASKS);
    if (!SANITIZED) /* which keeps what is freed for a while */
        cr_assert_leq((now - before) * sysconf(_SC_PAGESIZE), 1 << 20);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

/* ---- Closed by others, a broken contract ---- */

#ifndef NDEBUG
static int close_arg(filch_task *self, void *scope)
{
    (void)self;
    filch_scope_close(scope);
    return 0;
}

Test(scope, a_close_by_a_thread_that_did_not_open_it_is_told_in_debug_builds, .signal = SIGABRT)
{
    filch_pool *pool = pool_of(1);
    run_in(pool, close_arg, scope_of(pool));
}

Test(scope, a_close_by_one_of_its_own_tasks_is_told_in_debug_builds, .signal = SIGABRT)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    spawn(scope, close_arg, scope);
    filch_scope_join(scope, NULL);
}
#endif
