/* SPDX-License-Identifier: MIT */
/* Scenes about time, whatever happens to those who wait: nothing that has a deadline ends before it, and all ends. */
#ifndef FILCH_TESTS_TIMED_SCENES_H
#define FILCH_TESTS_TIMED_SCENES_H

#include "support.h"

#define A_MOMENT FILCH_US(500)

struct timed {
    filch_pool *pool;
    filch_stop *stop;
    filch_future *endless; /* not before the stop */
    _Atomic int calls;     /* that had a deadline and kept it */
};

/* What a call that began then says of a deadline a moment later. */
static inline void kept(struct timed *timed, int rc, int expected, int64_t begun)
{
    must(rc == expected);
    must(filch_now() - begun >= A_MOMENT);
    atomic_fetch_add(&timed->calls, 1);
}

static inline filch_future *submit_endless(struct timed *timed)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.stop = timed->stop;
    options.start_at_ns = INT64_MAX;
    must(filch_submit_with(timed->pool, do_nothing, NULL, &options, &future) == 0);
    return future;
}

/* The waits that tasks and others have in common. */
static inline void time_out(struct timed *timed)
{
    filch_future *const futures[1] = { timed->endless }, *future;
    filch_completed *completed;
    int64_t begun = filch_now();
    kept(timed, filch_future_wait(futures[0], A_MOMENT), -ETIMEDOUT, begun);
    begun = filch_now();
    kept(timed, filch_future_result(futures[0], A_MOMENT, NULL), -ETIMEDOUT, begun);
    begun = filch_now();
    kept(timed, filch_wait(futures, 1, FILCH_FIRST_COMPLETED, A_MOMENT, NULL), -ETIMEDOUT, begun);
    begun = filch_now();
    must(filch_completed_begin(&completed, futures, 1, A_MOMENT) == 0);
    kept(timed, filch_completed_next(completed, &future), -ETIMEDOUT, begun);
    filch_completed_end(completed);
    begun = filch_now();
    kept(timed, filch_sleep(A_MOMENT), 0, begun);
}

static inline int time_out_inside(filch_task *self, void *arg)
{
    (void)self;
    time_out(arg);
    return 0;
}

struct late_start {
    struct timed *timed;
    int64_t submitted;
};

static inline int start_late(filch_task *self, void *arg)
{
    struct late_start *late = arg;
    (void)self;
    kept(late->timed, 0, 0, late->submitted);
    return 0;
}

/* Every call with a deadline, inside and outside. Returns how many kept theirs. */
static inline int keep_deadlines(filch_pool *pool)
{
    struct timed timed = { .pool = pool, .stop = stop_under(NULL) };
    struct late_start late = { &timed, filch_now() };
    filch_future *futures[2], *endless;
    endless = timed.endless = submit_endless(&timed);
    must(filch_submit_after(pool, A_MOMENT, start_late, &late, &futures[0]) == 0);
    futures[1] = submit(pool, time_out_inside, &timed);
    time_out(&timed);
    must(filch_join(futures, 2) == 0);
    must(filch_future_result(futures[0], 0, NULL) == 0 && filch_future_result(futures[1], 0, NULL) == 0);
    unref_all(futures, 2);
    must(filch_stop_request(timed.stop, 0));
    must(filch_future_result(endless, FILCH_FOREVER, NULL) == -ECANCELED);
    filch_future_unref(endless);
    filch_stop_unref(timed.stop);
    int64_t begun = filch_now();
    must(filch_stop_create_until(&timed.stop, NULL, pool, begun + A_MOMENT) == 0);
    UNTIL(filch_stop_requested(timed.stop));
    kept(&timed, filch_stop_reason(timed.stop), -ETIMEDOUT, begun);
    filch_stop_unref(timed.stop);
    return atomic_load(&timed.calls);
}

enum { DEADLINES = 2 * 5 + 2 }; /* that keep_deadlines() has */

#endif
