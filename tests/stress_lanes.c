/* SPDX-License-Identifier: MIT */
/*
 * Lanes with limits, of a pool that is resized, filled by threads and by tasks that await each other, in the same lane and
 * across lanes, in any level, some of which are cancelled, start later or again; until in some rounds it is shut down
 * at a random moment. What was accepted runs as often as it should or is CANCELLED, in no lane do more run at once than
 * it allows, and when it is over every place is free.
 */
#include "stress_pool.h"

#include <filch/filch.h>

#define MOST 40 /* submits of a thread in a round */
#define LANES 4

struct party {
    unsigned index;
};

struct tenant {
    filch_lane *lane;
    int most; /* 0: no limit */
    _Atomic int now;
};

static filch_pool *pool;
static struct tenant tenants[LANES];
static unsigned round_now;
static _Atomic uint64_t accepted, ended; /* tasks of this round */
static uint64_t tasks;
static _Atomic uint64_t awaited;

static void enter(struct tenant *tenant)
{
    int now = atomic_fetch_add(&tenant->now, 1) + 1;
    CHECK(!tenant->most || now <= tenant->most);
}

static void leave(struct tenant *tenant)
{
    CHECK(atomic_fetch_sub(&tenant->now, 1) > 0);
}

static void count_end(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed);
}

static int leaf(filch_task *self, void *arg);

/* The lane's number goes along with the seed. */
static bool submit(filch_future **out, uint64_t seed)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    options.lane = tenants[seed % LANES].lane;
    options.priority = (filch_priority)(seed / LANES % 3) - 1;
    options.arg_dtor = count_end;
    retry.interval_ns = (int64_t)(seed / 16 % 20000);
    if (seed / 64 % 8 == 0)
        options.retry = &retry;
    if (seed / 512 % 8 == 0)
        options.start_at_ns = filch_now() + (int64_t)(seed / 4096 % 50000);
    int rc = filch_submit_with(pool, leaf, (void *)(uintptr_t)seed, &options, out);
    CHECK(rc == 0 || rc == -ESHUTDOWN);
    if (rc == 0)
        atomic_fetch_add_explicit(&accepted, 1, memory_order_relaxed);
    stress_progress();
    return rc == 0;
}

static void await(struct tenant *tenant, filch_future *future, uint64_t *random)
{
    leave(tenant);
    int64_t timeout = stress_below(random, 2) ? FILCH_FOREVER : stress_below(random, 2) ? FILCH_SECONDS(100) : 1000;
    int rc = filch_future_wait(future, timeout);
    CHECK(rc == 0 || rc == -ETIMEDOUT || rc == -EAGAIN);
    enter(tenant);
    atomic_fetch_add_explicit(&awaited, 1, memory_order_relaxed);
}

static int leaf(filch_task *self, void *arg)
{
    uint64_t seed = (uintptr_t)arg, random = seed;
    struct tenant *tenant = &tenants[seed % LANES];
    enter(tenant);
    CHECK(filch_task_current() == self);
    stress_spin(stress_below(&random, 300));
    filch_future *sub;
    if (stress_below(&random, 5) < 2 && submit(&sub, stress_random(&random))) {
        await(tenant, sub, &random);
        if (stress_below(&random, 4) == 0)
            filch_future_cancel(sub);
        filch_future_unref(sub);
    }
    if (stress_below(&random, 16) == 0) {
        filch_blocking_begin(self);
        stress_spin(200);
        filch_blocking_end(self);
    }
    leave(tenant);
    return filch_task_attempt(self) < 2 && seed / 64 % 8 == 0 ? -EIO : 0;
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(round_now, party->index);
    filch_future *futures[MOST];
    unsigned n = 0;
    for (unsigned i = 0; i < MOST; i++) {
        if (submit(&futures[n], stress_random(&random)) && ++n && stress_below(&random, 8) == 0)
            filch_future_cancel(futures[n - 1]);
        if (party->index == 0 && stress_below(&random, 8) == 0)
            filch_pool_resize(pool, 1 + stress_below(&random, 4));
    }
    if (party->index == 0 && stress_below(&random, 2))
        CHECK_IS(filch_pool_shutdown(pool, stress_below(&random, 2) ? FILCH_SHUTDOWN_CANCEL_PENDING : 0, 0, NULL),
                 0);
    while (n > 0) {
        CHECK_IS(filch_future_wait(futures[--n], FILCH_FOREVER), 0);
        filch_state state = filch_future_state(futures[n]);
        CHECK(state == FILCH_CANCELLED || state == FILCH_DONE);
        filch_future_unref(futures[n]);
    }
    return NULL;
}

static void make_tenants(uint64_t *random)
{
    for (unsigned i = 1; i < LANES; i++) { /* the first are of no lane */
        filch_lane_options options = FILCH_LANE_OPTIONS;
        options.weight = 1 + stress_below(random, 4);
        options.max_running = stress_below(random, 3);
        tenants[i].most = (int)options.max_running;
        CHECK_IS(filch_lane_create(&tenants[i].lane, pool, &options), 0);
    }
}

static void end_tenants(void)
{
    for (unsigned i = 1; i < LANES; i++) {
        filch_lane_stats stats = FILCH_LANE_STATS;
        CHECK_IS(filch_lane_stats_get(tenants[i].lane, &stats), 0);
        CHECK_IS(stats.queued, 0);
        CHECK_IS(stats.running, 0);
        CHECK_IS(stats.resuming, 0);
        filch_lane_unref(tenants[i].lane);
    }
}

static void one_round(uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct party parties[64];
    options.workers = stress_workers(round_now);
    options.spare_threads = 1 + stress_below(random, 40);
    options.no_spare_threads = stress_below(random, 4) == 0;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    make_tenants(random);
    accepted = ended = 0;
    for (unsigned i = 0; i < stress.threads; i++)
        parties[i] = (struct party) { .index = i };
    stress_phase("submitting");
    stress_run(party_main, parties, sizeof *parties);
    stress_phase("ending");
    stress_pool_drop(pool);
    end_tenants();
    CHECK_IS(ended, accepted);
    tasks += accepted;
}

int main(int argc, char **argv)
{
    stress_begin("stress_lanes", 3, argc, argv);
    uint64_t random = stress_stream(0, 1000);
    for (round_now = 1; stress_goes_on(); round_now++)
        one_round(&random);
    printf("%u pools, %llu tasks, %llu awaited\n", round_now - 1, (unsigned long long)tasks,
           (unsigned long long)awaited);
    stress_total("awaited", awaited);
    return stress_end();
}
