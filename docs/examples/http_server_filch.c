/* SPDX-License-Identifier: MIT */
/*
 * The work by filch. A request is a task; it opens a scope, which has the request's deadline, and submits its items into it.
 * The first that fails stops the others, and its error is the request's.
 *
 * What is finished comes to the loop through one completion queue: the items, so that each is answered at once, and the
 * request itself, whose end is the end of the answer. Between bursts that is one write and one read of an eventfd,
 * however many items a burst has. The alternative, a buffer of lines for each connection with a lock and
 * uv_async_send(), costs the lock, a list of the connections that have news, and a second way for the end.
 *
 * There are two pools, as the system can preempt a thread and filch cannot preempt a task: long requests do not hold up short
 * ones. Two bounds hold for each. It takes no more than --queue requests that wait to be begun, and refuses further ones at
 * once: that is the 503. And a request that has begun, and waits for its items, keeps a thread, of which the pool has a
 * limited number: so there are never more of those either.
 */
#include "http_server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <filch/filch.h>

#define BATCH 64
#define BULK_NS 200000 /* a request that costs more is bulk */
#define BULK_NICE 5
#define BALANCE_MS 100

struct backend_state {
    filch_pool *quick, *bulk;
    int bulk_nice; /* constant: of the threads of the latter */
    filch_cq *cq;  /* of both */
    uv_poll_t readable;
    uv_timer_t balance;
    bool had_quick; /* requests, since the timer came last */
};

struct request {
    struct exchange *exchange;
    filch_stop *stop;       /* of the connection: requested when it is lost, and then for good */
    size_t submitted;       /* items that will come to the queue; the task's, until the task is over */
    size_t delivered;       /* loop */
    filch_future *end;      /* loop: of the task, once it is over */
    atomic_size_t finished; /* of a brief one: items, and which they were, in the order in which they finished */
    uint8_t order[WORK_MOST_ITEMS];
};

static struct backend_state *state_of(const struct exchange *exchange)
{
    return exchange->server->backend;
}

/* ---- On the pool's threads --------------------------------------------------------------------------------- */

static bool is_stopped(void *task)
{
    return filch_task_stopped(task);
}

/* The worker does something else meanwhile. */
static int pause_blocking(void *task, uint64_t milliseconds)
{
    filch_blocking_begin(task);
    int rc = filch_sleep(FILCH_MS((int64_t)milliseconds));
    filch_blocking_end(task);
    return rc;
}

static int run_item(filch_task *self, void *arg)
{
    struct work_item *item = arg;
    const struct work_host host = { .stopped = is_stopped, .sleep = pause_blocking, .self = self };
    struct request *request = item->exchange->backend;
    int rc = work_run(item, item->exchange->body, item->exchange->body_size, &host);
    if (rc == 0) { /* relaxed: the loop looks when the request is over */
        size_t nth = atomic_fetch_add_explicit(&request->finished, 1, memory_order_relaxed);
        request->order[nth] = (uint8_t)(item - item->exchange->items);
    }
    if (rc == 0 || rc == -ECANCELED)
        return rc;
    return filch_fail(self, rc, "item %d: %s", (int)(item - item->exchange->items), item->why);
}

static int submit_item(filch_scope *scope, struct request *request, struct work_item *item)
{
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    if (exchange_is_brief(request->exchange))
        return filch_scope_submit(scope, run_item, item, NULL);
    int rc = filch_scope_submit(scope, run_item, item, &future);
    if (rc == 0)
        rc = filch_cq_add(state_of(request->exchange)->cq, future, request);
    if (rc == 0)
        request->submitted++;
    return rc;
}

static int run_request(filch_task *self, void *arg)
{
    struct request *request = arg;
    struct exchange *exchange = request->exchange;
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *error = NULL;
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    int64_t left = exchange->deadline - filch_now(); /* it may have waited for long */
    options.timeout_ns = left > 0 ? left : 0;
    int rc = filch_scope_open(&scope, filch_task_pool(self), &options);
    for (size_t i = 0; rc == 0 && i < exchange->count; i++)
        rc = submit_item(scope, request, &exchange->items[i]);
    if (rc == 0)
        rc = filch_scope_join(scope, &error);
    if (rc == -ETIMEDOUT)
        return filch_fail(self, rc, "the deadline is over");
    return error ? filch_fail_from(self, error, rc, "the request ended early") : rc;
}

