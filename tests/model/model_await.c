/* SPDX-License-Identifier: MIT */
/*
 * Waits inside tasks: a worker that is given away and taken again, waits that a stop, a timeout or a cycle ends, tasks
 * that run in place for want of threads. In the end every worker is idle: none is lost.
 */
#include "small.h"

static _Atomic uint32_t said;     /* a task's to another */
static filch_stop *stop;          /* of the task that waits */
static filch_scope *_Atomic open; /* NULL: not yet */

static void begin_quiet(unsigned workers, unsigned threads, bool spare)
{
    begin_with(workers, threads, spare);
    atomic_init(&said, 0);
    atomic_init(&open, NULL);
}

/* As leave(); the tasks that are left end, and nobody keeps the worker then. */
static void leave_idle(void)
{
    if (atomic_fetch_sub_explicit(&staying, 1, memory_order_acq_rel) != 1)
        return;
    filch_pool_stats stats = FILCH_POOL_STATS;
    do {
        model_yield();
        model_check(filch_pool_stats_get(pool, &stats) == 0);
    } while (stats.idle != filch_pool_workers(pool));
    model_check(filch_pool_destroy(pool) == 0);
    model_check(model_allocated() == 0);
}

static filch_future *submit(filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    model_check(filch_submit(pool, fn, arg, &future) == 0);
    return future;
}

/* ---- Nested ---- */

/* `arg` is one of runs; each waits for the next, the last one for none. */
static int nested(filch_task *self, void *arg)
{
    unsigned *ran = (unsigned *)arg;
    if (ran < &runs[2]) {
        filch_future *next = submit(nested, ran + 1);
        model_check(filch_future_wait(next, FILCH_FOREVER) == 0);
        model_check(ran[1] == 1);
        filch_future_unref(next);
    }
    return count(self, arg);
}

static void wait_for_nested(unsigned i)
{
    (void)i;
    filch_future *future = submit(nested, &runs[0]);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[0]);
    leave_idle();
}

static void begin_nested(void)
{
    begin_quiet(1, 1, true);
}

static void begin_nested_two(void)
{
    begin_quiet(2, 1, true);
}

/* ---- With a deadline, so the worker is given away ---- */

/* What is waited for has its own end, which others may await too. The last wait has no deadline: a second may pass here
 * before another thread takes a step, and two tasks could hand the worker to each other for ever. */
static int wait_again(filch_future *future)
{
    int rc = -ETIMEDOUT;
    for (int i = 0; i < 20 && rc == -ETIMEDOUT; i++)
        rc = filch_future_wait(future, FILCH_SECONDS(1));
    return rc == -ETIMEDOUT ? filch_future_wait(future, FILCH_FOREVER) : rc;
}

static int parent(filch_task *self, void *arg)
{
    unsigned *ran = (unsigned *)arg;
    filch_future *child = submit(count, ran + 1);
    int rc = wait_again(child);
    model_check(rc == 0 && ran[1] == 1);
    filch_future_unref(child);
    return count(self, arg);
}

static void wait_for_parent(unsigned i)
{
    filch_future *future = submit(parent, &runs[2 * i]);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[2 * i]);
    leave_idle();
}

static void begin_in_place(void)
{
    begin_quiet(1, 1, false);
}

static void begin_parents(void)
{
    begin_quiet(1, 2, true);
}

static void begin_parents_in_place(void)
{
    begin_quiet(2, 2, false);
}

/* ---- A stop that ends a wait ---- */

/* Waits once more: that frame lies where the others were, and the stop must have left those. */
static int stopped(filch_task *self, void *arg)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *child = NULL;
    options.stop = filch_pool_stop(pool); /* not stopped with us */
    model_check(filch_submit_with(pool, count, &runs[1], &options, &child) == 0);
    int rc = wait_again(child);
    model_check(rc == 0 ? runs[1] == 1 : rc == -ECANCELED && filch_task_stopped(self));
    rc = filch_future_wait(child, FILCH_SECONDS(1));
    model_check(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED);
    model_check(filch_join(&child, 1) == 0);
    settle(child, &runs[1]);
    return count(self, arg);
}

