/* SPDX-License-Identifier: MIT */
/*
 * The idle word: how many threads search for work, and how many workers nobody holds. It decides whether
 * whoever publishes work must wake somebody. docs/design/idle.md tells the protocol; the two sides are
 *
 *     publisher                                  searcher that gives up
 *     P1  publish the work                       S1  searching - 1, idle + 1 (one exchange of the word)
 *     P2  store-load fence                       S2  store-load fence
 *     P3  searching == 0 and idle > 0? wake one  S3  look at every source of work once more
 *
 * By the fences either P3 sees S1, or S3 sees P1. A publisher that leaves it to a searcher (P3 saw searching >
 * 0) is safe for the same reason: that searcher's own S1 comes later, and then its S3. A searcher that stops
 * searching because it found something else looks once more too, if it was the last (filchi_idle_end_search()).
 */
#ifndef FILCHI_IDLE_H
#define FILCHI_IDLE_H

#include "atomic.h"

#include <stdbool.h>

#define FILCHI_IDLE_SEARCHER UINT64_C(1)
#define FILCHI_IDLE_WORKER (UINT64_C(1) << 32)

struct filchi_idle {
    _Alignas(FILCHI_LINE) _Atomic uint64_t word; /* idle workers << 32 | searching threads; anyone */
};

/* What an idle thread does before it sleeps; as the idle policy says. */
struct filchi_spin {
    int64_t ns;     /* so long it looks for work; -1: it does not */
    unsigned share; /* of the workers at most so many halves do */
};

static inline uint32_t filchi_idle_searching(uint64_t word)
{
    return (uint32_t)word;
}

static inline uint32_t filchi_idle_workers(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static inline uint64_t filchi_idle_load(const struct filchi_idle *idle)
{
    /* relaxed: a count that decides about waking only; P2 and S2 order it where it matters. */
    return atomic_load_explicit(&idle->word, memory_order_relaxed);
}

/* P3. Anyone who has just published work, after a store-load fence (P2): true if somebody must be woken. */
static inline bool filchi_idle_must_wake_after(const struct filchi_idle *idle)
{
    uint64_t word = filchi_idle_load(idle);
    return filchi_idle_searching(word) == 0 && filchi_idle_workers(word) > 0;
}

/* P2 and P3. */
static inline bool filchi_idle_must_wake(const struct filchi_idle *idle)
{
    filchi_fence_store_load(); /* P2 vs S2 in filchi_idle_look_again() */
    return filchi_idle_must_wake_after(idle);
}

/* A thread that holds a worker and wants work. At most `most` halves search; false: go on without spinning. */
static inline bool filchi_idle_begin_search(struct filchi_idle *idle, unsigned most)
{
    if (2 * filchi_idle_searching(filchi_idle_load(idle)) >= most)
        return false;
    /* relaxed: the count alone; see P3. */
    atomic_fetch_add_explicit(&idle->word, FILCHI_IDLE_SEARCHER, memory_order_relaxed);
    return true;
}

/* A searcher that found work. True if it was the last and workers are idle: it must look at the sources, and wake
 * another for what it sees. */
static inline bool filchi_idle_end_search(struct filchi_idle *idle)
{
    /* relaxed: S2 follows, in the fence. */
    uint64_t old = atomic_fetch_sub_explicit(&idle->word, FILCHI_IDLE_SEARCHER, memory_order_relaxed);
    if (filchi_idle_searching(old) != 1 || filchi_idle_workers(old) == 0)
        return false;
    filchi_fence_store_load(); /* S2 vs P2 in filchi_idle_must_wake() */
    return true;
}

/* S1 and S2: one worker becomes idle, its holder having searched or not. Then S3 is due. */
static inline void filchi_idle_add(struct filchi_idle *idle, bool searched)
{
    uint64_t change = FILCHI_IDLE_WORKER - (searched ? FILCHI_IDLE_SEARCHER : 0);
    /* relaxed: S2 follows, in filchi_idle_look_again(). */
    atomic_fetch_add_explicit(&idle->word, change, memory_order_relaxed);
}

/* S1 and S2 where no worker becomes idle: the searcher's leaves circulation. Then S3 is due. */
static inline void filchi_idle_leave(struct filchi_idle *idle)
{
    /* relaxed: as in filchi_idle_add(). */
    atomic_fetch_sub_explicit(&idle->word, FILCHI_IDLE_SEARCHER, memory_order_relaxed);
}

/* S2, between filchi_idle_add() and S3. */
static inline void filchi_idle_look_again(void)
{
    filchi_fence_store_load(); /* S2 vs P2 in filchi_idle_must_wake() */
}

/* One idle worker is taken, by a thread that will search or not. */
static inline void filchi_idle_take(struct filchi_idle *idle, bool search)
{
    uint64_t change = FILCHI_IDLE_WORKER - (search ? FILCHI_IDLE_SEARCHER : 0);
    /* relaxed: the count alone. */
    atomic_fetch_sub_explicit(&idle->word, change, memory_order_relaxed);
}

#endif
