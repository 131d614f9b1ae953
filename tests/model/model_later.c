/* SPDX-License-Identifier: MIT */
/*
 * Tasks that wait for their time, or for their next attempt, on the timer thread: its coming against a cancel, a stop
 * and the end of the pool. And stops with a deadline.
 */
#include "later.h"
#include "pool.h"

#include "small.h"

#define SOON 20000 /* ns: so many looks at the clock, or a sleep that ends */

static filch_future *shared;
static filch_stop *stop;

static void begin_later(unsigned threads)
{
    begin_with(1, threads, true);
    shared = NULL;
    stop = NULL;
}

static void begin_one(void)
{
    begin_later(1);
}

static void begin_two(void)
{
    begin_later(2);
}

static filch_future *submit_later(int64_t delay, unsigned *ran)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.stop = stop;
    options.start_at_ns = filch_now() + delay;
    model_check(filch_submit_with(pool, count, ran, &options, &future) == 0);
    return future;
}

/* The same as settle() for one whose stop may have been requested. */
static void settle_stopped(filch_future *future, const unsigned *ran)
{
    filch_state state = filch_future_state(future);
    model_check(state == FILCH_DONE ? *ran == 1 : *ran == 0);
    model_check(state == FILCH_DONE || state == FILCH_STOPPED || state == FILCH_CANCELLED);
    filch_future_unref(future);
}

/* Once the pool has shut down: nothing is said to wait that is gone. */
static void leave_counted(void)
{
    model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    model_check(atomic_load_explicit(&pool->timers->waiting, memory_order_relaxed) == 0);
    leave();
}

/* ---- Two that wait, the second submitted is due first ---- */

static void two_later(unsigned i)
{
    (void)i;
    filch_future *late = submit_later(2 * (int64_t)SOON, &runs[0]), *soon = submit_later(SOON, &runs[1]);
    model_check(filch_future_wait(late, FILCH_FOREVER) == 0);
    model_check(filch_future_wait(soon, FILCH_FOREVER) == 0);
    settle(late, &runs[0]);
    settle(soon, &runs[1]);
    model_check(runs[0] == 1 && runs[1] == 1);
    leave_counted();
}

/* ---- Two threads that make tasks wait while others become ready ---- */

static void each_later(unsigned i)
{
    filch_future *future = submit_later(i == 0 ? 1000 : SOON, &runs[i]);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[i]);
    model_check(runs[i] == 1);
    if (atomic_load_explicit(&staying, memory_order_relaxed) == 1)
        leave_counted();
    else
        leave();
}

/* ---- A cancel against the time ---- */

static void begin_cancel(void)
{
    begin_two();
    shared = submit_later(SOON, &runs[0]);
    filch_future_ref(shared);
}

static void cancel_later(unsigned i)
{
    if (i == 0) {
        linger(40);
        bool cancelled = filch_future_cancel(shared);
        model_check(!cancelled || filch_future_state(shared) == FILCH_CANCELLED);
    }
    model_check(filch_future_wait(shared, FILCH_FOREVER) == 0);
    settle(shared, &runs[0]);
    leave();
}

/* ---- A stop against the time; the plan's memory is used again ---- */

static void begin_stop(void)
{
    begin_two();
    model_check(filch_stop_create(&stop, NULL) == 0);
    filch_stop_ref(stop);
    shared = submit_later(SOON, &runs[0]);
}

static void stop_later(unsigned i)
{
    if (i == 0) {
        linger(40);
        filch_stop_request(stop, -EINTR);
        filch_stop_unref(stop);
        leave();
        return;
    }
    model_check(filch_future_wait(shared, FILCH_FOREVER) == 0);
    settle_stopped(shared, &runs[0]);
    filch_future *next = submit_later(SOON, &runs[1]);
    filch_stop_unref(stop);
    model_check(filch_future_wait(next, FILCH_FOREVER) == 0);
    settle_stopped(next, &runs[1]);
    leave();
}

/* ---- Again ---- */

static int fail_once(filch_task *self, void *arg)
{
    unsigned *ran = arg;
    (void)self;
    return ++*ran == 1 ? -EIO : 0;
}

static filch_future *submit_again(unsigned *ran)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_future *future = NULL;
    retry.max_attempts = 2;
    retry.interval_ns = SOON;
    options.retry = &retry;
    options.stop = stop;
    model_check(filch_submit_with(pool, fail_once, ran, &options, &future) == 0);
    return future;
}

