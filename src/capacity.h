/* SPDX-License-Identifier: MIT */
/*
 * How many tasks from outside may wait to be started. Each holds a place from its submit until somebody takes it out
 * of the queue. All of it under one lock, which pools without a capacity never take.
 *
 * Invariant: while somebody waits for a place all are taken, and places that get free go to them in turn.
 */
#ifndef FILCHI_CAPACITY_H
#define FILCHI_CAPACITY_H

#include <filch/filch.h>

#include <pthread.h>

struct filchi_ticket;

struct filchi_capacity {
    size_t limit;            /* constant; 0: none */
    filch_overflow overflow; /* constant */
    pthread_mutex_t lock;
    size_t taken;                        /* under lock */
    struct filchi_ticket *first, **last; /* under lock: who waits, in turn */
};

void filchi_capacity_init(struct filchi_capacity *capacity, size_t limit, filch_overflow overflow);
void filchi_capacity_fini(struct filchi_capacity *capacity);

enum filchi_entry {
    FILCHI_ENTRY_FREE,        /* there is no limit for the caller: no place is taken */
    FILCHI_ENTRY_PLACE,       /* a place is taken */
    FILCHI_ENTRY_CALLER_RUNS, /* none is left: the caller must run the task itself */
};

/* Who is about to submit to a pool with a limit, without a worker of it; may block. An entry, or -ENOBUFS, -ESHUTDOWN,
 * or what ended the wait. */
int filchi_capacity_enter(filch_pool *pool);
/* Who took out a task that holds none and puts it back as if it did: beyond the limit, if need be. */
void filchi_capacity_retake(filch_pool *pool);
/* Anyone: a place is free. */
void filchi_capacity_leave(filch_pool *pool);
/* Anyone, once the pool is closed: who waits for a place, waits no longer. */
void filchi_capacity_close(filch_pool *pool);

#endif
