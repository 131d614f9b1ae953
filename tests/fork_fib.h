/* SPDX-License-Identifier: MIT */
/* The call that tests of fork-join fork. */
#ifndef FILCH_TESTS_FORK_FIB_H
#define FILCH_TESTS_FORK_FIB_H

#include <filch/fork.h>

static int fib(filch_forker *forker, int n);
FILCH_FORKABLE_1(int, fib, int)

static int fib(filch_forker *forker, int n)
{
    struct fib_forked right;
    if (n < 2)
        return n;
    fib_fork(forker, &right, n - 1);
    int left = fib(forker, n - 2);
    return left + fib_join(forker, &right);
}

#endif
