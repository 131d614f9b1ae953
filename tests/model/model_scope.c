/* SPDX-License-Identifier: MIT */
/*
 * Many futures at once: iterators in completion order, waits for the first or for all, and scopes, whose memory goes as
 * soon as the last task has left. What tasks did is seen by who waited for them, and each is delivered once.
 */
#include "small.h"

static filch_scope *_Atomic open; /* NULL: not yet */
static _Atomic uint32_t said;     /* by others to the opener */
static unsigned called[RUNS];     /* by callbacks */

static void begin_many(unsigned workers, unsigned threads, bool spare)
{
    begin_with(workers, threads, spare);
    atomic_init(&open, NULL);
    atomic_init(&said, 0);
    for (unsigned i = 0; i < RUNS; i++)
        called[i] = 0;
}

static void begin_two(void)
{
    begin_many(2, 1, true);
}

static void begin_one(void)
{
    begin_many(1, 1, false);
}

static int fail(filch_task *self, void *arg)
{
    count(self, arg);
    return filch_fail(self, -EIO, "as it should");
}

static filch_scope *open_scope(filch_scope_policy policy, bool discard)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL;
    options.policy = policy;
    options.discard = discard;
    model_check(filch_scope_open(&scope, pool, &options) == 0);
    return scope;
}

static void submit_to(filch_scope *scope, filch_fn *fn, unsigned i)
{
    model_check(filch_scope_submit(scope, fn, &runs[i], NULL) == 0);
}

/* ---- A join ---- */

/* No future is kept, so the count alone orders the look after the tasks. */
static void join_and_look(unsigned i)
{
    (void)i;
    filch_scope *scope = open_scope(FILCH_COLLECT, true);
    submit_to(scope, count, 0);
    submit_to(scope, count, 1);
    linger(60);
    model_check(filch_scope_join(scope, NULL) == 0);
    model_check(runs[0] == 1 && runs[1] == 1);
    filch_scope_close(scope);
    leave();
}

/* Twice, as the count goes to 0 and up again. */
static void join_twice(unsigned i)
{
    (void)i;
    filch_scope *scope = open_scope(FILCH_COLLECT, true);
    for (unsigned round = 0; round < 2; round++) {
        submit_to(scope, count, round);
        model_check(filch_scope_join(scope, NULL) == 0);
        model_check(runs[round] == 1);
    }
    filch_scope_close(scope);
    leave();
}

/* ---- Next ---- */

static void next_each(filch_scope *scope, unsigned n)
{
    filch_future *next = NULL;
    for (unsigned i = 0; i < n; i++) {
        model_check(filch_scope_next(scope, FILCH_FOREVER, &next) == 1);
        unsigned *ran = filch_future_arg(next);
        model_check(*ran == 1 && !called[ran - runs]++);
    }
    model_check(filch_scope_next(scope, FILCH_FOREVER, &next) == 0);
}

/* Into the scope of its own task, as the opener does at this moment. */
static int submit_more(filch_task *self, void *arg)
{
    submit_to(filch_scope_current(), count, 1);
    return count(self, arg);
}

static void next_of_each(unsigned i)
{
    (void)i;
    filch_scope *scope = open_scope(FILCH_COLLECT, false);
    submit_to(scope, submit_more, 0);
    linger(40);
    submit_to(scope, count, 2);
    next_each(scope, 3);
    filch_scope_close(scope);
    leave();
}

/* Inside a task, which runs what it waits for. */
static int next_inside(filch_task *self, void *arg)
{
    filch_scope *scope = open_scope(FILCH_COLLECT, false);
    submit_to(scope, submit_more, 0);
    submit_to(scope, count, 2);
    next_each(scope, 3);
    filch_scope_close(scope);
    return count(self, arg);
}

static void wait_for_inside(unsigned i)
{
    (void)i;
    filch_future *future = NULL;
    model_check(filch_submit(pool, next_inside, &runs[3], &future) == 0);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    settle(future, &runs[3]);
    leave();
}

/* ---- The first error stops the others ---- */

