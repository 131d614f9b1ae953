/* SPDX-License-Identifier: MIT */
/*
 * The interrupt guard, whose handler runs on any thread at any moment, also while the guard ends; and the dump of a
 * pool at work. The kernel's part is played here: what SIGINT does is one word, and its handler is called.
 */
#include "small.h"

#include <signal.h>
#include <string.h>

typedef void handler_fn(int);

static _Atomic uintptr_t disposition; /* of SIGINT */
static _Atomic unsigned kills;
static handler_fn *handler; /* the library's */
static filch_stop *stops[2];
static _Atomic unsigned inside;

/* The system calls that the library makes. They order nothing: what must come in order is the library's to say. */
int sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict before)
{
    (void)signal;
    if (before) {
        memset(before, 0, sizeof *before);
        before->sa_handler = (handler_fn *)atomic_load_explicit(&disposition, memory_order_relaxed);
    }
    if (action)
        atomic_store_explicit(&disposition, (uintptr_t)action->sa_handler, memory_order_relaxed);
    return 0;
}

int raise(int signal)
{
    (void)signal;
    atomic_fetch_add_explicit(&kills, 1, memory_order_relaxed);
    return 0;
}

/* ---- Handlers, and the end of the guard ---- */

static void begin_guard(void)
{
    filch_guard *guard = NULL;
    atomic_init(&disposition, (uintptr_t)SIG_IGN);
    atomic_init(&kills, 0);
    atomic_init(&inside, 0);
    for (unsigned i = 0; i < COUNT_OF(stops); i++)
        model_check(filch_stop_create(&stops[i], NULL) == 0);
    model_check(filch_guard_begin(&guard, stops[0]) == 0);
    handler = (handler_fn *)atomic_load_explicit(&disposition, memory_order_relaxed);
    filch_guard_end(guard);
}

/* The last one. */
static void end_guard(void)
{
    model_check(atomic_load_explicit(&disposition, memory_order_relaxed) == (uintptr_t)SIG_IGN);
    for (unsigned i = 0; i < COUNT_OF(stops); i++)
        filch_stop_unref(stops[i]);
    model_check(model_allocated() == 0);
}

static void guard_once(filch_stop *stop)
{
    filch_guard *guard = NULL;
    int rc = filch_guard_begin(&guard, stop);
    model_check(rc == 0 || rc == -EBUSY);
    if (rc)
        return;
    /* No other guard is active. */
    model_check(atomic_fetch_add_explicit(&inside, 1, memory_order_relaxed) == 0);
    bool interrupted = filch_guard_interrupted(guard);
    atomic_fetch_sub_explicit(&inside, 1, memory_order_relaxed);
    filch_guard_end(guard);
    model_check(!interrupted || filch_stop_requested(stop) || model_self() > 0);
}

static void interrupted(unsigned i)
{
    if (i > 0)
        handler(SIGINT);
    else
        guard_once(stops[0]);
}

static void interrupted_once(void)
{
    model_check(atomic_load_explicit(&kills, memory_order_relaxed) == 0);
    end_guard();
}

/* The second interrupt is to end the process, unless the guard has ended. */
static void interrupted_twice(void)
{
    model_check(atomic_load_explicit(&kills, memory_order_relaxed) <= 1);
    atomic_store_explicit(&disposition, (uintptr_t)SIG_IGN, memory_order_relaxed);
    end_guard();
}

/* ---- Two guards at once ---- */

static void two_guards(unsigned i)
{
    guard_once(stops[i]);
}

/* ---- A dump of a pool at work ---- */

static void begin_dump(void)
{
    begin_with(1, 2, true);
}

static int submit_more(filch_task *self, void *arg)
{
    filch_future *future = NULL;
    model_check(filch_submit(filch_task_pool(self), count, arg, &future) == 0);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, arg);
    return 0;
}

static void dump(unsigned i)
{
    if (i == 0) {
        linger(60);
        model_check(filch_pool_dump(pool, 2) == -ENOSYS); /* what a write gives here */
    } else {
        filch_task_options options = FILCH_TASK_OPTIONS;
        options.name = "submits more";
        filch_future *future = NULL;
        model_check(filch_submit_with(pool, submit_more, &runs[1], &options, &future) == 0);
        model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
        model_check(filch_future_state(future) == FILCH_DONE);
        filch_future_unref(future);
    }
    leave();
}

static void dump_after(void)
{
    model_check(runs[1] == 1);
}

static const struct model models[] = {
    { .name = "guard and an interrupt",
      .says = "a handler on another thread uses the guard only until its end returns",
      .threads = 2,
      .before = begin_guard,
      .thread = interrupted,
      .after = interrupted_once,
      .bound = 3,
      .executions = 10000 },
    { .name = "guard and two interrupts",
      .says = "handlers on two threads at once: the end waits for both, and only the second kills",
      .threads = 3,
      .before = begin_guard,
      .thread = interrupted,
      .after = interrupted_twice,
      .bound = 2,
      .executions = 10000 },
    { .name = "guard twice",
      .says = "of two guards one is active at a time, and what SIGINT did before is restored",
      .threads = 2,
      .before = begin_guard,
      .thread = two_guards,
      .after = end_guard,
      .bound = 3,
      .executions = 10000 },
    { .name = "dump",
      .says = "a dump reads nothing that is being written or freed",
      .threads = 2,
      .hosts = 2,
      .before = begin_dump,
      .thread = dump,
      .after = dump_after,
      .executions = 10000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "guard.c", "dump.c", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
