/* SPDX-License-Identifier: MIT */
/* Tasks and their lanes, on a thread: see lane_place.h. */
#include "lane_place.h"

#include "await.h"
#include "belongs.h"
#include "handoff.h"
#include "transition.h"

static struct filchi_lanes *lanes_of(const filch_pool *pool)
{
    return &pool->origin->lanes;
}

/* ---- Places ---- */

void filchi_lane_place_begin(struct filchi_thread *thread, struct filchi_lane_place *place, filch_lane *lane)
{
    *place = (struct filchi_lane_place) { .lane = lane, .below = thread->lane_places, .held = true };
    thread->lane_places = place;
}

static void leave(const filch_pool *pool, filch_lane *lane)
{
    if (filchi_lane_leave(lane))
        filchi_handoff_notify_due((filch_pool *)(uintptr_t)pool); /* a thread that found it full may look again */
}

void filchi_lane_place_end(struct filchi_thread *thread, const struct filchi_lane_place *place)
{
    thread->lane_places = place->below;
    leave(thread->pool, place->lane);
}

void filchi_lane_place_suspend(struct filchi_thread *thread)
{
    for (; thread; thread = thread->host) {
        struct filchi_lane_place *place = thread->lane_places;
        for (; place && place->held; place = place->below) { /* below one that is not held none is */
            place->held = false;
            leave(thread->pool, place->lane);
        }
    }
}

/* Sleeps, without a worker, until the ticket has a place. The wait leaves no place, and nothing ends it before. */
static void await_place(filch_lane *lane, struct filchi_lane_ticket *ticket)
{
    struct filchi_await await;
    filchi_await_begin(&await, &ticket->parker, FILCHI_NEVER, false);
    await.laned = false;
    for (;;) {
        uint32_t seen = filchi_parker_count(&ticket->parker);
        if (filchi_lane_was_served(lane, ticket))
            break;
        filchi_await_pause(&await, seen, false);
    }
    filchi_parker_settle(&ticket->parker, filchi_await_end(&await) + 1);
}

void filchi_lane_place_resume(struct filchi_thread *thread)
{
    while (thread && !thread->lane_places) /* a guest's host goes on later */
        thread = thread->host;
    struct filchi_lane_place *place = thread ? thread->lane_places : NULL;
    if (!place || place->held)
        return;
    struct filchi_lane_ticket ticket;
    filchi_parker_init(&ticket.parker);
    if (!filchi_lane_enter(place->lane, &ticket)) {
        filchi_lane_place_suspend(thread->host); /* a guest's, which may have what the place is waited for */
        await_place(place->lane, &ticket);
    }
    place->held = true;
}

/* ---- Entries ---- */

/* relaxed: nothing else is read on the strength of it. */
static bool is_raised(const filch_future *future)
{
    return atomic_load_explicit(&future->flags, memory_order_relaxed) & FILCHI_RAISED;
}

/* True: it was not. */
static bool set_raised(filch_future *future)
{
    /* relaxed: one that becomes due meanwhile is raised by this or by the other. */
    return !(atomic_fetch_or_explicit(&future->flags, FILCHI_RAISED, memory_order_relaxed) & FILCHI_RAISED);
}

int filchi_lane_submit(filch_pool *pool, filch_future *future, uintptr_t route)
{
    uintptr_t entry = (uintptr_t)future | (future->stop & FILCHI_STOP_PLACE ? 0 : FILCHI_ENTRY_NO_PLACE);
    return filchi_lane_push(lanes_of(pool), filchi_route_lane(route), filchi_route_level(route), entry);
}

int filchi_lane_come_back(filch_pool *pool, filch_future *future, uintptr_t route)
{
    enum filchi_level level = is_raised(future) ? FILCHI_LEVEL_HIGH : filchi_route_level(route);
    return filchi_lane_push(lanes_of(pool), filchi_route_lane(route), level,
                            (uintptr_t)future | FILCHI_ENTRY_NO_PLACE);
}

/* Whether there is something to go before: else it would only leave an entry behind for which somebody would be woken. */
static bool is_crowded(const filch_pool *pool)
{
    uint64_t n = filchi_inject_count(&pool->inject);
    for (unsigned i = 0, made = filchi_pool_made(pool); i < made && n <= 1; i++) {
        const struct filchi_worker *worker = filchi_pool_worker(pool, i);
        n += filchi_deque_count(&worker->deque) + filchi_batch_count(&worker->batch);
    }
    return n > 1;
}

