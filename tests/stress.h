/* SPDX-License-Identifier: MIT */
/*
 * What the stress programs share: options, random numbers that a seed repeats, a watchdog, a check that never
 * compiles away. A program begins with stress_begin(), works while stress_goes_on() or stress_goes_on_to(), tells the
 * watchdog of every step forward, and ends with stress_end(), which prints what was counted.
 */
#ifndef STRESS_H
#define STRESS_H

#include "watchdog.h"

#include <errno.h>
#include <pthread.h>
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

static struct stress {
    const char *name;
    uint64_t seed;
    double secs;
    unsigned long rounds; /* 0: as many as fit in secs */
    unsigned threads;     /* outside threads; the program's default if not given */
    unsigned workers;     /* 0: the program tries several */
    int64_t end;          /* ns, CLOCK_MONOTONIC */
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

_Noreturn static inline void stress_fail(const char *file, int line, const char *what, long long value)
{
    fprintf(stderr, "%s: %s:%d: not so: %s (%lld); --seed %llu\n", stress.name, file, line, what, value,
            (unsigned long long)stress.seed);
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

static inline void *stress_watch(void *arg)
{
    uint64_t before = UINT64_MAX;
    for (int quiet = 0; !atomic_load(&stress.over);) {
        struct timespec pause = { .tv_nsec = 100000000 };
        nanosleep(&pause, NULL);
        uint64_t now = atomic_load_explicit(&stress.progress, memory_order_relaxed);
        quiet = now == before ? quiet + 1 : 0;
        before = now;
        if (quiet >= STRESS_PATIENCE * 10) {
            const char *phase = atomic_load_explicit(&stress.phase, memory_order_relaxed);
            fprintf(stderr, "%s: hangs: nothing happened for %d s (in: %s); --seed %llu\n", stress.name,
                    STRESS_PATIENCE, phase ? phase : "the beginning", (unsigned long long)stress.seed);
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
    fprintf(stderr, "usage: %s [--seed N] [--secs S] [--threads T] [--workers W] [--rounds R]\n", stress.name);
    exit(2);
}

static inline void stress_begin(const char *name, unsigned threads, int argc, char **argv)
{
    stress.name = name;
    stress.seed = (uint64_t)stress_now() % 1000000000;
    stress.secs = 2;
    stress.threads = threads;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            stress_usage();
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--seed") == 0)
            stress.seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--secs") == 0)
            stress.secs = strtod(value, NULL);
        else if (strcmp(argv[i], "--threads") == 0)
            stress.threads = (unsigned)strtoul(value, NULL, 0);
        else if (strcmp(argv[i], "--workers") == 0)
            stress.workers = (unsigned)strtoul(value, NULL, 0);
        else if (strcmp(argv[i], "--rounds") == 0)
            stress.rounds = strtoul(value, NULL, 0);
        else
            stress_usage();
    }
    if (!stress.threads || stress.threads > 64 || stress.workers > 1024)
        stress_usage();
    printf("%s: --seed %llu --secs %g --threads %u --workers %u\n", stress.name, (unsigned long long)stress.seed,
           stress.secs, stress.threads, stress.workers);
    fflush(stdout);
    stress.end = stress_now() + (int64_t)(stress.secs * 1e9);
    CHECK_IS(pthread_create(&stress.watchdog, NULL, stress_watch, NULL), 0);
}

/* The workers of this round: those asked for, or one of several numbers in turn. */
static inline unsigned stress_workers(unsigned round)
{
    static const unsigned several[] = { 1, 2, 3, 16 };
    return stress.workers ? stress.workers : several[round % 4];
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

static inline int stress_end(void)
{
    atomic_store(&stress.over, true);
    pthread_join(stress.watchdog, NULL);
    printf("%s: ok\n", stress.name);
    return 0;
}

#endif
