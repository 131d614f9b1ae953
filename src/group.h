/* SPDX-License-Identifier: MIT */
/* A scope as its tasks know it. */
#ifndef FILCHI_GROUP_H
#define FILCHI_GROUP_H

#include "waitlist.h"

#include <filch/filch.h>

/* What tasks belong to together: a scope, as its tasks know it. */
struct filchi_group {
    /* The runner, before the task becomes FAILED with this error, and code: without memory the error has another. */
    void (*failed)(struct filchi_group *group, const filch_error *error, int code);
    /* Who made them final, before their waiters are served: the futures that the group keeps, linked, a reference each. */
    void (*keep)(struct filchi_group *group, struct filchi_mpsc_chain *futures);
    /* Who made n tasks final, when their waiters were served. The tasks may be gone. */
    void (*left)(struct filchi_group *group, filch_state state, size_t n);
    /* The thread that opened it, whose task has returned: closes it and those around it, which it has left open. */
    void (*close)(struct filchi_group *group);
    /* Anyone, while the opener is blocked in a join: tasks that are not final, about. */
    size_t (*unfinished)(const struct filchi_group *group);
    /* Anyone, while the opener is blocked: tasks submitted and not delivered. For a moment it may be too high: who
     * corrects that signals the opener. */
    size_t (*undelivered)(const struct filchi_group *group);
    struct filchi_group *enclosing; /* opener: of those it has open, the next one out */
    filch_pool *pool;               /* constant: of all its tasks */
    filch_stop *stop;               /* constant: their stops are this one or descend from it */
    const char *name;               /* constant; NULL: none */
    _Atomic bool from_outside;      /* tasks may be where those from outside wait; who submits them, before */
};

/* How a task belongs to a group. */
struct filchi_membership {
    struct filchi_group *group;
    struct filchi_waiter *waiter; /* registered with the task from the beginning, its subject set; NULL: none */
    bool kept;                    /* the group is given the future when it is final: one of the handles */
    unsigned refs;                /* handles at the beginning */
    filch_cq *cq;                 /* a node of it is registered with the task from the beginning; NULL: none */
    void *tag;                    /* that node's */
};

#endif