void filchi_lane_raise(filch_future *future)
{
    unsigned state = filchi_waitlist_peek(&future->waiters);
    if ((state != FILCH_PENDING && state != FILCH_RETRY_WAIT) || is_raised(future))
        return;
    uintptr_t route = filchi_future_route(future);
    if (filchi_route_level(route) == FILCHI_LEVEL_HIGH)
        return;
    if (state == FILCH_RETRY_WAIT) {
        set_raised(future);
        return;
    }
    if (!set_raised(future))
        return;               /* somebody else is about to */
    filch_future_ref(future); /* for the entry: whichever is found when the task has begun has it */
    struct filchi_origin *origin = filchi_slab_user_of(future); /* of its pool, which may be gone already */
    uintptr_t entry = (uintptr_t)future | FILCHI_ENTRY_NO_PLACE | FILCHI_ENTRY_EXTRA;
    if (!filchi_lane_push_extra(&origin->lanes, filchi_route_lane(route), entry, is_crowded))
        filch_future_unref(future);
}

static filch_future *future_of(uintptr_t entry)
{
    return (filch_future *)(entry & ~FILCHI_ENTRY_FLAGS);
}

/* Whether it is of no use any more: then it is dropped, and the place left. */
static bool drop_stale(const filch_pool *pool, const struct filchi_lane_taken *taken)
{
    filch_future *future = future_of(taken->entry);
    if (!(taken->entry & FILCHI_ENTRY_EXTRA) || filchi_waitlist_peek(&future->waiters) == FILCH_PENDING)
        return false;
    if (taken->lane)
        leave(pool, taken->lane);
    filch_future_unref(future);
    return true;
}

/* How it is to be run. */
static filch_future *note_taken(struct filchi_thread *thread, const struct filchi_lane_taken *taken)
{
    thread->outside = true;
    thread->due = taken->entry & FILCHI_ENTRY_NO_PLACE;
    thread->laned = true;
    thread->lane = taken->lane;
    thread->extra = taken->entry & FILCHI_ENTRY_EXTRA;
    if (thread->extra) /* its other entry may be dropped while it runs */
        filchi_counter_add(&thread->worker->raised, 1);
    return future_of(taken->entry);
}

filch_future *filchi_lane_take_work(struct filchi_thread *thread, enum filchi_plain plain)
{
    struct filchi_lane_taken taken;
    do
        if (filchi_lanes_take(lanes_of(thread->pool), plain, &taken))
            return NULL;
    while (drop_stale(thread->pool, &taken));
    return note_taken(thread, &taken);
}

/* Under the lock of the lanes: the entry keeps the task. */
static int is_member(uintptr_t entry, void *arg)
{
    const filch_future *future = future_of(entry);
    return filchi_waitlist_peek(&future->waiters) == FILCH_PENDING && filchi_future_is_of(future, arg);
}

filch_future *filchi_lane_take_member(struct filchi_thread *thread, const struct filchi_group *group)
{
    struct filchi_lanes *lanes = lanes_of(thread->pool);
    struct filchi_lane_taken taken;
    /* The entry is taken too: who finds a task that nobody holds has no other right to it. */
    if (!filchi_lanes_hint(lanes) || !filchi_lanes_pick(lanes, is_member, (void *)(uintptr_t)group, &taken))
        return NULL;
    return note_taken(thread, &taken);
}

/* ---- The end ---- */

void filchi_lane_reap(filch_pool *pool)
{
    uintptr_t entry;
    while ((entry = filchi_lanes_drain(lanes_of(pool)))) {
        if (!(entry & FILCHI_ENTRY_NO_PLACE))
            filchi_capacity_leave(pool);
        filchi_future_cancel_entry(future_of(entry));
        if (!(entry & FILCHI_ENTRY_EXTRA)) /* which is counted only as a worker takes it */
            filchi_worker_count_reaped(pool);
    }
}

void filchi_lane_close(filch_pool *pool)
{
    filchi_lanes_close(lanes_of(pool));
    uintptr_t entry; /* of tasks that are final: others were dealt with */
    while ((entry = filchi_lanes_drain(lanes_of(pool))))
        filch_future_unref(future_of(entry));
}
