/* SPDX-License-Identifier: MIT */
/* The number of workers changes at run time: up at once, down as tasks end, and nothing is lost. */
#include "os.h"
#include "support.h"
#include "worker.h"

SUITE(resize);

Test(resize, a_number_out_of_range_is_invalid)
{
    filch_pool *pool = pool_of(2);
    cr_assert_eq(filch_pool_resize(NULL, 1), -EINVAL);
    cr_assert_eq(filch_pool_resize(pool, 0), -EINVAL);
    cr_assert_eq(filch_pool_resize(pool, 1025), -EINVAL);
    cr_assert_eq(filch_pool_workers(pool), 2);
    filch_pool_destroy(pool);
}

Test(resize, a_pool_that_is_shut_down_keeps_its_number)
{
    filch_pool *pool = pool_of(2);
    filch_pool_shutdown(pool, 0, 0, NULL);
    cr_assert_eq(filch_pool_resize(pool, 3), -ESHUTDOWN);
    cr_assert_eq(filch_pool_workers(pool), 2);
    filch_pool_destroy(pool);
}

Test(resize, an_idle_pool_has_the_new_number_at_once)
{
    static const unsigned numbers[] = { 1024, 1, 3, 2, 700, 64, 1 };
    filch_pool *pool = pool_of(3);
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        cr_assert_eq(filch_pool_resize(pool, numbers[i]), 0);
        filch_pool_stats stats = stats_of(pool);
        cr_assert_eq(filch_pool_workers(pool), numbers[i]);
        cr_assert_eq(stats.workers, numbers[i]);
        cr_assert_eq(stats.idle, numbers[i]);
        filch_future *future = submit(pool, do_nothing, NULL);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        filch_future_unref(future);
        UNTIL(stats_of(pool).idle == numbers[i]);
    }
    filch_pool_destroy(pool);
}

/* ---- More ---- */

Test(resize, work_that_waits_is_begun_when_workers_come)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *futures[4];
    for (int i = 0; i < 4; i++)
        futures[i] = submit(pool, pass_gate, &gate);
    event_await_count(&gate.started, 1);
    cr_assert_eq(filch_pool_resize(pool, 4), 0);
    event_await_count(&gate.started, 4);
    gate_open(&gate);
    cr_assert_eq(filch_join(futures, 4), 0);
    unref_all(futures, 4);
    filch_pool_destroy(pool);
}

Test(resize, a_task_whose_wait_is_over_goes_on_when_a_worker_comes)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct gate awaited = GATE, busy = GATE;
    filch_future *elsewhere = hold_worker(other, &awaited);
    filch_future *waiter = submit(pool, await_arg, elsewhere);
    UNTIL(stats_of(pool).handoffs == 1);
    filch_future *holder = hold_worker(pool, &busy);
    gate_open(&awaited);
    UNTIL(atomic_load(&pool->handoff.wanted) == 1);
    cr_assert_eq(filch_pool_resize(pool, 2), 0);
    cr_assert_eq(filch_future_wait(waiter, FILCH_FOREVER), 0);
    let_go(&busy, holder);
    filch_future_unref(waiter);
    filch_future_unref(elsewhere);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

Test(resize, without_memory_the_number_stays)
{
    for (int nth = 1, rc = -ENOMEM; rc; nth++) {
        filch_pool *pool = pool_of(1);
        atomic_store(&filchi_os_faults.allocations, nth);
        rc = filch_pool_resize(pool, 9);
        bool failed = atomic_exchange(&filchi_os_faults.allocations, 0) == 0;
        cr_assert_eq(rc, failed ? -ENOMEM : 0);
        cr_assert_eq(filch_pool_workers(pool), failed ? 1 : 9);
        cr_assert_eq(stats_of(pool).idle, failed ? 1 : 9);
        cr_assert_eq(filch_pool_resize(pool, 3), 0);
        cr_assert_eq(stats_of(pool).idle, 3);
        filch_pool_destroy(pool);
    }
}

static int use_slab(filch_task *self, void *runs)
{
    filch_future *futures[10];
    for (int i = 0; i < 10; i++)
        futures[i] = submit(filch_task_pool(self), count_up, runs);
    must(filch_join(futures, 10) == 0);
    unref_all(futures, 10);
    return 0;
}

