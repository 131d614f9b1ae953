/* SPDX-License-Identifier: MIT */
/*
 * By how many bytes the process grows for each task that is pending, and its future. The workers are held
 * meanwhile.
 */
#include "bench.h"

#include <filch/filch.h>

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct state {
    filch_pool *pool;
    filch_future **futures;
    sem_t held, gate;
    int64_t before; /* bytes resident before the first round's tasks */
};

static int hold(filch_task *self, void *arg)
{
    struct state *state = arg;
    (void)self;
    sem_post(&state->held);
    sem_wait(&state->gate);
    return 0;
}

static int twice(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(2 * (intptr_t)arg));
}

static int64_t resident(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%*d %ld", &pages) != 1)
        bench_fail("cannot read /proc/self/statm");
    fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

static void hold_workers(struct state *state, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (filch_submit(state->pool, hold, state, NULL) != 0)
            bench_fail("cannot hold a worker");
    for (unsigned i = 0; i < n; i++)
        sem_wait(&state->held);
    if (state->before == 0)
        state->before = resident();
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t sum = 0;
    hold_workers(state, o->workers);
    for (int64_t i = 0; i < o->size; i++)
        if (filch_submit(state->pool, twice, (void *)(intptr_t)i, &state->futures[i]) != 0)
            bench_fail("cannot submit");
    bench_metric("bytes", (resident() - state->before) / o->size);
    for (unsigned i = 0; i < o->workers; i++)
        sem_post(&state->gate);
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
    struct state *state = calloc(1, sizeof *state);
    options.workers = o->workers;
    state->futures = malloc((size_t)o->size * sizeof(filch_future *));
    memset(state->futures, 1, (size_t)o->size * sizeof(filch_future *)); /* resident from the start */
    sem_init(&state->held, 0, 0);
    sem_init(&state->gate, 0, 0);
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
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
