/* SPDX-License-Identifier: MIT */
/* skynet with OpenMP: all children of a node but the last are tasks. */
#include "bench.h"

enum { CHILDREN = 10 };

static int64_t skynet(int64_t first, int64_t size)
{
    if (size <= 1)
        return first;
    int64_t sums[CHILDREN - 1], part = size / CHILDREN;
    for (int i = 0; i < CHILDREN - 1; i++)
#pragma omp task shared(sums) firstprivate(i)
        sums[i] = skynet(first + i * part, part);
    int64_t sum = skynet(first + (CHILDREN - 1) * part, part);
#pragma omp taskwait
    for (int i = 0; i < CHILDREN - 1; i++)
        sum += sums[i];
    return sum;
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    (void)state;
    int64_t result = 0;
#pragma omp parallel num_threads(options->workers)
#pragma omp single
    result = skynet(0, options->size);
    return result;
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .size = 1000000 },
        .round = run_round,
    };
    return bench_main(argc, argv, &program);
}
