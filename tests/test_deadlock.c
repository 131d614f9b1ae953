/* SPDX-License-Identifier: MIT */
/* Cycles of awaits: who closes one is told, and nobody else. */
#include "support.h"

SUITE(deadlock);

enum { RING = 12 };

enum way { FOREVER, ITERATE, WAIT_ALL, JOIN };

/* Tasks that each wait for the next one. */
struct ring {
    struct event ready, go;
    bool together; /* all have started before the first one waits */
    unsigned n;
    enum way ways[RING];
    filch_future *futures[RING];
    _Atomic int deadlocks;
};

struct member {
    struct ring *ring;
    unsigned index;
};

static int iterate(filch_future *future)
{
    filch_completed *completed;
    filch_future *next;
    must(filch_completed_begin(&completed, &future, 1, FILCH_FOREVER) == 0);
    int rc = filch_completed_next(completed, &next);
    must(rc != 1 || next == future);
    filch_completed_end(completed);
    return rc == 1 ? 0 : rc;
}

static int await_by(enum way way, filch_future *future)
{
    switch (way) {
    case ITERATE:
        return iterate(future);
    case WAIT_ALL:
        return filch_wait(&future, 1, FILCH_ALL, FILCH_FOREVER, NULL);
    case JOIN:
        return filch_join(&future, 1);
    case FOREVER:
        break;
    }
    return filch_future_wait(future, FILCH_FOREVER);
}

static int await_next(filch_task *self, void *arg)
{
    const struct member *member = arg;
    struct ring *ring = member->ring;
    if (ring->together)
        filch_blocking_begin(self);
    event_signal(&ring->ready);
    event_await(&ring->go);
    if (ring->together)
        filch_blocking_end(self);
    int rc = await_by(ring->ways[member->index], ring->futures[(member->index + 1) % ring->n]);
    must(rc == 0 || rc == -EDEADLK);
    if (rc)
        atomic_fetch_add(&ring->deadlocks, 1);
    return rc;
}

static void close_ring(filch_pool *pool, struct ring *ring)
{
    struct member members[RING];
    int failed = 0;
    for (unsigned i = 0; i < ring->n; i++) {
        members[i] = (struct member) { ring, i };
        ring->futures[i] = submit(pool, await_next, &members[i]);
    }
    if (ring->together)
        event_await_count(&ring->ready, ring->n);
    event_signal(&ring->go);
    cr_assert_eq(filch_wait(ring->futures, ring->n, FILCH_ALL, FILCH_SECONDS(20), NULL), 0);
    for (unsigned i = 0; i < ring->n; i++)
        failed += filch_future_state(ring->futures[i]) == FILCH_FAILED;
    cr_assert_eq(atomic_load(&ring->deadlocks), 1, "one wait closes the ring");
    cr_assert_eq(failed, 1);
    unref_all(ring->futures, ring->n);
}

static filch_pool *pool_without_spares(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    options.workers = workers;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static const unsigned sizes[] = { 2, 3, RING };

Test(deadlock, of_a_ring_of_tasks_on_threads_of_their_own_exactly_one_wait_fails)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        filch_pool *pool = pool_of(workers);
        for (int round = 0; round < 60; round++) {
            struct ring ring = { EVENT, EVENT, .together = true, .n = sizes[round % 3] };
            for (unsigned i = 0; i < ring.n; i++)
                ring.ways[i] = round < 30 ? (enum way)(round / 3 % 4) : (enum way)((i + (unsigned)round) % 4);
            close_ring(pool, &ring);
        }
        filch_pool_destroy(pool);
    }
}

Test(deadlock, of_a_ring_that_runs_in_place_where_it_can_exactly_one_wait_fails)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        filch_pool *pools[] = { pool_of(workers), pool_without_spares(workers) };
        for (int round = 0; round < 60; round++) {
            struct ring ring = { EVENT, EVENT, .n = sizes[round % 3] };
            for (unsigned i = 0; i < ring.n; i++)
                ring.ways[i] = (enum way)((i + (unsigned)round / 3) % 4);
            close_ring(pools[round % 2], &ring);
        }
        filch_pool_destroy(pools[0]);
        filch_pool_destroy(pools[1]);
    }
}

/* ---- Two tasks and what one of them stands on ---- */

struct pair {
    struct event started, go;
    filch_future *first, *second, *sub;
    int64_t first_timeout;
    int first_rc, second_rc, sub_rc;
    _Atomic int runs;
};

static int await_second(filch_task *self, void *arg)
{
    struct pair *pair = arg;
    (void)self;
    pair->first_rc = filch_future_wait(pair->second, pair->first_timeout);
    return 0;
}

/* It runs await_second() on its own stack, as a sub task, unless a thief was quicker. */
static int await_second_in_place(filch_task *self, void *arg)
{
    struct pair *pair = arg;
    event_signal(&pair->started);
    event_await(&pair->go);
    pair->sub = submit(filch_task_pool(self), await_second, pair);
    pair->sub_rc = filch_future_wait(pair->sub, FILCH_FOREVER);
    return 0;
}

