/* SPDX-License-Identifier: MIT */
/*
 * The delays: see steps.h. Most steps pass at once; the distance to the next delay is drawn from a range that
 * changes from time to time, as some faults need many small delays and others a single one in a long run.
 * Now and then a thread has a slow phase, in which it is held up at every step: the others overtake it by thousands.
 *
 * Rejected: a delay by chance at each step, without a distance. A random number each time made the programs several
 * times slower, so that less was tried in the same time.
 */
#include "steps.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define SLOW_STEPS 60   /* most in a slow phase */
#define ONE_SLOW_IN 200 /* delays */
#define NEW_PACE_IN 100 /* delays */

/* A thread's own; a signal handler on it may come in between anywhere, which at worst changes the sequence. */
struct stepper {
    bool begun;
    uint64_t random;
    unsigned pass; /* steps before the next delay */
    unsigned slow; /* steps left of a slow phase */
    unsigned pace; /* the distance between delays is below 1 << pace */
};

uint64_t filchi_steps_seed;

static uint32_t threads; /* that took a step; each adds one */
static _Thread_local struct stepper stepper;

void filchi_steps_begin(uint64_t seed)
{
    __atomic_store_n(&filchi_steps_seed, seed, __ATOMIC_RELAXED);
}

/* So that tests which take no options can be held up too. */
__attribute__((constructor)) static void begin_by_environment(void)
{
    const char *seed = getenv("FILCH_DELAYS");
    filchi_steps_begin(seed ? strtoull(seed, NULL, 0) : 0);
}

/* splitmix64, as in stress.h. */
static uint64_t draw(struct stepper *self)
{
    uint64_t z = self->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static unsigned below(struct stepper *self, unsigned n)
{
    return (unsigned)((draw(self) >> 32) % n);
}

/* Below 1 << bits, each order of magnitude as likely as any other. */
static unsigned of_any_size(struct stepper *self, unsigned bits)
{
    return below(self, 1U << (1 + below(self, bits)));
}

static void begin(struct stepper *self)
{
    uint64_t number = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    self->random = __atomic_load_n(&filchi_steps_seed, __ATOMIC_RELAXED) ^ number * UINT64_C(0xD6E8FEB86659FD93);
    draw(self);
    self->pace = 1 + below(self, 10);
    self->begun = true;
}

static void spin(unsigned n)
{
    for (volatile unsigned i = 0; i < n; i++)
        continue;
}

static void nap(long us)
{
    int saved = errno;
    struct timespec pause = { .tv_nsec = us * 1000 };
    nanosleep(&pause, NULL);
    errno = saved;
}

static void delay(struct stepper *self)
{
    switch (below(self, 8)) {
    case 0:
    case 1:
    case 2:
    case 3:
        spin(of_any_size(self, 12));
        break;
    case 4:
        nap(of_any_size(self, 9));
        break;
    default:
        sched_yield();
    }
}

void filchi_step_taken(void)
{
    struct stepper *self = &stepper;
    if (self->pass > 0) {
        self->pass--;
        return;
    }
    if (!self->begun)
        begin(self);
    delay(self);
    if (self->slow > 0) {
        self->slow--;
        return;
    }
    self->pass = below(self, 1U << self->pace);
    if (below(self, ONE_SLOW_IN) == 0) {
        self->slow = below(self, SLOW_STEPS);
        self->pass = 0;
    }
    if (below(self, NEW_PACE_IN) == 0)
        self->pace = 1 + below(self, 10);
}
