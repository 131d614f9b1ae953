/* SPDX-License-Identifier: MIT */
/*
 * Going to sleep against being needed: single submits with gaps about as long as an idle thread searches
 * before it sleeps, so that again and again a task is published while the last thread is just giving up. A
 * lost wake-up is a hang, which the watchdog sees, as every task is awaited by spinning, which wakes nobody;
 * where there are workers enough, by a task too, whose sub task only a thief can start. Prints the worst
 * latency from submit to start.
 *
 * One in some rounds the system refuses new threads now and then; then what is there must do.
 */
#include "os.h"
#include "stress_pool.h"

#include <filch/filch.h>

#define CHAIN 4     /* tasks that one submit leads to, one after the other */
#define THIEVES 100 /* the same, where each is stolen from the one before */

enum style { STYLE_LEAVE, STYLE_AWAIT, STYLE_HOLD, STYLE_NEEDS_THIEF, STYLE_RENDEZVOUS, STYLES };

struct chain {
    _Atomic uint32_t ran;
    _Atomic int64_t started;
    unsigned length; /* each task but the last submits the next */
    enum style style;
};

struct lane {
    unsigned index;
    filch_pool *pool;
    unsigned styles; /* the last two need more than two workers a lane */
    uint64_t submitted, ran;
    int64_t worst, sum;
};

static unsigned round_now;

static void pass_time(unsigned *spins)
{
    if (++*spins % 64 == 0)
        filchi_os_yield();
}

/* Two of these meet: neither returns before both have started, and neither tells anybody about the other. */
static int meet(filch_task *self, void *arg)
{
    (void)self;
    struct chain *chain = arg;
    if (atomic_fetch_add_explicit(&chain->ran, 1, memory_order_acq_rel) == 0)
        atomic_store_explicit(&chain->started, stress_now(), memory_order_relaxed);
    for (unsigned spins = 0; atomic_load_explicit(&chain->ran, memory_order_acquire) < 2;)
        pass_time(&spins);
    atomic_fetch_add_explicit(&chain->ran, 1, memory_order_release); /* the last access */
    return 0;
}

static int link_of_chain(filch_task *self, void *arg)
{
    struct chain *chain = arg;
    uint32_t ran = atomic_load_explicit(&chain->ran, memory_order_relaxed);
    if (ran == 0)
        atomic_store_explicit(&chain->started, stress_now(), memory_order_relaxed);
    filch_future *next = NULL;
    bool more = ran + 1 < chain->length;
    enum style style = chain->style;
    atomic_store_explicit(&chain->ran, ran + 1, memory_order_release); /* the last one's last access */
    if (!more)
        return 0;
    stress_spin(style == STYLE_NEEDS_THIEF ? (unsigned)(stress_now() % 300) : 0);
    CHECK_IS(filch_submit(filch_task_pool(self), link_of_chain, chain, style == STYLE_LEAVE ? NULL : &next), 0);
    if (style == STYLE_AWAIT)
        CHECK_IS(filch_future_wait(next, FILCH_FOREVER), 0);
    for (unsigned spins = 0; style == STYLE_NEEDS_THIEF && filch_future_state(next) == FILCH_PENDING;)
        pass_time(&spins);
    filch_future_unref(next);
    return 0;
}

static void gap(uint64_t *random)
{
    switch (stress_below(random, 4)) {
    case 0: /* nobody is asleep */
        break;
    case 1: /* about now they fall asleep */
        stress_spin(stress_below(random, 30000));
        break;
    case 2:
        filchi_os_yield();
        break;
    default:
        if (stress_below(random, 8) == 0)
            stress_nap(stress_below(random, 200000));
    }
}

static int begin_chain(struct lane *lane, struct chain *chain, uint64_t *random)
{
    chain->style = (enum style)stress_below(random, lane->styles);
    if (chain->style == STYLE_RENDEZVOUS) {
        chain->length = 4; /* two that come, two that go */
        CHECK_IS(filch_submit(lane->pool, meet, chain, NULL), 0);
        return filch_submit(lane->pool, meet, chain, NULL);
    }
    chain->length = 1 + stress_below(random, chain->style == STYLE_NEEDS_THIEF ? THIEVES : CHAIN);
    return filch_submit(lane->pool, link_of_chain, chain, NULL);
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    uint64_t random = stress_stream(round_now, lane->index);
    for (unsigned i = 0; i < 400; i++) {
        struct chain chain = { 0 };
        gap(&random);
        int64_t begun = stress_now();
        int rc = begin_chain(lane, &chain, &random);
        if (rc == -EAGAIN)
            continue; /* not one thread could be started */
        CHECK_IS(rc, 0);
        lane->submitted++;
        for (unsigned spins = 0; atomic_load_explicit(&chain.ran, memory_order_acquire) != chain.length;)
            if (chain.style == STYLE_NEEDS_THIEF)
                stress_nap(20000); /* the cores are theirs */
            else
                pass_time(&spins);
        lane->ran++;
        int64_t took = atomic_load_explicit(&chain.started, memory_order_relaxed) - begun;
        lane->sum += took;
        if (took > lane->worst)
            lane->worst = took;
        stress_progress();
    }
    return NULL;
}

/* True if the system will refuse some threads. */
static bool refuse_threads(uint64_t *random)
{
#ifdef FILCH_TESTING
    static const long faults[] = { 0, 0, 2, 3, -1 };
    long fault = faults[stress_below(random, 5)];
    atomic_store(&filchi_os_faults.threads, fault);
    return fault != 0;
#else
    (void)random;
    return false;
#endif
}

int main(int argc, char **argv)
{
    stress_begin("stress_park", 2, argc, argv);
    uint64_t random = stress_stream(0, 99), chains = 0, parks = 0;
    int64_t worst = 0, sum = 0;
    for (; stress_goes_on(); round_now++) {
        filch_pool_options options = FILCH_POOL_OPTIONS;
        options.workers = stress_workers(round_now);
        options.no_spare_threads = stress_below(&random, 3) == 0;
        filch_pool *pool;
        CHECK_IS(filch_pool_create(&pool, &options), 0);
        struct lane lanes[64] = { 0 };
        unsigned threads = 1 + stress_below(&random, stress.threads), all = stress.threads;
        bool enough = !refuse_threads(&random) && options.workers > 2 * threads;
        for (unsigned i = 0; i < all; i++)
            lanes[i] = (struct lane) { .index = i, .pool = pool, .styles = enough ? STYLES : STYLES - 2 };
        stress.threads = threads;
        stress_run(lane_main, lanes, sizeof lanes[0]);
        stress.threads = all;
#ifdef FILCH_TESTING
        atomic_store(&filchi_os_faults.threads, 0);
#endif
        CHECK_IS(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
        filch_pool_stats stats = FILCH_POOL_STATS;
        CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
        CHECK_IS(stats.finished, stats.submitted);
        parks += stats.parks;
        stress_pool_drop(pool);
        for (unsigned i = 0; i < threads; i++) {
            CHECK_IS(lanes[i].ran, lanes[i].submitted);
            chains += lanes[i].ran;
            sum += lanes[i].sum;
            worst = lanes[i].worst > worst ? lanes[i].worst : worst;
        }
    }
    printf("%llu chains in %u pools, %llu parks; submit to start: %.1f us on average, %.0f us at worst\n",
           (unsigned long long)chains, round_now, (unsigned long long)parks,
           chains ? (double)sum / (double)chains / 1e3 : 0.0, (double)worst / 1e3);
    stress_total("chains", chains);
    return stress_end();
}
