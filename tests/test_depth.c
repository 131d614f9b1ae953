/* SPDX-License-Identifier: MIT */
/* Chains of tasks that each await the next: they end, or say that there is neither stack nor thread left. */
#include "support.h"

SUITE(depth);

struct chain {
    int depth;
    int64_t timeout;
    _Atomic int reached; /* the deepest link that ran */
};

struct link {
    struct chain *chain;
    int number;
};

/* Submits the next link and awaits it. Its error travels up. */
static int run_link(filch_task *self, void *arg)
{
    struct link *link = arg, next = { link->chain, link->number + 1 };
    filch_future *future;
    if (atomic_load(&link->chain->reached) < link->number)
        atomic_store(&link->chain->reached, link->number);
    if (link->number == link->chain->depth)
        return 0;
    int rc = filch_submit(filch_task_pool(self), run_link, &next, &future);
    if (rc)
        return rc;
    rc = filch_future_result(future, link->chain->timeout, NULL);
    if (!filch_future_done(future) && !filch_future_cancel(future))
        must(filch_join(&future, 1) == 0); /* `next` is on this stack */
    filch_future_unref(future);
    return rc;
}

/* Runs a chain; 0 or -EAGAIN. */
static int run_chain(filch_pool *pool, int depth, int64_t timeout)
{
    struct chain chain = { .depth = depth, .timeout = timeout };
    struct link first = { &chain, 0 };
    filch_future *future = submit(pool, run_link, &first);
    int rc = filch_future_result(future, FILCH_FOREVER, NULL);
    must(rc != 0 || atomic_load(&chain.reached) == depth);
    filch_future_unref(future);
    return rc;
}

static filch_pool *pool_with(unsigned workers, unsigned spare_threads, size_t stack_size)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.spare_threads = spare_threads;
    options.no_spare_threads = spare_threads == 0;
    options.stack_size = stack_size;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

Test(depth, a_chain_of_a_hundred_thousand_ends)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        cr_assert_eq(run_chain(pool, 100000, FILCH_FOREVER), 0);
        cr_assert_eq(run_chain(pool, 100000, FILCH_FOREVER), 0, "and again, with the threads that there are now");
        filch_pool_destroy(pool);
    }
}

Test(depth, a_chain_that_hands_over_at_each_link_ends_within_the_threads_it_may_have)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_with(workers, 100, 0);
        cr_assert_eq(run_chain(pool, 90, FILCH_SECONDS(3600)), 0);
        filch_pool_destroy(pool);
    }
}

Test(depth, a_chain_with_timeouts_goes_on_in_place_when_no_thread_is_left)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_with(workers, 2, 0);
        cr_assert_eq(run_chain(pool, 1000, FILCH_SECONDS(3600)), 0);
        cr_assert_leq(stats_of(pool).threads_peak, workers + 2);
        filch_pool_destroy(pool);
    }
}

static void expect_an_end(unsigned workers, unsigned spare_threads, size_t stack_size)
{
    filch_pool *pool = pool_with(workers, spare_threads, stack_size);
    for (int i = 0; i < 3; i++) {
        int rc = run_chain(pool, 100000, FILCH_FOREVER);
        cr_assert(rc == 0 || rc == -EAGAIN, "%u workers, %u spare threads, %zu bytes: %d", workers, spare_threads,
                  stack_size, rc);
        cr_assert_eq(run_chain(pool, 10, FILCH_FOREVER), 0, "the pool is as good as new");
    }
    filch_pool_destroy(pool);
}

Test(depth, a_chain_too_deep_for_its_stacks_and_threads_is_told_so)
{
    static const size_t stacks[] = { (size_t)64 << 10, (size_t)256 << 10, 0 };
    static const unsigned spares[] = { 0, 1, 5 };
    for (unsigned workers = 1; workers <= 3; workers++)
        for (size_t i = 0; i < 3; i++)
            for (size_t j = 0; j < 3; j++)
                expect_an_end(workers, spares[i], stacks[j]);
}

/* ---- Trees ---- */

struct tree {
    int depth, width;
};

static int run_tree(filch_task *self, void *arg)
{
    const struct tree *tree = arg;
    struct tree below = { tree->depth - 1, tree->width };
    filch_future *futures[8];
    intptr_t leaves = 0;
    if (tree->depth == 0)
        return filch_return(self, (void *)1);
    for (int i = 0; i < tree->width; i++)
        futures[i] = submit(filch_task_pool(self), run_tree, &below);
    for (int i = 0; i < tree->width; i++) {
        void *sum = NULL;
        must(filch_future_result(futures[i], FILCH_FOREVER, &sum) == 0);
        leaves += (intptr_t)sum;
    }
    unref_all(futures, (size_t)tree->width);
    return filch_return(self, (void *)leaves);
}

Test(depth, trees_of_tasks_add_up_with_any_workers_and_threads)
{
    static const unsigned workers[] = { 1, 2, 3, 16 }, spares[] = { 0, 1, 256 };
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 3; j++) {
            filch_pool *pool = pool_with(workers[i], spares[j], 0);
            struct tree tree = { 6, 4 };
            void *leaves = NULL;
            filch_future *future = submit(pool, run_tree, &tree);
            cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &leaves), 0);
            cr_assert_eq((intptr_t)leaves, 4096);
            filch_future_unref(future);
            filch_pool_destroy(pool);
        }
    }
}
