/* SPDX-License-Identifier: MIT */
/*
 * Nested scopes with retries, delays and sleeps in flight, stopped at a random moment: by a task that fails, by a request
 * from another thread or from a signal handler, by a deadline, by the close, by the pool's shutdown. A scope is always
 * joined; its first error and those after it are real ones, never those of tasks that only saw the stop;
 * every future is final, no task of a closed scope runs, every argument is freed once. Before that, ten million
 * tasks in a scope that keeps no futures take no memory.
 */
#include "stress_pool.h"

#include <filch/filch.h>

#include <signal.h>

#define NODES 256
#define HOUR FILCH_SECONDS(3600)

/* Rounds, however short --secs, unless --rounds tells; and tasks that are discarded. Sanitizers are slow, and so are
 * delays, with which there are so many times fewer. */
#define DELAYS_COST 100
#if defined(FILCH_TSAN)
enum { ROUNDS_MIN = 300, DISCARDED = 50000 };
#elif defined(__SANITIZE_ADDRESS__) || defined(FILCH_COVERAGE)
enum { ROUNDS_MIN = 2000, DISCARDED = 1000000 };
#else
enum { ROUNDS_MIN = 10000, DISCARDED = 10000000 };
#endif

enum source { FAILURE, REQUEST, SIGNAL, DEADLINE, CLOSE, SHUTDOWN, NONE, SOURCES };

/* A round: a tree of tasks, below one scope that main opens. */
struct tree {
    filch_pool *pool;
    filch_stop *stop; /* a reference to that of the root scope */
    enum source source;
    bool patient; /* the stop is sure to come, so tasks may wait for it */
    bool busy;    /* the same, and they may keep workers from others meanwhile */
    unsigned delay;
    filch_scope *root; /* into which another thread submits too; NULL: it does not */
    pthread_t main;
    _Atomic unsigned n; /* nodes in use */
    struct node {
        struct tree *tree;
        filch_future *held; /* or NULL */
        _Atomic int *live;  /* tasks of its scope that run */
        _Atomic int freed;
        bool accepted;
        uint64_t random;
        unsigned depth, failures;
        filch_retry_options retry;
    } nodes[NODES];
};

static _Atomic uint64_t tasks, scopes, stopped, failed, timed_out, retried, signals;
static _Atomic(filch_stop *) victim;

static void on_signal(int number)
{
    (void)number;
    filch_stop *stop = atomic_load(&victim);
    if (stop)
        filch_stop_request(stop, -EINTR);
    atomic_fetch_add_explicit(&signals, 1, memory_order_relaxed);
}

/* ---- What is real ---- */

static bool is_real(const filch_error *error)
{
    return strncmp(filch_error_message(filch_error_root(error)), "real", 4) == 0;
}

static void check_real(const filch_error *error)
{
    CHECK(is_real(error));
    const filch_error *kept;
    for (size_t i = 0; (kept = filch_error_suppressed(error, i)); i++)
        CHECK(is_real(kept));
}

/* The outcome of a join, timed: whether the scope had a deadline. */
static void check_outcome(int rc, const filch_error *error, bool timed)
{
    CHECK_IS(filch_error_code(error), rc);
    if (is_real(error))
        check_real(error);
    else
        CHECK(rc == -ECANCELED || (timed && rc == -ETIMEDOUT));
    uint64_t one = 1;
    atomic_fetch_add_explicit(is_real(error)     ? &failed
                              : rc == -ETIMEDOUT ? &timed_out
                                                 : &stopped,
                              one, memory_order_relaxed);
}

/* ---- Tasks ---- */

static int run_leaf(filch_task *self, void *arg);
static int run_branch(filch_task *self, void *arg);

static void count_freed(void *arg)
{
    atomic_fetch_add(&((struct node *)arg)->freed, 1);
}

static void choose_options(struct node *node, filch_task_options *options)
{
    static const filch_retry_options defaults = FILCH_RETRY_OPTIONS;
    uint64_t *random = &node->random;
    options->arg_dtor = count_freed;
    if (stress_below(random, 4) == 0)
        options->name = stress_below(random, 2) ? "short" : "a name that does not fit the object";
    if (stress_below(random, 3) == 0) {
        node->failures = 1 + stress_below(random, 3);
        node->retry = defaults;
        node->retry.max_attempts = 1 + stress_below(random, 4);
        node->retry.interval_ns = node->tree->patient && stress_below(random, 4) == 0 ? HOUR : 10000;
        node->retry.jitter = 0.5;
        options->retry = &node->retry;
    }
    if (stress_below(random, 4) == 0)
        options->start_at_ns =
            filch_now() +
            (node->tree->patient && stress_below(random, 4) == 0 ? HOUR : stress_below(random, 200000));
}

