/* SPDX-License-Identifier: MIT */
/*
 * The task and future object; transition.h has what becomes of it. docs/design/lifetime.md tells who holds it when.
 *
 * Invariant: the object is free when it is final, nobody holds a handle, and no queue has an entry for it.
 * `refs` counts handles, and stale entries: those of tasks that somebody else claimed or cancelled (the claimer
 * counts it first, who pops it drops it). The runner needs no reference: while the task is not final, a last
 * filch_future_unref() only marks the word ORPHAN, and then the completing thread frees it.
 */
#ifndef FILCHI_FUTURE_H
#define FILCHI_FUTURE_H

#include "cold.h"
#include "origin.h"
#include "stop.h"
#include "waitlist.h"

#include <filch/filch.h>

struct filchi_thread;

/* Bits of `flags`. */
#define FILCHI_COLD_ON_HEAP 1u /* its cold part is not of a slab; who has put it there */
#define FILCHI_LOOKED 2u       /* somebody knows that it FAILED; whoever asks once it has */
#define FILCHI_CONTEXT 4u      /* it has, or had, a context; submitter */
#define FILCHI_NOTED 8u        /* its cold part has a note in the place of result_dtor; see observer.h */
#define FILCHI_TIMED 16u       /* the same, but when it was submitted */
#define FILCHI_RAISED 32u      /* who waits for it has asked for it to go before others */

/* Bits below the stop's pointer. */
#define FILCHI_STOP_OWNED ((uintptr_t)1)
#define FILCHI_STOP_PLACE ((uintptr_t)2) /* its queue entry holds a place: see capacity.h */
#define FILCHI_STOP_GROUP ((uintptr_t)4) /* it is that of the task's scope, which holds it; `group` is not used */
#define FILCHI_STOP_KEPT ((uintptr_t)8)  /* its group gets it, and a reference, when it is final */
#define FILCHI_STOP_FLAGS (FILCHI_STOP_OWNED | FILCHI_STOP_PLACE | FILCHI_STOP_GROUP | FILCHI_STOP_KEPT)

struct filch_future {
    struct filchi_waitlist waiters; /* filch_state; see waitlist.h */
    union {
        _Atomic uintptr_t body;       /* its filch_fn, submitter; once `begun`: the filchi_thread, runner */
        struct filchi_mpsc_node link; /* of one that is KEPT, once it is final; its group */
    };
    void *arg; /* submitter */
    union {
        _Atomic(void *) result;           /* runner; for readers once DONE */
        _Atomic intptr_t code;            /* runner; for readers once FAILED or STOPPED, by filchi_future_code() */
        _Atomic(filch_context *) context; /* submitter, of one without a plan; until it begins */
    } value;
    _Atomic(struct filchi_cold *) cold; /* submitter, runner, or once it is final who asks for an error; or NULL */
    uintptr_t stop;                     /* submitter; the runner drops an owned one before the final state */
    _Atomic uint32_t refs;              /* see above; anyone who holds one */
    _Atomic uint16_t flags;             /* see above */
    _Atomic uint16_t begun;             /* 1: `body` is no longer the function; runner */
    _Atomic uintptr_t mark;             /* scratch of filch_completed_begin(), to find duplicates */
};
_Static_assert(sizeof(filch_future) == FILCHI_SLAB_OBJECT, "task and future are one object");

filch_future *filchi_future_alloc_cold(struct filchi_slab *slab, filch_future *future);
/* The submitter, who owns the slab at this moment: a new one, with a cold part if needed. NULL without memory. */
static inline filch_future *filchi_future_alloc(struct filchi_slab *slab, bool cold)
{
    filch_future *future = filchi_slab_alloc(slab);
    return future && cold ? filchi_future_alloc_cold(slab, future) : future;
}

static inline filch_state filchi_future_state(const filch_future *future)
{
    return (filch_state)filchi_waitlist_state(&future->waiters);
}

static inline bool filchi_future_final(const filch_future *future)
{
    return filchi_waitlist_state(&future->waiters) >= FILCHI_STATE_FINAL;
}

/*
 * Anyone who holds it: the thread on which it runs; NULL before, and once it is final. Of a future of the caller's
 * own pool the thread's memory is there, whatever became of the thread.
 */
static inline struct filchi_thread *filchi_future_thread(const filch_future *future)
{
    /* acquire F3: pairs with release F3 in filchi_future_begin(). */
    if (!atomic_load_explicit(&future->begun, memory_order_acquire))
        return NULL;
    /* acquire M2: pairs with release M2 in mpsc.h: who sees a link instead sees that it is final. */
    uintptr_t thread = atomic_load_explicit(&future->body, memory_order_acquire);
    return filchi_future_final(future) ? NULL : (struct filchi_thread *)thread;
}

/* Who holds it or runs it: its cold part, or NULL. */
static inline struct filchi_cold *filchi_future_cold(const filch_future *future)
{
    /* acquire F4: pairs with release F4 in filchi_future_add_cold(). What the submitter wrote came with the task. */
    return atomic_load_explicit(&future->cold, memory_order_acquire);
}

/*
 * Who runs it, or holds it once it is final: a cold part in the place of `old`, NULL or what stands in for one, unless
 * another thread was first: then its. Without memory what stands in.
 */
struct filchi_cold *filchi_future_add_cold(filch_future *future, struct filchi_cold *old);
/* Who runs it: a cold part to write to, or, without memory, what stands in for one, which has an error. */
struct filchi_cold *filchi_future_own_cold(filch_future *future);
/* Who runs it: the error, or NULL, takes the place of another. The future owns it. */
void filchi_future_attach_error(filch_future *future, filch_error *error);

/* The plan of a task that the caller holds or runs. */
static inline struct filchi_plan *filchi_future_plan(const filch_future *future)
{
    const struct filchi_cold *cold = filchi_future_cold(future);
    return cold ? cold->plan : NULL;
}

/* Whether it can become final: one of the pool of another process, of which fork() made this one, stays as it is. */
static inline bool filchi_future_here(const filch_future *future)
{
    return filchi_origin_here(filchi_origin_of(future));
}

/* Anyone who holds it, once it is final, and its runner before. */
static inline void filchi_future_mark(filch_future *future, unsigned bits)
{
    /* relaxed: read by who frees it, after everybody who held it let go. */
    if ((atomic_load_explicit(&future->flags, memory_order_relaxed) & bits) != bits)
        atomic_fetch_or_explicit(&future->flags, (uint16_t)bits, memory_order_relaxed);
}
/* The same, who was told its outcome or passes it on: not observing a failure is then no matter. */
static inline void filchi_future_look(filch_future *future)
{
    filchi_future_mark(future, FILCHI_LOOKED);
}

static inline filch_stop *filchi_future_stop(const filch_future *future)
{
    return (filch_stop *)(future->stop & ~FILCHI_STOP_FLAGS);
}
#endif
