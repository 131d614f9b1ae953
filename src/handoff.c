/* SPDX-License-Identifier: MIT */
/* Which thread holds which worker: see handoff.h, docs/design/idle.md and docs/design/await.md. */
#include "handoff.h"

#include "thread.h"

#include <errno.h>

/* How long a thread beyond one a worker stays without work. */
#define KEEP_ALIVE_NS INT64_C(10000000000)
/* How long no thread is started after the system refused one. */
#define RETRY_NS INT64_C(1000000000)

/* ---- Lists; all under the lock ---- */

static struct filchi_thread_list *list_of(struct filchi_handoff *handoff, enum filchi_place place)
{
    switch (place) {
    case FILCHI_SPARE:
        return &handoff->spare;
    case FILCHI_RESUMABLE:
        return &handoff->resumable;
    case FILCHI_BLOCKED:
        return &handoff->blocked;
    case FILCHI_IN_REGION:
        return &handoff->in_region;
    case FILCHI_NOWHERE:
        break;
    }
    return NULL;
}

static void count_resumables(struct filchi_handoff *handoff)
{
    /* relaxed: see filchi_handoff_has_resumable(). */
    atomic_store_explicit(&handoff->resumables, handoff->resumable.n, memory_order_relaxed);
}

static void enter(struct filchi_handoff *handoff, struct filchi_thread *thread, enum filchi_place place)
{
    struct filchi_thread_list *list = list_of(handoff, place);
    thread->place = place;
    thread->previous = list->last;
    thread->next = NULL;
    *(list->last ? &list->last->next : &list->first) = thread;
    list->last = thread;
    list->n++;
    count_resumables(handoff);
}

static void leave(struct filchi_handoff *handoff, struct filchi_thread *thread)
{
    struct filchi_thread_list *list = list_of(handoff, thread->place);
    if (!list)
        return;
    *(thread->previous ? &thread->previous->next : &list->first) = thread->next;
    *(thread->next ? &thread->next->previous : &list->last) = thread->previous;
    list->n--;
    thread->place = FILCHI_NOWHERE;
    count_resumables(handoff);
}

/* ---- Workers; all under the lock ---- */

static struct filchi_worker *pop_idle(filch_pool *pool, bool search)
{
    struct filchi_worker *worker = pool->handoff.idle;
    pool->handoff.idle = worker->next_idle;
    filchi_idle_take(&pool->idle, search);
    return worker;
}

static void push_idle(filch_pool *pool, struct filchi_worker *worker, bool searched)
{
    worker->next_idle = pool->handoff.idle;
    pool->handoff.idle = worker;
    filchi_idle_add(&pool->idle, searched);
}

/* The thread must be signalled afterwards. */
static void give(struct filchi_handoff *handoff, struct filchi_thread *thread, struct filchi_worker *worker,
                 bool search)
{
    leave(handoff, thread);
    thread->worker = worker;
    thread->searching = search;
}

/* Nobody holds it now: it goes to the first resumable thread, which must be signalled, or becomes idle. */
static struct filchi_thread *put_worker(filch_pool *pool, struct filchi_worker *worker, bool searched)
{
    struct filchi_thread *next = pool->handoff.resumable.first;
    if (next)
        give(&pool->handoff, next, worker, searched);
    else
        push_idle(pool, worker, searched);
    return next;
}

static struct filchi_thread *release_worker(struct filchi_thread *thread)
{
    bool searched = thread->searching;
    struct filchi_worker *worker = thread->worker;
    thread->worker = NULL;
    thread->searching = false;
    filchi_slab_here = NULL;
    return put_worker(thread->pool, worker, searched);
}

static unsigned alive(const struct filchi_handoff *handoff)
{
    return atomic_load_explicit(&handoff->alive, memory_order_relaxed); /* relaxed: written under the lock. */
}

static void set_alive(struct filchi_handoff *handoff, unsigned n)
{
    atomic_store_explicit(&handoff->alive, n, memory_order_relaxed); /* relaxed: as above, or a hint. */
}

