/* SPDX-License-Identifier: MIT */
/*
 * The peer's backend of docs/examples/http_server: libuv's own thread pool. Each item is a uv_queue_work(); its second
 * callback, on the loop, is how it comes back, and a count there finds a request's end. The first failure, a hang-up or
 * the deadline, for which each request has a uv_timer_t, cancels what has not started and tells what runs by a flag.
 *
 * The pool has as many threads as UV_THREADPOOL_SIZE says: --workers sets it, 0 leaves it as it is (4 by default).
 */
#include "http_server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_MS 5u /* a sleep looks so often whether it is stopped */

struct request;

struct job {
    uv_work_t work;
    struct request *request;
    struct work_item *item;
    int code; /* what the work returned */
};

struct request {
    struct exchange *exchange;
    uv_timer_t deadline;
    struct job jobs[WORK_MOST_ITEMS];
    atomic_bool stopped;
    size_t unfinished;
    int code; /* the first reason; 0: none */
    char text[160];
};

struct peer {
    int running; /* requests */
};

static struct peer *peer_of(const struct exchange *exchange)
{
    return exchange->server->backend;
}

/* ---- On the pool's threads --------------------------------------------------------------------------------- */

static bool is_stopped(void *request)
{
    return atomic_load_explicit(&((struct request *)request)->stopped, memory_order_relaxed);
}

static int sleep_in_slices(void *request, uint64_t milliseconds)
{
    while (milliseconds > 0) {
        uint64_t slice = milliseconds < SLICE_MS ? milliseconds : SLICE_MS;
        const struct timespec pause = { .tv_nsec = (long)slice * 1000000 };
        if (is_stopped(request))
            return -ECANCELED;
        nanosleep(&pause, NULL);
        milliseconds -= slice;
    }
    return 0;
}

static void run_job(uv_work_t *work)
{
    struct job *job = (struct job *)work;
    struct exchange *exchange = job->request->exchange;
    const struct work_host host = { .stopped = is_stopped, .sleep = sleep_in_slices, .self = job->request };
    job->code =
        is_stopped(job->request) ? -ECANCELED : work_run(job->item, exchange->body, exchange->body_size, &host);
}

/* ---- On the loop's thread ---------------------------------------------------------------------------------- */

/* The first reason stands. */
static void stop_for(struct request *request, int code, const char *text)
{
    if (request->code != 0)
        return;
    request->code = code;
    snprintf(request->text, sizeof request->text, "%s", text);
    atomic_store_explicit(&request->stopped, true, memory_order_relaxed);
    for (size_t i = 0; i < request->exchange->count; i++)
        uv_cancel((uv_req_t *)&request->jobs[i].work); /* those that run or are over stay as they are */
}

static void end(struct request *request)
{
    struct exchange *exchange = request->exchange;
    peer_of(exchange)->running--;
    uv_timer_stop(&request->deadline);
    exchange_end(exchange, request->code, request->code != 0 ? request->text : NULL);
}

static void on_job_done(uv_work_t *work, int status)
{
    struct job *job = (struct job *)work;
    struct request *request = job->request;
    struct exchange *exchange = request->exchange;
    if (status == 0 && job->code == 0) {
        exchange_item(exchange, job->item);
    } else if (status == 0 && job->code != -ECANCELED) {
        char text[160];
        snprintf(text, sizeof text, "item %d: %s", (int)(job->item - exchange->items), job->item->why);
        stop_for(request, job->code, text);
    }
    if (--request->unfinished == 0)
        end(request);
}

static void on_deadline(uv_timer_t *timer)
{
    stop_for(timer->data, -ETIMEDOUT, "the deadline is over");
}

static struct request *request_of(struct exchange *exchange)
{
    struct request *request = exchange->backend;
    if (!request) {
        request = calloc(1, sizeof *request);
        if (!request)
            return NULL;
        uv_timer_init(&exchange->server->loop, &request->deadline);
        request->deadline.data = request;
        request->exchange = exchange;
        exchange->backend = request;
    }
    atomic_store_explicit(&request->stopped, false, memory_order_relaxed);
    request->code = 0;
    request->unfinished = exchange->count;
    return request;
}

static int begin(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct peer *peer = server->backend;
    if (peer->running >= server->options->queue)
        return -ENOBUFS;
    struct request *request = request_of(exchange);
    if (!request)
        return -ENOMEM;
    peer->running++;
    uv_timer_start(&request->deadline, on_deadline, (uint64_t)server->options->deadline / 1000000, 0);
    for (size_t i = 0; i < exchange->count; i++) {
        struct job *job = &request->jobs[i];
        job->request = request;
        job->item = &exchange->items[i];
        uv_queue_work(&server->loop, &job->work, run_job, on_job_done); /* fails only without a function */
    }
    return 0;
}

static void stop(struct exchange *exchange)
{
    stop_for(exchange->backend, -ECANCELED, "the request was stopped");
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer->data);
}

static void fini(struct exchange *exchange)
{
    struct request *request = exchange->backend;
    if (request)
        uv_close((uv_handle_t *)&request->deadline, on_timer_closed);
}

static int open_backend(struct server *server)
{
    static struct peer peer;
    if (server->options->workers > 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", server->options->workers);
        setenv("UV_THREADPOOL_SIZE", number, 1);
    }
    server->backend = &peer;
    return 0;
}

static size_t stats(struct server *server, char *out, size_t size)
{
    const struct peer *peer = server->backend;
    int length = snprintf(out, size, "pool_requests %d\n", peer->running);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

/* libuv counts nothing. */
static char *metrics(struct server *server, size_t *length)
{
    (void)server, (void)length;
    return NULL;
}

static void close_backend(struct server *server)
{
    (void)server; /* libuv's threads end with the process */
}

const struct backend server_backend = {
    .name = "libuv",
    .open = open_backend,
    .begin = begin,
    .stop = stop,
    .fini = fini,
    .stats = stats,
    .metrics = metrics,
    .close = close_backend,
};
