/* SPDX-License-Identifier: MIT */
/*
 * What CPU time a pool and its loop take that have run one task and now have nothing to do, for `size`
 * milliseconds.
 */
#include "bench.h"

#include <uv.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct job {
    uv_work_t work;
    int64_t value, result;
};

static void twice(uv_work_t *work)
{
    struct job *job = work->data;
    job->result = 2 * job->value;
}

static void after(uv_work_t *work, int status)
{
    (void)work;
    if (status != 0)
        bench_fail("the task was cancelled");
}

static void wake_up(uv_timer_t *timer)
{
    (void)timer;
}

static int64_t cpu_time(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    uv_loop_t *loop = arg;
    uv_timer_t timer;
    struct job job = { .work.data = &job, .value = 21 };
    if (uv_queue_work(loop, &job.work, twice, after) != 0)
        bench_fail("cannot queue work");
    uv_run(loop, UV_RUN_DEFAULT);
    int64_t before = cpu_time();
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, wake_up, (uint64_t)o->size, 0);
    uv_run(loop, UV_RUN_DEFAULT);
    int64_t used = cpu_time() - before;
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    bench_metric("cpu_ns", used);
    bench_time(used);
    return job.result;
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
    struct bench_program program = { { .size = 500 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
