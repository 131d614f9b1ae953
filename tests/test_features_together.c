/* SPDX-License-Identifier: MIT */
/* What a pool can be asked for, where one thing meets another; stress_features.c has all of it at once. */
#include "support.h"

#include <sys/wait.h>

SUITE(features_together);

static int wait_for(filch_pool *pool, filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    int rc = filch_submit(pool, fn, arg, &future);
    rc = rc ? rc : filch_future_wait(future, FILCH_FOREVER);
    filch_future_unref(future);
    return rc;
}

/* ---- Metrics with a capacity ---- */

Test(features_together, waits_of_a_pool_with_a_capacity_are_counted_once)
{
    enum { N = 20000 };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_metrics metrics = FILCH_METRICS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.metrics = true;
    options.capacity = 64;
    must(filch_pool_create(&pool, &options) == 0);
    for (int i = 0; i < N; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    must(filch_metrics_get(pool, &metrics) == 0);
    cr_assert_geq(metrics.wait.count, N - 128);
    cr_assert_leq(metrics.wait.count, N + 1, "%llu", (unsigned long long)metrics.wait.count);
    filch_pool_destroy(pool);
}

Test(features_together, waits_of_two_pools_are_counted_apart)
{
    enum { N = 2000 };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_metrics metrics = FILCH_METRICS;
    filch_pool *busy = NULL, *quiet = NULL;
    options.workers = 1;
    options.metrics = true;
    must(filch_pool_create(&busy, &options) == 0 && filch_pool_create(&quiet, &options) == 0);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 20; k++)
            must(filch_submit(busy, do_nothing, NULL, NULL) == 0);
        must(filch_submit(quiet, do_nothing, NULL, NULL) == 0);
    }
    must(filch_pool_shutdown(quiet, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    must(filch_metrics_get(quiet, &metrics) == 0);
    cr_assert_geq(metrics.wait.count, N - 128, "%llu", (unsigned long long)metrics.wait.count);
    cr_assert_leq(metrics.wait.count, N, "%llu", (unsigned long long)metrics.wait.count);
    filch_pool_destroy(quiet);
    filch_pool_destroy(busy);
}

/* ---- Contexts whose destructors do more than they should ---- */

struct values {
    _Atomic int ended[3];
};

static void end_second(void *values)
{
    atomic_fetch_add(&((struct values *)values)->ended[1], 1);
}

/* Runs a task in place in a context of its own. */
static void end_first(void *arg)
{
    struct values *values = arg;
    filch_context_token *token = NULL;
    filch_future *future = NULL;
    filch_pool *pool = filch_task_pool(filch_task_current());
    atomic_fetch_add(&values->ended[0], 1);
    must(filch_context_begin(&token, 0, values, end_second) == 0);
    must(filch_submit(pool, do_nothing, NULL, &future) == 0);
    filch_context_end(token);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
}

static void end_third(void *values)
{
    atomic_fetch_add(&((struct values *)values)->ended[2], 1);
}

static int meet_destructors(filch_task *self, void *arg)
{
    struct values *values = arg;
    filch_context_token *token = NULL;
    filch_future *future = NULL;
    must(filch_context_begin(&token, 0, values, end_first) == 0);
    must(filch_submit(filch_task_pool(self), do_nothing, NULL, &future) == 0);
    filch_context_end(token);
    must(filch_future_wait(future, FILCH_FOREVER) == 0); /* in place: the thread has the last of its context */
    filch_future_unref(future);
    must(filch_submit(filch_task_pool(self), do_nothing, NULL, NULL) == 0); /* in another one, so it ends here */
    return 0;
}

Test(features_together, a_destructor_may_run_a_task_of_another_context_in_place)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    filch_context_token *token = NULL;
    struct values values = { { 0 } };
    options.workers = 1;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    must(filch_context_begin(&token, 0, &values, end_third) == 0);
    must(wait_for(pool, meet_destructors, &values) == 0);
    filch_context_end(token);
    filch_pool_destroy(pool);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(atomic_load(&values.ended[i]), 1, "%d: %d", i, atomic_load(&values.ended[i]));
}

