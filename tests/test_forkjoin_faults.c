/* SPDX-License-Identifier: MIT */
/* Forks and loops without memory: what cannot be shown or split is run where it is. */
#include "os.h"
#include "support.h"

#include <filch/fork.h>

SUITE(forkjoin_faults);

#define CALLS 50

static void withhold(long allocations)
{
    atomic_store(&filchi_os_faults.allocations, allocations);
}

/* Every worker has a thread, and no allocation is needed to run a task. */
static filch_pool *warm_pool(unsigned workers)
{
    filch_pool *pool = pool_of(workers);
    struct gate gate = GATE;
    filch_future *holders[8];
    for (unsigned i = 0; i < workers; i++)
        holders[i] = hold_worker(pool, &gate);
    for (unsigned i = 0; i < workers; i++)
        gate_open(&gate);
    for (unsigned i = 0; i < workers; i++)
        must(filch_future_wait(holders[i], FILCH_FOREVER) == 0);
    unref_all(holders, workers);
    return pool;
}

static int run_in(filch_pool *pool, filch_fn *fn, void *arg)
{
    filch_future *future = submit(pool, fn, arg);
    int rc = filch_future_result(future, FILCH_FOREVER, NULL);
    filch_future_unref(future);
    return rc;
}

static int begin_without(filch_task *self, void *arg)
{
    filch_forker *forker = arg;
    for (long nth = 1; nth <= 2; nth++) {
        withhold(nth);
        must(filch_fork_begin(self, &forker) == -ENOMEM && forker == arg);
    }
    withhold(0);
    must(filch_fork_begin(self, &forker) == 0 && forker);
    return 0;
}

Test(forkjoin_faults, a_task_that_cannot_fork_for_want_of_memory_is_told)
{
    filch_pool *pool = warm_pool(1);
    cr_assert_eq(run_in(pool, begin_without, NULL), 0);
    filch_pool_destroy(pool);
}

static void count_run(filch_forker *forker, _Atomic int *ran)
{
    (void)forker;
    atomic_fetch_add(ran, 1);
}
FILCH_FORKABLE_VOID_1(count_run, _Atomic int *)

/* Forks more than the first array holds, blocks, and joins. */
static void fork_calls(filch_task *self, filch_forker *forker, _Atomic int *ran)
{
    struct count_run_forked calls[CALLS];
    for (int i = 0; i < CALLS; i++)
        count_run_fork(forker, &calls[i], ran);
    filch_blocking_begin(self);
    filch_blocking_end(self);
    for (int i = CALLS - 1; i >= 0; i--)
        count_run_join(forker, &calls[i]);
}

static int fork_without_growth(filch_task *self, void *ran)
{
    filch_forker *forker = NULL;
    must(filch_fork_begin(self, &forker) == 0);
    withhold(-1);
    fork_calls(self, forker, ran);
    withhold(0);
    fork_calls(self, forker, ran);
    return 0;
}

Test(forkjoin_faults, what_cannot_be_shown_for_want_of_memory_runs_at_its_join)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = warm_pool(workers);
        _Atomic int ran = 0;
        cr_assert_eq(run_in(pool, fork_without_growth, &ran), 0);
        cr_assert_eq(ran, 2 * CALLS);
        filch_pool_destroy(pool);
    }
}

struct taken {
    filch_forked forked;
    struct event started;
    _Atomic int ran;
    pthread_t thread;
};

static void fork_when_taken(filch_forker *forker, filch_forked *forked)
{
    struct taken *taken = (struct taken *)forked;
    taken->thread = pthread_self();
    event_signal(&taken->started);
    fork_calls(filch_task_current(), forker, &taken->ran);
}

static int be_robbed_without_memory(filch_task *self, void *arg)
{
    struct taken *taken = arg;
    filch_forker *forker = NULL;
    must(filch_fork_begin(self, &forker) == 0);
    withhold(-1);
    filch_fork(forker, &taken->forked, fork_when_taken);
    event_await(&taken->started);
    filch_fork_join(forker, &taken->forked);
    withhold(0);
    must(!pthread_equal(taken->thread, pthread_self()));
    return 0;
}

Test(forkjoin_faults, a_thief_without_memory_runs_what_it_took_and_keeps_what_that_forks)
{
    filch_pool *pool = warm_pool(2);
    struct taken taken = { .started = EVENT };
    cr_assert_eq(run_in(pool, be_robbed_without_memory, &taken), 0);
    cr_assert_eq(taken.ran, CALLS);
    filch_pool_destroy(pool);
}

/* ---- Loops ---- */

struct large {
    size_t sum;
    char ballast[100];
};

static int sum_up(size_t begin, size_t end, void *value, void *arg)
{
    (void)arg;
    for (size_t i = begin; i < end; i++)
        ((struct large *)value)->sum += i;
    return 0;
}

static void add_up(void *value, const void *right, void *arg)
{
    (void)arg;
    ((struct large *)value)->sum += ((const struct large *)right)->sum;
}

static int reduce_inside(filch_task *self, void *arg)
{
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    struct large *value = arg;
    options.grain = 1;
    return filch_parallel_reduce(filch_task_pool(self), 0, 100, value, sizeof *value, sum_up, add_up, NULL,
                                 &options);
}

Test(forkjoin_faults, a_loop_fails_for_want_of_memory_or_works)
{
    bool worked = false;
    for (long nth = 1; !worked || nth < 20; nth++) {
        filch_pool *pool = warm_pool(2);
        struct large value = { .sum = 0 };
        withhold(nth);
        int rc = run_in(pool, reduce_inside, &value);
        withhold(0);
        cr_assert(rc == 0 || rc == -ENOMEM);
        cr_assert_eq(value.sum, rc ? 0 : 4950);
        worked |= rc == 0;
        filch_pool_destroy(pool);
    }
}

static int count_indices(size_t begin, size_t end, void *ran)
{
    atomic_fetch_add((_Atomic size_t *)ran, end - begin);
    return 0;
}

static int loop_without_memory(filch_task *self, void *ran)
{
    withhold(-1);
    int rc = filch_parallel_for(filch_task_pool(self), 0, 1000, count_indices, ran, NULL);
    withhold(0);
    return rc;
}

Test(forkjoin_faults, a_loop_without_a_value_needs_no_memory)
{
    filch_pool *pool = warm_pool(2);
    _Atomic size_t ran = 0;
    cr_assert_eq(run_in(pool, loop_without_memory, &ran), 0);
    cr_assert_eq(ran, 1000);
    filch_pool_destroy(pool);
}
