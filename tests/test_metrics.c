/* SPDX-License-Identifier: MIT */
/* The numbers of a pool: what is counted is exact, what is estimated within the bounds that filch.h states. */
#include "metrics.h"
#include "support.h"

SUITE(metrics);

static filch_pool *measured_pool(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.metrics = true;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static filch_metrics metrics_of(filch_pool *pool)
{
    filch_metrics metrics = FILCH_METRICS;
    must(filch_metrics_get(pool, &metrics) == 0);
    return metrics;
}

static void finish(filch_pool *pool)
{
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
}

/* Occupies its worker for so long, ns. */
static int spin(filch_task *self, void *ns)
{
    (void)self;
    for (int64_t end = filch_now() + (intptr_t)ns; filch_now() < end;)
        continue;
    return 0;
}

/* Whether n of them are told as about n: all but those since the last that was timed, and as many before the first. */
static bool is_about(uint64_t told, uint64_t n, uint64_t margin)
{
    return told + margin >= n && told <= n + margin;
}

Test(metrics, the_runs_of_short_tasks_are_estimated_and_their_number_is_right)
{
    filch_pool *pool = measured_pool(1);
    for (int i = 0; i < 20000; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    finish(pool);
    filch_metrics metrics = metrics_of(pool);
    cr_assert(metrics.measured && metrics.done == 20000);
    cr_assert(is_about(metrics.run.count, 20000, 16), "%llu", (unsigned long long)metrics.run.count);
    cr_assert(is_about(metrics.wait.count, 20000, 128), "%llu", (unsigned long long)metrics.wait.count);
    cr_assert_eq(metrics.busy.count, metrics.run.count);
    filch_pool_destroy(pool);
}

Test(metrics, long_tasks_are_all_timed)
{
    filch_pool *pool = measured_pool(1);
    const int64_t ns = FILCH_US(300);
    for (int i = 0; i < 50; i++) {
        filch_future *future = submit(pool, spin, (void *)(intptr_t)ns);
        must(filch_future_wait(future, FILCH_FOREVER) == 0);
        filch_future_unref(future);
    }
    finish(pool);
    filch_metrics metrics = metrics_of(pool);
    cr_assert_eq(metrics.run.count, 50);
    cr_assert(metrics.run.sum_ns >= 50 * (uint64_t)ns);
    cr_assert(filch_histogram_quantile(&metrics.run, 0.0) >= ns * 7 / 8);
    cr_assert(metrics.run.max_ns >= (uint64_t)ns);
    cr_assert(is_about(metrics.wait.count, 50, 1));
    filch_pool_destroy(pool);
}

Test(metrics, a_wait_is_the_time_from_submit_to_start)
{
    filch_pool *pool = measured_pool(1);
    struct event gate = EVENT;
    const int64_t ns = FILCH_MS(20);
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    for (int i = 0; i < 500; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    spin(NULL, (void *)(intptr_t)ns);
    event_signal(&gate);
    finish(pool);
    filch_metrics metrics = metrics_of(pool);
    cr_assert(is_about(metrics.wait.count, 501, 128));
    cr_assert(filch_histogram_quantile(&metrics.wait, 0.5) >= ns * 7 / 8);
    cr_assert(filch_histogram_quantile(&metrics.run, 0.5) < ns);
    filch_pool_destroy(pool);
}

Test(metrics, many_submitted_at_once_are_counted_alike)
{
    filch_pool *pool = measured_pool(1);
    uint64_t n = 0;
    for (int i = 0; i < 200; i++, n += 1000)
        must(filch_submit_many(pool, do_nothing, NULL, 0, 1000, NULL) == 0);
    finish(pool);
    filch_metrics metrics = metrics_of(pool);
    cr_assert_eq(metrics.done, n);
    cr_assert(is_about(metrics.wait.count, n, n / 20), "%llu", (unsigned long long)metrics.wait.count);
    filch_pool_destroy(pool);
}

struct pause {
    struct event *gate;
    int64_t ns;
};

static int submit_and_await(filch_task *self, void *arg)
{
    const struct pause *pause = arg;
    filch_future *future = NULL;
    must(filch_submit_after(filch_task_pool(self), pause->ns, do_nothing, NULL, &future) == 0);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    return 0;
}

Test(metrics, a_wait_inside_a_task_is_part_of_its_run_and_not_busy)
{
    filch_pool *pool = measured_pool(1);
    struct pause pause = { NULL, FILCH_MS(30) };
    filch_future *future = submit(pool, submit_and_await, &pause);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    finish(pool);
    filch_metrics metrics = metrics_of(pool);
    cr_assert(metrics.run.max_ns >= (uint64_t)pause.ns);
    cr_assert(metrics.busy.max_ns < metrics.run.max_ns - (uint64_t)pause.ns / 2);
    cr_assert_eq(metrics.handoffs, 1);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int fail_once(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) < 2 ? -EAGAIN : 0;
}

Test(metrics, the_ends_of_all_attempts_add_up_to_what_was_finished)
{
    filch_pool *pool = measured_pool(2);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS, stopped = FILCH_TASK_OPTIONS;
    struct event gate = EVENT;
    filch_future *last = NULL;
    retry.max_attempts = 2;
    retry.interval_ns = 1;
    options.retry = &retry;
    must(filch_stop_create(&stopped.stop, NULL) == 0);
    must(filch_submit_with(pool, fail_once, NULL, &options, &last) == 0);
    must(filch_future_wait(last, FILCH_FOREVER) == 0);
    filch_future_unref(last);
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    UNTIL(metrics_of(pool).queued_outside == 0);
    for (int i = 0; i < 5; i++)
        must(filch_submit(pool, fail_with_io, NULL, NULL) == 0);
    for (int i = 0; i < 7; i++)
        must(filch_submit_with(pool, do_nothing, NULL, &stopped, NULL) == 0);
    last = submit(pool, do_nothing, NULL);
    cr_assert_eq(metrics_of(pool).queued_outside, 13);
    cr_assert(filch_future_cancel(last));
    filch_stop_request(stopped.stop, -EINTR);
    event_signal(&gate);
    finish(pool);
    filch_metrics metrics = metrics_of(pool);
    cr_assert(metrics.done == 3 && metrics.failed == 5 && metrics.stopped == 7);
    cr_assert(metrics.cancelled == 1 && metrics.retried == 1);
    cr_assert(metrics.submitted == 17 && metrics.finished == 17);
    filch_future_unref(last);
    filch_stop_unref(stopped.stop);
    filch_pool_destroy(pool);
}

Test(metrics, threads_are_told_by_what_they_do)
{
    filch_pool *pool = measured_pool(1);
    struct pause pause = { NULL, FILCH_SECONDS(1000) };
    must(filch_submit(pool, submit_and_await, &pause, NULL) == 0);
    UNTIL(metrics_of(pool).blocked == 1);
    cr_assert(metrics_of(pool).delayed == 1 && metrics_of(pool).in_region == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    finish(pool);
    cr_assert(metrics_of(pool).delayed == 0 && metrics_of(pool).blocked == 0);
    filch_pool_destroy(pool);
}

Test(metrics, a_pool_that_does_not_measure_still_counts)
{
    filch_pool *pool = pool_of(1);
    for (int i = 0; i < 100; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    finish(pool);
    filch_metrics metrics = metrics_of(pool);
    cr_assert(!metrics.measured && metrics.finished == 100 && metrics.run.count == 0);
    filch_pool_destroy(pool);
}

Test(metrics, a_task_that_its_submitter_runs_is_counted)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    struct event gate = EVENT;
    options.workers = 1;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    options.metrics = true;
    must(filch_pool_create(&pool, &options) == 0);
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    UNTIL(metrics_of(pool).queued_outside == 0);
    for (int i = 0; i < 100; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    cr_assert_eq(metrics_of(pool).done, 99, "one waits");
    event_signal(&gate);
    finish(pool);
    cr_assert_eq(metrics_of(pool).done, 101);
    filch_pool_destroy(pool);
}

static filch_worker_stats worker_of(filch_pool *pool, unsigned index)
{
    filch_worker_stats stats = FILCH_WORKER_STATS;
    must(filch_pool_worker_stats_get(pool, index, &stats) == 0);
    return stats;
}

Test(metrics, each_worker_tells_what_it_does_and_did)
{
    filch_pool *pool = pool_of(2);
    struct event gate = EVENT;
    filch_worker_stats none = FILCH_WORKER_STATS;
    cr_assert(worker_of(pool, 0).state == FILCH_WORKER_IDLE && worker_of(pool, 1).state == FILCH_WORKER_IDLE);
    cr_assert_eq(filch_pool_worker_stats_get(pool, 2, &none), -ENOENT);
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    UNTIL(worker_of(pool, 0).state == FILCH_WORKER_HELD && worker_of(pool, 1).state == FILCH_WORKER_HELD);
    event_signal(&gate);
    UNTIL(worker_of(pool, 0).state == FILCH_WORKER_IDLE && worker_of(pool, 1).state == FILCH_WORKER_IDLE);
    cr_assert_eq(worker_of(pool, 0).finished + worker_of(pool, 1).finished, 2);
    must(filch_pool_resize(pool, 1) == 0);
    cr_assert(worker_of(pool, 0).state == FILCH_WORKER_RETIRED || worker_of(pool, 1).state == FILCH_WORKER_RETIRED);
    filch_pool_destroy(pool);
}

Test(metrics, workers_that_come_later_measure_too)
{
    filch_pool *pool = measured_pool(1);
    struct event gate = EVENT;
    must(filch_pool_resize(pool, 4) == 0);
    for (int i = 0; i < 4; i++)
        must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    UNTIL(metrics_of(pool).queued_outside == 0);
    event_signal(&gate);
    finish(pool);
    cr_assert_eq(metrics_of(pool).run.count, 4);
    filch_pool_destroy(pool);
}

/* A program that was built with an older header, which knew less. */
Test(metrics, a_shorter_structure_is_filled_as_far_as_it_goes)
{
    filch_pool *pool = measured_pool(1);
    filch_metrics metrics = FILCH_METRICS;
    metrics.size = offsetof(filch_metrics, threads);
    metrics.threads = 77;
    cr_assert_eq(filch_metrics_get(pool, &metrics), 0);
    cr_assert(metrics.measured && metrics.workers == 1 && metrics.threads == 77);
    metrics.size = 0;
    cr_assert_eq(filch_metrics_get(pool, &metrics), -EINVAL);
    filch_worker_stats stats = FILCH_WORKER_STATS;
    stats.size = 0;
    cr_assert_eq(filch_pool_worker_stats_get(pool, 0, &stats), -EINVAL);
    filch_pool_destroy(pool);
}

static int beget(filch_task *self, void *stop)
{
    (void)self;
    for (int i = 0; i < 50 && !filch_stop_requested(stop); i++)
        must(filch_submit(filch_task_pool(self), do_nothing, NULL, NULL) == 0);
    return 0;
}

/* As counters must, for who takes the difference of two of them. */
Test(metrics, numbers_that_count_never_become_less)
{
    filch_pool *pool = measured_pool(4);
    filch_stop *stop = filch_pool_stop(pool);
    uint64_t submitted = 0, finished = 0, done = 0;
    for (int i = 0; i < 2000; i++) {
        must(filch_submit(pool, beget, stop, NULL) == 0);
        filch_metrics metrics = metrics_of(pool);
        cr_assert(metrics.submitted >= submitted && metrics.finished >= finished && metrics.done >= done);
        cr_assert(metrics.finished <= metrics.submitted);
        submitted = metrics.submitted;
        finished = metrics.finished;
        done = metrics.done;
    }
    filch_pool_destroy(pool);
}

Test(metrics, a_pool_is_created_wholly_or_not_at_all)
{
    int rc = -1;
    for (long nth = 1; rc; nth++) {
        filch_pool_options options = FILCH_POOL_OPTIONS;
        filch_pool *pool = NULL;
        options.workers = 3;
        options.metrics = true;
        atomic_store(&filchi_os_faults.allocations, nth);
        rc = filch_pool_create(&pool, &options);
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert(rc == 0 || rc == -ENOMEM);
        cr_assert(!rc == !!pool);
        filch_pool_destroy(pool);
    }
}

/* Where memory is short a task may go untimed, but not lost. */
Test(metrics, many_submitted_without_memory_are_run_all_the_same)
{
    filch_pool *pool = measured_pool(1);
    must(filch_submit_many(pool, do_nothing, NULL, 0, 200, NULL) == 0);
    uint64_t accepted = 200;
    for (long nth = 1; nth < 12; nth++) {
        atomic_store(&filchi_os_faults.allocations, nth);
        int rc = filch_submit_many(pool, do_nothing, NULL, 0, 200, NULL);
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert(rc == 0 || rc == -ENOMEM);
        accepted += rc ? 0 : 200;
    }
    finish(pool);
    cr_assert_eq(metrics_of(pool).done, accepted);
    filch_pool_destroy(pool);
}
