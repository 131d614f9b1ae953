/* SPDX-License-Identifier: MIT */
/*
 * Each main has its sub tasks run by the pool that ran it, and collects them in completion order. Only the
 * loop's thread may queue work: what follows a main's own work goes on in callbacks there.
 */
#include "bench.h"

#include <uv.h>

#include <stdio.h>
#include <stdlib.h>

struct sub {
    uv_work_t work;
    struct main *owner;
    int64_t value, result;
};

struct main {
    uv_work_t work;
    struct state *state;
    struct sub *subs;
    int64_t index, missing, sum;
};

struct state {
    uv_loop_t loop;
    struct main *mains;
    int64_t chunk; /* sub tasks of a main */
    int64_t sum;
};

static void twice(uv_work_t *work)
{
    struct sub *sub = work->data;
    sub->result = 2 * sub->value;
}

static void collect(uv_work_t *work, int status)
{
    struct sub *sub = work->data;
    struct main *owner = sub->owner;
    if (status != 0)
        bench_fail("a sub task was cancelled");
    owner->sum += sub->result;
    if (--owner->missing == 0) {
        owner->state->sum += owner->sum;
        free(owner->subs);
    }
}

static void prepare(uv_work_t *work)
{
    struct main *me = work->data;
    int64_t n = me->state->chunk;
    me->missing = n;
    me->sum = 0;
    me->subs = malloc((size_t)n * sizeof *me->subs);
    for (int64_t i = 0; i < n; i++) {
        struct sub *sub = &me->subs[i];
        sub->work.data = sub;
        sub->owner = me;
        sub->value = me->index * n + i;
    }
}

static void queue_subs(uv_work_t *work, int status)
{
    struct main *me = work->data;
    if (status != 0)
        bench_fail("a main was cancelled");
    for (int64_t i = 0; i < me->state->chunk; i++)
        if (uv_queue_work(work->loop, &me->subs[i].work, twice, collect) != 0)
            bench_fail("cannot queue a sub task");
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    state->sum = 0;
    for (int64_t i = 0; i < o->size; i++) {
        struct main *each = &state->mains[i];
        each->work.data = each;
        each->state = state;
        each->index = i;
        if (uv_queue_work(&state->loop, &each->work, prepare, queue_subs) != 0)
            bench_fail("cannot queue a main");
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
    state->chunk = o->chunk;
    state->mains = calloc((size_t)o->size, sizeof *state->mains);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    uv_loop_close(&state->loop);
    free(state->mains);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 1000, .chunk = 100 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
