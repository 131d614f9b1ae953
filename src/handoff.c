/* SPDX-License-Identifier: MIT */
/* Which thread holds which worker: see handoff.h, docs/design/idle.md and docs/design/await.md. */
#include "handoff.h"

#include "deadlock.h"
#include "observe.h"
#include "places.h"
#include "starting.h"

#include <errno.h>

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

void filchi_handoff_hold(struct filchi_thread *thread)
{
    const struct filchi_cpus *cpus = thread->pool->handoff.cpus;
    filchi_slab_here = &thread->worker->slab;
    if (cpus)
        filchi_cpus_move(thread, cpus, thread->worker->index);
}

/* ---- Threads with nothing to do ---- */

/* Under the lock. */
static bool must_end(struct filchi_thread *thread, bool timed_out)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    if (thread->worker)
        return false;
    if (thread->lent) {
        if (!handoff->ending && !filchi_handoff_is_over(thread))
            return false;
        handoff->lent--;
    } else {
        if (!handoff->ending && !(timed_out && filchi_place_alive(handoff) > filchi_place_workers(handoff)))
            return false;
        filchi_place_set_alive(handoff, filchi_place_alive(handoff) - 1);
    }
    filchi_place_leave(handoff, thread);
    return true;
}

bool filchi_handoff_is_over(const struct filchi_thread *thread)
{
    const struct filchi_lending *lent = thread->lent;
    return (lent->until && filchi_stop_peek(lent->until)) ||
           (lent->deadline != FILCHI_NEVER && filchi_os_now() >= lent->deadline);
}

/* When a thread without a worker looks again whether it must end. */
static int64_t end_of_sleep(const struct filchi_thread *thread, bool surplus)
{
    if (thread->lent)
        return thread->lent->deadline;
    return surplus ? filchi_os_deadline(FILCHI_KEEP_ALIVE_NS) : FILCHI_NEVER;
}

bool filchi_handoff_await_worker(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    bool timed_out = false, end = false, parked = false;
    for (;;) {
        uint32_t seen = filchi_parker_count(&thread->parker);
        pthread_mutex_lock(&handoff->lock);
        end = must_end(thread, timed_out);
        bool surplus = filchi_place_alive(handoff) > filchi_place_workers(handoff);
        bool given = thread->worker != NULL;
        if (handoff->woken == thread)
            handoff->woken = NULL;
        pthread_mutex_unlock(&handoff->lock);
        if (end || given)
            break;
        if (!parked)
            filchi_observe_park(thread);
        parked = true;
        timed_out = filchi_parker_wait(&thread->parker, seen, end_of_sleep(thread, surplus)) == -ETIMEDOUT;
    }
    if (!end)
        filchi_handoff_hold(thread);
    if (parked)
        filchi_observe_unpark(thread);
    return !end;
}

void filchi_handoff_found(struct filchi_thread *thread)
{
    if (!thread->searching)
        return;
    thread->searching = false;
    if (filchi_idle_end_search(&thread->pool->idle) && filchi_handoff_any_work(thread->pool))
        filchi_starting_wake(thread->pool);
}

bool filchi_handoff_park(struct filchi_thread *thread)
{
    filch_pool *pool = thread->pool;
    struct filchi_handoff *handoff = &pool->handoff;
    filchi_counter_add(&thread->worker->parks, 1);
    pthread_mutex_lock(&handoff->lock);
    struct filchi_thread *next = filchi_place_release(thread); /* S1 */
    filchi_place_enter(handoff, thread, FILCHI_SPARE);
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
        filchi_place_give(handoff, thread, filchi_place_pop_idle(pool, true), true);
        filchi_handoff_hold(thread);
    }
    pthread_mutex_unlock(&handoff->lock);
    return !again;
}

void filchi_handoff_look_again(filch_pool *pool)
{
    filchi_idle_look_again();          /* S2 */
    if (filchi_handoff_any_work(pool)) /* S3 */
        filchi_handoff_notify(pool);
}

void filchi_handoff_leave(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    struct filchi_thread *next = filchi_place_release(thread); /* S1 */
    handoff->lent--;
    pthread_mutex_unlock(&handoff->lock);
    if (next)
        filchi_parker_signal(&next->parker);
    else
        filchi_handoff_look_again(thread->pool);
}

bool filchi_handoff_yield(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    bool yields = handoff->resumable.first || filchi_place_surplus(handoff);
    struct filchi_thread *next = yields ? filchi_place_release(thread) : NULL; /* S1 */
    if (yields)
        filchi_place_enter(handoff, thread, FILCHI_SPARE);
    pthread_mutex_unlock(&handoff->lock);
    if (next)
        filchi_parker_signal(&next->parker);
    else if (yields)
        filchi_handoff_look_again(thread->pool);
    return yields;
}

/* ---- Waiting inside a task ---- */

/* Gives the worker away and goes to that place; somebody is woken for the work there is. */
static int leave_worker(struct filchi_thread *thread, enum filchi_place place)
{
    filch_pool *pool = thread->pool;
    struct filchi_handoff *handoff = &pool->handoff;
    const struct filchi_worker *worker = thread->worker;
    pthread_mutex_lock(&handoff->lock);
    if (place == FILCHI_BLOCKED && filchi_deadlock_closed(thread)) {
        pthread_mutex_unlock(&handoff->lock);
        return -EDEADLK;
    }
    filchi_counter_add(&thread->worker->handoffs, 1);
    struct filchi_thread *next = filchi_place_release(thread); /* S1 */
    filchi_place_enter(handoff, thread, place);
    pthread_mutex_unlock(&handoff->lock);
    if (next)
        filchi_parker_signal(&next->parker);
    else
        filchi_handoff_look_again(pool);
    filchi_observe_handoff(thread, worker);
    return 0;
}

