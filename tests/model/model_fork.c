/* SPDX-License-Identifier: MIT */
/*
 * Fork-join: calls that a task forks are shown when a thief asks, stolen or taken back, and joined; whoever runs them,
 * what they did is there after the join. And loops, which fork when they are asked.
 */
#include "worker.h"

#include "small.h"

struct call {
    filch_forked forked;
    unsigned *ran;
    filch_task *task;
};

/* A call that counts. */
static void call_count(filch_forker *forker, filch_forked *forked)
{
    struct call *call = (struct call *)forked;
    model_check(filch_task_current() == call->task);
    (void)forker;
    linger(3);
    ++*call->ran;
}

static void fork_call(filch_forker *forker, struct call *call, filch_forked_fn *fn, unsigned *ran)
{
    call->ran = ran;
    call->task = filch_task_current();
    filch_fork(forker, &call->forked, fn);
}

static void join_call(filch_forker *forker, struct call *call)
{
    filch_fork_join(forker, &call->forked);
    model_check(*call->ran == 1);
}

static void run_one(filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    model_check(filch_submit(pool, fn, arg, &future) == 0);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    model_check(filch_future_state(future) == FILCH_DONE);
    filch_future_unref(future);
}

static void begin_two_workers(void)
{
    begin_with(2, 1, true);
}

static void ran_all(void)
{
    for (unsigned i = 0; i < RUNS; i++)
        model_check(runs[i] == 1);
}

/* ---- Two calls ---- */

static int fork_two(filch_task *self, void *arg)
{
    (void)arg;
    filch_forker *forker = NULL;
    struct call calls[2];
    model_check(filch_fork_begin(self, &forker) == 0);
    for (unsigned i = 0; i < 2; i++)
        fork_call(forker, &calls[i], call_count, &runs[i]);
    linger(20);
    for (unsigned i = 2; i-- > 0;)
        join_call(forker, &calls[i]);
    return 0;
}

static void two_calls(unsigned i)
{
    (void)i;
    run_one(fork_two, NULL);
    leave();
}

static void two_calls_after(void)
{
    model_check(runs[0] == 1 && runs[1] == 1);
}

/* A thread whose stack is short helps nobody: it sleeps at once. */
static int fork_two_short(filch_task *self, void *arg)
{
    filchi_thread_here->stack_low = UINTPTR_MAX;
    return fork_two(self, arg);
}

static void two_calls_short(unsigned i)
{
    (void)i;
    run_one(fork_two_short, NULL);
    leave();
}

/* ---- A stolen call forks; who joins it helps ---- */

static void call_forks(filch_forker *forker, filch_forked *forked)
{
    struct call inner[2];
    call_count(forker, forked);
    for (unsigned i = 0; i < 2; i++)
        fork_call(forker, &inner[i], call_count, &runs[1 + i]);
    linger(8);
    for (unsigned i = 2; i-- > 0;)
        join_call(forker, &inner[i]);
}

static int fork_deep(filch_task *self, void *arg)
{
    (void)arg;
    filch_forker *forker = NULL;
    struct call call;
    model_check(filch_fork_begin(self, &forker) == 0);
    fork_call(forker, &call, call_forks, &runs[0]);
    linger(12);
    join_call(forker, &call);
    runs[3]++;
    return 0;
}

static void deep_calls(unsigned i)
{
    (void)i;
    run_one(fork_deep, NULL);
    leave();
}

/* ---- Two tasks that fork at once: each thread's forker is found by the other ---- */

static void begin_two_tasks(void)
{
    begin_with(2, 2, true);
}

static int fork_one(filch_task *self, void *arg)
{
    unsigned *ran = arg;
    filch_forker *forker = NULL;
    struct call call;
    model_check(filch_fork_begin(self, &forker) == 0);
    fork_call(forker, &call, call_count, ran);
    join_call(forker, &call);
    ran[1]++;
    return 0;
}

static void two_tasks(unsigned i)
{
    run_one(fork_one, &runs[2 * i]);
    leave();
}

/* ---- A wait between fork and join: all is shown ---- */

