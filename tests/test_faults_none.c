/* SPDX-License-Identifier: MIT */
/* Calls that look, wait or let go take no memory: without any, all of them work. */
#include "support.h"

#include <filch/fork.h>

SUITE(faults_none);

struct things {
    filch_pool *pool;
    filch_stop *stop;
    filch_stop_callback *callback;
    filch_scope *scope;
    filch_completed *completed;
    filch_mapping *mapping;
    filch_stream *stream;
    filch_error *error;
    filch_guard *guard;
    filch_lane *lane;
    filch_context_token *token;
    filch_future *done, *failed, *later;
    _Atomic int calls;
};

static void withhold(long allocations)
{
    atomic_store(&filchi_os_faults.allocations, allocations);
}

static void count_call(void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
}

static int copy(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int *)out = *(const int *)in;
    return 0;
}

static int give_none(void *arg, void **item)
{
    (void)arg;
    (void)item;
    return 0;
}

static void look_at_pool(struct things *things)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    filch_lane_stats lane = FILCH_LANE_STATS;
    must(filch_default_workers() > 0 && filch_now() > 0);
    must(filch_pool_stats_get(things->pool, &stats) == 0 && stats.workers == filch_pool_workers(things->pool));
    must(filch_pool_stop(things->pool) && filch_stop_reason(things->stop) == 0);
    must(!filch_stop_requested(things->stop) && !filch_stop_error(things->stop));
    filch_stop_unref(filch_stop_ref(things->stop));
    filch_lane_unref(filch_lane_ref(things->lane));
    must(filch_lane_stats_get(things->lane, &lane) == 0 && !lane.queued);
    must(!filch_guard_interrupted(things->guard));
    must(filch_scope_current() == things->scope && filch_scope_stop(things->scope));
}

static void look_at_metrics(struct things *things)
{
    static filch_metrics metrics = FILCH_METRICS;
    filch_worker_stats worker = FILCH_WORKER_STATS;
    char text[16];
    must(filch_metrics_get(things->pool, &metrics) == 0 && metrics.finished <= metrics.submitted);
    must(filch_histogram_quantile(&metrics.run, 0.5) >= 0 && filch_histogram_bound(0) == 64);
    must(filch_pool_worker_stats_get(things->pool, 0, &worker) == 0);
    must(filch_metrics_format(&things->pool, 1, text, sizeof text) > (int64_t)sizeof text);
}

static void look_at_futures(const struct things *things)
{
    filch_future *const futures[] = { things->done, things->failed };
    filch_future_unref(filch_future_ref(things->done));
    must(filch_future_state(things->done) == FILCH_DONE && filch_future_done(things->done));
    must(!strcmp(filch_state_name(FILCH_DONE), "done") && !filch_future_name(things->done));
    must(!filch_future_arg(things->done) && filch_future_attempts(things->done) == 1);
    must(filch_future_wait(things->done, FILCH_FOREVER) == 0);
    must(filch_future_wait(things->later, FILCH_US(10)) == -ETIMEDOUT);
    must(filch_future_result(things->failed, 0, NULL) == -EIO && filch_future_error(things->failed));
    must(filch_wait(futures, 2, FILCH_ALL, FILCH_FOREVER, NULL) == 0 && filch_join(futures, 2) == 0);
    must(filch_sleep(FILCH_US(10)) == 0);
}

static void look_at_errors(const struct things *things)
{
    char text[64];
    FILE *null = fopen("/dev/null", "w");
    const filch_error *error = things->error;
    filch_error_unref(filch_error_ref(error));
    must(filch_error_code(error) == -EPIPE && filch_error_message(error) && !filch_error_task(error));
    must(filch_error_attempt(error) == 0 && filch_error_cause(error) && filch_error_root(error));
    must(filch_error_suppressed_count(error) == 0 && !filch_error_suppressed(error, 0));
    must(filch_error_format(error, text, sizeof text) > 0 && filch_error_print(error, null) >= 0);
    fclose(null);
}

