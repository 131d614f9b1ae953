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

static void note_refusal(struct filchi_handoff *handoff)
{
    set_retry_at(handoff, filchi_os_now() + FILCHI_RETRY_NS);
    handoff->failed++;
}

/* Under the lock: the end of every start, in the place of `ended` or of none. */
static void started(struct filchi_handoff *handoff, struct filchi_thread *thread, struct filchi_thread *ended)
{
    if (!thread)
        note_refusal(handoff);
    else if (!handoff->hooks.init) /* else it may have failed already, and it says itself if it has not */
        set_retry_at(handoff, 0);
    struct filchi_thread *listed = thread ? thread : ended;
    if (thread && filchi_place_threads(handoff) > handoff->peak)
        handoff->peak = filchi_place_threads(handoff);
    if (listed) {
        listed->next_thread = handoff->all;
        handoff->all = listed;
    }
}

/* Under the lock: every thread is blocked, and none has a signal that it has not seen. */
static bool is_stuck(const struct filchi_handoff *handoff)
{
    if (handoff->blocked.n != filchi_place_threads(handoff))
        return false;
    for (const struct filchi_thread *thread = handoff->blocked.first; thread; thread = thread->next)
        if (filchi_parker_count(thread->sleeping_on) != thread->seen)
            return false;
    return true;
}

/* Under the lock: a thread was refused and there is work. Somebody must see to it that another is started later: a
 * blocked thread, which sleeps no longer than until then (filchi_handoff_retry()). */
static void nudge(struct filchi_handoff *handoff)
{
    struct filchi_thread *thread = handoff->blocked.first;
    if (thread && !thread->signals && refused(handoff))
        filchi_place_signal_blocked(thread);
}

/* Under the lock: whether a blocked thread may find what it waits for in a queue and run it itself. */
static bool may_start(const struct filchi_thread *thread)
{
    if (thread->full && !filchi_lane_has_room(thread->full))
        return false;
    return thread->pokable || (thread->later && thread->news != filchi_handoff_news(thread->pool));
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
    while (thread && !may_start(thread)) {
        stalled = thread->stalled ? thread : stalled;
        thread = thread->next;
    }
    if (!thread) {
        if (!stalled || !is_stuck(handoff)) {
            nudge(handoff);
            return;
        }
        thread = stalled;
        thread->doomed = true;
    }
    filchi_place_give(handoff, thread, filchi_place_pop_idle(pool, false), false);
    thread->pokable = thread->later = false;
    thread->poked = true;
    filchi_place_signal_blocked(thread);
}

/* Under the lock: a worker for a thread that waits outside of tasks. False if there is none of either. */
static bool wake_outside(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_thread *thread = handoff->outside.last;
    if (!thread || !handoff->idle)
        return false;
    filchi_place_give(handoff, thread, filchi_place_pop_idle(pool, true), true);
    filchi_place_signal_blocked(thread);
    return true;
}

/* Under the lock, after the S1 of a thread to which publishers left their work and which will not look again: it
 * gave its worker to `next` (NULL: nobody). Who can, takes over; if no worker is idle, their holders look again. */
