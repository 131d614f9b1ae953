/* SPDX-License-Identifier: MIT */
/* The frame around a benchmark program in C or C++: see bench.h. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EXIT_USAGE 2
#define DEFAULT_ROUNDS 3
#define MOST_METRICS 16

/* What the round under way has told. Written by the thread that runs it. */
static struct {
    int64_t ns; /* -1: all of the round */
    size_t count;
    struct {
        const char *name;
        int64_t value;
    } metrics[MOST_METRICS];
} told;

int64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

void bench_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    /* Not exit(): other threads may be at work, and destructors would pull the pool from under them. */
    fflush(NULL);
    _Exit(EXIT_FAILURE);
}

/* ---- Options ----------------------------------------------------------------------------------------------- */

static void bad_usage(const char *option, const char *text)
{
    fprintf(stderr, "%s: --%s cannot be %s\n", program_invocation_name, option, text);
    exit(EXIT_USAGE);
}

static int64_t parse_number(const char *option, const char *text, int64_t least, int64_t most)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most)
        bad_usage(option, text);
    return value;
}

static double parse_load(const char *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(isfinite(value) && value >= 0))
        bad_usage(option, text);
    return value;
}

static unsigned cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static struct bench_options parse(int argc, char **argv, struct bench_options options)
{
    static const struct option known[] = {
        { "workers", required_argument, NULL, 'w' },   { "size", required_argument, NULL, 's' },
        { "rounds", required_argument, NULL, 'r' },    { "warmup", required_argument, NULL, 'u' },
        { "producers", required_argument, NULL, 'p' }, { "chunk", required_argument, NULL, 'c' },
        { "load", required_argument, NULL, 'l' },      { 0 },
    };
    int which = 0;
    for (int key; (key = getopt_long(argc, argv, "", known, &which)) != -1;) {
        const char *name = known[which].name;
        if (key == '?')
            exit(EXIT_USAGE); /* getopt has said why */
        else if (key == 'l')
            options.load = parse_load(name, optarg);
        else if (key == 's')
            options.size = parse_number(name, optarg, 0, INT64_MAX);
        else if (key == 'c')
            options.chunk = parse_number(name, optarg, 0, INT64_MAX);
        else if (key == 'u')
            options.warmup = (unsigned)parse_number(name, optarg, 0, INT_MAX);
        else
            *(key == 'w'   ? &options.workers
              : key == 'r' ? &options.rounds
                           : &options.producers) = (unsigned)parse_number(name, optarg, 1, INT_MAX);
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected word '%s'\n", program_invocation_name, argv[optind]);
        exit(EXIT_USAGE);
    }
    options.workers = options.workers ? options.workers : cpus();
    options.rounds = options.rounds ? options.rounds : DEFAULT_ROUNDS;
    options.producers = options.producers ? options.producers : 1;
    return options;
}

/* ---- Rounds ------------------------------------------------------------------------------------------------ */

void bench_metric(const char *name, int64_t value)
{
    if (told.count == MOST_METRICS)
        bench_fail("a round has %d further figures at most", MOST_METRICS);
    told.metrics[told.count].name = name;
    told.metrics[told.count++].value = value;
}

void bench_time(int64_t ns)
{
    told.ns = ns;
}

static int ascending(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void bench_percentiles(int64_t *samples, size_t n)
{
    static const struct {
        const char *name;
        size_t per_mille;
    } ranks[] = { { "p50", 500 }, { "p99", 990 }, { "p999", 999 } };
    if (n == 0)
        bench_fail("no samples to take percentiles of");
    qsort(samples, n, sizeof *samples, ascending);
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        bench_metric(ranks[i].name, samples[(n * ranks[i].per_mille + 999) / 1000 - 1]);
}

static void print_round(int64_t check)
{
    printf("ns=%" PRId64 " check=%" PRId64, told.ns, check);
    for (size_t i = 0; i < told.count; i++)
        printf(" %s=%" PRId64, told.metrics[i].name, told.metrics[i].value);
    putchar('\n');
    fflush(stdout); /* whoever kills a program that hangs still sees its last round */
}

static int64_t run_round(const struct bench_program *program, void *state, const struct bench_options *options)
{
    told.ns = -1;
    told.count = 0;
    int64_t start = bench_now();
    int64_t check = program->round(state, options);
    int64_t ns = bench_now() - start;
    if (told.ns < 0)
        told.ns = ns;
    return check;
}

int bench_main(int argc, char **argv, const struct bench_program *program)
{
    struct bench_options options = parse(argc, argv, program->defaults);
    void *state = program->setup ? program->setup(&options) : NULL;
    int64_t first = 0;
    for (unsigned i = 0; i < options.warmup + options.rounds; i++) {
        int64_t check = run_round(program, state, &options);
        if (i == 0)
            first = check;
        if (check != first)
            bench_fail("round %u gives %" PRId64 ", the first gave %" PRId64, i, check, first);
        if (i >= options.warmup)
            print_round(check);
    }
    if (program->teardown)
        program->teardown(state);
    return EXIT_SUCCESS;
}