static void begin_stopped(void)
{
    begin_quiet(1, 2, true);
    model_check(filch_stop_create(&stop, NULL) == 0);
    filch_stop_ref(stop);
}

static void stop_it(unsigned i)
{
    if (i == 0) {
        linger(60);
        filch_stop_request(stop, 0);
        filch_stop_unref(stop);
        leave_idle();
        return;
    }
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.stop = stop;
    model_check(filch_submit_with(pool, stopped, &runs[0], &options, &future) == 0);
    filch_stop_unref(stop);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    model_check(filch_future_state(future) == FILCH_STOPPED || runs[0] == 1);
    filch_future_unref(future);
    leave_idle();
}

/* ---- A blocking region ---- */

static int tell(filch_task *self, void *arg)
{
    int rc = count(self, arg);
    atomic_store_explicit(&said, 1, memory_order_release);
    return rc;
}

static int block(filch_task *self, void *arg)
{
    filch_future *other = submit(tell, &runs[1]);
    filch_blocking_begin(self);
    while (!atomic_load_explicit(&said, memory_order_acquire))
        model_yield();
    model_check(runs[1] == 1);
    model_check(filch_future_wait(other, FILCH_FOREVER) == 0); /* which suspends it */
    filch_blocking_end(self);
    filch_future_unref(other);
    return count(self, arg);
}

static void wait_for_region(unsigned i)
{
    (void)i;
    filch_future *future = submit(block, &runs[0]);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[0]);
    leave_idle();
}

/* ---- Two that await each other ---- */

static filch_future *_Atomic cycle[2];
static int ended[2]; /* how each one's wait did */

static int await_other(filch_task *self, void *arg)
{
    unsigned i = (unsigned)((unsigned *)arg - runs);
    filch_future *other;
    while (!(other = atomic_load_explicit(&cycle[1 - i], memory_order_acquire)))
        model_yield();
    ended[i] = filch_future_wait(other, FILCH_FOREVER);
    return count(self, arg);
}

static void begin_cycle(void)
{
    begin_quiet(2, 1, true);
    atomic_init(&cycle[0], NULL);
    atomic_init(&cycle[1], NULL);
}

static void close_cycle(unsigned i)
{
    (void)i;
    filch_future *both[2];
    for (unsigned j = 0; j < 2; j++) {
        both[j] = submit(await_other, &runs[j]);
        atomic_store_explicit(&cycle[j], both[j], memory_order_release);
    }
    for (unsigned j = 0; j < 2; j++)
        model_check(filch_future_wait(both[j], FILCH_FOREVER) == 0);
    model_check(ended[0] + ended[1] == -EDEADLK);
    settle(both[0], &runs[0]);
    settle(both[1], &runs[1]);
    leave_idle();
}

/* ---- News for one that no thread can take over from ---- */

static int await_delayed(filch_task *self, void *arg)
{
    filch_future *later = NULL;
    model_check(filch_submit_after(pool, 1, count, &runs[1], &later) == 0);
    model_check(filch_future_wait(later, FILCH_FOREVER) == 0);
    settle(later, &runs[1]);
    return count(self, arg);
}

static void wait_for_delayed(unsigned i)
{
    (void)i;
    filch_future *future = submit(await_delayed, &runs[0]);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[0]);
    leave_idle();
}

/* The same by an iterator, which does not look at all of the future again but only at the state. */
static int iterate_delayed(filch_task *self, void *arg)
{
    filch_future *later = NULL, *next = NULL;
    filch_completed *completed;
    model_check(filch_submit_after(pool, 1, count, &runs[1], &later) == 0);
    model_check(filch_completed_begin(&completed, &later, 1, FILCH_FOREVER) == 0);
    linger(20);
    model_check(filch_completed_next(completed, &next) == 1 && next == later);
    filch_completed_end(completed);
    settle(later, &runs[1]);
    return count(self, arg);
}

