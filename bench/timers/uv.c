/* SPDX-License-Identifier: MIT */
/* Many timers of 100 ms in one loop. */
#include "bench.h"

#include <uv.h>

#include <stdlib.h>

enum { DELAY_MS = 100 };

struct timeout {
    uv_timer_t timer;
    int64_t value;
};

struct state {
    uv_loop_t loop;
    struct timeout *timeouts;
    int64_t sum;
};

static void twice(uv_timer_t *timer)
{
    struct state *state = timer->loop->data;
    struct timeout *timeout = timer->data;
    state->sum += 2 * timeout->value;
    uv_close((uv_handle_t *)timer, NULL);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    state->sum = 0;
    uv_update_time(&state->loop);
    for (int64_t i = 0; i < o->size; i++) {
        struct timeout *timeout = &state->timeouts[i];
        uv_timer_init(&state->loop, &timeout->timer);
        timeout->timer.data = timeout;
        timeout->value = i;
        uv_timer_start(&timeout->timer, twice, DELAY_MS, 0);
    }
    uv_run(&state->loop, UV_RUN_DEFAULT);
    return state->sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = malloc(sizeof *state);
    uv_loop_init(&state->loop);
    state->loop.data = state;
    state->timeouts = calloc((size_t)o->size, sizeof *state->timeouts);
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    uv_loop_close(&state->loop);
    free(state->timeouts);
    free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 10000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
