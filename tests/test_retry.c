/* SPDX-License-Identifier: MIT */
/* Tasks that are tried again: how often, when, what they and others see of it, and what ends their wait. */
#include "os.h"
#include "retry.h"
#include "support.h"
#include "worker.h"

#include <limits.h>
#include <math.h>
#include <signal.h>

SUITE(retry);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static filch_retry_options retry_of(unsigned max_attempts, int64_t interval_ns)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    retry.max_attempts = max_attempts;
    retry.interval_ns = interval_ns;
    return retry;
}

static filch_future *submit_retried(filch_pool *pool, filch_fn *fn, void *arg, const filch_retry_options *retry)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.name = "retried";
    options.retry = retry;
    must(filch_submit_with(pool, fn, arg, &options, &future) == 0);
    return future;
}

static void until_retry_wait(const filch_future *future)
{
    UNTIL(filch_future_state(future) == FILCH_RETRY_WAIT);
}

/* ---- Attempts ---- */

/* What a task saw, and which attempt of it succeeds. */
struct tries {
    unsigned good;     /* this attempt succeeds; 0: none */
    unsigned seen[8];  /* attempt numbers */
    int64_t begun[8];  /* when */
    unsigned asked[8]; /* by should_retry */
    unsigned n, n_asked;
    unsigned unworthy; /* should_retry declines after it; 0: never */
};

static int try(filch_task *self, void *arg)
{
    struct tries *tries = arg;
    unsigned attempt = filch_task_attempt(self);
    must(tries->n < 8 && filch_future_attempts(self) == attempt);
    must(filch_task_error(self) == NULL); /* that of the attempt before is gone */
    must(filch_future_state(self) == FILCH_RUNNING);
    tries->begun[tries->n] = filch_now();
    tries->seen[tries->n++] = attempt;
    if (attempt == tries->good)
        return filch_return(self, tries);
    filch_error *cause = filch_error_create(-ENODEV, "no such device");
    int rc = filch_fail_from(self, cause, -EIO, "attempt %u failed", attempt);
    filch_error_unref(cause);
    return rc;
}

static bool ask(const filch_error *error, unsigned attempt, void *arg)
{
    struct tries *tries = arg;
    char expected[32];
    snprintf(expected, sizeof expected, "attempt %u failed", attempt);
    must(strcmp(filch_error_message(error), expected) == 0 && filch_error_code(error) == -EIO);
    tries->asked[tries->n_asked++] = attempt;
    return attempt != tries->unworthy;
}

static filch_future *run_tries(struct tries *tries, filch_retry_options retry)
{
    filch_pool *pool = pool_of(1);
    retry.should_retry = ask;
    retry.should_retry_arg = tries;
    filch_future *future = submit_retried(pool, try, tries, &retry);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    must(filch_pool_destroy(pool) == 0);
    for (unsigned i = 0; i < tries->n; i++)
        must(tries->seen[i] == i + 1);
    for (unsigned i = 0; i < tries->n_asked; i++)
        must(tries->asked[i] == i + 1);
    must(filch_future_attempts(future) == tries->n);
    return future;
}

static void expect_gave_up(filch_future *future, unsigned attempts)
{
    char number[32], last[32];
    snprintf(number, sizeof number, "%u attempt", attempts);
    snprintf(last, sizeof last, "attempt %u failed", attempts);
    const filch_error *error = filch_future_error(future);
    cr_assert_eq(filch_future_state(future), FILCH_FAILED);
    cr_assert_eq(filch_future_result(future, 0, NULL), -EIO);
    cr_assert_eq(filch_error_code(error), -EIO);
    cr_assert(strstr(filch_error_message(error), number));
    cr_assert_str_eq(filch_error_task(error), "retried");
    cr_assert_str_eq(filch_error_message(filch_error_cause(error)), last);
    cr_assert_eq(filch_error_code(filch_error_root(error)), -ENODEV);
}

Test(retry, after_the_last_attempt_the_error_says_how_many_and_has_the_last_one_as_cause)
{
    for (unsigned most = 1; most <= 4; most++) {
        struct tries tries = { 0 };
        filch_future *future = run_tries(&tries, retry_of(most, 0));
        cr_assert_eq(tries.n, most);
        cr_assert_eq(tries.n_asked, most - 1, "nobody asks after the last");
        expect_gave_up(future, most);
        filch_future_unref(future);
    }
}

