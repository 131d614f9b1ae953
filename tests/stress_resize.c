/* SPDX-License-Identifier: MIT */
/*
 * A pool whose number of workers changes all the time, by a thread and by its own tasks, while threads submit
 * trees of tasks that wait for their sub tasks in several ways. Each task runs exactly once, every wait ends, and at
 * the end of a round, when the pool was told a number and is quiet, so many workers are idle.
 */
#include "os.h"
#include "stress_pool.h"

#include <filch/filch.h>

#define MOST 40 /* trees of a thread in a round */
#define FAN 4
#define DEPTH 3

struct party {
    unsigned index;
};

static filch_pool *pool;
static unsigned round_now;
static bool poor; /* the system refuses threads now and then */
static _Atomic bool quiet;
static _Atomic uint64_t accepted, ran;
static uint64_t resizes, tasks;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static unsigned some_number(uint64_t *random)
{
    return 1 + stress_below(random, stress_below(random, 8) ? 4 : 40);
}

static void resize(uint64_t *random)
{
    int rc = filch_pool_resize(pool, some_number(random));
    CHECK(rc == 0 || (rc == -ESHUTDOWN && atomic_load(&quiet)));
    stress_progress();
}

static int grow(filch_task *self, void *arg)
{
    uint64_t random = (uintptr_t)arg;
    unsigned depth = (unsigned)(random & 3), n = 0;
    filch_future *subs[FAN];
    count(&ran);
    stress_progress();
    if (!atomic_load(&quiet) && stress_below(&random, 64) == 0)
        resize(&random);
    if (depth == DEPTH)
        return 0;
    while (n < stress_below(&random, FAN + 1)) {
        uintptr_t seed = ((uintptr_t)stress_random(&random) & ~(uintptr_t)3) | (depth + 1);
        bool kept = stress_below(&random, 4) != 0;
        CHECK_IS(filch_submit(filch_task_pool(self), grow, (void *)seed, kept ? &subs[n] : NULL), 0);
        count(&accepted);
        n += kept;
    }
    switch (stress_below(&random, 4)) {
    case 0:
        break; /* the last ones are left behind */
    case 1:
        filch_blocking_begin(self);
        stress_spin(stress_below(&random, 2000));
        filch_blocking_end(self);
        break;
    case 2:
        for (unsigned i = 0; i < n; i++) {
            int rc = filch_future_wait(subs[i], FILCH_SECONDS(100));
            CHECK(rc == 0 || (poor && rc == -EAGAIN));
        }
        break;
    default:
        CHECK(filch_join(subs, n) == 0 || poor);
    }
    for (unsigned i = 0; i < n; i++)
        filch_future_unref(subs[i]);
    return 0;
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(round_now, party->index);
    filch_future *futures[MOST];
    for (unsigned i = 0; i < MOST; i++) {
        uintptr_t seed = (uintptr_t)stress_random(&random) & ~(uintptr_t)3;
        int rc;
        while ((rc = filch_submit(pool, grow, (void *)seed, &futures[i])) == -EAGAIN && poor)
            stress_progress();
        CHECK_IS(rc, 0);
        count(&accepted);
        if (stress_below(&random, 8) == 0)
            CHECK_IS(filch_future_wait(futures[stress_below(&random, i + 1)], FILCH_FOREVER), 0);
    }
    for (unsigned i = 0; i < MOST; i++) {
        CHECK_IS(filch_future_result(futures[i], FILCH_FOREVER, NULL), 0);
        filch_future_unref(futures[i]);
    }
    return NULL;
}

static void *resizer_main(void *arg)
{
    uint64_t random = stress_stream(round_now, 77);
    while (!atomic_load(&quiet)) {
        resize(&random);
        resizes++;
        if (poor && stress_below(&random, 8) == 0)
            atomic_store(&filchi_os_faults.threads, 1 + stress_below(&random, 3));
        switch (stress_below(&random, 3)) {
        case 0:
            break;
        case 1:
            stress_spin(stress_below(&random, 5000));
            break;
        default:
            stress_nap(stress_below(&random, 200000));
        }
    }
    return arg;
}

/* Tasks that nobody holds may still run, and one of them may be about to give another number. */
static void check_quiet(uint64_t *random)
{
    unsigned workers = some_number(random);
    filch_pool_stats stats = FILCH_POOL_STATS;
    stress_phase("waiting for the pool to be quiet");
    do {
        CHECK_IS(filch_pool_resize(pool, workers), 0);
        CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
    } while (stats.idle != workers || stats.submitted != stats.finished);
    CHECK_IS(stats.workers, workers);
}

static void one_round(uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    pthread_t resizer;
    struct party parties[64];
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 3) == 0;
    poor = stress_below(random, 4) == 0;
    accepted = ran = 0;
    atomic_store(&quiet, false);
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    stress_phase("growing trees");
    CHECK_IS(pthread_create(&resizer, NULL, resizer_main, NULL), 0);
    for (unsigned i = 0; i < stress.threads; i++)
        parties[i] = (struct party) { .index = i };
    stress_run(party_main, parties, sizeof *parties);
    atomic_store(&quiet, true);
    pthread_join(resizer, NULL);
    atomic_store(&filchi_os_faults.threads, 0);
    if (stress_below(random, 2))
        check_quiet(random);
    stress_phase("destroying the pool");
    stress_pool_drop(pool);
    CHECK_IS(ran, accepted);
    tasks += ran;
}

int main(int argc, char **argv)
{
    stress_begin("stress_resize", 2, argc, argv);
    uint64_t random = stress_stream(0, 5);
    for (round_now = 1; stress_goes_on(); round_now++)
        one_round(&random);
    printf("%u pools, %llu tasks, %llu resizes from outside\n", round_now - 1, (unsigned long long)tasks,
           (unsigned long long)resizes);
    stress_total("resizes", resizes);
    return stress_end();
}
