/* SPDX-License-Identifier: MIT */
/* skynet with filch: all children of a node but the last are forked, and joined newest first. */
#include "bench.h"

#include <filch/fork.h>

enum { CHILDREN = 10 };

static int64_t skynet(filch_forker *forker, int64_t first, int64_t size);
FILCH_FORKABLE_2(int64_t, skynet, int64_t, int64_t)

static int64_t skynet(filch_forker *forker, int64_t first, int64_t size)
{
    if (size <= 1)
        return first;
    struct skynet_forked forked[CHILDREN - 1];
    int64_t part = size / CHILDREN;
    for (int i = 0; i < CHILDREN - 1; i++)
        skynet_fork(forker, &forked[i], first + i * part, part);
    int64_t sum = skynet(forker, first + (CHILDREN - 1) * part, part);
    for (int i = CHILDREN - 1; i-- > 0;)
        sum += skynet_join(forker, &forked[i]);
    return sum;
}

static int task(filch_task *self, void *arg)
{
    filch_forker *forker;
    int rc = filch_fork_begin(self, &forker);
    return rc ? rc : filch_return(self, (void *)(intptr_t)skynet(forker, 0, (intptr_t)arg));
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
        .defaults = { .size = 1000000 },
        .setup = setup,
        .round = run_round,
        .teardown = teardown,
    };
    return bench_main(argc, argv, &program);
}
