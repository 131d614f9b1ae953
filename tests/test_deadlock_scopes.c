/* SPDX-License-Identifier: MIT */
/* Cycles of awaits that go through scopes. */
#include "scope_support.h"

SUITE(deadlock_scopes);

enum { ROUNDS = 40 };

struct cycle {
    struct event go, blocks;
    struct gate gate;
    filch_future *opener;
    filch_stop *apart;
    int rc, member_rc;
    bool opener_first; /* it blocks before the one that closes the cycle */
};

#define CYCLE                                      \
    {                                              \
        .go = EVENT, .blocks = EVENT, .gate = GATE \
    }

/* Until so many more tasks than at the beginning have given their worker away. */
static void until_blocked(filch_pool *pool, uint64_t before, unsigned n)
{
    UNTIL(stats_of(pool).handoffs >= before + n);
}

static int await_opener(filch_task *self, void *arg)
{
    struct cycle *cycle = arg;
    if (cycle->opener_first) {
        uint64_t before = stats_of(filch_task_pool(self)).handoffs;
        event_signal(&cycle->blocks);
        until_blocked(filch_task_pool(self), before, 1);
    }
    cycle->member_rc = filch_future_wait(cycle->opener, FILCH_FOREVER);
    return 0;
}

/* Spawns the member that will wait for us; it waits already unless we are to come first. */
static filch_scope *open_cycle(filch_task *self, struct cycle *cycle)
{
    filch_pool *pool = filch_task_pool(self);
    event_await(&cycle->go); /* `opener` is set */
    uint64_t before = stats_of(pool).handoffs;
    filch_scope *scope = scope_of(pool);
    spawn(scope, await_opener, cycle);
    if (cycle->opener_first)
        event_await(&cycle->blocks);
    else
        until_blocked(pool, before, 1);
    return scope;
}

static void run_cycle(filch_pool *pool, filch_fn *opener, struct cycle *cycle)
{
    cycle->opener = submit(pool, opener, cycle);
    event_signal(&cycle->go);
    cr_assert_eq(filch_future_result(cycle->opener, FILCH_SECONDS(20), NULL), 0);
    filch_future_unref(cycle->opener);
}

/* ---- Next ---- */

static int await_next(filch_task *self, void *arg)
{
    struct cycle *cycle = arg;
    filch_future *next = NULL;
    filch_scope *scope = open_cycle(self, cycle);
    cycle->rc = filch_scope_next(scope, FILCH_FOREVER, &next);
    filch_scope_close(scope);
    return 0;
}

Test(deadlock_scopes, next_that_closes_a_cycle_fails)
{
    filch_pool *pool = pool_of(2);
    for (int i = 0; i < ROUNDS; i++) {
        struct cycle cycle = CYCLE;
        run_cycle(pool, await_next, &cycle);
        cr_assert_eq(cycle.rc, -EDEADLK);
        cr_assert_eq(cycle.member_rc, -ECANCELED, "by the close");
    }
    filch_pool_destroy(pool);
}

Test(deadlock_scopes, a_wait_that_closes_a_cycle_through_next_fails)
{
    filch_pool *pool = pool_of(2);
    for (int i = 0; i < ROUNDS; i++) {
        struct cycle cycle = CYCLE;
        cycle.opener_first = true;
        run_cycle(pool, await_next, &cycle);
        cr_assert_eq(cycle.rc, 1);
        cr_assert_eq(cycle.member_rc, -EDEADLK);
    }
    filch_pool_destroy(pool);
}

static int await_both(filch_task *self, void *arg)
{
    struct cycle *cycle = arg;
    filch_pool *pool = filch_task_pool(self);
    filch_future *next = NULL;
    filch_scope *scope = open_cycle(self, cycle);
    spawn(scope, pass_gate, &cycle->gate);
    event_await(&cycle->gate.started); /* elsewhere, not in place of our wait */
    event_signal(&cycle->blocks);
    must(filch_scope_next(scope, FILCH_FOREVER, &next) == 1);
    must(filch_future_state(next) == FILCH_DONE);
    spawn(scope, do_nothing, NULL);
    must(filch_scope_next(scope, FILCH_FOREVER, &next) == 1);
    uint64_t before = stats_of(pool).handoffs;
    cycle->rc = filch_scope_next(scope, FILCH_FOREVER, &next);
    must(stats_of(pool).handoffs == before);
    filch_scope_close(scope);
    return 0;
}

Test(deadlock_scopes, next_is_no_cycle_while_one_of_the_tasks_can_go_on)
{
    filch_pool *pool = pool_of(2);
    for (int i = 0; i < ROUNDS; i++) {
        struct cycle cycle = CYCLE;
        uint64_t before = stats_of(pool).handoffs;
        cycle.opener = submit(pool, await_both, &cycle);
        event_signal(&cycle.go);
        event_await(&cycle.blocks);
        until_blocked(pool, before, 2);
        gate_open(&cycle.gate);
        cr_assert_eq(filch_future_result(cycle.opener, FILCH_SECONDS(20), NULL), 0);
        cr_assert_eq(cycle.rc, -EDEADLK, "when only the one that waits for it is left");
        filch_future_unref(cycle.opener);
    }
    filch_pool_destroy(pool);
}

static int await_next_for_a_while(filch_task *self, void *arg)
{
    struct cycle *cycle = arg;
    filch_future *next = NULL;
    filch_scope *scope = open_cycle(self, cycle);
    cycle->rc = filch_scope_next(scope, FILCH_MS(10), &next);
    filch_scope_close(scope);
    return 0;
}

Test(deadlock_scopes, next_with_a_deadline_closes_no_cycle)
{
    filch_pool *pool = pool_of(2);
    struct cycle cycle = CYCLE;
    run_cycle(pool, await_next_for_a_while, &cycle);
    cr_assert_eq(cycle.rc, -ETIMEDOUT);
    filch_pool_destroy(pool);
}
