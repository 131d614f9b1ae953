/* SPDX-License-Identifier: MIT */
/* Finding work: see find.h. */
#include "find.h"

#include "handoff.h"
#include "lane_place.h"
#include "observe.h"
#include "starting.h"
#include "stopping.h"

/* Every so many tasks the outside goes first, lest sub tasks that beget sub tasks starve it; a prime, as in Go. */
#define OUTSIDE_EVERY 61
/* A batch is about so much work: what a worker takes along, others start later than tasks submitted after it. */
#define BATCH_NS 100000

/* As a reader: the oldest, or NULL. */
static filch_future *steal_oldest(struct filchi_deque *deque)
{
    void *item = NULL;
    enum filchi_deque_steal outcome;
    do
        outcome = filchi_deque_steal(deque, &item);
    while (outcome == FILCHI_DEQUE_LOST);
    return outcome == FILCHI_DEQUE_TOOK ? item : NULL;
}

filch_future *filchi_find_in(struct filchi_worker *victim, bool *outside)
{
    filch_future *found = filchi_batch_take(&victim->batch);
    *outside = found != NULL;
    return found ? found : steal_oldest(&victim->deque);
}

static uint64_t next_random(struct filchi_worker *worker)
{
    /* xorshift64: Marsaglia, "Xorshift RNGs", 2003 */
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random;
}

/* One round over all the others, from a random one on. */
static filch_future *steal(struct filchi_thread *thread, bool sub_tasks)
{
    filch_pool *pool = thread->pool;
    struct filchi_worker *own = thread->worker;
    unsigned n = filchi_pool_made(pool);
    if (n == 1)
        return NULL;
    filch_future *found = NULL;
    unsigned first = (unsigned)(next_random(own) % n);
    filchi_reader_begin(&own->thief);
    for (unsigned i = 0; i < n && !found; i++) {
        struct filchi_worker *victim = filchi_pool_worker(pool, (first + i) % n);
        if (victim != own)
            found = sub_tasks ? steal_oldest(&victim->deque) : filchi_find_in(victim, &thread->outside);
        if (found)
            thread->robbed = victim->index + 1;
    }
    filchi_reader_end(&own->thief);
    if (found)
        filchi_counter_add(&own->stolen, 1);
    return found;
}

/* What is left in the queues of workers that are out of circulation. */
static filch_future *take_left(struct filchi_thread *thread)
{
    const filch_pool *pool = thread->pool;
    filch_future *found = NULL;
    unsigned n = filchi_pool_made(pool);
    if (n <= filchi_pool_workers(pool))
        return NULL;
    filchi_reader_begin(&thread->worker->thief);
    for (unsigned i = 0; i < n && !found; i++) {
        struct filchi_worker *worker = filchi_pool_worker(pool, i);
        if (atomic_load_explicit(&worker->retired, memory_order_relaxed)) /* relaxed: a hint. */
            found = filchi_find_in(worker, &thread->outside);
    }
    filchi_reader_end(&thread->worker->thief);
    return found;
}

/* Start order with several workers is submission order but for what they took along: so no more than a
 * moment's work. */
static unsigned batch_size(const struct filchi_thread *thread)
{
    int64_t ns = thread->worker->outside.ns;
    if (thread->stopping)
        return FILCHI_BATCH;
    if (filchi_lanes_hint(&thread->pool->origin->lanes)) /* turns go by the task */
        return 1;
    return ns < BATCH_NS / FILCHI_BATCH ? FILCHI_BATCH : ns > BATCH_NS ? 1 : (unsigned)(BATCH_NS / ns);
}

/* A task whose time has come. */
static filch_future *take_due(struct filchi_thread *thread)
{
    struct filchi_deque *due = &thread->pool->timers->due;
    if (filchi_deque_empty(due))
        return NULL;
    filchi_reader_begin(&thread->worker->thief);
    filch_future *found = steal_oldest(due);
    filchi_reader_end(&thread->worker->thief);
    thread->outside = true;
    thread->due = found != NULL;
    return found;
}

