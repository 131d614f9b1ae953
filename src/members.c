/* SPDX-License-Identifier: MIT */
/* How a thread that waits for the tasks of a group finds one that has not started, and runs it: see members.h. */
#include "members.h"

#include "belongs.h"
#include "find.h"
#include "handoff.h"
#include "lane_place.h"
#include "observe.h"
#include "stopping.h"
#include "transition.h"

/* Most tasks of a stopped group that are dealt with between two looks at what is awaited. */
#define STOPPED_AT_ONCE 256

/* Whether a queue entry that this thread has taken is of the group; else it goes into the own deque. Without memory
 * for that it passes as one: run out of turn is better than lost. */
static bool is_member(struct filchi_thread *thread, filch_future *future, const struct filchi_group *group)
{
    if (filchi_future_is_of(future, group))
        return true;
    /* Before another can take it from there, give the place up again, and free it. */
    if (future->stop & FILCHI_STOP_PLACE && thread->due)
        filchi_capacity_retake(thread->pool);
    thread->due = false;
    return filchi_deque_push(&thread->worker->deque, future) != 0;
}

/* The group's tasks from outside lie between those of others, which move over to where the newest goes first: they are
 * looked for only if there are any. */
static filch_future *take_of_others(struct filchi_thread *thread, const struct filchi_group *group)
{
    /* relaxed: by J1, as a look that missed it is followed by another. */
    bool outside = atomic_load_explicit(&group->from_outside, memory_order_relaxed);
    return outside ? filchi_find_others(thread) : filchi_find_sub_task(thread);
}

/* Looks at every entry of every queue that may have one once. */
static filch_future *search_member(struct filchi_thread *thread, const struct filchi_group *group)
{
    struct filchi_deque *own = &thread->worker->deque;
    void *item;
    for (int64_t left = filchi_deque_size(own); left > 0; left--)
        if (filchi_deque_steal(own, &item) == FILCHI_DEQUE_TOOK && is_member(thread, item, group))
            return item;
    for (uint64_t left = filchi_worker_unfinished(thread->pool); left > 0; left--) {
        item = take_of_others(thread, group);
        if (!item || is_member(thread, item, group))
            return item;
    }
    return NULL;
}

/* The newest in the own deque. If it is another's it was out of sight for a moment, which counts as news. */
static filch_future *take_newest_member(struct filchi_thread *thread, const struct filchi_group *group)
{
    filch_future *future = filchi_deque_pop(&thread->worker->deque);
    if (!future || is_member(thread, future, group))
        return future;
    filchi_handoff_notify_due(thread->pool);
    return NULL;
}

/*
 * The last resort of a thread that nobody can take over from. What one has in its hands no other finds: so threads that
 * search wait for each other, and those that looked for work before they slept meanwhile are told.
 */
static filch_future *take_any_member(struct filchi_thread *thread, const struct filchi_group *group)
{
    filch_pool *pool = thread->pool;
    pthread_mutex_lock(&pool->handoff.search_lock);
    filch_future *future = filchi_deque_pop(&thread->worker->deque);
    bool at_once = future && is_member(thread, future, group);
    if (!at_once)
        future = search_member(thread, group);
    pthread_mutex_unlock(&pool->handoff.search_lock);
    if (!at_once)
        filchi_handoff_notify(pool);
    return future;
}

/* Deals with a queue entry of a group that is stopped. */
static void stop_entry(struct filchi_thread *thread, filch_future *future)
{
    filchi_worker_give_up_place(thread, future);
    if (filchi_future_claim(future) == FILCHI_CLAIM_GOT) {
        /* Its own stop may descend from the group's, and is reached a moment later. */
        for (unsigned spins = 0; !filchi_stop_peek(filchi_future_stop(future)); spins++)
            filchi_os_relax(spins);
        filchi_stopping_end(thread, future);
    }
    filchi_counter_add(&thread->worker->finished, 1);
}

/* Once one was stopped instead of run, its neighbours will be: in one go, so that the group hears of them together. */
static void stop_more(struct filchi_thread *thread, const struct filchi_group *group)
{
    filch_future *future;
    for (int left = STOPPED_AT_ONCE; thread->stopping && left > 0; left--) {
        if (!(future = take_newest_member(thread, group)))
            return;
        filchi_counter_add(&thread->worker->in_place, 1);
        filchi_worker_run_entry(thread, future, false);
    }
}

/* One that waits in a lane, from wherever it is in there. */
static bool run_in_lane(struct filchi_thread *thread, const struct filchi_group *group)
{
    filch_future *future = filchi_lane_take_member(thread, group);
    if (!future)
        return false;
    filchi_counter_add(&thread->worker->in_place, 1);
    filchi_worker_run_laned(thread, future);
    filchi_stopping_tell(thread);
    return true;
}

bool filchi_worker_run_member(struct filchi_thread *thread, const struct filchi_group *group,
                              enum filchi_members which)
{
    bool newest = which == FILCHI_MEMBERS_NEWEST;
    thread->robbed = 0;
    filch_future *future = newest ? take_newest_member(thread, group) : take_any_member(thread, group);
    if (!future)
        return which == FILCHI_MEMBERS_ANY && run_in_lane(thread, group);
    filchi_counter_add(&thread->worker->in_place, 1);
    filchi_observe_stolen(thread, future);
    if (which == FILCHI_MEMBERS_STOPPED && filchi_future_is_of(future, group))
        stop_entry(thread, future);
    else
        filchi_worker_run_entry(thread, future, false);
    if (newest)
        stop_more(thread, group);
    filchi_stopping_tell(thread);
    return true;
}