/* Whether the system refused a thread lately. */
static bool refused(const struct filchi_handoff *handoff)
{
    int64_t retry_at = atomic_load_explicit(&handoff->retry_at, memory_order_relaxed); /* relaxed: as alive(). */
    return retry_at && filchi_os_now() < retry_at;
}

static void set_retry_at(struct filchi_handoff *handoff, int64_t at)
{
    atomic_store_explicit(&handoff->retry_at, at, memory_order_relaxed); /* relaxed: as set_alive(). */
}

/* ---- Starting threads ---- */

void filchi_handoff_init(struct filchi_handoff *handoff)
{
    pthread_mutex_init(&handoff->lock, NULL);
    pthread_mutex_init(&handoff->search_lock, NULL);
}

void filchi_handoff_fini(struct filchi_handoff *handoff)
{
    pthread_mutex_destroy(&handoff->search_lock);
    pthread_mutex_destroy(&handoff->lock);
}

/* Under the lock: the end of every start, in the place of `ended` or of none. */
static void started(struct filchi_handoff *handoff, struct filchi_thread *thread, struct filchi_thread *ended)
{
    set_retry_at(handoff, thread ? 0 : filchi_os_now() + RETRY_NS);
    handoff->failed += !thread;
    struct filchi_thread *listed = thread ? thread : ended;
    if (thread && alive(handoff) > handoff->peak)
        handoff->peak = alive(handoff);
    if (listed) {
        listed->next_thread = handoff->all;
        handoff->all = listed;
    }
}

/* Under the lock: every thread is blocked, and none has a signal that it has not seen. */
static bool is_stuck(const struct filchi_handoff *handoff)
{
    if (handoff->blocked.n != alive(handoff))
        return false;
    for (const struct filchi_thread *thread = handoff->blocked.first; thread; thread = thread->next)
        if (filchi_parker_count(thread->sleeping_on) != thread->seen)
            return false;
    return true;
}

/* Under the lock: whether a blocked thread may find what it waits for in a queue and run it itself. */
static bool may_start(const struct filchi_thread *thread)
{
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
        if (!stalled || !is_stuck(handoff))
            return;
        thread = stalled;
        thread->doomed = true;
    }
    give(handoff, thread, pop_idle(pool, false), false);
    thread->pokable = thread->later = false;
    thread->poked = true;
    filchi_parker_signal(thread->sleeping_on); /* under the lock: before it looks, it cannot take its parker away */
}

/* Under the lock, dropped meanwhile: a new thread takes an idle worker over. */
static void wake_new(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_worker *worker = pop_idle(pool, true);
    unsigned number = handoff->started++;
    struct filchi_thread *ended = filchi_thread_unlink_ended(handoff);
    set_alive(handoff, alive(handoff) + 1);
    pthread_mutex_unlock(&handoff->lock);
    int rc;
    struct filchi_thread *thread = filchi_thread_start(pool, worker, number, ended, &rc);
    pthread_mutex_lock(&handoff->lock);
    started(handoff, thread, ended);
    if (thread)
        return;
    set_alive(handoff, alive(handoff) - 1);
    /* This is an S1: publishers left their work to a searcher that never came. Who can, takes over from it. */
    struct filchi_thread *next = put_worker(pool, worker, true);
    if (!next && (next = handoff->spare.last))
        give(handoff, next, pop_idle(pool, true), true);
    if (next)
        filchi_parker_signal(&next->parker);
    else
        poke(pool);
}

