/* SPDX-License-Identifier: MIT */
/* fib(size) by plain recursion: what the others take beyond this is the price of forks and joins. */
#include "bench.h"

static int fib(int n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    (void)state;
    return fib((int)options->size);
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .workers = 1, .size = 30 },
        .round = run_round,
    };
    return bench_main(argc, argv, &program);
}
