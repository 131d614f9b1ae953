/* SPDX-License-Identifier: MIT */
/* fib(size) with filch: one call is forked, the other is made in place. */
#include "bench.h"

#include <filch/fork.h>

static int fib(filch_forker *forker, int n);
FILCH_FORKABLE_1(int, fib, int)

static int fib(filch_forker *forker, int n)
{
    if (n < 2)
        return n;
    struct fib_forked left;
    fib_fork(forker, &left, n - 1);
    int right = fib(forker, n - 2);
    return fib_join(forker, &left) + right;
}

static int task(filch_task *self, void *arg)
{
    filch_forker *forker;
    int rc = filch_fork_begin(self, &forker);
    return rc ? rc : filch_return(self, (void *)(intptr_t)fib(forker, (int)(intptr_t)arg));
}

static void *setup(const struct bench_options *options)
{
    filch_pool_options pool_options = FILCH_POOL_OPTIONS;
    pool_options.workers = options->workers;
    filch_pool *pool;
    if (filch_pool_create(&pool, &pool_options) != 0)
        bench_fail("no pool");
    return pool;
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    void *result;
    if (filch_submit(state, task, (void *)(intptr_t)options->size, &future) != 0 ||
        filch_future_result(future, FILCH_FOREVER, &result) != 0)
        bench_fail("the task failed");
    return (intptr_t)result;
}

static void teardown(void *state)
{
    filch_pool_destroy(state);
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .size = 30 },
        .setup = setup,
        .round = run_round,
        .teardown = teardown,
    };
    return bench_main(argc, argv, &program);
}
