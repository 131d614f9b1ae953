/* SPDX-License-Identifier: MIT */
/* nqueens with OpenMP tasks. */
#include "bench.h"
#include "board.h"

static int64_t solutions(const struct board *board, int row, int size)
{
    if (row == size)
        return 1;
    struct board next[BOARD_ROWS];
    int64_t found[BOARD_ROWS];
    int last = board_next(board, row, size, next) - 1;
    if (last < 0)
        return 0;
    for (int i = 0; i < last; i++)
#pragma omp task shared(next, found) firstprivate(i)
        found[i] = solutions(&next[i], row + 1, size);
    int64_t sum = solutions(&next[last], row + 1, size);
#pragma omp taskwait
    for (int i = 0; i < last; i++)
        sum += found[i];
    return sum;
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    (void)state;
    struct board board = board_empty(options->size);
    int64_t result = 0;
#pragma omp parallel num_threads(options->workers)
#pragma omp single
    result = solutions(&board, 0, (int)options->size);
    return result;
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .size = 10 },
        .round = run_round,
    };
    return bench_main(argc, argv, &program);
}
