/* SPDX-License-Identifier: MIT */
/* Every transition of a task's state, one function each: see future.h for the object, docs/design/lifetime.md for who
 * holds it when. future.c has them all. */
#ifndef FILCHI_TRANSITION_H
#define FILCHI_TRANSITION_H

#include "inherit.h"

enum filchi_claim {
    FILCHI_CLAIM_GOT,   /* PENDING -> RUNNING: the caller runs it */
    FILCHI_CLAIM_STALE, /* somebody else claimed or cancelled it before */
};

/* The runner, before it is final. */
static inline void filchi_future_drop_stop(const filch_future *future)
{
    if (future->stop & FILCHI_STOP_OWNED)
        filch_stop_unref(filchi_future_stop(future));
}

/* Who ends it, before it is FAILED or STOPPED or at once after: not 0. */
static inline void filchi_future_set_code(filch_future *future, int code)
{
    atomic_store_explicit(&future->value.code, code, memory_order_relaxed); /* relaxed: see the next. */
}
static inline void *filchi_future_result(const filch_future *future)
{
    return atomic_load_explicit(&future->value.result, memory_order_relaxed); /* relaxed: the state publishes it. */
}

static inline void filchi_future_set_result(filch_future *future, void *result)
{
    atomic_store_explicit(&future->value.result, result, memory_order_relaxed); /* relaxed: the same. */
}

int filchi_future_await_code(const filch_future *future);
/* Once it is FAILED or STOPPED. It may be STOPPED a moment before the code is there. */
static inline int filchi_future_code(const filch_future *future)
{
    /* relaxed: nothing else is read on the strength of it. */
    int code = (int)atomic_load_explicit(&future->value.code, memory_order_relaxed);
    return code ? code : filchi_future_await_code(future);
}

/* The submitter, before it is published. `refs` handles; 0 for a task that nobody holds. */
void filchi_future_init(filch_future *future, filch_fn *fn, void *arg, uint32_t refs);
/* The same, with a cold part: it starts later, or again. The future owns the plan. Not pending but waiting, if `wait`. */
void filchi_future_init_plan(filch_future *future, struct filchi_plan *plan, bool wait);
/* The submitter gives it up again: nothing runs but the memory's return. */
void filchi_future_abandon(filch_future *future);

/* Who popped its queue entry. STALE: the entry's reference was dropped, the object must not be touched again. */
static inline enum filchi_claim filchi_future_claim(filch_future *future)
{
    uintptr_t old;
    if (filchi_waitlist_move(&future->waiters, FILCH_PENDING, FILCH_RUNNING, &old))
        return FILCHI_CLAIM_GOT;
    filch_future_unref(future);
    return FILCHI_CLAIM_STALE;
}
/* Who holds a handle, and leaves the queue entry where it is. */
enum filchi_claim filchi_future_claim_in_place(filch_future *future);
/* Who popped its queue entry: PENDING -> CANCELLED, unless it is stale. The object must not be touched again. */
void filchi_future_cancel_entry(filch_future *future);

/* The runner, as it starts: the function, whose place its thread takes. */
static inline filch_fn *filchi_future_begin(filch_future *future, const struct filchi_thread *thread)
{
    /* relaxed: the submitter's; publishing the task ordered it. */
    uintptr_t fn = atomic_load_explicit(&future->body, memory_order_relaxed);
    atomic_store_explicit(&future->body, (uintptr_t)thread, memory_order_relaxed); /* relaxed: see the next. */
    /* release F3: pairs with acquire F3 in filchi_future_thread(); the thread before the word that says so. */
    atomic_store_explicit(&future->begun, 1, memory_order_release);
    return (filch_fn *)fn;
}

/* The runner, with what the function returned: RUNNING -> DONE, FAILED or STOPPED. Never touch the object
 * again. */
void filchi_future_complete(filch_future *future, int rc);
/* The same in two steps, between which nobody can see that it is over: what it comes to, and its code in *rc. */
filch_state filchi_future_judge(const filch_future *future, int *rc);
void filchi_future_complete_as(filch_future *future, filch_state to, int code);
/* The runner, instead of running it, for the reason `code`: RUNNING -> STOPPED. It has dropped the stop. Returns the word
 * before: it owes a filchi_future_tell_waiters(), and until then is not to touch the object unless it was KEPT. */
static inline uintptr_t filchi_future_complete_stopped(filch_future *future, int code)
{
    uintptr_t old = 0;
    filchi_future_drop_context(future);
    filchi_future_set_code(future, code);
    filchi_waitlist_move(&future->waiters, FILCH_RUNNING, FILCH_STOPPED, &old);
    return old;
}
/*
 * Who popped the queue entry of one that is KEPT, in place of a claim: its stop is requested, for the reason `code`.
 * PENDING -> STOPPED, in one step. As long as it is PENDING others may claim it, and the place of the code be the result's: so
 * the code comes after. STALE as with a claim; else as filchi_future_complete_stopped(), with the word before in *old.
 */
static inline enum filchi_claim filchi_future_stop_entry(filch_future *future, int code, uintptr_t *old)
{
    if (!filchi_waitlist_move(&future->waiters, FILCH_PENDING, FILCH_STOPPED, old)) {
        filch_future_unref(future);
        return FILCHI_CLAIM_STALE;
    }
    filchi_future_drop_context(future);
    filchi_future_set_code(future, code); /* it is ours until the group has it */
    return FILCHI_CLAIM_GOT;
}
/* It is final and nobody holds it. */
void filchi_future_destroy(filch_future *future);
/* Who made it final: `old` is the word before. The last touch, but for holders. */
static inline void filchi_future_tell_waiters(filch_future *future, uintptr_t old)
{
    filchi_waitlist_serve(old);
    if (old & FILCHI_WORD_ORPHAN)
        filchi_future_destroy(future);
}

/* The runner, after filchi_future_attempt_error(): RUNNING -> RETRY_WAIT. The error is dropped. */
void filchi_future_wait(filch_future *future);
/* The timer thread, for one that waits. False: it was cancelled meanwhile, and may be touched until the
 * canceller's message has come. */
bool filchi_future_make_ready(filch_future *future);
bool filchi_future_stop_waiting(filch_future *future);
bool filchi_future_cancel_waiting(filch_future *future);
/* The timer thread, for one that was cancelled, once the canceller's message has come: its last touch. */
void filchi_future_let_go(filch_future *future);
/* The timer thread, whose queue has no room for what it has just made ready: true if it waits again. */
bool filchi_future_take_back(filch_future *future);

/* Who runs it: what the task has set as its result is no longer that. */
static inline void filchi_future_drop_result(filch_future *future)
{
    struct filchi_cold *cold = filchi_future_cold(future);
    if (!cold || !cold->result_dtor)
        return;
    cold->result_dtor(filchi_future_result(future));
    cold->result_dtor = NULL;
}
/* Who runs it: the error of its attempt, made if the task attached none. Borrowed. Its result is dropped. */
const filch_error *filchi_future_attempt_error(filch_future *future, int code);

#endif
