/* SPDX-License-Identifier: MIT */
/* The task and future object and every transition of its state: see future.h and transition.h. */
#include "future.h"

#include "belongs.h"
#include "observer.h"
#include "plan.h"
#include "transition.h"

#include <errno.h>
#include <string.h>

_Static_assert(FILCH_DONE == FILCHI_STATE_FINAL, "the first final state");
_Static_assert(FILCH_STOPPED <= FILCHI_WORD_STATE, "states fit their bits");

/* ---- Life ---- */

/* All else is zero. */
void filchi_future_init(filch_future *future, filch_fn *fn, void *arg, uint32_t refs)
{
    filchi_waitlist_init(&future->waiters, FILCH_PENDING, refs ? 0 : FILCHI_WORD_ORPHAN);
    atomic_init(&future->body, (uintptr_t)fn);
    future->arg = arg;
    atomic_init(&future->refs, refs);
}

void filchi_future_init_plan(filch_future *future, struct filchi_plan *plan, bool wait)
{
    filchi_future_cold(future)->plan = plan;
    plan->future = future;
    if (wait) { /* relaxed: not published so far. */
        uintptr_t word = atomic_load_explicit(&future->waiters.word, memory_order_relaxed);
        atomic_init(&future->waiters.word, word | FILCH_RETRY_WAIT);
    }
}

void filchi_future_add_context(filch_future *future)
{
    struct filchi_plan *plan = filchi_future_plan(future);
    filch_context *context = filchi_context_take();
    /* relaxed: not published so far. */
    unsigned flags = atomic_load_explicit(&future->flags, memory_order_relaxed);
    atomic_init(&future->flags, (uint16_t)(flags | FILCHI_CONTEXT));
    if (plan)
        plan->context = context;
    else
        atomic_init(&future->value.context, context);
}

filch_context *filchi_future_begin_context(filch_future *future)
{
    if (!filchi_future_has_context(future))
        return NULL;
    filch_context *context = filchi_future_context(future);
    filchi_future_set_result(future, NULL); /* its place, unless there is a plan */
    return context;
}

/* What who ends it before it begins is to drop, when the object may be gone. */
struct owned {
    filch_stop *stop; /* NULL: the pool's, which is not counted */
    filch_context *context;
};

static struct owned what_it_owns(const filch_future *future)
{
    return (struct owned) { .stop = future->stop & FILCHI_STOP_OWNED ? filchi_future_stop(future) : NULL,
                            .context = filchi_future_context(future) };
}

static void drop_owned(const struct owned *owned)
{
    filch_stop_unref(owned->stop);
    filchi_context_give(owned->context);
}

/* Whether a bit of `flags` is set. */
static bool is_flagged(const filch_future *future, unsigned bit)
{
    return atomic_load_explicit(&future->flags, memory_order_relaxed) & bit; /* relaxed: nobody else is left. */
}

static void free_object(filch_future *future)
{
    struct filchi_cold *cold = filchi_future_cold(future);
    if (cold)
        filchi_cold_free(cold, is_flagged(future, FILCHI_COLD_ON_HEAP));
    memset(future, 0, sizeof *future); /* as free objects must be */
    filchi_slab_free(future, filchi_slab_here);
}

void filchi_future_abandon(filch_future *future)
{
    filchi_future_drop_stop(future);
    filchi_future_drop_context(future);
    free_object(future);
}

/* Whether it failed and nobody knows. */
static bool is_unobserved(const filch_future *future)
{
    return filchi_waitlist_peek(&future->waiters) == FILCH_FAILED && !is_flagged(future, FILCHI_LOOKED);
}

static void report_unobserved(filch_future *future)
{
    const struct filchi_origin *origin = filchi_origin_of(future);
    if (origin->on_unobserved && filchi_origin_here(origin)) /* a copy of it is not reported again */
        origin->on_unobserved(filch_future_error(future), origin->unobserved_arg);
}

void filchi_future_destroy(filch_future *future)
{
    if (is_unobserved(future))
        report_unobserved(future);
    const struct filchi_cold *cold = filchi_future_cold(future);
    if (cold && cold->result_dtor)
        cold->result_dtor(filchi_future_result(future));
    if (cold && cold->arg_dtor)
        cold->arg_dtor(future->arg);
    free_object(future);
}

filch_future *filch_future_ref(filch_future *future)
{
    atomic_fetch_add_explicit(&future->refs, 1, memory_order_relaxed); /* relaxed: the caller holds one. */
    return future;
}

