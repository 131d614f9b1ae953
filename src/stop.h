/* SPDX-License-Identifier: MIT */
/*
 * Stops: a flag with a first-wins reason, in a tree. A child waits on its parent's flag like any other waiter,
 * so a poll is one load, however deep the tree. A request does nothing but compare-and-swap, futex wakes and
 * writes to eventfds: that is why it may be called from a signal handler.
 */
#ifndef FILCHI_STOP_H
#define FILCHI_STOP_H

#include "waitlist.h"

#include <filch/filch.h>

struct filchi_group;

struct filch_stop {
    struct filchi_waitlist waiters; /* state 0 or FILCHI_STATE_FINAL */
    _Atomic uintptr_t reason;       /* 0, or a code (odd), or a filch_error with one reference; first wins */
    _Atomic uint32_t refs;
    _Atomic uint32_t served;        /* 1: the parent has stopped us and will not touch us again */
    filch_stop *parent;             /* constant; a reference */
    filch_stop *stopped;            /* who serves our list: children that it must stop */
    filch_stop *next_stopped;       /* the same, of the parent: the next of those */
    struct filchi_waiter *late;     /* the same: waiters to serve when all of the tree is stopped, last first */
    _Atomic int fd;                 /* the eventfd, -1 before anybody asked */
    struct filchi_waiter in_parent; /* registered with the parent while `attached` */
    struct filchi_waiter in_fd;     /* registered with ourselves once fd is there */
    bool attached;                  /* constant */
    struct deadline *deadline;      /* constant; NULL: none */
    struct filchi_group *group;     /* constant: the scope whose own stop it is, or NULL */
    /* Constant: who disposes of it in the end; NULL: nobody else. Returns a reference to drop, or NULL. */
    filch_stop *(*release)(filch_stop *);
};

/* Without a reference left: frees it; returns the parent, a reference to drop, or NULL. */
filch_stop *filchi_stop_dispose(filch_stop *stop);

/* As filchi_waitlist_add() and _remove() for a waiter of the stop; what a request left to us is done here. Tasks
 * that wait for their time may be many: leaving takes constant time. */
bool filchi_stop_add(filch_stop *stop, struct filchi_waiter *waiter);
bool filchi_stop_remove(filch_stop *stop, struct filchi_waiter *waiter);

/*
 * A waiter that is served when the stop and all below it are requested and all others were told, on the same
 * thread: its `waiter.serve` calls filchi_stop_late for the stop, of which it holds a reference.
 */
void filchi_stop_late(filch_stop *stop, struct filchi_waiter *waiter);

/* Whether it was requested with -ETIMEDOUT itself, not by way of its parent. */
bool filchi_stop_timed_out(const filch_stop *stop);

/* Polling: one relaxed load. */
static inline bool filchi_stop_peek(const filch_stop *stop)
{
    return filchi_waitlist_peek(&stop->waiters) != 0;
}

#endif