static void wake_one(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    struct filchi_thread *woken = NULL;
    if (handoff->idle && filchi_idle_searching(filchi_idle_load(&pool->idle)) == 0) {
        woken = handoff->spare.last;
        if (woken)
            give(handoff, woken, pop_idle(pool, true), true);
        else if (alive(handoff) < handoff->cap && !refused(handoff))
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
        wake_one(pool);
}

void filchi_handoff_notify_due(filch_pool *pool)
{
    /* release J1: pairs with acquire J1 in filchi_handoff_news(); who has heard of the task finds it. The fence
     * P2 follows: a thread that blocks sees the news, or is seen to have blocked. */
    atomic_fetch_add_explicit(&pool->handoff.news, 1, memory_order_release);
    filchi_handoff_notify(pool);
}

int filchi_handoff_ensure_thread(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    if (alive(handoff))
        return 0;
    int rc = 0;
    pthread_mutex_lock(&handoff->lock); /* held while the thread starts: others must wait for the outcome */
    if (!alive(handoff)) {
        struct filchi_worker *worker = pop_idle(pool, true);
        struct filchi_thread *thread = filchi_thread_start(pool, worker, handoff->started++, NULL, &rc);
        if (thread)
            set_alive(handoff, 1);
        else
            push_idle(pool, worker, true);
        started(handoff, thread, NULL);
    }
    pthread_mutex_unlock(&handoff->lock);
    return rc;
}

bool filchi_handoff_at_cap(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    /* relaxed: far from the cap there is no need to lock. */
    if (alive(handoff) < handoff->cap / 2 + 1 && !atomic_load_explicit(&handoff->retry_at, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&handoff->lock);
    bool at_cap = !handoff->spare.n && (alive(handoff) >= handoff->cap || refused(handoff));
    pthread_mutex_unlock(&handoff->lock);
    return at_cap;
}

/* ---- Threads with nothing to do ---- */

/* Under the lock. */
static bool must_end(struct filchi_thread *thread, bool timed_out)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    if (thread->worker || !(handoff->ending || (timed_out && alive(handoff) > handoff->workers)))
        return false;
    leave(handoff, thread);
    set_alive(handoff, alive(handoff) - 1);
    thread->ended = true;
    return true;
}

bool filchi_handoff_await_worker(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    bool timed_out = false, end = false;
    for (;;) {
        uint32_t seen = filchi_parker_count(&thread->parker);
        pthread_mutex_lock(&handoff->lock);
        end = must_end(thread, timed_out);
        bool surplus = alive(handoff) > handoff->workers;
        if (!end && !thread->worker && thread->place == FILCHI_NOWHERE)
            enter(handoff, thread, FILCHI_SPARE);
        bool given = thread->worker != NULL;
        pthread_mutex_unlock(&handoff->lock);
        if (end || given)
            break;
        int64_t deadline = surplus ? filchi_os_deadline(KEEP_ALIVE_NS) : FILCHI_NEVER;
        timed_out = filchi_parker_wait(&thread->parker, seen, deadline) == -ETIMEDOUT;
    }
    if (!end)
        filchi_slab_here = &thread->worker->slab;
    return !end;
}

void filchi_handoff_found(struct filchi_thread *thread)
{
    if (!thread->searching)
        return;
    thread->searching = false;
    if (filchi_idle_end_search(&thread->pool->idle) && filchi_handoff_any_work(thread->pool))
        wake_one(thread->pool);
}

bool filchi_handoff_park(struct filchi_thread *thread)
{
    filch_pool *pool = thread->pool;
    struct filchi_handoff *handoff = &pool->handoff;
    filchi_counter_add(&thread->worker->parks, 1);
    pthread_mutex_lock(&handoff->lock);
    struct filchi_thread *next = release_worker(thread); /* S1 */
    enter(handoff, thread, FILCHI_SPARE);
    pthread_mutex_unlock(&handoff->lock);
    if (next) {
        filchi_parker_signal(&next->parker);
        return true;
    }
    filchi_idle_look_again();           /* S2 */
    if (!filchi_handoff_any_work(pool)) /* S3 */
        return true;
    pthread_mutex_lock(&handoff->lock);
    bool again = thread->place == FILCHI_SPARE && handoff->idle;
    if (again) {
        give(handoff, thread, pop_idle(pool, true), true);
        filchi_slab_here = &thread->worker->slab;
    }
    pthread_mutex_unlock(&handoff->lock);
    return !again;
}

bool filchi_handoff_yield(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    struct filchi_thread *next = handoff->resumable.first ? release_worker(thread) : NULL;
    if (next)
        enter(handoff, thread, FILCHI_SPARE);
    pthread_mutex_unlock(&handoff->lock);
    if (next)
        filchi_parker_signal(&next->parker);
    return next != NULL;
}

/* ---- Waiting inside a task ---- */

/* Gives the worker away and goes to that place; somebody is woken for the work there is. */
static void leave_worker(struct filchi_thread *thread, enum filchi_place place)
{
    filch_pool *pool = thread->pool;
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    filchi_counter_add(&thread->worker->handoffs, 1);
    struct filchi_thread *next = release_worker(thread); /* S1 */
    enter(handoff, thread, place);
    pthread_mutex_unlock(&handoff->lock);
    if (next) {
        filchi_parker_signal(&next->parker);
        return;
    }
    filchi_idle_look_again();          /* S2 */
    if (filchi_handoff_any_work(pool)) /* S3 */
        filchi_handoff_notify(pool);
}

void filchi_handoff_block(struct filchi_thread *thread, struct filchi_parker *parker, uint32_t seen, bool stalled,
                          bool pokable)
{
    thread->sleeping_on = parker; /* nobody looks at these before it is in the list */
    thread->seen = seen;
    thread->stalled = stalled;
    thread->pokable = pokable;
    leave_worker(thread, FILCHI_BLOCKED);
}

void filchi_handoff_begin_region(struct filchi_thread *thread)
{
    leave_worker(thread, FILCHI_IN_REGION);
}

void filchi_handoff_end_region(struct filchi_thread *thread)
{
    filchi_handoff_unblock(thread);
}

void filchi_handoff_block_on(struct filchi_thread *thread, uint32_t seen)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    thread->seen = seen;
    pthread_mutex_unlock(&handoff->lock);
    /* Somebody may have spared a stuck thread because of the signal that woke us, in vain: see is_stuck(). */
    if (filchi_handoff_any_work(thread->pool))
        filchi_handoff_notify(thread->pool);
}

