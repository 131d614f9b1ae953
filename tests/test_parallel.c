/* SPDX-License-Identifier: MIT */
/* Loops: every index once, on whoever comes; the first failure ends them; values are combined in order. */
#include "support.h"

#include <filch/fork.h>

SUITE(parallel);

#define N 1000

static filch_parallel_options with_grain(size_t grain)
{
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    options.grain = grain;
    return options;
}

/* ---- Indices ---- */

struct marks {
    filch_pool *pool;
    size_t longest; /* no call may be longer */
    _Atomic unsigned char at[N];
    _Atomic size_t calls;
};

static int mark(size_t begin, size_t end, void *arg)
{
    struct marks *marks = arg;
    must(begin < end && end <= N && end - begin <= marks->longest);
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&marks->at[i], 1);
    atomic_fetch_add(&marks->calls, 1);
    return 0;
}

static void expect_marked(struct marks *marks, size_t begin, size_t end)
{
    for (size_t i = 0; i < N; i++)
        must(atomic_exchange(&marks->at[i], 0) == (i >= begin && i < end));
}

Test(parallel, every_index_is_handled_once_in_steps_of_the_grain)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        struct marks marks = { .pool = pool_of(workers) };
        for (size_t grain = 1; grain < 2 * N; grain = 3 * grain + 1) {
            filch_parallel_options options = with_grain(grain);
            size_t begin = grain % 7, end = N - grain % 5;
            marks.longest = grain;
            cr_assert_eq(filch_parallel_for(marks.pool, begin, end, mark, &marks, &options), 0);
            expect_marked(&marks, begin, end);
        }
        filch_pool_destroy(marks.pool);
    }
}

Test(parallel, without_a_grain_the_steps_are_a_64th_of_a_share)
{
    struct marks marks = { .pool = pool_of(1), .longest = N / 64 };
    cr_assert_eq(filch_parallel_for(marks.pool, 0, N, mark, &marks, NULL), 0);
    cr_assert_geq(marks.calls, 64);
    cr_assert_leq(marks.calls, 68);
    expect_marked(&marks, 0, N);
    filch_pool_destroy(marks.pool);
}

static int mark_rows(size_t begin, size_t end, void *arg)
{
    struct marks *marks = arg;
    for (size_t row = begin; row < end; row++) {
        int rc = filch_parallel_for(marks->pool, 10 * row, 10 * row + 10, mark, marks, NULL);
        if (rc)
            return rc;
    }
    return 0;
}

static int mark_all_inside(filch_task *self, void *arg)
{
    struct marks *marks = arg;
    return filch_parallel_for(filch_task_pool(self), 0, N / 10, mark_rows, marks, NULL);
}

Test(parallel, loops_nest_inside_and_outside_of_tasks)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct marks marks = { .pool = pool_of(workers), .longest = 10 };
        cr_assert_eq(filch_parallel_for(marks.pool, 0, N / 10, mark_rows, &marks, NULL), 0);
        expect_marked(&marks, 0, N);
        filch_future *future = submit(marks.pool, mark_all_inside, &marks);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
        filch_future_unref(future);
        expect_marked(&marks, 0, N);
        filch_pool_destroy(marks.pool);
    }
}

static int wait_for_upper_half(size_t begin, size_t end, void *arg)
{
    struct event *upper = arg;
    (void)end;
    if (begin == 0)
        event_await(upper);
    else
        event_signal(upper);
    return 0;
}

Test(parallel, an_idle_worker_gets_the_upper_half_at_once)
{
    filch_pool *pool = pool_of(2);
    struct event upper = EVENT;
    filch_parallel_options options = with_grain(1);
    cr_assert_eq(filch_parallel_for(pool, 0, 2, wait_for_upper_half, &upper, &options), 0);
    filch_pool_destroy(pool);
}

/* ---- Ends ---- */

static int fail_at_300(size_t begin, size_t end, void *arg)
{
    *(_Atomic size_t *)arg += end - begin;
    return begin <= 300 && 300 < end ? -EDOM : 0;
}

static int fail_oddly(size_t begin, size_t end, void *arg)
{
    (void)begin, (void)end, (void)arg;
    return 7;
}

Test(parallel, the_first_failure_ends_the_loop_and_is_its_result)
{
    filch_pool *pool = pool_of(1);
    filch_parallel_options options = with_grain(10);
    _Atomic size_t handled = 0;
    cr_assert_eq(filch_parallel_for(pool, 0, N, fail_at_300, &handled, &options), -EDOM);
    cr_assert_lt(handled, N);
    cr_assert_eq(filch_parallel_for(pool, 0, N, fail_oddly, NULL, NULL), -EINVAL);
    filch_pool_destroy(pool);
}

static int request_at_300(size_t begin, size_t end, void *stop)
{
    if (begin <= 300 && 300 < end)
        filch_stop_request(stop, -EPIPE);
    return 0;
}

static int loop_under_own_stop(filch_task *self, void *arg)
{
    (void)arg;
    return filch_parallel_for(filch_task_pool(self), 0, N, request_at_300, filch_task_stop(self), NULL);
}

Test(parallel, a_stop_ends_the_loop)
{
    filch_pool *pool = pool_of(2);
    filch_stop *stop = stop_under(NULL), *of_task = stop_under(NULL);
    filch_parallel_options options = with_grain(10);
    options.stop = stop;
    cr_assert_eq(filch_parallel_for(pool, 0, N, request_at_300, stop, &options), -ECANCELED);
    cr_assert_eq(filch_parallel_for(pool, 0, N, request_at_300, stop, &options), -ECANCELED, "nor does it begin");
    filch_future *future = submit_under(pool, loop_under_own_stop, NULL, of_task);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_stop_unref(of_task);
    filch_pool_destroy(pool);
}

