/* SPDX-License-Identifier: MIT */
/*
 * How long it takes from beginning to cancel work of 10 us that is queued, a request at a time, until the loop
 * has told the end of all of it. The workers are held until all is queued.
 */
#include "bench.h"

#include <uv.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASK_NS = 10000 };

struct state {
    uv_loop_t loop;
    uv_work_t *holders, *jobs;
    uv_sem_t held, gate;
    atomic_llong started;
    int64_t final;
};

static void hold(uv_work_t *work)
{
    struct state *state = work->loop->data;
    uv_sem_post(&state->held);
    uv_sem_wait(&state->gate);
}

static void spend(uv_work_t *work)
{
    struct state *state = work->loop->data;
    int64_t end = bench_now() + TASK_NS;
    atomic_fetch_add(&state->started, 1);
    while (bench_now() < end)
        ;
}

static void after(uv_work_t *work, int status)
{
    struct state *state = work->loop->data;
    if (status != 0 && status != UV_ECANCELED)
        bench_fail("work ended with %s", uv_strerror(status));
    state->final++;
}

static void queue(struct state *state, const struct bench_options *o)
{
    for (unsigned i = 0; i < o->workers; i++)
        if (uv_queue_work(&state->loop, &state->holders[i], hold, NULL) != 0)
            bench_fail("cannot hold a worker");
    for (unsigned i = 0; i < o->workers; i++)
        uv_sem_wait(&state->held);
    for (int64_t i = 0; i < o->size; i++)
        if (uv_queue_work(&state->loop, &state->jobs[i], spend, after) != 0)
            bench_fail("cannot queue work");
    for (unsigned i = 0; i < o->workers; i++)
        uv_sem_post(&state->gate);
    while (atomic_load(&state->started) == 0)
        sched_yield();
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    state->final = 0;
    atomic_store(&state->started, 0);
    queue(state, o);
    long long before = atomic_load(&state->started);
    int64_t start = bench_now();
    for (int64_t i = 0; i < o->size; i++)
        uv_cancel((uv_req_t *)&state->jobs[i]);
    uv_run(&state->loop, UV_RUN_DEFAULT);
    bench_time(bench_now() - start);
    bench_metric("started", atomic_load(&state->started) - before);
    return state->final;
}

static void *setup(const struct bench_options *o)
{
    char workers[16];
    struct state *state = malloc(sizeof *state);
    snprintf(workers, sizeof workers, "%u", o->workers);
    setenv("UV_THREADPOOL_SIZE", workers, 1);
    uv_loop_init(&state->loop);
    uv_sem_init(&state->held, 0);
    uv_sem_init(&state->gate, 0);
    state->loop.data = state;
    state->holders = calloc(o->workers, sizeof *state->holders);
    state->jobs = calloc((size_t)o->size, sizeof *state->jobs);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    uv_loop_close(&state->loop);
    free(state->holders);
    free(state->jobs);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