/* The last handle is gone: free it, or leave that to the thread that completes it. */
static void orphan(filch_future *future)
{
    /* acquire W1: pairs with W1 in filchi_waitlist_move(); the runner has left the object. */
    uintptr_t word = atomic_load_explicit(&future->waiters.word, memory_order_acquire);
    while ((word & FILCHI_WORD_STATE) < FILCHI_STATE_FINAL) {
        /* release W2: pairs with acquire W2 in filchi_waitlist_move(); who completes it may free what we used. */
        if (atomic_compare_exchange_weak_explicit(&future->waiters.word, &word, word | FILCHI_WORD_ORPHAN,
                                                  memory_order_release, memory_order_acquire))
            return;
    }
    filchi_future_destroy(future);
}

void filch_future_unref(filch_future *future)
{
    if (!future)
        return;
    /* acquire F1: pairs with release F1 in other calls. The only holder needs no read-modify-write. */
    if (atomic_load_explicit(&future->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&future->refs, 1, memory_order_acq_rel) != 1) /* acq_rel F1: pairs with itself. */
        return;
    orphan(future);
}

/* ---- Transitions ---- */

enum filchi_claim filchi_future_claim_in_place(filch_future *future)
{
    uintptr_t old;
    if (filchi_waitlist_peek(&future->waiters) != FILCH_PENDING)
        return FILCHI_CLAIM_STALE;
    filch_future_ref(future); /* for the entry, which turns stale */
    if (filchi_waitlist_move(&future->waiters, FILCH_PENDING, FILCH_RUNNING, &old))
        return FILCHI_CLAIM_GOT;
    filch_future_unref(future);
    return FILCHI_CLAIM_STALE;
}

/* Who made it final, first of all, of one that its group keeps. */
static void keep(filch_future *future, struct filchi_group *group)
{
    struct filchi_mpsc_chain alone = { NULL, NULL };
    filchi_mpsc_chain_add(&alone, &future->link);
    group->keep(group, &alone); /* NOLINT(clang-analyzer-core.NullDereference): who is kept has one */
}

/* The same. Its group, or NULL, and its `stop` were read before it was final. */
static void tell(filch_future *future, struct filchi_group *group, uintptr_t stop, uintptr_t old, filch_state to)
{
    if (stop & FILCHI_STOP_KEPT)
        keep(future, group);
    filchi_future_tell_waiters(future, old);
    if (group)
        group->left(group, to, 1);
}

/* It will not run, or not again. */
static void drop(const struct filchi_origin *origin, filch_future *future, filch_state to)
{
    int code = to == FILCH_STOPPED ? filchi_future_code(future) : -ECANCELED;
    filchi_observe_drop(origin, future, to, code);
}

/* Ends one that has not started, or waits. If there is an observer, which is told, the caller holds a handle. */
static bool move_unrun(filch_future *future, filch_state from, filch_state to, uintptr_t *old)
{
    struct filchi_origin *origin = filchi_origin_of(future);
    if (!filchi_observer_drops(origin))
        return filchi_waitlist_move(&future->waiters, from, to, old);
    filchi_observer_hold(origin);
    bool moved = filchi_waitlist_move(&future->waiters, from, to, old);
    if (moved)
        drop(origin, future, to);
    filchi_observer_let_go(origin); /* before the waiters are told: a callback may wait for the pool's end */
    return moved;
}

/* Ends a task that the caller has claimed, or cancels one that has not started. False: `from` is not its state. */
static bool finish(filch_future *future, filch_state from, filch_state to)
{
    uintptr_t stop = future->stop;
    const struct filchi_cold *cold = filchi_future_cold(future);
    struct filchi_group *group = cold ? cold->group : NULL;
    uintptr_t old;
    bool moved = from == FILCH_RUNNING ? filchi_waitlist_move(&future->waiters, from, to, &old)
                                       : move_unrun(future, from, to, &old);
    if (!moved)
        return false;
    if (stop & FILCHI_STOP_GROUP) /* only now the scope, and its stop, is there for certain */
        group = ((const filch_stop *)(stop & ~FILCHI_STOP_FLAGS))->group;
    tell(future, group, stop, old, to);
    return true;
}

/* One that no other thread will run, which the caller cannot keep others from freeing once it is final: so it is
 * claimed, and its observer told, before. False: `from` is not its state. */
static bool end_entry(filch_future *future, filch_state from, filch_state to)
{
    const struct filchi_origin *origin = filchi_origin_of(future);
    uintptr_t old;
    if (!filchi_observer_drops(origin))
        return finish(future, from, to);
    if (!filchi_waitlist_move(&future->waiters, from, FILCH_RUNNING, &old))
        return false;
    drop(origin, future, to);
    return finish(future, FILCH_RUNNING, to);
}

