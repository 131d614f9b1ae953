/* SPDX-License-Identifier: MIT */
/*
 * Who may be reading a deque's array at this moment. Thieves say so; an owner that has replaced an array frees the old
 * one once it has found each of them outside. docs/decisions/0006-readers.md tells why this is not liburcu's.
 *
 *     thief                                      owner
 *     H1  say that it is inside                  V1  publish the new array
 *     H2  store-load fence, in the steal         V2  store-load fence
 *     H3  load the array                         V3  is anybody inside?
 *
 * By the fences either V3 sees H1, or H3 sees V1 and the thief has the new array.
 */
#ifndef FILCHI_READERS_H
#define FILCHI_READERS_H

#include "atomic.h"

#include <stdbool.h>
#include <stddef.h>

/* One for each worker, as only its holder steals. */
struct filchi_reader {
    _Atomic uint32_t inside;    /* holder: 1 or 0 */
    struct filchi_reader *next; /* constant, once added */
};

struct filchi_readers {
    _Atomic(struct filchi_reader *) all; /* grows only */
};

/* Anyone; before the reader first begins. It stays until all of them go. */
static inline void filchi_readers_add(struct filchi_readers *readers, struct filchi_reader *reader)
{
    reader->next = atomic_load_explicit(&readers->all, memory_order_relaxed); /* relaxed: checked by the CAS. */
    /* release U1: pairs with acquire U1 in filchi_readers_none(). */
    while (!atomic_compare_exchange_weak_explicit(&readers->all, &reader->next, reader, memory_order_release,
                                                  memory_order_relaxed))
        continue;
}

/* The holder: around its steals. */
static inline void filchi_reader_begin(struct filchi_reader *reader)
{
    atomic_store_explicit(&reader->inside, 1, memory_order_relaxed); /* H1. relaxed: H2 follows in the steal. */
}

static inline void filchi_reader_end(struct filchi_reader *reader)
{
    /* release U2: pairs with acquire U2 in filchi_readers_none(); the last read of an array before it is freed. */
    atomic_store_explicit(&reader->inside, 0, memory_order_release);
}

/* An owner that has replaced arrays before: whether nobody reads them, now or ever after. */
static inline bool filchi_readers_none(const struct filchi_readers *readers)
{
    filchi_fence_store_load(); /* V2 vs H2, the fence in filchi_deque_steal() */
    /* acquire U1: pairs with release U1 in filchi_readers_add(). */
    const struct filchi_reader *reader = atomic_load_explicit(&readers->all, memory_order_acquire);
    for (; reader; reader = reader->next)
        if (atomic_load_explicit(&reader->inside, memory_order_acquire)) /* acquire U2: pairs with release U2. */
            return false;
    return true;
}

#endif
