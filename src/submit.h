/* SPDX-License-Identifier: MIT */
/* Submitting, for those who submit on behalf of others. */
#ifndef FILCHI_SUBMIT_H
#define FILCHI_SUBMIT_H

#include "worker.h"

#include <errno.h>

/*
 * As filch_submit_with(), with all of the options, for a task of a group. `out` must not be NULL if the membership has
 * handles, all of which are the caller's. The group hears of the task's end at any moment from now on, but not if
 * it is refused.
 */
int filchi_submit(filch_pool *pool, filch_fn *fn, void *arg, const filch_task_options *options,
                  const struct filchi_membership *membership, filch_future **out);

/* The options of a task without any, at this very address. */
extern const filch_task_options filchi_submit_plainly;

/* The same with nothing but a function and an argument. */
int filchi_submit_plain(filch_pool *pool, filch_fn *fn, void *arg, filch_future **out);
/* Why nothing can be submitted at all, or 0. */
static inline int filchi_submit_refusal(const filch_pool *pool, filch_fn *fn)
{
    if (!pool || !fn)
        return -EINVAL;
    return filchi_worker_pool_here(pool) ? 0 : -EOWNERDEAD;
}
/* The holder: counts it, before a thief can have finished it, and publishes it. 0 or -ENOMEM. */
static inline int filchi_submit_push(struct filchi_worker *worker, filch_future *future)
{
    filchi_counter_add(&worker->submitted, 1);
    int rc = filchi_deque_push(&worker->deque, future);
    if (rc)
        filchi_counter_add(&worker->finished, 1); /* counted as accepted and dealt with */
    return rc;
}
/* The stop of a task that the holder submits and that has none of its own: see filch_future. */
uintptr_t filchi_submit_inherit_stop(const filch_pool *pool);
/* The shard of the calling thread. */
struct filchi_shard *filchi_submit_shard(filch_pool *pool);

#endif
