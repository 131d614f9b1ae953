/* SPDX-License-Identifier: MIT */
/* Forked calls: run once, here or by a thief, as a part of their task; and joins, which may wait. */
#include "fork_fib.h"
#include "support.h"

#include <signal.h>

SUITE(forkjoin);

/* Runs fn(arg) as a task and returns its code. */
static int run_in(filch_pool *pool, filch_fn *fn, void *arg)
{
    filch_future *future = submit_named(pool, fn, arg, "forks");
    int rc = filch_future_result(future, FILCH_FOREVER, NULL);
    filch_future_unref(future);
    return rc;
}

static filch_forker *forker_of(filch_task *self)
{
    filch_forker *forker = NULL;
    must(filch_fork_begin(self, &forker) == 0);
    return forker;
}

/* ---- Typed calls ---- */

static int fib_task(filch_task *self, void *out)
{
    *(int *)out = fib(forker_of(self), 24);
    return 0;
}

Test(forkjoin, a_recursive_function_gives_its_result_with_any_number_of_workers)
{
    for (unsigned workers = 1; workers <= 16; workers *= 2) {
        filch_pool *pool = pool_of(workers);
        int out = 0;
        cr_assert_eq(run_in(pool, fib_task, &out), 0);
        cr_assert_eq(out, 46368, "with %u workers", workers);
        filch_pool_destroy(pool);
    }
}

struct trace {
    filch_pool *pool;
    int order[8];
    _Atomic int n;
};

static void note(filch_forker *forker, struct trace *trace, int what)
{
    (void)forker;
    trace->order[atomic_fetch_add(&trace->n, 1)] = what;
}
FILCH_FORKABLE_VOID_2(note, struct trace *, int)

static int fork_three(filch_task *self, void *arg)
{
    filch_forker *forker = forker_of(self);
    struct note_forked calls[3];
    for (int i = 0; i < 3; i++)
        note_fork(forker, &calls[i], arg, i);
    note(forker, arg, 3);
    for (int i = 2; i >= 0; i--)
        note_join(forker, &calls[i]);
    return 0;
}

