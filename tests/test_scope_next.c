/* SPDX-License-Identifier: MIT */
/* A scope's tasks in completion order. */
#include "os.h"
#include "scope_support.h"

SUITE(scope_next);

#define N 100

Test(scope_next, gives_each_task_once_in_completion_order)
{
    filch_pool *pool = pool_of(3);
    filch_scope *scope = scope_of(pool);
    struct gate gates[3] = { GATE, GATE, GATE };
    filch_future *tasks[3], *next = NULL;
    for (int i = 0; i < 3; i++)
        tasks[i] = spawn_held(scope, pass_gate, &gates[i]);
    static const int order[] = { 1, 2, 0 };
    for (int i = 0; i < 3; i++) {
        gate_open(&gates[order[i]]);
        cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
        cr_assert_eq(next, tasks[order[i]]);
    }
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
    unref_all(tasks, 3);
    cr_assert_eq(finish(scope), 0);
    filch_pool_destroy(pool);
}

Test(scope_next, nothing_submitted_is_the_end)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    filch_future *next = NULL;
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
    cr_assert_null(next);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope_next, goes_on_after_the_end_when_more_is_submitted)
{
    filch_pool *pool = pool_of(2);
    filch_scope *scope = scope_of(pool);
    filch_future *next;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < round % 5; i++)
            spawn(scope, do_nothing, NULL);
        for (int i = 0; i < round % 5; i++)
            cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
        cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
        if (round % 7 == 0)
            cr_assert_eq(filch_scope_join(scope, NULL), 0);
    }
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

static void await_event(filch_future *future, void *event)
{
    (void)future;
    event_await(event);
}

Test(scope_next, the_end_does_not_wait_for_callbacks_of_the_last_task)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    struct gate gate = GATE;
    struct event seen = EVENT;
    filch_future *task = spawn_held(scope, pass_gate, &gate), *next;
    cr_assert_eq(filch_future_on_done(task, await_event, &seen), 0);
    gate_open(&gate);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
    event_signal(&seen);
    filch_future_unref(task);
    cr_assert_eq(finish(scope), 0);
    filch_pool_destroy(pool);
}

Test(scope_next, timeout_leaves_all_as_it_was)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    struct gate gate = GATE;
    filch_future *next = NULL;
    spawn(scope, pass_gate, &gate);
    cr_assert_eq(filch_scope_next(scope, 0, &next), -ETIMEDOUT);
    cr_assert_eq(filch_scope_next(scope, FILCH_MS(2), &next), -ETIMEDOUT);
    cr_assert_null(next);
    gate_open(&gate);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(finish(scope), 0);
    filch_pool_destroy(pool);
}

Test(scope_next, a_task_is_lent_until_the_next_call)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    filch_future *next, *kept;
    spawn(scope, return_arg, &pool);
    spawn(scope, return_arg, &scope);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(filch_future_arg(next), &pool);
    kept = filch_future_ref(next);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(filch_future_arg(next), &scope);
    filch_scope_close(scope);
    cr_assert_eq(filch_future_arg(kept), &pool);
    filch_future_unref(kept);
    filch_pool_destroy(pool);
}

static int fail_if_odd(filch_task *self, void *number)
{
    return (intptr_t)number % 2 ? filch_fail(self, -EIO, "odd") : 0;
}

Test(scope_next, gives_failed_stopped_and_cancelled_tasks_too)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = collecting(pool);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *next;
    int states[FILCH_STOPPED + 1] = { 0 };
    for (intptr_t i = 0; i < N; i++)
        spawn(scope, fail_if_odd, (void *)i);
    filch_future *cancelled = spawn_held(scope, do_nothing, NULL);
    cr_assert(filch_future_cancel(cancelled));
    let_go(&gate, holder);
    for (int i = 0; i < N / 2; i++) {
        cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
        states[filch_future_state(next)]++;
    }
    filch_stop_request(filch_scope_stop(scope), 0);
    for (int i = 0; i < 4; i++)
        spawn(scope, do_nothing, NULL);
    while (filch_scope_next(scope, FILCH_FOREVER, &next) == 1)
        states[filch_future_state(next)]++;
    cr_assert_eq(states[FILCH_CANCELLED], 1);
    cr_assert_geq(states[FILCH_STOPPED], 4);
    cr_assert_eq(states[FILCH_DONE] + states[FILCH_FAILED] + states[FILCH_STOPPED], N + 4);
    filch_future_unref(cancelled);
    cr_assert_eq(finish(scope), -EIO);
    filch_pool_destroy(pool);
}

