/* SPDX-License-Identifier: MIT */
/*
 * Waiting: one frame for every kind. The caller looks for what it waits for, tries to run it in place, and else
 * pauses; the pause hands the worker over, heeds stop, interrupt and deadline, and returns to look again.
 *
 *     filchi_await_begin(&await, &parker, deadline, true);
 *     for (;;) {
 *         uint32_t seen = filchi_parker_count(&parker);
 *         if (it is there)
 *             break;
 *         enum filchi_await_run run = filchi_await_run(&await, future, false);
 *         if (run == FILCHI_AWAIT_RAN)
 *             continue;
 *         if ((rc = filchi_await_pause(&await, seen, run == FILCHI_AWAIT_LEFT)))
 *             break;
 *     }
 *     due += filchi_await_end(&await);
 *
 * docs/design/await.md proves that a task that awaits its own descendants always gets on.
 */
#ifndef FILCHI_AWAIT_H
#define FILCHI_AWAIT_H

#include "worker.h"

struct filchi_await {
    struct filchi_thread *thread; /* NULL: not on a thread of a pool, or one that keeps its worker or its region */
    struct filchi_parker *parker;
    int64_t deadline;
    struct filchi_awaited awaited; /* set after the beginning; else no cycle through this wait is found */
    struct filchi_origin *offered; /* of the pool to work for meanwhile; NULL: none, or it does already */
    struct filchi_thread *helper;  /* what the thread is there meanwhile; NULL: nothing */
    filch_stop *stop;              /* ends the wait; NULL: nothing does */
    int stop_rc;
    bool armed;    /* stop_waiter is registered with stop */
    bool blocked;  /* the thread gave its worker away */
    bool poked;    /* given a worker to run what has not started, and has not yet */
    bool helps;    /* set after the beginning: given a worker, it could do something for what it awaits */
    bool later;    /* what is awaited may become due, now or again */
    uint32_t news; /* filchi_handoff_news() before the last looks */
    bool spun;
    unsigned regions;           /* blocking regions of the task that are suspended for the wait */
    uint32_t due;               /* signals to the parker that came, or will, on account of this frame */
    _Atomic uint32_t stop_left; /* 1: the stop has signalled us and will not touch the frame again */
    struct filchi_waiter stop_waiter;
};

/* heed: a stop of the task, or an interrupt of the thread, ends the wait. */
void filchi_await_begin(struct filchi_await *await, struct filchi_parker *parker, int64_t deadline, bool heed);
/* After the beginning, if there is no `thread`: what is awaited is of that pool, which may want the thread's help. */
void filchi_await_offer(struct filchi_await *await, struct filchi_origin *origin);
/* As filchi_await_begin() for a wait that keeps the worker, or the blocking region; it heeds. */
void filchi_await_begin_sleep(struct filchi_await *await, struct filchi_parker *parker, int64_t deadline);
enum filchi_await_run {
    FILCHI_AWAIT_RAN,     /* it ran here and is final */
    FILCHI_AWAIT_LEFT,    /* it has not started, and a thread of our pool must start it */
    FILCHI_AWAIT_NOTHING, /* it has started, or is none of our pool's */
};

/* Inside a task: runs the awaited task here, if it has not started and running it is better than a handoff. */
enum filchi_await_run filchi_await_run(struct filchi_await *await, filch_future *future, bool prefer_handoff);
/* T's own, inside a task: the same for its newest sub task, if it is no long one; else false. It is not final if it is
 * to be tried again. */
bool filchi_await_run_newest(struct filchi_thread *thread, filch_future *future);
/* The same as filchi_await_run() for any task of the group. */
enum filchi_await_run filchi_await_run_member(struct filchi_await *await, const struct filchi_group *group,
                                              bool prefer_handoff);
/* Sleeps until the parker's count is not `seen`; it may return earlier. `stalled`: something is LEFT. 0:
 * look again; or the error that ends the wait. */
int filchi_await_pause(struct filchi_await *await, uint32_t seen, bool stalled);
/* Takes a worker again. Returns how many signals to the parker are on this frame's account. */
uint32_t filchi_await_end(struct filchi_await *await);

/* T's own: whether running something deeper in the stack is fine. */
bool filchi_await_has_stack(const struct filchi_thread *thread);

/* A waiter that signals the filchi_parker that owns it. */
void filchi_await_signal(struct filchi_waiter *waiter);

/* Waits for one future, as filch_future_wait(). */
int filchi_await_future(filch_future *future, int64_t deadline, bool heed);
/* Runs a task in place of the wait, perhaps another one than is awaited. */
typedef enum filchi_await_run filchi_await_runner(struct filchi_await *await, filch_future *future, void *arg);
/* The same as filchi_await_future(), where the caller chooses what is run here. */
int filchi_await_future_running(filch_future *future, int64_t deadline, bool heed, filchi_await_runner *runner,
                                void *arg);

/* Waits until it is final or fork() has made a copy of it, whatever happens: for memory that the task uses and that
 * is about to go. */
void filchi_await_final(filch_future *future);

/* The stop that ends this thread's waits outside of tasks: set by its interrupt guard, or NULL. */
extern _Thread_local filch_stop *filchi_interrupt_here;

#endif
