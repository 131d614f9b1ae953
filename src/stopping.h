/* SPDX-License-Identifier: MIT */
/*
 * Tasks that are stopped before they start. When a scope with many tasks is stopped each would pull its count and the
 * end of its queue from core to core: so a thread collects those of one group, and tells the group of all together.
 *
 * Invariant: a thread tells the group before it does anything that may take time, and before it looks for work elsewhere:
 * whatever others wait for is not held back. The group is there while `n` tasks of it were not told of.
 */
#ifndef FILCHI_STOPPING_H
#define FILCHI_STOPPING_H

#include "worker.h"

/* The runner, on its thread, instead of running it: its stop is requested. Never touch the object again. */
void filchi_stopping_end(struct filchi_thread *thread, filch_future *future);
/* T's own, holding a worker: stops the oldest of its batch too, if they are of the group whose task it has just stopped. */
void filchi_stopping_batch(struct filchi_thread *thread);

void filchi_stopping_tell_now(struct filchi_thread *thread);
/* T's own: tells the group, if there is one to be told. */
static inline void filchi_stopping_tell(struct filchi_thread *thread)
{
    if (thread->stopped.group)
        filchi_stopping_tell_now(thread);
}

#endif
