/* SPDX-License-Identifier: MIT */
/* Many timeouts of 100 ms in one main loop. */
#include "bench.h"

#include <glib.h>

enum { DELAY_MS = 100 };

struct state {
    GMainLoop *loop;
    struct timeout *timeouts;
    gint64 missing, sum;
};

struct timeout {
    struct state *state;
    gint64 value;
};

static gboolean twice(gpointer data)
{
    struct timeout *timeout = data;
    struct state *state = timeout->state;
    state->sum += 2 * timeout->value;
    if (--state->missing == 0)
        g_main_loop_quit(state->loop);
    return G_SOURCE_REMOVE;
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    state->sum = 0;
    state->missing = o->size;
    for (gint64 i = 0; i < o->size; i++) {
        state->timeouts[i] = (struct timeout) { state, i };
        g_timeout_add(DELAY_MS, twice, &state->timeouts[i]);
    }
    g_main_loop_run(state->loop);
    return state->sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = g_new(struct state, 1);
    state->loop = g_main_loop_new(NULL, FALSE);
    state->timeouts = g_new0(struct timeout, o->size);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    g_main_loop_unref(state->loop);
    g_free(state->timeouts);
    g_free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 10000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