/* ---- Hooks and waiters that help ---- */

struct steals {
    _Atomic unsigned here;
    pthread_t thread;
};

static void on_steal(const filch_event *event, void *arg)
{
    struct steals *steals = arg;
    must(event->victim != event->worker);
    atomic_fetch_add(&steals->here, pthread_equal(pthread_self(), steals->thread) != 0);
}

static int say(filch_task *self, void *event)
{
    (void)self;
    event_signal(event);
    return 0;
}

static void *lend(void *pool)
{
    must(filch_pool_lend(pool, NULL) == 0);
    return NULL;
}

/* Leaves a task in the queue of its worker, and holds that until it was run. */
static int leave_one(filch_task *self, void *ran)
{
    must(filch_submit(filch_task_pool(self), say, ran, NULL) == 0);
    event_await(ran);
    return 0;
}

Test(features_together, a_steal_by_who_waits_outside_is_told)
{
    struct steals steals = { .thread = pthread_self() };
    struct event ran = EVENT;
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    filch_future *future = NULL;
    hooks.arg = &steals;
    hooks.on_steal = on_steal;
    options.workers = 2;
    options.hooks = &hooks;
    options.lent_threads_only = true;
    options.waiters_help = true;
    must(filch_pool_create(&pool, &options) == 0);
    pthread_t lender;
    must(pthread_create(&lender, NULL, lend, pool) == 0);
    must(filch_submit(pool, leave_one, &ran, &future) == 0);
    UNTIL(filch_future_state(future) == FILCH_RUNNING); /* on the lent thread */
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    cr_assert_eq(atomic_load(&steals.here), 1);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    pthread_join(lender, NULL);
    filch_pool_destroy(pool);
}

/* ---- A submit whose hook leaves something for which there is no memory ---- */

static _Thread_local bool no_memory;

static void *take(size_t bytes, size_t alignment, void *arg)
{
    (void)arg;
    if (no_memory)
        return NULL;
    return aligned_alloc(alignment < sizeof(void *) ? sizeof(void *) : alignment,
                         (bytes + alignment - 1) & ~(alignment - 1));
}

static void give(void *memory, size_t bytes, size_t alignment, void *arg)
{
    (void)bytes;
    (void)alignment;
    (void)arg;
    free(memory);
}

static void leave_a_word(const filch_event *event, void *arg)
{
    *event->data = arg;
    no_memory = true;
}

static void have_memory(const filch_event *event, void *arg)
{
    must(event->state == FILCH_CANCELLED && *event->data == arg);
    no_memory = false;
}

static int submit_in_vain(filch_task *self, void *pool)
{
    filch_future *future = NULL;
    (void)self;
    must(filch_submit(pool, do_nothing, NULL, &future) == -ENOMEM);
    must(!future);
    return 0;
}

Test(features_together, a_submit_that_a_hook_undoes_is_counted_as_cancelled)
{
    const filch_allocator allocator = { sizeof allocator, take, give, NULL };
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_metrics metrics = FILCH_METRICS;
    filch_pool *pool = NULL, *plain = pool_of(1);
    hooks.arg = &hooks;
    hooks.on_submit = leave_a_word;
    hooks.on_drop = have_memory;
    options.workers = 1;
    options.hooks = &hooks;
    options.metrics = true;
    options.allocator = &allocator;
    must(filch_pool_create(&pool, &options) == 0);
    must(submit_in_vain(NULL, pool) == 0);
    must(wait_for(plain, submit_in_vain, pool) == 0);
    must(filch_metrics_get(pool, &metrics) == 0);
    cr_assert_eq(metrics.cancelled, 2);
    cr_assert_eq(metrics.submitted, 2);
    cr_assert_eq(metrics.finished, 2);
    filch_pool_destroy(plain);
    filch_pool_destroy(pool);
}

