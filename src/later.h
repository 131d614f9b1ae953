/* SPDX-License-Identifier: MIT */
/*
 * Tasks that wait for their time: those submitted for later, and those between two attempts. They are in no
 * queue and hold no worker; the timer thread has them.
 *
 * Invariant: who makes a task wait sends `enter` once. A canceller who took it from RETRY_WAIT sends `cancel`
 * once. Whoever requests its stop sends `stop` once, unless the waiter was taken from the stop's list before.
 * The timer thread lets go of the task only when every message that was or will be sent has come; until then
 * the object is there, because it is not final, or because the canceller counted a reference for the timer thread.
 */
#ifndef FILCHI_LATER_H
#define FILCHI_LATER_H

#include "observe.h"
#include "plan.h"
#include "worker.h"

/* Before a task with start_at_ns or retry is submitted: 0 and its plan, or -EINVAL, -ENOMEM, -EAGAIN. */
int filchi_later_plan(filch_pool *pool, filch_fn *fn, const filch_task_options *options, struct filchi_plan **out);

/* Who submits a task that begins in RETRY_WAIT: it is the timer thread's from now on. */
void filchi_later_enter(filch_future *future, int64_t due);

/* Who ran it, with what it returned: whether it waits for another attempt, and must not be touched any more. If
 * not, its error tells of the attempts. */
bool filchi_later_again(filch_pool *pool, filch_future *future, int rc, struct filchi_observed *observed);

/* Anyone, after the pool was closed with FILCHI_CANCEL: returns when what waited is cancelled. */
void filchi_later_cancel_all(filch_pool *pool);

#endif
