/* SPDX-License-Identifier: MIT */
/* Many queued tasks of a scope that is stopped: a thread collects them, and holds nobody up by that. */
#include "inject.h"
#include "scope_support.h"

#include <errno.h>
#include <string.h>

SUITE(scope_stopping);

#define MANY 2000

/* For the reason that all of them are. */
static bool is_stopped(filch_future *future)
{
    return filch_future_state(future) == FILCH_STOPPED &&
           strcmp(filch_error_message(filch_future_error(future)), "stopped: Broken pipe") == 0;
}

/* Takes n that were stopped from the scope. */
static void take_stopped(filch_scope *scope, int n)
{
    filch_future *next;
    for (int i = 0; i < n; i++) {
        must(filch_scope_next(scope, FILCH_FOREVER, &next) == 1);
        must(is_stopped(next));
    }
}

Test(scope_stopping, each_is_delivered_once_with_the_reason)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        struct gate gate = GATE;
        filch_future *holders[3], *held[MANY], *next;
        for (unsigned i = 0; i < workers; i++)
            holders[i] = hold_worker(pool, &gate);
        filch_scope *scope = scope_of(pool);
        for (int i = 0; i < MANY; i++)
            held[i] = spawn_held(scope, do_nothing, NULL);
        filch_stop_request(filch_scope_stop(scope), -EPIPE);
        gate_open(&gate);
        take_stopped(scope, MANY);
        cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
        cr_assert_eq(finish(scope), -ECANCELED);
        for (int i = 0; i < MANY; i++)
            cr_assert(is_stopped(held[i]));
        unref_all(held, MANY);
        unref_all(holders, workers);
        filch_pool_destroy(pool);
    }
}

Test(scope_stopping, a_long_task_behind_them_does_not_hold_them_up)
{
    for (int before = 1; before <= 2 * FILCHI_BATCH + 1; before++) { /* wherever in a batch it is */
        filch_pool *pool = pool_of(1);
        struct gate gate = GATE, slow = GATE;
        filch_future *holder = hold_worker(pool, &gate);
        filch_scope *scope = scope_of(pool);
        for (int i = 0; i < before; i++)
            spawn(scope, do_nothing, NULL);
        filch_future *after = submit(pool, pass_gate, &slow);
        spawn(scope, do_nothing, NULL);
        filch_stop_request(filch_scope_stop(scope), -EPIPE);
        gate_open(&gate);
        event_await(&slow.started);
        take_stopped(scope, before);
        cr_assert_not(filch_future_done(after));
        gate_open(&slow);
        take_stopped(scope, 1);
        cr_assert_eq(finish(scope), -ECANCELED);
        filch_future_unref(after);
        filch_future_unref(holder);
        filch_pool_destroy(pool);
    }
}

Test(scope_stopping, what_lies_behind_them_in_a_batch_is_found_by_others)
{
    for (int round = 0; round < 200; round++) {
        filch_pool *pool = pool_of(2);
        struct gate gate = GATE, meet = GATE;
        filch_future *holders[] = { hold_worker(pool, &gate), hold_worker(pool, &gate) }, *both[2];
        filch_scope *scope = scope_of(pool);
        spawn(scope, do_nothing, NULL);
        spawn(scope, do_nothing, NULL);
        for (int i = 0; i < 2; i++)
            both[i] = submit(pool, pass_gate, &meet);
        filch_stop_request(filch_scope_stop(scope), -EPIPE);
        gate_open(&gate);
        event_await_count(&meet.started, 2); /* the first one does not end before the second has started */
        gate_open(&meet);
        cr_assert_eq(finish(scope), -ECANCELED);
        filch_pool_destroy(pool);
        unref_all(both, 2);
        unref_all(holders, 2);
    }
}

static void await_event(filch_future *future, void *event)
{
    (void)future;
    event_await(event);
}

static void await_event_dtor(void *event)
{
    event_await(event);
}

Test(scope_stopping, a_slow_callback_of_one_does_not_hold_up_those_before)
{
    for (int before = 1; before <= 2 * FILCHI_BATCH + 1; before++) {
        filch_pool *pool = pool_of(1);
        struct gate gate = GATE;
        struct event taken = EVENT;
        filch_future *holder = hold_worker(pool, &gate);
        filch_scope *scope = scope_of(pool);
        for (int i = 0; i < before; i++)
            spawn(scope, do_nothing, NULL);
        filch_future *slow = spawn_held(scope, do_nothing, NULL);
        cr_assert_eq(filch_future_on_done(slow, await_event, &taken), 0);
        for (int i = 0; i < before; i++)
            spawn(scope, do_nothing, NULL);
        filch_stop_request(filch_scope_stop(scope), -EPIPE);
        gate_open(&gate);
        take_stopped(scope, before + 1); /* itself too */
        event_signal(&taken);
        take_stopped(scope, before);
        cr_assert_eq(finish(scope), -ECANCELED);
        filch_future_unref(slow);
        filch_future_unref(holder);
        filch_pool_destroy(pool);
    }
}