/* ---- On the loop's thread ---------------------------------------------------------------------------------- */

static int request_of(struct exchange *exchange, struct request **out)
{
    struct request *request = exchange->backend;
    if (!request) {
        request = calloc(1, sizeof *request);
        if (!request)
            return -ENOMEM;
        int rc = filch_stop_create(&request->stop, NULL);
        if (rc) {
            free(request);
            return rc;
        }
        request->exchange = exchange;
        exchange->backend = request;
    }
    request->submitted = request->delivered = 0;
    atomic_store_explicit(&request->finished, 0, memory_order_relaxed);
    request->end = NULL;
    *out = request;
    return 0;
}

static int begin(struct exchange *exchange)
{
    struct backend_state *state = state_of(exchange);
    struct request *request;
    filch_task_options options = FILCH_TASK_OPTIONS;
    int rc = request_of(exchange, &request);
    if (rc)
        return rc;
    for (size_t i = 0; i < exchange->count; i++)
        exchange->items[i].exchange = exchange;
    options.stop = request->stop;
    bool quick = exchange->cost < BULK_NS;
    state->had_quick |= quick;
    return filch_cq_submit(state->cq, quick ? state->quick : state->bulk, run_request, request, &options, request);
}

static void stop(struct exchange *exchange)
{
    struct request *request = exchange->backend;
    filch_stop_request(request->stop, -ECANCELED);
}

static void fini(struct exchange *exchange)
{
    struct request *request = exchange->backend;
    if (!request)
        return;
    filch_stop_unref(request->stop);
    free(request);
}

/* The request's task is over, and all its items were delivered. */
static void end(struct request *request)
{
    filch_future *future = request->end;
    filch_state state = filch_future_state(future);
    char text[800];
    text[0] = '\0';
    int code = state == FILCH_DONE ? 0 : -ECANCELED;
    if (state == FILCH_FAILED) {
        const filch_error *error = filch_future_error(future);
        code = filch_error_code(error);
        filch_error_format(error, text, sizeof text);
    }
    if (exchange_is_brief(request->exchange)) {
        size_t finished = atomic_load_explicit(&request->finished, memory_order_relaxed);
        for (size_t i = 0; i < finished; i++)
            exchange_item(request->exchange, &request->exchange->items[request->order[i]]);
    }
    exchange_end(request->exchange, code, text[0] != '\0' ? text : NULL);
    filch_future_unref(future);
}

static void deliver(const filch_cq_entry *entry)
{
    struct request *request = entry->tag;
    if (filch_future_arg(entry->future) == request) {
        request->end = entry->future;
    } else {
        request->delivered++;
        if (filch_future_state(entry->future) == FILCH_DONE)
            exchange_item(request->exchange, filch_future_arg(entry->future));
        filch_future_unref(entry->future);
    }
    if (request->end && request->delivered == request->submitted)
        end(request);
}

/* One batch for each time that the loop comes round: it is called again while there is more. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct backend_state *state = poll->data;
    filch_cq_entry entries[BATCH];
    (void)status, (void)events;
    size_t n = filch_cq_drain(state->cq, entries, BATCH);
    for (size_t i = 0; i < n; i++)
        deliver(&entries[i]);
}

/* On each thread of the bulk pool. On Linux the calling thread is what 0 stands for. */
static int step_back(void *nice)
{
    setpriority(PRIO_PROCESS, 0, *(const int *)nice); /* if it may not, it works all the same */
    return 0;
}

