/* SPDX-License-Identifier: MIT */
/* By how many bytes the process grows for each job that is pending. The threads are held meanwhile. */
#include "bench.h"

#include <glib.h>

#include <stdio.h>
#include <unistd.h>

struct job {
    gint64 value, result; /* a value below 0 holds a thread */
};

struct state {
    GThreadPool *pool;
    GAsyncQueue *finished;
    GMutex mutex;
    GCond changed;
    guint held;
    gboolean open;
    gint64 before; /* bytes resident before the first round's jobs */
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

static void twice(gpointer data, gpointer arg)
{
    struct state *state = arg;
    struct job *job = data;
    if (job->value < 0)
        hold(state);
    job->result = job->value < 0 ? 0 : 2 * job->value;
    g_async_queue_push(state->finished, job);
}

static gint64 resident(void)
{
    glong pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%*d %ld", &pages) != 1)
        bench_fail("cannot read /proc/self/statm");
    fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

static void push(struct state *state, gint64 value)
{
    struct job *job = g_new(struct job, 1);
    job->value = value;
    g_thread_pool_push(state->pool, job, NULL);
}

static void hold_threads(struct state *state, guint n)
{
    state->held = 0;
    state->open = FALSE;
    for (guint i = 0; i < n; i++)
        push(state, -1);
    g_mutex_lock(&state->mutex);
    while (state->held < n)
        g_cond_wait(&state->changed, &state->mutex);
    g_mutex_unlock(&state->mutex);
    if (state->before == 0)
        state->before = resident();
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    gint64 sum = 0;
    hold_threads(state, o->workers);
    for (gint64 i = 0; i < o->size; i++)
        push(state, i);
    bench_metric("bytes", (resident() - state->before) / o->size);
    g_mutex_lock(&state->mutex);
    state->open = TRUE;
    g_cond_broadcast(&state->changed);
    g_mutex_unlock(&state->mutex);
    for (gint64 i = 0; i < o->size + o->workers; i++) {
        struct job *job = g_async_queue_pop(state->finished);
        sum += job->result;
        g_free(job);
    }
    return sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = g_new0(struct state, 1);
    g_mutex_init(&state->mutex);
    g_cond_init(&state->changed);
    state->finished = g_async_queue_new();
    state->pool = g_thread_pool_new(twice, state, (gint)o->workers, TRUE, NULL);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    g_thread_pool_free(state->pool, FALSE, TRUE);
    g_async_queue_unref(state->finished);
    g_free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
