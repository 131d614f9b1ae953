/* SPDX-License-Identifier: MIT */
/*
 * Every public function by itself: while it is called its first allocation fails, then its second, until none is left,
 * and at last all do. Those that may say -ENOMEM do and leave their outputs alone; all others work. faults_each.sh
 * compares the tables with the headers.
 */
#include "faults_each.h"

#include <filch/fork.h>

#include <fcntl.h>

SUITE(faults_each);

/* ---- Pools and stops ---- */

static void call_pool_create(struct kit *kit)
{
    filch_pool *pool = NULL;
    int rc = WITHOUT(kit, filch_pool_create(&pool, NULL));
    must((rc == 0) == (pool != NULL));
    filch_pool_destroy(pool);
}

static void call_pool_resize(struct kit *kit)
{
    unsigned before = filch_pool_workers(kit->pool);
    int rc = WITHOUT(kit, filch_pool_resize(kit->pool, before + 40));
    must(filch_pool_workers(kit->pool) == before + (rc ? 0 : 40));
}

static void call_pool_lend(struct kit *kit)
{
    filch_stop_request(kit->stop, 0);
    WITHOUT(kit, filch_pool_lend(kit->pool, kit->stop));
}

static void call_pool_dump(struct kit *kit)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    WITHOUT(kit, filch_pool_dump(kit->pool, fd));
    close(fd);
}

static void call_pool_shutdown(struct kit *kit)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = NULL;
    filch_error *error = NULL;
    must(filch_submit_at(pool, INT64_MAX, do_nothing, NULL, &future) == 0);
    must(WITHOUT(kit, filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, 0, &error)) == -ETIMEDOUT);
    must(error && filch_error_message(error)[0]);
    filch_error_unref(error);
    filch_future_cancel(future);
    filch_future_unref(future);
    must(WITHOUT(kit, filch_pool_destroy(pool)) == 0);
}

static void call_stop_create(struct kit *kit)
{
    filch_stop *stop = NULL;
    int rc = WITHOUT(kit, filch_stop_create(&stop, kit->stop));
    must((rc == 0) == (stop != NULL));
    filch_stop_unref(stop);
}

static void call_stop_create_until(struct kit *kit)
{
    filch_stop *stop = NULL;
    int rc = WITHOUT(kit, filch_stop_create_until(&stop, kit->stop, kit->pool, INT64_MAX));
    must((rc == 0) == (stop != NULL));
    filch_stop_unref(stop);
}

static void count_call(void *n)
{
    atomic_fetch_add((_Atomic int *)n, 1);
}

static void call_stop_on_request(struct kit *kit)
{
    filch_stop_callback *callback = NULL;
    int rc = WITHOUT(kit, filch_stop_on_request(&callback, kit->stop, count_call, (void *)&kit->n));
    must((rc == 0) == (callback != NULL));
    filch_stop_request(kit->stop, 0);
    must(atomic_load(&kit->n) == (rc == 0));
    WITHOUT(kit, filch_stop_callback_end(callback));
}

static void call_stop_fd(struct kit *kit)
{
    int fd = -1;
    must(WITHOUT(kit, filch_stop_fd(kit->stop, &fd)) == 0 && fd >= 0);
}

static void call_stop_request(struct kit *kit)
{
    filch_stop *child = stop_under(kit->stop);
    must(WITHOUT(kit, filch_stop_request_error(kit->stop, kit->error)));
    must(filch_stop_error(child) == kit->error && filch_stop_reason(child) == -EIO);
    must(!WITHOUT(kit, filch_stop_request(child, 0)) && filch_stop_requested(child));
    filch_stop_unref(child);
}

static void call_context_begin(struct kit *kit)
{
    filch_context_token *token = NULL;
    int rc = WITHOUT(kit, filch_context_begin(&token, 0, (void *)&kit->n, count_call));
    must((rc == 0) == (token != NULL) && (filch_context_get(0) != NULL) == (rc == 0));
    WITHOUT_ANSWER(kit, filch_context_end(token));
    must(atomic_load(&kit->n) == (rc == 0));
}

