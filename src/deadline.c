/* SPDX-License-Identifier: MIT */
/*
 * Stops with a deadline. The timer of one is part of no pool's count: the stop may be dropped before its time,
 * and may outlive the pool whose timer thread would have requested it.
 *
 * Invariant: the timer thread may touch the stop until it has handled `drop`, which the last reference sends; so it
 * is the timer thread that frees the stop, unless it is gone.
 */
#include "stop.h"
#include "worker.h"

#include <errno.h>

/* Every so many that are dropped wake the timer thread: what the others leave behind is at most so much, times 256 bytes. */
#ifdef FILCH_TESTING
#define DROPPED_AT_ONCE 4u
#else
#define DROPPED_AT_ONCE 64u
#endif

struct deadline {
    filch_stop *stop;             /* constant */
    struct filchi_timers *timers; /* constant; a reference */
    struct filchi_timer timer;    /* timer thread */
    struct filchi_message enter, drop;
};

static void fire(struct filchi_timers *timers, struct filchi_timer *timer)
{
    filchi_timers_announce(timers); /* what the stop calls may take its time */
    filch_stop_request(filchi_container_of(timer, struct deadline, timer)->stop, -ETIMEDOUT);
}

static void on_enter(struct filchi_timers *timers, struct filchi_message *message)
{
    filchi_timer_arm(timers, &filchi_container_of(message, struct deadline, enter)->timer);
}

/* Returns the stop's parent, a reference to drop. */
static filch_stop *dispose(struct deadline *deadline)
{
    filch_stop *parent = filchi_stop_dispose(deadline->stop);
    filchi_timers_unref(deadline->timers);
    filchi_os_free(deadline);
    return parent;
}

static void on_drop(struct filchi_timers *timers, struct filchi_message *message)
{
    struct deadline *deadline = filchi_container_of(message, struct deadline, drop);
    filchi_timer_disarm(timers, &deadline->timer);
    filch_stop_unref(dispose(deadline));
}

/* The last reference is gone. */
static filch_stop *release(filch_stop *stop)
{
    struct deadline *deadline = stop->deadline;
    if (!filchi_origin_here(deadline->timers->origin))
        return NULL; /* a copy, whose timer thread is not there */
    /* It can wait until the thread looks by itself, at its time or before. Most are dropped in time, as by a scope for
     * each request of a server, and to wake a thread for each costs more than all the rest of it. */
    uint32_t n =
        atomic_fetch_add_explicit(&deadline->timers->dropped, 1, memory_order_relaxed); /* relaxed: a count. */
    int64_t when = n % DROPPED_AT_ONCE == DROPPED_AT_ONCE - 1 ? FILCHI_TIMERS_NOW : deadline->timer.due;
    return filchi_timers_try_post(deadline->timers, &deadline->drop, when) ? NULL : dispose(deadline);
}

int filch_stop_create_until(filch_stop **out, filch_stop *parent, filch_pool *pool, int64_t deadline_ns)
{
    if (!pool || deadline_ns < 0)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    int rc = filchi_timers_start(pool->timers, pool->handoff.name);
    if (rc)
        return rc;
    struct deadline *deadline = filchi_os_alloc(sizeof *deadline);
    if (!deadline)
        return -ENOMEM;
    rc = filch_stop_create(&deadline->stop, parent);
    if (rc) {
        filchi_os_free(deadline);
        return rc;
    }
    deadline->timers = filchi_timers_ref(pool->timers);
    deadline->timer.due = deadline_ns;
    deadline->timer.fire = fire;
    deadline->enter.handle = on_enter;
    deadline->drop.handle = on_drop;
    deadline->stop->deadline = deadline;
    deadline->stop->release = release;
    *out = deadline->stop;
    filchi_timers_post(deadline->timers, &deadline->enter, deadline_ns);
    return 0;
}
