/* SPDX-License-Identifier: MIT */
/*
 * Random trees of tasks on one pool: every inner task submits sub tasks, here and there to a second pool, and
 * waits for them in one of all the ways there are, with few spare threads or none, while others stop or
 * cancel them. A tree that nobody disturbed gives exactly its number of nodes; in a disturbed one no task
 * outlives the task that awaits it.
 */
#include "os.h"
#include "stress_pool.h"

#include <filch/filch.h>

#define NODES 300 /* of a tree at most */
#define FAN 5
#define DEPTH 7

struct tree;

struct node {
    struct tree *tree;
    uint64_t random;
    unsigned depth;
    _Atomic uint32_t runs;
};

struct tree {
    filch_pool *pool, *other;
    filch_stop *stop;
    bool disturbed;        /* somebody stops it or cancels parts of it: constant */
    bool frugal;           /* stacks are so small that a wait may fail: constant */
    bool poor;             /* the system refuses threads now and then: constant */
    _Atomic bool failing;  /* a wait failed for want of stack or thread */
    _Atomic uint32_t used; /* nodes */
    _Atomic uint32_t inside, runs;
    _Atomic(filch_future *) victim; /* with a reference, for who disturbs */
    struct node nodes[NODES];
};

struct grower {
    unsigned index;
    filch_pool *pool, *other;
    bool frugal, poor;
    uint64_t trees, nodes, disturbed;
};

static unsigned round_now;
static _Atomic uint64_t short_of_threads;

static int grow(filch_task *self, void *arg);

static struct node *new_node(struct tree *tree, unsigned depth, uint64_t *random)
{
    uint32_t at = atomic_fetch_add_explicit(&tree->used, 1, memory_order_relaxed);
    if (at >= NODES)
        return NULL;
    struct node *node = &tree->nodes[at];
    *node = (struct node) { .tree = tree, .random = stress_random(random), .depth = depth };
    return node;
}

static bool wait_ok(struct tree *tree, int rc)
{
    if (rc == -EAGAIN && (tree->frugal || tree->poor)) {
        atomic_store(&tree->failing, true);
        atomic_fetch_add(&short_of_threads, 1);
        return false;
    }
    CHECK(rc == 0 || (tree->disturbed && rc == -ECANCELED));
    return rc == 0;
}

/* Ways to wait; what they do not await the join does. */

static void by_iterator(struct tree *tree, filch_future **futures, unsigned n, int64_t timeout)
{
    filch_completed *completed;
    CHECK_IS(filch_completed_begin(&completed, futures, n, timeout), 0);
    unsigned got = 0;
    for (;;) {
        filch_future *next;
        int rc = filch_completed_next(completed, &next);
        if (rc == 0) {
            CHECK_IS(got, n);
            break;
        }
        if (rc == -ETIMEDOUT && timeout >= 0)
            break;
        if (rc < 0) {
            CHECK(!wait_ok(tree, rc));
            break;
        }
        CHECK(filch_future_done(next));
        got++;
    }
    filch_completed_end(completed);
}

static void one_by_one(struct tree *tree, filch_future **futures, unsigned n, uint64_t *random)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned at = stress_below(random, n);
        filch_future *future = futures[at];
        int rc = filch_future_wait(future, FILCH_FOREVER);
        if (wait_ok(tree, rc))
            CHECK(filch_future_done(future));
    }
}

static void impatiently(struct tree *tree, filch_future **futures, unsigned n, uint64_t *random)
{
    filch_future *future = futures[stress_below(random, n)];
    int rc;
    do
        rc = filch_future_wait(future, FILCH_US(1 + stress_below(random, 100)));
    while (rc == -ETIMEDOUT);
    wait_ok(tree, rc);
}

static int map_leaf(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(uint32_t *)out = *(const uint32_t *)in + 1;
    stress_spin(50);
    return 0;
}

static void by_map(filch_pool *pool, struct tree *tree, uint64_t *random)
{
    uint32_t in[40], out[40];
    for (uint32_t i = 0; i < 40; i++)
        in[i] = i;
    filch_map_options options = FILCH_MAP_OPTIONS;
    options.chunk = stress_below(random, 8);
    int rc = filch_map(pool, map_leaf, NULL, in, sizeof in[0], out, sizeof out[0], 40, &options, NULL);
    if (wait_ok(tree, rc))
        for (uint32_t i = 0; i < 40; i++)
            CHECK_IS(out[i], i + 1);
}

struct counter {
    uintptr_t given, n;
};

static int count(void *arg, void **item)
{
    struct counter *counter = arg;
    if (counter->given == counter->n)
        return 0;
    *item = (void *)counter->given++;
    return 1;
}

static int stream_leaf(filch_task *self, void *item)
{
    stress_spin(50);
    return filch_return(self, item);
}

