/* SPDX-License-Identifier: MIT */
/*
 * A lock for a few instructions, where a mutex of the C library would cost as much again as what it protects: inline
 * while nobody else wants it, a futex after some spinning. Giving it back is a full barrier, which a publisher needs
 * anyway.
 *
 * Source: Drepper, "Futexes Are Tricky", 2011, mutex 2.
 */
#ifndef FILCHI_LOCK_H
#define FILCHI_LOCK_H

#include "atomic.h"
#include "os.h"

#define FILCHI_LOCK_FREE 0u
#define FILCHI_LOCK_HELD 1u
#define FILCHI_LOCK_AWAITED 2u /* held, and somebody may sleep */

struct filchi_lock {
    _Atomic uint32_t word; /* who takes it and who gives it back */
};

static inline void filchi_lock_init(struct filchi_lock *lock)
{
    atomic_init(&lock->word, FILCHI_LOCK_FREE);
}

/* As the next, when it is held. */
void filchi_lock_wait(struct filchi_lock *lock);

/* Anyone; may block for as long as others hold it. */
static inline void filchi_lock_take(struct filchi_lock *lock)
{
    uint32_t expected = FILCHI_LOCK_FREE;
    /* acquire X1: pairs with release X1 in filchi_lock_give(); what the last holder did. */
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &expected, FILCHI_LOCK_HELD, memory_order_acquire,
                                                 memory_order_relaxed))
        filchi_lock_wait(lock);
}

/* The holder. A store-load fence, too. */
static inline void filchi_lock_give(struct filchi_lock *lock)
{
    /* release X1: pairs with acquire X1 in filchi_lock_take(). */
    uint32_t old = filchi_exchange_fenced(&lock->word, FILCHI_LOCK_FREE);
    if (old == FILCHI_LOCK_AWAITED)
        filchi_os_futex_wake(&lock->word, 1);
}

#endif