Test(forkjoin, what_nobody_takes_runs_at_its_join)
{
    struct trace trace = { .pool = pool_of(1) };
    cr_assert_eq(run_in(trace.pool, fork_three, &trace), 0);
    cr_assert_eq(stats_of(trace.pool).stolen, 0);
    filch_pool_destroy(trace.pool);
    cr_assert_eq(trace.n, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(trace.order[i], 3 - i);
}

/* ---- Thieves ---- */

/* A call that tells that it runs, waits to be let go on, and looks round. */
struct visit {
    filch_forked forked;
    struct gate gate;
    filch_task *task;         /* whose it is */
    pthread_t parent, runner; /* who forked it, and who ran it */
    bool own_name, elsewhere, stopped;
    void (*more)(filch_forker *forker, struct visit *visit);
    filch_pool *pool;
};

#define VISIT        \
    {                \
        .gate = GATE \
    }

static void visit(filch_forker *forker, filch_forked *forked)
{
    struct visit *visit = (struct visit *)forked;
    must(filch_task_current() == visit->task);
    visit->own_name = filch_future_name(filch_task_current()) != NULL;
    visit->runner = pthread_self();
    visit->elsewhere = !pthread_equal(visit->parent, pthread_self());
    event_signal(&visit->gate.started);
    if (visit->more)
        visit->more(forker, visit);
    else
        event_await(&visit->gate.opened);
    visit->stopped = filch_fork_stopped(forker);
}

static void send(filch_task *self, filch_forker *forker, struct visit *visit_of)
{
    visit_of->task = self;
    visit_of->parent = pthread_self();
    filch_fork(forker, &visit_of->forked, visit);
}

static int join_one_taken(filch_task *self, void *arg)
{
    struct visit *visit = arg;
    filch_forker *forker = forker_of(self);
    send(self, forker, visit);
    event_await(&visit->gate.started); /* nobody but a thief can have begun it */
    filch_fork_join(forker, &visit->forked);
    must(filch_task_current() == self);
    return 0;
}

Test(forkjoin, an_idle_worker_is_woken_for_the_first_fork)
{
    filch_pool *pool = pool_of(2);
    struct visit visit = VISIT;
    gate_open(&visit.gate);
    cr_assert_eq(run_in(pool, join_one_taken, &visit), 0);
    cr_assert(visit.elsewhere && visit.own_name && !visit.stopped);
    cr_assert_eq(stats_of(pool).stolen, 1);
    filch_pool_destroy(pool);
}

Test(forkjoin, a_join_of_what_runs_elsewhere_gives_its_worker_away)
{
    filch_pool *pool = pool_of(2);
    struct visit visit = VISIT;
    int out = 0;
    filch_future *future = submit(pool, join_one_taken, &visit);
    event_await(&visit.gate.started);
    cr_assert_eq(run_in(pool, fib_task, &out), 0, "one worker is the thief's, the other free");
    cr_assert_eq(out, 46368);
    gate_open(&visit.gate);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert_geq(stats_of(pool).handoffs, 1);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(forkjoin, a_stop_of_the_task_is_seen_by_its_calls_and_ends_no_join)
{
    filch_pool *pool = pool_of(2);
    filch_stop *stop = stop_under(filch_pool_stop(pool));
    struct visit visit = VISIT;
    filch_future *future = submit_under(pool, join_one_taken, &visit, stop);
    event_await(&visit.gate.started);
    filch_stop_request(stop, 0);
    cr_assert_not(filch_future_done(future), "its call still runs");
    gate_open(&visit.gate);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert(visit.stopped);
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

static int fork_and_block(filch_task *self, void *arg)
{
    struct visit *visits = arg;
    filch_forker *forker = forker_of(self);
    for (int i = 0; i < 3; i++)
        send(self, forker, &visits[i]);
    filch_blocking_begin(self);
    for (int i = 0; i < 3; i++)
        event_await(&visits[i].gate.started);
    filch_blocking_end(self);
    for (int i = 2; i >= 0; i--)
        filch_fork_join(forker, &visits[i].forked);
    return 0;
}

Test(forkjoin, before_a_task_blocks_others_can_take_all_that_it_has_forked)
{
    filch_pool *pool = pool_of(1);
    struct visit visits[3] = { VISIT, VISIT, VISIT };
    for (int i = 0; i < 3; i++)
        gate_open(&visits[i].gate);
    cr_assert_eq(run_in(pool, fork_and_block, visits), 0);
    for (int i = 0; i < 3; i++)
        cr_assert(visits[i].elsewhere);
    cr_assert_eq(stats_of(pool).stolen, 3);
    filch_pool_destroy(pool);
}

static int fork_and_wait(filch_task *self, void *arg)
{
    struct visit *visits = arg;
    filch_forker *forker = forker_of(self);
    for (int i = 0; i < 3; i++)
        send(self, forker, &visits[i]);
    int out;
    must(run_in(filch_task_pool(self), fib_task, &out) == 0); /* in its place, with forks of its own */
    must(out == 46368 && filch_task_current() == self);
    for (int i = 2; i >= 0; i--)
        filch_fork_join(forker, &visits[i].forked);
    return 0;
}

Test(forkjoin, a_wait_between_fork_and_join_may_run_another_task_that_forks)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_pool *pool = pool_of(workers);
        struct visit visits[3] = { VISIT, VISIT, VISIT };
        for (int i = 0; i < 3; i++)
            gate_open(&visits[i].gate);
        cr_assert_eq(run_in(pool, fork_and_wait, visits), 0);
        filch_pool_destroy(pool);
    }
}

static int block_until_all_run(filch_task *self, void *arg)
{
    struct visit *visits = arg;
    filch_blocking_begin(self);
    for (int i = 0; i < 3; i++)
        event_await(&visits[i].gate.started);
    filch_blocking_end(self);
    return 0;
}

static int fork_and_await_who_needs_them(filch_task *self, void *arg)
{
    struct visit *visits = arg;
    filch_forker *forker = forker_of(self);
    for (int i = 0; i < 3; i++)
        send(self, forker, &visits[i]);
    must(run_in(filch_task_pool(self), block_until_all_run, visits) == 0);
    for (int i = 2; i >= 0; i--)
        filch_fork_join(forker, &visits[i].forked);
    return 0;
}

Test(forkjoin, before_another_task_runs_in_its_place_others_can_take_all_that_a_task_has_forked)
{
    filch_pool *pool = pool_of(1);
    struct visit visits[3] = { VISIT, VISIT, VISIT };
    for (int i = 0; i < 3; i++)
        gate_open(&visits[i].gate);
    cr_assert_eq(run_in(pool, fork_and_await_who_needs_them, visits), 0);
    cr_assert_eq(stats_of(pool).stolen, 3);
    filch_pool_destroy(pool);
}

static int fork_flat(filch_task *self, void *arg)
{
    struct visit *visits = arg;
    filch_forker *forker = forker_of(self);
    for (int i = 0; i < 4; i++)
        send(self, forker, &visits[i]);
    event_await(&visits[3].gate.started);
    for (int i = 3; i >= 0; i--)
        filch_fork_join(forker, &visits[i].forked);
    return 0;
}

Test(forkjoin, calls_that_are_forked_one_after_the_other_are_shown_though_nobody_had_time_to_ask_again)
{
    filch_pool *pool = pool_of(2);
    struct visit visits[4] = { VISIT, VISIT, VISIT, VISIT };
    for (int i = 0; i < 4; i++)
        gate_open(&visits[i].gate);
    cr_assert_eq(run_in(pool, fork_flat, visits), 0);
    cr_assert_eq(stats_of(pool).stolen, 4);
    filch_pool_destroy(pool);
}

static int fork_when_nobody_is_awake(filch_task *self, void *arg)
{
    struct visit *visits = arg;
    for (int i = 0; i < 3; i++) {
        must(join_one_taken(self, &visits[i]) == 0);
        UNTIL(stats_of(filch_task_pool(self)).idle == 1);
    }
    return 0;
}

Test(forkjoin, a_worker_that_found_nothing_and_sleeps_is_woken_by_the_next_fork)
{
    filch_pool *pool = pool_of(2);
    struct visit visits[3] = { VISIT, VISIT, VISIT };
    for (int i = 0; i < 3; i++)
        gate_open(&visits[i].gate);
    cr_assert_eq(run_in(pool, fork_when_nobody_is_awake, visits), 0);
    cr_assert_eq(stats_of(pool).stolen, 3);
    filch_pool_destroy(pool);
}

static void fork_for_the_joiner(filch_forker *forker, struct visit *outer)
{
    struct visit inner = VISIT;
    gate_open(&inner.gate);
    UNTIL(stats_of(outer->pool).idle == 1); /* who joins us has gone to sleep */
    send(outer->task, forker, &inner);
    event_await(&inner.gate.started);
    filch_fork_join(forker, &inner.forked);
    must(pthread_equal(outer->parent, inner.runner));
}

Test(forkjoin, who_joins_what_runs_elsewhere_is_woken_to_help_with_it_when_no_other_thread_is_to_be_had)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 2;
    options.no_spare_threads = true;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    struct visit visit = VISIT;
    visit.more = fork_for_the_joiner;
    visit.pool = pool;
    cr_assert_eq(run_in(pool, join_one_taken, &visit), 0);
    cr_assert_eq(stats_of(pool).stolen, 2);
    filch_pool_destroy(pool);
}