Test(retry, the_first_good_attempt_is_the_result)
{
    for (unsigned good = 1; good <= 3; good++) {
        struct tries tries = { .good = good };
        void *result = NULL;
        filch_future *future = run_tries(&tries, retry_of(3, 0));
        cr_assert_eq(tries.n, good);
        cr_assert_eq(filch_future_result(future, 0, &result), 0);
        cr_assert_eq(result, &tries);
        cr_assert_null(filch_future_error(future));
        filch_future_unref(future);
    }
}

Test(retry, an_error_not_worth_it_is_not_tried_again)
{
    struct tries tries = { .unworthy = 2 };
    filch_future *future = run_tries(&tries, retry_of(5, 0));
    cr_assert_eq(tries.n, 2);
    expect_gave_up(future, 2);
    filch_future_unref(future);
}

Test(retry, between_attempts_lies_at_least_the_interval)
{
    struct tries tries = { 0 };
    filch_retry_options retry = retry_of(4, FILCH_MS(4));
    retry.backoff = 2.0;
    retry.max_interval_ns = FILCH_MS(10);
    filch_future *future = run_tries(&tries, retry);
    cr_assert_geq(tries.begun[1] - tries.begun[0], FILCH_MS(4));
    cr_assert_geq(tries.begun[2] - tries.begun[1], FILCH_MS(8));
    cr_assert_geq(tries.begun[3] - tries.begun[2], FILCH_MS(10));
    cr_assert_lt(tries.begun[3] - tries.begun[0], FILCH_SECONDS(5));
    filch_future_unref(future);
}

Test(retry, a_delayed_task_waits_for_its_time_and_then_between_attempts)
{
    filch_pool *pool = pool_of(1);
    struct tries tries = { .good = 2 };
    filch_retry_options retry = retry_of(3, FILCH_MS(5));
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.retry = &retry;
    options.start_at_ns = filch_now() + FILCH_MS(5);
    must(filch_submit_with(pool, try, &tries, &options, &future) == 0);
    memset(&retry, 0xEE, sizeof retry); /* it was copied */
    cr_assert_eq(filch_future_state(future), FILCH_PENDING);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert_geq(tries.begun[0], options.start_at_ns);
    cr_assert_geq(tries.begun[1] - tries.begun[0], FILCH_MS(5));
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int return_seven_once(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) == 1 ? 7 : 0;
}

Test(retry, a_positive_code_is_a_failure_to_try_again)
{
    filch_pool *pool = pool_of(1);
    filch_retry_options retry = retry_of(2, 0);
    void *result = pool;
    filch_future *future = submit_retried(pool, return_seven_once, NULL, &retry);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
    cr_assert_null(result, "nothing of the first attempt is left");
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Between attempts ---- */

Test(retry, the_wait_is_seen_and_holds_no_worker)
{
    filch_pool *pool = pool_of(1);
    filch_retry_options retry = retry_of(2, NEVER_DUE);
    filch_future *future = submit_retried(pool, fail_with_io, NULL, &retry);
    until_retry_wait(future);
    filch_future *other = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_future_wait(other, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(future), FILCH_RETRY_WAIT);
    cr_assert_not(filch_future_done(future));
    cr_assert_eq(filch_future_attempts(future), 1);
    cr_assert_eq(filch_future_wait(future, FILCH_MS(1)), -ETIMEDOUT);
    cr_assert_eq(stats_of(pool).threads, 1);
    filch_stop_request(filch_pool_stop(pool), -EINTR);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    cr_assert_eq(filch_future_attempts(future), 1);
    cr_assert_eq(filch_error_code(filch_error_root(filch_future_error(future))), -EIO);
    filch_future_unref(future);
    filch_future_unref(other);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int stop_and_return(filch_task *self, void *code)
{
    must(filch_task_attempt(self) == 1);
    filch_stop_request(filch_task_stop(self), 0);
    return (int)(intptr_t)code;
}

Test(retry, once_stopped_there_is_no_other_attempt)
{
    filch_retry_options retry = retry_of(3, 0);
    static const int codes[] = { -ECANCELED, -EIO };
    for (int i = 0; i < 2; i++) {
        filch_pool *pool = pool_of(1);
        filch_future *future = submit_retried(pool, stop_and_return, (void *)(intptr_t)codes[i], &retry);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), codes[i]);
        cr_assert_eq(filch_future_state(future), i ? FILCH_FAILED : FILCH_STOPPED);
        cr_assert_eq(filch_future_attempts(future), 1);
        filch_future_unref(future);
        cr_assert_eq(filch_pool_destroy(pool), 0);
    }
}

