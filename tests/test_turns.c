/* SPDX-License-Identifier: MIT */
/* Who comes first: waiters before callbacks, tasks from outside by submission. */
#include "support.h"

SUITE(turns);

struct slow {
    struct event begun, go;
};

static void wait_for_go(filch_future *future, void *arg)
{
    struct slow *slow = arg;
    (void)future;
    event_signal(&slow->begun);
    event_await(&slow->go);
}

Test(turns, a_slow_callback_holds_up_nobody_who_waits)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    struct slow slow = { EVENT, EVENT };
    filch_future *future = hold_worker(pool, &gate), *next;
    filch_completed *completed;
    must(filch_future_on_done(future, wait_for_go, &slow) == 0);
    must(filch_completed_begin(&completed, &future, 1, FILCH_FOREVER) == 0); /* registered after the callback */
    gate_open(&gate);
    event_await(&slow.begun);
    cr_assert_eq(filch_completed_next(completed, &next), 1, "while the callback runs");
    cr_assert_eq(next, future);
    filch_completed_end(completed);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    event_signal(&slow.go);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

enum { TASKS = 24, WORKERS = 3 };

struct order {
    struct gate gate;
    _Atomic int started;
    int place[TASKS];
};

struct turn {
    struct order *order;
    int number;
};

static int take_turn(filch_task *self, void *arg)
{
    struct turn *turn = arg;
    turn->order->place[turn->number] = atomic_fetch_add(&turn->order->started, 1);
    return pass_gate(self, &turn->order->gate);
}

/* Each task holds its worker until all workers hold one, so that no task tells that tasks are short. */
Test(turns, with_several_workers_no_task_starts_long_after_one_submitted_later)
{
    for (int round = 0; round < 20; round++) {
        filch_pool *pool = pool_of(WORKERS);
        struct order order = { .gate = GATE };
        struct turn turns[TASKS];
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++) {
            turns[i] = (struct turn) { &order, i };
            futures[i] = submit(pool, take_turn, &turns[i]);
        }
        UNTIL(atomic_load(&order.started) == WORKERS);
        gate_open(&order.gate);
        cr_assert_eq(filch_wait(futures, TASKS, FILCH_ALL, FILCH_FOREVER, NULL), 0);
        for (int i = 0; i < WORKERS; i++)
            cr_assert_lt(order.place[i], WORKERS, "the first %d start first", WORKERS);
        for (int i = 0; i < TASKS; i++)
            filch_future_unref(futures[i]);
        filch_pool_destroy(pool);
    }
}
