/* SPDX-License-Identifier: MIT */
/* The sum of the numbers of `size` leaves, a power of ten, under a tree of ten children each: by plain recursion. */
#include "bench.h"

enum { CHILDREN = 10 };

static int64_t skynet(int64_t first, int64_t size)
{
    if (size <= 1)
        return first;
    int64_t sum = 0, part = size / CHILDREN;
    for (int i = 0; i < CHILDREN; i++)
        sum += skynet(first + i * part, part);
    return sum;
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    (void)state;
    return skynet(0, options->size);
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .workers = 1, .size = 1000000 },
        .round = run_round,
    };
    return bench_main(argc, argv, &program);
}
