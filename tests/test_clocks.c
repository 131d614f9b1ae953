/* SPDX-License-Identifier: MIT */
/*
 * The wall clock jumps by years, forwards and backwards, at every look, for all code of this process: deadlines, delays
 * and intervals are as if it stood still. The monotonic one is left alone, as the kernel leaves it.
 */
#include "timed_scenes.h"

#include <dlfcn.h>
#include <sys/time.h>

SUITE(clocks);

static _Atomic long looks, other_looks; /* at the monotonic clock, and at others */

#define YEARS INT64_C(100000000) /* s */

static time_t jump(void)
{
    static _Atomic unsigned n;
    return (time_t)(atomic_fetch_add(&n, 1) % 2 ? YEARS : -YEARS);
}

/* In place of the C library's, for the library under test too. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
    int (*really)(clockid_t, struct timespec *);
    *(void **)&really = dlsym(RTLD_NEXT, "clock_gettime");
    int rc = really(clock, out);
    atomic_fetch_add(clock == CLOCK_MONOTONIC ? &looks : &other_looks, 1);
    if (clock != CLOCK_MONOTONIC)
        out->tv_sec += jump();
    return rc;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval) { .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

Test(clocks, jumps_of_the_wall_clock_move_no_deadline)
{
    filch_pool *pool = pool_of(2);
    time_t first = time(NULL), second = time(NULL);
    cr_assert(second - first > YEARS || first - second > YEARS, "it does jump");
    long before = atomic_load(&other_looks);
    int64_t begun = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(keep_deadlines(pool), DEADLINES);
    cr_assert_lt(clock_ns(CLOCK_MONOTONIC) - begun, FILCH_SECONDS(20), "nor is one put off");
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&other_looks), before, "nobody looks at it");
    cr_assert_gt(atomic_load(&looks), 10 * DEADLINES);
}
