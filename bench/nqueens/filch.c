/* SPDX-License-Identifier: MIT */
/* nqueens with filch: all boards that a row makes but the last are forked. */
#include "bench.h"
#include "board.h"

#include <filch/fork.h>

static int64_t solutions(filch_forker *forker, const struct board *board, int row, int size);
FILCH_FORKABLE_3(int64_t, solutions, const struct board *, int, int)

static int64_t solutions(filch_forker *forker, const struct board *board, int row, int size)
{
    if (row == size)
        return 1;
    struct board next[BOARD_ROWS];
    struct solutions_forked forked[BOARD_ROWS];
    int last = board_next(board, row, size, next) - 1;
    if (last < 0)
        return 0;
    for (int i = 0; i < last; i++)
        solutions_fork(forker, &forked[i], &next[i], row + 1, size);
    int64_t sum = solutions(forker, &next[last], row + 1, size);
    while (last-- > 0)
        sum += solutions_join(forker, &forked[last]);
    return sum;
}

static int task(filch_task *self, void *arg)
{
    struct board empty = board_empty((intptr_t)arg);
    filch_forker *forker;
    int rc = filch_fork_begin(self, &forker);
    return rc ? rc : filch_return(self, (void *)(intptr_t)solutions(forker, &empty, 0, (int)(intptr_t)arg));
}

static void *setup(const struct bench_options *options)
{
    filch_pool_options pool_options = FILCH_POOL_OPTIONS;
    pool_options.workers = options->workers;
    filch_pool *pool;
    if (filch_pool_create(&pool, &pool_options) != 0)
        bench_fail("no pool");
    return pool;
}

static int64_t run_round(void *state, const struct bench_options *options)
{
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    void *result;
    if (filch_submit(state, task, (void *)(intptr_t)options->size, &future) != 0 ||
        filch_future_result(future, FILCH_FOREVER, &result) != 0)
        bench_fail("the task failed");
    return (intptr_t)result;
}

static void teardown(void *state)
{
    filch_pool_destroy(state);
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .defaults = { .size = 10 },
        .setup = setup,
        .round = run_round,
        .teardown = teardown,
    };
    return bench_main(argc, argv, &program);
}
