/* SPDX-License-Identifier: MIT */
/* The context of a task: where it is, and whose. See context.h, and docs/design/context.md for the whole. */
#ifndef FILCHI_INHERIT_H
#define FILCHI_INHERIT_H

#include "context.h"
#include "future.h"
#include "plan.h"

static inline bool filchi_future_has_context(const filch_future *future)
{
    /* relaxed: the submitter's; publishing the task ordered it. */
    return atomic_load_explicit(&future->flags, memory_order_relaxed) & FILCHI_CONTEXT;
}

/*
 * The context that it is to run in, or NULL. Who ends it before it begins gives it up; who tries to asks first, and has an
 * answer only if it was right in the end. The runner of one that has a plan gives it up when it is final.
 */
static inline filch_context *filchi_future_context(const filch_future *future)
{
    if (!filchi_future_has_context(future))
        return NULL;
    const struct filchi_plan *plan = filchi_future_plan(future);
    /* relaxed: as above. As long as it is PENDING others may claim it, and set a result. */
    return plan ? plan->context : atomic_load_explicit(&future->value.context, memory_order_relaxed);
}

/* The submitter, after all else and before it is published: it is to run in the context that is in force here, not NULL. */
void filchi_future_add_context(filch_future *future);
static inline void filchi_future_inherit_context(filch_future *future)
{
    if (filchi_context_here.current)
        filchi_future_add_context(future);
}
/* The runner, before it begins: its context, or NULL; the caller's to give up, once it is final. */
filch_context *filchi_future_begin_context(filch_future *future);
/* Who has claimed it and does not run it. */
static inline void filchi_future_drop_context(const filch_future *future)
{
    if (filchi_future_has_context(future))
        filchi_context_give(filchi_future_context(future));
}

#endif
