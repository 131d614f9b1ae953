/* SPDX-License-Identifier: MIT */
/* Iterating in completion order inside tasks: in place, across handoffs, stopped, and ended early. */
#include "support.h"

SUITE(completed_inside);

#define SUBS 50

struct job {
    filch_pool *pool; /* of the subs; NULL: the task's own */
    filch_fn *sub;
    void *arg;       /* of the subs */
    size_t take;     /* deliveries before the iteration ends */
    int64_t timeout; /* of the iteration */
    size_t seen;     /* deliveries */
    int outcome;     /* the last answer of filch_completed_next() */
};

#define JOB(sub_function)                                       \
    {                                                           \
        NULL, sub_function, NULL, SIZE_MAX, FILCH_FOREVER, 0, 0 \
    }

static int iterate(filch_task *self, void *arg)
{
    struct job *job = arg;
    filch_future *futures[SUBS], *future;
    filch_completed *completed;
    for (int i = 0; i < SUBS; i++)
        futures[i] = submit(job->pool ? job->pool : filch_task_pool(self), job->sub, job->arg);
    must(filch_completed_begin(&completed, futures, SUBS, job->timeout) == 0);
    while (job->seen < job->take && (job->outcome = filch_completed_next(completed, &future)) == 1) {
        must(filch_future_done(future));
        job->seen++;
    }
    must(filch_completed_unfinished(completed) == SUBS - job->seen);
    filch_completed_end(completed);
    unref_all(futures, SUBS);
    return job->outcome < 0 ? job->outcome : 0;
}

Test(completed_inside, a_task_gets_all_of_its_subs_with_any_number_of_workers)
{
    static const unsigned workers[] = { 1, 2, 3, 16 };
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        filch_pool *pool = pool_of(workers[i]);
        struct job jobs[20];
        filch_future *mains[20];
        for (int j = 0; j < 20; j++) {
            jobs[j] = (struct job)JOB(do_nothing);
            mains[j] = submit(pool, iterate, &jobs[j]);
        }
        cr_assert_eq(filch_wait(mains, 20, FILCH_ALL, FILCH_FOREVER, NULL), 0);
        for (int j = 0; j < 20; j++) {
            cr_assert_eq(filch_future_result(mains[j], 0, NULL), 0);
            cr_assert_eq(jobs[j].seen, SUBS);
        }
        unref_all(mains, 20);
        filch_pool_destroy(pool);
    }
}

Test(completed_inside, an_iteration_in_a_task_may_end_at_every_point)
{
    filch_pool *pool = pool_of(1);
    for (size_t take = 0; take <= SUBS; take++) {
        struct job job = JOB(do_nothing);
        job.take = take;
        filch_future *future = submit(pool, iterate, &job);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
        cr_assert_eq(job.seen, take);
        filch_future_unref(future);
    }
    filch_pool_destroy(pool);
}

/* Iterates, in a task under `stop`, over futures of another pool that stay where they are until the task has ended. */
static void iterate_in_vain(struct job *job, filch_stop *stop, int code, filch_state state)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct gate gate = GATE;
    job->pool = other;
    job->arg = &gate;
    filch_future *future = submit_under(pool, iterate, job, stop);
    event_await(&gate.started);
    if (stop) {
        UNTIL(stats_of(pool).handoffs == 1);
        filch_stop_request(stop, -EINTR);
    }
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), code);
    cr_assert_eq(filch_future_state(future), state);
    cr_assert_eq(job->seen, 0);
    gate_open(&gate);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

Test(completed_inside, a_stop_ends_the_wait_of_a_task)
{
    struct job job = JOB(pass_gate);
    filch_stop *stop = stop_under(NULL);
    iterate_in_vain(&job, stop, -ECANCELED, FILCH_STOPPED);
    filch_stop_unref(stop);
}

Test(completed_inside, a_timeout_ends_the_wait_of_a_task)
{
    struct job job = JOB(pass_gate);
    job.timeout = FILCH_MS(5);
    iterate_in_vain(&job, NULL, -ETIMEDOUT, FILCH_FAILED);
}

/* ---- An iterator that is passed on ---- */

static int drain(filch_task *self, void *arg)
{
    filch_completed *completed = arg;
    filch_future *future;
    intptr_t n = 0;
    while (filch_completed_next(completed, &future) == 1)
        n++;
    return filch_return(self, (void *)n);
}

Test(completed_inside, an_iterator_begun_outside_may_go_on_in_a_task)
{
    filch_pool *pool = pool_of(1);
    filch_future *futures[SUBS], *first;
    filch_completed *completed;
    void *rest = NULL;
    for (int i = 0; i < SUBS; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    must(filch_completed_begin(&completed, futures, SUBS, FILCH_FOREVER) == 0);
    cr_assert_eq(filch_completed_next(completed, &first), 1);
    filch_future *drainer = submit(pool, drain, completed);
    cr_assert_eq(filch_future_result(drainer, FILCH_FOREVER, &rest), 0);
    cr_assert_eq((intptr_t)rest, SUBS - 1);
    filch_completed_end(completed);
    filch_future_unref(drainer);
    unref_all(futures, SUBS);
    filch_pool_destroy(pool);
}

/* ---- Futures of another pool ---- */

Test(completed_inside, a_task_may_iterate_over_futures_of_another_pool)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct gate gate = GATE;
    filch_future *futures[SUBS];
    filch_completed *completed;
    void *n = NULL;
    for (int i = 0; i < SUBS; i++)
        futures[i] = submit(other, pass_gate, &gate);
    must(filch_completed_begin(&completed, futures, SUBS, FILCH_FOREVER) == 0);
    filch_future *drainer = submit(pool, drain, completed);
    UNTIL(stats_of(pool).handoffs == 1);
    filch_future *meanwhile = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_future_wait(meanwhile, FILCH_FOREVER), 0, "its worker is free for others");
    gate_open(&gate);
    cr_assert_eq(filch_future_result(drainer, FILCH_FOREVER, &n), 0);
    cr_assert_eq((intptr_t)n, SUBS);
    filch_completed_end(completed);
    filch_future_unref(meanwhile);
    filch_future_unref(drainer);
    unref_all(futures, SUBS);
    filch_pool_destroy(other);
    filch_pool_destroy(pool);
}
