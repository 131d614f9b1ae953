/* SPDX-License-Identifier: MIT */
/*
 * What the stress programs share: options, random numbers that a seed repeats, delays at the library's atomic steps
 * (steps/steps.h), a watchdog, a check that never compiles away, totals. A program begins with stress_begin(), works
 * while stress_goes_on() or stress_goes_on_to(), tells the watchdog of every step forward, and ends with stress_end(),
 * which prints what was counted with stress_total(), for soak.sh to sum. A failure and a hang print the options that
 * repeat the run.
 */
#ifndef STRESS_H
#define STRESS_H

#include "steps.h"
#include "watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long nothing may happen before the watchdog calls it a hang, seconds. */
#define STRESS_PATIENCE 20
#define STRESS_TOTALS 16

static struct stress {
    const char *name;
    uint64_t seed;
    double secs;
    unsigned long rounds; /* 0: as many as fit in secs */
    unsigned threads;     /* outside threads; the program's default if not given */
    unsigned workers;     /* 0: the program tries several */
    uint64_t delays;      /* the seed of delays at atomic steps; 0: none */
    bool pinned;          /* to one core */
    int64_t end;          /* ns, CLOCK_MONOTONIC */
    struct {
        const char *key;
        uint64_t value;
    } totals[STRESS_TOTALS]; /* written by the main thread */
    pthread_t watchdog;
    _Atomic uint64_t progress;
    _Atomic bool over;
    _Atomic(const char *) phase; /* for the watchdog's message */
} stress;

