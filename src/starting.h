/* SPDX-License-Identifier: MIT */
/* Who comes for work that lies: a spare thread, a new one, or, when none can be had, one that waits. */
#ifndef FILCHI_STARTING_H
#define FILCHI_STARTING_H

#include "handoff.h"

/* How long no thread is started after one was refused. */
#define FILCHI_RETRY_NS INT64_C(1000000000)

/* Anyone, when there is work: sends somebody for it, unless somebody searches or no worker is idle. */
void filchi_starting_wake(filch_pool *pool);

/* The creator, when there is an init hook: a thread for each worker, all of them initialised. If one fails all have
 * ended and are joined, and its code is returned. */
int filchi_starting_all(filch_pool *pool);
/* A new thread, holding a worker: the init hook. False: the worker is given up and the thread must end. */
bool filchi_starting_begin(struct filchi_thread *thread);
/* A thread that was told to end: the exit hook. It must not touch the pool again. */
void filchi_starting_end(struct filchi_thread *thread);

#endif
