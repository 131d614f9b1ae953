/* SPDX-License-Identifier: MIT */
/*
 * Random graphs of tasks that await each other, in all the ways there are, on few workers, while others dump the
 * pool. Whatever the graph, every task ends; without a cycle no wait fails, and of a ring exactly one does.
 */
#include "stress_pool.h"

#include <filch/filch.h>

#include <fcntl.h>

#define NODES 40
#define EDGES 3

enum shape { ACYCLIC, RING, ANYTHING, SHAPES };

struct graph;

struct node {
    struct graph *graph;
    filch_future *future;
    unsigned n_awaited;
    unsigned awaited[EDGES];
    uint64_t random;
};

struct graph {
    pthread_mutex_t lock; /* held until all of them are submitted */
    enum shape shape;
    unsigned n;
    _Atomic unsigned deadlocks;
    struct node nodes[NODES];
};

static _Atomic uint64_t dumps, closed;
static _Atomic(filch_pool *) dumped;
static _Atomic bool dumping;

/* ---- Ways to wait ---- */

static int iterate(filch_future **futures, unsigned n, int64_t timeout)
{
    filch_completed *completed;
    filch_future *next;
    int rc;
    CHECK_IS(filch_completed_begin(&completed, futures, n, timeout), 0);
    while ((rc = filch_completed_next(completed, &next)) == 1)
        CHECK(filch_future_done(next));
    filch_completed_end(completed);
    return rc;
}

static int await_element(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)out;
    (void)arg;
    int rc = filch_future_wait(*(filch_future *const *)in, FILCH_FOREVER);
    CHECK(rc == 0 || rc == -EDEADLK);
    return 0;
}

static int map_over(filch_pool *pool, filch_future **futures, unsigned n)
{
    int out[EDGES];
    return filch_map(pool, await_element, NULL, futures, sizeof *futures, out, sizeof *out, n, NULL, NULL);
}

static int one_by_one(filch_future **futures, unsigned n)
{
    int rc = 0;
    for (unsigned i = 0; i < n && !rc; i++)
        rc = filch_future_wait(futures[i], FILCH_FOREVER);
    return rc;
}

static int await_some(filch_pool *pool, struct node *node, filch_future **futures, unsigned n)
{
    /* What swallows the errors of cycles, or heeds a deadline and so leaves them to it, is not for all. */
    static const unsigned ways[SHAPES] = { [ACYCLIC] = 8, [RING] = 5, [ANYTHING] = 7 };
    switch (stress_below(&node->random, ways[node->graph->shape])) {
    case 0:
        return one_by_one(futures, n);
    case 1:
        return filch_wait(futures, n, FILCH_ALL, FILCH_FOREVER, NULL);
    case 2:
        return filch_wait(futures, n, FILCH_FIRST_COMPLETED, FILCH_FOREVER, NULL);
    case 3:
        return filch_join(futures, n);
    case 4:
        return iterate(futures, n, FILCH_FOREVER);
    case 5:
        return map_over(pool, futures, n);
    case 6:
        return filch_wait(futures, n, FILCH_ALL, FILCH_US(stress_below(&node->random, 3000)), NULL);
    default:
        return iterate(futures, n, FILCH_SECONDS(1000));
    }
}

static int run_node(filch_task *self, void *arg)
{
    struct node *node = arg;
    struct graph *graph = node->graph;
    filch_future *futures[EDGES];
    filch_blocking_begin(self);
    pthread_mutex_lock(&graph->lock);
    pthread_mutex_unlock(&graph->lock);
    filch_blocking_end(self);
    for (unsigned i = 0; i < node->n_awaited; i++)
        futures[i] = graph->nodes[node->awaited[i]].future;
    stress_spin(stress_below(&node->random, 2000));
    int rc = node->n_awaited ? await_some(filch_task_pool(self), node, futures, node->n_awaited) : 0;
    if (rc == -EDEADLK)
        atomic_fetch_add(&graph->deadlocks, 1);
    else
        CHECK(rc == 0 || (rc == -ETIMEDOUT && graph->shape != RING));
    stress_progress();
    return rc;
}

