/* SPDX-License-Identifier: MIT */
/* Several pools in one process: tasks that use another pool's tasks, and back, with as few threads as there can be. */
#include "support.h"

SUITE(pools_nested);

/* ---- A waits for B ---- */

struct link {
    filch_pool *next;  /* the pool that the task's sub task goes to; NULL: it has none */
    struct link *rest; /* what that one does */
    int64_t timeout;
    _Atomic int rc; /* of the wait */
};

static int follow(filch_task *self, void *arg)
{
    struct link *link = arg;
    filch_future *future = NULL;
    if (!link->next)
        return filch_return(self, link);
    must(filch_submit(link->next, follow, link->rest, &future) == 0);
    link->rc = filch_future_wait(future, link->timeout ? link->timeout : FILCH_FOREVER);
    must(filch_task_current() == self);
    if (link->rc)
        filch_future_cancel(future);
    filch_future_unref(future);
    return link->rc;
}

static filch_pool *narrow_pool(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static int run(filch_pool *pool, struct link *link)
{
    filch_future *future = submit(pool, follow, link);
    int rc = filch_future_result(future, FILCH_FOREVER, NULL);
    filch_future_unref(future);
    return rc;
}

Test(pools_nested, a_task_that_waits_for_another_pool_hands_its_worker_over)
{
    filch_pool *a = pool_of(1), *b = pool_of(1);
    struct gate gate = GATE;
    filch_future *held = hold_worker(b, &gate), *waiter = submit(a, await_arg, held);
    UNTIL(stats_of(a).handoffs == 1);
    filch_future *meanwhile = submit(a, do_nothing, NULL);
    cr_assert_eq(filch_future_wait(meanwhile, FILCH_FOREVER), 0);
    gate_open(&gate);
    cr_assert_eq(filch_future_wait(waiter, FILCH_FOREVER), 0); /* who waits needs the reference until then */
    filch_future_unref(held);
    filch_future_unref(meanwhile);
    filch_future_unref(waiter);
    filch_pool_destroy(a);
    filch_pool_destroy(b);
}

Test(pools_nested, there_and_back_with_one_worker_each)
{
    filch_pool *a = pool_of(1), *b = pool_of(1);
    struct link links[4];
    for (int i = 0; i < 4; i++)
        links[i] = (struct link) { i == 3 ? NULL : i % 2 ? a : b, &links[i + 1], 0, 0 };
    cr_assert_eq(run(a, links), 0);
    filch_pool_destroy(a);
    filch_pool_destroy(b);
}

/* A -> B needs nobody else in A. A -> B -> A needs a second thread of A, as its first waits on its stack for B: without
 * spare threads the wait does not end by itself, and nothing tells so; a deadline does. */
Test(pools_nested, without_spare_threads_there_works_and_back_takes_a_deadline)
{
    filch_pool *a = narrow_pool(), *b = narrow_pool();
    struct link there[2] = { { b, &there[1], 0, 0 }, { NULL, NULL, 0, 0 } };
    cr_assert_eq(run(a, there), 0);
    struct link back[3] = { { b, &back[1], 0, 0 }, { a, &back[2], FILCH_MS(20), 0 }, { NULL, NULL, 0, 0 } };
    cr_assert_eq(run(a, back), 0);
    cr_assert_eq(back[1].rc, -ETIMEDOUT);
    filch_pool_destroy(a);
    filch_pool_destroy(b);
}

/* ---- Cycles ---- */

struct party {
    filch_future *_Atomic other;
    struct event ready;
    int64_t timeout;
};

static int await_other(filch_task *self, void *arg)
{
    struct party *party = arg;
    (void)self;
    event_await(&party->ready);
    return filch_future_wait(atomic_load(&party->other), party->timeout);
}

Test(pools_nested, a_cycle_over_two_pools_is_not_found_and_a_deadline_ends_it)
{
    filch_pool *a = pool_of(1), *b = pool_of(1);
    struct party parties[2] = { { .ready = EVENT, .timeout = FILCH_MS(30) },
                                { .ready = EVENT, .timeout = FILCH_FOREVER } };
    filch_future *in_a = submit(a, await_other, &parties[0]), *in_b = submit(b, await_other, &parties[1]);
    atomic_store(&parties[0].other, in_b);
    atomic_store(&parties[1].other, in_a);
    event_signal(&parties[0].ready);
    event_signal(&parties[1].ready);
    cr_assert_eq(filch_future_result(in_a, FILCH_FOREVER, NULL), -ETIMEDOUT);
    cr_assert_eq(filch_future_result(in_b, FILCH_FOREVER, NULL), 0);
    filch_future_unref(in_a);
    filch_future_unref(in_b);
    filch_pool_destroy(a);
    filch_pool_destroy(b);
}

/* ---- Pools in pools ---- */

static int use_a_pool_of_its_own(filch_task *self, void *n)
{
    filch_pool *own = pool_of(2);
    filch_future *futures[20];
    for (int i = 0; i < 20; i++)
        futures[i] = submit(own, count_up, n);
    must(filch_join(futures, 20) == 0);
    unref_all(futures, 20);
    must(filch_pool_destroy(own) == 0);
    must(filch_task_current() == self);
    return 0;
}

Test(pools_nested, a_pool_lives_and_ends_inside_a_task_of_another)
{
    filch_pool *pool = pool_of(2);
    filch_future *futures[8];
    _Atomic int n = 0;
    for (int i = 0; i < 8; i++)
        futures[i] = submit(pool, use_a_pool_of_its_own, (void *)&n);
    cr_assert_eq(filch_join(futures, 8), 0);
    cr_assert_eq(n, 160);
    unref_all(futures, 8);
    filch_pool_destroy(pool);
}

Test(pools_nested, twenty_pools_at_once_with_different_options)
{
    filch_pool *pools[20];
    filch_future *futures[20];
    struct link links[20];
    for (int i = 0; i < 20; i++) {
        filch_pool_options options = FILCH_POOL_OPTIONS;
        options.workers = 1 + (unsigned)i % 3;
        options.capacity = i % 4 == 1 ? 2 : 0;
        options.idle = (filch_idle_policy)(i % 3);
        options.stack_size = i % 5 == 2 ? (size_t)256 << 10 : 0;
        options.waiters_help = i % 2;
        cr_assert_eq(filch_pool_create(&pools[i], &options), 0);
    }
    for (int i = 0; i < 20; i++) /* each ends in the last: no cycle */
        links[i] = (struct link) { i == 19 ? NULL : pools[i + 1], &links[i + 1], 0, 0 };
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 20; i++)
            futures[i] = submit(pools[i], follow, &links[i]);
        cr_assert_eq(filch_join(futures, 20), 0);
        unref_all(futures, 20);
    }
    for (int i = 0; i < 20; i++)
        filch_pool_destroy(pools[i]);
}

