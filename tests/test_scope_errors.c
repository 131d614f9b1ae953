/* SPDX-License-Identifier: MIT */
/* How scopes end: first errors and those after it, stops, deadlines; tasks that only saw the stop are no errors. */
#include "os.h"
#include "scope_support.h"

SUITE(scope_errors);

#define N 20

/* ---- Policies ---- */

/* arg: an event, signalled as it starts. Its error is the one for which it was stopped. */
static int expect_io_stop(filch_task *self, void *started)
{
    event_signal(started);
    while (!filch_task_stopped(self))
        sched_yield();
    const filch_error *reason = filch_stop_error(filch_task_stop(self));
    must(reason && strcmp(filch_error_message(reason), "the disk is gone") == 0);
    must(filch_stop_reason(filch_task_stop(self)) == -EIO);
    return -ECANCELED;
}

Test(scope_errors, first_failure_stops_the_others_which_see_it_as_the_reason)
{
    filch_pool *pool = pool_of(3);
    filch_scope *scope = scope_of(pool);
    struct event started = EVENT;
    filch_future *seeing[2], *pending[N];
    filch_error *error = NULL;
    for (int i = 0; i < 2; i++)
        seeing[i] = spawn_held(scope, expect_io_stop, &started);
    event_await_count(&started, 2);
    filch_future *failing = spawn_held(scope, fail_with_io, NULL);
    cr_assert_eq(filch_future_wait(failing, FILCH_FOREVER), 0);
    _Atomic int ran = 0;
    for (int i = 0; i < N; i++)
        pending[i] = spawn_held(scope, count_up, &ran);
    cr_assert_eq(filch_scope_join(scope, &error), -EIO);
    cr_assert_eq(filch_future_state(failing), FILCH_FAILED);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(filch_future_state(seeing[i]), FILCH_STOPPED);
    for (int i = 0; i < N; i++)
        cr_assert_eq(filch_future_state(pending[i]), FILCH_STOPPED);
    cr_assert_eq(atomic_load(&ran), 0);
    cr_assert_eq(filch_error_code(error), -EIO);
    cr_assert_str_eq(filch_error_message(error), "the disk is gone");
    cr_assert_eq(filch_error_suppressed_count(error), 0);
    filch_error_unref(error);
    unref_all(seeing, 2);
    unref_all(pending, N);
    filch_future_unref(failing);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

static int fail_with_number(filch_task *self, void *number)
{
    return filch_fail(self, -EIO, "number %d", (int)(intptr_t)number);
}

Test(scope_errors, collecting_runs_every_task_and_keeps_the_first_errors_and_counts_all)
{
    filch_pool *pool = pool_of(1); /* so in this order */
    filch_scope *scope = collecting(pool);
    filch_error *error = NULL;
    char text[16];
    _Atomic int ran = 0;
    for (int i = 0; i < N; i++) {
        spawn(scope, fail_with_number, (void *)(intptr_t)i);
        spawn(scope, count_up, &ran);
    }
    cr_assert_eq(filch_scope_join(scope, &error), -EIO);
    cr_assert_eq(atomic_load(&ran), N);
    cr_assert_str_eq(filch_error_message(error), "number 0");
    cr_assert_eq(filch_error_suppressed_count(error), N - 1);
    for (size_t i = 0; i < 8; i++) {
        snprintf(text, sizeof text, "number %d", (int)i + 1);
        cr_assert_str_eq(filch_error_message(filch_error_suppressed(error, i)), text);
    }
    cr_assert_null(filch_error_suppressed(error, 8));
    cr_assert(!filch_stop_requested(filch_scope_stop(scope)));
    filch_error_unref(error);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

static int fail_after_stop(filch_task *self, void *started)
{
    event_signal(started);
    while (!filch_task_stopped(self))
        sched_yield();
    return filch_fail(self, -EPIPE, "could not clean up");
}

Test(scope_errors, real_failures_after_the_stop_are_suppressed_errors)
{
    filch_pool *pool = pool_of(3);
    filch_scope *scope = scope_of(pool);
    struct event started = EVENT;
    filch_error *error = NULL;
    spawn(scope, fail_after_stop, &started);
    spawn(scope, run_until_stopped, &started);
    event_await_count(&started, 2);
    spawn(scope, fail_with_io, NULL);
    cr_assert_eq(filch_scope_join(scope, &error), -EIO);
    cr_assert_eq(filch_error_suppressed_count(error), 1);
    cr_assert_eq(filch_error_code(filch_error_suppressed(error, 0)), -EPIPE);
    filch_error_unref(error);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

static int return_canceled(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return -ECANCELED;
}

Test(scope_errors, a_task_that_gives_up_without_a_stop_is_a_failure)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    filch_error *error = NULL;
    spawn(scope, return_canceled, NULL);
    cr_assert_eq(filch_scope_join(scope, &error), -ECANCELED);
    cr_assert_str_eq(filch_error_message(error), "the task failed");
    filch_error_unref(error);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope_errors, members_cancelled_or_stopped_one_by_one_are_no_failures)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    filch_scope *scope = scope_of(pool);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.stop = stop_under(filch_scope_stop(scope));
    _Atomic int ran = 0;
    filch_future *cancelled = spawn_held(scope, count_up, &ran), *stopped = NULL;
    cr_assert_eq(filch_scope_submit_with(scope, count_up, &ran, &options, &stopped), 0);
    spawn(scope, count_up, &ran);
    cr_assert(filch_future_cancel(cancelled));
    filch_stop_request(options.stop, 0);
    let_go(&gate, holder);
    filch_error *error = NULL;
    cr_assert_eq(filch_scope_join(scope, &error), 0);
    cr_assert_null(error);
    cr_assert_eq(atomic_load(&ran), 1);
    cr_assert_eq(filch_future_state(stopped), FILCH_STOPPED);
    filch_future_unref(cancelled);
    filch_future_unref(stopped);
    filch_stop_unref(options.stop);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

/* ---- Stops ---- */

Test(scope_errors, requested_stop_is_the_outcome_if_it_ended_a_task)
{
    filch_pool *pool = pool_of(1);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.name = "the fetch";
    filch_scope *scope = scope_with(pool, &options);
    struct event started = EVENT;
    filch_error *error = NULL;
    spawn(scope, run_until_stopped, &started);
    event_await(&started);
    filch_error *why = filch_error_create(-EPERM, "no longer wanted");
    filch_stop_request_error(filch_scope_stop(scope), why);
    cr_assert_eq(filch_scope_join(scope, &error), -ECANCELED);
    cr_assert_str_eq(filch_error_task(error), "the fetch");
    cr_assert_eq(filch_error_cause(error), why);
    filch_error_unref(error);
    filch_error_unref(why);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope_errors, requested_stop_that_ended_no_task_is_no_error)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    _Atomic int ran = 0;
    filch_future *task = spawn_held(scope, count_up, &ran);
    cr_assert_eq(filch_future_wait(task, FILCH_FOREVER), 0);
    filch_stop_request(filch_scope_stop(scope), -EPERM);
    cr_assert_eq(filch_scope_join(scope, NULL), 0);
    filch_future_unref(task);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope_errors, submit_into_a_stopped_scope_gives_a_task_that_is_stopped)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    filch_stop_request(filch_scope_stop(scope), 0);
    _Atomic int ran = 0;
    filch_future *late = spawn_held(scope, count_up, &ran);
    cr_assert_eq(filch_scope_join(scope, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(late), FILCH_STOPPED);
    cr_assert_eq(atomic_load(&ran), 0);
    filch_future_unref(late);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

/* Has another task fail, then tells how many started on this thread afterwards. */
static _Atomic int started_after_stop;

static int start_unless_stopped(filch_task *self, void *arg)
{
    (void)arg;
    if (filch_task_stopped(self))
        atomic_fetch_add(&started_after_stop, 1);
    return 0;
}

static int fail_with_many_queued(filch_task *self, void *gate)
{
    pass_gate(self, gate);
    return filch_fail(self, -EIO, "the first");
}

Test(scope_errors, no_task_starts_on_a_worker_that_has_seen_the_stop)
{
    filch_pool *pool = pool_of(1); /* which raises it and so has seen it */
    filch_scope *scope = discarding(pool);
    struct gate gate = GATE;
    spawn(scope, fail_with_many_queued, &gate);
    for (int i = 0; i < 10000; i++)
        spawn(scope, start_unless_stopped, NULL);
    gate_open(&gate);
    cr_assert_eq(filch_scope_join(scope, NULL), -EIO);
    cr_assert_eq(atomic_load(&started_after_stop), 0);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

/* ---- Deadlines ---- */

Test(scope_errors, deadline_stops_tasks_that_keep_every_worker_busy)
{
    filch_pool *pool = pool_of(2);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.timeout_ns = FILCH_MS(20);
    int64_t begun = filch_now();
    filch_scope *scope = scope_with(pool, &options);
    filch_error *error = NULL;
    for (int i = 0; i < 6; i++)
        spawn(scope, run_until_stopped, NULL);
    cr_assert_eq(filch_scope_join(scope, &error), -ETIMEDOUT);
    cr_assert_geq(filch_now() - begun, FILCH_MS(20));
    cr_assert_eq(filch_error_code(error), -ETIMEDOUT);
    cr_assert_eq(filch_stop_reason(filch_scope_stop(scope)), -ETIMEDOUT);
    filch_error_unref(error);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope_errors, a_scope_whose_time_ran_out_before_the_one_around_it_was_stopped_has_timed_out)
{
    filch_pool *pool = pool_of(1);
    filch_stop *around = stop_under(NULL);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.timeout_ns = FILCH_MS(1);
    options.stop = around;
    filch_scope *scope = scope_with(pool, &options);
    filch_error *error = NULL;
    spawn(scope, run_until_stopped, NULL);
    UNTIL(filch_stop_requested(filch_scope_stop(scope)));
    filch_stop_request(around, -EINTR);
    cr_assert_eq(filch_scope_join(scope, &error), -ETIMEDOUT);
    cr_assert_eq(filch_error_code(error), -ETIMEDOUT);
    filch_error_unref(error);
    filch_scope_close(scope);
    filch_stop_unref(around);
    filch_pool_destroy(pool);
}

Test(scope_errors, real_error_before_the_deadline_is_the_outcome)
{
    filch_pool *pool = pool_of(1);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.policy = FILCH_COLLECT;
    options.timeout_ns = FILCH_MS(50);
    filch_scope *scope = scope_with(pool, &options);
    filch_future *failing = spawn_held(scope, fail_with_io, NULL);
    spawn(scope, run_until_stopped, NULL);
    int rc = finish(scope);
    bool in_time = filch_future_state(failing) == FILCH_FAILED; /* the machine may be slow */
    cr_assert_eq(rc, in_time ? -EIO : -ETIMEDOUT);
    filch_future_unref(failing);
    filch_pool_destroy(pool);
}

Test(scope_errors, deadline_far_away_costs_nothing)
{
    filch_pool *pool = pool_of(1);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.timeout_ns = FILCH_SECONDS(3600);
    for (int i = 0; i < 100; i++) {
        filch_scope *scope = scope_with(pool, &options);
        spawn(scope, do_nothing, NULL);
        cr_assert_eq(finish(scope), 0);
    }
    filch_pool_destroy(pool);
}

/* arg: an event. A task whose inner scope is stopped by what befell the outer one. */
static int join_inner_scope(filch_task *self, void *started)
{
    filch_scope *inner = scope_of(filch_task_pool(self));
    spawn(inner, run_until_stopped, started);
    return finish(inner);
}

static void expect_inner_to_see_only_a_stop(filch_scope *outer, struct event *started, int code)
{
    filch_error *error = NULL;
    filch_future *main_task = spawn_held(outer, join_inner_scope, started);
    if (code != -ETIMEDOUT) { /* time runs out by itself, perhaps before it has started */
        event_await(started);
        spawn(outer, fail_with_io, NULL);
    }
    cr_assert_eq(filch_scope_join(outer, &error), code);
    cr_assert_eq(filch_future_state(main_task), FILCH_STOPPED);
    cr_assert_eq(filch_error_suppressed_count(error), 0);
    filch_error_unref(error);
    filch_future_unref(main_task);
    filch_scope_close(outer);
}

Test(scope_errors, inner_scope_whose_outer_ran_out_of_time_has_only_seen_a_stop)
{
    filch_pool *pool = pool_of(2);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    struct event started = EVENT;
    options.timeout_ns = FILCH_MS(20);
    expect_inner_to_see_only_a_stop(scope_with(pool, &options), &started, -ETIMEDOUT);
    filch_pool_destroy(pool);
}

Test(scope_errors, inner_scope_whose_outer_failed_has_only_seen_a_stop)
{
    filch_pool *pool = pool_of(2);
    struct event started = EVENT;
    expect_inner_to_see_only_a_stop(scope_of(pool), &started, -EIO);
    filch_pool_destroy(pool);
}

/* ---- Retries and delays ---- */

Test(scope_errors, stop_ends_retry_waits_and_delays_at_once)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options again = FILCH_TASK_OPTIONS, later = FILCH_TASK_OPTIONS;
    retry.interval_ns = FILCH_SECONDS(3600);
    again.retry = &retry;
    later.start_at_ns = filch_now() + FILCH_SECONDS(3600);
    filch_future *waiting = NULL, *delayed = NULL;
    cr_assert_eq(filch_scope_submit_with(scope, fail_with_io, NULL, &again, &waiting), 0);
    cr_assert_eq(filch_scope_submit_with(scope, do_nothing, NULL, &later, &delayed), 0);
    UNTIL(filch_future_state(waiting) == FILCH_RETRY_WAIT);
    spawn(scope, fail_with_number, (void *)(intptr_t)7);
    filch_error *error = NULL;
    cr_assert_eq(filch_scope_join(scope, &error), -EIO);
    cr_assert_str_eq(filch_error_message(error), "number 7"); /* an attempt that was to be repeated is none */
    cr_assert_eq(filch_error_suppressed_count(error), 0);
    cr_assert_eq(filch_future_state(waiting), FILCH_STOPPED);
    cr_assert_eq(filch_future_state(delayed), FILCH_STOPPED);
    filch_error_unref(error);
    filch_future_unref(waiting);
    filch_future_unref(delayed);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

static int succeed_at_third(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) < 3 ? filch_fail(self, -EIO, "not yet") : 0;
}

Test(scope_errors, attempts_before_the_last_are_no_failures)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options again = FILCH_TASK_OPTIONS;
    retry.interval_ns = FILCH_US(100);
    again.retry = &retry;
    spawn_with(scope, succeed_at_third, NULL, &again);
    cr_assert_eq(filch_scope_join(scope, NULL), 0);
    retry.max_attempts = 2;
    spawn_with(scope, succeed_at_third, NULL, &again);
    filch_error *error = NULL;
    cr_assert_eq(filch_scope_join(scope, &error), -EIO);
    cr_assert_eq(filch_error_attempt(error), 2);
    cr_assert_str_eq(filch_error_message(filch_error_root(error)), "not yet");
    filch_error_unref(error);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

/* ---- Shutdown ---- */

Test(scope_errors, shutdown_that_stops_and_cancels_ends_a_scope)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    struct event started = EVENT;
    _Atomic int ran = 0;
    spawn(scope, run_until_stopped, &started);
    event_await(&started);
    filch_future *pending = spawn_held(scope, count_up, &ran);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_STOP_RUNNING | FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL),
                 0);
    cr_assert_eq(filch_scope_submit(scope, count_up, &ran, NULL), -ESHUTDOWN);
    cr_assert_eq(filch_scope_join(scope, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(pending), FILCH_CANCELLED);
    cr_assert_eq(atomic_load(&ran), 0);
    filch_future_unref(pending);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope_errors, tasks_that_a_shutdown_cancels_are_no_success)
{
    struct gate gate = GATE;
    filch_pool *pool = pool_of(1);
    filch_future *holder = hold_worker(pool, &gate);
    filch_scope *scope = NULL;
    filch_error *error = NULL;
    cr_assert_eq(filch_scope_open(&scope, pool, NULL), 0);
    cr_assert_eq(filch_scope_submit(scope, do_nothing, NULL, NULL), 0);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL), 0);
    cr_assert_eq(filch_scope_join(scope, &error), -ECANCELED);
    cr_assert_str_eq(filch_error_message(error), "the scope was stopped: the pool was shut down");
    filch_error_unref(error);
    filch_scope_close(scope);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
}
