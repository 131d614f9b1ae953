/* SPDX-License-Identifier: MIT */
/* Failures that nobody looked at are reported once, when the future is freed; all others are not. */
#include "os.h"
#include "support.h"

SUITE(unobserved);

struct reports {
    _Atomic int n;
    int code;
    char text[256];
};

static void report(const filch_error *error, void *arg)
{
    struct reports *reports = arg;
    reports->code = filch_error_code(error);
    filch_error_format(error, reports->text, sizeof reports->text);
    atomic_fetch_add(&reports->n, 1);
}

static filch_pool *pool_reporting(struct reports *reports)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 2;
    options.on_unobserved = report;
    options.unobserved_arg = reports;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static int fail_without_words(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return -EPIPE;
}

/* One that failed, and that nobody looked at so far. */
static filch_future *failed(filch_pool *pool, filch_fn *fn)
{
    filch_future *future = submit_named(pool, fn, NULL, "doomed");
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    return future;
}

/* ---- Reported ---- */

Test(unobserved, a_failure_is_reported_when_its_last_reference_is_dropped)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    filch_future *future = failed(pool, fail_with_io), *again = filch_future_ref(future);
    filch_future_unref(future);
    cr_assert_eq(reports.n, 0);
    filch_future_unref(again);
    cr_assert_eq(reports.n, 1);
    cr_assert_str_eq(reports.text, "[doomed] the disk is gone (Input/output error)\n");
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 1);
}

Test(unobserved, a_failure_without_an_error_is_reported_with_one)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    filch_future_unref(failed(pool, fail_without_words));
    cr_assert_eq(reports.n, 1);
    cr_assert_eq(reports.code, -EPIPE);
    filch_pool_destroy(pool);
}

Test(unobserved, a_task_that_nobody_holds_is_reported_by_who_ran_it)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    cr_assert_eq(filch_submit(pool, fail_with_io, NULL, NULL), 0);
    UNTIL(reports.n == 1);
    cr_assert_eq(reports.code, -EIO);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 1);
}

static int pass_gate_and_fail(filch_task *self, void *gate)
{
    pass_gate(self, gate);
    return filch_fail(self, -EIO, "too late for anybody");
}

Test(unobserved, a_task_that_was_let_go_while_it_ran_is_reported_by_who_ran_it)
{
    struct reports reports = { 0 };
    struct gate gate = GATE;
    filch_pool *pool = pool_reporting(&reports);
    filch_future *future = submit(pool, pass_gate_and_fail, &gate);
    event_await(&gate.started);
    cr_assert_eq(filch_future_state(future), FILCH_RUNNING, "and to have looked before it failed is no matter");
    filch_future_unref(future);
    gate_open(&gate);
    UNTIL(reports.n == 1);
    filch_pool_destroy(pool);
}

Test(unobserved, to_wait_for_it_is_not_to_look)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    filch_future *future = failed(pool, fail_with_io), *delivered = NULL;
    filch_completed *completed;
    cr_assert_eq(filch_wait(&future, 1, FILCH_FIRST_ERROR, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_join(&future, 1), 0);
    cr_assert(filch_future_done(future));
    cr_assert_eq(filch_completed_begin(&completed, &future, 1, FILCH_FOREVER), 0);
    cr_assert_eq(filch_completed_next(completed, &delivered), 1);
    filch_completed_end(completed);
    filch_future_unref(future);
    cr_assert_eq(reports.n, 1);
    filch_pool_destroy(pool);
}

Test(unobserved, a_future_that_outlives_its_pool_is_still_reported)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    filch_future *future = failed(pool, fail_with_io);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
    filch_future_unref(future);
    cr_assert_eq(reports.n, 1);
}

Test(unobserved, without_memory_it_is_reported_with_the_error_that_is_left)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    filch_future *future = failed(pool, fail_without_words);
    atomic_store(&filchi_os_faults.allocations, -1);
    filch_future_unref(future);
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_eq(reports.n, 1);
    cr_assert_eq(reports.code, -ENOMEM);
    filch_pool_destroy(pool);
}

