/* SPDX-License-Identifier: MIT */
/* What a benchmark program in C or C++ shares with all the others: its options, its rounds, its output. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_options {
    unsigned workers;   /* threads of the pool; 0 in the defaults: one for each CPU of the affinity mask */
    unsigned rounds;    /* measured ones; 0 in the defaults: 3 */
    unsigned warmup;    /* rounds before them that are checked and not told */
    unsigned producers; /* threads outside the pool that submit; 0 in the defaults: 1 */
    int64_t size;       /* what it counts is up to the workload */
    int64_t chunk;      /* elements of a map that make a task; 0: as the peer chooses */
    double load;        /* of open loops: arrivals as a share of capacity */
};

struct bench_program {
    struct bench_options defaults;
    void *(*setup)(const struct bench_options *options); /* the pool and so on; may be NULL */
    /* Timed as a whole. Gives the value to check, which is the same in each round. */
    int64_t (*round)(void *state, const struct bench_options *options);
    void (*teardown)(void *state); /* may be NULL */
};

/* Reads the options, sets up, runs the rounds and prints a line for each that is measured. What main() returns. */
int bench_main(int argc, char **argv, const struct bench_program *program);

/* Monotonic, in ns. Any thread. */
int64_t bench_now(void);

/* The next of xorshift64's numbers; *state is not 0. */
uint64_t bench_random(uint64_t *state);

/* Says so on standard error and ends the process with status 1. Any thread. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- In a round, by the thread that runs it ---------------------------------------------------------------- */

/* A further figure of this round; `name`, without spaces, outlives it. */
void bench_metric(const char *name, int64_t value);

/* This is the time of the round, and not all of it. */
void bench_time(int64_t ns);

/* Sorts the samples, of which there is at least one, and tells their p50, p99 and p999. */
void bench_percentiles(int64_t *samples, size_t n);

#ifdef __cplusplus
}
#endif

#endif