#define CHECK(condition)                                    \
    do {                                                    \
        if (!(condition))                                   \
            stress_fail(__FILE__, __LINE__, #condition, 0); \
    } while (0)

/* CHECK(a == b) that shows what a was. */
#define CHECK_IS(value, expected)                                                           \
    do {                                                                                    \
        long long is_ = (long long)(value);                                                 \
        if (is_ != (long long)(expected))                                                   \
            stress_fail(__FILE__, __LINE__, #value " == " #expected ", it is really", is_); \
    } while (0)

static inline int64_t stress_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The command that repeats this run, as far as a seed can: the system's part in it is its own. */
static inline void stress_print_run(FILE *stream)
{
    fprintf(stream, "%s --seed %llu --secs %g --threads %u --workers %u --rounds %lu --delays %llu%s\n",
            stress.name, (unsigned long long)stress.seed, stress.secs, stress.threads, stress.workers,
            stress.rounds, (unsigned long long)stress.delays, stress.pinned ? " --pin" : "");
    fflush(stream);
}

_Noreturn static inline void stress_fail(const char *file, int line, const char *what, long long value)
{
    fprintf(stderr, "%s: %s:%d: not so: %s (%lld), in: ", stress.name, file, line, what, value);
    stress_print_run(stderr);
    abort();
}

static inline void stress_progress(void)
{
    atomic_fetch_add_explicit(&stress.progress, 1, memory_order_relaxed);
}

static inline void stress_phase(const char *phase)
{
    atomic_store_explicit(&stress.phase, phase, memory_order_relaxed);
    stress_progress();
}

static inline bool stress_goes_on(void)
{
    return stress_now() < stress.end;
}

/* The same for programs that count their rounds. */
static inline bool stress_goes_on_to(unsigned long round)
{
    return stress.rounds ? round < stress.rounds : stress_goes_on();
}

/* The watchdog. */
static inline void *stress_watch(void *arg)
{
    uint64_t before = UINT64_MAX;
    int patience = (int)watchdog_patience(STRESS_PATIENCE);
    for (int quiet = 0; !atomic_load(&stress.over);) {
        struct timespec pause = { .tv_nsec = 100000000 };
        nanosleep(&pause, NULL);
        uint64_t now = atomic_load_explicit(&stress.progress, memory_order_relaxed);
        quiet = now == before ? quiet + 1 : 0;
        before = now;
        if (quiet >= patience * 10) {
            const char *phase = atomic_load_explicit(&stress.phase, memory_order_relaxed);
            fprintf(stderr, "%s: hangs: nothing happened for %d s (%s), in: ", stress.name, patience,
                    phase ? phase : "the beginning");
            stress_print_run(stderr);
            watchdog_report();
            abort();
        }
    }
    return arg;
}

/* splitmix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static inline uint64_t stress_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Below n. */
static inline unsigned stress_below(uint64_t *state, unsigned n)
{
    return (unsigned)((stress_random(state) >> 32) % n);
}

/* A stream of random numbers of its own for each (a, b). */
static inline uint64_t stress_stream(uint64_t a, uint64_t b)
{
    uint64_t state = stress.seed ^ a * UINT64_C(0xD6E8FEB86659FD93) ^ b * UINT64_C(0xA0761D6478BD642F);
    stress_random(&state);
    return state;
}

/* Keeps the core busy for about n turns. */
static inline void stress_spin(unsigned n)
{
    for (volatile unsigned i = 0; i < n; i++)
        continue;
}

static inline void stress_nap(int64_t ns)
{
    struct timespec pause = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
    nanosleep(&pause, NULL);
}

static inline void stress_usage(void)
{
    fprintf(stderr,
            "usage: %s [--seed N] [--secs S] [--threads T] [--workers W] [--rounds R] [--delays [SEED]] [--pin]\n"
            "--delays (or FILCH_DELAYS=SEED) holds threads up at atomic steps; --pin keeps all on one core\n",
            stress.name);
    exit(2);
}

/* What the option at argv[i] says; how many words it was. */
static inline int stress_option(int i, int argc, char **argv)
{
    const char *option = argv[i], *value = i + 1 < argc && argv[i + 1][0] != '-' ? argv[i + 1] : NULL;
    if (strcmp(option, "--pin") == 0) {
        stress.pinned = true;
        return 1;
    }
    if (strcmp(option, "--delays") == 0) {
        stress.delays = value ? strtoull(value, NULL, 0) : (uint64_t)stress_now() | 1;
        return value ? 2 : 1;
    }
    if (!value)
        stress_usage();
    if (strcmp(option, "--seed") == 0)
        stress.seed = strtoull(value, NULL, 0);
    else if (strcmp(option, "--secs") == 0)
        stress.secs = strtod(value, NULL);
    else if (strcmp(option, "--threads") == 0)
        stress.threads = (unsigned)strtoul(value, NULL, 0);
    else if (strcmp(option, "--workers") == 0)
        stress.workers = (unsigned)strtoul(value, NULL, 0);
    else if (strcmp(option, "--rounds") == 0)
        stress.rounds = strtoul(value, NULL, 0);
    else
        stress_usage();
    return 2;
}

/* To the core that we are on. What we start inherits it. */
static inline void stress_pin(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    CHECK_IS(sched_setaffinity(0, sizeof one, &one), 0);
}

static inline void stress_begin(const char *name, unsigned threads, int argc, char **argv)
{
    stress.name = name;
    stress.seed = (uint64_t)stress_now() % 1000000000;
    stress.secs = 2;
    stress.threads = threads;
    stress.delays = filchi_steps_seed; /* as FILCH_DELAYS says */
    for (int i = 1; i < argc;)
        i += stress_option(i, argc, argv);
    if (!stress.threads || stress.threads > 64 || stress.workers > 1024)
        stress_usage();
    stress_print_run(stdout);
    if (stress.pinned)
        stress_pin();
    filchi_steps_begin(stress.delays);
    stress.end = stress_now() + (int64_t)(stress.secs * 1e9);
    CHECK_IS(pthread_create(&stress.watchdog, NULL, stress_watch, NULL), 0);
}

/* The workers of this round: those asked for, or one of several numbers in turn. */
static inline unsigned stress_workers(unsigned round)
{
    static const unsigned several[] = { 1, 2, 3, 16, 64 };
    return stress.workers ? stress.workers : several[round % 5];
}

/* Runs main(&args[i]) on stress.threads threads and waits for them. */
static inline void stress_run(void *(*thread_main)(void *), void *args, size_t arg_size)
{
    pthread_t threads[64];
    for (unsigned i = 0; i < stress.threads; i++)
        CHECK_IS(pthread_create(&threads[i], NULL, thread_main, (char *)args + i * arg_size), 0);
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
}

/* Adds to what the last line tells as key=value. The main thread, or while it waits for the one that calls. */
static inline void stress_total(const char *key, uint64_t value)
{
    unsigned i = 0;
    while (i < STRESS_TOTALS && stress.totals[i].key && strcmp(stress.totals[i].key, key) != 0)
        i++;
    CHECK(i < STRESS_TOTALS);
    stress.totals[i].key = key;
    stress.totals[i].value += value;
}

static inline int stress_end(void)
{
    atomic_store(&stress.over, true);
    pthread_join(stress.watchdog, NULL);
    printf("%s: ok", stress.name);
    for (unsigned i = 0; i < STRESS_TOTALS && stress.totals[i].key; i++)
        printf(" %s=%llu", stress.totals[i].key, (unsigned long long)stress.totals[i].value);
    printf("\n");
    return 0;
}

#endif