/* The argument is there during the report, as the error may be about it. */
static void report_argument(const filch_error *error, void *arg)
{
    must(strcmp(filch_error_message(error), *(char **)arg) == 0);
}

static int fail_with_arg(filch_task *self, void *arg)
{
    return filch_fail(self, -EIO, "%s", (char *)arg);
}

Test(unobserved, the_report_comes_before_the_destructors)
{
    char *text = strdup("mine");
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_task_options task = FILCH_TASK_OPTIONS;
    filch_pool *pool;
    options.on_unobserved = report_argument;
    options.unobserved_arg = &text;
    task.arg_dtor = free;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    cr_assert_eq(filch_submit_with(pool, fail_with_arg, text, &task, NULL), 0);
    filch_pool_destroy(pool);
}

/* ---- Not reported ---- */

static void ask_result(filch_future *future)
{
    must(filch_future_result(future, 0, NULL) == -EIO);
}

static void ask_error(filch_future *future)
{
    must(filch_error_code(filch_future_error(future)) == -EIO);
}

static void ask_state(filch_future *future)
{
    must(filch_future_state(future) == FILCH_FAILED);
}

Test(unobserved, who_asked_for_result_error_or_state_knows)
{
    static void (*const ask[])(filch_future *) = { ask_result, ask_error, ask_state };
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    for (size_t i = 0; i < sizeof ask / sizeof *ask; i++) {
        filch_future *named = failed(pool, fail_with_io), *bare = submit(pool, fail_with_io, NULL);
        must(filch_future_wait(bare, FILCH_FOREVER) == 0);
        ask[i](named);
        ask[i](bare);
        filch_future_unref(named);
        filch_future_unref(bare);
    }
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
}

Test(unobserved, what_did_not_fail_is_not_reported)
{
    struct reports reports = { 0 };
    struct gate gate = GATE;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    filch_stop *stop = stop_under(NULL);
    options.workers = 1;
    options.on_unobserved = report;
    options.unobserved_arg = &reports;
    must(filch_pool_create(&pool, &options) == 0);
    filch_future *holder = hold_worker(pool, &gate);
    filch_future *done = submit(pool, do_nothing, NULL), *cancelled = submit(pool, fail_with_io, NULL);
    filch_future *stopped = submit_under(pool, fail_with_io, NULL, stop);
    cr_assert(filch_future_cancel(cancelled));
    filch_stop_request(stop, 0);
    let_go(&gate, holder);
    must(filch_future_wait(stopped, FILCH_FOREVER) == 0);
    filch_future_unref(done);
    filch_future_unref(cancelled);
    filch_future_unref(stopped);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
}

Test(unobserved, without_a_hook_nothing_happens)
{
    filch_pool *pool = pool_of(1);
    filch_future_unref(failed(pool, fail_with_io));
    filch_pool_destroy(pool);
}

/* ---- Maps ---- */

static int fail_at_seven(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int *)out = *(const int *)in;
    return *(const int *)in % 10 == 7 ? -EIO : 0;
}

#define N 100

struct numbers {
    int in[N], out[N];
};

static filch_map_options by_one(void)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    options.chunk = 1;
    return options;
}

Test(unobserved, a_map_that_fails_reports_its_errors_itself)
{
    struct reports reports = { 0 };
    struct numbers numbers;
    filch_pool *pool = pool_reporting(&reports);
    filch_map_options options = by_one();
    for (int i = 0; i < N; i++)
        numbers.in[i] = i;
    cr_assert_eq(
        filch_map(pool, fail_at_seven, NULL, numbers.in, sizeof(int), numbers.out, sizeof(int), N, &options, NULL),
        -EIO);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
}

static bool is_all_finished(filch_pool *pool)
{
    filch_pool_stats stats = stats_of(pool);
    return stats.finished == stats.submitted;
}

