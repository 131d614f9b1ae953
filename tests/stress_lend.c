/* SPDX-License-Identifier: MIT */
/*
 * Threads lend themselves to pools and leave at random, while others submit tasks that wait for sub tasks, the number of
 * workers changes, and the pool is shut down in the midst of it: each task runs exactly once, every lending ends, and
 * none outlasts the pool.
 */
#include "stress_pool.h"

#define TASKS 60
#define LENDERS 4

static filch_pool *pool;
static filch_stop *stops[LENDERS]; /* of the present lending of each; replaced under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool over; /* the pool takes no more */
static _Atomic uint64_t accepted, ran;
static uint64_t lendings, tasks;

static int sub_task(filch_task *self, void *arg)
{
    (void)self;
    atomic_fetch_add(&ran, 1);
    stress_spin((unsigned)(uintptr_t)arg);
    return 0;
}

static int main_task(filch_task *self, void *arg)
{
    uint64_t random = (uintptr_t)arg;
    filch_future *subs[3];
    unsigned n = stress_below(&random, 4);
    atomic_fetch_add(&ran, 1);
    stress_progress();
    for (unsigned i = 0; i < n; i++) {
        void *turns = (void *)(uintptr_t)stress_below(&random, 2000);
        CHECK_IS(filch_submit(filch_task_pool(self), sub_task, turns, &subs[i]), 0);
        atomic_fetch_add(&accepted, 1);
    }
    for (unsigned i = 0; i < n; i++) {
        CHECK_IS(filch_future_wait(subs[i], FILCH_SECONDS(100)), 0); /* the worker goes to others */
        filch_future_unref(subs[i]);
    }
    return 0;
}

static void *lender_main(void *arg)
{
    unsigned index = (unsigned)(uintptr_t)arg;
    uint64_t n = 0;
    while (!atomic_load(&over)) {
        pthread_mutex_lock(&lock);
        filch_stop *mine = filch_stop_ref(stops[index]);
        pthread_mutex_unlock(&lock);
        CHECK_IS(filch_pool_lend(pool, mine), 0);
        filch_stop_unref(mine);
        n++;
        stress_progress();
    }
    pthread_mutex_lock(&lock);
    lendings += n;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Ends a lending; the next has a new stop. */
static void end_one(uint64_t *random)
{
    filch_stop *next = NULL;
    unsigned index = stress_below(random, LENDERS);
    CHECK_IS(filch_stop_create(&next, NULL), 0);
    pthread_mutex_lock(&lock);
    filch_stop *old = stops[index];
    stops[index] = next;
    pthread_mutex_unlock(&lock);
    filch_stop_request(old, 0);
    filch_stop_unref(old);
}

static void *submitter_main(void *arg)
{
    uint64_t random = stress_stream(*(unsigned *)arg, 3);
    for (unsigned i = 0; i < TASKS; i++) {
        filch_future *future = NULL;
        void *seed = (void *)(uintptr_t)stress_random(&random);
        int rc = filch_submit(pool, main_task, seed, stress_below(&random, 2) ? &future : NULL);
        CHECK(rc == 0 || (rc == -ESHUTDOWN && atomic_load(&over)));
        atomic_fetch_add(&accepted, rc == 0);
        if (stress_below(&random, 4) == 0)
            end_one(&random);
        if (stress_below(&random, 16) == 0)
            CHECK(filch_pool_resize(pool, 1 + stress_below(&random, 5)) == 0 || atomic_load(&over));
        if (future && stress_below(&random, 4) == 0)
            CHECK_IS(filch_future_wait(future, FILCH_FOREVER), 0);
        filch_future_unref(future);
    }
    return NULL;
}

static void one_round(unsigned round)
{
    uint64_t random = stress_stream(round, 1);
    filch_pool_options options = FILCH_POOL_OPTIONS;
    pthread_t lenders[LENDERS];
    unsigned parties[64];
    options.workers = stress_workers(round);
    options.lent_threads_only = stress_below(&random, 2);
    options.no_spare_threads = stress_below(&random, 2);
    options.waiters_help = stress_below(&random, 2);
    accepted = ran = 0;
    atomic_store(&over, false);
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    for (uintptr_t i = 0; i < LENDERS; i++) {
        CHECK_IS(filch_stop_create(&stops[i], NULL), 0);
        CHECK_IS(pthread_create(&lenders[i], NULL, lender_main, (void *)i), 0);
    }
    stress_phase("submitting");
    for (unsigned i = 0; i < stress.threads; i++)
        parties[i] = round * 64 + i;
    stress_run(submitter_main, parties, sizeof parties[0]);
    stress_phase("ending the pool");
    atomic_store(&over, true);
    if (stress_below(&random, 2))
        CHECK_IS(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    else
        CHECK_IS(filch_pool_shutdown(pool, 0, 0, NULL), 0);
    for (unsigned i = 0; i < LENDERS; i++)
        pthread_join(lenders[i], NULL);
    stress_pool_end(pool);
    for (unsigned i = 0; i < LENDERS; i++)
        filch_stop_unref(stops[i]);
    CHECK_IS(ran, accepted);
    tasks += ran;
}

int main(int argc, char **argv)
{
    unsigned round = 0;
    stress_begin("stress_lend", 2, argc, argv);
    while (stress_goes_on_to(round))
        one_round(round++);
    printf("%u pools, %llu tasks, %llu lendings\n", round, (unsigned long long)tasks, (unsigned long long)lendings);
    stress_total("lendings", lendings);
    return stress_end();
}
