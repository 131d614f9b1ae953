/* SPDX-License-Identifier: MIT */
/* Tasks for later and retries on bad options, without memory and without threads: a clear error, nothing half done. */
#include "os.h"
#include "support.h"
#include "worker.h"

#include <limits.h>
#include <math.h>

SUITE(later_faults);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static _Atomic int dropped;

static void count_dropped(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

/* ---- Options ---- */

static int submit_with(filch_pool *pool, filch_task_options options)
{
    filch_future *future = NULL;
    options.arg_dtor = count_dropped;
    int rc = filch_submit_with(pool, do_nothing, NULL, &options, &future);
    must((rc == 0) == (future != NULL));
    if (rc)
        return rc;
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    return 0;
}

static int retry_with(filch_pool *pool, filch_retry_options retry)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.retry = &retry;
    return submit_with(pool, options);
}

/* All as usual but one. */
#define EXPECT_WITH(field, value, expected)              \
    do {                                                 \
        filch_retry_options retry = FILCH_RETRY_OPTIONS; \
        retry.field = (value);                           \
        cr_assert_eq(retry_with(pool, retry), expected); \
    } while (0)

Test(later_faults, each_retry_option_is_checked)
{
    filch_pool *pool = pool_of(1);
    EXPECT_WITH(max_attempts, 1, 0);
    EXPECT_WITH(max_attempts, UINT_MAX, 0);
    EXPECT_WITH(max_attempts, 0, -EINVAL);
    EXPECT_WITH(interval_ns, 0, 0);
    EXPECT_WITH(interval_ns, INT64_MAX, 0);
    EXPECT_WITH(interval_ns, -1, -EINVAL);
    EXPECT_WITH(interval_ns, INT64_MIN, -EINVAL);
    EXPECT_WITH(max_interval_ns, INT64_MAX, 0);
    EXPECT_WITH(max_interval_ns, -1, -EINVAL);
    static const double bad_backoffs[] = { 0.0, 0.999, -1.0, NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < sizeof bad_backoffs / sizeof *bad_backoffs; i++)
        EXPECT_WITH(backoff, bad_backoffs[i], -EINVAL);
    static const double bad_jitters[] = { -0.001, 1.001, NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < sizeof bad_jitters / sizeof *bad_jitters; i++)
        EXPECT_WITH(jitter, bad_jitters[i], -EINVAL);
    EXPECT_WITH(jitter, 1.0, 0);
    EXPECT_WITH(size, 0, -EINVAL);
    cr_assert_eq(dropped, 6, "only of those that were accepted");
    cr_assert_eq(stats_of(pool).submitted, 6);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(later_faults, times_before_the_beginning_or_after_the_end_are_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = NULL;
    cr_assert_eq(filch_submit_after(pool, -1, do_nothing, NULL, &future), -EINVAL);
    cr_assert_eq(filch_submit_after(pool, FILCH_FOREVER, do_nothing, NULL, &future), -EINVAL);
    cr_assert_eq(filch_submit_after(pool, INT64_MAX, do_nothing, NULL, &future), -EINVAL);
    cr_assert_eq(filch_submit_at(pool, -1, do_nothing, NULL, &future), -EINVAL);
    cr_assert_eq(filch_submit_at(NULL, 1, do_nothing, NULL, &future), -EINVAL);
    cr_assert_eq(filch_submit_at(pool, 1, NULL, NULL, &future), -EINVAL);
    cr_assert_null(future);
    pid_t tid;
    cr_assert_eq(threads_named("filch-", &tid, 1), 0, "nothing was started");
    cr_assert_eq(filch_submit_at(pool, INT64_MAX, do_nothing, NULL, &future), 0);
    cr_assert(filch_future_cancel(future));
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

struct newer {
    filch_retry_options known;
    size_t unknown;
};

Test(later_faults, options_of_older_and_newer_headers_are_understood)
{
    filch_pool *pool = pool_of(1);
    filch_retry_options bad = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    bad.max_attempts = 0;
    options.size = offsetof(filch_task_options, start_at_ns); /* of before there were times and retries */
    options.start_at_ns = INT64_MAX;
    options.retry = &bad;
    cr_assert_eq(submit_with(pool, options), 0);
    filch_retry_options old = FILCH_RETRY_OPTIONS;
    old.size = offsetof(filch_retry_options, backoff);
    old.backoff = NAN;
    cr_assert_eq(retry_with(pool, old), 0);
    struct newer newer = { FILCH_RETRY_OPTIONS, 0 };
    options = (filch_task_options)FILCH_TASK_OPTIONS;
    newer.known.size = sizeof newer;
    options.retry = &newer.known;
    cr_assert_eq(submit_with(pool, options), 0);
    newer.unknown = 1;
    cr_assert_eq(submit_with(pool, options), -E2BIG);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Without memory ---- */

/* One submit with everything that takes memory. */
static int submit_rich(filch_pool *pool, bool delayed, filch_stop *stop, filch_future **out)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = "a name that is too long to be kept inside";
    options.arg_dtor = count_dropped;
    options.stop = stop;
    options.retry = &retry;
    options.start_at_ns = delayed ? 1 : 0;
    return filch_submit_with(pool, do_nothing, NULL, &options, out);
}

static _Atomic int accepted;

/* Each allocation of a submit fails in turn, until none does. Returns how many there were. */
static int fail_each_allocation(filch_pool *pool, bool delayed, filch_stop *stop)
{
    for (long n = 1;; n++) {
        filch_future *future = NULL;
        atomic_store(&filchi_os_faults.allocations, n);
        int rc = submit_rich(pool, delayed, stop, &future);
        bool failed = atomic_exchange(&filchi_os_faults.allocations, 0) <= 0;
        if (!failed || rc == 0) {
            must(rc == 0 && filch_future_wait(future, FILCH_FOREVER) == 0);
            must(filch_future_state(future) == FILCH_DONE);
            filch_future_unref(future);
            accepted++;
        } else {
            must(rc == -ENOMEM && future == NULL);
        }
        if (!failed)
            return (int)n - 1;
    }
}

Test(later_faults, without_memory_a_submit_fails_and_leaves_nothing)
{
    for (int delayed = 0; delayed < 2; delayed++) {
        filch_pool *pool = pool_of(1);
        filch_stop *stop = stop_under(NULL);
        cr_assert_geq(fail_each_allocation(pool, delayed, stop), 3, "a thread, a name, a plan at least");
        filch_stop_unref(stop);
        cr_assert_eq(filch_pool_destroy(pool), 0);
        cr_assert_eq(dropped, accepted);
    }
}

static int fail_inside(filch_task *self, void *arg)
{
    (void)arg;
    must(fail_each_allocation(filch_task_pool(self), true, NULL) >= 2);
    must(fail_each_allocation(filch_task_pool(self), false, NULL) >= 2);
    return 0;
}

Test(later_faults, without_memory_a_submit_of_a_task_fails_and_leaves_nothing)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fail_inside, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(dropped, accepted);
}

/* How many of these tasks had begun when each one did. */
static _Atomic int ran;

static int count_ran(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    atomic_fetch_add(&ran, 1);
    return 0;
}

/* Submits tasks that are due while their queue, which has room for two in this build, cannot grow. */
static void be_due_without_memory(filch_pool *pool, filch_future **futures, int n)
{
    int64_t due = filch_now() + FILCH_MS(10);
    for (int i = 0; i < n; i++)
        must(filch_submit_at(pool, due, count_ran, NULL, &futures[i]) == 0);
    atomic_store(&filchi_os_faults.allocations, -1);
    UNTIL(filch_now() > due + FILCH_MS(25)); /* some attempts in vain */
}

#define SQUEEZED 9

Test(later_faults, a_due_task_that_does_not_fit_starts_once_there_is_memory)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *futures[SQUEEZED];
    be_due_without_memory(pool, futures, SQUEEZED);
    cr_assert_eq(ran, 0);
    for (int i = 0; i < SQUEEZED; i++)
        cr_assert_eq(filch_future_state(futures[i]), FILCH_PENDING);
    atomic_store(&filchi_os_faults.allocations, 0);
    let_go(&gate, holder);
    cr_assert_eq(filch_wait(futures, SQUEEZED, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(ran, SQUEEZED);
    unref_all(futures, SQUEEZED);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(later_faults, due_tasks_that_do_not_fit_start_without_memory_as_there_is_room)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *futures[SQUEEZED];
    be_due_without_memory(pool, futures, SQUEEZED);
    gate_open(&gate);
    UNTIL(atomic_load(&ran) == SQUEEZED); /* two by two */
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_eq(filch_wait(futures, SQUEEZED, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    unref_all(futures, SQUEEZED);
    filch_future_unref(holder);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* It runs each of them itself, which leaves the entry in the queue: nobody else is there to take it out. */
static int await_due_without_memory(filch_task *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < SQUEEZED; i++) {
        filch_future *future = NULL;
        must(filch_submit_after(filch_task_pool(self), FILCH_MS(1), count_ran, NULL, &future) == 0);
        atomic_store(&filchi_os_faults.allocations, -1);
        must(filch_future_wait(future, FILCH_FOREVER) == 0);
        atomic_store(&filchi_os_faults.allocations, 0);
        filch_future_unref(future);
    }
    return 0;
}

Test(later_faults, a_due_task_takes_the_place_of_those_that_were_run_where_they_were_awaited)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    options.workers = 1;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    filch_future *future = submit(pool, await_due_without_memory, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(ran, SQUEEZED);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(later_faults, a_due_task_that_does_not_fit_can_be_cancelled_or_stopped)
{
    for (int how = 0; how < 3; how++) {
        filch_pool *pool = pool_of(1);
        struct gate gate = GATE;
        filch_future *holder = hold_worker(pool, &gate), *futures[SQUEEZED];
        be_due_without_memory(pool, futures, SQUEEZED);
        if (how == 0)
            cr_assert_eq(filch_cancel_all(futures, SQUEEZED), SQUEEZED);
        else if (how == 1)
            filch_stop_request(filch_pool_stop(pool), 0);
        else
            cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL), 0);
        gate_open(&gate);
        for (int i = 0; i < SQUEEZED; i++) {
            cr_assert_eq(filch_future_wait(futures[i], FILCH_FOREVER), 0);
            cr_assert_eq(filch_future_state(futures[i]), how == 1 ? FILCH_STOPPED : FILCH_CANCELLED);
        }
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert_eq(ran, 0);
        unref_all(futures, SQUEEZED);
        filch_future_unref(holder);
        cr_assert_eq(filch_pool_destroy(pool), 0);
    }
}

static int fail_plainly(filch_task *self, void *arg)
{
    (void)arg;
    return filch_fail(self, -EIO, "attempt %u", filch_task_attempt(self));
}

Test(later_faults, without_memory_for_errors_a_task_is_tried_again_all_the_same)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *future = NULL;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    retry.interval_ns = 0;
    options.retry = &retry;
    must(filch_submit_with(pool, fail_plainly, NULL, &options, &future) == 0);
    atomic_store(&filchi_os_faults.allocations, -1);
    let_go(&gate, holder);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_eq(filch_future_state(future), FILCH_FAILED);
    cr_assert_eq(filch_future_attempts(future), 3);
    cr_assert_eq(filch_future_result(future, 0, NULL), -EIO);
    cr_assert_not_null(filch_future_error(future));
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Without threads ---- */

Test(later_faults, when_the_timer_thread_is_refused_nothing_is_submitted)
{
    filch_pool *pool = pool_of(1);
    filch_future *first = submit(pool, do_nothing, NULL), *future = NULL;
    cr_assert_eq(filch_future_wait(first, FILCH_FOREVER), 0);
    filch_future_unref(first);
    atomic_store(&filchi_os_faults.threads, 1);
    cr_assert_eq(submit_rich(pool, true, NULL, &future), -EAGAIN);
    atomic_store(&filchi_os_faults.threads, 1);
    cr_assert_eq(submit_rich(pool, false, NULL, &future), -EAGAIN);
    atomic_store(&filchi_os_faults.threads, 1);
    filch_stop *stop = NULL;
    cr_assert_eq(filch_stop_create_until(&stop, NULL, pool, 1), -EAGAIN);
    cr_assert_null(future);
    cr_assert_null(stop);
    cr_assert_eq(dropped, 0);
    cr_assert_eq(stats_of(pool).submitted, 1);
    cr_assert_eq(atomic_load(&filchi_os_faults.threads), 0);
    cr_assert_eq(submit_rich(pool, true, NULL, &future), 0, "the next one may be lucky");
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(later_faults, a_pool_whose_timer_thread_was_refused_can_be_shut_down)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = NULL;
    atomic_store(&filchi_os_faults.threads, -1);
    cr_assert_eq(filch_submit_after(pool, 1, do_nothing, NULL, &future), -EAGAIN);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_WAIT, 0, NULL), 0);
    atomic_store(&filchi_os_faults.threads, 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}
