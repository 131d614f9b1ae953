/* SPDX-License-Identifier: MIT */
/* Finding work: where a thread that holds a worker looks, in which order, and for how long. */
#ifndef FILCHI_FIND_H
#define FILCHI_FIND_H

#include "worker.h"

/* T's own, holding a worker: the find-work loop. A task, or NULL when it has given up its worker. */
filch_future *filchi_find_work(struct filchi_thread *thread);

/* T's own, holding a worker: one look at everybody's queues. NULL too with a forked call in `stolen`. */
filch_future *filchi_find_once(struct filchi_thread *thread);
/* T's own, holding a worker: if that future's entry seems to be the oldest from outside, takes the oldest; else NULL. */
filch_future *filchi_find_if_next(struct filchi_thread *thread, const filch_future *future);

/* T's own: an entry from outside that is of no lane, or else of another worker; NULL if there is none. */
filch_future *filchi_find_others(struct filchi_thread *thread);
/* The same, but none from outside, unless it had waited for its time. */
filch_future *filchi_find_sub_task(struct filchi_thread *thread);
/* Anyone, as a reader: the oldest in the queues of a worker, or NULL. */
filch_future *filchi_find_in(struct filchi_worker *victim, bool *outside);

#endif
