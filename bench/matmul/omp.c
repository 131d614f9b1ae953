/* SPDX-License-Identifier: MIT */
/* matmul with OpenMP: three of four quarters are tasks. */
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
        for (int i = 0; i < 3; i++)
#pragma omp task shared(quarters) firstprivate(i)
            multiply(&quarters[i]);
        multiply(&quarters[3]);
#pragma omp taskwait
    }
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    struct matrices *matrices = state;
    product_begin(matrices);
    int64_t start = bench_now();
#pragma omp parallel num_threads(options->workers)
#pragma omp single
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
        .defaults = { .size = 512 },
        .setup = product_setup,
        .round = run_round,
        .teardown = teardown,
    };
    return bench_main(argc, argv, &program);
}
