/* SPDX-License-Identifier: MIT */
/* matmul with filch: three of four quarters are forked. */
#include "bench.h"
#include "product.h"

#include <filch/fork.h>

static void multiply(filch_forker *forker, const struct product *whole);
FILCH_FORKABLE_VOID_1(multiply, const struct product *)

static void multiply(filch_forker *forker, const struct product *whole)
{
    if (whole->size == LEAF) {
        product_leaf(whole);
        return;
    }
    for (int half = 0; half < 2; half++) {
        struct product quarters[4];
        struct multiply_forked forked[3];
        product_quarters(whole, half, quarters);
        for (int i = 0; i < 3; i++)
            multiply_fork(forker, &forked[i], &quarters[i]);
        multiply(forker, &quarters[3]);
        for (int i = 3; i-- > 0;)
            multiply_join(forker, &forked[i]);
    }
}

struct state {
    filch_pool *pool;
    struct matrices *matrices;
};

static int task(filch_task *self, void *arg)
{
    filch_forker *forker;
    int rc = filch_fork_begin(self, &forker);
    if (rc == 0)
        multiply(forker, arg);
    return rc;
}

static void *setup(const struct bench_options *options)
{
    static struct state state;
    filch_pool_options pool_options = FILCH_POOL_OPTIONS;
    pool_options.workers = options->workers;
    if (filch_pool_create(&state.pool, &pool_options) != 0)
        bench_fail("no pool");
    state.matrices = product_setup(options);
    return &state;
}

static int64_t run_round(void *arg, const struct bench_options *options)
{
    (void)options;
    struct state *state = arg;
    product_begin(state->matrices);
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    int64_t start = bench_now();
    if (filch_submit(state->pool, task, &state->matrices->whole, &future) != 0 ||
        filch_future_result(future, FILCH_FOREVER, NULL) != 0)
        bench_fail("the task failed");
    bench_time(bench_now() - start);
    return product_end(state->matrices);
}

static void teardown(void *arg)
{
    struct state *state = arg;
    filch_pool_destroy(state->pool);
    product_teardown(state->matrices);
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .size = 512 },
        .setup = setup,
        .round = run_round,
        .teardown = teardown,
    };
    return bench_main(argc, argv, &program);
}
