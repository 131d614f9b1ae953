/* SPDX-License-Identifier: MIT */
/*
 * The board of the nqueens programs. All of them, in whatever language, do the same, which is what this benchmark has
 * been since Cilk's: a safe place in a row makes a copy of the board, which is a task (the last one is a call), down
 * to the last row and without a cut-off; and whether it is safe is found by looking at every pair of queens.
 */
#ifndef BOARD_H
#define BOARD_H

#include "bench.h"

#include <stdbool.h>
#include <stdint.h>

enum { BOARD_ROWS = 16 };

struct board {
    int8_t columns[BOARD_ROWS]; /* of the queen of each row, as far as placed */
};

static inline bool board_safe(const struct board *board, int rows)
{
    for (int high = 0; high < rows; high++)
        for (int low = high + 1; low < rows; low++) {
            int apart = board->columns[low] - board->columns[high];
            if (apart == 0 || apart == low - high || apart == high - low)
                return false;
        }
    return true;
}

/* Writes the safe boards of `size` columns with one more queen, in row `row`, to `next`, and returns how many. */
static inline int board_next(const struct board *board, int row, int size, struct board *next)
{
    int safe = 0;
    for (int column = 0; column < size; column++) {
        next[safe] = *board;
        next[safe].columns[row] = (int8_t)column;
        if (board_safe(&next[safe], row + 1))
            safe++;
    }
    return safe;
}

/* What a round begins with. */
static inline struct board board_empty(int64_t size)
{
    if (size < 1 || size > BOARD_ROWS)
        bench_fail("a board has 1 to %d rows", BOARD_ROWS);
    struct board board = { { 0 } };
    return board;
}

#endif
