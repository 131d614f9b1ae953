/* SPDX-License-Identifier: MIT */
/*
 * A function is applied to each element of an array: by filch_map() with a given chunk, and by filch_parallel_for(), which
 * is for loops whose body the compiler is to see, where the chunk is up to us.
 */
#include "bench.h"

#include <filch/filch.h>
#include <filch/fork.h>

#include <stdlib.h>

struct state {
    filch_pool *pool;
    int64_t *in, *out;
};

static int twice(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int64_t *)out = 2 * *(const int64_t *)in;
    return 0;
}

static int map_chunks(const struct state *state, size_t n, size_t chunk)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    options.chunk = chunk;
    return filch_map(state->pool, twice, NULL, state->in, sizeof(int64_t), state->out, sizeof(int64_t), n, &options,
                     NULL);
}

static int twice_each(size_t begin, size_t end, void *arg)
{
    const struct state *state = arg;
    for (size_t i = begin; i < end; i++)
        state->out[i] = 2 * state->in[i];
    return 0;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    size_t n = (size_t)o->size;
    int64_t sum = 0;
    int64_t start = bench_now();
    int rc = o->chunk > 0 ? map_chunks(state, n, (size_t)o->chunk)
                          : filch_parallel_for(state->pool, 0, n, twice_each, state, NULL);
    if (rc != 0)
        bench_fail("the map failed");
    bench_time(bench_now() - start);
    for (int64_t i = 0; i < o->size; i++)
        sum += state->out[i];
    return sum;
}

static void *setup(const struct bench_options *o)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct state *state = malloc(sizeof *state);
    options.workers = o->workers;
    state->in = malloc((size_t)o->size * sizeof(int64_t));
    state->out = calloc((size_t)o->size, sizeof(int64_t));
    for (int64_t i = 0; i < o->size; i++)
        state->in[i] = i;
    if (filch_pool_create(&state->pool, &options) != 0)
        bench_fail("no pool");
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    filch_pool_destroy(state->pool);
    free(state->in);
    free(state->out);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 1000000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