Test(scope_next, early_close_leaves_nothing_behind)
{
    filch_pool *pool = pool_of(2);
    filch_scope *scope = scope_of(pool);
    filch_future *next;
    for (int i = 0; i < N; i++)
        spawn(scope, i % 10 == 9 ? run_until_stopped : do_nothing, NULL);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

Test(scope_next, a_discarding_scope_has_none)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = discarding(pool);
    filch_future *next;
    spawn(scope, do_nothing, NULL);
    cr_assert_eq(filch_scope_next(scope, 0, &next), -EINVAL);
    cr_assert_eq(finish(scope), 0);
    filch_pool_destroy(pool);
}

/* ---- Inside tasks ---- */

static int submit_two_more(filch_task *self, void *levels)
{
    (void)self;
    for (int i = 0; levels && i < 2; i++)
        spawn(filch_scope_current(), submit_two_more, (void *)((intptr_t)levels - 1));
    return 0;
}

/* arg: how deep. Counts a tree that grows while it is counted. */
static int count_tree(filch_task *self, void *levels)
{
    filch_scope *scope = scope_of(filch_task_pool(self));
    filch_future *next;
    int n = 0, rc;
    spawn(scope, submit_two_more, levels);
    while ((rc = filch_scope_next(scope, FILCH_FOREVER, &next)) == 1)
        n++;
    must(rc == 0);
    must(n == (2 << (intptr_t)levels) - 1);
    return finish(scope);
}

Test(scope_next, sees_what_tasks_submit_before_it_says_that_all_were_given)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        for (int i = 0; i < 20; i++)
            cr_assert_eq(run_in(pool, count_tree, (void *)8), 0);
        filch_pool_destroy(pool);
    }
}

struct stopping {
    struct event waits;
    filch_stop *stop;
};

/* Its own stop, not the scope's tasks', ends the wait. */
static int await_next_until_stopped(filch_task *self, void *arg)
{
    struct stopping *stopping = arg;
    filch_stop *alone = stop_under(NULL);
    filch_scope *scope = scope_under(filch_task_pool(self), alone);
    filch_future *next;
    struct gate gate = GATE;
    spawn(scope, pass_gate, &gate);
    event_signal(&stopping->waits);
    int rc = filch_scope_next(scope, FILCH_FOREVER, &next);
    must(filch_task_stopped(self) && !filch_stop_requested(filch_scope_stop(scope)));
    gate_open(&gate);
    filch_scope_close(scope);
    filch_stop_unref(alone);
    return rc;
}

Test(scope_next, stop_of_the_waiting_task_ends_the_wait)
{
    filch_pool *pool = pool_of(2);
    struct stopping stopping = { .waits = EVENT, .stop = stop_under(NULL) };
    filch_future *task = submit_under(pool, await_next_until_stopped, &stopping, stopping.stop);
    event_await(&stopping.waits);
    filch_stop_request(stopping.stop, 0);
    cr_assert_eq(filch_future_wait(task, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(task), FILCH_STOPPED);
    filch_future_unref(task);
    filch_stop_unref(stopping.stop);
    filch_pool_destroy(pool);
}

/* ---- Refused submits ---- */

static void *submit_in_vain(void *scope)
{
    int rc;
    /* The first allocation is the name's. */
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = "a name that does not fit the object itself";
    atomic_store(&filchi_os_faults.allocations, 1);
    rc = filch_scope_submit_with(scope, do_nothing, NULL, &options, NULL);
    must(rc == -ENOMEM);
    return NULL;
}

Test(scope_next, a_refused_submit_is_not_waited_for)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    filch_future *next;
    for (int i = 0; i < 2000; i++) {
        pthread_t thread;
        spawn(scope, do_nothing, NULL);
        pthread_create(&thread, NULL, submit_in_vain, scope);
        cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
        cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
        pthread_join(thread, NULL);
    }
    cr_assert_eq(finish(scope), 0);
    filch_pool_destroy(pool);
}
