/* SPDX-License-Identifier: MIT */
/* Stream inside tasks of its own pool, and in constant memory wherever it is. */
#include "stream.h"

#include "worker.h"

SUITE(stream_inside);

/* ---- Endless input ---- */

struct endless {
    size_t given, most; /* the source ends after so many */
    int64_t timeout_ns;
    filch_fn *fn;
    size_t window;
    int rc;
};

static int give_endlessly(void *arg, void **item)
{
    struct endless *endless = arg;
    if (endless->given == endless->most)
        return 0;
    *item = (void *)endless->given++;
    return 1;
}

static int run_endless(filch_pool *pool, struct endless *endless)
{
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    filch_stream *stream = NULL;
    void *result;
    size_t delivered = 0;
    int rc;
    options.window = endless->window;
    options.timeout_ns = endless->timeout_ns;
    must(filch_stream_begin(&stream, pool, endless->fn, give_endlessly, endless, &options) == 0);
    while ((rc = filch_stream_next(stream, &result)) == 1)
        must(result == (void *)delivered++);
    must(rc == 0 && delivered == endless->most);
    filch_stream_end(stream);
    return 0;
}

static int run_endless_inside(filch_task *self, void *endless)
{
    return run_endless(filch_task_pool(self), endless);
}

/* Objects ever cut from the pool's slabs: how many tasks there were at once, rounded up to chunks of 1023. */
static size_t tasks_in_memory(const filch_pool *pool)
{
    size_t n = 0;
    for (unsigned i = 0; i < filchi_pool_made(pool); i++)
        n += filchi_pool_worker(pool, i)->slab.carved;
    for (int i = 0; i < FILCHI_SHARDS; i++)
        n += pool->shards[i].slab.carved;
    return n;
}

static size_t deque_capacity(const filch_pool *pool)
{
    size_t n = 0;
    for (unsigned i = 0; i < filchi_pool_made(pool); i++)
        n += (size_t)atomic_load(&filchi_pool_worker(pool, i)->deque.array)->mask + 1;
    return n;
}

