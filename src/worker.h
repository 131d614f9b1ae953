/* SPDX-License-Identifier: MIT */
/* What a thread does while it holds a worker; which thread this is; and the end of a pool (drain.c). */
#ifndef FILCHI_WORKER_H
#define FILCHI_WORKER_H

#include "pool.h"

/* The pool thread that is running, or the guest; NULL outside of tasks and pools. */
extern _Thread_local struct filchi_thread *filchi_thread_here;

/* What a thread of the pool does. arg: its filchi_thread, holding a worker. */
void *filchi_worker_main(void *arg);

/* The same on a thread that the program lends (lend.c), until its time is over or the pool's. */
void filchi_worker_serve(struct filchi_thread *thread);

/* T's own: what it knows of its stack, and its number. */
void filchi_worker_measure(struct filchi_thread *thread);

/* Whether the pool was created in this process: if not, no lock of it must be taken. */
static inline bool filchi_worker_pool_here(const filch_pool *pool)
{
    return filchi_origin_here(pool->origin);
}

/* The same thread; NULL too in a process that a task made by fork(), whose pool is not there. */
static inline struct filchi_thread *filchi_worker_thread(void)
{
    struct filchi_thread *thread = filchi_thread_here;
    return thread && filchi_worker_pool_here(thread->pool) ? thread : NULL;
}

/* The thread, if it is a pool's and holds a worker. */
static inline struct filchi_thread *filchi_worker_holder(void)
{
    struct filchi_thread *thread = filchi_thread_here;
    return thread && !thread->guest && !thread->regions ? thread : NULL;
}

/* The same, of that pool only. */
static inline struct filchi_thread *filchi_worker_holder_of(const filch_pool *pool)
{
    struct filchi_thread *thread = filchi_worker_holder();
    return thread && thread->pool == pool ? thread : NULL;
}

/* The same thread without its guests: a pool's, or NULL. It is that which waits. */
static inline struct filchi_thread *filchi_worker_host(struct filchi_thread *thread)
{
    while (thread && thread->guest)
        thread = thread->host;
    return thread;
}

/* Whether the calling thread is the pool's, or runs a task of it. */
static inline bool filchi_worker_inside(const filch_pool *pool)
{
    const struct filchi_thread *thread = filchi_thread_here;
    while (thread && thread->pool != pool)
        thread = thread->host;
    return thread != NULL;
}

/* T's own: claims a task of this pool that has not started and runs it here; false if it cannot be had. */
bool filchi_worker_run_awaited(struct filchi_thread *thread, filch_future *future);

/* T's own, holding a worker: the same, only if it is the newest in the worker's deque. */
bool filchi_worker_run_newest(struct filchi_thread *thread, filch_future *future);

/* T's own: deals with a queue entry. The worker after it may be another one than before. */
void filchi_worker_run_entry(struct filchi_thread *thread, filch_future *future, bool outside);
/* T's own: the same for one from the lanes, as it was found last: see filchi_lane_take_work(). */
void filchi_worker_run_laned(struct filchi_thread *thread, filch_future *future);
/* T's own: a forked call of a task that runs elsewhere. */
void filchi_worker_run_forked(struct filchi_thread *thread, const struct filchi_setting *setting,
                              filch_forker *forker, filch_forked *forked);
/* T's own, as the first thing, with an entry that it deals with otherwise. */
void filchi_worker_give_up_place(struct filchi_thread *thread, const filch_future *future);

/* Who accepted it and published it nowhere: deals with it here, as a guest of the pool. Never touch the object
 * again. */
void filchi_worker_run_as_guest(filch_pool *pool, filch_future *future);

/* Whether tasks run longer than a handoff costs, going by those that were timed. */
bool filchi_worker_tasks_are_long(const struct filchi_thread *thread);

/* Somebody without a worker has dealt with a task. */
void filchi_worker_count_reaped(filch_pool *pool);
/* Anyone: the pool is closed; if everything is final, marks it drained and sends the threads home. */
bool filchi_worker_check_drained(filch_pool *pool);
/* Anyone: cancels everything that waits in a queue. */
void filchi_worker_reap(filch_pool *pool);
/* Queue entries that were accepted, and how many of them, at most, were dealt with. Neither ever becomes less. */
uint64_t filchi_worker_submitted(filch_pool *pool, uint64_t *out_finished);
/* Queue entries that were accepted and not dealt with. */
uint64_t filchi_worker_unfinished(filch_pool *pool);

#endif