static void take_over(filch_pool *pool, struct filchi_thread *next)
{
    struct filchi_handoff *handoff = &pool->handoff;
    if (!next && handoff->idle && (next = handoff->spare.last))
        filchi_place_give(handoff, next, filchi_place_pop_idle(pool, true), true);
    if (next)
        filchi_parker_signal(&next->parker);
    else if (!wake_outside(pool))
        poke(pool);
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
    take_over(pool, filchi_place_put(pool, worker, true));
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
        handoff->woken = handoff->waiters_help ? woken : NULL;
        if (woken || wake_outside(pool))
            ;
        else if (filchi_place_alive(handoff) < filchi_place_cap(handoff) && !refused(handoff))
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

void filchi_handoff_notify_after_fence(filch_pool *pool)
{
    if (filchi_idle_must_wake_after(&pool->idle))
        filchi_starting_wake(pool);
}

void filchi_handoff_notify_due(filch_pool *pool)
{
    /* release J1: pairs with acquire J1 in filchi_handoff_news(); who has heard of the task finds it. The fence
     * P2 follows: a thread that blocks sees the news, or is seen to have blocked. */
    atomic_fetch_add_explicit(&pool->handoff.news, 1, memory_order_release);
    filchi_handoff_notify(pool);
}

/* Under the lock, and held while the thread starts: it takes an idle worker over, or is spare if lent threads hold all
 * of them. 0, -EAGAIN or -ENOMEM. */
static int start_one(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    int rc = 0;
    struct filchi_worker *worker = handoff->idle ? filchi_place_pop_idle(pool, true) : NULL;
    struct filchi_thread *thread = filchi_thread_start(pool, worker, handoff->started++, NULL, &rc);
    if (thread)
        filchi_place_set_alive(handoff, filchi_place_alive(handoff) + 1);
    else if (worker)
        filchi_place_push_idle(pool, worker, true);
    if (thread && !worker)
        filchi_place_enter(handoff, thread, FILCHI_SPARE);
    started(handoff, thread, NULL);
    return rc;
}

int filchi_handoff_ensure_thread(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    if (filchi_place_alive(handoff) || handoff->lent_only)
        return 0;
    int rc = 0;
    pthread_mutex_lock(&handoff->lock); /* others must wait for the outcome */
    if (!filchi_place_alive(handoff))
        rc = start_one(pool);
    pthread_mutex_unlock(&handoff->lock);
    return rc;
}

bool filchi_handoff_at_cap(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    /* relaxed: far from the cap there is no need to lock. */
    if (!handoff->lent_only && filchi_place_alive(handoff) < filchi_place_cap(handoff) / 2 + 1 &&
        !atomic_load_explicit(&handoff->retry_at, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&handoff->lock);
    bool at_cap = !handoff->spare.n && !handoff->outside.n &&
                  (filchi_place_alive(handoff) >= filchi_place_cap(handoff) || refused(handoff));
    pthread_mutex_unlock(&handoff->lock);
    return at_cap;
}

/* ---- The hooks ---- */

int filchi_starting_all(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_creation creation = { .rc = 0 };
    uint32_t n = 0, seen;
    int rc = 0;
    filchi_parker_init(&creation.parker);
    pthread_mutex_lock(&handoff->lock); /* all the time, so that no worker is passed on before each has a thread */
    handoff->creation = &creation;
    while (n < filchi_place_workers(handoff) && !(rc = start_one(pool)))
        n++;
    pthread_mutex_unlock(&handoff->lock);
    while ((seen = filchi_parker_count(&creation.parker)) != n)
        filchi_parker_wait(&creation.parker, seen, FILCHI_NEVER);
    pthread_mutex_lock(&handoff->lock);
    handoff->creation = NULL;
    pthread_mutex_unlock(&handoff->lock);
    rc = rc ? rc : creation.rc;
    if (rc) {
        filchi_handoff_end(pool);
        filchi_thread_join_all(handoff);
    }
    return rc;
}

bool filchi_starting_begin(struct filchi_thread *thread)
{
    filch_pool *pool = thread->pool;
    struct filchi_handoff *handoff = &pool->handoff;
    if (!handoff->hooks.init)
        return true;
    filchi_handoff_found(thread); /* the hook may take its time: others must not rely on our search */
    int rc = handoff->hooks.init(handoff->hooks.arg);
    pthread_mutex_lock(&handoff->lock);
    if (rc) {
        note_refusal(handoff);
        filchi_place_set_alive(handoff, filchi_place_alive(handoff) - 1);
        take_over(pool, filchi_place_release(thread));
        thread->ended = true;
    } else {
        set_retry_at(handoff, 0);
    }
    if (handoff->creation) {
        if (!handoff->creation->rc)
            handoff->creation->rc = rc > 0 ? -EINVAL : rc;
        filchi_parker_signal(&handoff->creation->parker);
    }
    pthread_mutex_unlock(&handoff->lock);
    return !rc;
}

void filchi_starting_end(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    if (handoff->hooks.exit)
        handoff->hooks.exit(handoff->hooks.arg);
    pthread_mutex_lock(&handoff->lock);
    thread->ended = true; /* not before: a thread in its place waits for its end */
    pthread_mutex_unlock(&handoff->lock);
}