static void end_iterations(struct things *things)
{
    filch_future *next;
    void *item;
    must(filch_completed_total(things->completed) == 2 && filch_completed_unfinished(things->completed) <= 2);
    must(filch_completed_next(things->completed, &next) == 1);
    filch_completed_cleanup(&things->completed);
    must(filch_mapping_next(things->mapping, &item) == 1 && !filch_mapping_error(things->mapping));
    filch_mapping_cleanup(&things->mapping);
    must(filch_stream_next(things->stream, &item) == 0 && !filch_stream_error(things->stream));
    filch_stream_cleanup(&things->stream);
    must(filch_scope_next(things->scope, 0, &next) == 0 && filch_scope_join(things->scope, NULL) == 0);
    filch_scope_cleanup(&things->scope);
}

static void look_at_context(struct things *things)
{
    must(filch_context_get(0) == things);
    filch_context *context = filch_context_capture();
    must(filch_context_ref(context) == context);
    filch_context_unref(context);
    filch_context_cleanup(&context);
    filch_context_token_cleanup(&things->token);
    must(!filch_context_get(0));
}

static void let_go_of(struct things *things)
{
    must(filch_cancel_all(&things->later, 1) == 1 && filch_join(&things->later, 1) == 0);
    must(filch_future_cancel(things->later) && !filch_future_cancel(things->done));
    must(filch_stop_request(things->stop, 0) && atomic_load(&things->calls) == 1);
    must(!filch_stop_request_error(things->stop, things->error));
    filch_stop_callback_cleanup(&things->callback);
    filch_future_cleanup(&things->done);
    filch_future_cleanup(&things->failed);
    filch_future_cleanup(&things->later);
    filch_error_cleanup(&things->error);
    filch_guard_cleanup(&things->guard);
    filch_stop_cleanup(&things->stop);
    filch_lane_cleanup(&things->lane);
    filch_pool_cleanup(&things->pool);
}

static int look_inside(filch_task *self, void *arg)
{
    filch_forker *forker = NULL;
    must(filch_fork_begin(self, &forker) == 0);
    withhold(-1);
    must(filch_task_current() == self && !filch_task_stopped(self) && filch_task_stop(self));
    must(filch_task_pool(self) == ((struct things *)arg)->pool && filch_task_attempt(self) == 1);
    must(!filch_task_error(self) && !filch_fork_stopped(forker));
    filch_return(self, NULL);
    withhold(0);
    return 0;
}

Test(faults_none, what_looks_waits_or_lets_go_takes_no_memory)
{
    static int in, out;
    struct things things = { .pool = pool_of(2), .stop = stop_under(NULL) };
    filch_error *cause = filch_error_create(-EIO, "cause");
    filch_future *inside = submit(things.pool, look_inside, &things);
    must(filch_future_result(inside, FILCH_FOREVER, NULL) == 0);
    filch_future_unref(inside);
    things.error = filch_error_create_from(cause, -EPIPE, "error");
    filch_error_unref(cause);
    things.done = submit(things.pool, do_nothing, NULL);
    things.failed = submit(things.pool, fail_with_io, NULL);
    filch_future *const futures[] = { things.done, things.failed };
    must(filch_join(futures, 2) == 0);
    must(filch_submit_at(things.pool, INT64_MAX, do_nothing, NULL, &things.later) == 0);
    must(filch_stop_on_request(&things.callback, things.stop, count_call, (void *)&things.calls) == 0);
    must(filch_guard_begin(&things.guard, things.stop) == 0);
    must(filch_context_begin(&things.token, 0, &things, NULL) == 0);
    must(filch_completed_begin(&things.completed, futures, 2, 0) == 0);
    must(filch_mapping_begin(&things.mapping, things.pool, copy, NULL, &in, 4, &out, 4, 1, NULL) == 0);
    must(filch_stream_begin(&things.stream, things.pool, do_nothing, give_none, NULL, NULL) == 0);
    must(filch_scope_open(&things.scope, things.pool, NULL) == 0);
    must(filch_lane_create(&things.lane, things.pool, NULL) == 0);
    withhold(-1);
    look_at_pool(&things);
    look_at_metrics(&things);
    look_at_futures(&things);
    look_at_errors(&things);
    look_at_context(&things);
    end_iterations(&things);
    let_go_of(&things);
    withhold(0);
    cr_assert_eq(atomic_load(&filchi_os_faults.struck.allocations), 0, "none of them asked for any");
}