static int loop_elsewhere(filch_task *self, void *other)
{
    filch_parallel_options options = with_grain(10);
    filch_stop *stop = stop_under(NULL);
    options.stop = stop;
    int rc = filch_parallel_for(other, 0, N, request_at_300, filch_task_stop(self), &options);
    filch_stop_unref(stop);
    return rc;
}

Test(parallel, a_stop_of_the_calling_task_ends_its_loop_on_another_pool)
{
    filch_pool *pool = pool_of(1), *other = pool_of(2);
    filch_stop *of_task = stop_under(NULL);
    filch_future *future = submit_under(pool, loop_elsewhere, other, of_task);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    filch_future_unref(future);
    filch_stop_unref(of_task);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

Test(parallel, calls_that_make_no_sense_are_refused)
{
    filch_pool *pool = pool_of(1);
    filch_parallel_options options = { .size = 0 };
    struct {
        filch_parallel_options known;
        size_t more;
    } newer = { { .size = sizeof newer }, 1 };
    cr_assert_eq(filch_parallel_for(NULL, 0, 1, fail_oddly, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_parallel_for(pool, 0, 1, NULL, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_parallel_for(pool, 2, 1, fail_oddly, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_parallel_for(pool, 0, 1, fail_oddly, NULL, &options), -EINVAL);
    cr_assert_eq(filch_parallel_for(pool, 0, 1, fail_oddly, NULL, &newer.known), -E2BIG);
    cr_assert_eq(filch_parallel_for(pool, 1, 1, fail_oddly, NULL, NULL), 0, "nothing to do");
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_parallel_for(pool, 0, 1, fail_oddly, NULL, NULL), -ESHUTDOWN);
    filch_pool_destroy(pool);
}

/* ---- Values ---- */

/* A run of indices: joining two that are not neighbours is an error. The room makes it larger than a part keeps. */
struct run {
    size_t begin, end; /* equal: empty */
    char room[100];
};

static void join_runs(void *value, const void *right, void *arg)
{
    struct run *run = value;
    const struct run *next = right;
    (void)arg;
    if (next->begin == next->end)
        return;
    must(run->begin == run->end || run->end == next->begin);
    run->begin = run->begin == run->end ? next->begin : run->begin;
    run->end = next->end;
}

static int extend_run(size_t begin, size_t end, void *value, void *arg)
{
    struct run next = { begin, end, { 0 } };
    join_runs(value, &next, arg);
    return 0;
}

Test(parallel, parts_are_combined_in_the_order_of_their_indices)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_pool *pool = pool_of(workers);
        filch_parallel_options options = with_grain(1);
        for (int large = 0; large < 2; large++) {
            struct run run = { 0, 0, { 0 } };
            size_t size = large ? sizeof run : offsetof(struct run, room);
            cr_assert_eq(filch_parallel_reduce(pool, 5, N, &run, size, extend_run, join_runs, NULL, &options), 0);
            cr_assert(run.begin == 5 && run.end == N);
        }
        filch_pool_destroy(pool);
    }
}

/* Goes on until somebody has taken the upper part of it, which fails at once. */
static int fold_until_split(size_t begin, size_t end, void *value, void *arg)
{
    struct run *run = value;
    bool upper = begin > 0 && run->begin == run->end;
    (void)arg;
    run->begin = upper ? begin : 0;
    run->end = end;
    sched_yield();
    return upper ? -ERANGE : 0;
}

Test(parallel, a_reduction_that_fails_does_not_combine_parts_with_a_gap_between_them)
{
    filch_pool *pool = pool_of(2);
    for (int i = 0; i < 10; i++) {
        filch_parallel_options options = with_grain(1);
        struct run run = { 0, 0, { 0 } };
        cr_assert_eq(
            filch_parallel_reduce(pool, 0, SIZE_MAX, &run, sizeof run, fold_until_split, join_runs, NULL, &options),
            -ERANGE);
        cr_assert(run.begin == run.end);
    }
    filch_pool_destroy(pool);
}

static int fold_and_fail(size_t begin, size_t end, void *value, void *arg)
{
    extend_run(begin, end, value, arg);
    return end == N ? -ERANGE : 0;
}

Test(parallel, a_reduction_that_fails_leaves_the_value_untouched)
{
    filch_pool *pool = pool_of(2);
    struct run run = { 3, 3, { 0 } };
    cr_assert_eq(filch_parallel_reduce(pool, 0, N, &run, sizeof run, fold_and_fail, join_runs, NULL, NULL),
                 -ERANGE);
    cr_assert(run.begin == 3 && run.end == 3);
    cr_assert_eq(filch_parallel_reduce(pool, 0, N, NULL, sizeof run, extend_run, join_runs, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_parallel_reduce(pool, 0, N, &run, 0, extend_run, join_runs, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_parallel_reduce(pool, 0, N, &run, sizeof run, NULL, join_runs, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_parallel_reduce(pool, 0, N, &run, sizeof run, extend_run, NULL, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_parallel_reduce(pool, 4, 4, &run, sizeof run, extend_run, join_runs, NULL, NULL), 0);
    cr_assert(run.begin == 3 && run.end == 3, "of nothing it is what it was");
    filch_pool_destroy(pool);
}
