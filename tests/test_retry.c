/* SPDX-License-Identifier: MIT */
/* Tasks that are tried again: how often, when, what they and others see of it, and what ends their wait. */
#include "os.h"
#include "support.h"
#include "worker.h"

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