Test(unobserved, a_map_that_is_left_early_does_not_hide_a_failure_and_what_it_skips_is_none)
{
    struct reports reports = { 0 };
    struct numbers numbers = { { 0 }, { 0 } };
    filch_pool *pool = pool_reporting(&reports);
    filch_map_options options = by_one();
    filch_mapping *mapping;
    void *item;
    numbers.in[1] = 7;
    cr_assert_eq(filch_mapping_begin(&mapping, pool, fail_at_seven, NULL, numbers.in, sizeof(int), numbers.out,
                                     sizeof(int), N, &options),
                 0);
    cr_assert_eq(filch_mapping_next(mapping, &item), 1);
    UNTIL(is_all_finished(pool)); /* the rest is skipped, or done already */
    filch_mapping_end(mapping);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 1);
    cr_assert_str_eq(reports.text, "element 1 failed (Input/output error)\n");
}

/* ---- Scopes and streams ---- */

static filch_scope *scope_in(filch_pool *pool, bool discard)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL;
    options.policy = FILCH_COLLECT;
    options.discard = discard;
    must(filch_scope_open(&scope, pool, &options) == 0);
    for (int i = 0; i < 3; i++)
        must(filch_scope_submit(scope, fail_with_io, NULL, NULL) == 0);
    return scope;
}

Test(unobserved, a_scope_that_is_joined_answers_for_its_tasks)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    for (int discard = 0; discard < 2; discard++) {
        filch_scope *scope = scope_in(pool, discard);
        cr_assert_eq(filch_scope_join(scope, NULL), -EIO);
        filch_scope_close(scope);
    }
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
}

Test(unobserved, a_scope_that_handed_out_a_failure_answers_for_its_tasks)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    filch_scope *scope = scope_in(pool, false);
    filch_future *future = NULL;
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &future), 1);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
}

Test(unobserved, a_scope_that_is_closed_with_errors_that_nobody_heard_of_reports_them_once)
{
    struct reports reports = { 0 };
    filch_pool *pool = pool_reporting(&reports);
    filch_scope *scope = scope_in(pool, true);
    UNTIL(stats_of(pool).finished == 3); /* closing stops what has not started */
    filch_scope_close(scope);
    cr_assert_eq(reports.n, 1);
    cr_assert_str_eq(reports.text, "the disk is gone (Input/output error)\n"
                                   "  suppressed: the disk is gone (Input/output error)\n"
                                   "  suppressed: the disk is gone (Input/output error)\n");
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 1);
}

static int count_items(void *counter, void **item)
{
    *item = NULL;
    return ++*(int *)counter <= N;
}

static filch_stream *failing_stream(filch_pool *pool, int *counter)
{
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    filch_stream *stream = NULL;
    options.window = 4;
    must(filch_stream_begin(&stream, pool, fail_with_io, count_items, counter, &options) == 0);
    return stream;
}

Test(unobserved, a_stream_that_fails_reports_its_errors_itself)
{
    struct reports reports = { 0 };
    int counter = 0;
    filch_pool *pool = pool_reporting(&reports);
    filch_stream *stream = failing_stream(pool, &counter);
    cr_assert_eq(filch_stream_next(stream, NULL), -EIO);
    filch_stream_end(stream);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
}

/* ---- Races ---- */

#define ROUNDS 3000

/* Everybody gets the same error, made by whoever asks first. */
static void *ask_and_drop(void *arg)
{
    filch_future **futures = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 3 == 0)
            ask_state(futures[i]);
        must(filch_error_code(filch_future_error(futures[i])) == -EPIPE);
        filch_future_unref(futures[i]);
    }
    return NULL;
}

Test(unobserved, several_may_look_at_once)
{
    filch_future *futures[ROUNDS];
    struct reports reports = { 0 };
    pthread_t other;
    filch_pool *pool = pool_reporting(&reports);
    for (int i = 0; i < ROUNDS; i++)
        futures[i] = filch_future_ref(submit(pool, fail_without_words, NULL));
    cr_assert_eq(filch_join(futures, ROUNDS), 0);
    must(pthread_create(&other, NULL, ask_and_drop, futures) == 0);
    ask_and_drop(futures);
    pthread_join(other, NULL);
    filch_pool_destroy(pool);
    cr_assert_eq(reports.n, 0);
}