static void fail_fast(unsigned i)
{
    (void)i;
    filch_error *error = NULL;
    filch_scope *scope = open_scope(FILCH_FAIL_FAST, false);
    submit_to(scope, fail, 0);
    submit_to(scope, count, 1);
    submit_to(scope, fail, 2);
    model_check(filch_scope_join(scope, &error) == -EIO);
    size_t others = filch_error_suppressed_count(error);
    model_check(runs[0] + runs[2] == 1 + others && runs[1] <= 1);
    filch_error_unref(error);
    filch_future *next = NULL;
    while (filch_scope_next(scope, FILCH_FOREVER, &next) == 1) {
        unsigned *ran = filch_future_arg(next);
        model_check(filch_future_state(next) == FILCH_STOPPED ? *ran == 0 : *ran == 1);
        called[ran - runs]++;
    }
    model_check(called[0] == 1 && called[1] == 1 && called[2] == 1);
    filch_scope_close(scope);
    leave();
}

/* ---- A close at any moment ---- */

static void close_early(unsigned i)
{
    (void)i;
    filch_scope *scope = open_scope(FILCH_FAIL_FAST, model_choose(2) != 0);
    submit_to(scope, count, 0);
    submit_to(scope, count, 1);
    linger(60);
    filch_scope_close(scope);
    model_check(runs[0] <= 1 && runs[1] <= 1);
    leave();
}

/* ---- Others submit, and are refused, while the opener joins ---- */

static int never(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    model_check(!"a task that was refused does not run");
    return 0;
}

static void begin_refused(void)
{
    begin_many(1, 3, true);
}

static void refuse(filch_scope *scope, unsigned i)
{
    filch_task_options before_time = FILCH_TASK_OPTIONS;
    before_time.start_at_ns = -1;
    model_check(filch_scope_submit_with(scope, never, &runs[i], &before_time, NULL) == -EINVAL);
}

static void join_refused(void)
{
    filch_scope *scope = open_scope(FILCH_COLLECT, false);
    atomic_store_explicit(&open, scope, memory_order_release);
    uint32_t done;
    do {
        done = atomic_load_explicit(&said, memory_order_acquire);
        model_check(filch_scope_join(scope, NULL) == 0);
        model_yield();
    } while (done < 2);
    next_each(scope, 2);
    filch_scope_close(scope);
}

static void submit_refused(unsigned i)
{
    filch_scope *scope;
    if (i == 0) {
        join_refused();
        leave();
        return;
    }
    while (!(scope = atomic_load_explicit(&open, memory_order_acquire)))
        model_yield();
    refuse(scope, i);
    submit_to(scope, count, i);
    atomic_fetch_add_explicit(&said, 1, memory_order_release);
    leave();
}

/* ---- Iterators ---- */

static void call_back(filch_future *future, void *arg)
{
    unsigned *calls = arg;
    model_check(filch_future_state(future) == FILCH_DONE);
    ++*calls;
}

static void submit_some(filch_future **futures, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        model_check(filch_submit(pool, count, &runs[i], &futures[i]) == 0);
}

static void iterate(unsigned i)
{
    (void)i;
    filch_future *futures[3], *next;
    filch_completed *completed;
    submit_some(futures, 2);
    futures[2] = futures[0]; /* which is delivered once all the same */
    model_check(filch_completed_begin(&completed, futures, 3, FILCH_FOREVER) == 0);
    for (unsigned j = 0; j < 2; j++)
        model_check(filch_future_on_done(futures[j], call_back, &called[j]) == 0);
    bool delivered[2] = { false, false };
    for (unsigned j = 0; j < 2; j++) {
        model_check(filch_completed_next(completed, &next) == 1);
        unsigned *ran = filch_future_arg(next);
        model_check(*ran == 1 && !delivered[ran - runs]);
        delivered[ran - runs] = true;
    }
    model_check(filch_completed_next(completed, &next) == 0);
    filch_completed_end(completed);
    for (unsigned j = 0; j < 2; j++)
        filch_future_unref(futures[j]);
    leave(); /* after which no callback can be under way */
}

static void iterate_after(void)
{
    model_check(called[0] == 1 && called[1] == 1);
}

