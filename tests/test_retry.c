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