Test(resize, futures_made_by_workers_that_came_later_outlive_the_pool)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *futures[100];
    _Atomic int runs = 0;
    cr_assert_eq(filch_pool_resize(pool, 5), 0);
    for (int i = 0; i < 100; i++)
        futures[i] = submit(pool, i < 3 ? pass_gate : use_slab, i < 3 ? (void *)&gate : (void *)&runs);
    gate_open(&gate);
    filch_pool_destroy(pool);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(filch_future_state(futures[i]), FILCH_DONE);
    cr_assert_eq(atomic_load(&runs), 970);
    unref_all(futures, 100);
}

/* ---- Fewer ---- */

Test(resize, running_tasks_are_not_followed_by_others_until_few_enough_run)
{
    filch_pool *pool = pool_of(3);
    struct gate gates[3] = { GATE, GATE, GATE };
    filch_future *held[3];
    _Atomic int runs = 0;
    for (int i = 0; i < 3; i++)
        held[i] = hold_worker(pool, &gates[i]);
    cr_assert_eq(filch_pool_resize(pool, 1), 0);
    cr_assert_eq(filch_pool_workers(pool), 1);
    filch_future *next = submit(pool, count_up, (void *)&runs);
    for (int i = 0; i < 2; i++) {
        let_go(&gates[i], held[i]);
        UNTIL(pool->handoff.circulating == 2 - (unsigned)i);
        cr_assert_eq(atomic_load(&runs), 0);
        cr_assert_eq(stats_of(pool).idle, 0);
    }
    let_go(&gates[2], held[2]);
    cr_assert_eq(filch_future_wait(next, FILCH_FOREVER), 0);
    filch_future_unref(next);
    filch_pool_destroy(pool);
}

struct crowd {
    _Atomic int running, most;
};

static int come_and_go(filch_task *self, void *arg)
{
    struct crowd *crowd = arg;
    int now = atomic_fetch_add(&crowd->running, 1) + 1, most = atomic_load(&crowd->most);
    while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
        continue;
    (void)self;
    for (int i = 0; i < 20; i++)
        sched_yield();
    atomic_fetch_sub(&crowd->running, 1);
    return 0;
}

static int crowd_of_subs(filch_task *self, void *crowd)
{
    filch_future *futures[5];
    for (int i = 0; i < 5; i++)
        futures[i] = submit(filch_task_pool(self), come_and_go, crowd);
    for (int i = 0; i < 5; i++)
        must(filch_future_wait(futures[i], FILCH_SECONDS(3600)) == 0); /* with a deadline it is not run in place */
    unref_all(futures, 5);
    return 0;
}

Test(resize, no_more_tasks_run_at_once_than_the_new_number)
{
    filch_pool *pool = pool_of(8);
    struct gate gate = GATE;
    struct crowd crowd = { 0 };
    filch_future *futures[60];
    for (int i = 0; i < 8; i++)
        futures[i] = hold_worker(pool, &gate);
    cr_assert_eq(filch_pool_resize(pool, 2), 0);
    gate_open(&gate);
    UNTIL(stats_of(pool).idle == 2);
    for (int i = 8; i < 60; i++)
        futures[i] = submit(pool, crowd_of_subs, &crowd);
    cr_assert_eq(filch_join(futures, 60), 0);
    cr_assert_leq(atomic_load(&crowd.most), 2);
    unref_all(futures, 60);
    filch_pool_destroy(pool);
}

struct leaver {
    struct gate gate;
    _Atomic int runs;
};

enum { LEFT = 10 };

/* Leaves sub tasks behind in the queue of its worker. */
static int leave_behind(filch_task *self, void *arg)
{
    struct leaver *leaver = arg;
    for (int i = 0; i < LEFT; i++)
        must(filch_submit(filch_task_pool(self), count_up, (void *)&leaver->runs, NULL) == 0);
    return pass_gate(self, &leaver->gate);
}

static int submit_until_done(filch_task *self, void *arg)
{
    struct leaver *leaver = arg;
    if (atomic_load(&leaver->runs) < LEFT)
        must(filch_submit(filch_task_pool(self), submit_until_done, arg, NULL) == 0);
    return 0;
}

