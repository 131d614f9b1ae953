/* SPDX-License-Identifier: MIT */
/* skynet with oneTBB: the children of a node are a task group, and the last is run by who waits for them. */
#include "bench.h"

#include <array>
#include <numeric>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

static constexpr int children = 10;

static int64_t skynet(int64_t first, int64_t size)
{
    if (size <= 1)
        return first;
    std::array<int64_t, children> sums;
    int64_t part = size / children;
    tbb::task_group forked;
    for (int i = 0; i < children - 1; i++)
        forked.run([&sums, first, part, i] { sums[i] = skynet(first + i * part, part); });
    sums.back() = skynet(first + (children - 1) * part, part);
    forked.wait();
    return std::accumulate(sums.begin(), sums.end(), int64_t(0));
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
    return static_cast<pool *>(state)->arena.execute([=] { return skynet(0, options->size); });
}

int main(int argc, char **argv)
{
    bench_program program = {};
    program.defaults.size = 1000000;
    program.setup = setup;
    program.round = run_round;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
