/* SPDX-License-Identifier: MIT */
/* The product of two square matrices of `size` rows: divided and conquered by plain recursion. */
#include "bench.h"
#include "product.h"

static void multiply(const struct product *whole)
{
    if (whole->size == LEAF) {
        product_leaf(whole);
        return;
    }
    for (int half = 0; half < 2; half++) {
        struct product quarters[4];
        product_quarters(whole, half, quarters);
        for (int i = 0; i < 4; i++)
            multiply(&quarters[i]);
    }
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    (void)options;
    struct matrices *matrices = state;
    product_begin(matrices);
    int64_t start = bench_now();
    multiply(&matrices->whole);
    bench_time(bench_now() - start);
    return product_end(matrices);
}

static void teardown(void *state)
{
    product_teardown(state);
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .workers = 1, .size = 512 },
        .setup = product_setup,
        .round = run_round,
        .teardown = teardown,
    };
    return bench_main(argc, argv, &program);
}
