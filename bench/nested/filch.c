/* SPDX-License-Identifier: MIT */
/* Each main submits its sub tasks to the pool that runs it, and collects them in completion order. */
#include "bench.h"

#include <filch/filch.h>

#include <stdlib.h>

struct state {
    filch_pool *pool;
    filch_future **mains;
    int64_t chunk; /* sub tasks of a main */
};

struct call {
    const struct state *state;
    int64_t index;
};

static int twice(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(2 * (intptr_t)arg));
}

static int64_t collect(filch_completed *completed)
{
    filch_future *sub;
    int64_t sum = 0;
    while (filch_completed_next(completed, &sub) == 1) {
        void *result;
        if (filch_future_result(sub, 0, &result) != 0)
            bench_fail("a sub task without a result");
        sum += (intptr_t)result;
        filch_future_unref(sub);
    }
    filch_completed_end(completed);
    return sum;
}

static int main_task(filch_task *self, void *arg)
{
    const struct call *call = arg;
    filch_pool *pool = call->state->pool;
    int64_t n = call->state->chunk;
    filch_future **subs = malloc((size_t)n * sizeof(filch_future *));
    filch_completed *completed;
    int64_t sum;
    if (filch_submit_many(pool, twice, (void *)(intptr_t)(call->index * n), 1, (size_t)n, subs) != 0)
        bench_fail("cannot submit sub tasks");
    if (filch_completed_begin(&completed, subs, (size_t)n, FILCH_FOREVER) != 0)
        bench_fail("cannot iterate");
    sum = collect(completed);
    free(subs);
    return filch_return(self, (void *)(intptr_t)sum);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    struct call *calls = malloc((size_t)o->size * sizeof *calls);
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++) {
        calls[i] = (struct call) { state, i };
        if (filch_submit(state->pool, main_task, &calls[i], &state->mains[i]) != 0)
            bench_fail("cannot submit a main");
    }
    if (filch_wait(state->mains, (size_t)o->size, FILCH_ALL, FILCH_FOREVER, NULL) != 0)
        bench_fail("cannot wait");
    for (int64_t i = 0; i < o->size; i++) {
        void *result;
        if (filch_future_result(state->mains[i], 0, &result) != 0)
            bench_fail("a main without a result");
        sum += (intptr_t)result;
        filch_future_unref(state->mains[i]);
    }
    free(calls);
    return sum;
}

static void *setup(const struct bench_options *o)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct state *state = malloc(sizeof *state);
    options.workers = o->workers;
    state->chunk = o->chunk;
    state->mains = calloc((size_t)o->size, sizeof(filch_future *));
    if (filch_pool_create(&state->pool, &options) != 0)
        bench_fail("no pool");
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    filch_pool_destroy(state->pool);
    free(state->mains);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 1000, .chunk = 100 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