static void call_context_enter(struct kit *kit)
{
    filch_context_token *outer = NULL, *token = NULL;
    must(filch_context_begin(&outer, 0, kit, NULL) == 0);
    filch_context *context = filch_context_capture();
    filch_context_end(outer);
    int rc = WITHOUT(kit, filch_context_enter(&token, context));
    must((rc == 0) == (token != NULL) && (filch_context_get(0) == kit) == (rc == 0));
    filch_context_end(token);
    filch_context_unref(context);
}

static void call_guard_begin(struct kit *kit)
{
    filch_guard *guard = NULL;
    int rc = WITHOUT(kit, filch_guard_begin(&guard, kit->stop));
    must((rc == 0) == (guard != NULL) && (!guard || !filch_guard_interrupted(guard)));
    WITHOUT_ANSWER(kit, filch_guard_end(guard));
}

/* ---- Tasks ---- */

static void call_submit(struct kit *kit)
{
    filch_pool *pool = pool_of(1); /* which has no memory of earlier tasks */
    filch_future *future = NULL;
    int rc = WITHOUT(kit, filch_submit(pool, do_nothing, NULL, &future));
    end_future(future, rc);
    filch_pool_destroy(pool);
}

static void call_submit_many(struct kit *kit)
{
    filch_future *futures[N] = { NULL };
    int rc = WITHOUT(kit, filch_submit_many(kit->pool, count_up, (void *)&kit->n, 0, N, futures));
    for (int i = 0; i < N; i++)
        must((rc == 0) == (futures[i] != NULL));
    must(rc || filch_join(futures, N) == 0);
    must(atomic_load(&kit->n) == (rc ? 0 : N));
    unref_all(futures, rc ? 0 : N);
}

static void call_submit_with(struct kit *kit)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.name = LONG_NAME;
    options.stop = kit->stop;
    int rc = WITHOUT(kit, filch_submit_with(kit->pool, do_nothing, NULL, &options, &future));
    end_future(future, rc);
}

static void call_lane_create(struct kit *kit)
{
    filch_lane_options options = FILCH_LANE_OPTIONS;
    filch_lane *lane = NULL;
    options.name = LONG_NAME;
    int rc = WITHOUT(kit, filch_lane_create(&lane, kit->pool, &options));
    must((rc == 0) == (lane != NULL));
    filch_lane_unref(lane);
}

static void call_submit_to_lane(struct kit *kit)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    must(filch_lane_create(&options.lane, kit->pool, NULL) == 0);
    int rc = WITHOUT(kit, filch_submit_with(kit->pool, do_nothing, NULL, &options, &future));
    filch_lane_unref(options.lane);
    end_future(future, rc);
}

static void call_submit_after(struct kit *kit)
{
    filch_future *future = NULL;
    int rc = WITHOUT(kit, filch_submit_after(kit->pool, FILCH_SECONDS(3600), do_nothing, NULL, &future));
    end_future(future, rc);
}

static void call_submit_at(struct kit *kit)
{
    filch_future *future = NULL;
    int rc = WITHOUT(kit, filch_submit_at(kit->pool, INT64_MAX, do_nothing, NULL, &future));
    end_future(future, rc);
}

static void count_done(filch_future *future, void *n)
{
    must(filch_future_done(future));
    count_call(n);
}

static void call_future_on_done(struct kit *kit)
{
    int rc = WITHOUT(kit, filch_future_on_done(kit->later, count_done, (void *)&kit->n));
    must(filch_future_cancel(kit->later));
    must(filch_future_wait(kit->later, FILCH_FOREVER) == 0);
    UNTIL(atomic_load(&kit->n) == (rc == 0)); /* the timer thread may call it */
}

static void free_result(void *result)
{
    ++*(int64_t *)result;
}

static int return_seven(filch_task *self, void *arg)
{
    struct kit *kit = arg;
    kit->in[0] = 7;
    return WITHOUT(kit, filch_return_owned(self, &kit->in[0], free_result));
}

