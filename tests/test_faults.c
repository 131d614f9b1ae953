/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of a whole scenario fails in turn: every call either works or gives a clear error, nothing is half
 * done, and nothing is leaked (which LeakSanitizer tells of the heap, and the size of the process of mapped pages).
 */
#include "os.h"
#include "support.h"

#include <malloc.h>

SUITE(faults);

#define N 6

struct scenario {
    filch_stop *stop;
    filch_pool *pool;
    _Atomic int accepted, ran, freed; /* tasks with an argument */
    _Atomic int registered, called;   /* callbacks */
};

/* A call may fail for want of memory only. */
static bool worked(int rc)
{
    must(rc == 0 || rc == -ENOMEM);
    return rc == 0;
}

static void count_freed(void *arg)
{
    atomic_fetch_add(&((struct scenario *)arg)->freed, 1);
}

static void count_called(filch_future *future, void *arg)
{
    must(filch_future_done(future));
    atomic_fetch_add(&((struct scenario *)arg)->called, 1);
}

static filch_future *submit_counted(struct scenario *scenario, filch_fn *fn, const char *name)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.name = name;
    options.arg_dtor = count_freed;
    if (!worked(filch_submit_with(scenario->pool, fn, scenario, &options, &future))) {
        must(future == NULL);
        return NULL;
    }
    atomic_fetch_add(&scenario->accepted, 1);
    return future;
}

/* Waits that nothing but a want of memory may spoil; these never allocate. */
static void expect_final(filch_future *future, int code)
{
    if (!future)
        return;
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    int rc = filch_future_result(future, 0, NULL);
    must(rc == code || rc == -ENOMEM);
    must((rc == 0) == (filch_future_error(future) == NULL));
    filch_future_unref(future);
}

/* ---- Steps ---- */

static int just_run(filch_task *self, void *arg)
{
    (void)self;
    atomic_fetch_add(&((struct scenario *)arg)->ran, 1);
    return 0;
}

static int run_and_fail(filch_task *self, void *arg)
{
    just_run(self, arg);
    return filch_fail(self, -EIO, "on purpose");
}

