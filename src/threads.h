/* SPDX-License-Identifier: MIT */
/* OS threads of a pool. One runs tasks only while it holds a worker, and a task keeps its thread from start to end. */
#ifndef FILCHI_THREADS_H
#define FILCHI_THREADS_H

#include "context.h"
#include "future.h"
#include "label.h"
#include "parker.h"
#include "slot.h"

#include <filch/fork.h>

/* A task on a thread's stack. */
struct filchi_frame {
    filch_future *task;
    struct filchi_frame *below;
    struct filchi_group *scopes;   /* own: the innermost that the task has open */
    bool forked;                   /* a call that was stolen from the task, which runs elsewhere */
    filch_forked *hidden;          /* own: what the task below has in its list, for want of memory to show it */
    size_t shown;                  /* own: what those below have shown and not joined */
    struct filchi_setting setting; /* of what it has shown outside of tokens; own, constant once it has a task */
};

/* What a blocked thread waits for; docs/design/await.md tells how a cycle is found. */
struct filchi_awaited {
    enum {
        FILCHI_AWAITED_OTHER,  /* not one that is followed */
        FILCHI_AWAITED_FUTURE, /* `future` */
        FILCHI_AWAITED_ANY,    /* any subject of `nodes`; it is NULL where it was delivered */
        FILCHI_AWAITED_GROUP,  /* every task of `group` */
        FILCHI_AWAITED_MEMBER  /* any task of it that was not delivered */
    } kind;
    bool timed; /* the wait has a deadline */
    bool firm;  /* it must not fail */
    const filch_future *future;
    const struct filchi_group *group;
    const struct filchi_waiter *nodes;
    size_t n;
    size_t *hint; /* of nodes: one that could become final when it was last looked at; handoff's lock */
};

/* Tasks that a thread has stopped before they ran and not told their group of so far; stopping.h. */
struct filchi_stopped {
    struct filchi_group *group;     /* NULL: none */
    size_t n;                       /* 1 at least: so the group is there */
    int code;                       /* why its stop is requested; 0 if only stops below it are, for all we know */
    struct filchi_mpsc_chain chain; /* those of them that it keeps */
};

/* How long a thread that the program lends stays; on that thread's stack. */
struct filchi_lending {
    filch_stop *until; /* NULL: as long as the pool is there, or until the deadline */
    int64_t deadline;
};

/* OUTSIDE: it waits for tasks outside of tasks (help.c). */
enum filchi_place {
    FILCHI_NOWHERE,
    FILCHI_SPARE,
    FILCHI_RESUMABLE,
    FILCHI_BLOCKED,
    FILCHI_IN_REGION,
    FILCHI_OUTSIDE
};

struct filchi_thread {
    filch_pool *pool;              /* constant */
    bool guest;                    /* constant: none of the pool's, but it runs a task of it within a submit */
    struct filchi_thread *host;    /* constant: a guest's or a lent one's, what it is else; NULL: no pool's */
    struct filchi_worker *worker;  /* the holder; given under handoff's lock while it has none */
    struct filchi_frame *frame;    /* own: innermost task */
    bool searching;                /* own, or the giver: counted in the idle word */
    bool outside;                  /* own: the task found last came from outside */
    unsigned robbed;               /* own: 1 more than the index of the worker it was stolen from; 0: it was not */
    struct filchi_stopped stopped; /* own */
    bool stopping;                 /* own: the last task was stopped before it ran, which takes no time */
    bool due;                      /* own: it had waited for its time or was raised, and holds no place */
    bool laned;                    /* own: the task found last is from the lanes; of it the next two tell */
    bool extra;                    /* own: its entry is one of two */
    filch_lane *lane;              /* own: there is a place for it in that one; NULL: it needs none */
    struct filchi_lane_place *lane_places; /* own: of the tasks on its stack, the innermost; see lane_place.h */
    struct filchi_forker *forker; /* own: what it forks with, if it ever did; kept for the next of this memory */
    struct filchi_forker *victim; /* own: of whom it stole a forked call last; the same */
    filch_forked *stolen;         /* own: such a call that it has found instead of a task */
    unsigned regions;             /* own: blocking regions it is in; the worker is given away meanwhile */
    uint64_t awaits;              /* own: waits so far, to tell leaves from mains */
    int64_t left_at, away_ns;    /* own, if the pool measures: when it gave its worker away; how long it had none */
    uintptr_t stack_low;         /* own: 0 if unknown, then nothing runs in place */
    size_t stack_reserve;        /* own: what must be left below a task that is run in place, bytes */
    struct filchi_label label;   /* own writes, all read */
    _Atomic unsigned depth;      /* tasks on its stack; the same */
    _Atomic long id;             /* the system's number of it; the same */
    struct filchi_parker parker; /* signalled when a worker was given or the pool ends */
    /* Own: NULL where the pool has started it. */
    const struct filchi_lending *lent;
    struct filchi_os_cpus *cpus_before; /* own: lent to a pool with CPUs of its own: those to go back to */
    int cpu;                            /* own: the one that it is pinned to; -1: none */
    /* All under handoff's lock. */
    enum filchi_place place;
    struct filchi_thread *next, *previous; /* in the list of that place */
    struct filchi_parker *sleeping_on;     /* while BLOCKED or OUTSIDE */
    uint32_t seen;                         /* its count when the thread last looked */
    bool stalled;                          /* BLOCKED on something that nobody has started */
    bool pokable;                          /* and would start it itself, given a worker */
    filch_lane *full;                      /* and a place in that lane; NULL: it needs none */
    bool later;                            /* BLOCKED on something that may become due */
    uint32_t news;                         /* the pool's, when it last looked whether that is so */
    bool poked;                            /* given a worker while BLOCKED */
    uint32_t signals;                      /* by the pool to sleeping_on, which the thread has not counted yet */
    bool doomed;                           /* poked because nobody can ever start it: the wait fails */
    struct filchi_awaited awaited;         /* while BLOCKED; own before */
    bool deadlocked;                       /* signalled to sleeping_on: the wait fails, as it could not end */
    bool stuck;                            /* what the last look for a deadlock thought of it */
    uint64_t look;                         /* and which one it was */
    struct filchi_thread *next_reached;    /* in that look */
    struct filchi_thread *next_thread;     /* of all threads ever started and not joined */
    bool ended;                            /* it left; its memory is used again */
    bool joined;                           /* starter's: and nothing of it is left */
    unsigned number;                       /* in its name; before it starts */
    pthread_t os;
};

#endif