/* ---- Stacks ---- */

static int measure_stack(filch_task *self, void *out)
{
    pthread_attr_t attributes;
    (void)self;
    must(pthread_getattr_np(pthread_self(), &attributes) == 0);
    must(pthread_attr_getstacksize(&attributes, out) == 0);
    pthread_attr_destroy(&attributes);
    return 0;
}

static int measure_two(filch_task *self, void *sizes)
{
    filch_future *sub = NULL;
    measure_stack(self, sizes);
    must(filch_submit(filch_task_pool(self), measure_stack, (size_t *)sizes + 1, &sub) == 0);
    must(filch_future_wait(sub, FILCH_SECONDS(1000)) ==
         0); /* on a spare thread: with a deadline it is not run here */
    filch_future_unref(sub);
    return 0;
}

Test(pools_nested, tasks_see_the_stack_size_of_their_pool_on_spare_threads_too)
{
    static const size_t wanted[] = { (size_t)128 << 10, (size_t)3 << 20 };
    for (int i = 0; i < 2; i++) {
        filch_pool_options options = FILCH_POOL_OPTIONS;
        filch_pool *pool = NULL;
        size_t sizes[2] = { 0, 0 };
        options.workers = 1;
        options.stack_size = wanted[i];
        cr_assert_eq(filch_pool_create(&pool, &options), 0);
        filch_future *future = submit(pool, measure_two, sizes);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        cr_assert_geq(stats_of(pool).threads_peak, 2);
        cr_assert_eq(sizes[0], wanted[i]);
        cr_assert_eq(sizes[1], wanted[i]);
        filch_future_unref(future);
        filch_pool_destroy(pool);
    }
}
