/* SPDX-License-Identifier: MIT */
/* Submits without memory for the queue, into a pool that closes meanwhile, and by threads that wait for no place. */
#include "os.h"
#include "support.h"
#include "timers.h"
#include "worker.h"

#include <filch/fork.h>

SUITE(submit_edges);

static void withhold_memory(bool withheld)
{
    atomic_store(&filchi_os_faults.allocations, withheld ? -1 : 0);
}

/* Runs it as the only task of a pool with one worker. */
static void run_alone(filch_fn *fn, void *arg)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fn, arg);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Without memory, inside ---- */

enum { FEW = 16, MANY = 5000 };

static int submit_until_the_queue_is_full(filch_task *self, void *runs)
{
    filch_pool *pool = filch_task_pool(self);
    filch_future *futures[FEW] = { submit(pool, count_up, runs) }; /* now there is memory for tasks */
    size_t n = 1;
    int rc = 0;
    withhold_memory(true);
    for (; n < FEW && (rc = filch_submit(pool, count_up, runs, &futures[n])) == 0; n++)
        continue;
    withhold_memory(false);
    must(rc == -ENOMEM && n < FEW && !futures[n]);
    must(filch_join(futures, n) == 0);
    must(atomic_load((_Atomic int *)runs) == (int)n);
    unref_all(futures, n);
    return 0;
}

Test(submit_edges, a_task_is_refused_where_the_queue_cannot_grow)
{
    _Atomic int runs = 0;
    run_alone(submit_until_the_queue_is_full, (void *)&runs);
}

static int submit_until_there_is_no_task_left(filch_task *self, void *runs)
{
    filch_pool *pool = filch_task_pool(self);
    filch_future **futures = calloc(MANY, sizeof *futures);
    size_t n = 0;
    int rc = 0;
    withhold_memory(true);
    for (; n < MANY && (rc = filch_submit(pool, count_up, runs, &futures[n])) == 0; n++)
        must(filch_future_wait(futures[n], FILCH_FOREVER) == 0); /* the queue stays empty */
    withhold_memory(false);
    must(rc == -ENOMEM && n < MANY && !futures[n]);
    must(atomic_load((_Atomic int *)runs) == (int)n);
    unref_all(futures, n);
    free(futures);
    return 0;
}

Test(submit_edges, a_task_is_refused_where_there_is_no_memory_for_it)
{
    _Atomic int runs = 0;
    run_alone(submit_until_there_is_no_task_left, (void *)&runs);
}

static int submit_many_without_a_queue(filch_task *self, void *runs)
{
    filch_pool *pool = filch_task_pool(self);
    filch_future *futures[FEW];
    memset(futures, 0xA5, sizeof futures);
    filch_future *first = submit(pool, count_up, runs); /* now there is memory for tasks */
    must(filch_future_wait(first, FILCH_FOREVER) == 0);
    filch_future_unref(first);
    withhold_memory(true);
    int rc = filch_submit_many(pool, count_up, runs, 0, FEW, futures);
    withhold_memory(false);
    must(rc == -ENOMEM);
    for (int i = 0; i < FEW; i++)
        must(!futures[i]);
    must(filch_submit_many(pool, count_up, runs, 0, FEW, futures) == 0);
    must(filch_join(futures, FEW) == 0);
    must(atomic_load((_Atomic int *)runs) == 1 + FEW);
    unref_all(futures, FEW);
    return 0;
}

Test(submit_edges, of_many_none_is_accepted_where_the_queue_cannot_grow)
{
    _Atomic int runs = 0;
    run_alone(submit_many_without_a_queue, (void *)&runs);
}

/* ---- Many, from outside ---- */

Test(submit_edges, many_that_are_refused_for_several_reasons_are_invalid_first)
{
    filch_pool *pool = pool_of(1);
    filch_future *out = (filch_future *)(void *)pool;
    cr_assert_eq(filch_submit_many(pool, NULL, NULL, 0, SIZE_MAX, &out), -EINVAL);
    cr_assert_eq(filch_submit_many(pool, do_nothing, NULL, 0, SIZE_MAX, &out), -ENOMEM);
    cr_assert_eq(filch_submit_many(pool, NULL, NULL, 0, 0, &out), -EINVAL);
    cr_assert_eq((void *)out, (void *)pool, "no future was asked for");
    cr_assert_eq(filch_submit_many(pool, NULL, NULL, 0, 1, NULL), -EINVAL);
    filch_pool_destroy(pool);
}

static void *shut_down_amid(void *pool)
{
    UNTIL(stats_of(pool).submitted > 0);
    must(filch_pool_shutdown(pool, 0, 0, NULL) >= -ETIMEDOUT);
    return NULL;
}

/* Whether the pool was closed when some of them were accepted; then none of them is, in the end. */
static bool is_overtaken(size_t n, filch_future **futures)
{
    filch_pool *pool = pool_of(2);
    _Atomic int runs = 0;
    pthread_t closer;
    must(pthread_create(&closer, NULL, shut_down_amid, pool) == 0);
    int rc = filch_submit_many(pool, count_up, (void *)&runs, 0, n, futures);
    if (!rc)
        must(filch_join(futures, n) == 0);
    pthread_join(closer, NULL);
    filch_pool_stats stats = stats_of(pool);
    must(filch_pool_destroy(pool) == 0);
    must(rc == 0 || rc == -ESHUTDOWN);
    must((size_t)atomic_load(&runs) == (rc ? 0 : n));
    for (size_t i = 0; i < n; i++)
        must(!futures[i] == (rc != 0));
    if (!rc)
        unref_all(futures, n);
    return rc && stats.submitted > 0;
}