static void call_return_owned(struct kit *kit)
{
    filch_pool *pool = pool_of(1); /* as above */
    filch_future *future = submit(pool, return_seven, kit);
    must(filch_join(&future, 1) == 0);
    void *result = NULL;
    int rc = filch_future_result(future, 0, &result);
    must(rc == 0 ? result == &kit->in[0] && kit->in[0] == 7 : rc == -ENOMEM && kit->in[0] == 8);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    must(kit->in[0] == 8);
}

static int fail_without(filch_task *self, void *arg)
{
    struct kit *kit = arg;
    withhold(kit->nth);
    int rc = kit->given ? filch_fail_from(self, kit->error, -EPIPE, "%s", LONG_NAME)
                        : filch_fail(self, -EPIPE, "%s", LONG_NAME);
    withhold(0);
    must(filch_task_error(self));
    return rc;
}

static void call_fail(struct kit *kit)
{
    for (kit->given = 0; kit->given < 2; kit->given++) {
        filch_future *future = submit(kit->pool, fail_without, kit);
        must(filch_join(&future, 1) == 0);
        must(filch_future_result(future, 0, NULL) == -EPIPE);
        must(filch_future_state(future) == FILCH_FAILED && filch_future_error(future));
        filch_future_unref(future);
    }
}

static int block_without(filch_task *self, void *arg)
{
    struct kit *kit = arg;
    withhold(kit->nth);
    filch_blocking_begin(self);
    filch_blocking_end(self);
    must(filch_sleep(FILCH_US(20)) == 0);
    withhold(0);
    return 0;
}

static void call_blocking(struct kit *kit)
{
    filch_future *futures[3];
    for (int i = 0; i < 3; i++)
        futures[i] = submit(kit->pool, block_without, kit);
    must(filch_join(futures, 3) == 0);
    for (int i = 0; i < 3; i++)
        must(filch_future_result(futures[i], 0, NULL) == 0);
    unref_all(futures, 3);
}

/* ---- Waits and iterations ---- */

static void call_wait(struct kit *kit)
{
    filch_future *futures[N];
    for (int i = 0; i < N; i++)
        futures[i] = kit->later;
    size_t n = 1;
    int rc = WITHOUT(kit, filch_wait(futures, N, FILCH_FIRST_COMPLETED, 0, &n));
    must(rc < 0);
}

static void call_completed(struct kit *kit)
{
    filch_future *futures[2] = { kit->done, kit->failed }, *next;
    filch_completed *completed = NULL;
    int rc = WITHOUT(kit, filch_completed_begin(&completed, futures, 2, 0));
    must((rc == 0) == (completed != NULL));
    for (int i = 2; completed && i >= 0; i--)
        must(WITHOUT(kit, filch_completed_next(completed, &next)) == (i > 0));
    WITHOUT_ANSWER(kit, filch_completed_end(completed));
}

static void call_cq(struct kit *kit)
{
    filch_cq *cq = NULL;
    filch_cq_entry entries[4];
    int rc = WITHOUT(kit, filch_cq_create(&cq));
    must((rc == 0) == (cq != NULL));
    if (rc)
        return;
    bool added = WITHOUT(kit, filch_cq_add(cq, kit->done, kit)) == 0;
    must(filch_cq_pending(cq) == added && filch_cq_drain(cq, entries, 4) == added);
    if (added)
        filch_future_unref(entries[0].future);
    withhold(kit->nth); /* as if by others: nothing of it asks */
    must(filch_cq_fd(cq) >= 0 && filch_cq_pending(cq) == 0 && filch_cq_drain(cq, entries, 4) == 0);
    filch_cq_cleanup(&cq);
    withhold(0);
}

static void call_cq_submit(struct kit *kit)
{
    filch_pool *pool = pool_of(1); /* as above */
    filch_cq *cq = NULL;
    filch_cq_entry entry;
    must(filch_cq_create(&cq) == 0);
    bool added = WITHOUT(kit, filch_cq_submit(cq, pool, do_nothing, NULL, NULL, kit)) == 0;
    must(filch_cq_pending(cq) == added);
    filch_pool_destroy(pool);
    must(filch_cq_drain(cq, &entry, 1) == added);
    if (added)
        filch_future_unref(entry.future);
    WITHOUT_ANSWER(kit, filch_cq_destroy(cq));
}