static void by_stream(filch_pool *pool, struct tree *tree, uint64_t *random)
{
    struct counter counter = { 0, stress_below(random, 80) };
    filch_stream *stream;
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    options.window = 1 + stress_below(random, 12);
    CHECK_IS(filch_stream_begin(&stream, pool, stream_leaf, count, &counter, &options), 0);
    void *result;
    uintptr_t got = 0;
    int rc;
    while ((rc = filch_stream_next(stream, &result)) == 1)
        CHECK_IS((uintptr_t)result, got++);
    if (wait_ok(tree, rc))
        CHECK_IS(got, counter.n);
    filch_stream_end(stream);
}

static int visit(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    stress_spin(2000);
    return 0;
}

static void by_other_pool(struct tree *tree)
{
    filch_future *future;
    CHECK_IS(filch_submit(tree->other, visit, NULL, &future), 0);
    int rc = filch_future_wait(future, FILCH_FOREVER);
    CHECK(rc == 0 || (tree->disturbed && rc == -ECANCELED)); /* the other pool's threads run it: never -EAGAIN */
    filch_future_unref(future);
}

static void await_subs(filch_pool *pool, struct tree *tree, filch_future **futures, unsigned n, uint64_t *random)
{
    switch (stress_below(random, 10)) {
    case 0:
        by_iterator(tree, futures, n, FILCH_FOREVER);
        break;
    case 1:
        by_iterator(tree, futures, n, FILCH_US(stress_below(random, 300)));
        break;
    case 2:
        one_by_one(tree, futures, n, random);
        break;
    case 3:
        wait_ok(tree, filch_wait(futures, n, FILCH_ALL, FILCH_FOREVER, NULL));
        break;
    case 4:
        wait_ok(tree, filch_wait(futures, n, FILCH_FIRST_COMPLETED, FILCH_FOREVER, NULL));
        break;
    case 5:
        wait_ok(tree, filch_wait(futures, n, FILCH_FIRST_ERROR, FILCH_FOREVER, NULL));
        break;
    case 6:
        impatiently(tree, futures, n, random);
        break;
    case 7:
        by_map(pool, tree, random);
        break;
    case 8:
        by_stream(pool, tree, random);
        break;
    default:
        by_other_pool(tree);
    }
}

static uintptr_t sum_of(struct tree *tree, filch_future **futures, unsigned n)
{
    uintptr_t sum = 0;
    int rc = filch_join(futures, n);
    if (rc) { /* then some may still run; nothing of theirs is on this stack */
        CHECK(!wait_ok(tree, rc));
    }
    for (unsigned i = 0; i < n; i++) {
        void *result = NULL;
        filch_state state = filch_future_state(futures[i]);
        if (state == FILCH_DONE && filch_future_result(futures[i], 0, &result) == 0)
            sum += (uintptr_t)result;
        else
            CHECK(tree->disturbed || atomic_load(&tree->failing));
        CHECK(rc || state >= FILCH_DONE);
        filch_future_unref(futures[i]);
    }
    return sum;
}

static void show_victim(struct tree *tree, filch_future *future)
{
    filch_future *none = NULL;
    filch_future_ref(future);
    if (!atomic_compare_exchange_strong(&tree->victim, &none, future))
        filch_future_unref(future);
}

static int grow(filch_task *self, void *arg)
{
    struct node *node = arg;
    struct tree *tree = node->tree;
    filch_pool *pool = filch_task_pool(self);
    uint64_t random = node->random;
    CHECK_IS(atomic_fetch_add(&node->runs, 1), 0);
    atomic_fetch_add_explicit(&tree->inside, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&tree->runs, 1, memory_order_relaxed);
    stress_progress();
    filch_future *futures[FAN];
    unsigned n = 0, fan = node->depth < DEPTH ? stress_below(&random, FAN + 1) : 0;
    while (n < fan) {
        struct node *below = new_node(tree, node->depth + 1, &random);
        if (!below)
            break;
        CHECK_IS(filch_submit(pool, grow, below, &futures[n]), 0);
        if (tree->disturbed && stress_below(&random, 8) == 0)
            show_victim(tree, futures[n]);
        n++;
    }
    stress_spin(stress_below(&random, 8) ? 20 : 20000);
    uintptr_t sum = 1;
    if (n) {
        await_subs(pool, tree, futures, n, &random);
        sum += sum_of(tree, futures, n);
    }
    atomic_fetch_sub_explicit(&tree->inside, 1, memory_order_relaxed);
    return filch_return(self, (void *)sum);
}

/* ---- Outside ---- */

static void disturb(struct tree *tree, filch_future *root, uint64_t *random)
{
    while (!filch_future_done(root)) {
        filch_future *victim = atomic_exchange(&tree->victim, NULL);
        if (victim) {
            filch_future_cancel(victim);
            filch_future_unref(victim);
        }
        if (stress_below(random, 200) == 0)
            filch_stop_request(tree->stop, -EPIPE);
        filchi_os_yield();
    }
}

