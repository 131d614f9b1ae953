/* SPDX-License-Identifier: MIT */
/*
 * Tasks and their lanes, on a thread: places that the tasks on its stack have, and entries of the lanes' queues.
 *
 * Invariant: of the places that a thread's tasks are to have the innermost is held while any of them runs; a wait that
 * sleeps leaves all of them, and takes the innermost again before the task goes on.
 */
#ifndef FILCHI_LANE_PLACE_H
#define FILCHI_LANE_PLACE_H

#include "worker.h"

/* On the stack of who runs a task of a lane. */
struct filchi_lane_place {
    filch_lane *lane;
    struct filchi_lane_place *below;
    bool held;
};

/* T's own, as it begins to run a task in whose lane it has a place; and at the end, which leaves the place. */
void filchi_lane_place_begin(struct filchi_thread *thread, struct filchi_lane_place *place, filch_lane *lane);
void filchi_lane_place_end(struct filchi_thread *thread, const struct filchi_lane_place *place);

/* The calling thread, before it sleeps; and before its task goes on, which may wait. */
void filchi_lane_place_suspend(struct filchi_thread *thread);
void filchi_lane_place_resume(struct filchi_thread *thread);
/* Whether the thread, or what it is host to, has a place to leave. */
static inline bool filchi_lane_place_any(const struct filchi_thread *thread)
{
    while (thread && !thread->lane_places)
        thread = thread->host;
    return thread != NULL;
}

/* Who has accepted it: the task goes to its queue. 0 or -ENOMEM. */
int filchi_lane_submit(filch_pool *pool, filch_future *future, uintptr_t route);
/* The timer thread: the same for one whose time has come. */
int filchi_lane_come_back(filch_pool *pool, filch_future *future, uintptr_t route);
/* Who holds it and is about to wait for it. */
void filchi_lane_raise(filch_future *future);

/* T's own: a task from the lanes, to be run by filchi_worker_run_laned(); NULL: it is the turn of the pool's own queue, or
 * there is none. */
filch_future *filchi_lane_take_work(struct filchi_thread *thread, enum filchi_plain plain);
/* T's own: the same for a task of the group in a lane with a free place, out of its turn; NULL: there is none. */
filch_future *filchi_lane_take_member(struct filchi_thread *thread, const struct filchi_group *group);
/* Anyone: cancels everything that waits in lanes. */
void filchi_lane_reap(filch_pool *pool);
/* No thread is left: what is in the queues is of no use to anybody. */
void filchi_lane_close(filch_pool *pool);

#endif
