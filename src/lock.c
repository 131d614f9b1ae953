/* SPDX-License-Identifier: MIT */
/* A lock for a few instructions: see lock.h. */
#include "lock.h"

/* A holder that runs is done sooner; one that lost its core needs ours. */
#ifdef FILCH_TESTING
#define SPINS 1
#else
#define SPINS 100
#endif

void filchi_lock_wait(struct filchi_lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t word = FILCHI_LOCK_FREE;
        /* acquire X1: pairs with release X1 in filchi_lock_give(). */
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == FILCHI_LOCK_FREE && /* relaxed: a look. */
            atomic_compare_exchange_weak_explicit(&lock->word, &word, FILCHI_LOCK_HELD, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        filchi_pause();
    }
    /* acquire X1: as above. That others may sleep is not known, so the next to give it back wakes one. */
    while (atomic_exchange_explicit(&lock->word, FILCHI_LOCK_AWAITED, memory_order_acquire) != FILCHI_LOCK_FREE)
        filchi_os_futex_wait(&lock->word, FILCHI_LOCK_AWAITED, FILCHI_NEVER);
}