static void submit_one(struct tree *tree, filch_scope *scope, _Atomic int *live, unsigned depth, uint64_t *random)
{
    unsigned index = atomic_fetch_add(&tree->n, 1);
    if (index >= NODES)
        return;
    struct node *node = &tree->nodes[index];
    filch_task_options options = FILCH_TASK_OPTIONS;
    node->tree = tree;
    node->live = live;
    node->depth = depth;
    node->random = stress_random(random);
    choose_options(node, &options);
    if (stress_below(random, 8) == 0)
        CHECK_IS(filch_stop_create(&options.stop, filch_scope_stop(scope)), 0);
    bool hold = stress_below(random, 2);
    filch_fn *fn = depth && stress_below(random, 3) == 0 ? run_branch : run_leaf;
    filch_future *future = NULL;
    node->accepted = true; /* before: it may be looked at from elsewhere as soon as it is final */
    int rc = filch_scope_submit_with(scope, fn, node, &options, hold ? &future : NULL);
    if (rc) {
        CHECK(rc == -ESHUTDOWN && tree->source == SHUTDOWN);
        node->accepted = false;
    }
    node->held = future;
    filch_stop_unref(options.stop);
    atomic_fetch_add_explicit(&tasks, 1, memory_order_relaxed);
}

static int poll_stop(filch_task *self)
{
    while (!filch_task_stopped(self))
        stress_spin(100);
    const filch_error *why = filch_stop_error(filch_task_stop(self));
    CHECK(!why || is_real(why));
    return -ECANCELED;
}

static int act(filch_task *self, struct node *node)
{
    uint64_t *random = &node->random;
    if (filch_task_attempt(self) <= node->failures) {
        atomic_fetch_add_explicit(&retried, 1, memory_order_relaxed);
        return filch_fail(self, -EIO, "real: attempt %u", filch_task_attempt(self));
    }
    switch (stress_below(random, 10)) {
    case 0:
        return node->tree->source == FAILURE ? filch_fail(self, -EIO, "real") : 0;
    case 1:
        return node->tree->busy ? poll_stop(self) : 0;
    case 2:
        return filch_sleep(node->tree->busy ? HOUR : stress_below(random, 50000));
    case 3:
    case 4:
        submit_one(node->tree, filch_scope_current(), node->live, node->depth, random);
        return 0;
    default:
        stress_spin(stress_below(random, 2000));
        return 0;
    }
}

static int run_leaf(filch_task *self, void *arg)
{
    struct node *node = arg;
    CHECK_IS(atomic_load(&node->freed), 0);
    atomic_fetch_add(node->live, 1);
    int rc = act(self, node);
    atomic_fetch_sub(node->live, 1);
    stress_progress();
    return rc;
}

/* ---- Scopes in tasks ---- */

static bool choose_scope(filch_scope_options *options, uint64_t *random)
{
    options->policy = stress_below(random, 3) ? FILCH_FAIL_FAST : FILCH_COLLECT;
    options->discard = stress_below(random, 3) == 0;
    bool timed = stress_below(random, 4) == 0;
    if (timed)
        options->timeout_ns = stress_below(random, 1000000);
    return timed;
}

static void fill_scope(struct tree *tree, filch_scope *scope, _Atomic int *live, unsigned depth, uint64_t *random)
{
    for (unsigned n = 1 + stress_below(random, 6); n; n--)
        submit_one(tree, scope, live, depth, random);
    atomic_fetch_add_explicit(&scopes, 1, memory_order_relaxed);
}

static void look_at_some(filch_scope *scope, uint64_t *random)
{
    filch_future *next;
    for (unsigned n = stress_below(random, 8); n; n--) {
        int rc = filch_scope_next(scope, stress_below(random, 100000), &next);
        CHECK(rc == 1 || rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EINVAL);
        CHECK(rc != 1 || filch_future_done(next));
    }
}

/* Joins it, if it does; what the task returns. */
static int end_scope(filch_task *self, filch_scope *scope, bool timed, uint64_t *random)
{
    if (stress_below(random, 4) == 0)
        return filch_task_stopped(self) ? -ECANCELED : 0;
    if (stress_below(random, 8) == 0)
        filch_stop_request(filch_scope_stop(scope), -EPERM);
    filch_error *error = NULL;
    int rc = filch_scope_join(scope, &error);
    if (rc) {
        check_outcome(rc, error, timed);
        if (is_real(error))
            rc = filch_fail_from(self, error, 0, "below");
        else if (filch_task_stopped(self))
            rc = -ECANCELED;
        else
            rc = filch_fail(self, -ETIME, "real: the inner scope was stopped");
    }
    filch_error_unref(error);
    return rc;
}

