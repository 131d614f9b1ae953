/* SPDX-License-Identifier: MIT */
/*
 * What a task has that starts later or again: its timer, its messages to the timer thread, how it is retried.
 * While the task waits for its time it is in no queue; later.c has the protocol.
 */
#ifndef FILCHI_PLAN_H
#define FILCHI_PLAN_H

#include "context.h"
#include "os.h"
#include "timers.h"
#include "waitlist.h"

#include <filch/filch.h>

struct filchi_plan {
    struct filchi_waiter in_stop; /* registered with the task's stop while `attached` */
    struct filchi_timer timer;    /* timer thread */
    struct filchi_message enter;  /* who makes it wait: it is due at timer.due */
    struct filchi_message stop;   /* who requests its stop */
    struct filchi_message cancel; /* who cancels it while it waits */
    struct filchi_timers *timers; /* constant; a reference: the canceller may be the last to leave */
    filch_future *future;         /* constant */
    filch_fn *fn;                 /* constant */
    filch_context *context;       /* submitter; what all attempts run in, until it is final */
    _Atomic uint32_t attempt;     /* runner: attempts begun */
    _Atomic uint32_t stop_left;   /* 1: who requests its stop has sent the message and left */
    bool has_retry;               /* constant: the last part is there */
    bool attached;                /* who makes it wait, then the timer thread */
    bool entered;                 /* timer thread: its message has come; it waits until it fires or ends */
    bool stop_said, cancel_said;  /* the same */
    /* What follows is there only for tasks with retries. */
    filch_error *last;         /* runner: the error of the last attempt */
    filch_retry_options retry; /* constant */
};

/* For `retry` NULL without the last part. NULL without memory. */
struct filchi_plan *filchi_plan_create(struct filchi_timers *timers, filch_fn *fn,
                                       const filch_retry_options *retry);
void filchi_plan_free(struct filchi_plan *plan);
/* Attempts begun. */
static inline unsigned filchi_plan_attempt(const struct filchi_plan *plan)
{
    /* acquire Y5: pairs with release Y5 in filchi_plan_begin_attempt(). */
    return atomic_load_explicit(&plan->attempt, memory_order_acquire);
}
/* Who runs it, as an attempt begins. */
static inline void filchi_plan_begin_attempt(struct filchi_plan *plan)
{
    /* release Y5: pairs with acquire Y5 in filchi_plan_attempt(); that it no longer waits, before the number. */
    atomic_store_explicit(&plan->attempt, filchi_plan_attempt(plan) + 1, memory_order_release);
}
/* Who holds the future, having cancelled it while it waited: the timer thread lets go of it. */
static inline void filchi_plan_cancelled(struct filchi_plan *plan)
{
    filchi_timers_post(plan->timers, &plan->cancel, FILCHI_TIMERS_NOW);
}
/* The error of the attempt before, or NULL. Whoever may read the future's outcome. */
const filch_error *filchi_plan_last_error(const struct filchi_plan *plan);

#endif
