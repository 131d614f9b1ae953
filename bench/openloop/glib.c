/* SPDX-License-Identifier: MIT */
/*
 * Tasks of 100 us by the clock arrive at random, at a share `load` of what so many workers could do: how long each
 * waits, from when it was to arrive until it starts.
 */
#include "bench.h"

#include <glib.h>

#include <math.h>
#include <time.h>

enum { SERVICE_NS = 100000 };

struct job {
    gint64 index, intended, started, result;
};

struct state {
    GThreadPool *pool;
    GAsyncQueue *finished;
    struct job *jobs;
    gdouble *arrivals; /* of a process of rate 1 */
};

static void serve(gpointer data, gpointer finished)
{
    struct job *job = data;
    job->started = bench_now();
    while (bench_now() - job->started < SERVICE_NS)
        continue;
    job->result = 2 * job->index;
    g_async_queue_push(finished, job);
}

static void wait_until(gint64 when)
{
    struct timespec deadline = { when / 1000000000, when % 1000000000 };
    if (when > bench_now())
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
}

static gint64 serve_all(struct state *state, gint64 n, gdouble gap)
{
    gint64 start = bench_now(), sum = 0;
    for (gint64 i = 0; i < n; i++) {
        struct job *job = &state->jobs[i];
        job->index = i;
        job->intended = start + (gint64)(state->arrivals[i] * gap);
        wait_until(job->intended);
        g_thread_pool_push(state->pool, job, NULL);
    }
    for (gint64 i = 0; i < n; i++)
        sum += ((struct job *)g_async_queue_pop(state->finished))->result;
    return sum;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    int64_t *delays = g_new(int64_t, o->size);
    gint64 sum = serve_all(state, o->size, SERVICE_NS / (o->workers * o->load));
    for (gint64 i = 0; i < o->size; i++)
        delays[i] = state->jobs[i].started - state->jobs[i].intended;
    bench_percentiles(delays, (gsize)o->size);
    bench_time(delays[(o->size - 1) / 2]);
    g_free(delays);
    return sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = g_new(struct state, 1);
    uint64_t seed = 88172645463325252;
    gdouble now = 0;
    state->finished = g_async_queue_new();
    state->pool = g_thread_pool_new(serve, state->finished, (gint)o->workers, TRUE, NULL);
    state->jobs = g_new0(struct job, o->size);
    state->arrivals = g_new0(gdouble, o->size);
    for (gint64 i = 0; i < o->size; i++)
        state->arrivals[i] = now -= log((gdouble)((bench_random(&seed) >> 11) + 1) * 0x1p-53);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    g_thread_pool_free(state->pool, FALSE, TRUE);
    g_async_queue_unref(state->finished);
    g_free(state->jobs);
    g_free(state->arrivals);
    g_free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 10000, .load = 0.8 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
