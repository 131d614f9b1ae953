/* SPDX-License-Identifier: MIT */
/*
 * A pool from its creation to its end: submits from outside against workers that go to sleep, cancels, shutdowns and
 * resizes at every moment. Nothing is lost: each task ran once, or its future says why not.
 */
#include "small.h"

/* ---- One task, and the worker that goes to sleep ---- */

static void begin_one(void)
{
    begin_with(1, 1, true);
}

static void submit_and_wait(unsigned i)
{
    (void)i;
    for (unsigned round = 0; round < 2; round++) {
        filch_future *future = NULL;
        model_check(filch_submit(pool, count, &runs[round], &future) == 0);
        model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
        settle(future, &runs[round]);
    }
    leave();
}

/* ---- Two that submit at once, two workers ---- */

static void begin_two(void)
{
    begin_with(2, 2, true);
}

static void both_submit(unsigned i)
{
    filch_future *future = NULL;
    model_check(filch_submit(pool, count, &runs[i], &future) == 0);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[i]);
    leave();
}

/* ---- Nobody waits: the end of the pool does ---- */

static void unheld(unsigned i)
{
    model_check(filch_submit(pool, count, &runs[i], NULL) == 0);
    leave();
}

static void unheld_after(void)
{
    model_check(runs[0] == 1 && runs[1] == 1);
}

/* ---- Sub tasks that nobody waits for; the other worker may steal them ---- */

static int spread(filch_task *self, void *arg)
{
    (void)arg;
    model_check(filch_submit(filch_task_pool(self), count, &runs[1], NULL) == 0);
    model_check(filch_submit(filch_task_pool(self), count, &runs[2], NULL) == 0);
    runs[0]++;
    return 0;
}

static void begin_spread(void)
{
    begin_with(2, 1, true);
}

static void submit_spread(unsigned i)
{
    (void)i;
    model_check(filch_submit(pool, spread, NULL, NULL) == 0);
    leave();
}

static void spread_after(void)
{
    model_check(runs[0] == 1 && runs[1] == 1 && runs[2] == 1);
}

/* ---- Several at once ---- */

static void submit_many(unsigned i)
{
    (void)i;
    filch_future *futures[3];
    model_check(filch_submit_many(pool, count, runs, sizeof runs[0], 3, futures) == 0);
    for (unsigned j = 0; j < 3; j++) {
        model_check(filch_future_wait(futures[j], FILCH_FOREVER) == 0);
        settle(futures[j], &runs[j]);
    }
    leave();
}

/* ---- A cancel against the start ---- */

static filch_future *shared;

static void begin_cancel(void)
{
    begin_with(1, 2, true);
    shared = NULL;
    model_check(filch_submit(pool, count, &runs[0], &shared) == 0);
    filch_future_ref(shared);
}

static void cancel(unsigned i)
{
    if (i == 0) {
        bool cancelled = filch_future_cancel(shared);
        model_check(!cancelled || filch_future_state(shared) == FILCH_CANCELLED);
    }
    int rc = filch_future_wait(shared, FILCH_FOREVER);
    model_check(rc == 0);
    settle(shared, &runs[0]);
    leave();
}

/* ---- A shutdown against a submit ---- */

static void shut(unsigned i, unsigned flags)
{
    if (i == 0) {
        model_check(filch_pool_shutdown(pool, flags, FILCH_FOREVER, NULL) == 0);
        leave();
        return;
    }
    filch_future *future = NULL;
    int rc = filch_submit(pool, count, &runs[0], &future);
    model_check(rc == 0 || rc == -ESHUTDOWN);
    if (rc == 0) {
        model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
        settle(future, &runs[0]);
    }
    leave();
}

static void begin_shut(void)
{
    begin_with(1, 2, true);
}

static void shut_and_wait(unsigned i)
{
    shut(i, FILCH_SHUTDOWN_WAIT);
}

static void shut_and_cancel(unsigned i)
{
    shut(i, FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING);
}

/* ---- A shutdown that looks while the last tasks end ---- */

/* What a task says as its last deed, without publishing anything: so the shutdown comes while its worker counts it. */
static _Atomic uint32_t said;

static void say(void)
{
    atomic_store_explicit(&said, 1, memory_order_relaxed);
}

static void listen(void)
{
    while (!atomic_load_explicit(&said, memory_order_relaxed))
        model_yield();
    linger(30);
}

/* Counts again and again. */
static void shut_often(void)
{
    int rc;
    while ((rc = filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, 1, NULL)) == -ETIMEDOUT)
        ;
    model_check(rc == 0);
}

static int spread_and_say(filch_task *self, void *arg)
{
    int rc = spread(self, arg);
    say();
    return rc;
}

static int count_and_say(filch_task *self, void *arg)
{
    int rc = count(self, arg);
    say();
    return rc;
}

/* Nothing but the shutdown orders the looks after the tasks. */
static void shut_and_look(void)
{
    model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    spread_after();
    leave();
}

static void begin_look(void)
{
    begin_with(1, 1, true);
    atomic_init(&said, 0);
    model_check(filch_submit(pool, spread_and_say, NULL, NULL) == 0);
}

