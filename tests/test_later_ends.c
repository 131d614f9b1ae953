/* SPDX-License-Identifier: MIT */
/* What ends the wait of a task that is to start later: cancel, stop, shutdown; and who is left when nobody holds it. */
#include "os.h"
#include "support.h"
#include "worker.h"

#include <signal.h>

SUITE(later_ends);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static _Atomic int dropped; /* arguments */

static void count_dropped(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

static int must_not_run(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    fputs("a task that was cancelled runs\n", stderr);
    abort();
}

/* With an argument that is counted when it is dropped; `out` may be NULL. */
static void submit_late(filch_pool *pool, int64_t delay_ns, filch_fn *fn, filch_stop *stop, filch_future **out)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.start_at_ns = filch_now() + delay_ns;
    options.stop = stop;
    options.arg_dtor = count_dropped;
    must(filch_submit_with(pool, fn, NULL, &options, out) == 0);
}

static filch_future *submit_never(filch_pool *pool, filch_stop *stop)
{
    filch_future *future = NULL;
    submit_late(pool, NEVER_DUE, must_not_run, stop, &future);
    return future;
}

/* ---- Cancelling ---- */

static void count_callback(filch_future *future, void *count)
{
    must(filch_future_done(future));
    atomic_fetch_add((_Atomic int *)count, 1);
}

Test(later_ends, cancelled_it_never_runs_and_callbacks_come_at_once)
{
    filch_pool *pool = pool_of(1);
    _Atomic int called = 0;
    filch_future *future = submit_never(pool, NULL);
    cr_assert_eq(filch_future_on_done(future, count_callback, (void *)&called), 0);
    cr_assert(filch_future_cancel(future));
    cr_assert_eq(called, 1);
    cr_assert(filch_future_cancel(future), "it is cancelled");
    cr_assert_eq(filch_future_state(future), FILCH_CANCELLED);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_str_eq(filch_error_message(filch_future_error(future)), "cancelled before it started");
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(dropped, 1);
    cr_assert_eq(called, 1);
}

static void shut_down_from_callback(filch_future *future, void *pool)
{
    must(filch_future_state(future) == FILCH_CANCELLED);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_SECONDS(10), NULL) == 0);
}

Test(later_ends, a_callback_of_a_cancel_may_wait_for_the_pools_end)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit_never(pool, NULL);
    cr_assert_eq(filch_future_on_done(future, shut_down_from_callback, pool), 0);
    cr_assert(filch_future_cancel(future));
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int count_run(filch_task *self, void *arg)
{
    (void)arg;
    must(filch_task_attempt(self) == 1);
    return 0;
}

Test(later_ends, a_cancel_at_the_moment_it_is_due_wins_or_does_not)
{
    filch_pool *pool = pool_of(2);
    int cancelled = 0, done = 0, n = SANITIZED ? 500 : 3000;
    for (int i = 0; i < n; i++) {
        filch_future *future;
        submit_late(pool, FILCH_US(i % 100), count_run, NULL, &future);
        int64_t until = filch_now() + FILCH_US(i % 160);
        while (filch_now() < until)
            continue;
        bool won = filch_future_cancel(future);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        cr_assert_eq(filch_future_state(future), won ? FILCH_CANCELLED : FILCH_DONE);
        cr_assert_eq(filch_future_attempts(future), !won);
        *(won ? &cancelled : &done) += 1;
        filch_future_unref(future);
    }
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(dropped, n);
    fprintf(stderr, "later_ends: %d cancelled, %d done\n", cancelled, done);
}

/* ---- What begins to wait when all that waited has been cancelled ---- */

struct late {
    filch_pool *pool;
    filch_stop *stop; /* with a deadline that keeps the timer thread asleep */
    struct gate gate;
};

static int fail_late(filch_task *self, void *arg)
{
    struct late *late = arg;
    (void)self;
    event_signal(&late->gate.started);
    event_await(&late->gate.opened);
    return -EIO;
}

