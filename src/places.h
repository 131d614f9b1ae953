/* SPDX-License-Identifier: MIT */
/*
 * In which list a thread or a worker is: the steps of which handoff.c and starting.c are made. All of them
 * under handoff's lock.
 */
#ifndef FILCHI_PLACES_H
#define FILCHI_PLACES_H

#include "worker.h"

/* A thread that is nowhere goes to the end of that list; and leaves the one it is in, if any. */
void filchi_place_enter(struct filchi_handoff *handoff, struct filchi_thread *thread, enum filchi_place place);
void filchi_place_leave(struct filchi_handoff *handoff, struct filchi_thread *thread);

/* There must be one. `search`: who gets it will search. */
struct filchi_worker *filchi_place_pop_idle(filch_pool *pool, bool search);
/* `searched`: who held it did. This is an S1. */
void filchi_place_push_idle(filch_pool *pool, struct filchi_worker *worker, bool searched);

/* The thread must be signalled afterwards. */
void filchi_place_give(struct filchi_handoff *handoff, struct filchi_thread *thread, struct filchi_worker *worker,
                       bool search);
/* Nobody holds it now: it goes to the first resumable thread, which must be signalled, or becomes idle or, when there
 * are too many, retires (NULL). In each case this is an S1. */
struct filchi_thread *filchi_place_put(filch_pool *pool, struct filchi_worker *worker, bool searched);
/* The same with the worker that the calling thread holds. */
struct filchi_thread *filchi_place_release(struct filchi_thread *thread);

/* A worker that is not idle any more, nor held, leaves circulation; and one comes back, if there is one: as
 * filchi_place_put(). */
void filchi_place_retire(filch_pool *pool, struct filchi_worker *worker);
struct filchi_thread *filchi_place_circulate(filch_pool *pool);
/* After a change of `workers`, `circulating` or the list of resumable threads. */
void filchi_place_count_wanted(struct filchi_handoff *handoff);

/* How many workers there should be. */
static inline unsigned filchi_place_workers(const struct filchi_handoff *handoff)
{
    return atomic_load_explicit(&handoff->workers, memory_order_relaxed); /* relaxed: written under the lock. */
}

/* Workers beyond that, which leave circulation as they are given up. */
static inline unsigned filchi_place_surplus(const struct filchi_handoff *handoff)
{
    unsigned workers = filchi_place_workers(handoff);
    return handoff->circulating > workers ? handoff->circulating - workers : 0;
}

/* Most threads that the pool may start. */
static inline unsigned filchi_place_cap(const struct filchi_handoff *handoff)
{
    return handoff->lent_only ? 0 : filchi_place_workers(handoff) + handoff->spare_threads;
}

static inline unsigned filchi_place_alive(const struct filchi_handoff *handoff)
{
    return atomic_load_explicit(&handoff->alive, memory_order_relaxed); /* relaxed: written under the lock. */
}

static inline void filchi_place_set_alive(struct filchi_handoff *handoff, unsigned n)
{
    atomic_store_explicit(&handoff->alive, n, memory_order_relaxed); /* relaxed: as above, or a hint. */
}

/* Threads that may run tasks, lent ones too. */
static inline unsigned filchi_place_threads(const struct filchi_handoff *handoff)
{
    return filchi_place_alive(handoff) + handoff->lent;
}

/* Signals a thread that is blocked, or waits outside, which will know that the signal was ours. Under the lock: before it looks, it cannot take its
 * parker away. */
static inline void filchi_place_signal_blocked(struct filchi_thread *thread)
{
    thread->signals++;
    filchi_parker_signal(thread->sleeping_on);
}

#endif
