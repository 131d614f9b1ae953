/* SPDX-License-Identifier: MIT */
/* Tasks that each block for 20 ms. */
#include "bench.h"

#include <glib.h>

enum { BLOCK_US = 20000 };

struct job {
    gint64 value, result;
};

struct state {
    GThreadPool *pool;
    GAsyncQueue *finished;
};

static void block(gpointer data, gpointer finished)
{
    struct job *job = data;
    g_usleep(BLOCK_US);
    job->result = 2 * job->value;
    g_async_queue_push(finished, job);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    gint64 sum = 0;
    for (gint64 i = 0; i < o->size; i++) {
        struct job *job = g_new(struct job, 1);
        job->value = i;
        g_thread_pool_push(state->pool, job, NULL);
    }
    for (gint64 i = 0; i < o->size; i++) {
        struct job *job = g_async_queue_pop(state->finished);
        sum += job->result;
        g_free(job);
    }
    return sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = g_new(struct state, 1);
    state->finished = g_async_queue_new();
    state->pool = g_thread_pool_new(block, state->finished, (gint)o->workers, TRUE, NULL);
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
    struct bench_program program = { { .size = 100 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
