/* SPDX-License-Identifier: MIT */
/* fib(size) with oneTBB: one call is a task of a group, the other is made in place. */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

static int fib(int n)
{
    if (n < 2)
        return n;
    int left = 0;
    tbb::task_group forked;
    forked.run([&left, n] { left = fib(n - 1); });
    int right = fib(n - 2);
    forked.wait();
    return left + right;
}

struct pool {
    explicit pool(unsigned workers)
        : limit(tbb::global_control::max_allowed_parallelism, workers), arena(static_cast<int>(workers))
    {
    }
    tbb::global_control limit; // an arena alone has no more threads than there are CPUs
    tbb::task_arena arena;
};

static void *setup(const bench_options *options)
{
    return new pool(options->workers);
}

static void teardown(void *state)
{
    delete static_cast<pool *>(state);
}

static int64_t run_round(void *state, const bench_options *options)
{
    return static_cast<pool *>(state)->arena.execute([=] { return fib(static_cast<int>(options->size)); });
}

int main(int argc, char **argv)
{
    bench_program program = {};
    program.defaults.size = 30;
    program.setup = setup;
    program.round = run_round;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
