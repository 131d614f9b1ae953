/* SPDX-License-Identifier: MIT */
/* How long it takes from submitting a task to a pool that sleeps until the task starts. */
#include "bench.h"

#include <filch/filch.h>

#include <stdlib.h>
#include <time.h>

struct sample {
    int64_t index, started;
};

static const struct timespec until_asleep = { .tv_nsec = 2000000 };

static int note_start(filch_task *self, void *arg)
{
    struct sample *sample = arg;
    sample->started = bench_now();
    return filch_return(self, (void *)(intptr_t)(2 * sample->index));
}

static int64_t run(void *arg, const struct bench_options *o)
{
    filch_pool *pool = arg;
    int64_t *latencies = malloc((size_t)o->size * sizeof *latencies);
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++) {
        struct sample sample = { .index = i };
        filch_future *future;
        void *result;
        nanosleep(&until_asleep, NULL);
        int64_t submitted = bench_now();
        if (filch_submit(pool, note_start, &sample, &future) != 0 ||
            filch_future_result(future, FILCH_FOREVER, &result) != 0)
            bench_fail("a task was lost");
        latencies[i] = sample.started - submitted;
        sum += (intptr_t)result;
        filch_future_unref(future);
    }
    bench_percentiles(latencies, (size_t)o->size);
    bench_time(latencies[(o->size - 1) / 2]);
    free(latencies);
    return sum;
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
    struct bench_program program = { { .size = 200 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
