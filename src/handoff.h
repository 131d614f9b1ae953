/* SPDX-License-Identifier: MIT */
/*
 * Which thread holds which worker. All of it happens under one lock, next to a futex call that costs a hundred
 * times as much; what running tasks look at (the idle word, the number of resumables) is read without it.
 *
 * Invariant: a worker is held by one thread or is in the idle list. A thread without a worker is in exactly one
 * of the lists spare, resumable, blocked, or is about to enter or leave one. While a resumable thread waits no
 * worker stays idle.
 */
#ifndef FILCHI_HANDOFF_H
#define FILCHI_HANDOFF_H

#include "worker.h"

/* How long a thread beyond one a worker stays without work. */
#ifdef FILCH_TESTING
#define FILCHI_KEEP_ALIVE_NS INT64_C(50000000)
#else
#define FILCHI_KEEP_ALIVE_NS INT64_C(10000000000)
#endif

void filchi_handoff_init(struct filchi_handoff *handoff);
void filchi_handoff_fini(struct filchi_handoff *handoff);

/* Anyone: makes sure the pool has a thread. 0, -EAGAIN or -ENOMEM. */
int filchi_handoff_ensure_thread(filch_pool *pool);
/* Anyone who has published work: wakes or starts a thread if one is called for. */
void filchi_handoff_notify(filch_pool *pool);
/* The same, after a store-load fence. */
void filchi_handoff_notify_after_fence(filch_pool *pool);
/* Anyone: the same for a task that became due or came into a scope from outside, which blocked threads may look for
 * once more. */
void filchi_handoff_notify_due(filch_pool *pool);
/* How often that was so: for who looks next whether what it waits for has become due. */
static inline uint32_t filchi_handoff_news(const filch_pool *pool)
{
    /* acquire J1: pairs with release J1 in filchi_handoff_notify_due(). */
    return atomic_load_explicit(&pool->handoff.news, memory_order_acquire);
}

/* Anyone, S2 and S3: after workers were given up or came into circulation. */
void filchi_handoff_look_again(filch_pool *pool);

/* T's own, when it has got a worker: from now on it works with that. */
void filchi_handoff_hold(struct filchi_thread *thread);
/* A thread with nothing to do: sleeps until it is given a worker. False: the thread must end. */
bool filchi_handoff_await_worker(struct filchi_thread *thread);
/* A lent thread's own: whether its time is over. */
bool filchi_handoff_is_over(const struct filchi_thread *thread);
/* A lent thread that holds a worker and goes: gives it up for good. */
void filchi_handoff_leave(struct filchi_thread *thread);
/* A holder that found no work: gives its worker up (true), unless work has come meanwhile. */
bool filchi_handoff_park(struct filchi_thread *thread);
/* A holder between two tasks: gives its worker up if a resumable thread wants one or there are too many (then
 * true). */
bool filchi_handoff_yield(struct filchi_thread *thread);
/* A searching holder that has found work. */
void filchi_handoff_found(struct filchi_thread *thread);

/*
 * A holder that must wait inside its task: gives its worker up, to be signalled at `parker`, of which it has
 * `seen` so many signals. `stalled`: something it waits for has not started; `pokable`: it would run that,
 * given a worker again. `thread->awaited` says what it waits for. 0; or -EDEADLK, and it keeps its
 * worker: the wait could never end.
 */
int filchi_handoff_block(struct filchi_thread *thread, struct filchi_parker *parker, uint32_t seen, bool stalled,
                         bool pokable);
/* A blocked thread that woke, looked, and goes on sleeping. 0; 1 if it was poked meanwhile; or -EDEADLK, and it is
 * still blocked. */
int filchi_handoff_block_on(struct filchi_thread *thread, uint32_t seen);
/* The same, before it sleeps until `deadline`: when it should wake, lest work lie that was refused a thread. */
int64_t filchi_handoff_retry(struct filchi_thread *thread, int64_t deadline);
enum filchi_poke {
    FILCHI_POKE_NONE,
    FILCHI_POKE_RUN,     /* given a worker, to run what it waits for */
    FILCHI_POKE_FAIL,    /* given a worker, to give up: nobody is left who could start what it waits for */
    FILCHI_POKE_DEADLOCK /* not given one: still blocked, to give up a wait that could not end */
};
/* A blocked thread that woke: whether it was poked. Adds to *due the signals to its parker that came from the pool. */
enum filchi_poke filchi_handoff_poked(struct filchi_thread *thread, uint32_t *due);
/* A blocked thread whose wait is over: takes a worker, waiting for one if need be. *due: as
 * filchi_handoff_poked(). */
void filchi_handoff_unblock(struct filchi_thread *thread, uint32_t *due);

/* A holder about to block outside of filch: gives its worker up; and the end, which takes one again. */
void filchi_handoff_begin_region(struct filchi_thread *thread);
void filchi_handoff_end_region(struct filchi_thread *thread);
/* The thread's own (NULL: nothing to do): the same, counted, as regions nest. */
void filchi_handoff_enter_region(struct filchi_thread *thread);
void filchi_handoff_leave_region(struct filchi_thread *thread);

/* Whether a thread could be had to take over a worker. A hint. */
bool filchi_handoff_at_cap(filch_pool *pool);
/* Anyone: threads with nothing to do end from now on. */
void filchi_handoff_end(filch_pool *pool);

/* Whether that may be so. */
static inline bool filchi_handoff_must_yield(const filch_pool *pool)
{
    /* relaxed: a look at every task boundary; the lock decides. */
    return atomic_load_explicit(&pool->handoff.wanted, memory_order_relaxed) != 0;
}

/* Whether any queue has an entry, or a forked call is shown. A moment's answer; after a store-load fence it sees what was published
 * before. */
static inline bool filchi_handoff_any_work(filch_pool *pool)
{
    if (!filchi_inject_empty(&pool->inject) || !filchi_deque_empty(&pool->timers->due) ||
        filchi_lanes_have_work(&pool->origin->lanes))
        return true;
    unsigned n = filchi_pool_made(pool);
    for (unsigned i = 0; i < n; i++) {
        struct filchi_worker *worker = filchi_pool_worker(pool, i);
        if (!filchi_deque_empty(&worker->deque) || !filchi_batch_empty(&worker->batch))
            return true;
    }
    return filchi_forkers_any(&pool->forkers);
}

#endif
