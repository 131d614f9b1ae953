/* SPDX-License-Identifier: MIT */
/* Submitting: from a task into its worker's deque, from elsewhere into the inject queue. */
#include "submit.h"

#include "belongs.h"
#include "cq.h"
#include "handoff.h"
#include "lane_place.h"
#include "later.h"
#include "observe.h"
#include "options.h"
#include "transition.h"

#include <string.h>

const filch_task_options filchi_submit_plainly = FILCH_TASK_OPTIONS;

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

uintptr_t filchi_submit_inherit_stop(const filch_pool *pool)
{
    const struct filchi_thread *thread = filchi_thread_here;
    if (!thread || thread->pool != pool || !thread->frame)
        return (uintptr_t)pool->stop;
    filch_stop *stop = filchi_future_stop(thread->frame->task);
    return stop == pool->stop ? (uintptr_t)stop : (uintptr_t)filch_stop_ref(stop) | FILCHI_STOP_OWNED;
}

/* The stop as the future will hold it: the pool's own is not counted, nor is that of a scope, which is there until its
 * tasks are over. A task with a plan may leave its stop a moment later. */
static uintptr_t hold_stop(filch_pool *pool, filch_stop *stop, const struct filchi_group *group, bool planned)
{
    if (group && stop == group->stop && !planned)
        return (uintptr_t)stop | FILCHI_STOP_GROUP;
    if (!stop)
        return filchi_submit_inherit_stop(pool);
    return stop == pool->stop ? (uintptr_t)stop : (uintptr_t)filch_stop_ref(stop) | FILCHI_STOP_OWNED;
}

/* Whether the pool takes no more: from its own tasks it does until they are to be cancelled. */
static bool is_closed(const filch_pool *pool)
{
    uint32_t closed = filchi_worker_inside(pool) ? FILCHI_CANCEL : FILCHI_CLOSED;
    /* relaxed: from inside, a submit at the moment of a shutdown is as good as one before or after it; from
     * outside the shard's lock decides, which filch_pool_shutdown() takes after it has closed the pool. */
    return atomic_load_explicit(&pool->closing, memory_order_relaxed) & closed;
}

/* What must be had before the task is accepted, but for the node. */
struct prepared {
    struct filchi_thread *inside; /* NULL: from elsewhere */
    int entry;                    /* a filchi_entry: how it goes in */
    char *long_name;
    struct filchi_plan *plan;
    struct filchi_cq_node *node; /* comes with the task, if its end is told to a completion queue */
};

/* The owner of the slab: the task, with what lies beside it. NULL without memory. */
static filch_future *alloc_task(struct filchi_slab *slab, bool cold, filch_cq *cq, struct prepared *prepared)
{
    if (!cq)
        return filchi_future_alloc(slab, cold);
    prepared->node = filchi_slab_alloc(slab);
    filch_future *future = prepared->node ? filchi_future_alloc(slab, cold) : NULL;
    if (!future && prepared->node)
        filchi_slab_free(prepared->node, slab);
    return future;
}

/* A new task, accepted and counted; NULL and *rc if not. */
static filch_future *accept_inside(bool cold, filch_cq *cq, struct prepared *prepared, int *rc)
{
    struct filchi_thread *thread = prepared->inside;
    filch_future *future = NULL;
    *rc = -ESHUTDOWN;
    if (!filchi_pool_is_cancelling(thread->pool)) { /* see is_closed() */
        future = alloc_task(&thread->worker->slab, cold, cq, prepared);
        *rc = future ? 0 : -ENOMEM;
    }
    return future;
}

/* Before anything is allocated: a closed pool starts no thread, an open one has one; and how the task goes in. One
 * that is to start later waits in no queue, and takes no place there. */
static int enter_outside(filch_pool *pool, bool delayed, int *entry)
{
    int rc = is_closed(pool) ? -ESHUTDOWN : filchi_handoff_ensure_thread(pool);
    /* A callback on the timer thread must not wait for tasks which that thread is to make ready. */
    bool free = delayed || !pool->capacity.limit || filchi_timers_here == pool->timers;
    int chosen = rc || free ? FILCHI_ENTRY_FREE : filchi_capacity_enter(pool);
    if (rc || chosen < 0)
        return rc ? rc : chosen;
    *entry = chosen;
    return 0;
}

struct filchi_shard *filchi_submit_shard(filch_pool *pool)
{
    static _Thread_local char here; /* its address tells threads apart */
    return &pool->shards[((uintptr_t)&here >> 12) * 0x9E3779B9u >> 8 & (FILCHI_SHARDS - 1)];
}