static void listen_and_look(unsigned i)
{
    (void)i;
    listen();
    shut_and_look();
}

/* Each submits the next and ends: a shutdown that saw one counted as ended has to see that it had submitted. */
#define LINKS 8

static int chain(filch_task *self, void *arg)
{
    say();
    if (++runs[0] < LINKS)
        model_check(filch_submit(filch_task_pool(self), chain, arg, NULL) == 0);
    return 0;
}

static void begin_chain(void)
{
    begin_with(1, 1, true);
    atomic_init(&said, 0);
    model_check(filch_submit(pool, chain, NULL, NULL) == 0);
}

static void shut_chain(unsigned i)
{
    (void)i;
    listen();
    model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    model_check(runs[0] == LINKS);
    leave();
}

/* The same where what it submits is cancelled while it waits for its time, and counted by the timer thread. */
static int change_mind(filch_task *self, void *arg)
{
    say();
    for (unsigned i = 0; i < 3; i++) {
        filch_future *later = NULL;
        model_check(filch_submit_after(filch_task_pool(self), FILCH_SECONDS(1), count, &runs[1], &later) == 0);
        filch_future_cancel(later);
        filch_future_unref(later);
    }
    return count(self, arg);
}

static void begin_change(void)
{
    begin_with(1, 1, true);
    atomic_init(&said, 0);
    model_check(filch_submit(pool, change_mind, &runs[0], NULL) == 0);
}

static void shut_change(unsigned i)
{
    (void)i;
    listen();
    shut_often();
    model_check(runs[0] == 1 && runs[1] <= 3);
    leave();
}

/* The same where the task runs on a thread of the model, within its submit: no worker counts it. */
static void begin_guest(void)
{
    begin_with(1, 2, true);
    atomic_init(&said, 0);
}

static void begin_full(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    runs[0] = runs[1] = runs[2] = 0;
    atomic_init(&staying, 3);
    atomic_init(&said, 0);
    model_check(filch_pool_create(&pool, &options) == 0);
    model_check(filch_submit(pool, count, &runs[2], NULL) == 0);
}

static void run_as_guest(unsigned i)
{
    if (i == 2) {
        listen();
        model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
        model_check(runs[0] + runs[1] >= 1 && runs[0] <= 1 && runs[1] <= 1);
        leave();
        return;
    }
    int rc = filch_submit(pool, count_and_say, &runs[i], NULL);
    model_check(rc == 0 || rc == -ESHUTDOWN);
    leave();
}

/* ---- A hook called by who cancels, and the end of the pool ---- */

static unsigned drops[2]; /* plain: the pool's end orders what a hook did before what comes after it */
static filch_future *doomed[2];

static void on_drop(const filch_event *event, void *arg)
{
    (void)arg;
    drops[(unsigned *)filch_future_arg(event->task) - runs]++;
}

static void begin_doomed(bool metrics)
{
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    hooks.on_drop = on_drop;
    options.hooks = &hooks;
    options.metrics = metrics;
    options.workers = 1;
    atomic_init(&staying, 3);
    model_check(filch_pool_create(&pool, &options) == 0);
    for (unsigned i = 0; i < 2; i++) {
        drops[i] = runs[i] = 0;
        model_check(filch_submit(pool, count, &runs[i], &doomed[i]) == 0);
    }
}

static void begin_dropped(void)
{
    begin_doomed(false);
}

static void begin_measured(void)
{
    begin_doomed(true);
}

static void check_counts(void)
{
    static filch_metrics seen;
    seen = (filch_metrics)FILCH_METRICS;
    model_check(filch_metrics_get(pool, &seen) == 0);
    if (seen.measured)
        model_check(seen.cancelled == drops[0] + drops[1] && seen.done == runs[0] + runs[1]);
}

static void cancel_and_shut(unsigned i)
{
    if (i < 2) {
        filch_future_cancel(doomed[i]);
        filch_future_unref(doomed[i]);
    } else {
        model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
        model_check(drops[0] + runs[0] == 1 && drops[1] + runs[1] == 1);
        check_counts();
    }
    leave();
}

/* ---- Two shutdowns at once ---- */

static void begin_last(void)
{
    begin_guest();
    model_check(filch_submit(pool, count_and_say, &runs[0], NULL) == 0);
}

static void shut_at_last(unsigned i)
{
    if (i == 0)
        listen();
    model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    model_check(runs[0] == 1);
    leave();
}

/* Both close the pool; what each asked for stays asked for. */
static int submit_late(filch_task *self, void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&said, memory_order_acquire))
        model_yield();
    model_check(filch_submit(filch_task_pool(self), count, &runs[1], NULL) == -ESHUTDOWN);
    return 0;
}

static void begin_flags(void)
{
    begin_guest();
    model_check(filch_submit(pool, submit_late, NULL, NULL) == 0);
}

static void shut_with_flags(unsigned i)
{
    model_check(filch_pool_shutdown(pool, i == 0 ? FILCH_SHUTDOWN_CANCEL_PENDING : 0, 0, NULL) == 0);
    if (i == 0)
        atomic_store_explicit(&said, 1, memory_order_release);
    leave();
}

