/* SPDX-License-Identifier: MIT */
/* Finding work: where a thread that holds a worker looks, in which order, and for how long. */
#ifndef FILCHI_FIND_H
#define FILCHI_FIND_H

#include "worker.h"

/* T's own, holding a worker: the find-work loop. A task, or NULL when it has given up its worker. */
filch_future *filchi_find_work(struct filchi_thread *thread);

/* T's own: an entry from outside that is of no lane, or else of another worker; NULL if there is none. */
filch_future *filchi_find_others(struct filchi_thread *thread);
/* The same, but none from outside, unless it had waited for its time. */
filch_future *filchi_find_sub_task(struct filchi_thread *thread);
/* Anyone, as a reader: the oldest in the queues of a worker, or NULL. */
filch_future *filchi_find_in(struct filchi_worker *victim, bool *outside);

#endif