static void begin_again(void)
{
    begin_with(2, 2, true);
    shared = NULL;
    stop = NULL;
}

/* Two workers at once put their tasks back to wait; the pool does not end before both ran again. */
static void both_again(unsigned i)
{
    filch_future_unref(submit_again(&runs[i]));
    leave();
}

static void ran_twice(void)
{
    model_check(runs[0] == 2 && runs[1] == 2);
}

/* Who looks sees attempts only as they are begun. */
static void cancel_again(unsigned i)
{
    if (i == 0) {
        linger(60);
        unsigned attempt = filch_future_attempts(shared);
        bool cancelled = filch_future_cancel(shared);
        model_check(attempt <= 2);
        model_check(!cancelled || filch_future_state(shared) == FILCH_CANCELLED);
    }
    model_check(filch_future_wait(shared, FILCH_FOREVER) == 0);
    filch_state state = filch_future_state(shared);
    model_check(state == FILCH_DONE ? runs[0] == 2 : state == FILCH_CANCELLED && runs[0] <= 1);
    filch_future_unref(shared);
    leave();
}

static void begin_cancel_again(void)
{
    begin_two();
    shared = submit_again(&runs[0]);
    filch_future_ref(shared);
}

static void begin_stop_again(void)
{
    begin_two();
    model_check(filch_stop_create(&stop, NULL) == 0);
    filch_stop_ref(stop);
    shared = submit_again(&runs[0]);
}

static void stop_again(unsigned i)
{
    if (i == 0) {
        linger(60);
        filch_stop_request(stop, -EINTR);
    } else {
        model_check(filch_future_wait(shared, FILCH_FOREVER) == 0);
        model_check(runs[0] <= 2);
        filch_future_unref(shared);
    }
    filch_stop_unref(stop);
    leave();
}

/* ---- The end of the pool against what waits ---- */

static void shut_later(unsigned i)
{
    if (i == 0) {
        linger(40);
        unsigned flags = FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING;
        model_check(filch_pool_shutdown(pool, flags, FILCH_FOREVER, NULL) == 0);
        model_check(runs[0] <= 1);
        leave();
        return;
    }
    model_check(filch_future_wait(shared, FILCH_FOREVER) == 0);
    settle(shared, &runs[0]);
    leave();
}

static void begin_shut(void)
{
    begin_two();
    shared = submit_later(SOON, &runs[0]);
}

/* Without a wait, too, what waits for its time is cancelled when the shutdown returns. */
static void shut_at_once(unsigned i)
{
    (void)i;
    int64_t due = filch_now() + FILCH_SECONDS(1);
    shared = submit_later(FILCH_SECONDS(2), &runs[0]);
    linger(40);
    model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, FILCH_FOREVER, NULL) == 0);
    filch_state state = filch_future_state(shared);
    model_check(state == FILCH_CANCELLED || filch_now() > due);
    model_check(filch_future_wait(shared, FILCH_FOREVER) == 0);
    settle(shared, &runs[0]);
    leave();
}

/* The timer thread is done with the stack of who asked. With nothing to cancel, and asked as a shutdown asks but without
 * the fence after it, no other order comes between. */
static void begin_shut_idle(void)
{
    begin_one();
    model_check(filch_stop_create_until(&stop, NULL, pool, filch_now() + SOON) == 0);
}

static void write_below(void)
{
    char below[1024];
    memset(below, 1, sizeof below);
}

static void shut_idle(unsigned i)
{
    (void)i;
    linger(40);
    model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, FILCH_FOREVER, NULL) == 0);
    filchi_later_cancel_all(pool);
    write_below();
    filch_stop_unref(stop);
    leave();
}

/* ---- The first delayed task, which starts the timer thread, against a shutdown ---- */

static int submit_inside(filch_task *self, void *arg)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    (void)arg;
    options.start_at_ns = INT64_MAX; /* nothing else wakes the timer thread */
    int rc = filch_submit_with(filch_task_pool(self), count, &runs[1], &options, &future);
    model_check(rc == 0 || rc == -ESHUTDOWN);
    if (!rc)
        filch_future_unref(future);
    return 0;
}

static void begin_inside(void)
{
    begin_one();
    model_check(filch_submit(pool, submit_inside, NULL, NULL) == 0);
}