static filch_future *accept_outside(filch_pool *pool, bool cold, filch_cq *cq, struct prepared *prepared, int *rc)
{
    struct filchi_shard *shard = filchi_submit_shard(pool);
    filch_future *future = NULL;
    *rc = -ESHUTDOWN;
    filchi_lock_take(&shard->lock);
    if (!is_closed(pool)) {
        future = alloc_task(&shard->slab, cold, cq, prepared);
        *rc = future ? 0 : -ENOMEM;
        shard->submitted += future != NULL;
    }
    filchi_lock_give(&shard->lock);
    return future;
}

/* It was not accepted after all. */
static void discard(filch_pool *pool, struct prepared *prepared)
{
    filchi_os_free(prepared->long_name);
    if (prepared->plan)
        filchi_plan_free(prepared->plan);
    if (prepared->entry == FILCHI_ENTRY_PLACE)
        filchi_capacity_leave(pool);
}

static int prepare(filch_pool *pool, filch_fn *fn, const filch_task_options *options, struct prepared *prepared)
{
    *prepared = (struct prepared) { .inside = filchi_worker_holder_of(pool) };
    int rc = prepared->inside ? 0 : enter_outside(pool, options->start_at_ns > 0, &prepared->entry);
    if (rc || options == &filchi_submit_plainly)
        return rc;
    rc = copy_long_name(options->name, &prepared->long_name);
    if (!rc && (options->start_at_ns || options->retry))
        rc = filchi_later_plan(pool, fn, options, &prepared->plan);
    if (rc)
        discard(pool, prepared);
    return rc;
}

/* It was accepted from outside, and counted: dealt with. */
static void give_up_outside(filch_pool *pool, const filch_future *future)
{
    if (future->stop & FILCHI_STOP_PLACE)
        filchi_capacity_leave(pool);
    filchi_worker_count_reaped(pool);
    filchi_worker_check_drained(pool);
}

/* It was accepted, and dropped before it got into a queue: counted, and dealt with. */
static void give_up(filch_pool *pool, const struct prepared *prepared, const filch_future *future)
{
    if (!prepared->inside) {
        give_up_outside(pool, future);
        return;
    }
    filchi_counter_add(&prepared->inside->worker->submitted, 1);
    filchi_counter_add(&prepared->inside->worker->finished, 1);
}

/* From a task: into its worker's deque, or as it asks into the queue of a lane or a level. */
static int push_inside(filch_pool *pool, struct filchi_worker *worker, filch_future *future, uintptr_t route)
{
    if (!route)
        return filchi_submit_push(worker, future);
    filchi_counter_add(&worker->submitted, 1);
    int rc = filchi_lane_submit(pool, future, route);
    if (rc)
        filchi_counter_add(&worker->finished, 1); /* counted as accepted and dealt with */
    return rc;
}

static int push_outside(filch_pool *pool, filch_future *future, uintptr_t route)
{
    return route ? filchi_lane_submit(pool, future, route) : filchi_inject_push(&pool->inject, future);
}

/* Into a queue. 0 or -ENOMEM. */
static int push(filch_pool *pool, const struct prepared *prepared, filch_future *future, uintptr_t route)
{
    int rc = prepared->inside ? push_inside(pool, prepared->inside->worker, future, route)
                              : push_outside(pool, future, route);
    if (rc && filchi_observer_drops(pool->origin))
        filchi_observe_drop(pool->origin, future, FILCH_CANCELLED, rc);
    if (rc && !prepared->inside)
        give_up_outside(pool, future);
    return rc;
}

static int publish(filch_pool *pool, const struct prepared *prepared, filch_future *future, bool of_group)
{
    uintptr_t route = filchi_future_route(future);
    if (prepared->entry == FILCHI_ENTRY_CALLER_RUNS) {
        filchi_worker_run_as_guest(pool, future);
        return 0;
    }
    int rc = push(pool, prepared, future, route);
    if (rc)
        return rc;
    if (of_group &&
        (route || !prepared->inside)) /* who waits for the group does not look there if it has not heard of it */
        filchi_handoff_notify_due(pool);
    else
        filchi_handoff_notify(pool);
    return 0;
}

/* Those who wait for the group's tasks look for them where such tasks wait. */
static void mark_from_outside(struct filchi_group *group)
{
    /* relaxed: the news of the task publish it. */
    if (!atomic_load_explicit(&group->from_outside, memory_order_relaxed))
        atomic_store_explicit(&group->from_outside, true, memory_order_relaxed);
}

/* Whether the task has what not all have. The stop of a scope, held as such, tells which one it is of: see hold_stop(). */
static bool needs_cold(const filch_task_options *options, const struct filchi_plan *plan,
                       const struct filchi_group *group)
{
    return options->name || options->arg_dtor || plan || options->lane || options->priority ||
           (group && options->stop != group->stop);
}

