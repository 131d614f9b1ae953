/* SPDX-License-Identifier: MIT */
/*
 * Tasks fork random trees whose nodes wait, submit, open scopes, block, sleep, loop and reduce, with what they have forked
 * not yet joined, while thieves come and go: pools of several sizes, with and without spare threads, resized, stopped
 * and shut down at some moment. Every forked call runs exactly once, on behalf of its task, before its join returns.
 */
#include "stress_pool.h"

#include <filch/fork.h>

#define CHILDREN 5
#define TREES 24 /* a thread and a round */
#define DEPTH 6

static filch_pool *pool;
static filch_stop *some_stop; /* of this round; requested at some moment */
static unsigned round_now;
static _Atomic uint64_t nodes, elsewhere, accepted, ran, freed, loops, trees;
static _Atomic bool resizing;

static void add(_Atomic uint64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

/* ---- Tasks that nodes submit ---- */

static int sub(filch_task *self, void *arg)
{
    (void)self, (void)arg;
    add(&ran);
    return 0;
}

static void sub_freed(void *arg)
{
    (void)arg;
    add(&freed);
}

static filch_future *submit_sub(filch_scope *scope)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.arg_dtor = sub_freed;
    int rc = scope ? filch_scope_submit_with(scope, sub, &options, &options, &future)
                   : filch_submit_with(pool, sub, &options, &options, &future);
    CHECK(rc == 0 || rc == -ESHUTDOWN);
    if (!rc)
        add(&accepted);
    return future;
}

static void wait_for(filch_future *future)
{
    if (!future)
        return;
    int rc = filch_future_wait(future, FILCH_FOREVER);
    CHECK(rc == 0 || rc == -ECANCELED || rc == -EAGAIN);
    filch_future_unref(future);
}

static void open_scope(uint64_t *random)
{
    filch_scope *scope;
    CHECK_IS(filch_scope_open(&scope, pool, NULL), 0);
    CHECK(filch_scope_current() == scope);
    for (unsigned n = stress_below(random, 4); n > 0; n--)
        filch_future_unref(submit_sub(scope));
    if (stress_below(random, 2)) {
        int rc = filch_scope_join(scope, NULL);
        CHECK(rc == 0 || rc == -ECANCELED || rc == -EAGAIN);
    }
    filch_scope_close(scope);
}

/* ---- Loops ---- */

static int mark_range(size_t begin, size_t end, void *arg)
{
    _Atomic uint8_t *marks = arg;
    for (size_t i = begin; i < end; i++)
        CHECK_IS(atomic_fetch_add_explicit(&marks[i], 1, memory_order_relaxed), 0);
    stress_progress();
    return 0;
}

static void loop(uint64_t *random)
{
    _Atomic uint8_t marks[300] = { 0 };
    size_t n = stress_below(random, 300);
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    options.grain = stress_below(random, 8);
    int rc = filch_parallel_for(pool, 0, n, mark_range, marks, &options);
    CHECK(rc == 0 || rc == -ECANCELED || rc == -ESHUTDOWN);
    for (size_t i = 0; i < 300; i++)
        CHECK(i < n && !rc ? marks[i] == 1 : marks[i] <= (i < n));
    add(&loops);
}

/* x -> factor * x + term: composition is associative and does not commute. */
struct map {
    uint64_t factor, term;
    uint64_t ballast[12]; /* does not fit into a part */
};

static void compose(void *value, const void *right, void *arg)
{
    struct map *first = value;
    const struct map *then = right;
    (void)arg;
    first->term = then->factor * first->term + then->term;
    first->factor *= then->factor;
}

static int fold(size_t begin, size_t end, void *value, void *arg)
{
    for (size_t i = begin; i < end; i++) {
        struct map step = { .factor = 2 * i + 3, .term = i };
        compose(value, &step, arg);
    }
    return 0;
}

static void reduce(uint64_t *random)
{
    struct map got = { .factor = 1 }, expected = { .factor = 1 };
    size_t n = stress_below(random, 300), size = stress_below(random, 2) ? sizeof got : 2 * sizeof(uint64_t);
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    options.grain = 1 + stress_below(random, 8);
    int rc = filch_parallel_reduce(pool, 0, n, &got, size, fold, compose, NULL, &options);
    CHECK(rc == 0 || rc == -ECANCELED || rc == -ESHUTDOWN);
    if (!rc)
        fold(0, n, &expected, NULL);
    CHECK(got.factor == expected.factor && got.term == expected.term);
    add(&loops);
}

/* ---- Trees ---- */

struct node {
    filch_forked forked;
    filch_task *task;
    pthread_t forker;
    uint64_t random;
    unsigned depth;
    uint64_t in, out; /* plain: before the fork, by the call */
    _Atomic uint32_t runs;
};

static void run_node(filch_forker *forker, struct node *node);

static void run_forked(filch_forker *forker, filch_forked *forked)
{
    struct node *node = (struct node *)forked;
    if (!pthread_equal(node->forker, pthread_self()))
        add(&elsewhere);
    run_node(forker, node);
}

/* What a node does between its forks. */
static void act(filch_task *task, filch_forker *forker, uint64_t *random)
{
    switch (stress_below(random, 24)) {
    case 0:
        wait_for(submit_sub(NULL));
        break;
    case 1:
        filch_future_unref(submit_sub(NULL));
        break;
    case 2:
        open_scope(random);
        break;
    case 3:
        filch_blocking_begin(task);
        stress_nap(stress_below(random, 30000));
        if (stress_below(random, 2))
            wait_for(submit_sub(NULL));
        filch_blocking_end(task);
        break;
    case 4:
        filch_sleep(stress_below(random, 30000));
        break;
    case 5:
        loop(random);
        break;
    case 6:
        reduce(random);
        break;
    case 7:
        CHECK(filch_fork_stopped(forker) == filch_task_stopped(task) || filch_task_stopped(task));
        break;
    default:
        stress_spin(stress_below(random, 2000));
    }
}

