/* SPDX-License-Identifier: MIT */
/* Submitting, for those who submit on behalf of others. */
#ifndef FILCHI_SUBMIT_H
#define FILCHI_SUBMIT_H

#include "future.h"

/*
 * As filch_submit_with(), with all of the options, for a task of a group. `out` must not be NULL if the membership has
 * handles, all of which are the caller's. The group hears of the task's end at any moment from now on, but not if
 * it is refused.
 */
int filchi_submit(filch_pool *pool, filch_fn *fn, void *arg, const filch_task_options *options,
                  const struct filchi_membership *membership, filch_future **out);

/* The same with nothing but a function and an argument. */
int filchi_submit_plain(filch_pool *pool, filch_fn *fn, void *arg, filch_future **out);
/* The stop of a task that the holder submits and that has none of its own: see filch_future. */
uintptr_t filchi_submit_inherit_stop(const filch_pool *pool);
/* The shard of the calling thread. */
struct filchi_shard *filchi_submit_shard(filch_pool *pool);

#endif