/* ---- Graphs ---- */

static void add_edges(struct graph *graph, unsigned from, uint64_t *random)
{
    struct node *node = &graph->nodes[from];
    if (graph->shape == RING) {
        node->awaited[node->n_awaited++] = (from + 1) % graph->n;
        return;
    }
    unsigned first = graph->shape == ACYCLIC ? from + 1 : 0;
    unsigned n = stress_below(random, EDGES + 1);
    while (first < graph->n && node->n_awaited < n)
        node->awaited[node->n_awaited++] = first + stress_below(random, graph->n - first);
}

static void run_graph(filch_pool *pool, uint64_t *random)
{
    static struct graph graph;
    filch_future *futures[NODES];
    graph = (struct graph) { .shape = (enum shape)stress_below(random, SHAPES),
                             .n = 2 + stress_below(random, NODES - 1) };
    pthread_mutex_init(&graph.lock, NULL);
    pthread_mutex_lock(&graph.lock);
    for (unsigned i = 0; i < graph.n; i++) {
        graph.nodes[i] = (struct node) { .graph = &graph, .random = stress_random(random) };
        add_edges(&graph, i, random);
        CHECK_IS(filch_submit(pool, run_node, &graph.nodes[i], &graph.nodes[i].future), 0);
        futures[i] = graph.nodes[i].future;
    }
    pthread_mutex_unlock(&graph.lock);
    CHECK_IS(filch_wait(futures, graph.n, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    unsigned deadlocks = atomic_load(&graph.deadlocks);
    if (graph.shape == ACYCLIC)
        CHECK_IS(deadlocks, 0);
    if (graph.shape == RING)
        CHECK_IS(deadlocks, 1);
    atomic_fetch_add(&closed, deadlocks);
    for (unsigned i = 0; i < graph.n; i++)
        filch_future_unref(futures[i]);
    pthread_mutex_destroy(&graph.lock);
}

/* ---- Dumps ---- */

static void *keep_dumping(void *arg)
{
    int *fd = arg;
    while (atomic_load(&dumping)) {
        int rc = filch_pool_dump(atomic_load(&dumped), *fd);
        CHECK(rc == 0 || rc == -EBUSY); /* a thread that is held up may keep the lock for long */
        atomic_fetch_add(&dumps, 1);
        stress_nap(100000);
    }
    return NULL;
}

static void run_pool(unsigned round, uint64_t *random, int fd)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    pthread_t dumper;
    options.workers = stress_workers(round);
    options.spare_threads = 1 + stress_below(random, 64);
    options.no_spare_threads = stress_below(random, 4) == 0;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    atomic_store(&dumped, pool);
    atomic_store(&dumping, true);
    CHECK_IS(pthread_create(&dumper, NULL, keep_dumping, &fd), 0);
    for (unsigned i = 0; i < 20; i++)
        run_graph(pool, random);
    atomic_store(&dumping, false);
    pthread_join(dumper, NULL);
    stress_pool_drop(pool);
}

int main(int argc, char **argv)
{
    stress_begin("stress_deadlock", 1, argc, argv);
    uint64_t random = stress_stream(1, 1);
    unsigned round = 0;
    int fd = open("/dev/null", O_WRONLY);
    CHECK(fd >= 0);
    while (stress_goes_on())
        run_pool(round++, &random, fd);
    close(fd);
    printf("%u graphs, %llu waits that closed a cycle, %llu dumps\n", round * 20,
           (unsigned long long)atomic_load(&closed), (unsigned long long)atomic_load(&dumps));
    stress_total("cycles", atomic_load(&closed));
    stress_total("dumps", atomic_load(&dumps));
    return stress_end();
}