int64_t filchi_handoff_retry(struct filchi_thread *thread, int64_t deadline)
{
    /* relaxed: as refused(). */
    int64_t retry_at = atomic_load_explicit(&thread->pool->handoff.retry_at, memory_order_relaxed);
    if (!retry_at || !filchi_handoff_any_work(thread->pool))
        return deadline;
    int64_t soon = filchi_os_now() + RETRY_NS / 100; /* it is up to others meanwhile; no busy loop */
    int64_t retry = retry_at > soon ? retry_at : soon;
    return deadline != FILCHI_NEVER && deadline < retry ? deadline : retry;
}

/* Under the lock. */
static enum filchi_poke collect_poke(struct filchi_thread *thread)
{
    if (!thread->poked)
        return FILCHI_POKE_NONE;
    enum filchi_poke poke = thread->doomed ? FILCHI_POKE_FAIL : FILCHI_POKE_RUN;
    thread->poked = thread->doomed = false;
    filchi_slab_here = &thread->worker->slab;
    return poke;
}

enum filchi_poke filchi_handoff_poked(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    enum filchi_poke poke = collect_poke(thread);
    pthread_mutex_unlock(&handoff->lock);
    return poke;
}

bool filchi_handoff_unblock(struct filchi_thread *thread)
{
    filch_pool *pool = thread->pool;
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    bool poked = collect_poke(thread) != FILCHI_POKE_NONE;
    if (!poked) {
        leave(handoff, thread);
        if (handoff->idle)
            give(handoff, thread, pop_idle(pool, false), false);
        else
            enter(handoff, thread, FILCHI_RESUMABLE);
    }
    while (!thread->worker) {
        uint32_t seen = filchi_parker_count(&thread->parker);
        pthread_mutex_unlock(&handoff->lock);
        filchi_parker_wait(&thread->parker, seen, FILCHI_NEVER);
        pthread_mutex_lock(&handoff->lock);
    }
    pthread_mutex_unlock(&handoff->lock);
    filchi_slab_here = &thread->worker->slab;
    filchi_handoff_found(thread); /* the giver may have searched; this thread goes on with its task */
    return poked;
}

/* ---- The end ---- */

void filchi_handoff_end(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    handoff->ending = true;
    for (struct filchi_thread *thread = handoff->spare.first; thread; thread = thread->next)
        filchi_parker_signal(&thread->parker);
    pthread_mutex_unlock(&handoff->lock);
}
