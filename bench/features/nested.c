/* SPDX-License-Identifier: MIT */
/* Mains submit sub tasks and take them in completion order, in a pool in which one feature is on. */
#include "feature.h"

#include <stdlib.h>

#define SUBS 100

struct state {
    filch_pool *pool;
    filch_future **mains;
    int64_t steps; /* of work in each sub task */
};

static struct state state;

static int work(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(intptr_t)feature_work((intptr_t)arg, state.steps));
}

static int main_task(filch_task *self, void *arg)
{
    filch_future *subs[SUBS], *sub;
    filch_completed *completed;
    filch_context_token *token = feature_begin(arg);
    int64_t sum = 0;
    for (int i = 0; i < SUBS; i++)
        if (filch_submit(state.pool, work, (void *)((intptr_t)arg * SUBS + i), &subs[i]) != 0)
            bench_fail("cannot submit a sub task");
    if (filch_completed_begin(&completed, subs, SUBS, FILCH_FOREVER) != 0)
        bench_fail("cannot iterate");
    while (filch_completed_next(completed, &sub) == 1) {
        void *result;
        if (filch_future_result(sub, 0, &result) != 0)
            bench_fail("a sub task without a result");
        sum += (intptr_t)result;
        filch_future_unref(sub);
    }
    filch_completed_end(completed);
    filch_context_end(token);
    return filch_return(self, (void *)(intptr_t)sum);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    (void)arg;
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        if (filch_submit(state.pool, main_task, (void *)(intptr_t)i, &state.mains[i]) != 0)
            bench_fail("cannot submit a main");
    for (int64_t i = 0; i < o->size; i++) {
        void *result;
        if (filch_future_result(state.mains[i], FILCH_FOREVER, &result) != 0)
            bench_fail("a main without a result");
        sum += (intptr_t)result;
        filch_future_unref(state.mains[i]);
    }
    return sum;
}

static void *setup(const struct bench_options *o)
{
    state = (struct state) { feature_pool(o), calloc((size_t)o->size, sizeof(filch_future *)), o->chunk };
    return &state;
}

static void teardown(void *arg)
{
    (void)arg;
    filch_pool_destroy(state.pool);
    free(state.mains);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 1000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