int filchi_handoff_block(struct filchi_thread *thread, struct filchi_parker *parker, uint32_t seen, bool stalled,
                         bool pokable)
{
    thread->sleeping_on = parker; /* nobody looks at these before it is in the list */
    thread->seen = seen;
    thread->stalled = stalled;
    thread->pokable = pokable;
    return leave_worker(thread, FILCHI_BLOCKED);
}

void filchi_handoff_begin_region(struct filchi_thread *thread)
{
    leave_worker(thread, FILCHI_IN_REGION);
}

void filchi_handoff_end_region(struct filchi_thread *thread)
{
    uint32_t none = 0; /* a thread in a region has no parker to be signalled at */
    filchi_handoff_unblock(thread, &none);
}

/* Of a guest it is the host whose worker goes. */
void filchi_handoff_enter_region(struct filchi_thread *thread)
{
    if (!thread || thread->regions++ != 0)
        return;
    filchi_forker_show_all(thread);
    filchi_context_flush();
    if (thread->guest)
        filchi_handoff_enter_region(thread->host);
    else
        filchi_handoff_begin_region(thread);
}

void filchi_handoff_leave_region(struct filchi_thread *thread)
{
    if (!thread || !thread->regions || --thread->regions != 0)
        return;
    if (thread->guest)
        filchi_handoff_leave_region(thread->host);
    else
        filchi_handoff_end_region(thread);
}

int filchi_handoff_block_on(struct filchi_thread *thread, uint32_t seen)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    thread->seen = seen;
    /* Once poked it must not sleep: the signal may be one of those it has seen. */
    int rc = thread->poked || thread->deadlocked ? 1 : filchi_deadlock_closed(thread) ? -EDEADLK : 0;
    pthread_mutex_unlock(&handoff->lock);
    /* Somebody may have spared a stuck thread because of the signal that woke us, in vain: see is_stuck(). */
    if (filchi_handoff_any_work(thread->pool))
        filchi_handoff_notify(thread->pool);
    return rc;
}

int64_t filchi_handoff_retry(struct filchi_thread *thread, int64_t deadline)
{
    /* relaxed: as refused(). */
    int64_t retry_at = atomic_load_explicit(&thread->pool->handoff.retry_at, memory_order_relaxed);
    if (!retry_at || !filchi_handoff_any_work(thread->pool))
        return deadline;
    int64_t soon = filchi_os_now() + FILCHI_RETRY_NS / 100; /* it is up to others meanwhile; no busy loop */
    int64_t retry = retry_at > soon ? retry_at : soon;
    return deadline != FILCHI_NEVER && deadline < retry ? deadline : retry;
}

/* Under the lock. */
static enum filchi_poke collect_poke(struct filchi_thread *thread, uint32_t *due)
{
    *due += thread->signals;
    thread->signals = 0;
    if (thread->deadlocked) {
        thread->deadlocked = false;
        return FILCHI_POKE_DEADLOCK;
    }
    if (!thread->poked)
        return FILCHI_POKE_NONE;
    enum filchi_poke poke = thread->doomed ? FILCHI_POKE_FAIL : FILCHI_POKE_RUN;
    thread->poked = thread->doomed = false;
    filchi_handoff_hold(thread);
    return poke;
}

enum filchi_poke filchi_handoff_poked(struct filchi_thread *thread, uint32_t *due)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    enum filchi_poke poke = collect_poke(thread, due);
    pthread_mutex_unlock(&handoff->lock);
    if (poke == FILCHI_POKE_RUN || poke == FILCHI_POKE_FAIL)
        filchi_observe_resume(thread);
    return poke;
}

void filchi_handoff_unblock(struct filchi_thread *thread, uint32_t *due)
{
    filch_pool *pool = thread->pool;
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    enum filchi_poke poke = collect_poke(thread, due);
    if (poke == FILCHI_POKE_NONE || poke == FILCHI_POKE_DEADLOCK) {
        filchi_place_leave(handoff, thread);
        if (handoff->idle)
            filchi_place_give(handoff, thread, filchi_place_pop_idle(pool, false), false);
        else
            filchi_place_enter(handoff, thread, FILCHI_RESUMABLE);
    }
    while (!thread->worker) {
        uint32_t seen = filchi_parker_count(&thread->parker);
        pthread_mutex_unlock(&handoff->lock);
        filchi_parker_wait(&thread->parker, seen, FILCHI_NEVER);
        pthread_mutex_lock(&handoff->lock);
    }
    pthread_mutex_unlock(&handoff->lock);
    filchi_handoff_hold(thread);
    filchi_handoff_found(thread); /* the giver may have searched; this thread goes on with its task */
    filchi_observe_resume(thread);
}

/* ---- The end ---- */

void filchi_handoff_end(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    handoff->ending = true;
    for (struct filchi_thread *thread = handoff->spare.first; thread; thread = thread->next)
        filchi_parker_signal(&thread->parker);
    for (struct filchi_thread *thread = handoff->outside.first; thread; thread = thread->next)
        filchi_place_signal_blocked(thread);
    pthread_mutex_unlock(&handoff->lock);
}
