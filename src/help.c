/* SPDX-License-Identifier: MIT */
/*
 * A thread outside of tasks that works for the pool whose tasks it waits for. For the time of the wait it has a record
 * among the pool's threads, as a lent one (lend.c), but no place of its own to sleep: it sleeps where the wait does, in
 * the list of those who wait outside, and a worker may come to it there.
 *
 * Invariant: between two calls it holds a worker, is in that list, or neither; in all cases it can leave at once.
 */
#include "help.h"

#include "find.h"
#include "handoff.h"
#include "places.h"
#include "stopping.h"
#include "thread.h"

static const struct filchi_lending helping = { .deadline = FILCHI_NEVER };

static bool is_past(int64_t deadline)
{
    return deadline != FILCHI_NEVER && filchi_os_now() >= deadline;
}

/* ---- Workers ---- */

/* Under the lock: one that nobody holds, or whose holder was woken for it and has not come yet. NULL: none. */
static struct filchi_worker *free_worker(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_thread *late = handoff->woken;
    if (handoff->idle)
        return filchi_place_pop_idle(pool, true);
    if (!late)
        return NULL;
    struct filchi_worker *worker = late->worker;
    handoff->woken = NULL;
    late->worker = NULL;
    late->searching = false; /* we do, in its place */
    filchi_place_enter(handoff, late, FILCHI_SPARE);
    return worker;
}

/* Under the lock: whether it has one, now or as before. */
static bool take_worker(struct filchi_thread *thread)
{
    if (thread->worker)
        return true;
    struct filchi_worker *worker = free_worker(thread->pool);
    if (worker)
        filchi_place_give(&thread->pool->handoff, thread, worker, true);
    return worker;
}

/* Under the lock: what the pool did while the thread slept. */
static void collect(struct filchi_await *await)
{
    struct filchi_thread *thread = await->helper;
    filchi_place_leave(&thread->pool->handoff, thread);
    await->due += thread->signals;
    thread->signals = 0;
}

/* Not in the list: nobody gives it a worker now. If it has one it works with that one's slab. */
static void begin_work(struct filchi_thread *thread)
{
    if (thread->worker)
        filchi_handoff_hold(thread);
}

/* Gives up the worker, if any, and is among those who wait outside. False: there was work meanwhile, and a worker. */
static bool park(struct filchi_await *await, uint32_t seen)
{
    struct filchi_thread *thread = await->helper, *next = NULL;
    filch_pool *pool = thread->pool;
    pthread_mutex_lock(&pool->handoff.lock);
    if (thread->worker)
        next = filchi_place_release(thread); /* S1 */
    thread->sleeping_on = await->parker;
    thread->seen = seen;
    filchi_place_enter(&pool->handoff, thread, FILCHI_OUTSIDE);
    pthread_mutex_unlock(&pool->handoff.lock);
    if (next)
        filchi_parker_signal(&next->parker);
    filchi_idle_look_again();           /* S2 */
    if (!filchi_handoff_any_work(pool)) /* S3 */
        return true;
    pthread_mutex_lock(&pool->handoff.lock);
    if (!thread->worker && pool->handoff.idle)
        take_worker(thread);
    bool again = thread->worker;
    if (again)
        collect(await); /* what is signalled from now on is on a task's account */
    pthread_mutex_unlock(&pool->handoff.lock);
    if (again)
        begin_work(thread);
    return !again;
}

/* ---- Coming and going ---- */

static struct filchi_thread *attach(filch_pool *pool)
{
    struct filchi_thread *thread = NULL;
    pthread_mutex_lock(&pool->handoff.lock);
    if (!pool->handoff.ending)
        thread = filchi_thread_attach(pool);
    if (thread)
        thread->lent = &helping;
    pthread_mutex_unlock(&pool->handoff.lock);
    return thread;
}

/* The pool is there as long as it is attached; before, only its origin is. */
static struct filchi_thread *attach_to(struct filchi_origin *origin)
{
    pthread_mutex_lock(&origin->lock);
    struct filchi_thread *thread = origin->pool ? attach(origin->pool) : NULL;
    pthread_mutex_unlock(&origin->lock);
    return thread;
}

static void detach(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    handoff->lent--;
    pthread_mutex_unlock(&handoff->lock);
    filchi_thread_detach(thread);
}

static bool initialise(struct filchi_thread *thread)
{
    const struct filchi_handoff *handoff = &thread->pool->handoff;
    if (handoff->cpus && filchi_cpus_borrow(thread, handoff->cpus)) {
        detach(thread);
        return false;
    }
    if (!handoff->hooks.init || !handoff->hooks.init(handoff->hooks.arg))
        return true;
    if (handoff->cpus)
        filchi_cpus_return(thread);
    detach(thread);
    return false;
}

