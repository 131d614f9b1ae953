/* SPDX-License-Identifier: MIT */
/*
 * One word that holds a small state and the list of those who wait for it to become final. Futures and stops
 * are built on it. Waiting allocates nothing: the waiter brings its node. docs/design/lifetime.md tells the
 * protocol.
 *
 * Invariant: a final state never changes; a node is in the list, or was served once, or was removed, never two
 * of them; the list of a word that became final is served by who made it final, or, if a removal was under way,
 * by the remover. All of it is async-signal-safe but removal: a handler that interrupts a removal leaves the
 * list to it.
 *
 * Rejected: a plain exchange to the final state. With it a removal in progress could only be waited for, and a
 * waiter whose timeout ran out could not take its node from the stack (docs/decisions/0001-waiter-removal.md).
 */
#ifndef FILCHI_WAITLIST_H
#define FILCHI_WAITLIST_H

#include "mpsc.h"

#include <stdint.h>

/* The low bits of the word; above them is the list. */
#define FILCHI_WORD_STATE ((uintptr_t)7)   /* values from FILCHI_STATE_FINAL on are final */
#define FILCHI_WORD_LOCKED ((uintptr_t)8)  /* somebody removes a node */
#define FILCHI_WORD_ORPHAN ((uintptr_t)16) /* nobody holds the object any more; see future.c */
#define FILCHI_WORD_LIST (~(uintptr_t)31)
#define FILCHI_STATE_FINAL 3u

struct filchi_waiter {
    /* The list's link; once served, free for whoever serves. */
    _Alignas(32) union {
        struct filchi_waiter *next;
        struct filchi_mpsc_node link;
    } in;
    /* Called once, on the thread that made the word final; it may be a signal handler for stops. */
    void (*serve)(struct filchi_waiter *waiter);
    union {
        void *subject;                  /* what is waited for; the waiter's own use */
        struct filchi_waiter *previous; /* in lists that many may leave; who removes, NULL before */
    };
    void *owner; /* who waits; the waiter's own use */
};
_Static_assert(sizeof(struct filchi_waiter) == 32, "nodes are 32 bytes, and aligned so that 5 bits are free");

/* A waiter that is served after all others: its `waiter.serve` is filchi_waitlist_late. */
struct filchi_late_waiter {
    struct filchi_waiter waiter;
    void (*serve)(struct filchi_waiter *waiter);
};
void filchi_waitlist_late(struct filchi_waiter *waiter);

struct filchi_waitlist {
    _Atomic uintptr_t word;
};

static inline void filchi_waitlist_init(struct filchi_waitlist *list, unsigned state, uintptr_t flags)
{
    atomic_init(&list->word, (uintptr_t)state | flags);
}

/* The state for those who act on what happened before it. */
static inline unsigned filchi_waitlist_state(const struct filchi_waitlist *list)
{
    /* acquire W1: pairs with W1 in filchi_waitlist_move(). */
    return (unsigned)(atomic_load_explicit(&list->word, memory_order_acquire) & FILCHI_WORD_STATE);
}

/* The state for polling only. */
static inline unsigned filchi_waitlist_peek(const struct filchi_waitlist *list)
{
    /* relaxed: nothing that was written before the change is read on the strength of it. */
    return (unsigned)(atomic_load_explicit(&list->word, memory_order_relaxed) & FILCHI_WORD_STATE);
}

/*
 * Anyone. Moves the state from `from` to `to`, unless it is not `from` (then false). *old is the word before; if
 * `to` is final, the caller then owes a call of filchi_waitlist_serve(*old).
 */
static inline bool filchi_waitlist_move(struct filchi_waitlist *list, unsigned from, unsigned to, uintptr_t *old)
{
    /* acquire W2: pairs with release W2 in filchi_waitlist_add() and of who let it go as the last. */
    uintptr_t word = atomic_load_explicit(&list->word, memory_order_acquire);
    uintptr_t next;
    do {
        if ((word & FILCHI_WORD_STATE) != from)
            return false;
        next = (word & ~FILCHI_WORD_STATE) | to;
        if (word == (from | FILCHI_WORD_ORPHAN)) { /* relaxed: nobody holds it or waits, so we are alone with it. */
            atomic_store_explicit(&list->word, next, memory_order_relaxed);
            break;
        }
        if (to >= FILCHI_STATE_FINAL && !(word & FILCHI_WORD_LOCKED))
            next &= ~FILCHI_WORD_LIST; /* taken: ours to serve; else the remover's */
        /* release W1: pairs with acquire W1 in filchi_waitlist_state() and _add(), publishing the outcome.
         * acquire W2: as above, for the nodes. */
    } while (!atomic_compare_exchange_weak_explicit(&list->word, &word, next, memory_order_acq_rel,
                                                    memory_order_acquire));
    *old = word;
    return true;
}

/* As the next, of a list that is not empty. */
void filchi_waitlist_serve_all(struct filchi_waiter *newest);

/* Serves those who were in the list of a word that the caller made final: in the order of registration, late ones
 * after the others. */
static inline void filchi_waitlist_serve(uintptr_t old)
{
    if (old & FILCHI_WORD_LIST && !(old & FILCHI_WORD_LOCKED))
        filchi_waitlist_serve_all((struct filchi_waiter *)(old & FILCHI_WORD_LIST));
}

/* Who has made the list, and has shown it to nobody: its first waiter. */
static inline void filchi_waitlist_begin(struct filchi_waitlist *list, struct filchi_waiter *waiter)
{
    /* relaxed, both: whoever gets the object gets its list. */
    uintptr_t word = atomic_load_explicit(&list->word, memory_order_relaxed);
    waiter->in.next = NULL;
    atomic_store_explicit(&list->word, word | (uintptr_t)waiter, memory_order_relaxed);
}

/* Anyone. False if the state is final: then the waiter is not registered and will not be served. */
bool filchi_waitlist_add(struct filchi_waitlist *list, struct filchi_waiter *waiter);
/* Who added it. True: removed, it will not be served. False: it was served, or is being served at this moment. */
bool filchi_waitlist_remove(struct filchi_waitlist *list, struct filchi_waiter *waiter);
/*
 * The same for lists all of whose waiters were added with `previous` NULL: removing takes constant time, however
 * many wait. *served (false before) becomes true if the list was left to this call and it has served it.
 */
bool filchi_waitlist_remove_linked(struct filchi_waitlist *list, struct filchi_waiter *waiter, bool *served);

#endif
