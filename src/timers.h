/* SPDX-License-Identifier: MIT */
/*
 * Timers: one thread of each pool that used one, which sleeps until the first is due. Everybody else sends it
 * messages; the heap is its own, so there is no lock, and a message may be sent from a signal handler.
 * docs/decisions/0005-timer-thread.md tells why it is a thread and not an idle worker.
 *
 *     sender                                 timer thread about to sleep
 *     P4  push the message                   S4  write down until when it sleeps
 *     P5  store-load fence                   S5  store-load fence
 *     P6  does it sleep longer than the      S6  look for messages once more
 *         message can wait? wake it
 *
 * By the fences either P6 sees S4, or S6 sees P4.
 *
 * Tasks that became due go into a deque that the timer thread owns and every worker steals from, oldest first:
 * unlike the inject queue it may hold a task twice (docs/design/lifetime.md).
 */
#ifndef FILCHI_TIMERS_H
#define FILCHI_TIMERS_H

#include "blocks.h"
#include "deque.h"
#include "mpsc.h"
#include "origin.h"
#include "parker.h"
#include "readers.h"

#include <filch/filch.h>

struct filchi_timers;

/* What a task that starts later takes besides, bytes: see plan.h. */
#define FILCHI_TIMERS_PLAN ((size_t)3 * FILCHI_LINE)

/* What the timer thread calls once, when it has come; it touches the node no more. */
struct filchi_message {
    struct filchi_mpsc_node link;
    void (*handle)(struct filchi_timers *timers, struct filchi_message *message);
};

/* All of it is the timer thread's. */
struct filchi_timer {
    struct filchi_timer *child, *next, *previous; /* pairing heap; previous: the left sibling, or the parent */
    int64_t due;                                  /* ns */
    void (*fire)(struct filchi_timers *timers, struct filchi_timer *timer);
    bool armed; /* it is in the heap */
};

struct filchi_timers {
    struct filchi_mpsc messages;  /* anyone */
    _Atomic int64_t sleeps_until; /* timer thread: FILCHI_TIMERS_AWAKE, or when it will look by itself */
    struct filchi_parker parker;  /* anyone signals */
    struct filchi_deque due;      /* timer thread pushes, workers steal */
    /* The timer thread's, for each timer. */
    _Alignas(FILCHI_LINE) struct filchi_timer *heap; /* the first due is the root */
    _Atomic size_t n;                                /* timers in the heap; others look at the number */
    int64_t now;                                     /* the clock, when it last looked */
    int64_t drop_stale_at;                           /* not before then, should `due` be full */
    unsigned n_ready;                                /* tasks that became ready in this round of its loop */
    void (*announce)(struct filchi_timers *timers);  /* those after the first; constant once there are any */
    bool ending;
    /* Who makes a task wait, and the timer thread. */
    _Alignas(FILCHI_LINE) _Atomic size_t waiting; /* tasks that wait for their time */
    _Atomic uint32_t refs;                        /* the pool, and who may send a message after it is gone */
    _Atomic uint32_t dropped;                     /* stops with a deadline; who drops one */
    _Alignas(FILCHI_LINE) filch_pool *pool;       /* constant; valid for the timer thread */
    struct filchi_origin *origin;                 /* constant; a reference */
    struct filchi_blocks plans;                   /* anyone: memory for the tasks that wait */
    const struct filchi_readers *thieves;         /* constant; of `due`; valid as `pool` */
    pthread_mutex_t lock;                         /* of the start */
    bool started, ended;                          /* under the lock; ended: the thread handles messages no more */
    _Atomic bool ready;                           /* started, for a look without the lock */
    pthread_t thread;
};

/* A pool's timers, without a thread so far. The caller owns a reference. NULL without memory. */
struct filchi_timers *filchi_timers_create(filch_pool *pool, struct filchi_origin *origin,
                                           const struct filchi_readers *thieves);
struct filchi_timers *filchi_timers_ref(struct filchi_timers *timers);
void filchi_timers_unref(struct filchi_timers *timers);

/* Anyone, before the first message: starts the thread if there is none. 0, or -EAGAIN. */
int filchi_timers_start(struct filchi_timers *timers, const char *name);
/* Anyone: whether that was done. If not, whoever does it later sees what the caller did before. */
bool filchi_timers_started(struct filchi_timers *timers);
/* Outside of the pool's threads, when no task waits any more: ends and joins the thread. No timer fires after. */
void filchi_timers_end(struct filchi_timers *timers);

/*
 * Anyone, async-signal-safe. The message is handled at `when` at the latest (FILCHI_TIMERS_NOW: at once), if
 * nothing wakes the thread before.
 */
void filchi_timers_post(struct filchi_timers *timers, struct filchi_message *message, int64_t when);
/* Anyone who may come after the pool's end: the same; false: the thread is gone, do it yourself. */
bool filchi_timers_try_post(struct filchi_timers *timers, struct filchi_message *message, int64_t when);
#define FILCHI_TIMERS_NOW INT64_C(0)
#define FILCHI_TIMERS_AWAKE INT64_MIN

/* The rest: the timer thread only. Puts it into the heap, to fire no earlier than timer->due. */
void filchi_timer_arm(struct filchi_timers *timers, struct filchi_timer *timer);
/* Takes it out, if it is in. */
void filchi_timer_disarm(struct filchi_timers *timers, struct filchi_timer *timer);
/* Whether it would be the next to fire, and is due as far as the thread knows: it need not be armed for that. */
bool filchi_timer_is_next(const struct filchi_timers *timers, const struct filchi_timer *timer);
/* Before anything that may take its time, as what users call: others hear of the tasks made ready so far. */
void filchi_timers_announce(struct filchi_timers *timers);
/* The first due, or NULL. */
struct filchi_timer *filchi_timers_first(const struct filchi_timers *timers);

/* Whether there is a thread. */
static inline bool filchi_timers_running(const struct filchi_timers *timers)
{
    /* acquire Y2: pairs with release Y2 in filchi_timers_start(); what who started it knew of the pool's end. */
    return atomic_load_explicit(&timers->ready, memory_order_acquire);
}

/* The timers whose thread is running, or NULL. */
extern _Thread_local struct filchi_timers *filchi_timers_here;

#endif
