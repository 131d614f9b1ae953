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

#endif
