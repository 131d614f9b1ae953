/* SPDX-License-Identifier: MIT */
/*
 * How long it takes from requesting the stop of a scope, with tasks of 10 us queued, until all its futures are
 * final. The workers are held until all is queued.
 */
#include "bench.h"

#include <filch/filch.h>

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { TASK_NS = 10000 };

struct state {
    filch_pool *pool;
    filch_future **futures;
    sem_t held, gate;
    atomic_llong started;
};

static int hold(filch_task *self, void *arg)
{
    struct state *state = arg;
    (void)self;
    sem_post(&state->held);
    sem_wait(&state->gate);
    return 0;
}

static int work(filch_task *self, void *arg)
{
    struct state *state = arg;
    int64_t end = bench_now() + TASK_NS;
    (void)self;
    atomic_fetch_add(&state->started, 1);
    while (bench_now() < end)
        ;
    return 0;
}

static void queue(struct state *state, filch_scope *scope, const struct bench_options *o)
{
    for (unsigned i = 0; i < o->workers; i++)
        if (filch_submit(state->pool, hold, state, NULL) != 0)
            bench_fail("cannot hold a worker");
    for (unsigned i = 0; i < o->workers; i++)
        sem_wait(&state->held);
    for (int64_t i = 0; i < o->size; i++)
        if (filch_scope_submit(scope, work, state, &state->futures[i]) != 0)
            bench_fail("cannot submit");
    for (unsigned i = 0; i < o->workers; i++)
        sem_post(&state->gate);
    while (atomic_load(&state->started) == 0)
        sched_yield();
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    filch_scope *scope;
    int64_t final = 0;
    atomic_store(&state->started, 0);
    if (filch_scope_open(&scope, state->pool, NULL) != 0)
        bench_fail("no scope");
    queue(state, scope, o);
    long long before = atomic_load(&state->started);
    int64_t start = bench_now();
    filch_stop_request(filch_scope_stop(scope), 0);
    filch_scope_join(scope, NULL);
    bench_time(bench_now() - start);
    bench_metric("started", atomic_load(&state->started) - before);
    for (int64_t i = 0; i < o->size; i++) {
        final += filch_future_done(state->futures[i]);
        filch_future_unref(state->futures[i]);
    }
    filch_scope_close(scope);
    return final;
}

static void *setup(const struct bench_options *o)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct state *state = malloc(sizeof *state);
    options.workers = o->workers;
    state->futures = calloc((size_t)o->size, sizeof(filch_future *));
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