static void *shut_down_cancelling(void *pool)
{
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING, FILCH_FOREVER, NULL) == 0);
    return NULL;
}

Test(later_ends, a_shutdown_does_not_leave_a_retry_lying_that_comes_after_it_has_cancelled)
{
    struct late late = { .pool = pool_of(1), .gate = GATE };
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_future *retried = NULL;
    pthread_t thread;
    cr_assert_eq(filch_stop_create_until(&late.stop, NULL, late.pool, filch_now() + NEVER_DUE), 0);
    retry.interval_ns = 2 * NEVER_DUE;
    options.retry = &retry;
    cr_assert_eq(filch_submit_with(late.pool, fail_late, &late, &options, &retried), 0);
    event_await(&late.gate.started);
    filch_future *waiting = submit_never(late.pool, NULL);
    cr_assert_eq(pthread_create(&thread, NULL, shut_down_cancelling, late.pool), 0);
    cr_assert_eq(filch_future_result(waiting, FILCH_FOREVER, NULL), -ECANCELED); /* all that waits is cancelled */
    gate_open(&late.gate);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(filch_future_state(retried), FILCH_CANCELLED);
    filch_future_unref(waiting);
    filch_future_unref(retried);
    filch_stop_unref(late.stop);
    cr_assert_eq(filch_pool_destroy(late.pool), 0);
}

/* ---- Stopping ---- */

Test(later_ends, its_stop_ends_the_wait_at_once)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_under(NULL);
    filch_future *future = submit_never(pool, stop), *other = submit_never(pool, NULL);
    filch_stop_request(stop, -EPIPE);
    filch_stop_unref(stop);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    cr_assert(strstr(filch_error_message(filch_future_error(future)), strerror(EPIPE)));
    cr_assert_eq(filch_future_attempts(future), 0);
    cr_assert_eq(filch_future_state(other), FILCH_PENDING);
    cr_assert(filch_future_cancel(other));
    filch_future_unref(future);
    filch_future_unref(other);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(dropped, 2);
}