/* ---- What a call may do on another thread ---- */

static void wait_and_scope(filch_forker *forker, struct visit *visit)
{
    filch_scope *scope = NULL;
    int out = 0, in_scope = 0;
    filch_forker *same = forker_of(visit->task);
    must(same == forker);
    must(run_in(visit->pool, fib_task, &out) == 0 && out == 46368);
    must(filch_scope_open(&scope, visit->pool, NULL) == 0);
    must(filch_scope_current() == scope);
    must(filch_scope_submit(scope, fib_task, &in_scope, NULL) == 0);
    must(filch_scope_join(scope, NULL) == 0 && in_scope == 46368);
    filch_scope_close(scope);
    must(filch_scope_open(&scope, visit->pool, NULL) == 0); /* left open: closed when the call returns */
    filch_blocking_begin(visit->task);
    sched_yield();
}

Test(forkjoin, a_call_on_another_thread_may_wait_submit_block_and_open_scopes)
{
    for (int spare = 0; spare < 2; spare++) {
        filch_pool_options options = FILCH_POOL_OPTIONS;
        filch_pool *pool = NULL;
        options.workers = 2;
        options.no_spare_threads = !spare;
        cr_assert_eq(filch_pool_create(&pool, &options), 0);
        struct visit visit = VISIT;
        visit.more = wait_and_scope;
        visit.pool = pool;
        cr_assert_eq(run_in(pool, join_one_taken, &visit), 0);
        cr_assert(visit.elsewhere);
        filch_pool_destroy(pool);
    }
}

