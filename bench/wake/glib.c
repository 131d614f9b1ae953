/* SPDX-License-Identifier: MIT */
/* How long it takes from submitting a task to a pool that sleeps until the task starts. */
#include "bench.h"

#include <glib.h>

enum { UNTIL_ASLEEP_US = 2000 };

struct job {
    GMutex mutex;
    GCond finished;
    gboolean done;
    gint64 index, started, result;
};

static void note_start(gpointer data, gpointer unused)
{
    struct job *job = data;
    (void)unused;
    job->started = bench_now();
    g_mutex_lock(&job->mutex);
    job->result = 2 * job->index;
    job->done = TRUE;
    g_cond_signal(&job->finished);
    g_mutex_unlock(&job->mutex);
}

static void await(struct job *job)
{
    g_mutex_lock(&job->mutex);
    while (!job->done)
        g_cond_wait(&job->finished, &job->mutex);
    g_mutex_unlock(&job->mutex);
}

static int64_t run(void *pool, const struct bench_options *o)
{
    int64_t *latencies = g_new(int64_t, o->size);
    gint64 sum = 0;
    for (gint64 i = 0; i < o->size; i++) {
        struct job job = { .index = i };
        g_mutex_init(&job.mutex);
        g_cond_init(&job.finished);
        g_usleep(UNTIL_ASLEEP_US);
        int64_t submitted = bench_now();
        g_thread_pool_push(pool, &job, NULL);
        await(&job);
        latencies[i] = job.started - submitted;
        sum += job.result;
        g_cond_clear(&job.finished);
        g_mutex_clear(&job.mutex);
    }
    bench_percentiles(latencies, (gsize)o->size);
    bench_time(latencies[(o->size - 1) / 2]);
    g_free(latencies);
    return sum;
}

static void *setup(const struct bench_options *o)
{
    return g_thread_pool_new(note_start, NULL, (gint)o->workers, TRUE, NULL);
}

static void teardown(void *pool)
{
    g_thread_pool_free(pool, FALSE, TRUE);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 200 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
