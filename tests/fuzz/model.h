/* SPDX-License-Identifier: MIT */
/*
 * The sequential model: what a pool of one worker may do, as plain data and a few rules. It is told of every call, and by
 * the tasks themselves of every start and return; it aborts at the first thing that the contract does not allow.
 *
 * It chooses nothing. Where the contract leaves something open (a task whose stop is requested may be STOPPED at once, or
 * when its turn comes) it keeps the set of states that are possible, which each look at the real one narrows.
 *
 * Invariant: the caller holds one lock for all of it. At most one task runs.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <filch/filch.h>

#define MODEL_TASKS 48
#define MODEL_STOPS 24
#define MODEL_NONE (-1)
#define MODEL_LEAF (-2) /* runs: something too small to be a task of the model */

#define MODEL_IS(state) (1u << (state))
#define MODEL_FINAL \
    (MODEL_IS(FILCH_DONE) | MODEL_IS(FILCH_FAILED) | MODEL_IS(FILCH_CANCELLED) | MODEL_IS(FILCH_STOPPED))
#define MODEL_NOT_STARTED (MODEL_IS(FILCH_PENDING) | MODEL_IS(FILCH_RETRY_WAIT))

struct model_scope {
    bool collect;
    int stop;
    int code;         /* of the first error */
    unsigned errors;  /* how many */
    unsigned members; /* how many tasks */
};

struct model_task {
    /* As submitted. */
    int stop;
    struct model_scope *scope; /* NULL: none */
    bool in_order;             /* from outside, to start at once: after those before it */
    bool by_timer;             /* waits for its time, or may be tried again: then another thread has a say */
    bool in_an_hour;           /* does not start by itself */
    unsigned most_attempts;
    /* What became of it. */
    unsigned may_be; /* a bit for each state that is possible now */
    bool on_stack;   /* it has started and not returned */
    bool must_not_start;
    unsigned attempts;
    int code;              /* what its function returned last */
    unsigned completed_at; /* place in the order of completion; 0: not known */
};

struct model_stop {
    int parent;
    int reason; /* 0: not requested */
};

struct model {
    unsigned n_tasks, n_stops;
    struct model_task tasks[MODEL_TASKS];
    struct model_stop stops[MODEL_STOPS]; /* the first is the pool's */
    int running;
    int paused; /* a task that holds the worker until the program lets it go on; MODEL_NONE */
    bool shut, cancelling;
    unsigned clock;
};

void model_begin(struct model *model);
/* A new task, PENDING; `as` gives what it is submitted with. Returns its number. */
int model_submit(struct model *model, const struct model_task *as);
/* The submit was refused. */
void model_refused(struct model *model, int task);
void model_start(struct model *model, int task, unsigned attempt);
void model_return(struct model *model, int task, int code);
/* A task waits, and so runs no more; then it goes on. Leaves (MODEL_LEAF) start and end so, too. */
void model_block(struct model *model, int task);
void model_go_on(struct model *model, int task);
void model_saw_cancel(struct model *model, int task, bool answer);
void model_saw(struct model *model, int task, filch_state state);
int model_stop(struct model *model, int parent);
bool model_stop_requested(const struct model *model, int stop);
/* Whether the request is the first. */
bool model_request(struct model *model, int stop, int reason);
void model_shutdown(struct model *model, unsigned flags);
/* How many tasks will yet start, or return. */
unsigned model_unfinished(const struct model *model);
/* The worker is paused or has nothing left to do: what returned is final. */
void model_settled(struct model *model);
/* Every task of the scope is final: what filch_scope_join() says. */
int model_join(const struct model *model, const struct model_scope *scope);

#endif
