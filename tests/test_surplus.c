/* SPDX-License-Identifier: MIT */
/* Threads beyond one a worker: how long they stay without work. */
#include "handoff.h"
#include "support.h"

SUITE(surplus);

enum { TASKS = 8 };

static filch_pool *pool_with_spares(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.spare_threads = TASKS;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static int pass_gate_in_a_region(filch_task *self, void *gate)
{
    filch_blocking_begin(self);
    return pass_gate(self, gate);
}

/* So many threads have had no work since then, or less long. */
struct idle {
    unsigned threads;
    int64_t since;
};

/* Makes a thread for each of so many tasks, which all run at once. */
static struct idle use_threads(filch_pool *pool, filch_fn *fn)
{
    struct gate gate = GATE;
    filch_future *futures[TASKS];
    for (int i = 0; i < TASKS; i++)
        futures[i] = submit(pool, fn, &gate);
    event_await_count(&gate.started, TASKS);
    struct idle idle = { stats_of(pool).threads, filch_now() };
    must(idle.threads >= TASKS);
    gate_open(&gate);
    must(filch_join(futures, TASKS) == 0);
    unref_all(futures, TASKS);
    return idle;
}

/* All but so many leave, and not before their time. */
static void assert_leave(filch_pool *pool, struct idle idle, unsigned left)
{
    cr_assert_gt(idle.threads, left);
    UNTIL(stats_of(pool).threads < idle.threads);
    int64_t first = filch_now() - idle.since;
    UNTIL(stats_of(pool).threads <= left);
    int64_t last = filch_now() - idle.since;
    fprintf(stderr, "surplus: the first of %u threads left after %lld ms, the last after %lld ms\n",
            idle.threads - left, (long long)first / 1000000, (long long)last / 1000000);
    cr_assert_geq(first, FILCHI_KEEP_ALIVE_NS);
    cr_assert_lt(last, 100 * FILCHI_KEEP_ALIVE_NS);
    cr_assert_eq(stats_of(pool).threads, left);
}

Test(surplus, spare_threads_leave_after_a_while_without_work)
{
    filch_pool *pool = pool_with_spares(1);
    for (int round = 0; round < 3; round++) /* the slots of those that left are used again */
        assert_leave(pool, use_threads(pool, pass_gate_in_a_region), 1);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(surplus, threads_leave_a_while_after_a_resize_to_fewer_workers)
{
    filch_pool *pool = pool_with_spares(TASKS);
    use_threads(pool, pass_gate);
    UNTIL(stats_of(pool).idle == TASKS);
    struct idle idle = { stats_of(pool).threads, filch_now() };
    cr_assert_eq(filch_pool_resize(pool, 2), 0);
    assert_leave(pool, idle, 2);
    use_threads(pool, pass_gate_in_a_region);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* The other pool, which went idle later, tells when their time would have come. */
Test(surplus, one_thread_a_worker_stays)
{
    filch_pool *pool = pool_with_spares(TASKS), *other = pool_with_spares(1);
    use_threads(pool, pass_gate);
    UNTIL(stats_of(pool).idle == TASKS);
    unsigned all = stats_of(pool).threads;
    assert_leave(other, use_threads(other, pass_gate_in_a_region), 1);
    cr_assert_eq(stats_of(pool).threads, all);
    cr_assert_eq(filch_pool_destroy(other), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}
