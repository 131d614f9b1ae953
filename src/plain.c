/* SPDX-License-Identifier: MIT */
/*
 * Submitting tasks that have nothing but a function and an argument, as most: one, or many at once. What such a task
 * does not need is not looked at; whatever is out of the ordinary goes the way of submit.c.
 */
#include "handoff.h"
#include "observe.h"
#include "submit.h"
#include "transition.h"

#include <errno.h>
#include <string.h>

/* Tasks that are accepted under one hold of the lock. */
#define AT_ONCE 256

/* ---- One ---- */

static int submit_inside(struct filchi_thread *thread, filch_fn *fn, void *arg, filch_future **out)
{
    filch_pool *pool = thread->pool;
    struct filchi_worker *worker = thread->worker;
    if (filchi_pool_is_cancelling(pool))
        return -ESHUTDOWN;
    filch_future *future = filchi_slab_alloc(&worker->slab);
    if (!future)
        return -ENOMEM;
    filchi_future_init(future, fn, arg, out != NULL);
    future->stop = filchi_submit_inherit_stop(pool);
    filchi_future_inherit_context(future);
    int rc = filchi_submit_push(worker, future);
    if (rc) {
        filchi_future_abandon(future);
        return rc;
    }
    filchi_handoff_notify(pool);
    if (out)
        *out = future;
    return 0;
}

/* relaxed: the shard's lock decides, which filch_pool_shutdown() takes after it has closed the pool. */
static bool is_closed(const filch_pool *pool)
{
    return atomic_load_explicit(&pool->closing, memory_order_relaxed) & FILCHI_CLOSED;
}

/* Before anything is allocated: a closed pool starts no thread, an open one has one. */
static int ensure_open(filch_pool *pool)
{
    return is_closed(pool) ? -ESHUTDOWN : filchi_handoff_ensure_thread(pool);
}

/* Under the shard's lock: makes and publishes it. */
static int publish(filch_pool *pool, struct filchi_shard *shard, filch_fn *fn, void *arg, filch_future **out)
{
    if (is_closed(pool))
        return -ESHUTDOWN;
    filch_future *future = filchi_slab_alloc(&shard->slab);
    if (!future)
        return -ENOMEM;
    filchi_future_init(future, fn, arg, out != NULL);
    future->stop = (uintptr_t)pool->stop;
    filchi_future_inherit_context(future);
    shard->submitted++;
    int rc = filchi_inject_push(&pool->inject, future);
    if (rc) {
        shard->submitted--; /* nobody has seen it counted */
        filchi_future_abandon(future);
    } else if (out) {
        *out = future;
    }
    return rc;
}

static int submit_outside(filch_pool *pool, filch_fn *fn, void *arg, filch_future **out)
{
    int rc = ensure_open(pool);
    if (rc)
        return rc;
    struct filchi_shard *shard = filchi_submit_shard(pool);
    filchi_context_ready(); /* a destructor must not run under the lock */
    filchi_lock_take(&shard->lock);
    rc = publish(pool, shard, fn, arg, out);
    filchi_lock_give(&shard->lock); /* P2 */
    if (!rc)
        filchi_handoff_notify_after_fence(pool);
    return rc;
}

/* Whether it comes from outside and need not ask for a place. */
static bool is_simply_outside(const filch_pool *pool)
{
    return !pool->capacity.limit && !filchi_worker_inside(pool);
}

int filch_submit(filch_pool *pool, filch_fn *fn, void *arg, filch_future **out)
{
    int rc = filchi_submit_refusal(pool, fn);
    if (rc)
        return rc;
    struct filchi_thread *thread = filchi_worker_holder_of(pool);
    bool simple = thread || is_simply_outside(pool);
    if (!simple || filchi_observe_is_due(pool)) /* in this order: what is not simple is counted there */
        return filchi_submit_plain(pool, fn, arg, out);
    return thread ? submit_inside(thread, fn, arg, out) : submit_outside(pool, fn, arg, out);
}

/* ---- Many ---- */

/* What the call is to make of each. */
struct order {
    filch_fn *fn;
    uintptr_t args; /* an address, or a number where that is what the function takes */
    size_t size, n;
    uint32_t refs;
};

static void *arg_of(const struct order *order, size_t i)
{
    return (void *)(order->args + i * order->size);
}

static void init_many(const struct order *order, filch_future **futures, filch_stop *stop, uintptr_t flags)
{
    for (size_t i = 0; i < order->n; i++) {
        filchi_future_init(futures[i], order->fn, arg_of(order, i), order->refs);
        futures[i]->stop = (uintptr_t)stop | flags;
        filchi_future_inherit_context(futures[i]);
        if (flags & FILCHI_STOP_OWNED)
            filch_stop_ref(stop);
    }
}

