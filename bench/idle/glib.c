/* SPDX-License-Identifier: MIT */
/* What CPU time a pool takes that has run one task and now has nothing to do, for `size` milliseconds. */
#include "bench.h"

#include <glib.h>

#include <time.h>

struct state {
    GThreadPool *pool;
    GAsyncQueue *results;
};

static void twice(gpointer data, gpointer results)
{
    g_async_queue_push(results, GINT_TO_POINTER(2 * GPOINTER_TO_INT(data)));
}

static int64_t cpu_time(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    g_thread_pool_push(state->pool, GINT_TO_POINTER(21), NULL);
    int result = GPOINTER_TO_INT(g_async_queue_pop(state->results));
    int64_t before = cpu_time();
    g_usleep((gulong)o->size * 1000);
    int64_t used = cpu_time() - before;
    bench_metric("cpu_ns", used);
    bench_time(used);
    return result;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = g_new(struct state, 1);
    state->results = g_async_queue_new();
    state->pool = g_thread_pool_new(twice, state->results, (gint)o->workers, TRUE, NULL);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    g_thread_pool_free(state->pool, FALSE, TRUE);
    g_async_queue_unref(state->results);
    g_free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 500 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