/* The oldest task from outside that has no lane and no level, moving a batch over if need be. */
static filch_future *take_plain(struct filchi_thread *thread)
{
    struct filchi_worker *worker = thread->worker;
    struct filchi_batch *batch = &worker->batch;
    filch_future *due = take_due(thread);
    if (due)
        return due;
    if (filchi_batch_empty(batch) && !filchi_batch_fill(batch, &thread->pool->inject, batch_size(thread)))
        return NULL;
    thread->outside = true;
    return filchi_batch_take(batch);
}

/* Of the tasks from outside that have no lane and no level, when something waits in lanes. */
static enum filchi_plain look_at_plain(const struct filchi_thread *thread)
{
    const filch_pool *pool = thread->pool;
    struct filchi_worker *worker = thread->worker;
    bool waits = !filchi_deque_empty(&pool->timers->due) || !filchi_batch_empty(&worker->batch) ||
                 !filchi_inject_empty(&pool->inject);
    bool ran = worker->tick - worker->turned > 1;
    worker->turned = worker->tick;
    return !waits ? FILCHI_PLAIN_NONE : ran ? FILCHI_PLAIN_RUNS : FILCHI_PLAIN_WAITS;
}

/* When something waits in lanes: whose turn it is. */
static filch_future *take_in_turn(struct filchi_thread *thread)
{
    enum filchi_plain plain = look_at_plain(thread);
    filch_future *found = filchi_lane_take_work(thread, plain);
    if (found || !plain)
        return found;
    if (!filchi_lanes_hint(&thread->pool->origin->lanes)) /* another was quicker: who comes next is owed this one */
        thread->worker->turned -= 2;
    found = take_plain(thread);
    return found ? found : filchi_lane_take_work(thread, FILCHI_PLAIN_NONE); /* another was quicker */
}

/* The next task from outside. */
static filch_future *take_outside(struct filchi_thread *thread)
{
    return filchi_lanes_hint(&thread->pool->origin->lanes) ? take_in_turn(thread) : take_plain(thread);
}

/* While a task waits that should not for long: in turn with one of our own, lest these starve it, or it them. */
static bool is_urgent(const struct filchi_worker *worker, uint64_t hint)
{
    return filchi_lanes_urgent(hint) && worker->tick != worker->heeded;
}

/* The same as take_own(), when something waits in lanes. */
static __attribute__((noinline)) filch_future *take_with_lanes(struct filchi_thread *thread, uint64_t hint)
{
    struct filchi_worker *worker = thread->worker;
    filch_future *found = NULL;
    if (++worker->tick % OUTSIDE_EVERY == 0 || is_urgent(worker, hint)) {
        found = take_in_turn(thread);
        if (found && worker->turned == worker->tick) /* else there was nobody to heed any more */
            worker->heeded = worker->tick + 1;
    } else if (worker->tick % OUTSIDE_EVERY == 1) {
        found = take_left(thread);
    }
    if (!found)
        found = filchi_deque_pop(&worker->deque);
    return found ? found : take_in_turn(thread);
}

static filch_future *take_own(struct filchi_thread *thread)
{
    struct filchi_worker *worker = thread->worker;
    filch_future *found = NULL;
    thread->outside = false;
    uint64_t hint = filchi_lanes_hint(&thread->pool->origin->lanes);
    if (hint)
        return take_with_lanes(thread, hint);
    if (++worker->tick % OUTSIDE_EVERY == 0)
        found = take_plain(thread);
    else if (worker->tick % OUTSIDE_EVERY == 1) /* nor may what others left starve */
        found = take_left(thread);
    if (!found)
        found = filchi_deque_pop(&worker->deque);
    if (!found)
        found = take_plain(thread);
    return found;
}

filch_future *filchi_find_others(struct filchi_thread *thread)
{
    filch_future *found = take_plain(thread);
    return found ? found : steal(thread, false);
}

filch_future *filchi_find_sub_task(struct filchi_thread *thread)
{
    filch_future *found = take_due(thread);
    return found ? found : steal(thread, true);
}

