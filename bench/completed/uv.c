/* SPDX-License-Identifier: MIT */
/* Results are consumed in completion order, by the loop's callbacks. */
#include "bench.h"

#include <uv.h>

#include <stdio.h>
#include <stdlib.h>

struct job {
    uv_work_t work;
    int64_t value, result;
};

struct state {
    uv_loop_t loop;
    struct job *jobs;
    int64_t sum;
};

static void twice(uv_work_t *work)
{
    struct job *job = work->data;
    job->result = 2 * job->value;
}

static void consume(uv_work_t *work, int status)
{
    struct state *state = work->loop->data;
    struct job *job = work->data;
    if (status != 0)
        bench_fail("a task was cancelled");
    state->sum += job->result;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    state->sum = 0;
    for (int64_t i = 0; i < o->size; i++) {
        struct job *job = &state->jobs[i];
        job->value = i;
        job->work.data = job;
        if (uv_queue_work(&state->loop, &job->work, twice, consume) != 0)
            bench_fail("cannot queue work");
    }
    uv_run(&state->loop, UV_RUN_DEFAULT);
    return state->sum;
}

static void *setup(const struct bench_options *o)
{
    char workers[16];
    struct state *state = malloc(sizeof *state);
    snprintf(workers, sizeof workers, "%u", o->workers);
    setenv("UV_THREADPOOL_SIZE", workers, 1);
    uv_loop_init(&state->loop);
    state->loop.data = state;
    state->jobs = calloc((size_t)o->size, sizeof *state->jobs);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    uv_loop_close(&state->loop);
    free(state->jobs);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
