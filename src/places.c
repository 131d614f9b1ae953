/* SPDX-License-Identifier: MIT */
/* In which list a thread or a worker is: see places.h. */
#include "places.h"

/* ---- Threads ---- */

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
    case FILCHI_OUTSIDE:
        return &handoff->outside;
    case FILCHI_NOWHERE:
        break;
    }
    return NULL;
}

void filchi_place_count_wanted(struct filchi_handoff *handoff)
{
    /* relaxed: see filchi_handoff_must_yield(). */
    atomic_store_explicit(&handoff->wanted, handoff->resumable.n + filchi_place_surplus(handoff),
                          memory_order_relaxed);
}

void filchi_place_enter(struct filchi_handoff *handoff, struct filchi_thread *thread, enum filchi_place place)
{
    struct filchi_thread_list *list = list_of(handoff, place);
    thread->place = place;
    thread->previous = list->last;
    thread->next = NULL;
    *(list->last ? &list->last->next : &list->first) = thread;
    list->last = thread;
    list->n++;
    filchi_place_count_wanted(handoff);
}

void filchi_place_leave(struct filchi_handoff *handoff, struct filchi_thread *thread)
{
    struct filchi_thread_list *list = list_of(handoff, thread->place);
    if (!list)
        return;
    *(thread->previous ? &thread->previous->next : &list->first) = thread->next;
    *(thread->next ? &thread->next->previous : &list->last) = thread->previous;
    list->n--;
    thread->place = FILCHI_NOWHERE;
    filchi_place_count_wanted(handoff);
}

/* ---- Workers ---- */

struct filchi_worker *filchi_place_pop_idle(filch_pool *pool, bool search)
{
    struct filchi_worker *worker = pool->handoff.idle;
    pool->handoff.idle = worker->next_idle;
    atomic_store_explicit(&worker->idle, false, memory_order_relaxed); /* relaxed: to look at. */
    filchi_idle_take(&pool->idle, search);
    return worker;
}

void filchi_place_push_idle(filch_pool *pool, struct filchi_worker *worker, bool searched)
{
    worker->next_idle = pool->handoff.idle;
    pool->handoff.idle = worker;
    atomic_store_explicit(&worker->idle, true, memory_order_relaxed); /* relaxed: as above. */
    filchi_idle_add(&pool->idle, searched);
}

void filchi_place_retire(filch_pool *pool, struct filchi_worker *worker)
{
    struct filchi_handoff *handoff = &pool->handoff;
    atomic_store_explicit(&worker->retired, true, memory_order_relaxed); /* relaxed: a hint for thieves. */
    worker->next_idle = handoff->retired;
    handoff->retired = worker;
    handoff->circulating--;
    filchi_place_count_wanted(handoff);
}

struct filchi_thread *filchi_place_circulate(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_worker *worker = handoff->retired;
    handoff->retired = worker->next_idle;
    handoff->circulating++;
    atomic_store_explicit(&worker->retired, false, memory_order_relaxed); /* relaxed: as above. */
    return filchi_place_put(pool, worker, false);
}

void filchi_place_give(struct filchi_handoff *handoff, struct filchi_thread *thread, struct filchi_worker *worker,
                       bool search)
{
    filchi_place_leave(handoff, thread);
    thread->worker = worker;
    thread->searching = search;
}

struct filchi_thread *filchi_place_put(filch_pool *pool, struct filchi_worker *worker, bool searched)
{
    struct filchi_thread *next = pool->handoff.resumable.first;
    if (filchi_place_surplus(&pool->handoff)) {
        filchi_place_retire(pool, worker);
        if (searched)
            filchi_idle_leave(&pool->idle);
        return NULL;
    }
    if (next)
        filchi_place_give(&pool->handoff, next, worker, searched);
    else
        filchi_place_push_idle(pool, worker, searched);
    return next;
}

struct filchi_thread *filchi_place_release(struct filchi_thread *thread)
{
    bool searched = thread->searching;
    struct filchi_worker *worker = thread->worker;
    thread->worker = NULL;
    thread->searching = false;
    filchi_slab_here = NULL;
    filchi_slab_flush(&worker->slab);
    return filchi_place_put(thread->pool, worker, searched);
}
