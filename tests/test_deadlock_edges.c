/* SPDX-License-Identifier: MIT */
/* Cycles of awaits at their edges: waits that may not fail, and waits that wake for nothing. */
#include "await.h"
#include "support.h"

SUITE(deadlock_edges);

static filch_pool *pool_without_spares(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    options.workers = workers;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

/* ---- Waits that may not fail ---- */

struct map_of_one {
    struct event started;
    filch_future *main;
    _Atomic int element_rc;
};

static int await_the_map(filch_task *self, const void *in, void *out, void *arg)
{
    struct map_of_one *map = arg;
    (void)self;
    (void)in;
    (void)out;
    event_signal(&map->started);
    atomic_store(&map->element_rc, filch_future_wait(map->main, FILCH_FOREVER));
    return 0;
}

static int end_the_map(filch_task *self, void *arg)
{
    struct map_of_one *map = arg;
    filch_pool *pool = filch_task_pool(self);
    filch_mapping *mapping;
    int in = 0, out = 0;
    event_await(&map->started); /* `main` is set */
    must(filch_mapping_begin(&mapping, pool, await_the_map, map, &in, sizeof in, &out, sizeof out, 1, NULL) == 0);
    event_await_count(&map->started, 2);
    UNTIL(stats_of(pool).handoffs == 1);
    filch_mapping_end(mapping);
    must(atomic_load(&map->element_rc) == -EDEADLK);
    return 0;
}

Test(deadlock_edges, the_end_of_a_map_never_fails_so_another_wait_of_the_cycle_does)
{
    filch_pool *pool = pool_of(2);
    struct map_of_one map = { EVENT, NULL, 0 };
    map.main = submit(pool, end_the_map, &map);
    event_signal(&map.started);
    cr_assert_eq(filch_future_result(map.main, FILCH_SECONDS(20), NULL), 0);
    filch_future_unref(map.main);
    filch_pool_destroy(pool);
}

/* ---- Waits that wake for nothing ---- */

/* A wait of the test's own making, which stands still between two looks. */
struct sleepwalk {
    filch_future *itself, *awaited;
    struct filchi_parker parker;
    struct event go, started, woken, sleep_on;
    int rc, other_rc;
};

static int wake_for_nothing(filch_task *self, void *arg)
{
    struct sleepwalk *walk = arg;
    struct filchi_await await;
    (void)self;
    event_await(&walk->go);
    filchi_await_begin(&await, &walk->parker, FILCHI_NEVER, false);
    await.awaited = (struct filchi_awaited) { .kind = FILCHI_AWAITED_FUTURE, .future = walk->awaited };
    must(filchi_await_pause(&await, 0, true) == 0);
    event_signal(&walk->woken);
    event_await(&walk->sleep_on);
    walk->rc = filchi_await_pause(&await, filchi_parker_count(&walk->parker), false);
    filchi_parker_settle(&walk->parker, filchi_await_end(&await) + 1);
    return 0;
}

static int await_sleepwalker(filch_task *self, void *arg)
{
    struct sleepwalk *walk = arg;
    (void)self;
    event_signal(&walk->started);
    event_await(&walk->woken);
    walk->other_rc = filch_future_wait(walk->itself, FILCH_FOREVER);
    return 0;
}

Test(deadlock_edges, a_wait_that_was_signalled_in_vain_closes_the_cycle_when_it_sleeps_on)
{
    filch_pool *pool = pool_of(2);
    struct sleepwalk walk = { .go = EVENT, .started = EVENT, .woken = EVENT, .sleep_on = EVENT };
    walk.itself = submit(pool, wake_for_nothing, &walk);
    walk.awaited = submit(pool, await_sleepwalker, &walk);
    event_await(&walk.started);
    event_signal(&walk.go);
    UNTIL(stats_of(pool).handoffs == 1);
    filchi_parker_signal(&walk.parker);
    UNTIL(stats_of(pool).handoffs == 2); /* the other one waits for a task whose wait may be over */
    event_signal(&walk.sleep_on);
    cr_assert_eq(filch_future_wait(walk.awaited, FILCH_SECONDS(20)), 0);
    cr_assert_eq(walk.rc, -EDEADLK);
    cr_assert_eq(walk.other_rc, 0);
    filch_future_unref(walk.itself);
    filch_future_unref(walk.awaited);
    filch_pool_destroy(pool);
}

Test(deadlock_edges, a_thread_that_is_poked_between_two_looks_does_not_sleep_on)
{
    filch_pool *pool = pool_without_spares(1), *other = pool_of(1);
    struct gate gate = GATE;
    struct sleepwalk walk = { .go = EVENT, .started = EVENT, .woken = EVENT, .sleep_on = EVENT };
    walk.awaited = hold_worker(other, &gate);
    filch_future *walker = submit(pool, wake_for_nothing, &walk);
    event_signal(&walk.go);
    UNTIL(stats_of(pool).handoffs == 1);
    filchi_parker_signal(&walk.parker);
    event_await(&walk.woken);
    filch_future *work = submit(pool, do_nothing, NULL); /* no thread but that one could run it */
    cr_assert_eq(stats_of(pool).idle, 0);
    event_signal(&walk.sleep_on);
    cr_assert_eq(filch_future_wait(walker, FILCH_SECONDS(20)), 0);
    cr_assert_eq(walk.rc, 0);
    cr_assert_eq(filch_future_wait(work, FILCH_SECONDS(20)), 0);
    filch_future_unref(walker);
    filch_future_unref(work);
    let_go(&gate, walk.awaited);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

/* ---- A member that wakes for nothing while another one can go on ---- */

struct nursery {
    struct sleepwalk walk;
    struct gate gate;
    int next_rc;
};

static int sleep_twice(filch_task *self, void *arg)
{
    struct sleepwalk *walk = arg;
    struct filchi_await await;
    (void)self;
    filchi_await_begin(&await, &walk->parker, FILCHI_NEVER, false);
    await.awaited = (struct filchi_awaited) { .kind = FILCHI_AWAITED_FUTURE, .future = walk->awaited };
    must(filchi_await_pause(&await, 0, true) == 0);
    event_signal(&walk->woken);
    walk->rc = filchi_await_pause(&await, 1, false);
    filchi_parker_settle(&walk->parker, filchi_await_end(&await) + 2);
    return 0;
}

static int await_next_of_two(filch_task *self, void *arg)
{
    struct nursery *nursery = arg;
    filch_pool *pool = filch_task_pool(self);
    filch_scope *scope;
    filch_future *next;
    event_await(&nursery->walk.go); /* `awaited` is this task */
    must(filch_scope_open(&scope, pool, NULL) == 0);
    must(filch_scope_submit(scope, pass_gate, &nursery->gate, NULL) == 0);
    event_await(&nursery->gate.started);
    must(filch_scope_submit(scope, sleep_twice, &nursery->walk, NULL) == 0);
    UNTIL(stats_of(pool).handoffs == 1);
    nursery->next_rc = filch_scope_next(scope, FILCH_FOREVER, &next);
    filch_scope_close(scope);
    return 0;
}

Test(deadlock_edges, a_member_that_was_signalled_in_vain_is_counted_once)
{
    filch_pool *pool = pool_of(3);
    struct nursery nursery = { .walk = { .go = EVENT, .woken = EVENT }, .gate = GATE };
    nursery.walk.awaited = submit(pool, await_next_of_two, &nursery);
    event_signal(&nursery.walk.go);
    UNTIL(stats_of(pool).handoffs == 2);
    filchi_parker_signal(&nursery.walk.parker);
    event_await(&nursery.walk.woken);
    for (int i = 0; i < 1000; i++)
        sched_yield(); /* time to go wrong in */
    filchi_parker_signal(&nursery.walk.parker);
    gate_open(&nursery.gate);
    cr_assert_eq(filch_future_result(nursery.walk.awaited, FILCH_SECONDS(20), NULL), 0);
    cr_assert_eq(nursery.walk.rc, 0, "the other member could go on");
    cr_assert_eq(nursery.next_rc, 1);
    filch_future_unref(nursery.walk.awaited);
    filch_pool_destroy(pool);
}
