/* SPDX-License-Identifier: MIT */
/*
 * Small pools with a capacity and one of the ways to deal with more, used by threads and by tasks of a second pool at
 * once, some of which are stopped while they wait for a place, until one is shut down at a random moment. What was
 * accepted runs once or is CANCELLED; what was refused never runs; no place is lost.
 */
#include "stress_pool.h"
#include "worker.h"

#include <filch/filch.h>

#define MOST 60 /* submits of a thread in a round */

struct party {
    unsigned index;
};

static filch_pool *pool, *other;
static filch_overflow overflow;
static unsigned round_now;
static _Atomic uint64_t accepted, ran, destroyed; /* tasks of `pool` in this round */
static uint64_t tasks;
static _Atomic uint64_t refused;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void count_end(void *arg)
{
    (void)arg;
    count(&destroyed);
}

static int leaf(filch_task *self, void *arg);

static bool submit(filch_future **out, uint64_t seed)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.arg_dtor = count_end;
    int rc = filch_submit_with(pool, leaf, (void *)(uintptr_t)seed, &options, out);
    CHECK(rc == 0 || rc == -ESHUTDOWN || (rc == -ENOBUFS && overflow == FILCH_REJECT) ||
          (rc == -ECANCELED && overflow == FILCH_BLOCK));
    count(rc ? &refused : &accepted);
    stress_progress();
    return rc == 0;
}

static int leaf(filch_task *self, void *arg)
{
    uint64_t random = (uintptr_t)arg;
    CHECK(filch_task_current() == self && filch_task_pool(self) == pool);
    count(&ran);
    stress_spin(stress_below(&random, 500));
    if (stress_below(&random, 4) == 0) {
        filch_future *sub;
        if (submit(&sub, stress_random(&random))) {
            CHECK(filch_future_wait(sub, FILCH_FOREVER) == 0);
            filch_future_unref(sub);
        }
    }
    return 0;
}

static int submit_from_other(filch_task *self, void *arg)
{
    uint64_t random = (uintptr_t)arg;
    for (int i = 0; i < 4; i++)
        submit(NULL, stress_random(&random));
    CHECK(filch_task_current() == self && filch_task_pool(self) == other);
    return 0;
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(round_now, party->index);
    filch_future *futures[MOST];
    unsigned n = 0;
    if (party->index == 0) {
        stress_nap(stress_below(&random, 2000000));
        if (stress_below(&random, 2))
            filch_stop_request(filch_pool_stop(other), -ECANCELED);
        if (stress_below(&random, 2))
            CHECK_IS(
                filch_pool_shutdown(pool, stress_below(&random, 2) ? FILCH_SHUTDOWN_CANCEL_PENDING : 0, 0, NULL),
                0);
        return NULL;
    }
    for (unsigned i = 0; i < MOST; i++) {
        uint64_t seed = stress_random(&random);
        if (stress_below(&random, 3) == 0)
            CHECK_IS(filch_submit(other, submit_from_other, (void *)(uintptr_t)seed, NULL), 0);
        else if (submit(&futures[n], seed) && ++n && stress_below(&random, 4) == 0)
            filch_future_cancel(futures[n - 1]);
    }
    for (unsigned i = 0; i < n; i++) {
        CHECK_IS(filch_future_wait(futures[i], FILCH_FOREVER), 0);
        CHECK(filch_future_state(futures[i]) == FILCH_CANCELLED || filch_future_state(futures[i]) == FILCH_DONE);
        filch_future_unref(futures[i]);
    }
    return NULL;
}

static void one_round(uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct party parties[64];
    options.workers = stress_workers(round_now);
    CHECK_IS(filch_pool_create(&other, &options), 0);
    options.workers = 1 + stress_below(random, 3);
    options.capacity = 1 + stress_below(random, 5);
    options.overflow = overflow = (filch_overflow)stress_below(random, 3);
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    accepted = ran = destroyed = 0;
    for (unsigned i = 0; i < stress.threads; i++)
        parties[i] = (struct party) { .index = i };
    stress_phase("submitting");
    stress_run(party_main, parties, sizeof *parties);
    stress_phase("destroying the pools");
    stress_pool_drop(other);
    CHECK_IS(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    CHECK_IS(pool->capacity.taken, 0);
    stress_pool_drop(pool);
    CHECK_IS(destroyed, accepted);
    CHECK(ran <= accepted);
    tasks += accepted;
}

int main(int argc, char **argv)
{
    stress_begin("stress_capacity", 4, argc, argv);
    uint64_t random = stress_stream(0, 3);
    for (round_now = 1; stress_goes_on(); round_now++)
        one_round(&random);
    printf("%u pools, %llu tasks, %llu refused\n", round_now - 1, (unsigned long long)tasks,
           (unsigned long long)refused);
    stress_total("refused", refused);
    return stress_end();
}
