/* SPDX-License-Identifier: MIT */
/* A worker: a slot that holds what a thread needs to run tasks. There are as many as tasks may run at once. */
#ifndef FILCHI_SLOT_H
#define FILCHI_SLOT_H

#include "deque.h"
#include "inject.h"
#include "metrics.h"
#include "readers.h"
#include "slab.h"

#include <filch/filch.h>

/* A counter with one writer at a time: the holder of the worker. */
typedef _Atomic uint64_t filchi_counter;

static inline void filchi_counter_add(filchi_counter *counter, uint64_t n)
{
    /* relaxed load: the writer's own. release C1: pairs with acquire C1 in filchi_counter_get(): who sees a
     * task counted as finished sees what it submitted counted too. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_release);
}

static inline uint64_t filchi_counter_get(const filchi_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_acquire); /* acquire C1: pairs with release C1 above. */
}

/* A running average of how long tasks of a kind take. None timed yet counts as long. */
#define FILCHI_AVERAGE_NONE INT64_MAX
struct filchi_average {
    int64_t ns;
    unsigned skipped; /* since the last one that was timed */
    unsigned every;   /* how many to skip */
};

struct filchi_worker {
    struct filchi_deque deque;
    struct filchi_batch batch;
    _Alignas(FILCHI_LINE) struct filchi_slab slab; /* holder */
    filch_pool *pool;                              /* constant */
    unsigned index;                                /* constant */
    struct filchi_worker *next_idle;               /* handoff's lock: in `idle` or `retired` */
    _Atomic bool retired;                          /* out of circulation; written under handoff's lock */
    _Atomic bool idle;                             /* nobody holds it; the same */
    const struct filchi_thread *holder;            /* handoff's lock; what a dump noted, as the next */
    bool is_idle;
    struct filchi_reader thief;    /* holder: as it steals */
    uint64_t random;               /* holder: where the next steal begins */
    unsigned tick;                 /* holder: tasks found, for fairness */
    unsigned turned;               /* holder: the tick at which it took its turn among the lanes last */
    unsigned heeded;               /* holder: the next of them need not be an urgent one, as the one before was */
    struct filchi_average leaves;  /* holder: tasks that did not wait */
    struct filchi_average outside; /* holder: tasks from outside, waits included */
    struct filchi_measures *measures; /* constant, owned; NULL: the pool measures nothing */
    filchi_counter submitted, finished, stolen, in_place, handoffs, parks;
    filchi_counter raised, raised_over; /* tasks that have another entry, as they were claimed: begun, and over */
};

#endif
