/* SPDX-License-Identifier: MIT */
/* What happens in a pool, told to its observer: a line for each event, which is a look at a pointer if there is none. */
#ifndef FILCHI_OBSERVE_H
#define FILCHI_OBSERVE_H

#include "observer.h"
#include "pool.h"

/* A task that runs, from its start to its end; on the stack of who runs it. */
struct filchi_observed {
    struct filchi_thread *thread; /* the runner, or a guest */
    filch_future *future;
    struct filchi_note *note; /* of its submit, or NULL */
    void *data;               /* the hooks' own word during this attempt */
};

/* The creator: an observer if the options ask for one. 0, -EINVAL, -E2BIG or -ENOMEM. */
int filchi_observe_init(filch_pool *pool, const filch_pool_options *options);
/* Who has seen the pool drained: no hook is called any more for a task. */
void filchi_observe_settle(const filch_pool *pool);

/* Whether anybody, the pool's observer or a tracer, wants to be told of an event. */
#define filchi_observe_on(pool, probe) (__builtin_expect((pool)->observer != NULL, 0) || filchi_probe_on(probe))

/* Whether tasks that are run are told of. */
static inline bool filchi_observe_runs(const filch_pool *pool)
{
    return filchi_observe_on(pool, start) || filchi_probe_on(finish);
}
/* The same of this one, which is about to start; if not, it is only counted. */
static inline bool filchi_observe_tells(const filch_pool *pool, const filch_future *future)
{
    /* relaxed: the submitter's; publishing the task ordered it. */
    unsigned flags = atomic_load_explicit(&future->flags, memory_order_relaxed);
    return flags & (FILCHI_NOTED | FILCHI_TIMED) || filchi_probe_on(start) || filchi_probe_on(finish) ||
           (pool->observer && pool->observer->hooked);
}
/* The runner of one of which nothing is told: it is done. */
static inline void filchi_observe_count_done(const struct filchi_thread *thread)
{
    struct filchi_metrics *metrics = thread->pool->observer ? thread->pool->observer->metrics : NULL;
    if (metrics)
        filchi_metrics_ended(metrics, thread->guest ? NULL : thread->worker->measures, FILCH_DONE);
}
/* Whether a hook hears of each submit. */
static inline bool filchi_observe_hears(const filch_pool *pool)
{
    return filchi_probe_on(submit) || (pool->observer && pool->observer->hooks.on_submit);
}
/* Whether the next submit of this thread is told of; if not, it is counted. */
static inline bool filchi_observe_is_due(const filch_pool *pool)
{
    const struct filchi_observer *observer = pool->observer;
    if (filchi_probe_on(submit))
        return true;
    return __builtin_expect(observer != NULL, 0) &&
           (observer->hooks.on_submit || (observer->metrics && filchi_metrics_is_due(observer->metrics)));
}
/* How many submits the one that follows stands for, if its wait is to be timed, for which it needs a cold part; or 0. */
static inline unsigned filchi_observe_turn(const filch_pool *pool)
{
    return pool->observer && pool->observer->metrics ? filchi_metrics_turn(pool->observer->metrics) : 0;
}

/* The submitter, holding no lock, before it publishes a task that was accepted. 0; or -ENOMEM, and it was dropped. */
int filchi_observe_submit(filch_pool *pool, filch_future *future, unsigned weight);
/* The same of many, of which no hook hears. */
void filchi_observe_time_many(const struct filchi_metrics *metrics, filch_future **futures, size_t n);
/* The runner; and then one of the next two, before anybody can see that it is over. */
void filchi_observe_start(struct filchi_observed *observed, struct filchi_thread *thread, filch_future *future);
/* Instead of the first, later, if nobody is told of that. */
static inline void filchi_observe_start_untold(struct filchi_observed *observed, struct filchi_thread *thread,
                                               filch_future *future)
{
    *observed = (struct filchi_observed) { .thread = thread, .future = future };
}
void filchi_observe_finish(struct filchi_observed *observed, filch_state state, int code);
/* It is tried again; code: what this attempt failed with. */
void filchi_observe_again(struct filchi_observed *observed, int code);

/* As the events of filch_hooks. */
void filchi_observe_stolen_now(struct filchi_thread *thread, filch_future *future);
void filchi_observe_park_now(const struct filchi_thread *thread);
void filchi_observe_unpark_now(const struct filchi_thread *thread);
void filchi_observe_handoff_now(struct filchi_thread *thread, const struct filchi_worker *worker);
void filchi_observe_resume_now(struct filchi_thread *thread);

/* T's own, with a task that it has found by looking at others', if it was another worker's. */
static inline void filchi_observe_stolen(struct filchi_thread *thread, filch_future *future)
{
    if (filchi_observe_on(thread->pool, steal) && thread->robbed)
        filchi_observe_stolen_now(thread, future);
}

static inline void filchi_observe_park(const struct filchi_thread *thread)
{
    if (filchi_observe_on(thread->pool, park))
        filchi_observe_park_now(thread);
}

static inline void filchi_observe_unpark(const struct filchi_thread *thread)
{
    if (filchi_observe_on(thread->pool, unpark))
        filchi_observe_unpark_now(thread);
}

/* T's own, having given away `worker`; and having got one again. */
static inline void filchi_observe_handoff(struct filchi_thread *thread, const struct filchi_worker *worker)
{
    if (filchi_observe_on(thread->pool, handoff))
        filchi_observe_handoff_now(thread, worker);
}

static inline void filchi_observe_resume(struct filchi_thread *thread)
{
    if (filchi_observe_on(thread->pool, resume))
        filchi_observe_resume_now(thread);
}

#endif
