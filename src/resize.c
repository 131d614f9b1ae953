/* SPDX-License-Identifier: MIT */
/*
 * How many workers a pool has. Once made a worker stays until the pool goes, so that thieves and counters need not
 * fear for it; it is in circulation (held or idle) or retired. docs/design/idle.md tells the rest.
 */
#include "resize.h"

#include "handoff.h"
#include "places.h"

#include <errno.h>

/* ---- Making workers ---- */

/* The blocks up to the one of that worker are allocated, with room for their slabs. */
static int make_block(filch_pool *pool, unsigned index)
{
    unsigned block = 0, low = 0, high = pool->first_block;
    while (index >= high) {
        block++;
        low = high;
        high *= 2;
    }
    if (pool->blocks[block])
        return 0;
    unsigned n = (high < FILCHI_WORKERS_MAX ? high : FILCHI_WORKERS_MAX) - low;
    struct filchi_worker *workers = filchi_memory_alloc(pool->origin->memory, FILCHI_LINE, n * sizeof *workers);
    if (!workers)
        return -ENOMEM;
    int rc = block ? filchi_slab_home_extend(pool->home, n) : 0; /* it was created for the first block */
    if (rc)
        filchi_memory_free(pool->origin->memory, workers);
    else
        pool->blocks[block] = workers;
    return rc;
}

static int make_worker(filch_pool *pool, unsigned index)
{
    int rc = make_block(pool, index);
    if (rc)
        return rc;
    struct filchi_worker *worker = filchi_pool_worker(pool, index);
    if (pool->observer && pool->observer->metrics && !worker->measures &&
        !(worker->measures = filchi_measures_create(pool->origin->memory))) /* it stays for the next try */
        return -ENOMEM;
    rc = filchi_deque_init_from(&worker->deque, pool->origin->memory);
    if (rc)
        return rc;
    filchi_batch_init(&worker->batch);
    filchi_slab_init(&worker->slab, pool->home, FILCHI_SHARDS + index);
    filchi_readers_add(&pool->thieves, &worker->thief);
    worker->pool = pool;
    worker->index = index;
    worker->random = UINT64_C(0x9E3779B97F4A7C15) * (index + 1);
    worker->leaves.ns = worker->outside.ns = FILCHI_AVERAGE_NONE;
    return 0;
}

static void retire_new(filch_pool *pool, struct filchi_worker *worker)
{
    pthread_mutex_lock(&pool->handoff.lock);
    pool->handoff.circulating++;
    filchi_place_retire(pool, worker);
    pthread_mutex_unlock(&pool->handoff.lock);
}

int filchi_resize_make(filch_pool *pool, unsigned workers)
{
    int rc = 0;
    /* relaxed: only the caller makes any. */
    unsigned made = atomic_load_explicit(&pool->n_made, memory_order_relaxed);
    while (made < workers && !(rc = make_worker(pool, made))) {
        made++;
        /* release U3: pairs with acquire U3 in filchi_pool_made(); publishes the worker and its block. */
        atomic_store_explicit(&pool->n_made, made, memory_order_release);
        retire_new(pool, filchi_pool_worker(pool, made - 1));
    }
    return rc;
}

void filchi_resize_free(filch_pool *pool)
{
    unsigned made = filchi_pool_made(pool);
    for (unsigned i = 0; i < made; i++)
        filchi_deque_fini(&filchi_pool_worker(pool, i)->deque);
    /* Perhaps of one more, which could not be completed. */
    for (unsigned i = 0, low = 0, n = pool->first_block; i < FILCHI_BLOCKS && pool->blocks[i]; i++, low = n, n *= 2)
        for (unsigned k = low; k < n && k <= made && k < FILCHI_WORKERS_MAX; k++)
            filchi_memory_free(pool->origin->memory, pool->blocks[i][k - low].measures);
    for (unsigned block = 0; block < FILCHI_BLOCKS; block++)
        filchi_memory_free(pool->origin->memory, pool->blocks[block]);
}

/* ---- Circulation ---- */

/* Under the lock. Threads that became surplus leave after a while, but those that sleep for good do not know. */
static void wake_spares(const struct filchi_handoff *handoff)
{
    for (struct filchi_thread *thread = handoff->spare.first; thread; thread = thread->next)
        filchi_parker_signal(&thread->parker);
}

void filchi_resize_set(filch_pool *pool, unsigned workers)
{
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    bool fewer = workers < filchi_place_workers(handoff);
    atomic_store_explicit(&handoff->workers, workers, memory_order_relaxed); /* relaxed: as alive. */
    while (filchi_place_surplus(handoff) && handoff->idle)
        filchi_place_retire(pool, filchi_place_pop_idle(pool, false));
    while (handoff->circulating < workers) {
        struct filchi_thread *next = filchi_place_circulate(pool); /* S1 */
        if (next)
            filchi_parker_signal(&next->parker);
    }
    filchi_place_count_wanted(handoff);
    if (fewer)
        wake_spares(handoff);
    pthread_mutex_unlock(&handoff->lock);
    filchi_handoff_look_again(pool);
}

int filch_pool_resize(filch_pool *pool, unsigned workers)
{
    if (!pool || !workers || workers > FILCHI_WORKERS_MAX)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    /* relaxed: at the moment of a shutdown a change is as good as one before it. */
    if (atomic_load_explicit(&pool->closing, memory_order_relaxed))
        return -ESHUTDOWN;
    pthread_mutex_lock(&pool->making);
    int rc = filchi_resize_make(pool, workers);
    pthread_mutex_unlock(&pool->making);
    if (!rc)
        filchi_resize_set(pool, workers);
    return rc;
}
