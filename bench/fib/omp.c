/* SPDX-License-Identifier: MIT */
/* fib(size) with OpenMP: one call is a task, the other is made in place, and a taskwait joins them. */
#include "bench.h"

static int fib(int n)
{
    if (n < 2)
        return n;
    int left;
#pragma omp task shared(left)
    left = fib(n - 1);
    int right = fib(n - 2);
#pragma omp taskwait
    return left + right;
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    (void)state;
    int64_t result = 0;
#pragma omp parallel num_threads(options->workers)
#pragma omp single
    result = fib((int)options->size);
    return result;
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .size = 30 },
        .round = run_round,
    };
    return bench_main(argc, argv, &program);
}