/* ---- fork() ---- */

static _Atomic unsigned told;

static void tell(const filch_event *event, void *arg)
{
    (void)event;
    (void)arg;
    atomic_fetch_add(&told, 1);
}

/* With all of it, for whoever waits. */
static filch_pool *pool_with_all(void)
{
    const filch_allocator allocator = { sizeof allocator, take, give, NULL };
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    hooks.on_submit = hooks.on_start = hooks.on_finish = hooks.on_drop = hooks.on_park = hooks.on_unpark = tell;
    options.workers = 2;
    options.hooks = &hooks;
    options.metrics = true;
    options.allocator = &allocator;
    options.lent_threads_only = true;
    options.waiters_help = true;
    options.pin = true;
    options.capacity = 8;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static int see_value(filch_task *self, void *value)
{
    (void)self;
    return filch_context_get(0) == value ? 0 : -EINVAL;
}

/* The pool is the parent's: nothing of it works, nothing hangs, nothing is told. A new one works. */
static void be_the_child(filch_pool *pool, filch_future *waiting, filch_context_token *token)
{
    filch_metrics metrics = FILCH_METRICS;
    unsigned before = atomic_load(&told);
    must(filch_submit(pool, do_nothing, NULL, NULL) == -EOWNERDEAD);
    must(filch_metrics_get(pool, &metrics) == -EOWNERDEAD &&
         filch_metrics_format(&pool, 1, NULL, 0) == -EOWNERDEAD);
    must(filch_pool_lend(pool, NULL) == -EOWNERDEAD);
    must(!filch_future_cancel(waiting) && filch_future_wait(waiting, FILCH_FOREVER) == -EOWNERDEAD);
    filch_future_unref(waiting);
    must(filch_pool_destroy(pool) == -EOWNERDEAD && atomic_load(&told) == before);
    filch_pool *own = pool_with_all();
    must(wait_for(own, see_value, filch_context_get(0)) == 0);
    must(filch_pool_destroy(own) == 0 && atomic_load(&told) > before);
    filch_context_end(token);
}

static int fork_and_return(filch_task *self, void *child)
{
    (void)self;
    *(pid_t *)child = fork();
    return 0;
}

static int status_of(pid_t child)
{
    int status = -1;
    must(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

Test(features_together, a_child_of_fork_has_nothing_of_them)
{
    filch_pool *pool = pool_with_all();
    filch_context_token *token = NULL;
    filch_future *waiting = NULL;
    struct values values = { { 0 } };
    must(filch_context_begin(&token, 0, &values, end_third) == 0);
    must(filch_submit(pool, see_value, &values, &waiting) == 0);
    pid_t child = fork();
    if (child == 0) {
        be_the_child(pool, waiting, token);
        _exit(7);
    }
    cr_assert_eq(WEXITSTATUS(status_of(child)), 7);
    must(filch_future_wait(waiting, FILCH_FOREVER) == 0);
    filch_future_unref(waiting);
    filch_context_end(token);
    cr_assert_eq(atomic_load(&values.ended[2]), 1);
    filch_pool_destroy(pool);
}

Test(features_together, a_task_that_forks_on_a_thread_that_helps_ends_with_it_in_the_child)
{
    filch_pool *pool = pool_with_all();
    filch_context_token *token = NULL;
    struct values values = { { 0 } };
    pid_t child = -1, parent = getpid();
    if (!SANITIZED) /* it is lost with the child's thread, as filch.h says, which would be a leak */
        must(filch_context_begin(&token, 0, &values, end_third) == 0);
    must(wait_for(pool, fork_and_return, &child) == 0);
    must(getpid() == parent); /* the child's only thread has ended */
    cr_assert(WIFEXITED(status_of(child)));
    filch_context_end(token);
    cr_assert_eq(atomic_load(&values.ended[2]), !SANITIZED);
    filch_pool_destroy(pool);
}
