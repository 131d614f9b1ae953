/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what tasks inherit of who submits them. docs/design/context.md tells who holds one when.
 *
 * Invariant: the context in force on a thread is kept by somebody else meanwhile: the token that set it, the task that
 * runs in it, or who waits for the forked call. References are handed out and given back by way of the thread's stock,
 * lest all tasks of one context write to its count.
 */
#ifndef FILCHI_CONTEXT_H
#define FILCHI_CONTEXT_H

#include "atomic.h"

#include <filch/filch.h>

struct filch_context {
    _Alignas(FILCHI_LINE) _Atomic uint64_t refs;             /* anyone who has one */
    _Atomic uint64_t holders;                                /* contexts that have `own`; who makes or ends one */
    void *own;                                               /* constant: the value it was made for */
    void (*dtor)(void *);                                    /* constant; not NULL if there are holders */
    _Alignas(FILCHI_LINE) void *values[FILCH_CONTEXT_SLOTS]; /* constant */
    struct filch_context *owners[FILCH_CONTEXT_SLOTS]; /* constant: made for that value; NULL: it has no dtor */
};

/* What a forked call runs in, if another thread takes it. */
struct filchi_setting {
    filch_task *task;
    filch_context *context;
};

struct filch_context_token {
    filch_context_token *below;    /* own */
    struct filchi_setting setting; /* constant; a reference to the context, or NULL */
    filch_context *before;         /* constant: in force at its end */
    bool over;                     /* own: ended, but calls that were forked meanwhile are not joined */
};

/* What a thread has open, and its stock. */
struct filchi_context_here {
    filch_context *current;      /* in force, or NULL */
    filch_context_token *tokens; /* of the task or callback that runs, innermost first */
    filch_context *stocked;      /* of which this thread has references to spare; NULL: none */
    uint64_t stock;              /* how many */
    bool keeps; /* a pool's thread: it has a stock until it sleeps; others have one of `current` only */
    bool used;  /* one of the pointers is not NULL */
};
extern _Thread_local struct filchi_context_here filchi_context_here;

/* What is to be in force again; on the stack of who changes it. */
struct filchi_context_outer {
    filch_context *current;
    filch_context_token *tokens;
};

/* A new one, with one more value than `base` or another one; NULL: than none. The caller owns it. NULL without memory. */
filch_context *filchi_context_create(const filch_context *base, unsigned slot, void *value, void (*dtor)(void *));

/* As the next, where the stock does not do. */
filch_context *filchi_context_take_slowly(filch_context *context);
/* A reference to what is in force, which is not NULL. */
static inline filch_context *filchi_context_take(void)
{
    struct filchi_context_here *here = &filchi_context_here;
    if (here->stocked != here->current || here->stock < 2)
        return filchi_context_take_slowly(here->current);
    here->stock--;
    return here->current;
}
/* Who has a reference gives it up. NULL is allowed. It may call destructors, as all that follows. */
void filchi_context_give(filch_context *context);

/* As the next, where there is a stock. */
void filchi_context_give_stock(void);
/* Before the thread sleeps or turns to something else: gives back its stock. */
static inline void filchi_context_flush(void)
{
    if (filchi_context_here.stocked)
        filchi_context_give_stock();
}

/* Before a lock is taken under which something is submitted: a stock of another context goes now, and what its
 * destructors leave. */
static inline void filchi_context_ready(void)
{
    const struct filchi_context_here *here = &filchi_context_here;
    while (here->current && here->stocked && here->stocked != here->current)
        filchi_context_give_stock();
}

/* Puts it in force, or nothing. The caller keeps it until it leaves. */
void filchi_context_enter(struct filchi_context_outer *outer, filch_context *context);
/* Ends what was left open since. */
void filchi_context_leave(const struct filchi_context_outer *outer);

/* The same for a task that begins, whose reference the caller has; a stock of another context goes. */
void filchi_context_enter_task(struct filchi_context_outer *outer, filch_context *context);
/* For one that has ended, and everything it left open; the reference is given up, if the context is not NULL. */
void filchi_context_leave_task(const struct filchi_context_outer *outer, filch_context *context);

/* The innermost token, by which `context` is in force from now on. The thread is inside `task`, or NULL. */
void filchi_context_open(filch_context_token *token, filch_task *task, filch_context *context);
/* Its end. `kept`: neither it nor others that are over are freed as yet. */
void filchi_context_shut(filch_context_token *token, bool kept);
/* The innermost that has not ended, or NULL. */
filch_context_token *filchi_context_innermost(void);
/* As the next, where there is one. */
void filchi_context_shut_all(void);
/* Ends those that were left open. */
static inline void filchi_context_close(void)
{
    if (filchi_context_here.tokens)
        filchi_context_shut_all();
}

#endif
