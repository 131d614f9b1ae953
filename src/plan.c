/* SPDX-License-Identifier: MIT */
/* What a task has that starts later or again: see plan.h. */
#include "plan.h"

#include "os.h"

#include <stddef.h>

_Static_assert(offsetof(struct filchi_plan, last) <= FILCHI_TIMERS_PLAN, "a plan without retries fits a block");

struct filchi_plan *filchi_plan_create(struct filchi_timers *timers, filch_fn *fn, const filch_retry_options *retry)
{
    struct filchi_plan *plan =
        retry ? filchi_memory_alloc(timers->origin->memory, _Alignof(struct filchi_plan), sizeof *plan)
              : filchi_blocks_alloc(&timers->plans);
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
    struct filchi_timers *timers = plan->timers;
    if (plan->has_retry) {
        filch_error_unref(plan->last);
        filchi_memory_free(timers->origin->memory, plan);
    } else {
        filchi_blocks_free(&timers->plans, plan);
    }
    filchi_timers_unref(timers);
}

const filch_error *filchi_plan_last_error(const struct filchi_plan *plan)
{
    return plan->has_retry ? plan->last : NULL;
}
