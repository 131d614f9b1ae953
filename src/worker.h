/* SPDX-License-Identifier: MIT */
/*
 * Workers, threads and the pool that owns them. A worker is a slot: a deque, a batch, a slab, counters. A
 * thread is an OS thread; it runs tasks only while it holds a worker, and a task keeps its thread from start to
 * end.
 */
#ifndef FILCHI_WORKER_H
#define FILCHI_WORKER_H

#include "capacity.h"
#include "deque.h"
#include "future.h"
#include "idle.h"
#include "inject.h"
#include "origin.h"
#include "parker.h"
#include "readers.h"
#include "timers.h"

/* Submissions from outside are spread over these, so that producers seldom meet. */
#define FILCHI_SHARDS 8
#define FILCHI_WORKERS_MAX 1024
/* Workers lie in blocks: as many as the pool was created with, and for growth each time as many as there are. */
#define FILCHI_BLOCKS 11

/* A counter with one writer at a time: the holder of the worker. */
typedef _Atomic uint64_t filchi_counter;

static inline void filchi_counter_add(filchi_counter *counter, uint64_t n)
{
    /* relaxed load: the writer's own. release C1: pairs with acquire C1 in filchi_counter_get(): who sees a
     * task counted as finished sees what it submitted counted too. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_release);
}

static inline uint64_t filchi_counter_get(const filchi_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_acquire); /* acquire C1: pairs with release C1 above. */
}

/* A running average of how long tasks of a kind take. None timed yet counts as long. */
#define FILCHI_AVERAGE_NONE INT64_MAX
struct filchi_average {
    int64_t ns;
    unsigned until_sample; /* tasks until the next one is timed */
};

struct filchi_worker {
    struct filchi_deque deque;
    struct filchi_batch batch;
    _Alignas(FILCHI_LINE) struct filchi_slab slab; /* holder */
    filch_pool *pool;                              /* constant */
    struct filchi_worker *next_idle;               /* handoff's lock: in `idle` or `retired` */
    _Atomic bool retired;                          /* out of circulation; written under handoff's lock */
    const struct filchi_thread *holder;            /* handoff's lock; what a dump noted, as the next */
    bool is_idle;
    struct filchi_reader thief;    /* holder: as it steals */
    uint64_t random;               /* holder: where the next steal begins */
    unsigned tick;                 /* holder: tasks found, for fairness */
    struct filchi_average leaves;  /* holder: tasks that did not wait */
    struct filchi_average outside; /* holder: tasks from outside, waits included */
    filchi_counter submitted, finished, stolen, in_place, handoffs, parks;
};

/* A task on a thread's stack. */
struct filchi_frame {
    filch_future *task;
    struct filchi_frame *below;
    struct filchi_group *scopes; /* own: the innermost that the task has open */
};

/* The name of the task a thread runs, readable by others at any time (a sequence lock). */
#define FILCHI_LABEL_WORDS 4
struct filchi_label {
    _Atomic uint32_t version; /* odd: being written */
    _Atomic uint64_t text[FILCHI_LABEL_WORDS];
};

/* What a blocked thread waits for; docs/design/await.md tells how a cycle is found. */
struct filchi_awaited {
    enum {
        FILCHI_AWAITED_OTHER,  /* not one that is followed */
        FILCHI_AWAITED_FUTURE, /* `future` */
        FILCHI_AWAITED_ANY,    /* any subject of `nodes`; it is NULL where it was delivered */
        FILCHI_AWAITED_GROUP   /* every task of `group` */
    } kind;
    bool timed; /* the wait has a deadline */
    bool firm;  /* it must not fail */
    const filch_future *future;
    const struct filchi_group *group;
    const struct filchi_waiter *nodes;
    size_t n;
    size_t *hint; /* of nodes: one that could become final when it was last looked at; handoff's lock */
};

enum filchi_place { FILCHI_NOWHERE, FILCHI_SPARE, FILCHI_RESUMABLE, FILCHI_BLOCKED, FILCHI_IN_REGION };

