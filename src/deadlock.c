/* SPDX-License-Identifier: MIT */
/*
 * Waits that can never end: see deadlock.h. From a thread that is about to block we follow what it awaits to the
 * threads that run it, and so on: those that are blocked without a deadline are *reached*, and held for stuck
 * until one is found that is not, because something it awaits has not started, is final, or runs on a thread
 * that is not stuck.
 *
 * Invariant: all of it happens under handoff's lock, where a blocked thread stays blocked. So its `awaited`, and
 * the futures in there, which the waiting task holds, may be read, and the tasks on its stack; nothing else is.
 *
 * It is enough to look when a thread blocks: nothing else adds the last edge of a cycle. A thread that was
 * signalled counts as able to move, and looks again should it go back to sleep.
 */
#include "deadlock.h"

#include "belongs.h"
#include "places.h"

struct look {
    struct filchi_thread *self;
    uint64_t number;            /* tells who was reached in this look */
    struct filchi_thread *todo; /* reached, not yet examined; linked by next_reached, as the next */
    struct filchi_thread *done; /* examined, the last one first */
};

static void reach(struct look *look, struct filchi_thread *thread)
{
    if (thread->look == look->number)
        return;
    thread->look = look->number;
    thread->stuck = true;
    thread->next_reached = look->todo;
    look->todo = thread;
}

static bool is_signalled(const struct filchi_thread *thread)
{
    return filchi_parker_count(thread->sleeping_on) != thread->seen;
}

/* The blocked thread that the future needs to become final. NULL: none, or one that can move. */
static struct filchi_thread *needed_by(const struct look *look, const filch_future *future)
{
    if (filchi_future_state(future) != FILCH_RUNNING || filchi_slab_home_of(future) != look->self->pool->home)
        return NULL;
    struct filchi_thread *thread = filchi_future_thread(future);
    if (!thread || thread == look->self)
        return thread;
    if (thread->place != FILCHI_BLOCKED || thread->awaited.timed || is_signalled(thread))
        return NULL;
    return thread;
}

/* Whether the future may become final, for all that is known; the thread that it needs is reached. */
static bool can_finish(struct look *look, const filch_future *future)
{
    struct filchi_thread *thread = needed_by(look, future);
    if (thread)
        reach(look, thread);
    return !thread || !thread->stuck;
}

/* Any of those that were not delivered. We begin with the one that was found the last time: mostly it still is
 * the answer, and what was delivered meanwhile is not walked over again and again. */
static bool any_can_finish(struct look *look, struct filchi_awaited *awaited)
{
    for (size_t i = 0; i < awaited->n; i++) {
        const filch_future *future = awaited->nodes[*awaited->hint].subject;
        if (future && can_finish(look, future))
            return true;
        *awaited->hint = (*awaited->hint + 1) % awaited->n;
    }
    return false;
}

/* Whether none of the group's tasks on this thread's stack keeps the group from its end. */
static bool tasks_can_finish(struct look *look, const struct filchi_thread *thread,
                             const struct filchi_group *group)
{
    bool can = true;
    for (const struct filchi_frame *frame = thread->frame; frame; frame = frame->below)
        if (!frame->forked && filchi_future_is_of(frame->task, group))
            can &= can_finish(look, frame->task);
    return can;
}

/* All of them: those that run on threads that are not blocked, or have not started, are no hindrance. */
static bool all_can_finish(struct look *look, const struct filchi_group *group)
{
    bool can = tasks_can_finish(look, look->self, group);
    const struct filchi_thread *thread = look->self->pool->handoff.blocked.first;
    for (; thread; thread = thread->next)
        can &= tasks_can_finish(look, thread, group);
    return can;
}

/* Counts the group's tasks on this thread's stack; false if none can finish. */
static bool any_task_can_finish(struct look *look, const struct filchi_thread *thread,
                                const struct filchi_group *group, size_t *n)
{
    for (const struct filchi_frame *frame = thread->frame; frame; frame = frame->below) {
        if (frame->forked || !filchi_future_is_of(frame->task, group)) /* a task is counted where it began */
            continue;
        if (can_finish(look, frame->task))
            return true;
        ++*n;
    }
    return false;
}

/* Any that was not delivered: unless all of those are on stacks of stuck threads. */
static bool any_member_can_finish(struct look *look, const struct filchi_group *group)
{
    size_t stuck = 0;
    if (any_task_can_finish(look, look->self, group, &stuck))
        return true;
    const struct filchi_thread *thread = look->self->pool->handoff.blocked.first;
    for (; thread; thread = thread->next) /* we are among them if we go back to sleep: counted once */
        if (thread != look->self && any_task_can_finish(look, thread, group, &stuck))
            return true;
    return stuck < group->undelivered(group);
}

static bool can_move(struct look *look, struct filchi_thread *thread)
{
    switch (thread->awaited.kind) {
    case FILCHI_AWAITED_FUTURE:
        return can_finish(look, thread->awaited.future);
    case FILCHI_AWAITED_ANY:
        return any_can_finish(look, &thread->awaited);
    case FILCHI_AWAITED_GROUP:
        return all_can_finish(look, thread->awaited.group);
    case FILCHI_AWAITED_MEMBER:
        return any_member_can_finish(look, thread->awaited.group);
    case FILCHI_AWAITED_OTHER:
        break;
    }
    return true;
}

/* Follows all awaits from the thread on. */
static void examine(struct look *look)
{
    reach(look, look->self);
    while (look->todo && look->self->stuck) {
        struct filchi_thread *thread = look->todo;
        look->todo = thread->next_reached;
        thread->next_reached = look->done;
        look->done = thread;
        thread->stuck = !can_move(look, thread);
    }
}

/* Frees those who wait for somebody that turned out to be able to move, until nothing changes. */
static void prune(struct look *look)
{
    bool changed = true;
    while (changed && look->self->stuck) {
        changed = false;
        for (struct filchi_thread *thread = look->done; thread; thread = thread->next_reached) {
            if (thread->stuck && can_move(look, thread)) {
                thread->stuck = false;
                changed = true;
            }
        }
    }
}

/* Ends the wait of another one: of the last examined, whose await led back. */
static void fail_another(const struct look *look)
{
    struct filchi_thread *thread = look->done;
    while (thread && (!thread->stuck || thread->awaited.firm))
        thread = thread->next_reached;
    if (!thread)
        return;
    thread->deadlocked = true;
    thread->pokable = thread->stalled = false;
    filchi_place_signal_blocked(thread);
}

bool filchi_deadlock_closed(struct filchi_thread *thread)
{
    if (thread->awaited.timed || is_signalled(thread))
        return false;
    struct look look = { .self = thread, .number = ++thread->pool->handoff.looks };
    examine(&look);
    prune(&look);
    if (!thread->stuck)
        return false;
    if (!thread->awaited.firm)
        return true;
    fail_another(&look);
    return false;
}