static int use_scopes(filch_task *self, struct node *node, _Atomic int *live)
{
    uint64_t *random = &node->random;
    filch_scope *open[2];
    unsigned n = 1 + stress_below(random, 2);
    int rc = 0;
    for (unsigned i = 0; i < n; i++) {
        filch_scope_options options = FILCH_SCOPE_OPTIONS;
        bool timed = choose_scope(&options, random);
        CHECK_IS(filch_scope_open(&open[i], node->tree->pool, &options), 0);
        fill_scope(node->tree, open[i], &live[i], node->depth - 1, random);
        look_at_some(open[i], random);
        if (i + 1 == n)
            rc = end_scope(self, open[i], timed, random);
    }
    unsigned first = stress_below(random, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (first + i) % n;
        filch_scope_close(open[at]);
        CHECK_IS(atomic_load(&live[at]), 0);
    }
    return rc;
}

static int run_branch(filch_task *self, void *arg)
{
    struct node *node = arg;
    CHECK_IS(atomic_load(&node->freed), 0);
    atomic_fetch_add(node->live, 1);
    _Atomic int live[2];
    atomic_init(&live[0], 0);
    atomic_init(&live[1], 0);
    int rc =
        filch_task_attempt(self) <= node->failures ? filch_fail(self, -EIO, "real") : use_scopes(self, node, live);
    filch_scope *left_open;
    if (stress_below(&node->random, 4) == 0) /* closed when we return */
        CHECK_IS(filch_scope_open(&left_open, node->tree->pool, NULL), 0);
    atomic_fetch_sub(node->live, 1);
    stress_progress();
    return rc;
}

/* ---- A round ---- */

static int fail_now(filch_task *self, void *arg)
{
    (void)arg;
    return filch_fail(self, -EIO, "real: the one that was to be");
}

/* The thread sanitizer puts signals off while their thread sleeps in a call that it does not know. */
static void signal_thread(pthread_t thread)
{
#ifdef FILCH_TSAN
    (void)thread;
    raise(SIGUSR1);
#else
    pthread_kill(thread, SIGUSR1);
#endif
}

static void *disturb(void *arg)
{
    struct tree *tree = arg;
    uint64_t random = stress_stream(tree->delay, 7);
    static _Atomic int live;
    for (unsigned n = tree->root ? stress_below(&random, 8) : 0; n; n--)
        submit_one(tree, tree->root, &live, 0, &random);
    for (int64_t end = stress_now() + tree->delay; stress_now() < end;)
        stress_spin(50);
    if (tree->source == REQUEST)
        filch_stop_request(tree->stop, -EPERM);
    else if (tree->source == SIGNAL)
        signal_thread(tree->main);
    else if (tree->source == SHUTDOWN)
        CHECK_IS(filch_pool_shutdown(
                     tree->pool,
                     FILCH_SHUTDOWN_STOP_RUNNING | (tree->delay % 2 ? FILCH_SHUTDOWN_CANCEL_PENDING : 0), 0, NULL),
                 0);
    return NULL;
}

static void check_nodes(struct tree *tree)
{
    unsigned n = atomic_load(&tree->n);
    for (unsigned i = 0; i < (n < NODES ? n : NODES); i++) {
        struct node *node = &tree->nodes[i];
        if (!node->held)
            continue;
        CHECK(filch_future_done(node->held));
        filch_state state = filch_future_state(node->held);
        CHECK(state != FILCH_FAILED || is_real(filch_future_error(node->held)));
        filch_future_unref(node->held);
        node->held = NULL;
    }
}

static void check_freed(const struct tree *tree)
{
    unsigned n = atomic_load(&tree->n);
    for (unsigned i = 0; i < (n < NODES ? n : NODES); i++)
        CHECK_IS(atomic_load(&tree->nodes[i].freed), tree->nodes[i].accepted);
}

static filch_pool *create_pool(unsigned long round, bool *roomy, uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = stress_workers((unsigned)round);
    options.no_spare_threads = stress_below(random, 4) == 0;
    options.spare_threads = stress_below(random, 2) ? 3 : 0;
    *roomy = !options.no_spare_threads && !options.spare_threads;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    return pool;
}

