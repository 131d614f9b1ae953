/* SPDX-License-Identifier: MIT */
/*
 * The board of the nqueens programs. All of them, in whatever language, do the same: each column of a row that no
 * queen above attacks makes a copy of the board, which is a task (the last one is a call), down to the last row and
 * without a cut-off, as schedulers have been compared by since Cilk.
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

static inline bool board_allows(const struct board *board, int row, int column)
{
    for (int above = 0; above < row; above++) {
        int apart = column - board->columns[above];
        if (apart == 0 || apart == row - above || apart == above - row)
            return false;
    }
    return true;
}

/* Writes the boards of `size` columns with one more queen, in row `row`, to `next`, and returns how many. */
static inline int board_next(const struct board *board, int row, int size, struct board *next)
{
    int count = 0;
    for (int column = 0; column < size; column++)
        if (board_allows(board, row, column)) {
            next[count] = *board;
            next[count++].columns[row] = (int8_t)column;
        }
    return count;
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
