/* SPDX-License-Identifier: MIT */
/* Whether, when and with what last words a task is tried again: see retry.h. */
#include "retry.h"

#include "error.h"
#include "os.h"

#include <errno.h>

int filchi_retry_check(const filch_retry_options *options)
{
    bool valid = options->max_attempts >= 1 && options->interval_ns >= 0 && options->max_interval_ns >= 0 &&
                 options->backoff >= 1.0 && options->backoff <= 1e9 && options->jitter >= 0.0 &&
                 options->jitter <= 1.0; /* a NaN fails every comparison */
    return valid ? 0 : -EINVAL;
}

bool filchi_retry_decide(const struct filchi_plan *plan, const filch_error *error, bool stopped)
{
    const filch_retry_options *retry = &plan->retry;
    unsigned attempt = filchi_plan_attempt(plan);
    if (stopped || attempt >= retry->max_attempts)
        return false;
    return !retry->should_retry || retry->should_retry(error, attempt, retry->should_retry_arg);
}

/* Evenly from [0, 1). */
static double random_fraction(const struct filchi_plan *plan)
{
    /* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 */
    uint64_t x = (uint64_t)filchi_os_now() ^ (uintptr_t)plan;
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (double)((x ^ (x >> 31)) >> 11) / (double)(UINT64_C(1) << 53);
}

/* By squaring: there may be millions of attempts. Perhaps infinite. */
static double power(double base, unsigned exponent)
{
    double result = 1.0;
    for (; exponent; exponent /= 2) {
        if (exponent % 2)
            result *= base;
        base *= base;
    }
    return result;
}

int64_t filchi_retry_interval(const struct filchi_plan *plan)
{
    const filch_retry_options *retry = &plan->retry;
    const double longest = (double)(INT64_MAX / 4);
    double limit = retry->max_interval_ns ? (double)retry->max_interval_ns : longest;
    double interval = (double)retry->interval_ns;
    if (interval > 0.0) /* zero times infinity is none */
        interval *= power(retry->backoff, filchi_plan_attempt(plan) - 1);
    interval = interval < limit ? interval : limit;
    if (retry->jitter > 0.0)
        interval *= 1.0 - retry->jitter + 2.0 * retry->jitter * random_fraction(plan);
    interval = interval < limit ? interval : limit;
    return interval < longest ? (int64_t)interval : INT64_MAX / 4;
}

filch_error *filchi_retry_error(const struct filchi_plan *plan, const char *task, const filch_error *last)
{
    unsigned attempt = filchi_plan_attempt(plan);
    return filchi_error_with_attempt(task, last, attempt, "gave up after %u attempt%s", attempt,
                                     attempt == 1 ? "" : "s");
}
