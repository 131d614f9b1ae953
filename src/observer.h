/* SPDX-License-Identifier: MIT */
/*
 * Who wants to know what becomes of tasks: the hooks of a pool, and its metrics. Of a pool without either there is none.
 *
 * Invariant: a task that was submitted while there is an observer is told of once more when it ends: by
 * filchi_observe_finish() if it ran, else by `drop`, of which no other thread frees the task meanwhile.
 */
#ifndef FILCHI_OBSERVER_H
#define FILCHI_OBSERVER_H

#include "future.h"
#include "metrics.h"
#include "probes.h"

/* What a hook has left with a task that has not started, on the heap. */
struct filchi_note {
    void *data;
    uint64_t stamp; /* when it was submitted; 0: not timed. See metrics.h */
};

struct filchi_observer {
    filch_hooks hooks;              /* constant; those that are not wanted are NULL */
    bool hooked;                    /* constant: there is one for starts or ends of attempts */
    struct filchi_metrics *metrics; /* constant, owned; NULL: not measured */
};

/* Who holds the future, or its queue entry: whether its end without a run is to be told. */
static inline bool filchi_observer_drops(const struct filchi_origin *origin)
{
    return origin->observer || filchi_probe_on(drop);
}

/* Who ends it, while nobody can free it, if there is an observer: it will not run, or not again, for that reason. */
void filchi_observe_drop(const struct filchi_origin *origin, filch_future *future, filch_state state, int code);
/* Around a drop by a thread for which the end of the pool does not wait. */
static inline void filchi_observer_hold(struct filchi_origin *origin)
{
    /* relaxed: the state that the pool's end has seen comes after. */
    atomic_fetch_add_explicit(&origin->dropping, 1, memory_order_relaxed);
}

static inline void filchi_observer_let_go(struct filchi_origin *origin)
{
    /* release C4: pairs with acquire C4 in filchi_observe_settle(); the hook, or the probe, has returned. */
    atomic_fetch_sub_explicit(&origin->dropping, 1, memory_order_release);
}

#endif
