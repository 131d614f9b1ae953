/* SPDX-License-Identifier: MIT */
/* The numbers of a pool, added up while it goes on: see filch_metrics. */
#include "handoff.h"
#include "observe.h"

#include <string.h>

/* relaxed: a number to look at. */
static uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* As long as the caller's header knows it. */
static void give(void *out, const void *made, size_t size, size_t known)
{
    memcpy(out, made, size < known ? size : known);
}

/* ---- One worker ---- */

static filch_worker_state state_of(const struct filchi_worker *worker)
{
    /* relaxed: as load(). */
    if (atomic_load_explicit(&worker->retired, memory_order_relaxed))
        return FILCH_WORKER_RETIRED;
    return atomic_load_explicit(&worker->idle, memory_order_relaxed) ? FILCH_WORKER_IDLE : FILCH_WORKER_HELD;
}

int filch_pool_worker_stats_get(filch_pool *pool, unsigned index, filch_worker_stats *out)
{
    size_t size = out->size;
    if (size < sizeof size)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    if (index >= filchi_pool_made(pool))
        return -ENOENT;
    const struct filchi_worker *worker = filchi_pool_worker(pool, index);
    filch_worker_stats stats = {
        .size = size,
        .state = state_of(worker),
        .finished = filchi_counter_get(&worker->finished),
        .stolen = filchi_counter_get(&worker->stolen),
        .ran_in_place = filchi_counter_get(&worker->in_place),
        .handoffs = filchi_counter_get(&worker->handoffs),
        .parks = filchi_counter_get(&worker->parks),
        .queued_inside = filchi_deque_count(&worker->deque),
        .queued_outside = filchi_batch_count(&worker->batch),
    };
    give(out, &stats, size, sizeof stats);
    return 0;
}

/* ---- All of them ---- */

static void add_stats(filch_pool *pool, filch_metrics *metrics)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    filch_pool_stats_get(pool, &stats);
    metrics->workers = stats.workers;
    metrics->threads = stats.threads;
    metrics->threads_peak = stats.threads_peak;
    metrics->idle = stats.idle;
    metrics->submitted = stats.submitted;
    metrics->finished = stats.finished;
    metrics->stolen = stats.stolen;
    metrics->ran_in_place = stats.ran_in_place;
    metrics->handoffs = stats.handoffs;
    metrics->parks = stats.parks;
    metrics->threads_failed = stats.threads_failed;
}

static void add_threads(filch_pool *pool, filch_metrics *metrics)
{
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    metrics->spare = handoff->spare.n;
    metrics->blocked = handoff->blocked.n;
    metrics->in_region = handoff->in_region.n;
    metrics->resumable = handoff->resumable.n;
    pthread_mutex_unlock(&handoff->lock);
}

static void add_queues(filch_pool *pool, filch_metrics *metrics)
{
    metrics->queued_outside = filchi_inject_count(&pool->inject) + filchi_lanes_count(&pool->origin->lanes);
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++) {
        const struct filchi_worker *worker = filchi_pool_worker(pool, i);
        metrics->queued_outside += filchi_batch_count(&worker->batch);
        metrics->queued_inside += filchi_deque_count(&worker->deque);
    }
    metrics->due = filchi_deque_count(&pool->timers->due);
    /* relaxed: as load(). */
    metrics->delayed = atomic_load_explicit(&pool->timers->waiting, memory_order_relaxed);
}

static void add_measures(filch_metrics *metrics, const struct filchi_measures *measures)
{
    filchi_histogram_merge(&metrics->wait, &measures->wait);
    filchi_histogram_merge(&metrics->run, &measures->run);
    filchi_histogram_merge(&metrics->busy, &measures->busy);
    metrics->done += load(&measures->ended[FILCH_DONE]);
    metrics->failed += load(&measures->ended[FILCH_FAILED]);
    metrics->stopped += load(&measures->ended[FILCH_STOPPED]);
    metrics->retried += load(&measures->ended[FILCH_RETRY_WAIT]);
}

static void add_measured(const filch_pool *pool, filch_metrics *metrics)
{
    const struct filchi_metrics *measured = pool->observer ? pool->observer->metrics : NULL;
    if (!measured)
        return;
    metrics->measured = true;
    add_measures(metrics, &measured->guests);
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++)
        add_measures(metrics, filchi_pool_worker(pool, i)->measures);
    metrics->cancelled += load(&measured->dropped[FILCH_CANCELLED]);
    metrics->stopped += load(&measured->dropped[FILCH_STOPPED]);
}

int filch_metrics_get(filch_pool *pool, filch_metrics *out)
{
    size_t size = out->size;
    if (size < sizeof size)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    filch_metrics metrics = FILCH_METRICS;
    metrics.size = size;
    add_stats(pool, &metrics);
    add_threads(pool, &metrics);
    add_queues(pool, &metrics);
    add_measured(pool, &metrics);
    give(out, &metrics, size, sizeof metrics);
    return 0;
}