Test(scope_stopping, a_slow_destructor_of_a_discarded_one_does_not_hold_up_another_scope)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    struct event joined = EVENT;
    filch_task_options slow = FILCH_TASK_OPTIONS;
    slow.arg_dtor = await_event_dtor;
    filch_future *holder = hold_worker(pool, &gate);
    filch_scope *outer = discarding(pool), *scope = scope_of(pool);
    for (int i = 0; i < FILCHI_BATCH + 1; i++)
        spawn(scope, do_nothing, NULL);
    spawn(outer, do_nothing, NULL);
    spawn_with(outer, do_nothing, &joined, &slow);
    spawn(outer, do_nothing, NULL);
    filch_stop_request(filch_scope_stop(outer), -EPIPE);
    gate_open(&gate);
    cr_assert_eq(finish(scope), -ECANCELED);
    event_signal(&joined);
    cr_assert_eq(finish(outer), -ECANCELED);
    filch_future_unref(holder);
    filch_pool_destroy(pool);
}

/* Runs another stopped scope to its end within a callback: what the thread had collected is not mixed up with that. */
static void stop_another(filch_future *future, void *pool)
{
    (void)future;
    filch_scope *scope = scope_of(pool);
    for (int i = 0; i < 2 * FILCHI_BATCH; i++)
        spawn(scope, do_nothing, NULL);
    filch_stop_request(filch_scope_stop(scope), -EPIPE);
    take_stopped(scope, 2 * FILCHI_BATCH);
    must(finish(scope) == -ECANCELED);
}

Test(scope_stopping, a_callback_may_stop_another_scope)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *held[20];
    filch_scope *scope = scope_of(pool);
    for (int i = 0; i < 20; i++) {
        held[i] = spawn_held(scope, do_nothing, NULL);
        if (i % 3 == 0)
            cr_assert_eq(filch_future_on_done(held[i], stop_another, pool), 0);
    }
    filch_stop_request(filch_scope_stop(scope), -EPIPE);
    gate_open(&gate);
    take_stopped(scope, 20);
    cr_assert_eq(finish(scope), -ECANCELED);
    unref_all(held, 20);
    filch_future_unref(holder);
    filch_pool_destroy(pool);
}

Test(scope_stopping, scopes_and_other_tasks_may_alternate)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *holders[] = { hold_worker(pool, &gate), hold_worker(pool, &gate) };
    filch_scope *running = scope_of(pool); /* the outermost, as stops go inwards */
    filch_scope *scopes[] = { scope_of(pool), discarding(pool), scope_of(pool) };
    _Atomic int ran = 0, plain = 0;
    for (int i = 0; i < MANY; i++) {
        for (int k = 0; k < 3; k++)
            spawn(scopes[k], count_up, &plain);
        spawn(running, count_up, &ran);
    }
    for (int k = 0; k < 3; k++)
        filch_stop_request(filch_scope_stop(scopes[k]), -EPIPE);
    gate_open(&gate);
    take_stopped(scopes[0], MANY);
    for (int k = 2; k >= 0; k--)
        cr_assert_eq(finish(scopes[k]), -ECANCELED);
    cr_assert_eq(finish(running), 0);
    cr_assert_eq(atomic_load(&ran), MANY);
    cr_assert_eq(atomic_load(&plain), 0);
    unref_all(holders, 2);
    filch_pool_destroy(pool);
}

Test(scope_stopping, a_cancel_at_that_moment_wins_or_loses)
{
    filch_pool *pool = pool_of(2);
    for (int round = 0; round < 20; round++) {
        struct gate gate = GATE;
        filch_future *holders[] = { hold_worker(pool, &gate), hold_worker(pool, &gate) }, *held[MANY], *next;
        filch_scope *scope = scope_of(pool);
        int n = 0, cancelled = 0;
        for (int i = 0; i < MANY; i++)
            held[i] = spawn_held(scope, do_nothing, NULL);
        filch_stop_request(filch_scope_stop(scope), -EPIPE);
        gate_open(&gate);
        for (int i = MANY; i-- > 0;) {
            bool won = filch_future_cancel(held[i]);
            cancelled += won;
            must(won || filch_future_wait(held[i], FILCH_FOREVER) == 0);
            must(won ? filch_future_state(held[i]) == FILCH_CANCELLED : is_stopped(held[i]));
        }
        while (filch_scope_next(scope, FILCH_FOREVER, &next) == 1) {
            n++;
            cancelled -= filch_future_state(next) == FILCH_CANCELLED;
        }
        cr_assert_eq(n, MANY);
        cr_assert_eq(cancelled, 0);
        filch_scope_close(scope);
        must(filch_future_wait(holders[0], FILCH_FOREVER) == 0 &&
             filch_future_wait(holders[1], FILCH_FOREVER) == 0);
        unref_all(held, MANY);
        unref_all(holders, 2);
    }
    filch_pool_destroy(pool);
}

Test(scope_stopping, cancelled_tasks_that_nobody_keeps_are_passed_over)
{
    enum { FEW = 3 * FILCHI_BATCH };
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *held[FEW];
    filch_scope *scope = discarding(pool);
    for (int i = 0; i < FEW; i++)
        held[i] = spawn_held(scope, do_nothing, NULL);
    for (int i = 1; i < FEW; i += 2)
        cr_assert(filch_future_cancel(held[i]));
    filch_stop_request(filch_scope_stop(scope), -EPIPE);
    gate_open(&gate);
    cr_assert_eq(finish(scope), -ECANCELED);
    for (int i = 0; i < FEW; i++)
        cr_assert(i % 2 ? filch_future_state(held[i]) == FILCH_CANCELLED : is_stopped(held[i]));
    unref_all(held, FEW);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
}
