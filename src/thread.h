/* SPDX-License-Identifier: MIT */
/* OS threads of a pool: started one by one, joined when they have ended. */
#ifndef FILCHI_THREAD_H
#define FILCHI_THREAD_H

#include "worker.h"

/*
 * Under handoff's lock: takes one that has ended off the list, for filchi_thread_start(). NULL: none. Their
 * memory is used again, and freed only with the pool: who gave such a thread its last worker may be about to
 * signal it.
 */
struct filchi_thread *filchi_thread_unlink_ended(struct filchi_handoff *handoff);
/* Under handoff's lock: the record of a thread that the program lends, which counts as one of the pool's. NULL without
 * memory. */
struct filchi_thread *filchi_thread_attach(filch_pool *pool);
/* Without the lock, when nothing else of the pool is touched any more: it is not there now. */
void filchi_thread_detach(struct filchi_thread *thread);
/* At a pool's creation: a record that needs no memory when it is attached. 0 or -ENOMEM. */
int filchi_thread_reserve(filch_pool *pool);
/*
 * Starts a thread that holds `worker` (NULL: none yet) and searches, in the place of `ended` (NULL: none), with or without the
 * lock. It must be linked into handoff's list of all threads. NULL and *rc (-EAGAIN, -ENOMEM) if it cannot;
 * then `ended` must be linked again.
 */
struct filchi_thread *filchi_thread_start(filch_pool *pool, struct filchi_worker *worker, unsigned number,
                                          struct filchi_thread *ended, int *rc);
/* After filchi_handoff_end(), outside of the pool's threads: joins and frees all of them, when those that are lent have left. */
void filchi_thread_join_all(struct filchi_handoff *handoff);

#endif