static size_t resident_kib(void)
{
    size_t total = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    must(statm && fscanf(statm, "%zu %zu", &total, &resident) == 2);
    fclose(statm);
    return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* A million, but where everything is slow. */
#ifdef FILCH_COVERAGE
#define MANY ((size_t)100000)
#else
#define MANY (SANITIZED ? (size_t)100000 : (size_t)1000000)
#endif

static void expect_constant_memory(filch_pool *pool, bool inside, struct endless endless)
{
    size_t resident = 0;
    for (int round = 0; round < 2; round++) {
        endless.given = 0;
        endless.most = round ? MANY : 10000;
        if (inside) {
            filch_future *main = submit(pool, run_endless_inside, &endless);
            cr_assert_eq(filch_future_result(main, FILCH_FOREVER, NULL), 0);
            filch_future_unref(main);
        } else {
            run_endless(pool, &endless);
        }
        if (!round)
            resident = resident_kib();
    }
    /* Here and there a chunk is begun: one a worker and one of the consumer's shard, or of main's. */
    cr_assert_leq(tasks_in_memory(pool), (size_t)1023 * (filch_pool_workers(pool) + 2), "%zu tasks",
                  tasks_in_memory(pool));
    cr_assert_leq(deque_capacity(pool), 4096u, "%zu entries", deque_capacity(pool));
    if (!SANITIZED) /* a thread that starts late brings a stack, perhaps of huge pages; a million items would show */
        cr_assert_leq(resident_kib(), resident + 4096, "%zu KiB were %zu", resident_kib(), resident);
}

static void expect_constant_memory_with_any_workers(bool inside)
{
    struct endless endless = { .fn = return_arg, .window = 64, .timeout_ns = FILCH_FOREVER };
    for (unsigned workers = 1; workers < 4; workers += 2) {
        filch_pool *pool = pool_of(workers);
        expect_constant_memory(pool, inside, endless);
        filch_pool_destroy(pool);
    }
}

Test(stream_inside, a_million_items_take_no_memory_outside)
{
    expect_constant_memory_with_any_workers(false);
}

Test(stream_inside, a_million_items_take_no_memory_inside)
{
    expect_constant_memory_with_any_workers(true);
}

Test(stream_inside, with_a_deadline_they_take_none_either)
{
    filch_pool *pool = pool_of(1);
    struct endless endless = { .fn = return_arg, .window = 64, .timeout_ns = FILCH_SECONDS(1000) };
    expect_constant_memory(pool, true, endless);
    filch_pool_destroy(pool);
}

static filch_pool *pool_without_spares(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

Test(stream_inside, without_spare_threads_they_take_none_either)
{
    filch_pool *pool = pool_without_spares();
    struct endless endless = { .fn = return_arg, .window = 64, .timeout_ns = FILCH_FOREVER };
    expect_constant_memory(pool, true, endless);
    cr_assert_eq(stats_of(pool).threads_peak, 1);
    filch_pool_destroy(pool);
}

/* Begets a task that nobody awaits, and that lies above the other items in the deque. */
static int leave_one_behind(filch_task *self, void *item)
{
    must(filch_submit(filch_task_pool(self), do_nothing, NULL, NULL) == 0);
    return filch_return(self, item);
}

Test(stream_inside, items_that_leave_tasks_behind_take_none_either)
{
    filch_pool *pool = pool_of(1);
    struct endless endless = { .fn = leave_one_behind, .window = 64, .timeout_ns = FILCH_FOREVER };
    expect_constant_memory(pool, true, endless);
    filch_pool_destroy(pool);
}

/* Older tasks lie below the items in the deque. */
static int run_above_others(filch_task *self, void *endless)
{
    filch_future *others[10];
    for (int i = 0; i < 10; i++)
        others[i] = submit(filch_task_pool(self), do_nothing, NULL);
    int rc = run_endless_inside(self, endless);
    must(filch_wait(others, 10, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    unref_all(others, 10);
    return rc;
}

Test(stream_inside, older_tasks_of_the_consumer_change_nothing)
{
    filch_pool *pool = pool_without_spares();
    struct endless endless = { .most = MANY, .fn = return_arg, .window = 64, .timeout_ns = FILCH_FOREVER };
    filch_future *main = submit(pool, run_above_others, &endless);
    cr_assert_eq(filch_future_result(main, FILCH_FOREVER, NULL), 0);
    cr_assert_leq(tasks_in_memory(pool), (size_t)511 * 2);
    filch_future_unref(main);
    filch_pool_destroy(pool);
}

/* ---- Nested ---- */

static int stream_a_few(filch_task *self, void *item)
{
    struct endless few = { .most = 20, .fn = return_arg, .window = 5, .timeout_ns = FILCH_FOREVER };
    run_endless(filch_task_pool(self), &few);
    return filch_return(self, item);
}

static int stream_streams(filch_task *self, void *item)
{
    struct endless few = { .most = 20, .fn = stream_a_few, .window = 5, .timeout_ns = FILCH_FOREVER };
    run_endless(filch_task_pool(self), &few);
    return filch_return(self, item);
}

Test(stream_inside, items_may_stream_on_their_own_pool)
{
    static const unsigned workers[] = { 1, 2, 3, 16 };
    for (size_t i = 0; i <= sizeof workers / sizeof *workers; i++) {
        filch_pool *pool = i ? pool_of(workers[i - 1]) : pool_without_spares();
        struct endless outer = { .most = 20, .fn = stream_streams, .window = 5, .timeout_ns = FILCH_FOREVER };
        run_endless(pool, &outer);
        outer.given = 0;
        filch_future *main = submit(pool, run_endless_inside, &outer);
        cr_assert_eq(filch_future_result(main, FILCH_FOREVER, NULL), 0);
        filch_future_unref(main);
        filch_pool_destroy(pool);
    }
}

struct elsewhere {
    filch_pool *pool;
    struct endless endless;
};

static int run_elsewhere(filch_task *self, void *arg)
{
    struct elsewhere *elsewhere = arg;
    must(filch_task_pool(self) != elsewhere->pool);
    return run_endless(elsewhere->pool, &elsewhere->endless);
}

Test(stream_inside, a_task_may_stream_on_another_pool)
{
    filch_pool *pool = pool_of(1);
    struct elsewhere elsewhere = {
        .pool = pool_of(2),
        .endless = { .most = 10000, .fn = stream_a_few, .window = 8, .timeout_ns = FILCH_FOREVER },
    };
    filch_future *main = submit(pool, run_elsewhere, &elsewhere);
    cr_assert_eq(filch_future_result(main, FILCH_FOREVER, NULL), 0);
    filch_future_unref(main);
    filch_pool_destroy(pool);
    filch_pool_destroy(elsewhere.pool);
}

/* Waits until the other one runs too: they need each a worker. */
static int meet(filch_task *self, void *item)
{
    static _Atomic int here;
    atomic_fetch_add(&here, 1);
    UNTIL(atomic_load(&here) % 2 == 0);
    return filch_return(self, item);
}

Test(stream_inside, items_run_on_all_workers_while_a_task_waits)
{
    filch_pool *pool = pool_of(2);
    struct endless endless = { .most = 2, .fn = meet, .window = 2, .timeout_ns = FILCH_FOREVER };
    filch_future *main = submit(pool, run_endless_inside, &endless);
    cr_assert_eq(filch_future_result(main, FILCH_FOREVER, NULL), 0);
    filch_future_unref(main);
    filch_pool_destroy(pool);
}
