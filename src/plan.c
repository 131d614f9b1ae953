/* SPDX-License-Identifier: MIT */
/* What a task has that starts later or again: see plan.h. */
#include "plan.h"

#include "os.h"

#include <stddef.h>

struct filchi_plan *filchi_plan_create(struct filchi_timers *timers, filch_fn *fn, const filch_retry_options *retry)
{
    size_t size = retry ? sizeof(struct filchi_plan) : offsetof(struct filchi_plan, last);
    struct filchi_plan *plan = filchi_os_alloc_aligned(_Alignof(struct filchi_plan), size);
    if (!plan)
        return NULL;
    plan->timers = filchi_timers_ref(timers);
    plan->fn = fn;
    atomic_init(&plan->attempt, 0);
    atomic_init(&plan->stop_left, 0);
    plan->has_retry = retry != NULL;
    if (retry)
        plan->retry = *retry;
    return plan;
}

void filchi_plan_free(struct filchi_plan *plan)
{
    if (plan->has_retry)
        filch_error_unref(plan->last);
    filchi_timers_unref(plan->timers);
    filchi_os_free(plan);
}

const filch_error *filchi_plan_last_error(const struct filchi_plan *plan)
{
    return plan->has_retry ? plan->last : NULL;
}
