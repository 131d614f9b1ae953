/* SPDX-License-Identifier: MIT */
/* Idle policies: all of them run what there is and cost nothing in the end; what they cost before that differs. */
#include "support.h"

SUITE(idle_policy);

static filch_pool *pool_with(filch_idle_policy idle, unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.idle = idle;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

Test(idle_policy, an_unknown_one_is_invalid)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.idle = (filch_idle_policy)3;
    cr_assert_eq(filch_pool_create(&pool, &options), -EINVAL);
    options.idle = (filch_idle_policy)-1;
    cr_assert_eq(filch_pool_create(&pool, &options), -EINVAL);
}

Test(idle_policy, every_policy_runs_everything)
{
    _Atomic int n = 0;
    for (int idle = FILCH_IDLE_BALANCED; idle <= FILCH_IDLE_FRUGAL; idle++) {
        filch_pool *pool = pool_with((filch_idle_policy)idle, 3);
        filch_future *futures[500];
        for (int i = 0; i < 500; i++) {
            futures[i] = submit(pool, count_up, (void *)&n);
            if (i % 5 == 0)
                cr_assert_eq(filch_future_wait(futures[i], FILCH_FOREVER), 0);
        }
        cr_assert_eq(filch_join(futures, 500), 0);
        unref_all(futures, 500);
        filch_pool_destroy(pool);
    }
    cr_assert_eq(n, 1500);
}

/* A publisher that finds nobody searching wakes somebody, for each task that nobody has come for. */
Test(idle_policy, frugal_threads_wake_each_other_for_a_burst)
{
    filch_pool *pool = pool_with(FILCH_IDLE_FRUGAL, 4);
    struct gate gate = GATE;
    filch_future *futures[4];
    for (int i = 0; i < 4; i++)
        futures[i] = submit(pool, pass_gate, &gate);
    event_await_count(&gate.started, 4);
    gate_open(&gate);
    cr_assert_eq(filch_join(futures, 4), 0);
    unref_all(futures, 4);
    filch_pool_destroy(pool);
}

/* ---- Cost ---- */

static int tell_clock(filch_task *self, void *out)
{
    (void)self;
    must(pthread_getcpuclockid(pthread_self(), out) == 0);
    return 0;
}

/* The only thread's clock. */
static clockid_t clock_of(filch_pool *pool)
{
    clockid_t clock = 0;
    filch_future *future = submit(pool, tell_clock, &clock);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    return clock;
}

static void nap(int64_t ns)
{
    struct timespec span = { .tv_nsec = (long)ns };
    nanosleep(&span, NULL);
}

/* CPU of a pool for tasks that come far apart. */
static int64_t sparse_cost(filch_idle_policy idle)
{
    filch_pool *pool = pool_with(idle, 1);
    clockid_t clock = clock_of(pool);
    int64_t before = clock_ns(clock);
    for (int i = 0; i < 100; i++) {
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
        nap(FILCH_MS(1)); /* the load that is measured */
    }
    int64_t cost = clock_ns(clock) - before;
    filch_pool_destroy(pool);
    return cost;
}

Test(idle_policy, latency_spends_cpu_that_frugal_saves)
{
    cr_assert_gt(sparse_cost(FILCH_IDLE_LATENCY), sparse_cost(FILCH_IDLE_FRUGAL));
}

Test(idle_policy, asleep_no_policy_uses_cpu)
{
    for (int idle = FILCH_IDLE_BALANCED; idle <= FILCH_IDLE_FRUGAL; idle++) {
        filch_pool *pool = pool_with((filch_idle_policy)idle, 1);
        clockid_t clock = clock_of(pool);
        UNTIL(stats_of(pool).idle == 1);
        int64_t before, after = clock_ns(clock);
        do { /* until its last steps to bed are over */
            before = after;
            nap(FILCH_MS(20)); /* the span that is measured */
            after = clock_ns(clock);
        } while (after != before && after - before < FILCH_MS(5));
        cr_assert_eq(after, before);
        filch_pool_destroy(pool);
    }
}
