/* SPDX-License-Identifier: MIT */
/* A function is applied to each element of an array. */
#include "bench.h"

#include <omp.h>
#include <stdlib.h>

struct state {
    int64_t *in, *out;
};

static void twice(const int64_t *in, int64_t *out)
{
    *out = 2 * *in;
}

static void map_chunks(const int64_t *in, int64_t *out, int64_t n, int64_t chunk)
{
#pragma omp parallel
#pragma omp single
#pragma omp taskloop grainsize(chunk)
    for (int64_t i = 0; i < n; i++)
        twice(&in[i], &out[i]);
}

static void map(const int64_t *in, int64_t *out, int64_t n)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        twice(&in[i], &out[i]);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t sum = 0;
    int64_t start = bench_now();
    if (o->chunk > 0)
        map_chunks(state->in, state->out, o->size, o->chunk);
    else
        map(state->in, state->out, o->size);
    bench_time(bench_now() - start);
    for (int64_t i = 0; i < o->size; i++)
        sum += state->out[i];
    return sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = malloc(sizeof *state);
    omp_set_num_threads((int)o->workers);
    state->in = malloc((size_t)o->size * sizeof(int64_t));
    state->out = calloc((size_t)o->size, sizeof(int64_t));
    for (int64_t i = 0; i < o->size; i++)
        state->in[i] = i;
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    free(state->in);
    free(state->out);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 1000000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
