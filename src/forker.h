/* SPDX-License-Identifier: MIT */
/*
 * Behind fork.h: what a thread forks with, how others see it and take from it, and the wait for what was taken.
 * docs/design/fork.md tells why it is right.
 *
 * Invariant: forked calls are either in the owner's list, which nobody else can see, or *shown*: older than all of the
 * list, and in the deque until the owner or a thief takes them. What is in the list belongs to the innermost task of
 * the thread; before the thread blocks or runs another one, all of it is shown, as far as there is memory.
 */
#ifndef FILCHI_FORKER_H
#define FILCHI_FORKER_H

#include "deque.h"

#include <filch/fork.h>

struct filchi_frame;
struct filchi_thread;

struct filchi_forker {
    filch_forker open;            /* as fork.h has it */
    struct filchi_deque deque;    /* what is shown */
    filch_pool *pool;             /* constant */
    struct filchi_thread *thread; /* constant: the owner, whose memory is used again with it */
    struct filchi_forker *next;   /* constant once linked */
    bool linked;                  /* constant: others see it; not a guest's, who shows nothing */
    size_t shown;                 /* owner: calls that were shown and not joined */
    unsigned eager;               /* owner: forks that are still to be shown for the request that was heard last */
};
_Static_assert(offsetof(filch_forker, hungry) == FILCHI_LINE, "who asks does not write to the owner's line");

/* Those of a pool: one for each thread that ever forked. They stay until the pool goes. */
struct filchi_forkers {
    _Atomic(struct filchi_forker *) all; /* grows only */
};

static inline struct filchi_forker *filchi_forkers_all(const struct filchi_forkers *forkers)
{
    /* acquire A3: pairs with release A3 in link_to_pool(). */
    return atomic_load_explicit(&forkers->all, memory_order_acquire);
}

static inline _Atomic int *filchi_forker_hungry(struct filchi_forker *forker)
{
    return (_Atomic int *)&forker->open.hungry;
}

/* A thief that found nothing shown: the next forks are shown at once. */
static inline void filchi_forker_ask(struct filchi_forker *forker)
{
    /* relaxed: a request; that it is not lost between two threads is told in docs/design/fork.md. */
    if (!atomic_load_explicit(filchi_forker_hungry(forker), memory_order_relaxed))
        atomic_store_explicit(filchi_forker_hungry(forker), 1, memory_order_relaxed);
}

/* The owner, who looks at `hungry` all the time and has seen it: the next fork is all that is shown for it. */
static inline void filchi_forker_show_next_only(filch_forker *forker)
{
    ((struct filchi_forker *)forker)->eager = 1;
}

/* Anyone: whether any forker shows something; those that were looked at in vain are asked to. A moment's answer; after
 * a store-load fence it sees what was shown before. */
static inline bool filchi_forkers_any(const struct filchi_forkers *forkers)
{
    for (struct filchi_forker *forker = filchi_forkers_all(forkers); forker; forker = forker->next) {
        if (!filchi_deque_empty(&forker->deque))
            return true;
        filchi_forker_ask(forker);
    }
    return false;
}

/* No thread is left. */
void filchi_forkers_free(struct filchi_forkers *forkers);
/* A guest's, at its end. NULL is allowed. */
void filchi_forker_free(struct filchi_forker *forker);

/* T's own: makes everything visible that it has forked. It must hold no lock of the pool. */
void filchi_forker_show_all(struct filchi_thread *thread);
/* T's own, as a holder: takes a call that another thread shows, the oldest. False if there is none. */
bool filchi_forker_steal(struct filchi_thread *thread);
/* T's own, as a holder: runs what it took there. */
void filchi_forker_run_stolen(struct filchi_thread *thread);
/* T's own: around a task, or a call of one, that it runs. Debug builds abort at the end if something was not joined. */
void filchi_forker_enter(struct filchi_thread *thread, struct filchi_frame *frame);
void filchi_forker_leave(struct filchi_thread *thread, const struct filchi_frame *frame);

#endif
