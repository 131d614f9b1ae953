/* SPDX-License-Identifier: MIT */
/* What the programs of bench/features share: a pool in which one feature is on, chosen by FEATURE, and the work of a task. */
#ifndef FEATURE_H
#define FEATURE_H

#include "bench.h"

#include <filch/filch.h>

#include <stdint.h>
#include <stdlib.h>

#define NOTHING 0
#define HOOKS 1
#define METRICS 2
#define CONTEXT 3

static inline void ignore(const filch_event *event, void *arg)
{
    (void)event;
    (void)arg;
}

static inline filch_pool *feature_pool(const struct bench_options *o)
{
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    hooks.on_start = hooks.on_finish = ignore;
    options.workers = o->workers;
    options.hooks = FEATURE == HOOKS ? &hooks : NULL;
    options.metrics = FEATURE == METRICS;
    if (filch_pool_create(&pool, &options) != 0)
        bench_fail("no pool");
    return pool;
}

/* A value that every task submitted until the end inherits, as a server has one for each request. */
static inline filch_context_token *feature_begin(void *value)
{
    filch_context_token *token = NULL;
    if (FEATURE == CONTEXT && filch_context_begin(&token, 0, value, NULL) != 0)
        bench_fail("no context");
    return token;
}

/* So many steps of a random generator, each of which waits for the one before: about a nanosecond a step. */
static inline int64_t feature_work(int64_t seed, int64_t steps)
{
    uint64_t state = (uint64_t)seed | 1;
    for (int64_t i = 0; i < steps; i++)
        (void)bench_random(&state);
    return (int64_t)(state >> 40) + seed;
}

/* ---- A program ------------------------------------------------------------------------------------------------- */

static struct {
    filch_pool *pool;
    filch_future **futures; /* as many as --size */
    int64_t steps;          /* of work in each task that does some: --chunk */
} feature;

static inline int feature_task(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(intptr_t)feature_work((intptr_t)arg, feature.steps));
}

static inline void feature_submit(filch_fn *fn, int64_t arg, filch_future **out)
{
    if (filch_submit(feature.pool, fn, (void *)(intptr_t)arg, out) != 0)
        bench_fail("cannot submit");
}

/* What it has returned, once it has; and no more of it. */
static inline int64_t feature_take(filch_future *future)
{
    void *result;
    if (filch_future_result(future, FILCH_FOREVER, &result) != 0)
        bench_fail("a task without a result");
    filch_future_unref(future);
    return (intptr_t)result;
}

static inline void *feature_setup(const struct bench_options *o)
{
    feature.pool = feature_pool(o);
    feature.futures = calloc((size_t)o->size, sizeof(filch_future *));
    feature.steps = o->chunk;
    return &feature;
}

static inline void feature_teardown(void *arg)
{
    (void)arg;
    filch_pool_destroy(feature.pool);
    free(feature.futures);
}

#endif
