/* SPDX-License-Identifier: MIT */
/*
 * One task, without a pool. Its slab has nothing else, and is closed before the threads begin: so the object's free is a
 * free of its memory, and every later use is found. What the runner leaves to others is plain memory.
 */
#ifndef MODEL_ONE_TASK_H
#define MODEL_ONE_TASK_H

#include "engine.h"
#include "error.h"
#include "future.h"
#include "parker.h"
#include "plan.h"
#include "transition.h"

#include <errno.h>

static struct filchi_origin *origin;
static struct filchi_slab_home *home;
static struct filchi_slab slab;
static filch_future *future;
static filch_stop *stop;
static unsigned runs;       /* the runner's: two at once race */
static unsigned reported;   /* failures that nobody saw */
static bool cancelled[3];   /* what each thread was told */
static const void *said[3]; /* the same: errors */

static int function(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static void report(const filch_error *error, void *arg)
{
    (void)arg;
    model_check(filch_error_code(error) == -EIO);
    reported++;
}

static void release_origin(void *its)
{
    filchi_origin_unref(its);
}

static filch_future *make(uint32_t refs, bool cold)
{
    filch_future *made = filchi_future_alloc(&slab, cold);
    filchi_future_init(made, function, &runs, refs);
    return made;
}

static void open_slab(void)
{
    runs = reported = 0;
    for (unsigned i = 0; i < 3; i++)
        cancelled[i] = false, said[i] = NULL;
    origin = filchi_origin_create();
    origin->on_unobserved = report;
    home = filchi_slab_home_create(1);
    filchi_slab_home_set_user(home, origin, release_origin);
    filchi_slab_init(&slab, home, 0);
}

static void close_slab(void)
{
    struct filchi_slab *const slabs[] = { &slab };
    filchi_slab_home_close(home, slabs, 1);
}

static inline void own_stop(filch_future *its)
{
    model_check(filch_stop_create(&stop, NULL) == 0);
    its->stop = (uintptr_t)stop | FILCHI_STOP_OWNED;
}

/* Whoever got it runs it. */
static inline void run_claimed(filch_future *its, enum filchi_claim claim, int rc)
{
    if (claim != FILCHI_CLAIM_GOT)
        return;
    model_check((filch_fn *)filchi_future_begin(its, (const struct filchi_thread *)&runs) == function);
    filchi_future_set_result(its, &runs);
    runs++;
    filchi_future_complete(its, rc);
}

static inline void run_entry(int rc)
{
    run_claimed(future, filchi_future_claim(future), rc);
}

static void cancel(unsigned i)
{
    cancelled[i] = filch_future_cancel(future);
}

/* Who holds it, once it is final. */
static inline void look(filch_future *its)
{
    filch_state state = filch_future_state(its);
    model_check(state >= FILCH_DONE);
    model_check(filch_future_arg(its) == &runs);
    if (state == FILCH_DONE)
        model_check(filchi_future_result(its) == &runs && runs == 1);
}

static void freed(void)
{
    model_check(model_allocated() == 0);
}

/* ---- Waiting ---- */

struct waiting {
    struct filchi_waiter waiter;
    struct filchi_parker parker;
};

static inline void serve(struct filchi_waiter *waiter)
{
    filchi_parker_signal(&((struct waiting *)waiter)->parker);
}

/* With a timeout the search decides whether it runs out. False: it did. */
static inline bool wait_for(filch_future *its, bool timed)
{
    struct waiting *self = model_alloc(sizeof *self, _Alignof(struct waiting));
    self->waiter.serve = serve;
    filchi_parker_init(&self->parker);
    bool final = true;
    if (filchi_waitlist_add(&its->waiters, &self->waiter)) {
        int rc = filchi_parker_wait(&self->parker, 0, timed ? filchi_os_deadline(1) : FILCHI_NEVER);
        if (rc && filchi_waitlist_remove(&its->waiters, &self->waiter))
            final = false;
        else if (rc)
            filchi_parker_wait(&self->parker, 0, FILCHI_NEVER);
    }
    model_free(self);
    return final;
}

#endif