static void shut_inside(unsigned i)
{
    (void)i;
    linger(40);
    unsigned flags = FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING;
    model_check(filch_pool_shutdown(pool, flags, FILCH_FOREVER, NULL) == 0);
    leave();
}

/* ---- Stops with a deadline ---- */

static void deadline(unsigned i)
{
    (void)i;
    filch_stop *until = NULL;
    model_check(filch_stop_create_until(&until, NULL, pool, filch_now() + SOON) == 0);
    stop = until;
    filch_future *future = submit_later(2 * (int64_t)SOON, &runs[0]);
    stop = NULL;
    linger(20);
    filch_stop_unref(until);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle_stopped(future, &runs[0]);
    leave();
}

/* Dropped at any moment, also after the pool that would have requested it. */
static void begin_outliving(void)
{
    begin_two();
    model_check(filch_stop_create_until(&stop, NULL, pool, filch_now() + SOON) == 0);
}

static void outliving(unsigned i)
{
    if (i == 0) {
        model_check(filch_pool_destroy(pool) == 0);
        return;
    }
    linger(30);
    model_check(!filch_stop_requested(stop) || filch_stop_reason(stop) == -ETIMEDOUT);
    filch_stop_unref(stop);
}

static void outliving_after(void)
{
    model_check(model_allocated() == 0);
}

static const struct model models[] = {
    { .name = "later",
      .says = "tasks run once when their time has come, and none is counted as waiting then",
      .threads = 1,
      .hosts = 3,
      .before = begin_one,
      .thread = two_later,
      .executions = 5000 },
    { .name = "later, from two threads",
      .says = "the same for tasks from two threads",
      .threads = 2,
      .hosts = 3,
      .before = begin_two,
      .thread = each_later,
      .executions = 5000 },
    { .name = "later, cancelled",
      .says = "a cancel and the time: exactly one wins",
      .threads = 2,
      .hosts = 3,
      .before = begin_cancel,
      .thread = cancel_later,
      .executions = 5000 },
    { .name = "later, stopped",
      .says = "a stop leaves a plan before its memory is used again",
      .threads = 2,
      .hosts = 3,
      .before = begin_stop,
      .thread = stop_later,
      .executions = 10000 },
    { .name = "again",
      .says = "two tasks that wait for their next attempt are both counted, and run again",
      .threads = 2,
      .hosts = 4,
      .before = begin_again,
      .thread = both_again,
      .after = ran_twice,
      .executions = 5000 },
    { .name = "again, cancelled",
      .says = "a cancel against a task that is tried again",
      .threads = 2,
      .hosts = 3,
      .before = begin_cancel_again,
      .thread = cancel_again,
      .executions = 5000 },
    { .name = "again, stopped",
      .says = "a stop against a task that is tried again",
      .threads = 2,
      .hosts = 3,
      .before = begin_stop_again,
      .thread = stop_again,
      .executions = 10000 },
    { .name = "later, shut down",
      .says = "a shutdown that cancels ends what waits, and has left the timer thread when it returns",
      .threads = 2,
      .hosts = 3,
      .before = begin_shut,
      .thread = shut_later,
      .executions = 10000 },
    { .name = "later, shut down at once",
      .says = "a shutdown that cancels has cancelled what waits when it returns",
      .threads = 1,
      .hosts = 3,
      .before = begin_one,
      .thread = shut_at_once,
      .executions = 5000 },
    { .name = "later, shut down idle",
      .says = "the timer thread has left the memory of a shutdown when that returns",
      .threads = 1,
      .hosts = 3,
      .before = begin_shut_idle,
      .thread = shut_idle,
      .executions = 2000 },
    { .name = "later, the first",
      .says = "a shutdown that cancels does not miss a task that begins to wait, nor the timer thread's start",
      .threads = 1,
      .hosts = 3,
      .before = begin_inside,
      .thread = shut_inside,
      .executions = 30000 },
    { .name = "deadline",
      .says = "a stop is requested when its deadline comes, or dropped before",
      .threads = 1,
      .hosts = 3,
      .before = begin_one,
      .thread = deadline,
      .executions = 5000 },
    { .name = "deadline outliving its pool",
      .says = "a stop with a deadline is freed once, before or after the pool",
      .threads = 2,
      .hosts = 2,
      .before = begin_outliving,
      .thread = outliving,
      .after = outliving_after,
      .executions = 5000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "later.c", "deadline.c", "retry.c", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
