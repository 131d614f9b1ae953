/* SPDX-License-Identifier: MIT */
/*
 * A play of everything there is beside plain tasks, in which the nth allocation, thread, eventfd or worker_init fails,
 * for each n until none does; and again with all from the nth on failing, up to a point or to the end. Whatever is
 * withheld, each call works or says so, each task that was accepted is accounted for, and the pool can go.
 */
#include "faults_play.h"

#include <malloc.h>

SUITE(faults_everything);

/* ---- Memory ---- */

static size_t pages_mapped(void)
{
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    must(statm && fscanf(statm, "%zu", &pages) == 1);
    fclose(statm);
    return pages;
}

static void sweep_memory(int plot, bool on, bool recovers)
{
    const struct fault fault = { &filchi_os_faults.allocations, -ENOMEM, on, recovers, 0 };
    mallopt(M_ARENA_MAX, 1); /* or threads that come and go would map arenas */
    play(&plots[plot], &fault, NONE);
    play(&plots[plot], &fault, on ? 50 : 150);
    size_t before = pages_mapped();
    long n = sweep(&plots[plot], &fault);
    cr_assert_gt(n, 100, "the play makes %ld allocations", n);
    if (!SANITIZED)
        /* Each play that leaked an arena would leave 16; the C library keeps a few stacks. */
        cr_assert_leq(pages_mapped(), before + 600, "%zu pages were %zu", pages_mapped(), before);
}

#define SWEEPS_OF_MEMORY(plot)                                                                 \
    Test(faults_everything, whichever_allocation_fails_in_plot_##plot)                         \
    {                                                                                          \
        sweep_memory(plot, false, false);                                                      \
    }                                                                                          \
    Test(faults_everything, from_whichever_allocation_on_all_fail_in_plot_##plot)              \
    {                                                                                          \
        sweep_memory(plot, true, false);                                                       \
    }                                                                                          \
    Test(faults_everything, after_memory_was_short_from_any_point_on_all_works_in_plot_##plot) \
    {                                                                                          \
        sweep_memory(plot, true, true);                                                        \
    }

SWEEPS_OF_MEMORY(0)
SWEEPS_OF_MEMORY(1)
SWEEPS_OF_MEMORY(2)
SWEEPS_OF_MEMORY(3)

/* One, and all from there on, to the end and not. */
static void sweep_others(const struct plot *plot, _Atomic long *countdown, int refusal, long least)
{
    for (int how = 0; how < 4; how++) {
        const struct fault fault = { countdown, refusal, how & 1, how & 2, 0 };
        long n = sweep(plot, &fault);
        cr_assert_geq(n, least, "%ld were asked for", n);
    }
}

Test(faults_everything, whichever_threads_are_refused)
{
    for (int i = 0; i < PLOTS; i++)
        sweep_others(&plots[i], &filchi_os_faults.threads, -EAGAIN, 3);
}

Test(faults_everything, whichever_eventfds_are_refused)
{
    static const int errors[] = { EMFILE, ENFILE, ENOMEM };
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        atomic_store(&filchi_os_faults.error, errors[e]);
        for (int i = 0; i < PLOTS; i++)
            sweep_others(&plots[i], &filchi_os_faults.events, -errors[e], 1);
    }
}

Test(faults_everything, whichever_signals_of_eventfds_are_interrupted)
{
    for (int i = 0; i < PLOTS; i++) {
        const struct fault fault = { &filchi_os_faults.signals, 0, false, false, 0 };
        cr_assert_geq(sweep(&plots[i], &fault), 1);
    }
}

Test(faults_everything, whichever_worker_init_fails)
{
    for (int i = 0; i < PLOTS; i++)
        if (plots[i].hooks)
            sweep_others(&plots[i], &init_faults, -EPERM, 2);
}
