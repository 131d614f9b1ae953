/* SPDX-License-Identifier: MIT */
/* Many tasks that are to start 100 ms from now. */
#include "bench.h"

#include <filch/filch.h>

#include <stdlib.h>

struct state {
    filch_pool *pool;
    filch_future **futures;
};

static int twice(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(2 * (intptr_t)arg));
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        if (filch_submit_after(state->pool, FILCH_MS(100), twice, (void *)(intptr_t)i, &state->futures[i]) != 0)
            bench_fail("cannot submit");
    for (int64_t i = 0; i < o->size; i++) {
        void *result;
        if (filch_future_result(state->futures[i], FILCH_FOREVER, &result) != 0)
            bench_fail("a task without a result");
        sum += (intptr_t)result;
        filch_future_unref(state->futures[i]);
    }
    return sum;
}

static void *setup(const struct bench_options *o)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct state *state = malloc(sizeof *state);
    options.workers = o->workers;
    state->futures = calloc((size_t)o->size, sizeof(filch_future *));
    if (filch_pool_create(&state->pool, &options) != 0)
        bench_fail("no pool");
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    filch_pool_destroy(state->pool);
    free(state->futures);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 10000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
