/* SPDX-License-Identifier: MIT */
/*
 * Ends a test that hangs, having told why: where gdb is installed and may attach, the stacks of all threads are printed to
 * stderr, then each pool that lives is dumped there, and the process aborts.
 */
#ifndef FILCH_TESTS_WATCHDOG_H
#define FILCH_TESTS_WATCHDOG_H

#include <stdlib.h>

/* So many seconds here are how many where programs run slowly (FILCH_TEST_PATIENCE, a factor). */
static inline unsigned watchdog_patience(unsigned seconds)
{
    const char *factor = getenv("FILCH_TEST_PATIENCE");
    return factor && atoi(factor) > 0 ? seconds * (unsigned)atoi(factor) : seconds;
}

/* From now on there are that many seconds until watchdog_end(). Not thread-safe; one at a time. */
void watchdog_begin(unsigned seconds);
void watchdog_end(void);

/* What the watchdog tells. Any thread that holds no lock of a pool. */
void watchdog_report(void);

#endif
