/* SPDX-License-Identifier: MIT */
/* A function is applied to each element of an array, by one thread. */
#include "bench.h"

#include <stdlib.h>

struct state {
    int64_t *in, *out;
};

static void twice(const int64_t *in, int64_t *out)
{
    *out = 2 * *in;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t sum = 0;
    int64_t start = bench_now();
    for (int64_t i = 0; i < o->size; i++)
        twice(&state->in[i], &state->out[i]);
    bench_time(bench_now() - start);
    for (int64_t i = 0; i < o->size; i++)
        sum += state->out[i];
    return sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = malloc(sizeof *state);
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