/* Opens, fills and ends the root scope. */
static void use_root(struct tree *tree, uint64_t *random)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *root;
    _Atomic int live;
    atomic_init(&live, 0);
    bool timed = choose_scope(&options, random) && tree->source != NONE;
    if (tree->source == FAILURE)
        options.policy = FILCH_FAIL_FAST;
    timed |= tree->source == DEADLINE;
    options.timeout_ns = timed ? tree->delay : FILCH_FOREVER;
    CHECK_IS(filch_scope_open(&root, tree->pool, &options), 0);
    tree->stop = filch_stop_ref(filch_scope_stop(root));
    atomic_store(&victim, tree->stop);
    tree->root = tree->source != CLOSE && stress_below(random, 2) ? root : NULL;
    pthread_t other;
    CHECK_IS(pthread_create(&other, NULL, disturb, tree), 0);
    for (unsigned n = 1 + stress_below(random, 4); n; n--) {
        fill_scope(tree, root, &live, 1 + stress_below(random, 3), random);
        if (tree->source == FAILURE && n == 1)
            CHECK_IS(filch_scope_submit(root, fail_now, NULL, NULL), 0);
    }
    look_at_some(root, random);
    filch_error *error = NULL;
    int rc = tree->source == CLOSE ? 0 : filch_scope_join(root, &error);
    if (rc)
        check_outcome(rc, error, timed);
    CHECK(tree->source != FAILURE || timed || (rc && is_real(error)));
    filch_error_unref(error);
    pthread_join(other, NULL);
    filch_scope_close(root);
    CHECK_IS(atomic_load(&live), 0);
    atomic_store(&victim, NULL);
}

static void one_round(unsigned long round, uint64_t *random)
{
    static struct tree tree;
    memset(&tree, 0, sizeof tree);
    bool roomy;
    tree.pool = create_pool(round, &roomy, random);
    tree.source = (enum source)stress_below(random, SOURCES);
    tree.busy = tree.source != NONE && tree.source != FAILURE;
    tree.patient = tree.busy || (tree.source == FAILURE && roomy); /* the task that fails needs a thread */
    tree.delay = stress_below(random, 3) ? stress_below(random, 300000) : stress_below(random, 5000);
    tree.main = pthread_self();
    stress_phase("a round");
    use_root(&tree, random);
    check_nodes(&tree);
    stress_pool_drop(tree.pool);
    filch_stop_unref(tree.stop);
    check_freed(&tree);
}

/* ---- Constant memory ---- */

static size_t resident_kib(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%*u %lu", &pages) == 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static int count_up(filch_task *self, void *arg)
{
    (void)self;
    atomic_fetch_add_explicit((_Atomic unsigned long *)arg, 1, memory_order_relaxed);
    return 0;
}

static void discard_many(unsigned long batches)
{
    const unsigned long batch = 1000, n = batches * batch;
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_pool *pool;
    filch_scope *scope;
    _Atomic unsigned long ran = 0;
    size_t before = 0, after;
    stress_phase("many tasks in one scope");
    CHECK_IS(filch_pool_create(&pool, NULL), 0);
    options.discard = true;
    CHECK_IS(filch_scope_open(&scope, pool, &options), 0);
    for (unsigned long done = 0; done < n; done += batch) {
        for (unsigned long i = 0; i < batch; i++)
            CHECK_IS(filch_scope_submit(scope, count_up, &ran, NULL), 0);
        CHECK_IS(filch_scope_join(scope, NULL), 0);
        if (done == batches / 4 * batch)
            before = resident_kib();
        stress_progress();
    }
    after = resident_kib();
    filch_scope_close(scope);
    stress_pool_drop(pool);
    CHECK_IS(atomic_load(&ran), (long long)n);
    printf("%lu tasks in a scope that keeps none: from %zu to %zu KiB\n", n, before, after);
#ifndef FILCH_TSAN
    CHECK(after < before + 4096); /* an arena of 2 MiB may come late, when a batch is slow to be taken */
#endif
}

int main(int argc, char **argv)
{
    stress_begin("stress_scope", 1, argc, argv);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    unsigned long cost = stress.delays ? DELAYS_COST : 1;
    discard_many(DISCARDED / 1000 / cost + 4);
    uint64_t random = stress_stream(0, 0);
    unsigned long round = 0;
    stress.end = stress_now() + (int64_t)(stress.secs * 1e9);
    for (; stress_goes_on_to(round) || (!stress.rounds && round < ROUNDS_MIN / cost); round++)
        one_round(round, &random);
    printf("%lu rounds, %llu tasks, %llu scopes below; joins: %llu failed, %llu stopped, %llu out of time; %llu "
           "attempts "
           "failed, %llu signals\n",
           round, (unsigned long long)tasks, (unsigned long long)scopes, (unsigned long long)failed,
           (unsigned long long)stopped, (unsigned long long)timed_out, (unsigned long long)retried,
           (unsigned long long)signals);
    stress_total("scopes", scopes);
    stress_total("attempts", retried);
    stress_total("signals", signals);
    return stress_end();
}
