/* SPDX-License-Identifier: MIT */
/* One thread submits tasks and sums their futures, in a pool in which one feature is on. */
#include "feature.h"

#include <stdlib.h>

struct state {
    filch_pool *pool;
    filch_future **futures;
    int64_t steps; /* of work in each task */
};

static struct state state;

static int work(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(intptr_t)feature_work((intptr_t)arg, state.steps));
}

static int64_t run(void *arg, const struct bench_options *o)
{
    (void)arg;
    filch_context_token *token = feature_begin(&state);
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        if (filch_submit(state.pool, work, (void *)(intptr_t)i, &state.futures[i]) != 0)
            bench_fail("cannot submit");
    filch_context_end(token);
    for (int64_t i = 0; i < o->size; i++) {
        void *result;
        if (filch_future_result(state.futures[i], FILCH_FOREVER, &result) != 0)
            bench_fail("a task without a result");
        sum += (intptr_t)result;
        filch_future_unref(state.futures[i]);
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
    free(state.futures);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