/* ---- More workers, then fewer ---- */

static void begin_resize(void)
{
    begin_with(1, 2, true);
}

static void resize(unsigned i)
{
    if (i == 0) {
        linger(60);
        model_check(filch_pool_resize(pool, 2) == 0);
        model_check(filch_pool_resize(pool, 1) == 0);
        leave();
        return;
    }
    for (unsigned round = 0; round < 3; round++) {
        filch_future *future = NULL;
        model_check(filch_submit(pool, count, &runs[round], &future) == 0);
        model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
        settle(future, &runs[round]);
    }
    leave();
}

static const struct model models[] = {
    { .name = "pool resize",
      .says = "tasks run once while workers come and go",
      .threads = 2,
      .hosts = 3,
      .before = begin_resize,
      .thread = resize,
      .executions = 20000 },
    { .name = "pool shutdown, looking",
      .says = "all that the tasks did happened before a shutdown that waits returns",
      .threads = 1,
      .hosts = 1,
      .before = begin_look,
      .thread = listen_and_look,
      .executions = 20000 },
    { .name = "pool shutdown, chain",
      .says = "a shutdown waits for what ended tasks have submitted",
      .threads = 1,
      .hosts = 1,
      .before = begin_chain,
      .thread = shut_chain,
      .executions = 20000 },
    { .name = "pool shutdown, guests",
      .says = "tasks that run within their submits are waited for like others, and what they did is seen",
      .threads = 3,
      .hosts = 1,
      .before = begin_full,
      .thread = run_as_guest,
      .executions = 20000 },
    { .name = "pool shutdown, dropped",
      .says = "the end of a pool waits for the hook of who cancels, and sees what it did",
      .threads = 3,
      .hosts = 1,
      .before = begin_dropped,
      .thread = cancel_and_shut,
      .executions = 20000 },
    { .name = "pool shutdown, measured",
      .says = "the same with measures: what was dropped and what ran is counted, and all of it seen",
      .threads = 3,
      .hosts = 1,
      .before = begin_measured,
      .thread = cancel_and_shut,
      .executions = 1000 },
    { .name = "pool shutdown, flags",
      .says = "of two that shut down at once each gets what it asked for",
      .threads = 2,
      .hosts = 1,
      .before = begin_flags,
      .thread = shut_with_flags,
      .executions = 10000 },
    { .name = "pool shutdown, delayed",
      .says = "a shutdown counts what was submitted for later no later than that it was cancelled",
      .threads = 1,
      .hosts = 2,
      .before = begin_change,
      .thread = shut_change,
      .executions = 20000 },
    { .name = "pool one task",
      .says = "a task that is waited for has run once, also after its worker went to sleep",
      .threads = 1,
      .hosts = 2,
      .before = begin_one,
      .thread = submit_and_wait,
      .executions = 5000 },
    { .name = "pool two submit",
      .says = "two outside threads and two workers: each task runs once",
      .threads = 2,
      .hosts = 2,
      .before = begin_two,
      .thread = both_submit,
      .executions = 5000 },
    { .name = "pool unheld",
      .says = "tasks that nobody holds have run when the pool is gone",
      .threads = 2,
      .hosts = 2,
      .before = begin_two,
      .thread = unheld,
      .after = unheld_after,
      .executions = 5000 },
    { .name = "pool sub tasks",
      .says = "sub tasks run once, here or stolen",
      .threads = 1,
      .hosts = 3,
      .before = begin_spread,
      .thread = submit_spread,
      .after = spread_after,
      .executions = 5000 },
    { .name = "pool many",
      .says = "tasks submitted at once run once each",
      .threads = 1,
      .hosts = 3,
      .before = begin_spread,
      .thread = submit_many,
      .executions = 5000 },
    { .name = "pool cancel",
      .says = "a cancel and the start of a task: exactly one wins",
      .threads = 2,
      .hosts = 2,
      .before = begin_cancel,
      .thread = cancel,
      .executions = 10000 },
    { .name = "pool shutdown",
      .says = "a submit is refused, or its task runs before the shutdown returns",
      .threads = 2,
      .hosts = 2,
      .before = begin_shut,
      .thread = shut_and_wait,
      .executions = 10000 },
    { .name = "pool shutdown, cancelling",
      .says = "a submit is refused, or its task runs, or is cancelled and says so",
      .threads = 2,
      .hosts = 2,
      .before = begin_shut,
      .thread = shut_and_cancel,
      .executions = 10000 },
    { .name = "pool shutdown, twice",
      .says = "two that shut down at once both return when the last task has ended",
      .threads = 2,
      .hosts = 1,
      .before = begin_last,
      .thread = shut_at_last,
      .executions = 10000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "pool.c",   "pool.h",   "submit.c",   "plain.c",   "find.c",
                                         "worker.c", "worker.h", "drain.c",    "places.c",  "places.h",
                                         "slot.h",   "resize.c", "thread.c",   "threads.h", "stopping.c",
                                         "task.c",   "hooks.c",  "observer.h", "metrics.c", "metrics.h",
                                         NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