Test(resize, what_a_worker_leaves_behind_is_done_even_if_the_others_never_run_out_of_work)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    struct leaver leaver = { .gate = GATE };
    filch_future *holder = hold_worker(pool, &gate);
    must(filch_submit(pool, leave_behind, &leaver, NULL) == 0);
    event_await(&leaver.gate.started);
    cr_assert_eq(filch_pool_resize(pool, 1), 0);
    gate_open(&leaver.gate);
    UNTIL(pool->handoff.circulating == 1);
    cr_assert_eq(atomic_load(&leaver.runs), 0);
    must(filch_submit(pool, submit_until_done, &leaver, NULL) == 0);
    let_go(&gate, holder);
    UNTIL(atomic_load(&leaver.runs) == LEFT);
    filch_pool_destroy(pool);
}

Test(resize, an_idle_worker_leaves_at_once)
{
    filch_pool *pool = pool_of(2);
    struct leaver leaver = { .gate = GATE };
    must(filch_submit(pool, leave_behind, &leaver, NULL) == 0);
    event_await(&leaver.gate.started);
    UNTIL(atomic_load(&leaver.runs) == LEFT);
    UNTIL(stats_of(pool).idle == 1);
    cr_assert_eq(filch_pool_resize(pool, 1), 0);
    cr_assert_eq(stats_of(pool).idle, 0);
    gate_open(&leaver.gate);
    filch_pool_destroy(pool);
}

struct list {
    _Atomic int n;
    int items[100];
};

struct item {
    struct list *list;
    int number;
};

static int note(filch_task *self, void *arg)
{
    const struct item *item = arg;
    (void)self;
    item->list->items[atomic_fetch_add(&item->list->n, 1)] = item->number;
    return 0;
}

Test(resize, with_one_worker_left_tasks_start_in_submission_order)
{
    filch_pool *pool = pool_of(4);
    struct gate gate = GATE;
    struct list list = { 0 };
    struct item items[100];
    filch_future *futures[4];
    for (int i = 0; i < 4; i++)
        futures[i] = hold_worker(pool, &gate);
    cr_assert_eq(filch_pool_resize(pool, 1), 0);
    for (int i = 0; i < 100; i++) {
        items[i] = (struct item) { &list, i };
        must(filch_submit(pool, note, &items[i], NULL) == 0);
    }
    gate_open(&gate);
    cr_assert_eq(filch_join(futures, 4), 0);
    unref_all(futures, 4);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&list.n), 100);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(list.items[i], i);
}

/* ---- From inside, and at the end ---- */

static int shrink(filch_task *self, void *runs)
{
    must(filch_pool_resize(filch_task_pool(self), 1) == 0);
    return use_slab(self, runs);
}

Test(resize, a_task_may_shrink_its_pool_and_grow_it)
{
    filch_pool *pool = pool_of(1);
    _Atomic int runs = 0;
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(filch_pool_resize(pool, 3), 0);
        filch_future *future = submit(pool, shrink, (void *)&runs);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
        filch_future_unref(future);
    }
    cr_assert_eq(filch_pool_workers(pool), 1);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 500);
}

Test(resize, a_pool_that_shrinks_as_it_ends_ends)
{
    for (int i = 0; i < 100; i++) {
        filch_pool *pool = pool_of(2);
        struct gate gate = GATE;
        filch_future *holders[2] = { hold_worker(pool, &gate), hold_worker(pool, &gate) };
        cr_assert_eq(filch_pool_resize(pool, 1), 0);
        filch_pool_shutdown(pool, 0, 0, NULL);
        gate_open(&gate);
        cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_SECONDS(10), NULL), 0);
        unref_all(holders, 2);
        filch_pool_destroy(pool);
    }
}

static _Atomic int inits;

static int count_init(void *arg)
{
    (void)arg;
    atomic_fetch_add(&inits, 1);
    return 0;
}

Test(resize, threads_for_new_workers_are_initialised_and_a_refused_one_loses_nothing)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    struct gate gate = GATE;
    options.workers = 1;
    options.worker_init = count_init;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_future *futures[2] = { hold_worker(pool, &gate), NULL };
    atomic_store(&filchi_os_faults.threads, 1);
    cr_assert_eq(filch_pool_resize(pool, 2), 0);
    futures[1] = submit(pool, do_nothing, NULL);
    gate_open(&gate);
    cr_assert_eq(filch_wait(futures, 2, FILCH_ALL, FILCH_SECONDS(10), NULL), 0);
    filch_pool_destroy(pool);
    unref_all(futures, 2);
    cr_assert_geq(atomic_load(&inits), 1);
}
