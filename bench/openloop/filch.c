/* SPDX-License-Identifier: MIT */
/*
 * Tasks of 100 us by the clock arrive at random, at a share `load` of what so many workers could do: how long each
 * waits, from when it was to arrive until it starts.
 */
#include "bench.h"

#include <filch/filch.h>

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { SERVICE_NS = 100000 };

struct call {
    int64_t index, intended, started;
};

struct state {
    filch_pool *pool;
    filch_future **futures;
    struct call *calls;
    double *arrivals; /* of a process of rate 1 */
};

static int serve(filch_task *self, void *arg)
{
    struct call *call = arg;
    call->started = bench_now();
    while (bench_now() - call->started < SERVICE_NS)
        continue;
    return filch_return(self, (void *)(intptr_t)(2 * call->index));
}

static void wait_until(int64_t when)
{
    struct timespec deadline = { when / 1000000000, when % 1000000000 };
    if (when > bench_now())
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
}

static int64_t serve_all(struct state *state, int64_t n, double gap)
{
    int64_t start = bench_now(), sum = 0;
    for (int64_t i = 0; i < n; i++) {
        struct call *call = &state->calls[i];
        call->index = i;
        call->intended = start + (int64_t)(state->arrivals[i] * gap);
        wait_until(call->intended);
        if (filch_submit(state->pool, serve, call, &state->futures[i]) != 0)
            bench_fail("cannot submit");
    }
    for (int64_t i = 0; i < n; i++) {
        void *result;
        if (filch_future_result(state->futures[i], FILCH_FOREVER, &result) != 0)
            bench_fail("a task without a result");
        sum += (intptr_t)result;
        filch_future_unref(state->futures[i]);
    }
    return sum;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t *delays = malloc((size_t)o->size * sizeof *delays);
    int64_t sum = serve_all(state, o->size, SERVICE_NS / (o->workers * o->load));
    for (int64_t i = 0; i < o->size; i++)
        delays[i] = state->calls[i].started - state->calls[i].intended;
    bench_percentiles(delays, (size_t)o->size);
    bench_time(delays[(o->size - 1) / 2]);
    free(delays);
    return sum;
}

static void *setup(const struct bench_options *o)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct state *state = malloc(sizeof *state);
    uint64_t seed = 88172645463325252;
    double now = 0;
    options.workers = o->workers;
    state->futures = calloc((size_t)o->size, sizeof(filch_future *));
    state->calls = calloc((size_t)o->size, sizeof *state->calls);
    state->arrivals = calloc((size_t)o->size, sizeof(double));
    for (int64_t i = 0; i < o->size; i++)
        state->arrivals[i] = now -= log((double)((bench_random(&seed) >> 11) + 1) * 0x1p-53);
    if (filch_pool_create(&state->pool, &options) != 0)
        bench_fail("no pool");
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    filch_pool_destroy(state->pool);
    free(state->futures);
    free(state->calls);
    free(state->arrivals);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 10000, .load = 0.8 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