void filchi_future_cancel_entry(filch_future *future)
{
    struct owned owned = what_it_owns(future);
    if (end_entry(future, FILCH_PENDING, FILCH_CANCELLED))
        drop_owned(&owned);
    else
        filch_future_unref(future);
}

filch_state filchi_future_judge(const filch_future *future, int *rc)
{
    if (*rc == 0)
        return FILCH_DONE;
    int reason = *rc == -ECANCELED ? filch_stop_reason(filchi_future_stop(future)) : 0;
    *rc = reason ? reason : *rc < 0 ? *rc : -EINVAL;
    return reason ? FILCH_STOPPED : FILCH_FAILED;
}

void filchi_future_complete_as(filch_future *future, filch_state to, int code)
{
    if (to != FILCH_DONE) {
        filchi_future_drop_result(future);
        filchi_future_set_code(future, code);
        struct filchi_group *group = filchi_future_group(future);
        if (group && to == FILCH_FAILED) {
            filchi_future_look(future); /* what becomes of its error is up to the group */
            group->failed(group, filchi_future_attempt_error(future, code), code);
        }
    }
    filchi_future_drop_stop(future);
    finish(future, FILCH_RUNNING, to);
}

void filchi_future_complete(filch_future *future, int rc)
{
    filch_state to = filchi_future_judge(future, &rc);
    filchi_future_complete_as(future, to, rc);
}

/* One try at a task that has not started. */
static bool cancel_pending(filch_future *future)
{
    filch_future_ref(future); /* for the entry, which turns stale */
    struct owned owned = what_it_owns(future);
    if (!finish(future, FILCH_PENDING, FILCH_CANCELLED)) {
        filch_future_unref(future);
        return false;
    }
    drop_owned(&owned); /* ours now: nobody will run it */
    return true;
}

/* One try at a task that waits for its time. The timer thread drops the stop, when it has left its list. */
static bool cancel_waiting(filch_future *future)
{
    uintptr_t old;
    filch_future_ref(future); /* for the timer thread's hold */
    if (!move_unrun(future, FILCH_RETRY_WAIT, FILCH_CANCELLED, &old)) {
        filch_future_unref(future);
        return false;
    }
    filchi_plan_cancelled(filchi_future_plan(future)); /* first: a callback may wait for the pool's end */
    tell(future, filchi_future_group(future), future->stop, old, FILCH_CANCELLED);
    return true;
}

bool filch_future_cancel(filch_future *future)
{
    for (;;) {
        filch_state state = filchi_future_state(future);
        bool started = state != FILCH_PENDING && state != FILCH_RETRY_WAIT;
        if (started || !filchi_future_here(future))
            return state == FILCH_CANCELLED;
        if (state == FILCH_PENDING ? cancel_pending(future) : cancel_waiting(future))
            return true;
    }
}

/* ---- Waiting for its time; see later.c ---- */

void filchi_future_wait(filch_future *future)
{
    filchi_future_set_result(future, NULL);
    filchi_future_attach_error(future, NULL);
    /* relaxed: a thread that looks for cycles must not find us on this one any more. */
    atomic_store_explicit(&future->body, 0, memory_order_relaxed);
    uintptr_t old;
    filchi_waitlist_move(&future->waiters, FILCH_RUNNING, FILCH_RETRY_WAIT, &old);
}

bool filchi_future_make_ready(filch_future *future)
{
    uintptr_t old;
    return filchi_waitlist_move(&future->waiters, FILCH_RETRY_WAIT, FILCH_PENDING, &old);
}

bool filchi_future_take_back(filch_future *future)
{
    uintptr_t old;
    if (filchi_waitlist_move(&future->waiters, FILCH_PENDING, FILCH_RETRY_WAIT, &old))
        return true;
    filch_future_unref(future); /* as if the entry that was not to be had been popped */
    return false;
}

static bool end_waiting(filch_future *future, filch_state to)
{
    struct owned owned = what_it_owns(future);
    if (!end_entry(future, FILCH_RETRY_WAIT, to))
        return false;
    drop_owned(&owned);
    return true;
}

bool filchi_future_stop_waiting(filch_future *future)
{
    filchi_future_set_code(future, filch_stop_reason(filchi_future_stop(future)));
    return end_waiting(future, FILCH_STOPPED);
}

bool filchi_future_cancel_waiting(filch_future *future)
{
    return end_waiting(future, FILCH_CANCELLED);
}

void filchi_future_let_go(filch_future *future)
{
    filchi_future_drop_stop(future);
    filchi_future_drop_context(future);
    filch_future_unref(future);
}
