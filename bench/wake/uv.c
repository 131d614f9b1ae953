/* SPDX-License-Identifier: MIT */
/* How long it takes from submitting a task to a pool that sleeps until the task starts. */
#include "bench.h"

#include <uv.h>

#include <stdio.h>
#include <stdlib.h>

enum { UNTIL_ASLEEP_MS = 2 };

struct job {
    uv_work_t work;
    int64_t index, started, result;
};

static void note_start(uv_work_t *work)
{
    struct job *job = work->data;
    job->started = bench_now();
    job->result = 2 * job->index;
}

static void after(uv_work_t *work, int status)
{
    int64_t *sum = work->loop->data;
    struct job *job = work->data;
    if (status != 0)
        bench_fail("a task was cancelled");
    *sum += job->result;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    uv_loop_t *loop = arg;
    int64_t *latencies = malloc((size_t)o->size * sizeof *latencies);
    int64_t sum = 0;
    loop->data = &sum;
    for (int64_t i = 0; i < o->size; i++) {
        struct job job = { .work.data = &job, .index = i };
        uv_sleep(UNTIL_ASLEEP_MS);
        int64_t submitted = bench_now();
        if (uv_queue_work(loop, &job.work, note_start, after) != 0)
            bench_fail("cannot queue work");
        uv_run(loop, UV_RUN_DEFAULT);
        latencies[i] = job.started - submitted;
    }
    bench_percentiles(latencies, (size_t)o->size);
    bench_time(latencies[(o->size - 1) / 2]);
    free(latencies);
    return sum;
}

static void *setup(const struct bench_options *o)
{
    char workers[16];
    uv_loop_t *loop = malloc(sizeof *loop);
    snprintf(workers, sizeof workers, "%u", o->workers);
    setenv("UV_THREADPOOL_SIZE", workers, 1);
    uv_loop_init(loop);
    return loop;
}

static void teardown(void *loop)
{
    uv_loop_close(loop);
    free(loop);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 200 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
