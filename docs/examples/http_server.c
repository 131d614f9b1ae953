/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server: libuv for the sockets, http-parser for the protocol, filch for the work. docs/server.md walks through it.
 *
 *     curl 'localhost:8080/work?hash=1048576&sleep=100&hash=1024'
 *     gzip -c text | curl --data-binary @- localhost:8080/gunzip
 *
 * SIGTERM and SIGINT end it gracefully: no further connections, those without a request end, and what is under way is
 * answered, within a time. Then what is left is stopped, and its clients are told so. A second signal kills.
 */
#include "http_server.h"

#include "log.h"
#include "program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define SWEEP_MS 250u
#define DRAIN_SWEEP_MS 20u

static struct server_options options = {
    .address = "127.0.0.1",
    .port = 8080,
    .queue = 1024,
    .connections = 1024,
    .most_body = 8192,
    .most_bodies = 256,
    .deadline = FILCH_SECONDS(2),
    .drain = FILCH_SECONDS(5),
    .idle = FILCH_SECONDS(60),
    .receive = FILCH_SECONDS(10),
    .send = FILCH_SECONDS(10),
};

static const struct flag flags[] = {
    { .name = "address", .help = "to listen at", .text = &options.address },
    { .name = "port", .help = "to listen at; 0: any, which is printed", .count = &options.port, .most = 65535 },
    { .name = "workers",
      .help = "tasks that run at once; 0: as many as CPUs",
      .count = &options.workers,
      .most = 1024 },
    { .name = "queue", .help = "requests that wait to be begun; 503 beyond", .count = &options.queue, .least = 1 },
    { .name = "connections", .help = "at once; further ones wait", .count = &options.connections, .least = 1 },
    { .name = "body", .help = "KiB that a body may have", .count = &options.most_body, .most = 1 << 20 },
    { .name = "bodies",
      .help = "MiB that all bodies may have; 503 beyond",
      .count = &options.most_bodies,
      .most = 1 << 20 },
    { .name = "deadline", .help = "time for the work of a request; 504 beyond", .duration = &options.deadline },
    { .name = "drain", .help = "time for what is under way when a signal comes", .duration = &options.drain },
    { .name = "idle", .help = "time between two requests of a connection", .duration = &options.idle },
    { .name = "receive",
      .help = "time from the first byte of a request to its last",
      .duration = &options.receive },
    { .name = "send", .help = "time in which the client has to take what is sent", .duration = &options.send },
    { 0 },
};

/* ---- The end ----------------------------------------------------------------------------------------------- */

static void close_all(struct server *server)
{
    uv_close((uv_handle_t *)&server->sweep, NULL);
    uv_close((uv_handle_t *)&server->flush, NULL);
    server_backend.close(server);
}

/* The time is over: what runs is stopped, and ends soon; who waits for it hears of that. */
static void cut(struct server *server)
{
    log_event(LOG_WARNING, "cut", "reason", "drain time is over", NULL);
    server->cutting = true;
    server->cut_at = uv_now(&server->loop);
    for (struct connection *connection = server->connections; connection; connection = connection->next) {
        if (connection->has_exchange)
            server_backend.stop(&connection->exchange);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct server *server = timer->data;
    connection_sweep(server);
    if (!server->draining && server->accept_waits)
        connection_accept(server);
    if (!server->draining)
        return;
    if (!server->cutting && (int64_t)uv_hrtime() >= server->drain_until)
        cut(server);
    if (server->open == 0)
        close_all(server);
}

/* Both signals are given back to the system: the next one kills. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    log_event(LOG_INFO, "drain", "signal", number == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    server->draining = true;
    server->drain_until = (int64_t)uv_hrtime() + options.drain;
    uv_close((uv_handle_t *)&server->terminate, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    connection_accept_last(server);
    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_timer_start(&server->sweep, on_sweep, 0, DRAIN_SWEEP_MS);
}

static void log_end(const struct server *server)
{
    char requests[24], answers[24], hung_up[24];
    snprintf(requests, sizeof requests, "%" PRIu64, server->counters.requests);
    snprintf(answers, sizeof answers, "%" PRIu64, server->counters.answers);
    snprintf(hung_up, sizeof hung_up, "%" PRIu64, server->counters.hung_up);
    log_event(LOG_INFO, "end", "requests", requests, "answers", answers, "hung_up", hung_up, NULL);
}

/* ---- The beginning ----------------------------------------------------------------------------------------- */

static void on_connection(uv_stream_t *listener, int status)
{
    if (status == 0)
        connection_accept(listener->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    connection_flush_all(prepare->data);
}

static int bind_listener(struct server *server)
{
    struct sockaddr_in address;
    int rc = uv_ip4_addr(options.address, options.port, &address);
    if (rc == 0)
        rc = uv_tcp_init(&server->loop, &server->listener);
    if (rc == 0)
        rc = uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0);
    server->listener.data = server;
    return rc ? rc : uv_listen((uv_stream_t *)&server->listener, 1024, on_connection);
}

/* The first line on stdout tells where. */
static int announce(struct server *server)
{
    struct sockaddr_in address;
    int length = sizeof address;
    int rc = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &length);
    if (rc)
        return rc;
    char name[64], text[96];
    uv_ip4_name(&address, name, sizeof name);
    snprintf(text, sizeof text, "http://%s:%d/", name, ntohs(address.sin_port));
    puts(text);
    log_event(LOG_INFO, "start", "url", text, "backend", server_backend.name, NULL);
    return 0;
}

static void start_handles(struct server *server)
{
    uv_timer_init(&server->loop, &server->sweep);
    uv_prepare_init(&server->loop, &server->flush);
    uv_signal_init(&server->loop, &server->terminate);
    uv_signal_init(&server->loop, &server->interrupt);
    server->sweep.data = server->flush.data = server->terminate.data = server->interrupt.data = server;
    uv_timer_start(&server->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_prepare_start(&server->flush, on_prepare);
    uv_signal_start(&server->terminate, on_signal, SIGTERM);
    uv_signal_start(&server->interrupt, on_signal, SIGINT);
}

static int cannot(const char *what, int code)
{
    fprintf(stderr, "http_server: cannot %s: %s\n", what, uv_strerror(code));
    return 1;
}

int main(int argc, char **argv)
{
    static struct server server = { .options = &options };
    program_flags(argc, argv, "An HTTP server that has filch do its work.", flags);
    signal(SIGPIPE, SIG_IGN);
    int rc = uv_loop_init(&server.loop);
    if (rc)
        return cannot("start", rc);
    rc = bind_listener(&server);
    if (rc)
        return cannot("listen", rc);
    start_handles(&server);
    rc = server_backend.open(&server); /* after the signals have their handlers, which its threads leave alone */
    if (rc)
        return cannot("start the work", rc);
    rc = announce(&server);
    if (rc)
        return cannot("tell where it listens", rc);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    uv_loop_close(&server.loop);
    log_end(&server);
    return 0;
}