static int open_pools(struct backend_state *state, const struct server_options *chosen)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.name = "quick";
    options.workers = (unsigned)chosen->workers;
    options.capacity = (size_t)chosen->queue;
    options.overflow = FILCH_REJECT;
    options.metrics = true;
    options.idle =
        FILCH_IDLE_FRUGAL; /* the loop, which has work then, can use the CPU better than a thread that spins */
    int rc = filch_pool_create(&state->quick, &options);
    if (rc)
        return rc;
    state->bulk_nice = getpriority(PRIO_PROCESS, 0) + BULK_NICE; /* a thread has that of who started it */
    options.name = "bulk";
    options.worker_init = step_back;
    options.worker_arg = &state->bulk_nice;
    rc = filch_pool_create(&state->bulk, &options);
    if (rc)
        filch_pool_destroy(state->quick);
    return rc;
}

/* While there are short requests, long ones get half of the CPUs. */
static void on_balance(uv_timer_t *timer)
{
    struct backend_state *state = timer->data;
    unsigned all = filch_pool_workers(state->quick), wanted = state->had_quick ? (all + 1) / 2 : all;
    state->had_quick = false;
    if (wanted != filch_pool_workers(state->bulk))
        filch_pool_resize(state->bulk, wanted); /* without memory it stays as it was */
}

static int open_backend(struct server *server)
{
    static struct backend_state state;
    int rc = open_pools(&state, server->options);
    if (rc == 0)
        rc = filch_cq_create(&state.cq);
    if (rc == 0)
        rc = uv_poll_init(&server->loop, &state.readable, filch_cq_fd(state.cq));
    if (rc)
        return rc;
    server->backend = state.readable.data = state.balance.data = &state;
    uv_timer_init(&server->loop, &state.balance);
    uv_timer_start(&state.balance, on_balance, BALANCE_MS, BALANCE_MS);
    return uv_poll_start(&state.readable, UV_READABLE, on_readable);
}

static size_t pool_stats(filch_pool *pool, const char *name, char *out, size_t size)
{
    filch_pool_stats numbers = FILCH_POOL_STATS;
    filch_pool_stats_get(pool, &numbers);
    int length = snprintf(
        out, size,
        "pool_workers{pool=\"%s\"} %u\npool_threads{pool=\"%s\"} %u\npool_submitted_total{pool=\"%s\"} %llu\n"
        "pool_finished_total{pool=\"%s\"} %llu\npool_stolen_total{pool=\"%s\"} %llu\n"
        "pool_handoffs_total{pool=\"%s\"} %llu\npool_parks_total{pool=\"%s\"} %llu\n",
        name, numbers.workers, name, numbers.threads, name, (unsigned long long)numbers.submitted, name,
        (unsigned long long)numbers.finished, name, (unsigned long long)numbers.stolen, name,
        (unsigned long long)numbers.handoffs, name, (unsigned long long)numbers.parks);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

static size_t stats(struct server *server, char *out, size_t size)
{
    struct backend_state *state = server->backend;
    size_t length = pool_stats(state->quick, "quick", out, size);
    return length + pool_stats(state->bulk, "bulk", out + length, size - length);
}

/* It may have grown since it was measured. */
static char *metrics(struct server *server, size_t *length)
{
    const struct backend_state *state = server->backend;
    filch_pool *const pools[] = { state->quick, state->bulk };
    char *text = NULL;
    int64_t size = 0, n;
    while ((n = filch_metrics_format(pools, 2, text, (size_t)size)) >= size) {
        free(text);
        size = n + 256;
        text = malloc((size_t)size);
        if (!text)
            return NULL;
    }
    *length = n > 0 ? (size_t)n : 0;
    return text;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct backend_state *state = handle->data;
    filch_pool_destroy(state->quick);
    filch_pool_destroy(state->bulk);
    filch_cq_destroy(state->cq);
}

static void close_backend(struct server *server)
{
    struct backend_state *state = server->backend;
    uv_close((uv_handle_t *)&state->balance, NULL);
    uv_close((uv_handle_t *)&state->readable, on_poll_closed);
}

const struct backend server_backend = {
    .name = "filch",
    .open = open_backend,
    .begin = begin,
    .stop = stop,
    .fini = fini,
    .stats = stats,
    .metrics = metrics,
    .close = close_backend,
};
