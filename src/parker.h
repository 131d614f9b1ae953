/* SPDX-License-Identifier: MIT */
/*
 * Where one thread sleeps until signals come. The word counts signals, so that none is lost between looking and
 * sleeping, and so that the owner, who knows how many are due, can tell when the last has left.
 *
 * Invariant: a signaller's last access to the parker is its fetch_add; the wake that may follow uses the
 * address only.
 */
#ifndef FILCHI_PARKER_H
#define FILCHI_PARKER_H

#include "atomic.h"
#include "os.h"

#include <errno.h>

#define FILCHI_PARKER_ASLEEP 1u
#define FILCHI_PARKER_ONE 2u

struct filchi_parker {
    _Atomic uint32_t word; /* signals * 2 | asleep; owner sets and clears asleep, signallers add */
};

static inline void filchi_parker_init(struct filchi_parker *parker)
{
    atomic_init(&parker->word, 0);
}

/* How many signals came, as a token for filchi_parker_wait(). The owner. */
static inline uint32_t filchi_parker_count(const struct filchi_parker *parker)
{
    /* acquire K1: pairs with release K1 in filchi_parker_signal(); what the signaller wrote before is seen. */
    return atomic_load_explicit(&parker->word, memory_order_acquire) / FILCHI_PARKER_ONE;
}

/* Any thread. Async-signal-safe. */
static inline void filchi_parker_signal(struct filchi_parker *parker)
{
    /* release K1: pairs with acquire K1 in filchi_parker_count() and _wait(). */
    uint32_t old = atomic_fetch_add_explicit(&parker->word, FILCHI_PARKER_ONE, memory_order_release);
    if (old & FILCHI_PARKER_ASLEEP)
        filchi_os_futex_wake(&parker->word, 1);
}

/* Sleeps until the count differs from `seen` or the deadline passes (-ETIMEDOUT). The owner. */
static inline int filchi_parker_wait(struct filchi_parker *parker, uint32_t seen, int64_t deadline)
{
    int rc = 0;
    for (;;) {
        /* relaxed: acquired below. Setting asleep in the word that the futex compares leaves no moment in which a
         * signal is neither seen nor followed by a wake. */
        uint32_t word = atomic_fetch_or_explicit(&parker->word, FILCHI_PARKER_ASLEEP, memory_order_relaxed);
        if (word / FILCHI_PARKER_ONE != seen || rc)
            break;
        rc = filchi_os_futex_wait(&parker->word, word | FILCHI_PARKER_ASLEEP, deadline);
    }
    /* acquire K1: pairs with release K1 in filchi_parker_signal(); one that came with the timeout counts. */
    uint32_t word = atomic_fetch_and_explicit(&parker->word, ~FILCHI_PARKER_ASLEEP, memory_order_acquire);
    return word / FILCHI_PARKER_ONE != seen ? 0 : rc;
}

/* Waits until `due` signals came, each being on its way now: before the parker's memory goes. The owner. */
static inline void filchi_parker_settle(const struct filchi_parker *parker, uint32_t due)
{
    uint32_t count = due & (UINT32_MAX / FILCHI_PARKER_ONE);
    for (unsigned spins = 0; filchi_parker_count(parker) != count; spins++)
        filchi_os_relax(spins);
}

#endif
