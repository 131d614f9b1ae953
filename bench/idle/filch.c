/* SPDX-License-Identifier: MIT */
/* What CPU time a pool takes that has run one task and now has nothing to do, for `size` milliseconds. */
#include "bench.h"

#include <filch/filch.h>

#include <time.h>

static int twice(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(2 * (intptr_t)arg));
}

static int64_t cpu_time(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct timespec idle = { o->size / 1000, o->size % 1000 * 1000000 };
    filch_future *future;
    void *result;
    if (filch_submit(arg, twice, (void *)21, &future) != 0 ||
        filch_future_result(future, FILCH_FOREVER, &result) != 0)
        bench_fail("the task was lost");
    filch_future_unref(future);
    int64_t before = cpu_time();
    nanosleep(&idle, NULL);
    int64_t used = cpu_time() - before;
    bench_metric("cpu_ns", used);
    bench_time(used);
    return (intptr_t)result;
}

static void *setup(const struct bench_options *o)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    options.workers = o->workers;
    if (filch_pool_create(&pool, &options) != 0)
        bench_fail("no pool");
    return pool;
}

static void teardown(void *arg)
{
    filch_pool_destroy(arg);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 500 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