static int await_second_when_told(filch_task *self, void *arg)
{
    struct pair *pair = arg;
    event_signal(&pair->started);
    event_await(&pair->go);
    return await_second(self, pair);
}

static int await_first(filch_task *self, void *arg)
{
    struct pair *pair = arg;
    (void)self;
    event_signal(&pair->started);
    event_await(&pair->go);
    pair->second_rc = filch_future_wait(pair->first, FILCH_FOREVER);
    return 0;
}

static void run_pair(filch_pool *pool, struct pair *pair, filch_fn *first)
{
    pair->first = submit(pool, first, pair);
    pair->second = submit(pool, await_first, pair);
    event_await_count(&pair->started, 2);
    event_signal(&pair->go);
    cr_assert_eq(filch_future_wait(pair->first, FILCH_SECONDS(20)), 0);
    cr_assert_eq(filch_future_wait(pair->second, FILCH_SECONDS(20)), 0);
    cr_assert(!pair->sub || filch_future_wait(pair->sub, FILCH_SECONDS(20)) == 0);
    filch_future_unref(pair->first);
    filch_future_unref(pair->second);
    filch_future_unref(pair->sub);
}

Test(deadlock, a_cycle_through_a_task_further_down_a_stack_is_found)
{
    filch_pool *pools[] = { pool_of(2), pool_without_spares(2) };
    for (int round = 0; round < 100; round++) {
        struct pair pair = { EVENT, EVENT, .first_timeout = FILCH_FOREVER };
        run_pair(pools[round % 2], &pair, await_second_in_place);
        int deadlocks = (pair.first_rc == -EDEADLK) + (pair.second_rc == -EDEADLK) + (pair.sub_rc == -EDEADLK);
        cr_assert_eq(deadlocks, 1);
        cr_assert_eq(pair.first_rc + pair.second_rc + pair.sub_rc, -EDEADLK);
    }
    filch_pool_destroy(pools[0]);
    filch_pool_destroy(pools[1]);
}

Test(deadlock, a_wait_with_a_deadline_closes_no_cycle)
{
    filch_pool *pool = pool_of(2);
    for (int round = 0; round < 5; round++) {
        struct pair pair = { EVENT, EVENT, .first_timeout = FILCH_MS(20) };
        run_pair(pool, &pair, await_second_when_told);
        cr_assert_eq(pair.first_rc, -ETIMEDOUT);
        cr_assert_eq(pair.second_rc, 0);
    }
    filch_pool_destroy(pool);
}

Test(deadlock, a_cycle_through_another_pool_is_not_followed)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct pair pair = { EVENT, EVENT, .first_timeout = FILCH_FOREVER };
    struct gate gate = GATE;
    filch_future *held = hold_worker(other, &gate), *before = submit(pool, await_arg, held);
    UNTIL(stats_of(pool).handoffs == 1); /* lest the two pools count their looks alike */
    gate_open(&gate);
    cr_assert_eq(filch_future_wait(before, FILCH_SECONDS(20)), 0);
    filch_future_unref(before);
    filch_future_unref(held);
    pair.first = submit(other, await_second_when_told, &pair);
    pair.second = submit(pool, await_first, &pair);
    event_signal(&pair.go);
    UNTIL(stats_of(pool).handoffs + stats_of(other).handoffs == 3);
    filch_stop_request(filch_pool_stop(other), 0);
    cr_assert_eq(filch_future_wait(pair.second, FILCH_SECONDS(20)), 0);
    cr_assert_eq(pair.first_rc, -ECANCELED);
    cr_assert_eq(pair.second_rc, 0);
    filch_future_unref(pair.first);
    filch_future_unref(pair.second);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

static int feed_pool(filch_task *self, void *arg)
{
    struct pair *pair = arg;
    for (int i = 0; i < 1000; i++)
        must(filch_submit(filch_task_pool(self), count_up, (void *)&pair->runs, NULL) == 0);
    return 0;
}

Test(deadlock, the_rest_of_the_pool_goes_on)
{
    filch_pool *pool = pool_of(2);
    struct pair pair = { EVENT, EVENT, .first_timeout = FILCH_FOREVER };
    for (int i = 0; i < 10; i++)
        must(filch_submit(pool, feed_pool, &pair, NULL) == 0);
    run_pair(pool, &pair, await_second_when_told);
    must(filch_submit(pool, feed_pool, &pair, NULL) == 0);
    filch_pool_destroy(pool);
    cr_assert_eq(pair.first_rc + pair.second_rc, -EDEADLK);
    cr_assert_eq(atomic_load(&pair.runs), 11000);
}

/* ---- Waits for any of several ---- */

struct star {
    struct event ready, go, gate;
    filch_future *middle, *points[2];
    int rcs[3]; /* the middle's is the last */
    bool second_is_free;
};

