/* SPDX-License-Identifier: MIT */
/* By how many bytes the process grows for each work request that is pending. The threads are held meanwhile. */
#include "bench.h"

#include <uv.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    uv_work_t work;
    int64_t value, result;
};

struct state {
    uv_loop_t loop;
    uv_work_t *holders;
    uv_sem_t held, gate;
    int64_t sum;
    int64_t before; /* bytes resident before the first round's requests */
};

static void hold(uv_work_t *work)
{
    struct state *state = work->loop->data;
    uv_sem_post(&state->held);
    uv_sem_wait(&state->gate);
}

static void twice(uv_work_t *work)
{
    struct job *job = work->data;
    job->result = 2 * job->value;
}

static void after(uv_work_t *work, int status)
{
    struct state *state = work->loop->data;
    struct job *job = work->data;
    if (status != 0)
        bench_fail("a task was cancelled");
    state->sum += job->result;
    free(job);
}

static int64_t resident(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%*d %ld", &pages) != 1)
        bench_fail("cannot read /proc/self/statm");
    fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

static void hold_threads(struct state *state, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (uv_queue_work(&state->loop, &state->holders[i], hold, NULL) != 0)
            bench_fail("cannot hold a thread");
    for (unsigned i = 0; i < n; i++)
        uv_sem_wait(&state->held);
    if (state->before == 0)
        state->before = resident();
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    state->sum = 0;
    hold_threads(state, o->workers);
    for (int64_t i = 0; i < o->size; i++) {
        struct job *job = malloc(sizeof *job);
        job->work.data = job;
        job->value = i;
        if (uv_queue_work(&state->loop, &job->work, twice, after) != 0)
            bench_fail("cannot queue work");
    }
    bench_metric("bytes", (resident() - state->before) / o->size);
    for (unsigned i = 0; i < o->workers; i++)
        uv_sem_post(&state->gate);
    uv_run(&state->loop, UV_RUN_DEFAULT);
    return state->sum;
}

static void *setup(const struct bench_options *o)
{
    char workers[16];
    struct state *state = calloc(1, sizeof *state);
    snprintf(workers, sizeof workers, "%u", o->workers);
    setenv("UV_THREADPOOL_SIZE", workers, 1);
    uv_loop_init(&state->loop);
    uv_sem_init(&state->held, 0);
    uv_sem_init(&state->gate, 0);
    state->loop.data = state;
    state->holders = calloc(o->workers, sizeof *state->holders);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    uv_loop_close(&state->loop);
    free(state->holders);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
