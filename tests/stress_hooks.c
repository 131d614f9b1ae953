/* SPDX-License-Identifier: MIT */
/*
 * A pool with hooks and metrics under all that can happen to tasks: each attempt is started once and finished once, each
 * task that was submitted ends once, on each thread starts and finishes are nested, and the counts agree with it.
 */
#include "stress.h"

#include <filch/filch.h>

enum { DEPTH = 512 };

static struct {
    _Atomic uint64_t submitted, started, finished, again, dropped, parked, unparked, gave, resumed;
    _Atomic uint64_t lost; /* data that did not arrive, or starts and finishes that are not nested */
} seen;

/* What this thread has started and not finished. */
static _Thread_local struct {
    const filch_task *tasks[DEPTH];
    unsigned n;
} stack;

#define MARK ((void *)0x5eed)

static void count(_Atomic uint64_t *number)
{
    atomic_fetch_add(number, 1);
}

static void on_submit(const filch_event *event, void *arg)
{
    (void)arg;
    count(&seen.submitted);
    if ((uintptr_t)filch_future_arg(event->task) % 2)
        *event->data = MARK;
}

static void check_data(const filch_event *event)
{
    if (*event->data != ((uintptr_t)filch_future_arg(event->task) % 2 ? MARK : NULL))
        count(&seen.lost);
}

static void on_start(const filch_event *event, void *arg)
{
    (void)arg;
    count(&seen.started);
    check_data(event);
    if (stack.n == DEPTH)
        count(&seen.lost);
    else
        stack.tasks[stack.n++] = event->task;
}

static void on_finish(const filch_event *event, void *arg)
{
    (void)arg;
    count(event->state == FILCH_RETRY_WAIT ? &seen.again : &seen.finished);
    check_data(event);
    if (stack.n == 0 || stack.tasks[--stack.n] != event->task)
        count(&seen.lost);
}

static void on_drop(const filch_event *event, void *arg)
{
    (void)arg;
    count(&seen.dropped);
    check_data(event);
}

#define COUNTER(function, number)                             \
    static void function(const filch_event *event, void *arg) \
    {                                                         \
        (void)event;                                          \
        (void)arg;                                            \
        count(&seen.number);                                  \
    }

COUNTER(on_park, parked)
COUNTER(on_unpark, unparked)
COUNTER(on_handoff, gave)
COUNTER(on_resume, resumed)

static int leaf(filch_task *self, void *arg)
{
    uintptr_t n = (uintptr_t)arg;
    if (n % 7 == 3)
        return filch_task_attempt(self) < 2 ? -EAGAIN : 0;
    return n % 11 == 5 ? -EIO : 0;
}

static int branch(filch_task *self, void *arg)
{
    filch_future *futures[8] = { NULL };
    uintptr_t n = (uintptr_t)arg;
    for (uintptr_t i = 0; i < 8; i++)
        if (filch_submit(filch_task_pool(self), leaf, (void *)(n + i), &futures[i]))
            break;
    for (int i = 0; i < 8; i++) {
        if (futures[i] && i % 3 == 0)
            filch_future_cancel(futures[i]);
        else if (futures[i])
            filch_future_wait(futures[i], FILCH_FOREVER);
        filch_future_unref(futures[i]);
    }
    if (n % 5 == 0) {
        filch_blocking_begin(self);
        filch_blocking_end(self);
    }
    return 0;
}

/* A scope of which a task's failure stops the rest. */
static void submit_scope(filch_pool *pool, uintptr_t n)
{
    filch_scope *scope;
    if (filch_scope_open(&scope, pool, NULL))
        return;
    for (uintptr_t i = 0; i < 20; i++)
        filch_scope_submit(scope, leaf, (void *)(n + i), NULL);
    filch_scope_close(scope);
}

static void submit_with_retry(filch_pool *pool, uintptr_t n)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    retry.max_attempts = 2;
    retry.interval_ns = 1000;
    options.retry = &retry;
    options.name = n % 2 ? "again" : NULL;
    if (filch_submit_with(pool, leaf, (void *)n, &options, &future))
        return;
    if (n % 4 == 0)
        filch_future_cancel(future);
    filch_future_unref(future);
}

static void play(filch_pool *pool, unsigned long round)
{
    for (uintptr_t i = 0; i < 50; i++) {
        uintptr_t n = (uintptr_t)round * 64 + i;
        if (i % 10 == 9)
            submit_scope(pool, n);
        else if (i % 5 == 4)
            submit_with_retry(pool, n);
        else
            filch_submit(pool, i % 2 ? branch : leaf, (void *)n, NULL);
    }
}

static void check_events(void)
{
    CHECK_IS(seen.lost, 0);
    CHECK_IS(seen.started, seen.finished + seen.again);
    CHECK_IS(seen.submitted, seen.finished + seen.dropped);
}

/* Each attempt after the first counts as another submit. */
static void check_metrics(filch_pool *pool)
{
    filch_metrics metrics = FILCH_METRICS;
    CHECK(filch_metrics_get(pool, &metrics) == 0);
    CHECK_IS(metrics.submitted, seen.submitted + seen.again);
    CHECK_IS(metrics.finished, metrics.submitted);
    CHECK_IS(metrics.done + metrics.failed + metrics.stopped + metrics.cancelled, seen.finished + seen.dropped);
    CHECK_IS(metrics.retried, seen.again);
    CHECK(metrics.queued_inside == 0 && metrics.queued_outside == 0 && metrics.delayed == 0);
}

static filch_pool *create(unsigned long round)
{
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    hooks.on_submit = on_submit;
    hooks.on_start = on_start;
    hooks.on_finish = on_finish;
    hooks.on_drop = on_drop;
    hooks.on_park = on_park;
    hooks.on_unpark = on_unpark;
    hooks.on_handoff = on_handoff;
    hooks.on_resume = on_resume;
    options.hooks = &hooks;
    options.metrics = true;
    options.workers = stress.workers ? stress.workers : 1 + (unsigned)(round % 4);
    options.no_spare_threads = round % 8 == 7;
    if (round % 3 == 2) {
        options.capacity = 16;
        options.overflow = FILCH_CALLER_RUNS;
    }
    CHECK(filch_pool_create(&pool, &options) == 0);
    return pool;
}

int main(int argc, char **argv)
{
    unsigned long round;
    uint64_t started = 0, dropped = 0;
    stress_begin("stress_hooks", 1, argc, argv);
    for (round = 0; stress_goes_on_to(round); round++) {
        filch_pool *pool = create(round);
        memset(&seen, 0, sizeof seen);
        play(pool, round);
        if (round % 2)
            filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL);
        CHECK(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
        check_events();
        check_metrics(pool);
        filch_pool_destroy(pool);
        check_events();
        CHECK_IS(seen.gave, seen.resumed);
        CHECK_IS(seen.parked, seen.unparked);
        started += seen.started;
        dropped += seen.dropped;
        stress_progress();
    }
    stress_total("pools", round);
    stress_total("started", started);
    stress_total("dropped", dropped);
    return stress_end();
}
