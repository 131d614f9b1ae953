/* SPDX-License-Identifier: MIT */
/*
 * Tasks of 100 us by the clock arrive at random, at a share `load` of what so many workers could do: how long each
 * waits, from when it was to arrive until it starts. The loop's own timers are in ms; what waits for the next arrival
 * is a sleep in its thread.
 */
#include "bench.h"

#include <uv.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SERVICE_NS = 100000 };

struct job {
    uv_work_t work;
    int64_t index, intended, started, result;
};

struct state {
    uv_loop_t loop;
    struct job *jobs;
    double *arrivals; /* of a process of rate 1 */
    int64_t sum;
};

static void serve(uv_work_t *work)
{
    struct job *job = work->data;
    job->started = bench_now();
    while (bench_now() - job->started < SERVICE_NS)
        continue;
    job->result = 2 * job->index;
}

static void after(uv_work_t *work, int status)
{
    struct state *state = work->loop->data;
    struct job *job = work->data;
    if (status != 0)
        bench_fail("a task was cancelled");
    state->sum += job->result;
}

static void wait_until(uv_loop_t *loop, int64_t when)
{
    struct timespec deadline = { when / 1000000000, when % 1000000000 };
    if (when <= bench_now())
        return;
    uv_run(loop, UV_RUN_NOWAIT);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
}

static int64_t serve_all(struct state *state, int64_t n, double gap)
{
    int64_t start = bench_now();
    state->sum = 0;
    for (int64_t i = 0; i < n; i++) {
        struct job *job = &state->jobs[i];
        job->work.data = job;
        job->index = i;
        job->intended = start + (int64_t)(state->arrivals[i] * gap);
        wait_until(&state->loop, job->intended);
        if (uv_queue_work(&state->loop, &job->work, serve, after) != 0)
            bench_fail("cannot queue work");
    }
    uv_run(&state->loop, UV_RUN_DEFAULT);
    return state->sum;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t *delays = malloc((size_t)o->size * sizeof *delays);
    int64_t sum = serve_all(state, o->size, SERVICE_NS / (o->workers * o->load));
    for (int64_t i = 0; i < o->size; i++)
        delays[i] = state->jobs[i].started - state->jobs[i].intended;
    bench_percentiles(delays, (size_t)o->size);
    bench_time(delays[(o->size - 1) / 2]);
    free(delays);
    return sum;
}

static void *setup(const struct bench_options *o)
{
    char workers[16];
    struct state *state = malloc(sizeof *state);
    uint64_t seed = 88172645463325252;
    double now = 0;
    snprintf(workers, sizeof workers, "%u", o->workers);
    setenv("UV_THREADPOOL_SIZE", workers, 1);
    uv_loop_init(&state->loop);
    state->loop.data = state;
    state->jobs = calloc((size_t)o->size, sizeof *state->jobs);
    state->arrivals = calloc((size_t)o->size, sizeof(double));
    for (int64_t i = 0; i < o->size; i++)
        state->arrivals[i] = now -= log((double)((bench_random(&seed) >> 11) + 1) * 0x1p-53);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    uv_loop_close(&state->loop);
    free(state->jobs);
    free(state->arrivals);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 10000, .load = 0.8 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
