/* SPDX-License-Identifier: MIT */
/* What models of the whole library share: a pool that the last of several threads to leave destroys, and tasks that
 * tell that they ran once. */
#ifndef MODEL_SMALL_H
#define MODEL_SMALL_H

#include "engine.h"

#include <filch/filch.h>

#include <errno.h>
#include <stdatomic.h>

#define RUNS 4

static filch_pool *pool;
static _Atomic uint32_t staying;
static unsigned runs[RUNS]; /* plain: what orders two accesses is filch's to do */

static inline void begin_with(unsigned workers, unsigned threads, bool spare)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = workers;
    options.no_spare_threads = !spare;
    for (unsigned i = 0; i < RUNS; i++)
        runs[i] = 0;
    atomic_init(&staying, threads);
    model_check(filch_pool_create(&pool, &options) == 0);
}

/* Lets the others get on for a while: when two things meet is the search's choice. */
static inline void linger(unsigned most)
{
    for (unsigned n = model_choose(most + 1); n > 0; n--)
        model_yield();
}

/* Each of the threads, last: the pool may go when all others are done with it. */
static inline void leave(void)
{
    if (atomic_fetch_sub_explicit(&staying, 1, memory_order_acq_rel) != 1)
        return;
    model_check(filch_pool_destroy(pool) == 0);
    model_check(model_allocated() == 0);
}

/* A task that counts; `arg` is one of runs. */
static inline int count(filch_task *self, void *arg)
{
    (void)self;
    ++*(unsigned *)arg;
    return 0;
}

/* Drops a future that is final: run once and DONE, or ended without a run. */
static inline void settle(filch_future *future, unsigned *ran)
{
    filch_state state = filch_future_state(future);
    model_check(state == FILCH_DONE ? *ran == 1 : state == FILCH_CANCELLED && *ran == 0);
    filch_future_unref(future);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