/* Ends it, with waiters that are served at that moment. */
static void end_early(unsigned i)
{
    (void)i;
    filch_future *futures[2], *next;
    filch_completed *completed;
    submit_some(futures, 2);
    model_check(filch_completed_begin(&completed, futures, 2, 1) == 0);
    linger(40);
    int rc = filch_completed_next(completed, &next);
    model_check(rc == 1 ? *(unsigned *)filch_future_arg(next) == 1 : rc == -ETIMEDOUT);
    filch_completed_end(completed);
    model_check(filch_wait(futures, 2, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    settle(futures[0], &runs[0]);
    settle(futures[1], &runs[1]);
    leave();
}

/* Two at once mark the same futures. */
static filch_future *both[2];

static void begin_marks(void)
{
    begin_many(1, 2, true);
    submit_some(both, 2);
    filch_future_ref(both[0]);
    filch_future_ref(both[1]);
}

static void iterate_both(unsigned i)
{
    (void)i;
    filch_future *twice[3] = { both[0], both[1], both[0] }, *next;
    filch_completed *completed;
    model_check(filch_completed_begin(&completed, twice, 3, FILCH_FOREVER) == 0);
    unsigned delivered = 0;
    while (filch_completed_next(completed, &next) == 1)
        delivered += 1u << (next == both[1]) * 4;
    model_check(delivered == 0x11);
    filch_completed_end(completed);
    filch_future_unref(both[0]);
    filch_future_unref(both[1]);
    leave();
}

/* ---- Waits for one or all ---- */

static void wait_modes(unsigned i)
{
    (void)i;
    filch_future *futures[2];
    size_t done = 0;
    model_check(filch_submit(pool, count, &runs[0], &futures[0]) == 0);
    model_check(filch_submit(pool, fail, &runs[1], &futures[1]) == 0);
    model_check(filch_wait(futures, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &done) == 0 && done >= 1);
    model_check(filch_wait(futures, 2, FILCH_FIRST_ERROR, FILCH_FOREVER, NULL) == 0);
    model_check(filch_future_result(futures[1], 0, NULL) == -EIO && runs[1] == 1);
    model_check(filch_wait(futures, 2, FILCH_ALL, FILCH_FOREVER, &done) == 0 && done == 2);
    settle(futures[0], &runs[0]);
    filch_future_unref(futures[1]);
    leave();
}

#define MODEL(title, what, own, others, first, run, most)                                             \
    {                                                                                                 \
        .name = title, .says = what, .threads = own, .hosts = others, .before = first, .thread = run, \
        .executions = most,                                                                           \
    }

/* ---- A sleep whose end a stop and its deadline decide ---- */

static filch_stop *stop;

static int doze(filch_task *self, void *arg)
{
    filch_sleep(20000);
    return count(self, arg);
}

static void begin_doze(void)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    begin_many(1, 2, true);
    model_check(filch_stop_create(&stop, NULL) == 0);
    options.stop = stop;
    model_check(filch_submit_with(pool, doze, &runs[0], &options, NULL) == 0);
}

static void stop_sleeper(unsigned i)
{
    if (i == 0) {
        linger(60);
        filch_stop_request(stop, -EINTR);
        filch_stop_unref(stop);
    }
    leave();
}

static const struct model models[] = {
    MODEL("scope refused", "submits of others, some refused, meet joins: none is lost, and no signal comes late", 3,
          1, begin_refused, submit_refused, 20000),
    MODEL("scope join", "all that a scope's tasks did happened before its join returns", 1, 2, begin_two,
          join_and_look, 20000),
    MODEL("scope join twice", "a scope is joined, used again and freed while its last signals come", 1, 2,
          begin_two, join_twice, 10000),
    MODEL("scope next", "each task is delivered once, those too that tasks submit", 1, 2, begin_two, next_of_each,
          10000),
    MODEL("scope next inside", "the same inside a task of the only thread", 1, 1, begin_one, wait_for_inside, 5000),
    MODEL("scope fail fast", "the first error is the join's, and each task ran or was stopped", 1, 2, begin_two,
          fail_fast, 10000),
    MODEL("scope close", "a close stops what has not started and waits for the rest", 1, 2, begin_two, close_early,
          10000),
    { .name = "scope iterator",
      .says = "each future is delivered once, also if listed twice, and each callback is called once",
      .threads = 1,
      .hosts = 2,
      .before = begin_two,
      .thread = iterate,
      .after = iterate_after,
      .executions = 10000 },
    MODEL("scope iterator ended", "an iterator ends while its waiters are served", 1, 2, begin_two, end_early,
          10000),
    MODEL("scope iterators", "two iterators that mark the same futures at once", 2, 1, begin_marks, iterate_both,
          10000),
    MODEL("sleep, stopped", "a stop leaves the sleeper before that goes on", 2, 1, begin_doze, stop_sleeper, 3000),
    MODEL("scope waits", "waits for the first, for an error and for all", 1, 2, begin_two, wait_modes, 10000),
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "scope.c", "completed.c", "wait.c", "outcome.c", "group.h", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