static int await_any_point(filch_task *self, void *arg)
{
    struct star *star = arg;
    filch_completed *completed;
    filch_future *next;
    filch_blocking_begin(self);
    event_signal(&star->ready);
    event_await(&star->go);
    filch_blocking_end(self);
    must(filch_completed_begin(&completed, star->points, 2, FILCH_FOREVER) == 0);
    star->rcs[2] = filch_completed_next(completed, &next);
    filch_completed_end(completed);
    return 0;
}

static int await_middle(filch_task *self, struct star *star, int index)
{
    filch_blocking_begin(self);
    event_signal(&star->ready);
    event_await(&star->go);
    if (index == 1 && star->second_is_free)
        event_await(&star->gate);
    filch_blocking_end(self);
    if (index == 0 || !star->second_is_free)
        star->rcs[index] = filch_future_wait(star->middle, FILCH_FOREVER);
    return 0;
}

static int first_point(filch_task *self, void *star)
{
    return await_middle(self, star, 0);
}

static int second_point(filch_task *self, void *star)
{
    return await_middle(self, star, 1);
}

static void begin_star(filch_pool *pool, struct star *star)
{
    star->points[0] = submit(pool, first_point, star);
    star->points[1] = submit(pool, second_point, star);
    star->middle = submit(pool, await_any_point, star);
    event_await_count(&star->ready, 3);
    event_signal(&star->go);
}

static void end_star(struct star *star)
{
    cr_assert_eq(filch_future_wait(star->middle, FILCH_SECONDS(20)), 0);
    cr_assert_eq(filch_wait(star->points, 2, FILCH_ALL, FILCH_SECONDS(20), NULL), 0);
    filch_future_unref(star->middle);
    unref_all(star->points, 2);
}

Test(deadlock, a_wait_for_any_is_one_when_each_of_them_waits_for_it)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        filch_pool *pool = pool_of(workers);
        for (int round = 0; round < 30; round++) {
            struct star star = { EVENT, EVENT, EVENT, .second_is_free = false };
            begin_star(pool, &star);
            end_star(&star);
            int deadlocks = 0;
            for (int i = 0; i < 3; i++)
                deadlocks += star.rcs[i] == -EDEADLK;
            cr_assert_eq(deadlocks, 1);
        }
        filch_pool_destroy(pool);
    }
}

Test(deadlock, a_wait_for_any_is_none_while_one_of_them_can_go_on)
{
    filch_pool *pool = pool_of(2);
    for (int round = 0; round < 30; round++) {
        struct star star = { EVENT, EVENT, EVENT, .second_is_free = true };
        uint64_t before = stats_of(pool).handoffs;
        begin_star(pool, &star);
        UNTIL(stats_of(pool).handoffs == before + 5); /* three regions, and two waits */
        event_signal(&star.gate);
        end_star(&star);
        cr_assert_eq(star.rcs[0], 0);
        cr_assert_eq(star.rcs[2], 1);
    }
    filch_pool_destroy(pool);
}

/* ---- No cycles ---- */

enum { CHAIN = 100 };

struct chain {
    struct event ready, go;
    struct gate gate;
    filch_future *futures[CHAIN];
};

struct link {
    struct chain *chain;
    unsigned index;
};

/* Each waits for the next two: a chain of diamonds. */
static int await_two(filch_task *self, void *arg)
{
    const struct link *link = arg;
    struct chain *chain = link->chain;
    filch_blocking_begin(self);
    event_signal(&chain->ready);
    event_await(&chain->go);
    filch_blocking_end(self);
    for (unsigned i = link->index + 1; i <= link->index + 2 && i < CHAIN; i++)
        must(await_by((enum way)(i % 4), chain->futures[i]) == 0);
    return link->index == CHAIN - 1 ? pass_gate(self, &chain->gate) : 0;
}

Test(deadlock, a_long_chain_of_diamonds_is_none)
{
    filch_pool *pool = pool_of(2);
    struct chain chain = { EVENT, EVENT, GATE, { NULL } };
    struct link links[CHAIN];
    for (unsigned i = 0; i < CHAIN; i++) {
        links[i] = (struct link) { &chain, i };
        chain.futures[i] = submit(pool, await_two, &links[i]);
    }
    event_await_count(&chain.ready, CHAIN);
    event_signal(&chain.go);
    event_await(&chain.gate.started);
    UNTIL(stats_of(pool).handoffs >= 2 * CHAIN - 1);
    gate_open(&chain.gate);
    cr_assert_eq(filch_wait(chain.futures, CHAIN, FILCH_ALL, FILCH_SECONDS(20), NULL), 0);
    for (unsigned i = 0; i < CHAIN; i++)
        cr_assert_eq(filch_future_state(chain.futures[i]), FILCH_DONE);
    unref_all(chain.futures, CHAIN);
    filch_pool_destroy(pool);
}