Test(submit_edges, a_shutdown_amid_a_submit_of_many_is_before_or_after_all_of_them)
{
    enum { N = 50000 };
    filch_future **futures = calloc(N, sizeof *futures);
    UNTIL(is_overtaken(N, futures));
    free(futures);
}

/* ---- Threads that wait for no place ---- */

static filch_pool *pool_with_one_place(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.capacity = 1;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

Test(submit_edges, many_whose_futures_nobody_wants_wait_for_places_too)
{
    filch_pool *pool = pool_with_one_place();
    _Atomic int runs = 0;
    cr_assert_eq(filch_submit_many(pool, count_up, (void *)&runs, 0, FEW, NULL), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(atomic_load(&runs), FEW);
}

struct errand {
    filch_pool *pool;
    _Atomic int runs;
    struct event in_region, go, submitted;
};

#define ERRAND(pool)                   \
    {                                  \
        (pool), 0, EVENT, EVENT, EVENT \
    }

static void submit_one(struct errand *errand)
{
    must(filch_submit(errand->pool, count_up, (void *)&errand->runs, NULL) == 0);
    event_signal(&errand->submitted);
}

static int submit_in_a_region(filch_task *self, void *arg)
{
    struct errand *errand = arg;
    filch_blocking_begin(self);
    event_signal(&errand->in_region);
    event_await(&errand->go);
    submit_one(errand);
    filch_blocking_end(self);
    return 0;
}

Test(submit_edges, a_task_in_a_blocking_region_does_not_wait_for_a_place)
{
    struct gate gate = GATE;
    struct errand errand = ERRAND(pool_with_one_place());
    filch_future *future = submit(errand.pool, submit_in_a_region, &errand);
    event_await(&errand.in_region);
    filch_future *holder = hold_worker(errand.pool, &gate);
    submit_one(&errand); /* the place is taken */
    event_signal(&errand.go);
    event_await_count(&errand.submitted, 2);
    cr_assert_eq(atomic_load(&errand.runs), 0);
    let_go(&gate, holder);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    filch_future_unref(future);
    filch_pool_destroy(errand.pool);
    cr_assert_eq(atomic_load(&errand.runs), 2);
}

static void submit_in_a_callback(filch_future *future, void *errand)
{
    must(filch_future_state(future) == FILCH_STOPPED);
    must(filchi_timers_here == ((struct errand *)errand)->pool->timers);
    submit_one(errand);
}

Test(submit_edges, a_callback_on_the_timer_thread_does_not_wait_for_a_place)
{
    struct gate gate = GATE;
    struct errand errand = ERRAND(pool_with_one_place());
    filch_stop *stop = stop_under(NULL);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *later = NULL, *holder = hold_worker(errand.pool, &gate);
    options.stop = stop;
    options.start_at_ns = INT64_MAX;
    must(filch_submit_with(errand.pool, do_nothing, NULL, &options, &later) == 0);
    must(filch_future_on_done(later, submit_in_a_callback, &errand) == 0);
    submit_one(&errand); /* the place is taken */
    filch_stop_request(stop, -EINTR);
    event_await_count(&errand.submitted, 2);
    cr_assert_eq(atomic_load(&errand.runs), 0);
    let_go(&gate, holder);
    filch_future_unref(later);
    filch_stop_unref(stop);
    filch_pool_destroy(errand.pool);
    cr_assert_eq(atomic_load(&errand.runs), 2);
}

/* ---- Callbacks on a worker that runs no task ---- */

static int count_range(size_t begin, size_t end, void *runs)
{
    atomic_fetch_add((_Atomic int *)runs, (int)(end - begin));
    return 0;
}

static void do_everything(filch_future *future, void *arg)
{
    struct errand *errand = arg;
    filch_future *futures[FEW];
    filch_forker *forker = NULL;
    must(filch_future_state(future) == FILCH_STOPPED && !filch_task_current());
    must(filchi_worker_holder_of(errand->pool));
    must(filch_fork_begin((filch_task *)future, &forker) == -EINVAL && !forker); /* it is no task that runs here */
    must(filch_submit_many(errand->pool, count_up, (void *)&errand->runs, 0, FEW, futures) == 0);
    must(filch_join(futures, FEW) == 0);
    unref_all(futures, FEW);
    must(filch_parallel_for(errand->pool, 0, FEW, count_range, (void *)&errand->runs, NULL) == 0);
    event_signal(&errand->submitted);
}

Test(submit_edges, a_callback_of_a_stopped_task_may_submit_wait_and_loop)
{
    struct gate gate = GATE;
    struct errand errand = ERRAND(pool_of(1));
    filch_stop *stop = stop_under(NULL);
    filch_future *holder = hold_worker(errand.pool, &gate),
                 *stopped = submit_under(errand.pool, do_nothing, NULL, stop);
    must(filch_future_on_done(stopped, do_everything, &errand) == 0);
    filch_stop_request(stop, -EINTR);
    let_go(&gate, holder);
    event_await(&errand.submitted);
    cr_assert_eq(atomic_load(&errand.runs), 2 * FEW);
    filch_future_unref(stopped);
    filch_stop_unref(stop);
    cr_assert_eq(filch_pool_destroy(errand.pool), 0);
}
