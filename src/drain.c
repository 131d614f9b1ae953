/* SPDX-License-Identifier: MIT */
/* The end of a pool: what is unfinished is counted, or cancelled where it waits. */
#include "find.h"
#include "handoff.h"
#include "lane_place.h"
#include "transition.h"

void filchi_worker_count_reaped(filch_pool *pool)
{
    /* release C2: pairs with acquire C2 in filchi_worker_unfinished(). */
    atomic_fetch_add_explicit(&pool->reaped, 1, memory_order_release);
}

uint64_t filchi_worker_submitted(filch_pool *pool, uint64_t *out_finished)
{
    /* Finished first, then submitted: what is counted as finished is then counted as submitted too, so
     * equality means that at the moment between the two everything was finished. The number of workers is read
     * twice, lest one be left out that was made meanwhile and to which a finished task has submitted. */
    uint64_t finished =
        atomic_load_explicit(&pool->reaped, memory_order_acquire); /* acquire C2: pairs with release C2. */
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++)
        finished += filchi_counter_get(&filchi_pool_worker(pool, i)->finished);
    /* relaxed: a wait is counted before the entry that it followed was; see the acquires above. */
    uint64_t submitted = atomic_load_explicit(&pool->waits, memory_order_relaxed);
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++)
        submitted += filchi_counter_get(&filchi_pool_worker(pool, i)->submitted);
    for (unsigned i = 0; i < FILCHI_SHARDS; i++) {
        filchi_lock_take(&pool->shards[i].lock);
        submitted += pool->shards[i].submitted;
        filchi_lock_give(&pool->shards[i].lock);
    }
    *out_finished = finished;
    return submitted;
}

uint64_t filchi_worker_unfinished(filch_pool *pool)
{
    /* Of entries of tasks that have another one those that were dealt with first, and last those that were taken: see above. */
    uint64_t over = 0, taken = 0;
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++)
        over += filchi_counter_get(&filchi_pool_worker(pool, i)->raised_over);
    uint64_t finished, submitted = filchi_worker_submitted(pool, &finished);
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++)
        taken += filchi_counter_get(&filchi_pool_worker(pool, i)->raised);
    return submitted + taken - finished - over;
}

bool filchi_worker_check_drained(filch_pool *pool)
{
    /* The fence, then relaxed: vs the same fence of who has closed the pool and comes here next; it sees our last
     * task finished, or we see it closed. */
    filchi_fence_store_load();
    if (!atomic_load_explicit(&pool->closing, memory_order_relaxed))
        return false;
    if (filchi_worker_unfinished(pool) != 0)
        return false;
    /* release C3: pairs with acquire C3 in await_drained(); all that the tasks did, which we know by the counters. */
    if (!atomic_exchange_explicit(&pool->drained, 1, memory_order_release)) {
        filchi_handoff_end(pool);
        filchi_os_futex_wake(&pool->drained, INT32_MAX);
    }
    return true;
}

static void reap_entry(filch_pool *pool, filch_future *future)
{
    if (future->stop & FILCHI_STOP_PLACE)
        filchi_capacity_leave(pool);
    filchi_future_cancel_entry(future);
    filchi_worker_count_reaped(pool);
}

void filchi_worker_reap(filch_pool *pool)
{
    pthread_mutex_lock(&pool->handoff.lock);
    pool->outside_thieves++;
    pthread_mutex_unlock(&pool->handoff.lock);
    filchi_lane_reap(pool);
    filch_future *found;
    while ((found = filchi_inject_pop(&pool->inject)))
        reap_entry(pool, found);
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++) {
        filch_future *future;
        bool outside;
        while ((future = filchi_find_in(filchi_pool_worker(pool, i), &outside)))
            reap_entry(pool, future);
    }
    pthread_mutex_lock(&pool->handoff.lock);
    pool->outside_thieves--;
    pthread_mutex_unlock(&pool->handoff.lock);
}
