/* SPDX-License-Identifier: MIT */
/* The pool: its workers and threads, who holds what, and the queues that outsiders share. */
#ifndef FILCHI_POOL_H
#define FILCHI_POOL_H

#include "capacity.h"
#include "cpus.h"
#include "forker.h"
#include "idle.h"
#include "lock.h"
#include "observer.h"
#include "origin.h"
#include "threads.h"
#include "timers.h"

/* Submissions from outside are spread over these, so that producers seldom meet. */
#define FILCHI_SHARDS 8
#define FILCHI_WORKERS_MAX 1024
/* Workers lie in blocks: as many as the pool was created with, and for growth each time as many as there are. */
#define FILCHI_BLOCKS 11

struct filchi_thread_list {
    struct filchi_thread *first, *last;
    unsigned n;
};

/* What the user's program runs on each thread. */
struct filchi_hooks {
    int (*init)(void *arg);
    void (*exit)(void *arg);
    void *arg;
};

/* A pool whose threads are initialised before anybody has it; on its creator's stack. */
struct filchi_creation {
    struct filchi_parker parker; /* signalled by each thread that was initialised, or failed to be */
    int rc;                      /* of the first that failed; under handoff's lock */
};

/* Which thread holds which worker, and who wants one: changed by places.c, starting.c and handoff.c only. */
struct filchi_handoff {
    pthread_mutex_t lock;
    pthread_mutex_t search_lock;         /* of searches for a group's tasks; taken with no other lock held */
    struct filchi_worker *idle;          /* workers that nobody holds, last in first out */
    struct filchi_worker *retired;       /* workers out of circulation: nobody holds them or may take them */
    unsigned circulating;                /* workers that are held or idle; more than `workers` for a while */
    struct filchi_thread_list spare;     /* threads with nothing to do, last in first out */
    struct filchi_thread_list resumable; /* threads whose wait is over, first in first out */
    struct filchi_thread_list blocked;   /* threads that wait inside a task */
    struct filchi_thread_list in_region; /* threads in a blocking region, which will end by itself */
    struct filchi_thread_list outside;   /* threads outside of tasks that wait and would help */
    struct filchi_thread
        *woken; /* spare, given a worker, and not seen to have it; NULL where nobody would take it */
    struct filchi_thread *all;
    unsigned started; /* for names */
    unsigned peak;
    uint64_t failed;           /* refused thread starts */
    uint64_t looks;            /* for deadlocks */
    bool ending;               /* threads with nothing to do leave */
    unsigned lent;             /* threads that the program lends */
    _Atomic uint32_t attached; /* records of such threads in use; written under the lock, a futex */
    _Atomic unsigned alive;    /* threads that the pool has started; written under the lock, read by anyone */
    _Atomic unsigned workers;  /* how many there should be in circulation; as alive */
    _Atomic unsigned wanted;   /* workers that resumable threads want or that are too many; as alive */
    _Atomic int64_t retry_at;  /* no new thread before, ns; 0: none was refused; as alive */
    _Atomic uint32_t news;     /* how often a blocked thread has reason to look again */
    unsigned spare_threads;    /* constant: most threads beyond one a worker */
    bool lent_only;            /* constant: the pool starts none */
    bool waiters_help;         /* constant: threads that wait outside work meanwhile */
    size_t stack_size;         /* constant */
    struct filchi_hooks hooks; /* constant */
    struct filchi_creation *creation; /* NULL once the pool is created */
    void *(*thread_main)(void *);
    char name[16];
    struct filchi_cpus *cpus; /* constant; NULL: wherever the system likes */
};

/* Where outside threads allocate; one lock each. */
struct filchi_shard {
    _Alignas(FILCHI_LINE) struct filchi_lock lock;
    struct filchi_slab slab; /* under lock */
    uint64_t submitted;      /* under lock */
};

#define FILCHI_CLOSED 1u /* submits from outside are refused */
#define FILCHI_CANCEL 2u /* tasks that have not started are cancelled; submits from inside are refused too */

struct filch_pool {
    struct filchi_inject inject;
    struct filchi_idle idle;
    _Alignas(FILCHI_LINE) _Atomic uint32_t closing; /* FILCHI_CLOSED and so on; set by shutdown, never cleared */
    _Atomic uint32_t drained;                       /* 1: closed and everything is final; a futex */
    filch_stop *stop;                               /* constant */
    struct filchi_spin spin;                        /* constant */
    _Atomic unsigned n_made;                        /* workers, retired ones included; under `making`, only grows */
    unsigned first_block;                           /* constant: workers in blocks[0] */
    struct filchi_worker *blocks[FILCHI_BLOCKS];    /* each constant once a worker of it is made */
    pthread_mutex_t making;                         /* held by who makes workers */
    struct filchi_slab_home *home;                  /* constant */
    struct filchi_origin *origin;                   /* constant; a reference */
    struct filchi_observer *observer;               /* constant; the origin's */
    struct filchi_handoff handoff;
    struct filchi_capacity capacity;
    struct filchi_readers thieves; /* the workers' */
    struct filchi_forkers forkers; /* the threads' */
    /* Thieves without a worker: while there are any no array is freed. Under the lock. */
    unsigned outside_thieves;
    _Atomic uint64_t reaped;      /* queue entries that no worker dealt with */
    _Atomic uint64_t waits;       /* times a task began to wait for another attempt: a queue entry each */
    struct filchi_timers *timers; /* constant; a reference */
    struct filchi_shard shards[FILCHI_SHARDS];
};

/* How many workers there are: whoever looks for what is left in queues looks at all of them. */
static inline unsigned filchi_pool_made(const filch_pool *pool)
{
    /* acquire U3: pairs with release U3 in filchi_resize_make(); the worker is complete. */
    return atomic_load_explicit(&pool->n_made, memory_order_acquire);
}

/* The worker of an index below that. */
static inline struct filchi_worker *filchi_pool_worker(const filch_pool *pool, unsigned index)
{
    unsigned block = 0, low = 0, high = pool->first_block;
    while (index >= high) {
        block++;
        low = high;
        high *= 2;
    }
    return &pool->blocks[block][index - low];
}

/* Whether a shutdown cancels what has not started. relaxed: a task that started as it began is as good as one that
 * started before; what the shutdown cancels has seen it. */
static inline bool filchi_pool_is_cancelling(const filch_pool *pool)
{
    return atomic_load_explicit(&pool->closing, memory_order_relaxed) & FILCHI_CANCEL;
}

/* How many tasks may run at once. */
static inline unsigned filchi_pool_workers(const filch_pool *pool)
{
    return atomic_load_explicit(&pool->handoff.workers, memory_order_relaxed); /* relaxed: a number. */
}

#endif
