/* SPDX-License-Identifier: MIT */
/* Short forms for the tests of scopes. */
#ifndef FILCH_TESTS_SCOPE_SUPPORT_H
#define FILCH_TESTS_SCOPE_SUPPORT_H

#include "support.h"

static inline filch_scope *scope_with(filch_pool *pool, const filch_scope_options *options)
{
    filch_scope *scope = NULL;
    must(filch_scope_open(&scope, pool, options) == 0);
    return scope;
}

static inline filch_scope *scope_of(filch_pool *pool)
{
    return scope_with(pool, NULL);
}

static inline filch_scope *scope_under(filch_pool *pool, filch_stop *stop)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.stop = stop;
    return scope_with(pool, &options);
}

static inline filch_scope *collecting(filch_pool *pool)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.policy = FILCH_COLLECT;
    return scope_with(pool, &options);
}

static inline filch_scope *discarding(filch_pool *pool)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.discard = true;
    return scope_with(pool, &options);
}

static inline void spawn(filch_scope *scope, filch_fn *fn, void *arg)
{
    must(filch_scope_submit(scope, fn, arg, NULL) == 0);
}

static inline filch_future *spawn_held(filch_scope *scope, filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    must(filch_scope_submit(scope, fn, arg, &future) == 0);
    return future;
}

static inline void spawn_with(filch_scope *scope, filch_fn *fn, void *arg, const filch_task_options *options)
{
    must(filch_scope_submit_with(scope, fn, arg, options, NULL) == 0);
}

/* Joins, and closes; the code. */
static inline int finish(filch_scope *scope)
{
    int rc = filch_scope_join(scope, NULL);
    filch_scope_close(scope);
    return rc;
}

/* What a pool with one worker and no thread but its own is asked to do. */
static inline filch_pool *lone_pool(size_t stack_size)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.no_spare_threads = true;
    options.stack_size = stack_size;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

/* Runs fn(arg) as a task of the pool; its code. */
static inline int run_in(filch_pool *pool, filch_fn *fn, void *arg)
{
    filch_future *future = submit(pool, fn, arg);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    int rc = filch_future_result(future, 0, NULL);
    filch_future_unref(future);
    return rc;
}

#endif
