/* SPDX-License-Identifier: MIT */
/* Submitting: from a task into its worker's deque, from elsewhere into the inject queue. */
#include "handoff.h"
#include "options.h"

#include <string.h>

/* The name as the future will own it; NULL without memory. */
static const char *own_name(filch_future *future, const char *name, char *allocated)
{
    if (allocated)
        return allocated;
    return memcpy(future->name_inline, name, strlen(name) + 1);
}

/* Names that do not fit the object get a block of their own, made before anything else can fail. */
static int copy_long_name(const char *name, char **out)
{
    *out = NULL;
    size_t size = name ? strlen(name) + 1 : 0;
    if (size <= FILCHI_NAME_INLINE)
        return 0;
    *out = filchi_os_alloc(size);
    if (!*out)
        return -ENOMEM;
    memcpy(*out, name, size);
    return 0;
}

/* The stop as the future will hold it: the pool's own is not counted. */
static uintptr_t hold_stop(filch_pool *pool, filch_stop *stop)
{
    const struct filchi_thread *thread = filchi_thread_here;
    if (!stop && thread && thread->pool == pool && thread->frame)
        stop = filchi_future_stop(thread->frame->task);
    if (!stop || stop == pool->stop)
        return (uintptr_t)pool->stop;
    return (uintptr_t)filch_stop_ref(stop) | FILCHI_STOP_OWNED;
}

/* Whether the pool takes no more: from its own tasks it does until they are to be cancelled. */
static bool is_closed(const filch_pool *pool)
{
    uint32_t closed = filchi_worker_inside(pool) ? FILCHI_CANCEL : FILCHI_CLOSED;
    /* relaxed: from inside, a submit at the moment of a shutdown is as good as one before or after it; from
     * outside the shard's lock decides, which filch_pool_shutdown() takes after it has closed the pool. */
    return atomic_load_explicit(&pool->closing, memory_order_relaxed) & closed;
}

/* A new task, accepted and counted; NULL and *rc if not. */
static filch_future *accept_inside(struct filchi_thread *thread, int *rc)
{
    filch_future *future = NULL;
    *rc = -ESHUTDOWN;
    if (!is_closed(thread->pool)) {
        future = filchi_slab_alloc(&thread->worker->slab);
        *rc = future ? 0 : -ENOMEM;
    }
    return future;
}

/* Before anything is allocated: a closed pool starts no thread, an open one has one. How it goes in, or an error. */
static int enter_outside(filch_pool *pool)
{
    int rc = is_closed(pool) ? -ESHUTDOWN : filchi_handoff_ensure_thread(pool);
    return rc ? rc : filchi_capacity_enter(pool);
}

/* A task that went in like that was not accepted after all. */
static void leave_outside(filch_pool *pool, int entry)
{
    if (entry == FILCHI_ENTRY_PLACE)
        filchi_capacity_leave(pool);
}

static filch_future *accept_outside(filch_pool *pool, int *rc)
{
    static _Thread_local char here; /* its address tells threads apart */
    struct filchi_shard *shard = &pool->shards[((uintptr_t)&here >> 12) * 0x9E3779B9u >> 8 & (FILCHI_SHARDS - 1)];
    filch_future *future = NULL;
    *rc = -ESHUTDOWN;
    pthread_mutex_lock(&shard->lock);
    if (!is_closed(pool)) {
        future = filchi_slab_alloc(&shard->slab);
        *rc = future ? 0 : -ENOMEM;
        shard->submitted += future != NULL;
    }
    pthread_mutex_unlock(&shard->lock);
    return future;
}

static int publish(filch_pool *pool, struct filchi_thread *inside, int entry, filch_future *future)
{
    if (entry == FILCHI_ENTRY_CALLER_RUNS) {
        filchi_worker_run_as_guest(pool, future);
        return 0;
    }
    if (inside) {
        filchi_counter_add(&inside->worker->submitted, 1);
        int rc = filchi_deque_push(&inside->worker->deque, future);
        if (rc) {
            filchi_counter_add(&inside->worker->finished, 1); /* counted as accepted and dealt with */
            return rc;
        }
    } else {
        filchi_inject_push(&pool->inject, &future->link);
    }
    filchi_handoff_notify(pool);
    return 0;
}

int filch_submit_with(filch_pool *pool, filch_fn *fn, void *arg, const filch_task_options *options,
                      filch_future **out)
{
    filch_task_options chosen = FILCH_TASK_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options);
    if (rc)
        return rc;
    if (!pool || !fn)
        return -EINVAL;
    struct filchi_thread *inside = filchi_worker_holder();
    if (inside && inside->pool != pool)
        inside = NULL;
    int entry = inside ? FILCHI_ENTRY_FREE : enter_outside(pool);
    if (entry < 0)
        return entry;
    char *long_name;
    rc = copy_long_name(chosen.name, &long_name);
    filch_future *future = NULL;
    if (!rc)
        future = inside ? accept_inside(inside, &rc) : accept_outside(pool, &rc);
    if (!future) {
        filchi_os_free(long_name);
        leave_outside(pool, entry);
        return rc;
    }
    filchi_future_init(future, fn, arg, out ? 1 : 0);
    future->stop = hold_stop(pool, chosen.stop) | (entry == FILCHI_ENTRY_PLACE ? FILCHI_STOP_PLACE : 0);
    if (chosen.name || chosen.arg_dtor)
        filchi_future_init_cold(future, chosen.name ? own_name(future, chosen.name, long_name) : NULL,
                                chosen.arg_dtor);
    filch_future *handle = future; /* a task nobody holds may be gone once it is published */
    rc = publish(pool, inside, entry, future);
    if (rc)
        filchi_future_abandon(future);
    else if (out)
        *out = handle;
    return rc;
}

int filch_submit(filch_pool *pool, filch_fn *fn, void *arg, filch_future **out)
{
    return filch_submit_with(pool, fn, arg, NULL, out);
}