/* Puts together what was prepared. */
static void fill(filch_future *future, const filch_task_options *options, struct prepared *prepared,
                 const struct filchi_membership *membership, bool delayed)
{
    struct filchi_cold *cold = filchi_future_cold(future);
    if (cold) {
        if (options->name)
            filchi_cold_set_name(cold, options->name, prepared->long_name);
        filch_lane_ref(options->lane);
        cold->route = filchi_route_of(options->lane, options->priority);
        cold->arg_dtor = options->arg_dtor;
        cold->group = future->stop & FILCHI_STOP_GROUP ? NULL : membership->group;
    }
    if (prepared->plan)
        filchi_future_init_plan(future, prepared->plan, delayed);
    if (membership->group && !prepared->inside)
        mark_from_outside(membership->group);
    if (membership->waiter) {
        membership->waiter->subject = future;
        filchi_waitlist_add(&future->waiters, membership->waiter);
    }
}

static bool are_valid(const filch_pool *pool, const filch_task_options *options)
{
    return options->start_at_ns >= 0 && options->priority >= FILCH_LOW && options->priority <= FILCH_HIGH &&
           (!options->lane || options->lane->origin == pool->origin);
}

int filchi_submit(filch_pool *pool, filch_fn *fn, void *arg, const filch_task_options *options,
                  const struct filchi_membership *membership, filch_future **out)
{
    int rc = filchi_submit_refusal(pool, fn);
    if (rc || (options != &filchi_submit_plainly && !are_valid(pool, options)))
        return rc ? rc : -EINVAL;
    struct prepared prepared;
    rc = prepare(pool, fn, options, &prepared);
    if (rc)
        return rc;
    bool filled = options != &filchi_submit_plainly; /* a member of a group has options */
    bool delayed = options->start_at_ns > 0;
    unsigned weight = delayed ? 0 : filchi_observe_turn(pool);
    bool cold = weight || (filled && needs_cold(options, prepared.plan, membership->group));
    filch_future *future = prepared.inside ? accept_inside(cold, membership->cq, &prepared, &rc)
                                           : accept_outside(pool, cold, membership->cq, &prepared, &rc);
    if (!future) {
        discard(pool, &prepared);
        return rc;
    }
    filchi_future_init(future, fn, arg, membership->refs);
    future->stop = hold_stop(pool, options->stop, membership->group, prepared.plan) |
                   (prepared.entry == FILCHI_ENTRY_PLACE ? FILCHI_STOP_PLACE : 0) |
                   (membership->kept ? FILCHI_STOP_KEPT : 0);
    if (filled)
        fill(future, options, &prepared, membership, delayed);
    if (prepared.node)
        filchi_cq_attach(membership->cq, prepared.node, future, membership->tag);
    filchi_future_inherit_context(future);
    filch_future *handle = future; /* a task nobody holds may be gone once it is published */
    if (filchi_observe_on(pool, submit) && (rc = filchi_observe_submit(pool, future, weight))) {
        give_up(pool, &prepared, future);
    } else if (delayed) {
        if (prepared.inside) /* outside it is counted already */
            filchi_counter_add(&prepared.inside->worker->submitted, 1);
        filchi_later_enter(future, options->start_at_ns);
    } else {
        rc = publish(pool, &prepared, future, membership->group);
    }
    if (!rc) {
        if (out)
            *out = handle;
        return 0;
    }
    if (prepared.node)
        filchi_cq_node_abandon(prepared.node);
    filchi_future_abandon(future);
    return rc;
}

int filch_submit_with(filch_pool *pool, filch_fn *fn, void *arg, const filch_task_options *options,
                      filch_future **out)
{
    const struct filchi_membership none = { .refs = out ? 1 : 0 };
    filch_task_options chosen = FILCH_TASK_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options);
    return rc ? rc : filchi_submit(pool, fn, arg, &chosen, &none, out);
}

int filch_submit_at(filch_pool *pool, int64_t at_ns, filch_fn *fn, void *arg, filch_future **out)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.start_at_ns = at_ns;
    return filch_submit_with(pool, fn, arg, &options, out);
}

int filch_submit_after(filch_pool *pool, int64_t delay_ns, filch_fn *fn, void *arg, filch_future **out)
{
    int64_t now = filchi_os_now();
    if (delay_ns < 0 || delay_ns > INT64_MAX - now)
        return -EINVAL;
    return filch_submit_at(pool, now + delay_ns, fn, arg, out);
}

int filchi_submit_plain(filch_pool *pool, filch_fn *fn, void *arg, filch_future **out)
{
    const struct filchi_membership none = { .refs = out ? 1 : 0 };
    return filchi_submit(pool, fn, arg, &filchi_submit_plainly, &none, out);
}