/* The waits of some of them are measured. */
static void time_many(const filch_pool *pool, const struct order *order, filch_future **futures)
{
    if (pool->observer && pool->observer->metrics)
        filchi_observe_time_many(pool->observer->metrics, futures, order->n);
}

static int submit_many_inside(struct filchi_thread *thread, const struct order *order, filch_future **futures)
{
    filch_pool *pool = thread->pool;
    struct filchi_worker *worker = thread->worker;
    if (filchi_pool_is_cancelling(pool))
        return -ESHUTDOWN;
    size_t got = 0;
    while (got < order->n && (futures[got] = filchi_slab_alloc(&worker->slab)))
        got++;
    if (got < order->n) {
        while (got > 0)
            filchi_slab_free(futures[--got], &worker->slab);
        return -ENOMEM;
    }
    filch_stop *stop = thread->frame ? filchi_future_stop(thread->frame->task) : pool->stop;
    init_many(order, futures, stop, stop == pool->stop ? 0 : FILCHI_STOP_OWNED);
    time_many(pool, order, futures);
    filchi_counter_add(&worker->submitted, order->n);
    int rc = filchi_deque_push_many(&worker->deque, (void *const *)futures, order->n);
    if (rc) {
        filchi_counter_add(&worker->finished, order->n);
        for (size_t i = 0; i < order->n; i++)
            filchi_future_abandon(futures[i]);
    }
    return rc;
}

/* Up to n new tasks, accepted and counted; none if the pool is closed or there is no memory. */
static size_t accept(filch_pool *pool, filch_future **out, size_t n, int *rc)
{
    struct filchi_shard *shard = filchi_submit_shard(pool);
    size_t got = 0;
    *rc = -ESHUTDOWN;
    filchi_lock_take(&shard->lock);
    if (!is_closed(pool)) {
        *rc = 0;
        while (got < n && (out[got] = filchi_slab_alloc(&shard->slab)))
            got++;
        shard->submitted += got;
    }
    filchi_lock_give(&shard->lock);
    return got;
}

/* Accepted and counted, but not published: dealt with. */
static void give_up(filch_pool *pool, filch_future *const *futures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        filchi_future_abandon(futures[i]);
        filchi_worker_count_reaped(pool);
    }
    filchi_worker_check_drained(pool);
}

static int submit_many_outside(filch_pool *pool, const struct order *order, filch_future **futures)
{
    int rc = ensure_open(pool);
    size_t got = 0;
    while (!rc && got < order->n) { /* others want the lock too */
        size_t wanted = order->n - got < AT_ONCE ? order->n - got : AT_ONCE;
        size_t more = accept(pool, futures + got, wanted, &rc);
        if (!rc && more < wanted)
            rc = -ENOMEM;
        got += more;
    }
    if (!rc) {
        init_many(order, futures, pool->stop, 0);
        time_many(pool, order, futures);
        rc = filchi_inject_push_many(&pool->inject, (void *const *)futures, order->n);
    }
    if (rc)
        give_up(pool, futures, got);
    return rc;
}

/* One after the other, where each has to ask for a place. How many of them are *done, if it fails. */
static int submit_singly(filch_pool *pool, const struct order *order, filch_future **futures, size_t *done)
{
    int rc = 0;
    for (*done = 0; *done < order->n && !rc; *done += !rc)
        rc = filchi_submit_plain(pool, order->fn, arg_of(order, *done), order->refs ? &futures[*done] : NULL);
    return rc;
}

static int submit_many(filch_pool *pool, const struct order *order, filch_future **futures)
{
    struct filchi_thread *thread = filchi_worker_holder_of(pool);
    size_t done = 0;
    int rc;
    if (filchi_observe_hears(pool) || (!thread && !is_simply_outside(pool)))
        rc = submit_singly(pool, order, futures, &done);
    else if (thread)
        rc = submit_many_inside(thread, order, futures);
    else
        rc = submit_many_outside(pool, order, futures);
    if (!rc)
        filchi_handoff_notify(pool);
    else
        memset(futures + done, 0, (order->n - done) * sizeof futures[0]);
    return rc;
}

int filch_submit_many(filch_pool *pool, filch_fn *fn, void *args, size_t size, size_t n, filch_future **out)
{
    int rc = filchi_submit_refusal(pool, fn);
    if (n > SIZE_MAX / 2 / sizeof(filch_future *)) /* no array is as long as that */
        return rc ? rc : -ENOMEM;
    if (rc && out && n)
        memset(out, 0, n * sizeof out[0]);
    if (rc || n == 0)
        return rc;
    const struct order order = { .fn = fn, .args = (uintptr_t)args, .size = size, .n = n, .refs = out ? 1 : 0 };
    filch_future **futures = out ? out : filchi_os_alloc(n * sizeof(filch_future *));
    if (!futures)
        return -ENOMEM;
    rc = submit_many(pool, &order, futures);
    if (!out)
        filchi_os_free(futures);
    return rc;
}
