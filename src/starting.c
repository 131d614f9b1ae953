/* SPDX-License-Identifier: MIT */
/* Who comes for work that lies: a spare thread, a new one, or one that waits: see starting.h. */
#include "starting.h"

#include "places.h"
#include "thread.h"

#include <errno.h>

/* Whether the system refused a thread lately. */
static bool refused(const struct filchi_handoff *handoff)
{
    int64_t retry_at =
        atomic_load_explicit(&handoff->retry_at, memory_order_relaxed); /* relaxed: as filchi_place_alive(). */
    return retry_at && filchi_os_now() < retry_at;
}

static void set_retry_at(struct filchi_handoff *handoff, int64_t at)
{
    atomic_store_explicit(&handoff->retry_at, at, memory_order_relaxed); /* relaxed: as filchi_place_set_alive(). */
}

/* Under the lock: the end of every start, in the place of `ended` or of none. */
static void started(struct filchi_handoff *handoff, struct filchi_thread *thread, struct filchi_thread *ended)
{
    set_retry_at(handoff, thread ? 0 : filchi_os_now() + FILCHI_RETRY_NS);
    handoff->failed += !thread;
    struct filchi_thread *listed = thread ? thread : ended;
    if (thread && filchi_place_alive(handoff) > handoff->peak)
        handoff->peak = filchi_place_alive(handoff);
    if (listed) {
        listed->next_thread = handoff->all;
        handoff->all = listed;
    }
}

/* Under the lock: every thread is blocked, and none has a signal that it has not seen. */
static bool is_stuck(const struct filchi_handoff *handoff)
{
    if (handoff->blocked.n != filchi_place_alive(handoff))
        return false;
    for (const struct filchi_thread *thread = handoff->blocked.first; thread; thread = thread->next)
        if (filchi_parker_count(thread->sleeping_on) != thread->seen)
            return false;
    return true;
}

/*
 * Under the lock, when there is work, an idle worker and no thread to be had for it: gives the worker to a
 * thread that waits for something nobody has started, which may run it itself. If there is none but every
 * thread is blocked, then one of those that have tried in vain must give up.
 */
static void poke(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    if (!handoff->idle)
        return;
    struct filchi_thread *thread = handoff->blocked.first, *stalled = NULL;
    while (thread && !thread->pokable) {
        stalled = thread->stalled ? thread : stalled;
        thread = thread->next;
    }
    if (!thread) {
        if (!stalled || !is_stuck(handoff))
            return;
        thread = stalled;
        thread->doomed = true;
    }
    filchi_place_give(handoff, thread, filchi_place_pop_idle(pool, false), false);
    thread->pokable = false;
    thread->poked = true;
    filchi_parker_signal(thread->sleeping_on); /* under the lock: before it looks, it cannot take its parker away */
}

/* Under the lock, dropped meanwhile: a new thread takes an idle worker over. */
static void wake_new(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_worker *worker = filchi_place_pop_idle(pool, true);
    unsigned number = handoff->started++;
    struct filchi_thread *ended = filchi_thread_unlink_ended(handoff);
    filchi_place_set_alive(handoff, filchi_place_alive(handoff) + 1);
    pthread_mutex_unlock(&handoff->lock);
    int rc;
    struct filchi_thread *thread = filchi_thread_start(pool, worker, number, ended, &rc);
    pthread_mutex_lock(&handoff->lock);
    started(handoff, thread, ended);
    if (thread)
        return;
    filchi_place_set_alive(handoff, filchi_place_alive(handoff) - 1);
    /* This is an S1: publishers left their work to a searcher that never came. Who can, takes over from it. */
    struct filchi_thread *next = filchi_place_put(pool, worker, true);
    if (!next && (next = handoff->spare.last))
        filchi_place_give(handoff, next, filchi_place_pop_idle(pool, true), true);
    if (next)
        filchi_parker_signal(&next->parker);
    else
        poke(pool);
}

void filchi_starting_wake(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    struct filchi_thread *woken = NULL;
    if (handoff->idle && filchi_idle_searching(filchi_idle_load(&pool->idle)) == 0) {
        woken = handoff->spare.last;
        if (woken)
            filchi_place_give(handoff, woken, filchi_place_pop_idle(pool, true), true);
        else if (filchi_place_alive(handoff) < handoff->cap && !refused(handoff))
            wake_new(pool);
        else
            poke(pool);
    }
    pthread_mutex_unlock(&handoff->lock);
    if (woken)
        filchi_parker_signal(&woken->parker);
}

void filchi_handoff_notify(filch_pool *pool)
{
    if (filchi_idle_must_wake(&pool->idle))
        filchi_starting_wake(pool);
}

int filchi_handoff_ensure_thread(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    if (filchi_place_alive(handoff))
        return 0;
    int rc = 0;
    pthread_mutex_lock(&handoff->lock); /* held while the thread starts: others must wait for the outcome */
    if (!filchi_place_alive(handoff)) {
        struct filchi_worker *worker = filchi_place_pop_idle(pool, true);
        struct filchi_thread *thread = filchi_thread_start(pool, worker, handoff->started++, NULL, &rc);
        if (thread)
            filchi_place_set_alive(handoff, 1);
        else
            filchi_place_push_idle(pool, worker, true);
        started(handoff, thread, NULL);
    }
    pthread_mutex_unlock(&handoff->lock);
    return rc;
}

bool filchi_handoff_at_cap(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    /* relaxed: far from the cap there is no need to lock. */
    if (filchi_place_alive(handoff) < handoff->cap / 2 + 1 &&
        !atomic_load_explicit(&handoff->retry_at, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&handoff->lock);
    bool at_cap = !handoff->spare.n && (filchi_place_alive(handoff) >= handoff->cap || refused(handoff));
    pthread_mutex_unlock(&handoff->lock);
    return at_cap;
}