static void fork_node(filch_forker *forker, struct node *child, const struct node *parent, uint64_t *random)
{
    child->task = parent->task;
    child->forker = pthread_self();
    child->random = stress_random(random);
    child->depth = parent->depth - 1;
    child->in = stress_random(random);
    atomic_init(&child->runs, 0);
    filch_fork(forker, &child->forked, run_forked);
}

static void join_node(filch_forker *forker, struct node *child)
{
    filch_fork_join(forker, &child->forked);
    CHECK_IS(atomic_load_explicit(&child->runs, memory_order_relaxed), 1);
    CHECK_IS(child->out, child->in + 1);
}

static void run_node(filch_forker *forker, struct node *node)
{
    struct node children[CHILDREN];
    uint64_t random = node->random;
    unsigned n = node->depth ? stress_below(&random, CHILDREN + 1) : 0;
    bool in_region = stress_below(&random, 40) == 0;
    CHECK(filch_task_current() == node->task);
    CHECK_IS(atomic_fetch_add_explicit(&node->runs, 1, memory_order_relaxed), 0);
    add(&nodes);
    stress_progress();
    if (in_region)
        filch_blocking_begin(node->task);
    for (unsigned i = 0; i < n; i++) {
        fork_node(forker, &children[i], node, &random);
        if (stress_below(&random, 3) == 0)
            act(node->task, forker, &random);
    }
    for (unsigned i = n; i > 0; i--) {
        join_node(forker, &children[i - 1]);
        if (stress_below(&random, 6) == 0)
            act(node->task, forker, &random);
    }
    if (in_region)
        filch_blocking_end(node->task);
    node->out = node->in + 1;
    CHECK(filch_task_current() == node->task);
}

static int tree(filch_task *self, void *arg)
{
    filch_forker *forker;
    struct node root = { .task = self, .random = (uint64_t)(uintptr_t)arg, .depth = DEPTH };
    CHECK_IS(filch_fork_begin(self, &forker), 0);
    run_node(forker, &root);
    add(&trees);
    return filch_return(self, arg);
}

/* ---- Threads ---- */

static void *party_main(void *arg)
{
    uint64_t random = stress_stream(round_now, (uintptr_t)arg);
    filch_future *futures[TREES];
    filch_task_options options = FILCH_TASK_OPTIONS;
    unsigned n = 0;
    for (unsigned i = 0; i < TREES; i++) {
        options.stop = stress_below(&random, 4) == 0 ? some_stop : NULL;
        void *seed = (void *)(uintptr_t)stress_random(&random);
        int rc = filch_submit_with(pool, tree, seed, &options, &futures[n]);
        CHECK(rc == 0 || rc == -ESHUTDOWN);
        n += rc == 0;
        if (stress_below(&random, 8) == 0)
            loop(&random);
        if (stress_below(&random, 8) == 0)
            reduce(&random);
    }
    for (unsigned i = 0; i < n; i++) {
        CHECK_IS(filch_future_wait(futures[i], FILCH_FOREVER), 0);
        filch_future_unref(futures[i]);
    }
    return NULL;
}

static void *resize_main(void *arg)
{
    uint64_t random = stress_stream(round_now, 999);
    while (atomic_load_explicit(&resizing, memory_order_relaxed)) {
        int rc = filch_pool_resize(pool, 1 + stress_below(&random, 6));
        CHECK(rc == 0 || rc == -ESHUTDOWN);
        stress_nap(300000);
    }
    return arg;
}

static void one_round(uint64_t *random)
{
    pthread_t threads[64], resizer;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 3) == 0;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    CHECK_IS(filch_stop_create(&some_stop, filch_pool_stop(pool)), 0);
    bool resizes = !stress.workers && stress_below(random, 3) == 0;
    atomic_store(&resizing, resizes);
    stress_phase("forking");
    for (uintptr_t i = 0; i < stress.threads; i++)
        CHECK_IS(pthread_create(&threads[i], NULL, party_main, (void *)i), 0);
    if (resizes)
        CHECK_IS(pthread_create(&resizer, NULL, resize_main, NULL), 0);
    if (stress_below(random, 2)) {
        stress_nap(stress_below(random, 5000000));
        filch_stop_request(some_stop, -EPIPE);
    }
    if (stress_below(random, 3) == 0) {
        stress_nap(stress_below(random, 10000000));
        int rc = filch_pool_shutdown(pool, stress_below(random, 8), FILCH_US(200), NULL);
        CHECK(rc == 0 || rc == -ETIMEDOUT);
    }
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&resizing, false);
    if (resizes)
        pthread_join(resizer, NULL);
    stress_phase("shutting down");
    stress_pool_drop(pool);
    filch_stop_unref(some_stop);
    CHECK_IS(freed, accepted);
    CHECK(ran <= accepted);
}

int main(int argc, char **argv)
{
    stress_begin("stress_fork", 4, argc, argv);
    uint64_t random = stress_stream(0, 77);
    for (; stress_goes_on_to(round_now); round_now++)
        one_round(&random);
    printf("%u pools, %llu trees of %llu nodes, %llu of them run by other threads; %llu loops, %llu tasks\n",
           round_now, (unsigned long long)trees, (unsigned long long)nodes, (unsigned long long)elsewhere,
           (unsigned long long)loops, (unsigned long long)accepted);
    stress_total("forked_calls", nodes);
    stress_total("forked_elsewhere", elsewhere);
    return stress_end();
}