static int fork_and_wait(filch_task *self, void *arg)
{
    (void)arg;
    filch_forker *forker = NULL;
    filch_future *future = NULL;
    struct call calls[2];
    model_check(filch_fork_begin(self, &forker) == 0);
    model_check(filch_submit(pool, count, &runs[2], &future) == 0);
    for (unsigned i = 0; i < 2; i++)
        fork_call(forker, &calls[i], call_count, &runs[i]);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[2]);
    for (unsigned i = 2; i-- > 0;)
        join_call(forker, &calls[i]);
    runs[3]++;
    return 0;
}

static void waits_between(unsigned i)
{
    (void)i;
    run_one(fork_and_wait, NULL);
    leave();
}

/* ---- Loops ---- */

#define FAILS 2

static int step(size_t begin, size_t end, void *arg)
{
    (void)arg;
    linger(4);
    for (size_t i = begin; i < end; i++)
        runs[i]++;
    return 0;
}

static int step_until(size_t begin, size_t end, void *arg)
{
    step(begin, end, arg);
    return begin == FAILS ? -EIO : 0;
}

static void loop(unsigned i)
{
    (void)i;
    model_check(filch_parallel_for(pool, 0, RUNS, step, NULL, NULL) == 0);
    ran_all();
    leave();
}

static void failing_loop(unsigned i)
{
    (void)i;
    model_check(filch_parallel_for(pool, 0, RUNS, step_until, NULL, NULL) == -EIO);
    model_check(runs[FAILS] == 1);
    for (unsigned j = 0; j < RUNS; j++)
        model_check(runs[j] <= 1);
    leave();
}

/* Digits: the order of the parts is seen. */
struct number {
    unsigned value, power;
};

static int fold(size_t begin, size_t end, void *value, void *arg)
{
    struct number *number = value;
    step(begin, end, arg);
    for (size_t i = begin; i < end; i++) {
        number->value = number->value * 10 + (unsigned)i;
        number->power *= 10;
    }
    return 0;
}

static void combine(void *value, const void *right, void *arg)
{
    struct number *number = value;
    const struct number *other = right;
    (void)arg;
    number->value = number->value * other->power + other->value;
    number->power *= other->power;
}

static void reduction(unsigned i)
{
    (void)i;
    struct number number = { 0, 1 };
    model_check(filch_parallel_reduce(pool, 0, RUNS, &number, sizeof number, fold, combine, NULL, NULL) == 0);
    model_check(number.value == 123 && number.power == 10000);
    ran_all();
    leave();
}

static const struct model models[] = {
    { .name = "fork two calls",
      .says = "forked calls run once, here or stolen, before their joins return",
      .threads = 1,
      .hosts = 3,
      .before = begin_two_workers,
      .thread = two_calls,
      .after = two_calls_after,
      .executions = 10000 },
    { .name = "fork, short of stack",
      .says = "who joins a stolen call sleeps until it is over",
      .threads = 1,
      .hosts = 3,
      .before = begin_two_workers,
      .thread = two_calls_short,
      .after = two_calls_after,
      .executions = 5000 },
    { .name = "fork in a fork",
      .says = "who joins a stolen call may run what that one has forked",
      .threads = 1,
      .hosts = 3,
      .before = begin_two_workers,
      .thread = deep_calls,
      .after = ran_all,
      .executions = 10000 },
    { .name = "fork in two tasks",
      .says = "threads that fork for the first time at once both find the other",
      .threads = 2,
      .hosts = 3,
      .before = begin_two_tasks,
      .thread = two_tasks,
      .after = ran_all,
      .executions = 5000 },
    { .name = "fork and wait",
      .says = "a wait between fork and join leaves no call out of sight, and none runs twice",
      .threads = 1,
      .hosts = 3,
      .before = begin_two_workers,
      .thread = waits_between,
      .after = ran_all,
      .executions = 5000 },
    { .name = "parallel for",
      .says = "each index is handled once, before the loop returns",
      .threads = 1,
      .hosts = 3,
      .before = begin_two_workers,
      .thread = loop,
      .executions = 5000 },
    { .name = "parallel for, failing",
      .says = "a loop that fails says so, and no part of it runs on",
      .threads = 1,
      .hosts = 3,
      .before = begin_two_workers,
      .thread = failing_loop,
      .executions = 5000 },
    { .name = "parallel reduce",
      .says = "parts are combined in order, whoever ran them",
      .threads = 1,
      .hosts = 3,
      .before = begin_two_workers,
      .thread = reduction,
      .executions = 5000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "forker.c", "forker.h", "fork.h", "parallel.c", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
