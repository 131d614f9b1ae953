/* SPDX-License-Identifier: MIT */
/*
 * A hook at each atomic step of the library, for the tests: it holds up the thread now and then, for long or short,
 * so that the others get in between two steps that otherwise follow each other within nanoseconds. stdatomic.h and
 * urcu/system.h beside this file, which come before the system's, call it; the sources know nothing of it.
 *
 * A seed gives each thread its own sequence of delays, by the order in which the threads come to their first step. The
 * same seed so repeats what is done to each thread, though not what the system makes of it.
 *
 * Ordering: none. Every access here is relaxed or of the thread alone, so that the hook hides no fault of those that
 * it is put between, from the machine or from a sanitizer.
 */
#ifndef FILCH_TESTS_STEPS_H
#define FILCH_TESTS_STEPS_H

#include <stdint.h>

/* Written by filchi_steps_begin(); 0: no delays. */
extern uint64_t filchi_steps_seed;

/* Delays from here on, in all threads; 0: none. Before there are other threads. A program that is started with
 * FILCH_DELAYS=SEED in its environment has them from the beginning. */
void filchi_steps_begin(uint64_t seed);

/* One step of this thread, which perhaps holds it up. Any context; async-signal-safe; leaves errno as it is. */
void filchi_step_taken(void);

/* Before each atomic step. */
static inline void filchi_step(void)
{
    if (__builtin_expect(__atomic_load_n(&filchi_steps_seed, __ATOMIC_RELAXED) != 0, 0))
        filchi_step_taken();
}

#endif