static void call_scope(struct kit *kit)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL, *before = filch_scope_current();
    filch_future *next;
    options.name = LONG_NAME;
    options.timeout_ns = FILCH_SECONDS(3600);
    int rc = WITHOUT(kit, filch_scope_open(&scope, kit->pool, &options)), accepted = 0, given = 0;
    must((rc == 0) == (scope != NULL) && filch_scope_current() == (scope ? scope : before));
    if (!scope)
        return;
    accepted += WITHOUT(kit, filch_scope_submit(scope, do_nothing, NULL, NULL)) == 0;
    accepted += WITHOUT(kit, filch_scope_submit_with(scope, do_nothing, NULL, NULL, NULL)) == 0;
    while (WITHOUT(kit, filch_scope_next(scope, FILCH_FOREVER, &next)) == 1)
        given++;
    must(given == accepted && WITHOUT(kit, filch_scope_join(scope, NULL)) == 0);
    WITHOUT_ANSWER(kit, filch_scope_close(scope));
}

static int negate(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int64_t *)out = -*(const int64_t *)in;
    return 0;
}

static void expect_negated(const struct kit *kit)
{
    for (int i = 0; i < N; i++)
        must(kit->out[i] == -kit->in[i]);
}

static void call_map(struct kit *kit)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_error *error = NULL;
    options.name = LONG_NAME;
    if (WITHOUT(kit, filch_map(kit->pool, negate, NULL, kit->in, sizeof *kit->in, kit->out, sizeof *kit->out, N,
                               &options, &error)) == 0)
        expect_negated(kit);
    filch_error_unref(error);
}

static void call_mapping(struct kit *kit)
{
    filch_mapping *mapping = NULL;
    void *item;
    int rc = WITHOUT(kit, filch_mapping_begin(&mapping, kit->pool, negate, NULL, kit->in, sizeof *kit->in, kit->out,
                                              sizeof *kit->out, N, NULL));
    must((rc == 0) == (mapping != NULL));
    while (mapping && (rc = WITHOUT(kit, filch_mapping_next(mapping, &item))) == 1)
        continue;
    if (mapping && !rc)
        expect_negated(kit);
    must(!mapping || (rc == 0) == (filch_mapping_error(mapping) == NULL));
    WITHOUT_ANSWER(kit, filch_mapping_end(mapping));
}

static int give_next(void *arg, void **item)
{
    struct kit *kit = arg;
    if (kit->given == N)
        return 0;
    *item = &kit->in[kit->given++];
    return 1;
}

static void call_stream(struct kit *kit)
{
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    filch_stream *stream = NULL;
    void *result;
    int n = 0;
    options.name = LONG_NAME;
    int rc = WITHOUT(kit, filch_stream_begin(&stream, kit->pool, return_arg, give_next, kit, &options));
    must((rc == 0) == (stream != NULL) && kit->given == 0);
    while (stream && (rc = WITHOUT(kit, filch_stream_next(stream, &result))) == 1)
        must(result == &kit->in[n++]);
    must(!stream || (rc == 0 ? n == N : filch_stream_error(stream) != NULL));
    WITHOUT_ANSWER(kit, filch_stream_end(stream));
}

/* ---- Errors and forks ---- */

static void call_error_create(struct kit *kit)
{
    char text[256];
    withhold(kit->nth);
    filch_error *error = filch_error_create(-EPIPE, "%s", LONG_NAME);
    filch_error *from = filch_error_create_from(error, 0, "%s", LONG_NAME);
    must(error && (filch_error_code(error) == -EPIPE || filch_error_code(error) == -ENOMEM));
    must(from && (filch_error_code(from) == -EPIPE || filch_error_code(from) == -ENOMEM));
    must(filch_error_format(from, text, sizeof text) > 0 && filch_error_root(from));
    filch_error_unref(from);
    filch_error_unref(error);
    withhold(0);
}

static void call_fork(struct kit *kit)
{
    filch_forker *forker = NULL;
    int rc = WITHOUT(kit, filch_fork_begin(kit->self, &forker));
    must((rc == 0) == (forker != NULL));
}