Test(later_ends, under_a_stop_that_is_requested_already_it_ends_at_once)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_under(NULL);
    filch_stop_request(stop, 0);
    filch_future *future = submit_never(pool, stop);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    filch_stop_request(filch_pool_stop(pool), 0);
    filch_future *second = submit_never(pool, NULL);
    cr_assert_eq(filch_future_wait(second, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(second), FILCH_STOPPED);
    filch_future_unref(future);
    filch_future_unref(second);
    filch_stop_unref(stop);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static filch_stop *stop_of_handler;

static void request_in_handler(int number)
{
    (void)number;
    filch_stop_request(stop_of_handler, -EINTR);
}

Test(later_ends, a_signal_handler_may_stop_many_that_wait)
{
    enum { MANY = 1000 };
    filch_pool *pool = pool_of(1);
    filch_future *futures[MANY];
    stop_of_handler = stop_under(NULL);
    signal(SIGUSR1, request_in_handler);
    for (int i = 0; i < MANY; i++) {
        futures[i] = submit_never(pool, stop_of_handler);
        if (i == MANY / 2)
            raise(SIGUSR1);
    }
    cr_assert_eq(filch_wait(futures, MANY, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(filch_future_state(futures[i]), FILCH_STOPPED);
    unref_all(futures, MANY);
    filch_stop_unref(stop_of_handler);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(dropped, MANY);
}

Test(later_ends, a_hundred_thousand_are_cancelled_or_stopped_quickly)
{
    enum { MANY = 100000 };
    filch_pool *pool = pool_of(2);
    filch_future **futures = calloc(MANY, sizeof *futures);
    int64_t took[2];
    for (int stopping = 0; stopping < 2; stopping++) {
        for (int i = 0; i < MANY; i++)
            futures[i] = submit_never(pool, NULL);
        UNTIL(atomic_load(&pool->timers->n) > 0);
        int64_t begun = filch_now();
        if (stopping)
            filch_stop_request(filch_pool_stop(pool), 0);
        else
            cr_assert_eq(filch_cancel_all(futures, MANY), MANY);
        cr_assert_eq(filch_wait(futures, MANY, FILCH_ALL, FILCH_FOREVER, NULL), 0);
        unref_all(futures, MANY);
        UNTIL(atomic_load(&pool->timers->n) == 0); /* the timer thread has let go of them */
        UNTIL(atomic_load(&dropped) == (stopping + 1) * MANY);
        took[stopping] = filch_now() - begun;
        cr_assert_lt(took[stopping], FILCH_SECONDS(5));
    }
    fprintf(stderr, "later_ends: %d cancelled in %lld ms, stopped in %lld ms\n", MANY, (long long)took[0] / 1000000,
            (long long)took[1] / 1000000);
    free(futures);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Nobody holds it ---- */

static int signal_event(filch_task *self, void *arg)
{
    (void)self;
    event_signal(arg);
    return 0;
}

Test(later_ends, a_task_that_nobody_holds_runs_in_its_time)
{
    filch_pool *pool = pool_of(1);
    struct event ran = EVENT;
    must(filch_submit_after(pool, FILCH_MS(2), signal_event, &ran, NULL) == 0);
    filch_future *future = NULL;
    must(filch_submit_after(pool, FILCH_MS(3), signal_event, &ran, &future) == 0);
    filch_future_unref(future);
    event_await_count(&ran, 2);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(later_ends, a_task_that_nobody_holds_is_stopped_and_gone)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_under(NULL);
    submit_late(pool, NEVER_DUE, must_not_run, stop, NULL);
    filch_future_unref(submit_never(pool, stop));
    cr_assert_eq(dropped, 0);
    filch_stop_request(stop, 0);
    filch_stop_unref(stop);
    UNTIL(atomic_load(&dropped) == 2);
    submit_late(pool, NEVER_DUE, must_not_run, NULL, NULL);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(dropped, 3);
}

Test(later_ends, a_future_outlives_its_pool_with_its_plan)
{
    filch_pool *pool = pool_of(1);
    filch_future *cancelled = submit_never(pool, NULL), *done;
    submit_late(pool, 0, count_run, NULL, &done);
    cr_assert(filch_future_cancel(cancelled));
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(filch_future_state(cancelled), FILCH_CANCELLED);
    cr_assert_eq(filch_future_state(done), FILCH_DONE);
    cr_assert_eq(filch_future_attempts(done), 1);
    cr_assert_eq(dropped, 0);
    filch_future_unref(cancelled);
    filch_future_unref(done);
    cr_assert_eq(dropped, 2);
}

/* ---- Shutdown ---- */

Test(later_ends, a_shutdown_that_cancels_nothing_waits_for_its_time)
{
    filch_pool *pool = pool_of(1);
    filch_error *stragglers = NULL;
    filch_future *future;
    int64_t begun = filch_now();
    submit_late(pool, FILCH_MS(30), count_run, NULL, &future);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_MS(1), &stragglers), -ETIMEDOUT);
    cr_assert(strstr(filch_error_message(stragglers), "1 task"));
    filch_error_unref(stragglers);
    filch_future *refused = NULL;
    cr_assert_eq(filch_submit_after(pool, 1, do_nothing, NULL, &refused), -ESHUTDOWN);
    cr_assert_null(refused);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_geq(filch_now() - begun, FILCH_MS(30));
    cr_assert_eq(filch_future_state(future), FILCH_DONE);
    filch_future_unref(future);
}

static void expect_end_by(unsigned flags, filch_state state)
{
    filch_pool *pool = pool_of(2);
    filch_future *futures[50];
    for (int i = 0; i < 50; i++)
        futures[i] = submit_never(pool, NULL);
    cr_assert_eq(filch_pool_shutdown(pool, flags, FILCH_FOREVER, NULL), 0);
    if (flags & FILCH_SHUTDOWN_CANCEL_PENDING) /* at once: before the call returns */
        for (int i = 0; i < 50; i++)
            cr_assert(filch_future_done(futures[i]));
    cr_assert_eq(filch_wait(futures, 50, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    for (int i = 0; i < 50; i++)
        cr_assert(state ? filch_future_state(futures[i]) == state
                        : filch_future_state(futures[i]) >= FILCH_CANCELLED);
    unref_all(futures, 50);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(later_ends, a_shutdown_cancels_or_stops_those_that_wait_at_once)
{
    expect_end_by(FILCH_SHUTDOWN_CANCEL_PENDING, FILCH_CANCELLED);
    expect_end_by(FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_WAIT, FILCH_CANCELLED);
    expect_end_by(FILCH_SHUTDOWN_STOP_RUNNING, FILCH_STOPPED);
    expect_end_by(FILCH_SHUTDOWN_STOP_RUNNING | FILCH_SHUTDOWN_WAIT, FILCH_STOPPED);
    expect_end_by(FILCH_SHUTDOWN_STOP_RUNNING | FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_WAIT, 0);
}

static int shut_down_inside(filch_task *self, void *arg)
{
    filch_future *own = NULL, *refused = NULL;
    must(filch_submit_after(filch_task_pool(self), NEVER_DUE, must_not_run, NULL, &own) == 0);
    must(filch_pool_shutdown(filch_task_pool(self), FILCH_SHUTDOWN_WAIT, 0, NULL) == -EDEADLK);
    must(filch_pool_shutdown(filch_task_pool(self), FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    must(filch_future_state(own) == FILCH_CANCELLED);
    must(filch_future_state(arg) == FILCH_CANCELLED);
    must(filch_submit_after(filch_task_pool(self), 1, must_not_run, NULL, &refused) == -ESHUTDOWN);
    filch_future_unref(own);
    return 0;
}

Test(later_ends, a_task_may_shut_down_those_that_wait)
{
    filch_pool *pool = pool_of(1);
    filch_future *waiting = submit_never(pool, NULL), *future = submit(pool, shut_down_inside, waiting);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_future_unref(waiting);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Callbacks on the timer thread ---- */

struct callback_test {
    filch_pool *pool;
    filch_stop *stop; /* dropped by the callback */
    filch_future *later;
    struct event called;
};

static void shut_down_on_timer_thread(filch_future *future, void *arg)
{
    struct callback_test *test = arg;
    must(filch_future_state(future) == FILCH_STOPPED);
    must(filchi_timers_here == test->pool->timers);
    must(filch_pool_shutdown(test->pool, FILCH_SHUTDOWN_WAIT, 0, NULL) == -EDEADLK);
    must(filch_pool_destroy(test->pool) == -EDEADLK);
    filch_stop_unref(test->stop);
    must(filch_submit_after(test->pool, NEVER_DUE, must_not_run, NULL, &test->later) == 0);
    must(filch_pool_shutdown(test->pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    event_signal(&test->called);
}

Test(later_ends, a_callback_on_the_timer_thread_may_submit_and_shut_down)
{
    struct callback_test test = { .pool = pool_of(1), .called = EVENT };
    filch_future *others[20];
    for (int i = 0; i < 20; i++)
        others[i] = submit_never(test.pool, NULL);
    must(filch_stop_create_until(&test.stop, NULL, test.pool, filch_now() + FILCH_MS(5)) == 0);
    filch_future *future = submit_never(test.pool, test.stop);
    cr_assert_eq(filch_future_on_done(future, shut_down_on_timer_thread, &test), 0);
    event_await(&test.called);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(filch_future_state(others[i]), FILCH_CANCELLED);
    cr_assert_eq(filch_pool_destroy(test.pool), 0);
    cr_assert_eq(filch_future_state(test.later), FILCH_CANCELLED);
    filch_future_unref(test.later);
    filch_future_unref(future);
    unref_all(others, 20);
}