Test(forkjoin, a_shutdown_waits_for_what_runs_elsewhere_and_cancels_nothing_of_it)
{
    filch_pool *pool = pool_of(2);
    struct visit visit = VISIT;
    filch_future *future = submit(pool, join_one_taken, &visit);
    event_await(&visit.gate.started);
    unsigned flags = FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_STOP_RUNNING | FILCH_SHUTDOWN_WAIT;
    cr_assert_eq(filch_pool_shutdown(pool, flags, 0, NULL), -ETIMEDOUT);
    gate_open(&visit.gate);
    cr_assert_eq(filch_pool_shutdown(pool, flags, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_future_result(future, 0, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

#define MANY 100000

static void count_run(filch_forker *forker, _Atomic int *ran)
{
    (void)forker;
    atomic_fetch_add(ran, 1);
}
FILCH_FORKABLE_VOID_1(count_run, _Atomic int *)

static int fork_many_and_block(filch_task *self, void *arg)
{
    filch_forker *forker = forker_of(self);
    struct count_run_forked *calls = malloc(MANY * sizeof *calls);
    must(calls);
    for (int i = 0; i < MANY; i++)
        count_run_fork(forker, &calls[i], arg);
    filch_blocking_begin(self); /* shows all of them */
    filch_blocking_end(self);
    for (int i = MANY - 1; i >= 0; i--)
        count_run_join(forker, &calls[i]);
    free(calls);
    return 0;
}

Test(forkjoin, any_number_of_calls_may_be_forked_before_the_first_join)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        _Atomic int ran = 0;
        cr_assert_eq(run_in(pool, fork_many_and_block, &ran), 0);
        cr_assert_eq(ran, MANY);
        filch_pool_destroy(pool);
    }
}

/* ---- Who may fork ---- */

static int begin_for_others(filch_task *self, void *other)
{
    filch_forker *forker = NULL;
    must(filch_fork_begin(other, &forker) == -EINVAL);
    must(filch_fork_begin(self, NULL) == -EINVAL && !forker);
    return 0;
}

Test(forkjoin, only_the_task_that_runs_here_may_fork)
{
    filch_pool *pool = pool_of(1);
    filch_forker *forker = NULL;
    struct gate gate = GATE;
    cr_assert_eq(filch_fork_begin(NULL, &forker), -EINVAL);
    filch_future *other = submit(pool, pass_gate, &gate);
    cr_assert_eq(filch_fork_begin(other, &forker), -EINVAL);
    gate_open(&gate);
    cr_assert_eq(run_in(pool, begin_for_others, other), 0);
    cr_assert_null(forker);
    filch_future_unref(other);
    filch_pool_destroy(pool);
}

#define CALLS_OF_HOST 100 /* so many are not shown for one request */

struct hosting {
    filch_pool *full;
    _Atomic int ran;
};

/* With room for one task, and then who submits runs it. */
static filch_pool *full_pool(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

Test(forkjoin, a_guest_forks_for_itself)
{
    filch_pool *pool = full_pool();
    struct gate gate = GATE;
    int out = 0;
    filch_future *holder = hold_worker(pool, &gate);
    filch_future *waits = submit(pool, pass_gate, &gate);
    cr_assert_eq(run_in(pool, fib_task, &out), 0, "here, as there is no place left");
    cr_assert_eq(out, 46368);
    gate_open(&gate);
    gate_open(&gate);
    filch_future_unref(holder);
    filch_future_unref(waits);
    filch_pool_destroy(pool);
}

static int await_runs(filch_task *self, void *ran)
{
    (void)self;
    UNTIL(atomic_load((_Atomic int *)ran) == CALLS_OF_HOST);
    return 0;
}

static int fork_and_be_host(filch_task *self, void *arg)
{
    struct hosting *hosting = arg;
    filch_forker *forker = forker_of(self);
    struct count_run_forked calls[CALLS_OF_HOST];
    for (int i = 0; i < CALLS_OF_HOST; i++)
        count_run_fork(forker, &calls[i], &hosting->ran);
    must(run_in(hosting->full, await_runs, &hosting->ran) == 0);
    for (int i = CALLS_OF_HOST - 1; i >= 0; i--)
        count_run_join(forker, &calls[i]);
    return 0;
}

Test(forkjoin, before_a_task_runs_one_as_a_guest_others_can_take_all_that_it_has_forked)
{
    struct gate gate = GATE;
    struct hosting hosting = { .full = full_pool() };
    filch_pool *pool = pool_of(2);
    filch_future *holder = hold_worker(hosting.full, &gate);
    filch_future *waits = submit(hosting.full, pass_gate, &gate);
    cr_assert_eq(run_in(pool, fork_and_be_host, &hosting), 0);
    gate_open(&gate);
    gate_open(&gate);
    filch_future_unref(holder);
    filch_future_unref(waits);
    filch_pool_destroy(hosting.full);
    filch_pool_destroy(pool);
}

#ifndef NDEBUG
static int forget(filch_task *self, void *arg)
{
    note_fork(forker_of(self), malloc(sizeof(struct note_forked)), arg, 1);
    return 0;
}

Test(forkjoin, a_task_that_returns_without_a_join_is_told_in_debug_builds, .signal = SIGABRT)
{
    filch_pool *pool = pool_of(1);
    struct trace trace = { .n = 0 };
    run_in(pool, forget, &trace);
}
#endif
