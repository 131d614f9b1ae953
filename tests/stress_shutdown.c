/* SPDX-License-Identifier: MIT */
/*
 * Thousands of pools that are shut down at a random moment, in every manner, from outside and from inside
 * their own tasks, while threads and tasks submit, wait and iterate. Every task that was accepted ran once or
 * is CANCELLED or STOPPED, every iterator ends, a submit after the end is refused, destroy returns, and the
 * futures outlive it.
 */
#include "os.h"
#include "stress_pool.h"

#include <filch/filch.h>

#define MOST 48       /* futures of a thread in one pool */
#define LEFTOVERS 251 /* futures kept beyond their task */

struct party {
    unsigned index;
    unsigned n;
    filch_future *futures[MOST];
};

static filch_pool *pool;
static unsigned round_now;
static unsigned flags; /* of this round */
static bool from_inside;
static pthread_barrier_t barrier;
static _Atomic unsigned last_round;
static _Atomic uint64_t accepted, ran, cancelled, stopped, refused; /* of this round */
static uint64_t all[5];
static uint64_t late;
static _Atomic(filch_future *) leftovers[LEFTOVERS];

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Futures go only when their fate is known; some of a pool's are freed by tasks of a later one. */
static void settle(filch_future *future)
{
    filch_state state = filch_future_state(future);
    CHECK(state >= FILCH_DONE);
    if (state == FILCH_CANCELLED)
        count(&cancelled);
    else if (state == FILCH_STOPPED) /* before it started: none of these returns -ECANCELED */
        count(&stopped);
    else
        CHECK_IS(state, FILCH_DONE);
    static _Atomic unsigned turn;
    unsigned at = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % LEFTOVERS;
    filch_future_unref(atomic_exchange(&leftovers[at], future));
}

static int leaf(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    count(&ran);
    stress_progress();
    return 0;
}

static int main_task(filch_task *self, void *arg)
{
    uint64_t random = (uintptr_t)arg;
    count(&ran);
    stress_progress();
    filch_future *subs[6];
    unsigned n = 0;
    for (; n < 6; n++) {
        bool deeper = stress_below(&random, 8) == 0;
        uintptr_t seed = (uintptr_t)stress_random(&random) | 1;
        int rc =
            filch_submit(filch_task_pool(self), deeper ? main_task : leaf, deeper ? (void *)seed : NULL, &subs[n]);
        if (rc) {
            CHECK_IS(rc, -ESHUTDOWN);
            count(&refused);
            break;
        }
        count(&accepted);
    }
    if (from_inside && stress_below(&random, 16) == 0) {
        CHECK_IS(filch_pool_shutdown(filch_task_pool(self), flags | FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL),
                 -EDEADLK);
        CHECK_IS(filch_pool_destroy(filch_task_pool(self)), -EDEADLK);
        CHECK_IS(filch_pool_shutdown(filch_task_pool(self), flags & ~FILCH_SHUTDOWN_WAIT, 0, NULL), 0);
    }
    if (stress_below(&random, 4) == 0)
        filch_sleep(FILCH_US(stress_below(&random, 200)));
    if (stress_below(&random, 2)) {
        filch_completed *completed;
        filch_future *next;
        int rc;
        CHECK_IS(filch_completed_begin(&completed, subs, n, FILCH_FOREVER), 0);
        while ((rc = filch_completed_next(completed, &next)) == 1)
            CHECK(filch_future_done(next));
        CHECK(rc == 0 || (rc == -ECANCELED && filch_task_stopped(self)));
        filch_completed_end(completed);
    }
    CHECK_IS(filch_join(subs, n), 0);
    for (unsigned i = 0; i < n; i++)
        settle(subs[i]);
    return 0;
}

static void iterate(struct party *party)
{
    filch_completed *completed;
    filch_future *next;
    size_t got = 0;
    CHECK_IS(filch_completed_begin(&completed, party->futures, party->n, FILCH_FOREVER), 0);
    while (filch_completed_next(completed, &next) == 1)
        got++;
    CHECK_IS(got, party->n);
    filch_completed_end(completed);
}