static void wait_for_iterated(unsigned i)
{
    (void)i;
    filch_future *future = submit(iterate_delayed, &runs[0]);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[0]);
    leave_idle();
}

/* Its scope is joined at every moment of what others submit into it; nobody but itself can run that. */
static int join_often(filch_task *self, void *arg)
{
    filch_scope *scope;
    model_check(filch_scope_open(&scope, filch_task_pool(self), NULL) == 0);
    atomic_store_explicit(&open, scope, memory_order_release);
    unsigned submitted;
    do {
        submitted = atomic_load_explicit(&said, memory_order_acquire);
        model_check(filch_scope_join(scope, NULL) == 0);
        model_yield();
    } while (submitted < 2);
    model_check(runs[0] == 1 && runs[1] == 1);
    filch_scope_close(scope);
    return count(self, arg);
}

static void begin_joined(void)
{
    begin_quiet(1, 2, false);
    model_check(filch_submit(pool, join_often, &runs[2], NULL) == 0);
}

static void submit_into(unsigned i)
{
    filch_scope *scope;
    while (!(scope = atomic_load_explicit(&open, memory_order_acquire)))
        model_yield();
    model_check(filch_scope_submit(scope, count, &runs[i], NULL) == 0);
    atomic_fetch_add_explicit(&said, 1, memory_order_release);
    leave_idle();
}

static const struct model models[] = {
    { .name = "await nested",
      .says = "tasks wait for tasks that wait for tasks, with one worker",
      .threads = 1,
      .hosts = 2,
      .before = begin_nested,
      .thread = wait_for_nested,
      .executions = 5000 },
    { .name = "await nested, two workers",
      .says = "the same where another worker may have stolen what is awaited",
      .threads = 1,
      .hosts = 3,
      .before = begin_nested_two,
      .thread = wait_for_nested,
      .executions = 5000 },
    { .name = "await given away",
      .says = "a worker that a waiting task gave away comes back, whatever ends the wait, and none is lost",
      .threads = 2,
      .hosts = 4,
      .before = begin_parents,
      .thread = wait_for_parent,
      .executions = 10000 },
    { .name = "await in place",
      .says = "without a spare thread a task runs what it awaits",
      .threads = 1,
      .hosts = 1,
      .before = begin_in_place,
      .thread = wait_for_parent,
      .executions = 5000 },
    { .name = "await in place, two workers",
      .says = "without a spare thread two tasks get on whose awaited tasks may lie anywhere",
      .threads = 2,
      .hosts = 2,
      .before = begin_parents_in_place,
      .thread = wait_for_parent,
      .executions = 10000 },
    { .name = "await stopped",
      .says = "a stop ends a wait, and has left its frame when the wait returns",
      .threads = 2,
      .hosts = 3,
      .before = begin_stopped,
      .thread = stop_it,
      .executions = 20000 },
    { .name = "await region",
      .says = "in a blocking region another task runs with the worker, which comes back",
      .threads = 1,
      .hosts = 3,
      .before = begin_nested,
      .thread = wait_for_region,
      .executions = 5000 },
    { .name = "await cycle",
      .says = "of two tasks that await each other exactly one is told so",
      .threads = 1,
      .hosts = 4,
      .before = begin_cycle,
      .thread = close_cycle,
      .executions = 10000 },
    { .name = "await delayed",
      .says = "a task that became due is run by the only thread, which waits for it",
      .threads = 1,
      .hosts = 2,
      .before = begin_in_place,
      .thread = wait_for_delayed,
      .executions = 10000 },
    { .name = "await delayed, iterating",
      .says = "the same where it iterates over what it waits for",
      .threads = 1,
      .hosts = 2,
      .before = begin_in_place,
      .thread = wait_for_iterated,
      .executions = 30000 },
    { .name = "await submitted",
      .says = "what outsiders submit into a scope is run by the only thread, which joins it",
      .threads = 2,
      .hosts = 1,
      .before = begin_joined,
      .thread = submit_into,
      .executions = 30000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "await.c",   "await.h",    "handoff.c",  "handoff.h",
                                         "members.c", "deadlock.c", "starting.c", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