/* From now on it helps; or it does not in this wait, for want of a pool, memory or the init hook's consent. */
static bool begin(struct filchi_await *await)
{
    if (await->helper)
        return true;
    struct filchi_origin *origin = await->offered;
    struct filchi_thread *thread = origin ? attach_to(origin) : NULL;
    await->offered = NULL;
    if (!thread || !initialise(thread))
        return false;
    filchi_worker_measure(thread);
    await->helper = thread;
    pthread_mutex_lock(&thread->pool->handoff.lock);
    take_worker(thread);
    pthread_mutex_unlock(&thread->pool->handoff.lock);
    begin_work(thread);
    return true;
}

void filchi_help_end(struct filchi_await *await)
{
    struct filchi_thread *thread = await->helper;
    filch_pool *pool = thread->pool;
    const struct filchi_hooks *hooks = &pool->handoff.hooks;
    pthread_mutex_lock(&pool->handoff.lock);
    collect(await);
    bool holds = thread->worker;
    struct filchi_thread *next = holds ? filchi_place_release(thread) : NULL; /* S1 */
    pthread_mutex_unlock(&pool->handoff.lock);
    if (next)
        filchi_parker_signal(&next->parker);
    else if (holds)
        filchi_handoff_look_again(pool);
    if (holds)
        filchi_worker_check_drained(pool);
    if (hooks->exit)
        hooks->exit(hooks->arg);
    if (pool->handoff.cpus)
        filchi_cpus_return(thread);
    await->helper = NULL;
    detach(thread);
}

/* ---- Working ---- */

static void run(struct filchi_thread *thread, filch_future *found)
{
    filchi_thread_here = thread;
    if (found && thread->laned)
        filchi_worker_run_laned(thread, found);
    else if (found)
        filchi_worker_run_entry(thread, found, thread->outside);
    else
        filchi_forker_run_stolen(thread);
    if (found && thread->stopping)
        filchi_stopping_batch(thread);
    filchi_stopping_tell(thread);
    filchi_thread_here = NULL;
}

/* Whether it found something to run. */
static bool work(struct filchi_thread *thread)
{
    filch_future *found = filchi_find_once(thread);
    if (found || thread->stolen) {
        run(thread, found);
        return true;
    }
    thread->stopping = false;
    return false;
}

enum filchi_await_run filchi_help_run(struct filchi_await *await, filch_future *future)
{
    if (filchi_waitlist_peek(&future->waiters) != FILCH_PENDING || is_past(await->deadline) || !begin(await))
        return FILCHI_AWAIT_NOTHING;
    struct filchi_thread *thread = await->helper;
    if (!thread->worker || filchi_slab_home_of(future) != thread->pool->home)
        return FILCHI_AWAIT_NOTHING;
    filch_future *oldest = filchi_find_if_next(thread, future);
    filchi_handoff_found(thread);
    if (oldest) {
        run(thread, oldest);
        return FILCHI_AWAIT_RAN;
    }
    filchi_thread_here = thread;
    bool ran = filchi_worker_run_awaited(thread, future);
    filchi_thread_here = NULL;
    if (ran && thread->pool->handoff.lent_only)
        work(thread); /* it has left a stale entry, and nobody else may come: as many are taken as are left */
    return ran ? FILCHI_AWAIT_RAN : FILCHI_AWAIT_NOTHING;
}

static void sleep_outside(struct filchi_await *await, uint32_t seen)
{
    struct filchi_handoff *handoff = &await->helper->pool->handoff;
    filchi_worker_check_drained(await->helper->pool); /* as by all who find nothing more */
    filchi_parker_wait(await->parker, seen, await->deadline);
    pthread_mutex_lock(&handoff->lock);
    collect(await);
    bool ending = handoff->ending;
    pthread_mutex_unlock(&handoff->lock);
    begin_work(await->helper);
    if (ending) /* the pool is about to go, and the wait may be for another's tasks too */
        filchi_help_end(await);
}

void filchi_help_pause(struct filchi_await *await, uint32_t seen)
{
    if (!begin(await)) {
        filchi_parker_wait(await->parker, seen, await->deadline);
        return;
    }
    struct filchi_thread *thread = await->helper;
    while (filchi_parker_count(await->parker) == seen && !is_past(await->deadline)) {
        bool yields = filchi_handoff_must_yield(thread->pool);
        if (thread->worker && !yields && work(thread))
            continue;
        if (park(await, seen)) {
            sleep_outside(await, seen);
            return;
        }
    }
}
