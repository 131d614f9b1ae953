/* SPDX-License-Identifier: MIT */
/*
 * Lanes: a task put into one while the worker goes to sleep, a limit of one place that goes from hand to hand, a task
 * that is raised while it is taken or its pool ends, and the last reference.
 */
#include "origin.h"
#include "small.h"

static filch_lane *lane;
static struct filchi_origin *origin;
static unsigned inside; /* plain: tasks of a lane for one must not meet, and follow one another */

static void make_lane(unsigned max_running)
{
    filch_lane_options options = FILCH_LANE_OPTIONS;
    options.max_running = max_running;
    model_check(filch_lane_create(&lane, pool, &options) == 0);
}

static filch_future *submit_to(filch_lane *to, filch_priority priority, filch_fn *fn, void *arg)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.lane = to;
    options.priority = priority;
    model_check(filch_submit_with(pool, fn, arg, &options, &future) == 0);
    return future;
}

/* What is waited for has its own end. */
static void wait_again(filch_future *future)
{
    int rc;
    while ((rc = filch_future_wait(future, FILCH_SECONDS(1))) == -ETIMEDOUT)
        ;
    model_check(rc == 0);
}

/* As leave(); the last one lets go of the lane. */
static void leave_lane(void)
{
    if (atomic_fetch_sub_explicit(&staying, 1, memory_order_acq_rel) != 1)
        return;
    filch_lane_unref(lane);
    model_check(filch_pool_destroy(pool) == 0);
    model_check(model_allocated() == 0);
}

/* ---- Sleeping ---- */

static void begin_sleep(void)
{
    begin_with(1, 2, true);
    make_lane(0);
}

static void submit_and_wait(unsigned i)
{
    for (unsigned j = 0; j < 2; j++) {
        unsigned *ran = &runs[2 * i + j];
        filch_future *future = submit_to(i ? lane : NULL, j ? FILCH_HIGH : FILCH_LOW, count, ran);
        model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
        settle(future, ran);
    }
    leave_lane();
}

/* ---- A place for one ---- */

static void begin_one(void)
{
    begin_with(2, 2, true);
    make_lane(1);
    inside = 0;
}

static void enter(void)
{
    model_check(inside++ == 0);
}

static int alone(filch_task *self, void *arg)
{
    enter();
    count(self, arg);
    inside--;
    return 0;
}

/* Waits with a deadline, so the place is left, for another one of the lane. */
static int alone_and_wait(filch_task *self, void *arg)
{
    unsigned *ran = (unsigned *)arg;
    enter();
    inside--;
    filch_future *next = submit_to(lane, FILCH_NORMAL, alone, ran + 1);
    wait_again(next);
    enter();
    settle(next, ran + 1);
    count(self, arg);
    inside--;
    return 0;
}

static void meet(unsigned i)
{
    unsigned *ran = &runs[2 * i];
    filch_future *future = submit_to(lane, FILCH_NORMAL, i ? alone_and_wait : alone, ran);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, ran);
    leave_lane();
}

/* ---- Raised ---- */

static filch_future *last;

static void begin_raise(void)
{
    begin_with(1, 2, true);
    make_lane(0);
    for (unsigned i = 0; i < 2; i++)
        filch_future_unref(submit_to(lane, FILCH_NORMAL, count, &runs[i]));
    last = submit_to(lane, FILCH_LOW, count, &runs[2]);
}

/* Of no lane, where the pool itself is asked whether there is something to go before. */
static void begin_raise_plain(void)
{
    begin_with(1, 2, true);
    make_lane(0);
    for (unsigned i = 0; i < 2; i++)
        model_check(filch_submit(pool, count, &runs[i], NULL) == 0);
    model_check(filch_submit(pool, count, &runs[2], &last) == 0);
}

/* One waits for it, the other ends the pool meanwhile. */
static void raise_or_end(unsigned i)
{
    if (i == 0) {
        model_check(filch_future_wait(last, FILCH_FOREVER) == 0);
        model_check(runs[2] == 1);
        filch_future_unref(last);
    } else {
        linger(20);
        filch_lane_unref(lane);
        model_check(filch_pool_destroy(pool) == 0);
    }
    if (atomic_fetch_sub_explicit(&staying, 1, memory_order_acq_rel) == 1)
        model_check(model_allocated() == 0);
}

/* ---- The last reference ---- */

static void begin_last(void)
{
    filch_lane_options options = FILCH_LANE_OPTIONS;
    options.name = "a tenant";
    origin = filchi_origin_create();
    model_check(filchi_lane_make(&lane, origin, &options) == 0);
    filch_lane_ref(lane);
}

static void use_and_drop(unsigned i)
{
    (void)i;
    model_check(lane->name[0] == 'a' && lane->queues[0].n == 0);
    filch_lane_unref(lane);
}

static void last_gone(void)
{
    filchi_origin_unref(origin);
    model_check(model_allocated() == 0);
}

static const struct model models[] = {
    { .name = "lane, for one that sleeps",
      .says = "a task of a lane or a level wakes somebody",
      .threads = 2,
      .hosts = 2,
      .before = begin_sleep,
      .thread = submit_and_wait,
      .executions = 20000 },
    { .name = "lane, a place for one",
      .says = "tasks of a lane for one run one after the other, though they await each other",
      .threads = 2,
      .hosts = 3,
      .before = begin_one,
      .thread = meet,
      .executions = 5000 },
    { .name = "lane, raised",
      .says = "a task that is raised runs once, while its pool ends",
      .threads = 2,
      .hosts = 2,
      .before = begin_raise,
      .thread = raise_or_end,
      .executions = 5000 },
    { .name = "lane, raised of none",
      .says = "so does one of no lane",
      .threads = 2,
      .hosts = 2,
      .before = begin_raise_plain,
      .thread = raise_or_end,
      .executions = 5000 },
    { .name = "lane, the last reference",
      .says = "the last of two that let go frees it",
      .threads = 2,
      .before = begin_last,
      .thread = use_and_drop,
      .after = last_gone,
      .executions = 1000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "lane.c", "lane.h", "lane_place.c", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