static void use_pool(struct party *party, uint64_t *random)
{
    party->n = 0;
    while (party->n < MOST) {
        bool big = stress_below(random, 3) == 0;
        uintptr_t seed = (uintptr_t)stress_random(random) | 1;
        int rc = filch_submit(pool, big ? main_task : leaf, big ? (void *)seed : NULL, &party->futures[party->n]);
        if (rc) {
            CHECK_IS(rc, -ESHUTDOWN);
            count(&refused);
            break;
        }
        count(&accepted);
        party->n++;
        unsigned what = stress_below(random, 16);
        if (what == 0)
            CHECK_IS(filch_future_wait(party->futures[stress_below(random, party->n)], FILCH_FOREVER), 0);
        else if (what == 1)
            filch_future_cancel(party->futures[stress_below(random, party->n)]);
        else if (what == 2)
            stress_spin(stress_below(random, 20000));
    }
    if (stress_below(random, 2))
        iterate(party);
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    for (unsigned round = 1;; round++) {
        pthread_barrier_wait(&barrier);
        if (atomic_load(&last_round) == round)
            return NULL;
        uint64_t random = stress_stream(round, party->index);
        use_pool(party, &random);
        pthread_barrier_wait(&barrier);
    }
}

static void shut(uint64_t *random)
{
    switch (stress_below(random, 4)) {
    case 0:
        break;
    case 1:
        stress_spin(stress_below(random, 50000));
        break;
    default:
        stress_nap(stress_below(random, 300000));
    }
    for (unsigned times = 1 + stress_below(random, 2); times; times--) {
        filch_error *error = NULL;
        int64_t timeout = stress_below(random, 2) ? FILCH_FOREVER : (int64_t)stress_below(random, 100000);
        int rc = filch_pool_shutdown(pool, flags, timeout, &error);
        if (rc) {
            CHECK_IS(rc, -ETIMEDOUT);
            CHECK(flags & FILCH_SHUTDOWN_WAIT && timeout >= 0);
            CHECK_IS(filch_error_code(error), -ETIMEDOUT);
            CHECK(strstr(filch_error_message(error), "not finished"));
            filch_error_unref(error);
            late++;
        } else {
            CHECK(!error);
            filch_pool_stats stats = FILCH_POOL_STATS;
            CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
            CHECK(!(flags & FILCH_SHUTDOWN_WAIT) || stats.submitted == stats.finished);
        }
        CHECK_IS(filch_submit(pool, leaf, NULL, NULL), -ESHUTDOWN);
    }
}

static void one_round(struct party *parties, uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 3) == 0;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    flags = stress_below(random, 8);
    from_inside = stress_below(random, 3) == 0;
    accepted = ran = cancelled = stopped = refused = 0;
    stress_phase("using the pool");
    pthread_barrier_wait(&barrier);
    if (stress_below(random, 8)) {
        stress_phase("shutting it down");
        shut(random);
    }
    stress_phase("ending its use");
    pthread_barrier_wait(&barrier); /* destroy comes after every other call */
    stress_phase("destroying it");
    stress_pool_drop(pool);
    for (unsigned i = 0; i < stress.threads; i++)
        for (unsigned k = 0; k < parties[i].n; k++)
            settle(parties[i].futures[k]);
    CHECK_IS(ran + cancelled + stopped, accepted);
    CHECK(stopped == 0 || flags & FILCH_SHUTDOWN_STOP_RUNNING);
    all[0] += accepted;
    all[1] += ran;
    all[2] += cancelled;
    all[3] += stopped;
    all[4] += refused;
}

int main(int argc, char **argv)
{
    stress_begin("stress_shutdown", 3, argc, argv);
    struct party *parties = calloc(stress.threads, sizeof *parties);
    pthread_t threads[64];
    CHECK(parties);
    pthread_barrier_init(&barrier, NULL, stress.threads + 1);
    for (unsigned i = 0; i < stress.threads; i++) {
        parties[i].index = i;
        CHECK_IS(pthread_create(&threads[i], NULL, party_main, &parties[i]), 0);
    }
    uint64_t random = stress_stream(0, 11);
    for (round_now = 1; stress_goes_on(); round_now++)
        one_round(parties, &random);
    atomic_store(&last_round, round_now);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    for (unsigned i = 0; i < LEFTOVERS; i++)
        filch_future_unref(leftovers[i]);
    free(parties);
    printf("%u pools, %llu tasks: %llu ran, %llu cancelled, %llu stopped; %llu refused; %llu shutdowns timed out\n",
           round_now - 1, (unsigned long long)all[0], (unsigned long long)all[1], (unsigned long long)all[2],
           (unsigned long long)all[3], (unsigned long long)all[4], (unsigned long long)late);
    stress_total("cancels", all[2]);
    stress_total("stops", all[3]);
    stress_total("refused", all[4]);
    return stress_end();
}
