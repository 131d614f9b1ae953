/* SPDX-License-Identifier: MIT */
/*
 * Threads outside the pool submit tasks; each sums the results of its own. Work may be queued by the thread of
 * a loop only, which is told of its end by a callback: each producer has a loop, and all share the pool.
 */
#include "bench.h"

#include <uv.h>

#include <stdio.h>
#include <stdlib.h>

struct job {
    uv_work_t work;
    int64_t value, result;
};

struct producer {
    uv_thread_t thread;
    uv_loop_t loop;
    struct job *jobs;
    int64_t from, to, sum;
};

struct state {
    struct job *jobs;
    struct producer *producers;
    unsigned count; /* of producers */
};

static void twice(uv_work_t *work)
{
    struct job *job = work->data;
    job->result = 2 * job->value;
}

static void after(uv_work_t *work, int status)
{
    struct producer *me = work->loop->data;
    struct job *job = work->data;
    if (status != 0)
        bench_fail("a task was cancelled");
    me->sum += job->result;
}

static void produce(void *arg)
{
    struct producer *me = arg;
    me->sum = 0;
    me->loop.data = me;
    for (int64_t i = me->from; i < me->to; i++) {
        struct job *job = &me->jobs[i];
        job->value = i;
        job->work.data = job;
        if (uv_queue_work(&me->loop, &job->work, twice, after) != 0)
            bench_fail("cannot queue work");
    }
    uv_run(&me->loop, UV_RUN_DEFAULT);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t sum = 0;
    for (unsigned i = 0; i < o->producers; i++) {
        struct producer *p = &state->producers[i];
        p->jobs = state->jobs;
        p->from = o->size * i / o->producers;
        p->to = o->size * (i + 1) / o->producers;
        if (uv_thread_create(&p->thread, produce, p) != 0)
            bench_fail("no thread for a producer");
    }
    for (unsigned i = 0; i < o->producers; i++) {
        uv_thread_join(&state->producers[i].thread);
        sum += state->producers[i].sum;
    }
    return sum;
}

static void *setup(const struct bench_options *o)
{
    char workers[16];
    struct state *state = malloc(sizeof *state);
    snprintf(workers, sizeof workers, "%u", o->workers);
    setenv("UV_THREADPOOL_SIZE", workers, 1);
    state->jobs = calloc((size_t)o->size, sizeof *state->jobs);
    state->producers = calloc(o->producers, sizeof *state->producers);
    state->count = o->producers;
    for (unsigned i = 0; i < o->producers; i++)
        uv_loop_init(&state->producers[i].loop);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    for (unsigned i = 0; i < state->count; i++)
        uv_loop_close(&state->producers[i].loop);
    free(state->producers);
    free(state->jobs);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
