/* SPDX-License-Identifier: MIT */
/*
 * Tasks that hold their workers until another has run. filch knows nothing of that wait, so whoever finds work and
 * then stands still must have woken somebody for the rest: a wake that is left out stops the model at once.
 */
#include "small.h"

#include <filch/fork.h>

static _Atomic uint32_t there; /* how many have come */

static void begin_meeting(unsigned workers)
{
    begin_with(workers, 1, true);
    atomic_init(&there, 0);
}

static void begin_two(void)
{
    begin_meeting(2);
}

static void begin_three(void)
{
    begin_meeting(3);
}

/* Comes, and stands still until so many have. The place is not filch's, and orders nothing. */
static void meet(unsigned most)
{
    void *word = (void *)(uintptr_t)&there;
    uint32_t seen = atomic_fetch_add_explicit(&there, 1, memory_order_relaxed) + 1;
    model_futex_wake(word, (int)most);
    while (seen < most) {
        model_futex_wait(word, seen, false);
        seen = atomic_load_explicit(&there, memory_order_relaxed);
    }
}

static int meet_one(filch_task *self, void *arg)
{
    meet(2);
    return count(self, arg);
}

static int meet_two(filch_task *self, void *arg)
{
    meet(3);
    return count(self, arg);
}

static void await(filch_future *future, unsigned *ran)
{
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, ran);
    model_check(*ran == 1);
}

/* ---- From outside ---- */

static void submit_two(unsigned i)
{
    (void)i;
    filch_future *futures[2];
    for (unsigned j = 0; j < 2; j++)
        model_check(filch_submit(pool, meet_one, &runs[j], &futures[j]) == 0);
    for (unsigned j = 0; j < 2; j++)
        await(futures[j], &runs[j]);
    leave();
}

/* The same after both workers have gone to sleep, and two at once. */
static void submit_two_at_once(unsigned i)
{
    (void)i;
    filch_future *futures[2];
    linger(60);
    model_check(filch_submit_many(pool, meet_one, runs, sizeof runs[0], 2, futures) == 0);
    for (unsigned j = 0; j < 2; j++)
        await(futures[j], &runs[j]);
    leave();
}

/* ---- From a task, which stands still as well ---- */

static int spread(filch_task *self, void *arg)
{
    for (unsigned i = 1; i < 3; i++)
        model_check(filch_submit(filch_task_pool(self), meet_two, &runs[i], NULL) == 0);
    return meet_two(self, arg);
}

static void submit_spread(unsigned i)
{
    (void)i;
    filch_future *future = NULL;
    model_check(filch_submit(pool, spread, &runs[0], &future) == 0);
    await(future, &runs[0]);
    leave();
}

static void spread_after(void)
{
    model_check(runs[0] == 1 && runs[1] == 1 && runs[2] == 1);
}

/* ---- From the timer thread ---- */

static void submit_two_later(unsigned i)
{
    (void)i;
    filch_future *futures[2];
    for (unsigned j = 0; j < 2; j++)
        model_check(filch_submit_after(pool, 20000, meet_one, &runs[j], &futures[j]) == 0);
    for (unsigned j = 0; j < 2; j++)
        await(futures[j], &runs[j]);
    leave();
}

/* ---- Forked: the first few calls are shown at once ---- */

struct call {
    filch_forked forked;
    unsigned *ran;
};

static void meet_forked(filch_forker *forker, filch_forked *forked)
{
    (void)forker;
    meet(3);
    ++*((struct call *)forked)->ran;
}

static int fork_two(filch_task *self, void *arg)
{
    filch_forker *forker = NULL;
    struct call calls[2];
    model_check(filch_fork_begin(self, &forker) == 0);
    for (unsigned i = 0; i < 2; i++) {
        calls[i].ran = &runs[1 + i];
        filch_fork(forker, &calls[i].forked, meet_forked);
    }
    meet(3);
    for (unsigned i = 2; i-- > 0;)
        filch_fork_join(forker, &calls[i].forked);
    return count(self, arg);
}

static void submit_forks(unsigned i)
{
    (void)i;
    filch_future *future = NULL;
    model_check(filch_submit(pool, fork_two, &runs[0], &future) == 0);
    await(future, &runs[0]);
    leave();
}

/* ---- Submitted by a task that another worker than the first may run ---- */

static int submit_on(filch_task *self, void *arg)
{
    meet(2);
    model_check(filch_submit(filch_task_pool(self), count, arg, NULL) == 0);
    return 0;
}

static void unheld(unsigned i)
{
    (void)i;
    for (unsigned j = 0; j < 2; j++)
        model_check(filch_submit(pool, submit_on, &runs[j], NULL) == 0);
    model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    model_check(runs[0] == 1 && runs[1] == 1);
    leave();
}

static const struct model models[] = {
    { .name = "pool meet",
      .says = "two tasks from outside that wait for each other run at once",
      .threads = 1,
      .hosts = 2,
      .before = begin_two,
      .thread = submit_two,
      .executions = 5000 },
    { .name = "pool meet, submitted at once",
      .says = "the same for two that one call submits",
      .threads = 1,
      .hosts = 2,
      .before = begin_two,
      .thread = submit_two_at_once,
      .executions = 5000 },
    { .name = "pool meet, sub tasks",
      .says = "a task and two sub tasks that wait for each other run at once",
      .threads = 1,
      .hosts = 3,
      .before = begin_three,
      .thread = submit_spread,
      .after = spread_after,
      .executions = 5000 },
    { .name = "pool meet, later",
      .says = "two tasks that become due and wait for each other run at once",
      .threads = 1,
      .hosts = 3,
      .before = begin_two,
      .thread = submit_two_later,
      .executions = 5000 },
    { .name = "pool meet, forked",
      .says = "a task and two calls that it forks and that wait for each other run at once",
      .threads = 1,
      .hosts = 3,
      .before = begin_three,
      .thread = submit_forks,
      .after = spread_after,
      .executions = 5000 },
    { .name = "pool meet, shut down",
      .says = "a shutdown waits for what each worker's task submits",
      .threads = 1,
      .hosts = 2,
      .before = begin_two,
      .thread = unheld,
      .executions = 5000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { NULL }; /* other programs answer for what these models run */
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
