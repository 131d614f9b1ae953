/* SPDX-License-Identifier: MIT */
/*
 * How long it takes from stopping a pool, with tasks of 10 us queued, until it is freed and every job knows
 * what became of it. The workers are held until all is queued.
 */
#include "bench.h"

#include <glib.h>

enum { TASK_US = 10 };

enum outcome { PENDING, HOLD, DONE, CANCELLED };

struct job {
    struct state *state;
    enum outcome outcome;
};

struct state {
    struct job *jobs;
    GMutex mutex;
    GCond changed;
    guint held;
    gboolean open;
    gint started;
};

static void hold(struct state *state)
{
    g_mutex_lock(&state->mutex);
    state->held++;
    g_cond_broadcast(&state->changed);
    while (!state->open)
        g_cond_wait(&state->changed, &state->mutex);
    g_mutex_unlock(&state->mutex);
}

static void work(gpointer data, gpointer unused)
{
    struct job *job = data;
    gint64 end = bench_now() + TASK_US * 1000;
    (void)unused;
    if (job->outcome == HOLD) {
        hold(job->state);
        return;
    }
    g_atomic_int_inc(&job->state->started);
    while (bench_now() < end)
        ;
    job->outcome = DONE;
}

static void queue(struct state *state, GThreadPool *pool, struct job *holders, const struct bench_options *o)
{
    state->held = 0;
    state->open = FALSE;
    for (guint i = 0; i < o->workers; i++) {
        holders[i] = (struct job) { state, HOLD };
        g_thread_pool_push(pool, &holders[i], NULL);
    }
    g_mutex_lock(&state->mutex);
    while (state->held < o->workers)
        g_cond_wait(&state->changed, &state->mutex);
    g_mutex_unlock(&state->mutex);
    for (gint64 i = 0; i < o->size; i++) {
        state->jobs[i] = (struct job) { state, PENDING };
        g_thread_pool_push(pool, &state->jobs[i], NULL);
    }
    g_mutex_lock(&state->mutex);
    state->open = TRUE;
    g_cond_broadcast(&state->changed);
    g_mutex_unlock(&state->mutex);
    while (g_atomic_int_get(&state->started) == 0)
        g_thread_yield();
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    GThreadPool *pool = g_thread_pool_new(work, NULL, (gint)o->workers, TRUE, NULL);
    struct job *holders = g_new(struct job, o->workers);
    gint64 final = 0;
    state->started = 0;
    queue(state, pool, holders, o);
    gint before = g_atomic_int_get(&state->started);
    gint64 start = bench_now();
    g_thread_pool_free(pool, TRUE, TRUE);
    for (gint64 i = 0; i < o->size; i++)
        if (state->jobs[i].outcome == PENDING)
            state->jobs[i].outcome = CANCELLED;
    bench_time(bench_now() - start);
    bench_metric("started", state->started - before);
    for (gint64 i = 0; i < o->size; i++)
        final += state->jobs[i].outcome != PENDING;
    g_free(holders);
    return final;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = g_new0(struct state, 1);
    g_mutex_init(&state->mutex);
    g_cond_init(&state->changed);
    state->jobs = g_new0(struct job, o->size);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    g_free(state->jobs);
    g_free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
