/* SPDX-License-Identifier: MIT */
/* Threads outside the pool submit tasks; each sums the results of its own futures. */
#include "bench.h"

#include <filch/filch.h>

#include <pthread.h>
#include <stdlib.h>

struct producer {
    pthread_t thread;
    filch_pool *pool;
    filch_future **futures;
    int64_t from, to, sum;
};

struct state {
    filch_pool *pool;
    filch_future **futures;
    struct producer *producers;
};

static int twice(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(2 * (intptr_t)arg));
}

static void *produce(void *arg)
{
    struct producer *me = arg;
    for (int64_t i = me->from; i < me->to; i++)
        if (filch_submit(me->pool, twice, (void *)(intptr_t)i, &me->futures[i]) != 0)
            bench_fail("cannot submit");
    me->sum = 0;
    for (int64_t i = me->from; i < me->to; i++) {
        void *result;
        if (filch_future_result(me->futures[i], FILCH_FOREVER, &result) != 0)
            bench_fail("a task without a result");
        me->sum += (intptr_t)result;
        filch_future_unref(me->futures[i]);
    }
    return NULL;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t sum = 0;
    for (unsigned i = 0; i < o->producers; i++) {
        struct producer *p = &state->producers[i];
        p->pool = state->pool;
        p->futures = state->futures;
        p->from = o->size * i / o->producers;
        p->to = o->size * (i + 1) / o->producers;
        if (pthread_create(&p->thread, NULL, produce, p) != 0)
            bench_fail("no thread for a producer");
    }
    for (unsigned i = 0; i < o->producers; i++) {
        pthread_join(state->producers[i].thread, NULL);
        sum += state->producers[i].sum;
    }
    return sum;
}

static void *setup(const struct bench_options *o)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct state *state = malloc(sizeof *state);
    options.workers = o->workers;
    state->futures = calloc((size_t)o->size, sizeof *state->futures);
    state->producers = calloc(o->producers, sizeof *state->producers);
    if (filch_pool_create(&state->pool, &options) != 0)
        bench_fail("no pool");
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    filch_pool_destroy(state->pool);
    free(state->producers);
    free(state->futures);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
