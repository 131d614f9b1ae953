/* SPDX-License-Identifier: MIT */
/* How many ways `size` queens can stand on a board of as many rows: by plain recursion. */
#include "bench.h"
#include "board.h"

static int64_t solutions(const struct board *board, int row, int size)
{
    if (row == size)
        return 1;
    struct board next[BOARD_ROWS];
    int64_t found = 0;
    int count = board_next(board, row, size, next);
    for (int i = 0; i < count; i++)
        found += solutions(&next[i], row + 1, size);
    return found;
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    (void)state;
    struct board board = board_empty(options->size);
    return solutions(&board, 0, (int)options->size);
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .workers = 1, .size = 10 },
        .round = run_round,
    };
    return bench_main(argc, argv, &program);
}