static void shut_down_waiting(unsigned flags, filch_state expected)
{
    filch_pool *pool = pool_of(1);
    filch_retry_options retry = retry_of(3, flags ? NEVER_DUE : FILCH_MS(3));
    filch_future *future = submit_retried(pool, fail_with_io, NULL, &retry);
    if (flags)
        until_retry_wait(future);
    cr_assert_eq(filch_pool_shutdown(pool, flags | FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_future_state(future), expected);
    cr_assert_eq(filch_future_attempts(future), flags ? 1 : 3);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(retry, a_shutdown_waits_for_all_attempts_or_cancels_or_stops_at_once)
{
    shut_down_waiting(0, FILCH_FAILED);
    shut_down_waiting(FILCH_SHUTDOWN_CANCEL_PENDING, FILCH_CANCELLED);
    shut_down_waiting(FILCH_SHUTDOWN_STOP_RUNNING, FILCH_STOPPED);
}

/* Threads of this process. */
static int threads_now(void)
{
    static pid_t tids[4096];
    return threads_named("", tids, 4096);
}

Test(retry, a_hundred_thousand_that_wait_cost_memory_only)
{
    enum { MANY = 100000 };
    filch_pool *pool = pool_of(2);
    filch_retry_options retry = retry_of(2, NEVER_DUE);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future **futures = calloc(MANY, sizeof *futures);
    options.retry = &retry;
    int before = threads_now();
    for (int stopping = 0; stopping < 2; stopping++) {
        for (int i = 0; i < MANY; i++)
            must(filch_submit_with(pool, fail_with_io, NULL, &options, &futures[i]) == 0);
        for (int i = 0; i < MANY; i++)
            until_retry_wait(futures[i]);
        cr_assert_leq(threads_now(), before + 3, "two workers' and the timers'");
        int64_t begun = filch_now();
        if (stopping)
            filch_stop_request(filch_pool_stop(pool), 0);
        else
            cr_assert_eq(filch_cancel_all(futures, MANY), MANY);
        cr_assert_eq(filch_wait(futures, MANY, FILCH_ALL, FILCH_FOREVER, NULL), 0);
        UNTIL(atomic_load(&pool->timers->n) == 0);
        int64_t took = filch_now() - begun;
        fprintf(stderr, "retry: %d %s in %lld ms\n", MANY, stopping ? "stopped" : "cancelled",
                (long long)took / 1000000);
        cr_assert_lt(took, FILCH_SECONDS(5));
        unref_all(futures, MANY);
    }
    free(futures);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static _Atomic int freed;

static void count_freed(void *arg)
{
    (void)arg;
    atomic_fetch_add(&freed, 1);
}

Test(retry, one_that_nobody_holds_is_tried_again_and_freed_once)
{
    filch_pool *pool = pool_of(1);
    struct tries tries = { .good = 3 }, dropped = { .good = 2 };
    filch_retry_options retry = retry_of(3, FILCH_MS(1));
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.retry = &retry;
    options.arg_dtor = count_freed;
    must(filch_submit_with(pool, try, &tries, &options, NULL) == 0);
    must(filch_submit_with(pool, try, &dropped, &options, &future) == 0);
    UNTIL(filch_future_state(future) >= FILCH_RETRY_WAIT);
    filch_future_unref(future);
    UNTIL(atomic_load(&freed) == 2);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(tries.n, 3);
    cr_assert_eq(dropped.n, 2);
    cr_assert_eq(freed, 2);
}

/* ---- Results of attempts ---- */

static _Atomic int results_dropped;

static void drop_result_of_attempt(void *result)
{
    must(*(int *)result == 42); /* the very pointer that was returned */
    atomic_fetch_add(&results_dropped, 1);
}

/* Sets a result, then fails, up to the attempt that arg tells. */
static int fail_after_result(filch_task *self, void *arg)
{
    static int result = 42;
    filch_return_owned(self, &result, drop_result_of_attempt);
    return filch_task_attempt(self) < *(unsigned *)arg ? -EIO : 0;
}

Test(retry, the_result_of_an_attempt_that_failed_is_dropped_once)
{
    filch_pool *pool = pool_of(1);
    filch_retry_options retry = retry_of(3, 0);
    unsigned good = 3, never = 9;
    void *result = NULL;
    filch_future *future = submit_retried(pool, fail_after_result, &good, &retry);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
    cr_assert_eq(*(int *)result, 42);
    cr_assert_eq(results_dropped, 2);
    filch_future_unref(future);
    cr_assert_eq(results_dropped, 3);
    future = submit_retried(pool, fail_after_result, &never, &retry);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), -EIO);
    cr_assert_eq(results_dropped, 6);
    filch_future_unref(future);
    cr_assert_eq(results_dropped, 6);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Errors ---- */

Test(retry, cancelled_between_attempts_the_error_says_so_and_why_it_was_to_be_tried_again)
{
    filch_pool *pool = pool_of(1);
    filch_retry_options retry = retry_of(3, NEVER_DUE);
    filch_future *future = submit_retried(pool, fail_with_io, NULL, &retry);
    until_retry_wait(future);
    cr_assert_null(filch_future_error(future));
    cr_assert(filch_future_cancel(future));
    const filch_error *error = filch_future_error(future);
    cr_assert_eq(filch_error_code(error), -ECANCELED);
    cr_assert_str_eq(filch_error_task(error), "retried");
    cr_assert(strstr(filch_error_message(error), "1 attempt"));
    cr_assert_eq(filch_error_code(filch_error_cause(error)), -EIO);
    cr_assert_str_eq(filch_error_message(filch_error_cause(error)), "the disk is gone");
    cr_assert_eq(filch_future_result(future, 0, NULL), -ECANCELED);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Intervals ---- */

static int64_t interval_after(unsigned attempt, filch_retry_options retry)
{
    struct filchi_plan plan = { .has_retry = true, .retry = retry };
    atomic_init(&plan.attempt, attempt);
    return filchi_retry_interval(&plan);
}

Test(retry, intervals_grow_by_the_backoff_up_to_the_cap)
{
    filch_retry_options retry = retry_of(9, 1000);
    cr_assert_eq(interval_after(1, retry), 1000);
    cr_assert_eq(interval_after(8, retry), 1000, "constant without backoff");
    retry.backoff = 2.0;
    cr_assert_eq(interval_after(1, retry), 1000);
    cr_assert_eq(interval_after(2, retry), 2000);
    cr_assert_eq(interval_after(5, retry), 16000);
    retry.max_interval_ns = 5000;
    cr_assert_eq(interval_after(3, retry), 4000);
    cr_assert_eq(interval_after(4, retry), 5000);
    cr_assert_eq(interval_after(4000000000u, retry), 5000);
    retry.max_interval_ns = 10;
    cr_assert_eq(interval_after(1, retry), 10, "the first one too");
}

Test(retry, intervals_never_overflow)
{
    filch_retry_options retry = retry_of(UINT_MAX, INT64_MAX);
    for (unsigned attempt = 1; attempt < 4000000000u; attempt = attempt * 2 + 1) {
        retry.backoff = 1e9;
        retry.jitter = 1.0;
        cr_assert(interval_after(attempt, retry) >= 0);
        cr_assert(interval_after(attempt, retry) <= INT64_MAX / 4);
        retry.max_interval_ns = INT64_MAX;
        cr_assert(interval_after(attempt, retry) >= 0);
    }
}

Test(retry, no_interval_stays_none_however_many_attempts_there_were)
{
    filch_retry_options retry = retry_of(UINT_MAX, 0);
    retry.backoff = 3.0;
    int64_t begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(interval_after(4000000000u - i, retry), 0);
    cr_assert_lt(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun, FILCH_SECONDS(1)); /* multiplying each time: an hour */
}

Test(retry, jitter_draws_evenly_from_around_the_interval_and_never_beyond_the_cap)
{
    enum { DRAWS = 4000 };
    filch_retry_options retry = retry_of(9, 1000000);
    retry.jitter = 0.25;
    int64_t least = INT64_MAX, most = 0, sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        int64_t interval = interval_after(1, retry);
        least = interval < least ? interval : least;
        most = interval > most ? interval : most;
        sum += interval;
    }
    cr_assert(least >= 750000 && least < 770000);
    cr_assert(most <= 1250000 && most > 1230000);
    cr_assert(sum / DRAWS > 985000 && sum / DRAWS < 1015000);
    retry.max_interval_ns = 1000000;
    for (int i = 0; i < 100; i++)
        cr_assert(interval_after(1, retry) <= 1000000);
}