/* Own queues are empty: looks at everybody's, for a bounded time. NULL too with a forked call in `stolen`. */
static filch_future *search(struct filchi_thread *thread)
{
    filch_pool *pool = thread->pool;
    thread->robbed = 0;
    filch_future *found = steal(thread, false);
    if (found || filchi_forker_steal(thread))
        return found;
    if (pool->spin.ns < 0)
        return NULL;
    if (!thread->searching)
        thread->searching = filchi_idle_begin_search(&pool->idle, pool->spin.share * filchi_pool_workers(pool));
    if (!thread->searching)
        return NULL;
    int64_t end = filchi_os_now() + pool->spin.ns;
    do {
        for (int i = 0; i < 16; i++)
            filchi_pause();
        if (filchi_handoff_must_yield(pool))
            return NULL;
        found = take_outside(thread);
        if (!found)
            found = steal(thread, false);
    } while (!found && !filchi_forker_steal(thread) && filchi_os_now() < end);
    return found;
}

/* Arrays that were replaced are freed when the owner has nothing better to do. */
static void reclaim(struct filchi_thread *thread)
{
    struct filchi_deque *deque = &thread->worker->deque;
    if (!deque->retired)
        return;
    pthread_mutex_lock(&thread->pool->handoff.lock);
    /* Thieves from outside that come later find the new array: the lock orders them after its publication. */
    bool alone = thread->pool->outside_thieves == 0;
    pthread_mutex_unlock(&thread->pool->handoff.lock);
    if (alone && filchi_readers_none(&thread->pool->thieves))
        filchi_deque_reclaim(deque);
}

filch_future *filchi_find_work(struct filchi_thread *thread)
{
    for (;;) {
        if (filchi_handoff_must_yield(thread->pool)) {
            filchi_stopping_tell(thread);
            filchi_context_flush();
            if (filchi_handoff_yield(thread)) {
                filchi_worker_check_drained(thread->pool);
                return NULL;
            }
        }
        filch_future *found = take_own(thread);
        bool searched = !found;
        if (searched) {
            filchi_stopping_tell(thread);
            found = search(thread);
        }
        if (found || thread->stolen) {
            filchi_handoff_found(thread);
            if (searched && found)
                filchi_observe_stolen(thread, found);
            if (found)
                return found;
            filchi_forker_run_stolen(thread);
            continue;
        }
        reclaim(thread);
        filchi_context_flush();   /* it may submit */
        thread->stopping = false; /* what comes next is of another kind, for all we know */
        if (filchi_handoff_park(thread)) {
            filchi_worker_check_drained(thread->pool);
            return NULL;
        }
    }
}

filch_future *filchi_find_once(struct filchi_thread *thread)
{
    struct filchi_worker *worker = thread->worker;
    filch_future *found = NULL;
    thread->outside = false;
    uint64_t hint = filchi_lanes_hint(&thread->pool->origin->lanes);
    if (hint)
        found = take_with_lanes(thread, hint);
    else if (++worker->tick % OUTSIDE_EVERY == 0) /* as in take_own(), which is not called twice, to be inlined */
        found = take_plain(thread);
    if (!found)
        found = filchi_deque_pop(&worker->deque);
    if (!found)
        found = take_plain(thread);
    if (!found)
        filchi_stopping_tell(thread);
    thread->robbed = 0;
    if (!found && !(found = steal(thread, false)))
        filchi_forker_steal(thread);
    if (found || thread->stolen)
        filchi_handoff_found(thread);
    if (found)
        filchi_observe_stolen(thread, found);
    return found;
}

filch_future *filchi_find_if_next(struct filchi_thread *thread, const filch_future *future)
{
    struct filchi_batch *batch = &thread->worker->batch;
    if (filchi_batch_empty(batch) && !filchi_batch_fill(batch, &thread->pool->inject, batch_size(thread)))
        return NULL;
    if (filchi_batch_peek(batch) != future)
        return NULL;
    thread->outside = true;
    return filchi_batch_take(batch);
}
