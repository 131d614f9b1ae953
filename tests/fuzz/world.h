/* SPDX-License-Identifier: MIT */
/*
 * One execution of fuzz_api: a pool, the tasks of the program that the input spells, and what is known of them.
 *
 * There are two kinds. An exact one has one worker, and tasks that pause it: the program acts only while a task is paused or
 * nothing is left to do, so that the model knows the state of each future at every moment. A loose one has several
 * workers and no pauses; of it is checked what holds in every interleaving, at the end of everything.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "bytes.h"
#include "model.h"

#include <pthread.h>
#include <stdatomic.h>

#define SCRIPTS 4
#define STEPS 5
#define CALLBACKS 3

enum step {
    STEP_PAUSE,
    STEP_SPAWN,
    STEP_AWAIT,
    STEP_POLL,
    STEP_CANCEL,
    STEP_STOP,
    STEP_HEED,
    STEP_SCOPE,
    STEP_MAP,
    STEP_COMPLETED,
    STEP_CALLBACK,
    STEP_BLOCKING,
    STEP_FAIL,
    STEP_LEAVE,
    STEPS_KNOWN
};

/* What a task does; one that spawns gives its child a script with a higher number, so that this ends. */
struct script {
    unsigned n;
    struct {
        uint8_t what, arg;
    } steps[STEPS];
};

struct task {
    int number;
    const struct script *script;
    unsigned fails; /* so many of its first attempts fail */
    int stop;
    filch_future *future; /* held to the end */
    unsigned callbacks;   /* registered */
    _Atomic unsigned called, runs, returns, dropped;
    _Atomic int code;
    _Atomic bool cancelled; /* a cancel has said so */
    bool refused, has_dtor;
};

struct world {
    bool exact, no_spare, limited;
    filch_pool *pool;
    pthread_mutex_t lock; /* the model, and the counts below */
    pthread_cond_t changed;
    struct model model;
    struct task tasks[MODEL_TASKS];
    unsigned n_tasks;
    struct task *outside[MODEL_TASKS]; /* those that the program submitted itself */
    unsigned n_outside;
    filch_stop *stops[MODEL_STOPS]; /* as the model's; the pool's is the first */
    unsigned n_stops;
    struct script scripts[SCRIPTS];
    unsigned resumes; /* how often a pause was ended */
    _Atomic bool shut, cancelling;
};

extern struct world world;

static inline void world_lock(void)
{
    pthread_mutex_lock(&world.lock);
}

static inline void world_unlock(void)
{
    pthread_mutex_unlock(&world.lock);
}

/* What a submit is to be; zero: a plain one. */
struct wish {
    unsigned script, fails;
    struct model_scope *scope;
    filch_scope *real_scope;
    int stop; /* 0: the default */
    int64_t delay_ns;
    unsigned attempts; /* 0: no retries */
    bool named, in_an_hour, after;
};

/* calls.c, any thread: a task (NULL: none) is about to wait, and goes on. */
void world_begin_wait(const struct task *self);
void world_end_wait(const struct task *self);
/* Something runs that is too small to be a task of the model, and nothing else does meanwhile. */
void world_leaf(void);
bool world_stopped(const struct task *task);
/* Submits a task; NULL if there is no room for it, or if the pool refused, as it should. `parent`
 * is the task that does, or NULL. */
struct task *world_submit(const struct wish *wish, const struct task *parent);
/* Makes a stop; MODEL_NONE if there is no room. Requests one. */
int world_stop(int parent);
void world_request(unsigned stop, int reason);
/* Cancels it and tells the model. */
void world_cancel(struct task *task);
void world_on_done(struct task *task);
/* Looks at it: state, and whether the rest agrees. */
void world_look(struct task *task);
/* A map of n elements, of which the one numbered `bad` fails; by iterator, or at once; `self`: of which task, or NULL. */
void world_map(struct task *self, unsigned n, unsigned chunk, unsigned bad, bool iterator);
/* An iterator over n of the tasks, without waiting unless `wait`. */
void world_completed(struct task *self, struct task *const *tasks, unsigned n, bool wait);
/* script.c: the function of every task. */
int script_run(filch_task *self, void *task);

/* program.c: reads the whole program and runs it. */
void program_run(struct bytes *bytes);
/* Lets everything that can end do so. */
void program_run_out(void);

#endif
