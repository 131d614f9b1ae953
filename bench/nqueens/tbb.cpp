/* SPDX-License-Identifier: MIT */
/* nqueens with oneTBB: the boards that a row makes are a task group. */
#include "bench.h"
#include "board.h"

#include <array>
#include <numeric>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

static int64_t solutions(const board &board, int row, int size)
{
    if (row == size)
        return 1;
    struct board next[BOARD_ROWS];
    std::array<int64_t, BOARD_ROWS> found;
    int last = board_next(&board, row, size, next) - 1;
    if (last < 0)
        return 0;
    tbb::task_group forked;
    for (int i = 0; i < last; i++)
        forked.run([&next, &found, row, size, i] { found[i] = solutions(next[i], row + 1, size); });
    found[last] = solutions(next[last], row + 1, size);
    forked.wait();
    return std::accumulate(found.begin(), found.begin() + last + 1, int64_t(0));
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
    return static_cast<pool *>(state)->arena.execute(
        [=] { return solutions(board_empty(options->size), 0, static_cast<int>(options->size)); });
}

int main(int argc, char **argv)
{
    bench_program program = {};
    program.defaults.size = 10;
    program.setup = setup;
    program.round = run_round;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
