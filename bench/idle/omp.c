/* SPDX-License-Identifier: MIT */
/* What CPU time a team takes that has run one region and now has nothing to do, for `size` milliseconds. */
#include "bench.h"

#include <omp.h>
#include <time.h>

static int64_t cpu_time(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int64_t run(void *unused, const struct bench_options *o)
{
    struct timespec idle = { o->size / 1000, o->size % 1000 * 1000000 };
    int64_t result = 0;
    (void)unused;
#pragma omp parallel num_threads(o->workers)
#pragma omp single
#pragma omp task shared(result)
    result = 2 * 21;
    int64_t before = cpu_time();
    nanosleep(&idle, NULL);
    int64_t used = cpu_time() - before;
    bench_metric("cpu_ns", used);
    bench_time(used);
    return result;
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 500 }, NULL, run, NULL };
    return bench_main(argc, argv, &program);
}