struct filchi_thread {
    filch_pool *pool;             /* constant */
    bool guest;                   /* constant: none of the pool's, but it runs a task of it within a submit */
    struct filchi_thread *host;   /* constant: a guest's, what the thread is else; NULL: no pool's */
    struct filchi_worker *worker; /* the holder; given under handoff's lock while it has none */
    struct filchi_frame *frame;   /* own: innermost task */
    bool searching;               /* own, or the giver: counted in the idle word */
    bool outside;                 /* own: the task found last came from outside */
    struct filchi_group
        *stopped_group;          /* own: of tasks that it has stopped, and of which the group was not told; */
    size_t n_stopped;            /* so many; NULL: all were told */
    bool stopping;               /* own: the last task was stopped before it ran, which takes no time */
    bool due;                    /* own: it had waited for its time, and holds no place */
    unsigned regions;            /* own: blocking regions it is in; the worker is given away meanwhile */
    uint64_t awaits;             /* own: waits so far, to tell leaves from mains */
    uintptr_t stack_low;         /* own: 0 if unknown, then nothing runs in place */
    size_t stack_reserve;        /* own: what must be left below a task that is run in place, bytes */
    struct filchi_label label;   /* own writes, all read */
    _Atomic unsigned depth;      /* tasks on its stack; the same */
    _Atomic long id;             /* the system's number of it; the same */
    struct filchi_parker parker; /* signalled when a worker was given or the pool ends */
    /* All under handoff's lock. */
    enum filchi_place place;
    struct filchi_thread *next, *previous; /* in the list of that place */
    struct filchi_parker *sleeping_on;     /* while BLOCKED */
    uint32_t seen;                         /* its count when the thread last looked */
    bool stalled;                          /* BLOCKED on something that nobody has started */
    bool pokable;                          /* and would start it itself, given a worker */
    bool later;                            /* BLOCKED on something that may become due */
    uint32_t news;                         /* the pool's, when it last looked whether that is so */
    bool poked;                            /* given a worker while BLOCKED */
    uint32_t signals;                      /* by the pool to sleeping_on, which the thread has not counted yet */
    bool doomed;                           /* poked because nobody can ever start it: the wait fails */
    struct filchi_awaited awaited;         /* while BLOCKED; own before */
    bool deadlocked;                       /* signalled to sleeping_on: the wait fails, as it could not end */
    bool stuck;                            /* what the last look for a deadlock thought of it */
    uint64_t look;                         /* and which one it was */
    struct filchi_thread *next_reached;    /* in that look */
    struct filchi_thread *next_thread;     /* of all threads ever started and not joined */
    bool ended;                            /* it left; its memory is used again */
    bool joined;                           /* starter's: and nothing of it is left */
    unsigned number;                       /* in its name; before it starts */
    pthread_t os;
};

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
    struct filchi_thread *all;
    unsigned started; /* for names */
    unsigned peak;
    uint64_t failed;                  /* refused thread starts */
    uint64_t looks;                   /* for deadlocks */
    bool ending;                      /* threads with nothing to do leave */
    _Atomic unsigned alive;           /* written under the lock, read by anyone */
    _Atomic unsigned workers;         /* how many there should be in circulation; as alive */
    _Atomic unsigned wanted;          /* workers that resumable threads want or that are too many; as alive */
    _Atomic int64_t retry_at;         /* no new thread before, ns; 0: none was refused; as alive */
    _Atomic uint32_t news;            /* how often a task became due; the timer thread */
    unsigned spare_threads;           /* constant: most threads beyond one a worker */
    size_t stack_size;                /* constant */
    struct filchi_hooks hooks;        /* constant */
    struct filchi_creation *creation; /* NULL once the pool is created */
    void *(*thread_main)(void *);
    char name[16];
};

/* Where outside threads allocate; one lock each. */
struct filchi_shard {
    _Alignas(FILCHI_LINE) pthread_mutex_t lock;
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
    _Atomic unsigned n_made;                        /* workers, retired ones included; under `making`, only grows */
    unsigned first_block;                           /* constant: workers in blocks[0] */
    struct filchi_worker *blocks[FILCHI_BLOCKS];    /* each constant once a worker of it is made */
    pthread_mutex_t making;                         /* held by who makes workers */
    struct filchi_slab_home *home;                  /* constant */
    struct filchi_origin *origin;                   /* constant; a reference */
    struct filchi_handoff handoff;
    struct filchi_capacity capacity;
    struct filchi_readers thieves; /* the workers' */
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

/* How many tasks may run at once. */
static inline unsigned filchi_pool_workers(const filch_pool *pool)
{
    return atomic_load_explicit(&pool->handoff.workers, memory_order_relaxed); /* relaxed: a number. */
}

/* The pool thread that is running, or the guest; NULL outside of tasks and pools. */
extern _Thread_local struct filchi_thread *filchi_thread_here;

/* What a thread of the pool does. arg: its filchi_thread, holding a worker. */
void *filchi_worker_main(void *arg);

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

/* T's own: an entry from outside, or else of another worker; NULL if there is none. */
filch_future *filchi_worker_take_others(struct filchi_thread *thread);
/* T's own: deals with a queue entry. The worker after it may be another one than before. */
void filchi_worker_run_entry(struct filchi_thread *thread, filch_future *future, bool outside);
/* T's own, as the first thing, with an entry that it deals with otherwise. */
void filchi_worker_give_up_place(struct filchi_thread *thread, const filch_future *future);

/* Who accepted it and published it nowhere: deals with it here, as a guest of the pool. Never touch the object
 * again. */
void filchi_worker_run_as_guest(filch_pool *pool, filch_future *future);

/* Whether tasks run longer than a handoff costs, going by those that were timed. */
bool filchi_worker_tasks_are_long(const struct filchi_thread *thread);

/* Anyone, as a reader: the oldest in the queues of a worker, or NULL. */
filch_future *filchi_worker_steal_from(struct filchi_worker *victim, bool *outside);
/* T's own: a task of the group (NULL: none) was stopped before it ran; and, before the thread does anything that may
 * take time: tells the group of all of them. */
void filchi_worker_stopped(struct filchi_thread *thread, struct filchi_group *group);
void filchi_worker_tell_group(struct filchi_thread *thread);
/* Somebody without a worker has dealt with a task. */
void filchi_worker_count_reaped(filch_pool *pool);
/* Anyone: the pool is closed; if everything is final, marks it drained and sends the threads home. */
bool filchi_worker_check_drained(filch_pool *pool);
/* Anyone: cancels everything that waits in a queue. */
void filchi_worker_reap(filch_pool *pool);
/* Queue entries that were accepted and not dealt with. */
uint64_t filchi_worker_unfinished(filch_pool *pool);
/* Copies the label of another thread; false if it has none. The buffer holds at least FILCHI_LABEL_WORDS * 8
 * bytes. */
bool filchi_worker_label(const struct filchi_thread *thread, char *buffer);

#endif
