/* SPDX-License-Identifier: MIT */
/*
 * Futex waits that do not sleep, for each reason that a kernel may have or a filter of system calls may give, or sleep
 * too long: nothing is lost, nothing hangs, and no deadline is missed or early.
 */
#include "faults_play.h"
#include "timed_scenes.h"

SUITE(faults_of_waits);

/* The last is none: as if woken, which no kernel does for ever to who has a deadline. */
static const int reasons[] = { EINTR, EAGAIN, ETIMEDOUT, ENOSYS, EINVAL, ENOMEM, 0 };
enum { REASONS = sizeof reasons / sizeof *reasons };

/* Waits that did not sleep. */
static long injected(void)
{
    return atomic_load(&filchi_os_faults.struck.waits);
}

/* Plays with each of the first waits cut short in turn, and then all from the nth on. */
static void sweep_waits(int reason)
{
    enum { WAITS = 25 };
    struct fault fault = { &filchi_os_faults.waits, 0, false, false, 0 };
    long before = injected();
    atomic_store(&filchi_os_faults.error, reason);
    for (long n = 1; n <= WAITS; n++)
        play(&plots[n % PLOTS], &fault, n);
    cr_assert_geq(injected() - before, WAITS / 2, "each play waits, the longer the more often");
    fault.on = true;
    for (long n = 1; reason && n <= WAITS; n += 6)
        play(&plots[n % PLOTS], &fault, n);
}

Test(faults_of_waits, whichever_wait_is_cut_short_all_is_done_and_accounted_for)
{
    for (int i = 0; i < REASONS; i++)
        sweep_waits(reasons[i]);
}

static void keep_deadlines_on(unsigned workers)
{
    filch_pool *pool = pool_of(workers);
    cr_assert_eq(keep_deadlines(pool), DEADLINES);
    filch_pool_destroy(pool);
}

Test(faults_of_waits, no_deadline_is_missed_or_early_whatever_waits_say)
{
    for (int i = 0; i < REASONS; i++) {
        for (unsigned workers = 1; workers <= 3; workers++) {
            atomic_store(&filchi_os_faults.error, reasons[i]);
            atomic_store(&filchi_os_faults.waits, reasons[i] ? -1 : 30);
            keep_deadlines_on(workers);
            atomic_store(&filchi_os_faults.waits, 0);
        }
    }
    cr_assert_gt(injected(), REASONS * 3 * DEADLINES);
}

Test(faults_of_waits, a_system_without_futexes_is_slow_and_works)
{
    struct fault fault = { &filchi_os_faults.waits, 0, true, false, 0 };
    atomic_store(&filchi_os_faults.error, ENOSYS);
    atomic_store(&filchi_os_faults.wakes, -1);
    for (int i = 0; i < PLOTS; i++)
        cr_assert(play(&plots[i], &fault, 1));
    atomic_store(&filchi_os_faults.waits, -1);
    keep_deadlines_on(2);
}

Test(faults_of_waits, waits_that_oversleep_delay_what_has_a_deadline_and_nothing_else)
{
    static _Atomic long nothing;
    struct fault fault = { &nothing, 0, false, false, 0 };
    atomic_store(&filchi_os_faults.late, FILCH_MS(2));
    for (int i = 0; i < PLOTS; i++)
        play(&plots[i], &fault, NONE);
    for (unsigned workers = 1; workers <= 3; workers++)
        keep_deadlines_on(workers);
    cr_assert_gt(atomic_load(&filchi_os_faults.struck.late), 3 * DEADLINES / 2);
}