static int count_range(size_t begin, size_t end, void *n)
{
    atomic_fetch_add((_Atomic int *)n, (int)(end - begin));
    return 0;
}

static void call_parallel_for(struct kit *kit)
{
    filch_pool *pool = pool_of(1); /* as above */
    int rc = WITHOUT(kit, filch_parallel_for(pool, 0, N, count_range, (void *)&kit->n, NULL));
    must(atomic_load(&kit->n) == (rc ? 0 : N));
    filch_pool_destroy(pool);
}

static int add_range(size_t begin, size_t end, void *value, void *arg)
{
    (void)arg;
    ((int64_t *)value)[0] += (int64_t)(end - begin);
    return 0;
}

static void combine(void *value, const void *right, void *arg)
{
    (void)arg;
    ((int64_t *)value)[0] += ((const int64_t *)right)[0];
}

static void call_parallel_reduce(struct kit *kit)
{
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    options.grain = 1;
    int rc = WITHOUT(
        kit, filch_parallel_reduce(kit->pool, 0, N, kit->out, sizeof kit->out, add_range, combine, NULL, &options));
    must(kit->out[0] == (rc ? 0 : N));
}

/* ---- All of them ---- */

#define MAY_FAIL(call, where)    \
    {                            \
#call, call, where, true \
    }
#define MUST_WORK(call, where)    \
    {                             \
#call, call, where, false \
    }

/* clang-format off */
static const struct row rows[] = {
    MAY_FAIL(call_pool_create, ANYWHERE),
    MAY_FAIL(call_pool_resize, ANYWHERE),
    MAY_FAIL(call_pool_dump, ANYWHERE),
    MAY_FAIL(call_pool_lend, OUTSIDE),
    MAY_FAIL(call_stop_create, ANYWHERE),
    MAY_FAIL(call_stop_create_until, ANYWHERE),
    MAY_FAIL(call_stop_on_request, ANYWHERE),
    MAY_FAIL(call_context_begin, ANYWHERE),
    MAY_FAIL(call_context_enter, ANYWHERE),
    MAY_FAIL(call_guard_begin, OUTSIDE),
    MAY_FAIL(call_submit, OUTSIDE),
    MAY_FAIL(call_submit_many, ANYWHERE),
    MAY_FAIL(call_submit_with, ANYWHERE),
    MAY_FAIL(call_lane_create, ANYWHERE),
    MAY_FAIL(call_submit_to_lane, ANYWHERE),
    MAY_FAIL(call_submit_after, ANYWHERE),
    MAY_FAIL(call_submit_at, ANYWHERE),
    MAY_FAIL(call_future_on_done, ANYWHERE),
    MAY_FAIL(call_return_owned, ANYWHERE),
    MAY_FAIL(call_wait, ANYWHERE),
    MAY_FAIL(call_completed, ANYWHERE),
    MAY_FAIL(call_cq, ANYWHERE),
    MAY_FAIL(call_cq_submit, OUTSIDE),
    MAY_FAIL(call_scope, ANYWHERE),
    MAY_FAIL(call_map, ANYWHERE),
    MAY_FAIL(call_mapping, ANYWHERE),
    MAY_FAIL(call_stream, ANYWHERE),
    MAY_FAIL(call_fork, INSIDE),
    MAY_FAIL(call_parallel_for, OUTSIDE),
    MAY_FAIL(call_parallel_reduce, ANYWHERE),
    MUST_WORK(call_stop_fd, ANYWHERE),
    MUST_WORK(call_stop_request, ANYWHERE),
    MUST_WORK(call_pool_shutdown, OUTSIDE),
    MUST_WORK(call_fail, ANYWHERE),
    MUST_WORK(call_blocking, ANYWHERE),
    MUST_WORK(call_error_create, ANYWHERE),
};
/* clang-format on */

Test(faults_each, a_call_that_finds_no_memory_says_so_if_it_may_and_works_if_not)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].where & OUTSIDE)
            try_row(&rows[i], false);
        if (rows[i].where & INSIDE)
            try_row(&rows[i], true);
    }
}