static void many_in_completion_order(struct scenario *scenario)
{
    filch_future *futures[N + 1], *future;
    filch_completed *completed;
    size_t n = 0, seen = 0;
    for (int i = 0; i < N; i++) {
        future = submit_counted(scenario, just_run, "a name that is too long to be kept inside");
        if (future)
            futures[n++] = future;
    }
    for (size_t i = 0; i < n; i++)
        if (worked(filch_future_on_done(futures[i], count_called, scenario)))
            atomic_fetch_add(&scenario->registered, 1);
    futures[n] = futures[0]; /* to find one listed twice takes memory of its own */
    if (worked(filch_completed_begin(&completed, futures, n ? n + 1 : 0, FILCH_FOREVER))) {
        while (filch_completed_next(completed, &future) == 1)
            seen++;
        must(seen == n && filch_completed_total(completed) == n);
        filch_completed_end(completed);
    }
    worked(filch_wait(futures, n, FILCH_FIRST_COMPLETED, FILCH_FOREVER, NULL));
    must(filch_wait(futures, n, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    for (size_t i = 0; i < n; i++)
        filch_future_unref(futures[i]);
}

/* Its subs overflow the first array of the deque; all that were accepted are awaited. */
static int nest(filch_task *self, void *arg)
{
    struct scenario *scenario = arg;
    filch_future *subs[N];
    int failures = 0;
    just_run(self, arg);
    for (int i = 0; i < N; i++) {
        subs[i] = submit_counted(scenario, i % 2 ? just_run : run_and_fail, "sub");
        failures += subs[i] == NULL;
    }
    for (int i = 0; i < N; i++)
        expect_final(subs[i], i % 2 ? 0 : -EIO);
    return failures ? filch_fail(self, -ENOMEM, "%d subs were refused", failures) : 0;
}

static int negate(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int *)out = -*(const int *)in;
    return 0;
}

static void map(struct scenario *scenario)
{
    int in[N] = { 1, 2, 3, 4, 5, 6 }, out[N] = { 0 };
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_error *error = NULL;
    options.name = "a prefix that makes long names";
    if (worked(filch_map(scenario->pool, negate, NULL, in, sizeof *in, out, sizeof *out, N, &options, &error)))
        for (int i = 0; i < N; i++)
            must(out[i] == -in[i]);
    filch_error_unref(error);
}

static int end_when_stopped(filch_task *self, void *arg)
{
    just_run(self, arg);
    return filch_sleep(FILCH_FOREVER);
}

static void stop_and_shut_down(struct scenario *scenario)
{
    filch_future *sleeper = submit_counted(scenario, end_when_stopped, NULL);
    filch_stop *child = NULL;
    filch_error *reason = filch_error_create(-EPIPE, "enough"), *stragglers = NULL;
    worked(filch_stop_create(&child, scenario->stop));
    if (sleeper)
        must(filch_pool_shutdown(scenario->pool, FILCH_SHUTDOWN_WAIT, 0, &stragglers) == -ETIMEDOUT);
    must(!sleeper || stragglers);
    must(filch_stop_request_error(scenario->stop, reason));
    if (child)
        must(filch_stop_error(child) == reason);
    filch_stop_unref(child);
    filch_error_unref(reason);
    filch_error_unref(stragglers);
    expect_final(sleeper, -ECANCELED);
}

/* Everything once, on what memory there is. */
static void play(void)
{
    struct scenario scenario = { 0 };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 2;
    options.stack_size = (size_t)128 << 10;
    if (!worked(filch_stop_create(&scenario.stop, NULL)))
        return;
    options.stop = scenario.stop;
    if (worked(filch_pool_create(&scenario.pool, &options))) {
        many_in_completion_order(&scenario);
        expect_final(submit_counted(&scenario, nest, "main"), 0);
        map(&scenario);
        stop_and_shut_down(&scenario);
        must(filch_pool_destroy(scenario.pool) == 0);
        must(atomic_load(&scenario.ran) <= atomic_load(&scenario.accepted));
        must(atomic_load(&scenario.freed) == atomic_load(&scenario.accepted));
        must(atomic_load(&scenario.called) == atomic_load(&scenario.registered));
    } else {
        must(scenario.pool == NULL);
    }
    filch_stop_unref(scenario.stop);
}

/* ---- Sweeps ---- */

/* Plays once for each allocation there is, which fails. Returns how many there were. */
static long play_with_each_allocation_failing(void)
{
    for (long nth = 1;; nth++) {
        atomic_store(&filchi_os_faults.allocations, nth);
        play();
        long left = atomic_exchange(&filchi_os_faults.allocations, 0);
        if (left > 0)
            return nth - left;
    }
}

static size_t pages_mapped(void)
{
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    must(statm && fscanf(statm, "%zu", &pages) == 1);
    fclose(statm);
    return pages;
}

Test(faults, whichever_allocation_fails_calls_work_or_say_so_and_nothing_leaks)
{
    mallopt(M_ARENA_MAX, 1); /* or threads that come and go would map arenas */
    play();
    long allocations = play_with_each_allocation_failing();
    cr_assert_gt(allocations, 30, "the scenario makes %ld allocations", allocations);
    play_with_each_allocation_failing();
    size_t before = pages_mapped();
    play_with_each_allocation_failing();
    if (!SANITIZED)
        cr_assert_leq(pages_mapped(), before + 100, "%zu pages were %zu", pages_mapped(), before);
}

Test(faults, when_every_allocation_fails_calls_say_so)
{
    filch_pool *pool = pool_of(1), *none = NULL;
    filch_stop *stop = NULL;
    filch_future *future = submit(pool, do_nothing, NULL), *refused = NULL;
    filch_completed *completed = NULL;
    int in = 1, out = 0;
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    atomic_store(&filchi_os_faults.allocations, -1);
    cr_assert_eq(filch_pool_create(&none, NULL), -ENOMEM);
    cr_assert_eq(filch_stop_create(&stop, NULL), -ENOMEM);
    cr_assert_eq(filch_completed_begin(&completed, &future, 1, 0), -ENOMEM);
    cr_assert_eq(filch_map(pool, negate, NULL, &in, 4, &out, 4, 1, NULL, NULL), -ENOMEM);
    cr_assert_eq(filch_future_on_done(future, count_called, NULL), -ENOMEM);
    cr_assert_eq(filch_wait(&future, 1, FILCH_ALL, 0, NULL), 0, "waiting for all allocates nothing");
    cr_assert_eq(filch_future_result(future, 0, NULL), 0);
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert(!none && !stop && !refused && !completed);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(faults, a_submit_without_memory_submits_nothing)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    _Atomic int runs = 0;
    options.name = "a name that needs a block of its own";
    must(filch_submit(pool, count_up, (void *)&runs, NULL) == 0);
    UNTIL(stats_of(pool).idle == 1);
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filch_submit_with(pool, count_up, (void *)&runs, &options, &future), -ENOMEM);
    cr_assert_null(future);
    cr_assert_eq(stats_of(pool).submitted, 1);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 1);
}

/* Submits n one after the other while the worker is busy; each that needs memory fails first, and is tried again. How
 * many failed. */
static int submit_again_and_again(filch_pool *pool, _Atomic int *runs, int n, filch_future **out)
{
    int failed = 0;
    for (int i = 0; i < n; i++) {
        filch_future *const before = out ? out[i] : NULL;
        atomic_store(&filchi_os_faults.allocations, 1);
        int rc = filch_submit(pool, count_up, (void *)runs, out ? &out[i] : NULL);
        atomic_store(&filchi_os_faults.allocations, 0);
        if (!rc)
            continue;
        must(rc == -ENOMEM && (!out || out[i] == before));
        must(filch_submit(pool, count_up, (void *)runs, out ? &out[i] : NULL) == 0);
        failed++;
    }
    return failed;
}

Test(faults, whichever_submit_of_many_has_no_memory_leaves_nothing_behind)
{
    enum { MANY = 2000 };
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    static filch_future *futures[MANY];
    filch_future *holder = hold_worker(pool, &gate);
    cr_assert_gt(submit_again_and_again(pool, &runs, MANY, futures), 2 * MANY / 1024,
                 "for segments of the queue, and slabs");
    cr_assert_gt(submit_again_and_again(pool, &runs, MANY, NULL), 2 * MANY / 1024);
    cr_assert_eq(stats_of(pool).submitted, 2 * MANY + 1);
    let_go(&gate, holder);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, -1, NULL), 0);
    cr_assert_eq(stats_of(pool).finished, 2 * MANY + 1);
    cr_assert_eq(atomic_load(&runs), 2 * MANY);
    unref_all(futures, MANY);
    filch_pool_destroy(pool);
}