static void one_tree(struct grower *grower, uint64_t *random)
{
    struct tree *tree = calloc(1, sizeof *tree);
    CHECK(tree);
    *tree = (struct tree) { .pool = grower->pool,
                            .other = grower->other,
                            .disturbed = stress_below(random, 2),
                            .frugal = grower->frugal,
                            .poor = grower->poor };
    CHECK_IS(filch_stop_create(&tree->stop, NULL), 0);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.stop = tree->stop;
    filch_future *root;
    int rc = filch_submit_with(grower->pool, grow, new_node(tree, 0, random), &options, &root);
    if (rc) {
        CHECK(tree->poor && rc == -EAGAIN);
        filch_stop_unref(tree->stop);
        free(tree);
        return;
    }
    if (tree->disturbed)
        disturb(tree, root, random);
    void *result = NULL;
    CHECK_IS(filch_join(&root, 1), 0);
    filch_state state = filch_future_state(root);
    if (tree->disturbed || atomic_load(&tree->failing))
        CHECK(state == FILCH_DONE || state == FILCH_STOPPED);
    else
        CHECK_IS(state, FILCH_DONE);
    if (state == FILCH_DONE)
        CHECK_IS(filch_future_result(root, 0, &result), 0);
    while (atomic_load(&tree->failing) && atomic_load(&tree->inside)) /* those that nobody could await */
        filchi_os_yield();
    CHECK_IS(atomic_load(&tree->inside), 0);
    uint32_t used = atomic_load(&tree->used);
    if (!tree->disturbed && !atomic_load(&tree->failing)) {
        CHECK_IS((uintptr_t)result, used < NODES ? used : NODES);
        CHECK_IS(atomic_load(&tree->runs), used < NODES ? used : NODES);
    }
    grower->trees++;
    grower->nodes += atomic_load(&tree->runs);
    grower->disturbed += tree->disturbed;
    filch_future_unref(root);
    filch_future_unref(atomic_load(&tree->victim));
    filch_stop_unref(tree->stop);
    if (!atomic_load(&tree->failing))
        free(tree); /* else left to tasks that have not started; reachable for the leak checker by their futures */
}

static void *grower_main(void *arg)
{
    struct grower *grower = arg;
    uint64_t random = stress_stream(round_now, grower->index);
    for (unsigned i = 0; i < 8; i++) {
        one_tree(grower, &random);
        stress_progress();
    }
    return NULL;
}

static void make_poor(bool poor, uint64_t *random)
{
#ifdef FILCH_TESTING
    atomic_store(&filchi_os_faults.threads, poor ? (long)stress_below(random, 6) - 1 : 0);
#else
    (void)poor;
    (void)random;
#endif
}

int main(int argc, char **argv)
{
    stress_begin("stress_nested", 4, argc, argv);
    uint64_t random = stress_stream(0, 55), trees = 0, nodes = 0, disturbed = 0, in_place = 0, handoffs = 0;
    unsigned peak = 0;
    for (; stress_goes_on(); round_now++) {
        struct grower growers[64] = { 0 };
        filch_pool *pool, *other;
        filch_pool_options options = FILCH_POOL_OPTIONS;
        unsigned spares = stress_below(&random, 5);
        bool poor = false;
        options.workers = stress_workers(round_now);
        options.no_spare_threads = spares == 0;
        options.spare_threads = spares == 1 ? 1 : spares == 2 ? 3 : 0;
        CHECK_IS(filch_pool_create(&pool, &options), 0);
        options.workers = 1;
        CHECK_IS(filch_pool_create(&other, &options), 0);
#ifdef FILCH_TESTING
        poor = stress_below(&random, 4) == 0;
        CHECK_IS(filch_submit(pool, visit, NULL, NULL), 0);
        CHECK_IS(filch_submit(other, visit, NULL, NULL), 0);
#endif
        make_poor(poor, &random);
        for (unsigned i = 0; i < stress.threads; i++)
            growers[i] = (struct grower) { .index = i, .pool = pool, .other = other, .poor = poor };
        stress_phase("growing");
        stress_run(grower_main, growers, sizeof growers[0]);
        make_poor(false, &random);
        filch_pool_stats stats = FILCH_POOL_STATS;
        stress_phase("shutting down");
        CHECK_IS(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
        CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
        CHECK_IS(stats.submitted, stats.finished);
        CHECK(stats.threads_peak <= stats.workers + (spares == 0 ? 0 : spares == 1 ? 1 : spares == 2 ? 3 : 256));
        peak = stats.threads_peak > peak ? stats.threads_peak : peak;
        in_place += stats.ran_in_place;
        handoffs += stats.handoffs;
        stress_pool_drop(pool);
        stress_pool_drop(other);
        for (unsigned i = 0; i < stress.threads; i++) {
            trees += growers[i].trees;
            nodes += growers[i].nodes;
            disturbed += growers[i].disturbed;
        }
    }
    printf("%u pools, %llu trees (%llu disturbed), %llu nodes; %llu in place, %llu handoffs, %u threads at most, "
           "%llu waits short of threads\n",
           round_now, (unsigned long long)trees, (unsigned long long)disturbed, (unsigned long long)nodes,
           (unsigned long long)in_place, (unsigned long long)handoffs, peak,
           (unsigned long long)atomic_load(&short_of_threads));
    stress_total("trees", trees);
    return stress_end();
}
