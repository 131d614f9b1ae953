/* SPDX-License-Identifier: MIT */
/* How many tasks from outside may wait to be started: see capacity.h. */
#include "capacity.h"

#include "await.h"

#include <errno.h>

/* Who waits for a place; on its stack. */
struct filchi_ticket {
    struct filchi_parker parker; /* signalled once it is out of the list */
    /* Under the lock. */
    struct filchi_ticket *next;
    bool waiting; /* in the list */
    int rc;       /* once it is not: 0 has a place */
};

void filchi_capacity_init(struct filchi_capacity *capacity, size_t limit, filch_overflow overflow)
{
    capacity->limit = limit;
    capacity->overflow = overflow;
    capacity->last = &capacity->first;
    pthread_mutex_init(&capacity->lock, NULL);
}

void filchi_capacity_fini(struct filchi_capacity *capacity)
{
    pthread_mutex_destroy(&capacity->lock);
}

/* ---- The list; under the lock ---- */

static void append(struct filchi_capacity *capacity, struct filchi_ticket *ticket)
{
    ticket->waiting = true;
    *capacity->last = ticket;
    capacity->last = &ticket->next;
}

static void unlink_at(struct filchi_capacity *capacity, struct filchi_ticket **at)
{
    struct filchi_ticket *ticket = *at;
    *at = ticket->next;
    if (!*at)
        capacity->last = at;
    ticket->waiting = false;
}

static void serve_first(struct filchi_capacity *capacity, int rc)
{
    struct filchi_ticket *ticket = capacity->first;
    unlink_at(capacity, &capacity->first);
    ticket->rc = rc;
    filchi_parker_signal(&ticket->parker);
}

/* Its owner gives up waiting; false: it was served before. */
static bool withdraw(struct filchi_capacity *capacity, struct filchi_ticket *ticket)
{
    if (!ticket->waiting)
        return false;
    struct filchi_ticket **at = &capacity->first;
    while (*at != ticket)
        at = &(*at)->next;
    unlink_at(capacity, at);
    return true;
}

/* ---- Places ---- */

static bool was_served(struct filchi_capacity *capacity, const struct filchi_ticket *ticket)
{
    pthread_mutex_lock(&capacity->lock);
    bool served = !ticket->waiting;
    pthread_mutex_unlock(&capacity->lock);
    return served;
}

/* The ticket is in the list. */
static int await_place(struct filchi_capacity *capacity, struct filchi_ticket *ticket)
{
    struct filchi_await await;
    int rc = 0;
    filchi_await_begin(&await, &ticket->parker, FILCHI_NEVER, true);
    for (;;) {
        uint32_t seen = filchi_parker_count(&ticket->parker);
        if (was_served(capacity, ticket) || (rc = filchi_await_pause(&await, seen, false)))
            break;
    }
    uint32_t due = filchi_await_end(&await);
    pthread_mutex_lock(&capacity->lock);
    if (!withdraw(capacity, ticket)) { /* in time, whatever else ended the wait */
        rc = ticket->rc;
        due++;
    }
    pthread_mutex_unlock(&capacity->lock);
    filchi_parker_settle(&ticket->parker, due);
    return rc;
}

int filchi_capacity_enter(filch_pool *pool)
{
    struct filchi_capacity *capacity = &pool->capacity;
    if (filchi_worker_inside(pool))
        return FILCHI_ENTRY_FREE;
    struct filchi_ticket ticket = { .rc = 0 };
    filchi_parker_init(&ticket.parker);
    int rc = FILCHI_ENTRY_PLACE;
    pthread_mutex_lock(&capacity->lock);
    if (capacity->taken < capacity->limit)
        capacity->taken++;
    else if (capacity->overflow == FILCH_REJECT)
        rc = -ENOBUFS;
    else if (capacity->overflow == FILCH_CALLER_RUNS)
        rc = FILCHI_ENTRY_CALLER_RUNS;
    /* relaxed: the lock, which filchi_capacity_close() takes after the pool was closed. */
    else if (atomic_load_explicit(&pool->closing, memory_order_relaxed))
        rc = -ESHUTDOWN;
    else
        append(capacity, &ticket);
    bool waits = ticket.waiting;
    pthread_mutex_unlock(&capacity->lock);
    if (waits && (rc = await_place(capacity, &ticket)) == 0)
        rc = FILCHI_ENTRY_PLACE;
    return rc;
}

void filchi_capacity_retake(filch_pool *pool)
{
    struct filchi_capacity *capacity = &pool->capacity;
    pthread_mutex_lock(&capacity->lock);
    capacity->taken++;
    pthread_mutex_unlock(&capacity->lock);
}

void filchi_capacity_leave(filch_pool *pool)
{
    struct filchi_capacity *capacity = &pool->capacity;
    pthread_mutex_lock(&capacity->lock);
    if (capacity->first && capacity->taken <= capacity->limit)
        serve_first(capacity, 0); /* it gets this place */
    else
        capacity->taken--;
    pthread_mutex_unlock(&capacity->lock);
}

void filchi_capacity_close(filch_pool *pool)
{
    struct filchi_capacity *capacity = &pool->capacity;
    pthread_mutex_lock(&capacity->lock);
    while (capacity->first)
        serve_first(capacity, -ESHUTDOWN);
    pthread_mutex_unlock(&capacity->lock);
}
