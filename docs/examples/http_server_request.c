/* SPDX-License-Identifier: MIT */
/*
 * Requests: the parser's callbacks collect one, request_run() does what it asks for.
 *
 *     GET|HEAD|POST /work?ITEM&ITEM...   the items of http_server_work.h; gunzip is of the body
 *     POST /gunzip                       the same as POST /work?gunzip, and further items may follow
 *     GET|HEAD /stats                    the server's counters
 *     GET|HEAD /metrics                  those of its pools, with histograms of waits and run times
 *
 * The parser pauses at the end of each request: the next one of a pipeline is parsed when this one has its answer, so
 * a connection never has more than one exchange, and answers are in order.
 */
#include "http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROMETHEUS "text/plain; version=0.0.4"
#define MOST_HEAD 8192  /* bytes of request line and headers */
#define KEPT_BODY 16384 /* bytes of memory that a connection keeps for the next body */

/* ---- Collecting one ---------------------------------------------------------------------------------------- */

static struct connection *connection_of(const http_parser *parser)
{
    return parser->data;
}

static int refuse(struct connection *connection, int status)
{
    if (connection->refusal == 0)
        connection->refusal = status;
    return 0;
}

void request_drop_body(struct connection *connection)
{
    struct bytes *body = &connection->body;
    connection->server->bodies -= body->length;
    body->length = 0;
    if (body->size <= KEPT_BODY)
        return;
    free(body->data);
    *body = (struct bytes) { 0 };
}

static int on_begin(http_parser *parser)
{
    struct connection *connection = connection_of(parser);
    request_drop_body(connection);
    connection->has_begun = true;
    connection->since = uv_now(&connection->server->loop);
    connection->is_whole = connection->in_value = false;
    connection->refusal = 0;
    connection->hosts = 0;
    connection->url_length = connection->name_length = connection->expect_length = 0;
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    struct connection *connection = connection_of(parser);
    if (length > sizeof connection->url - connection->url_length)
        return refuse(connection, 414);
    memcpy(connection->url + connection->url_length, at, length);
    connection->url_length += length;
    return 0;
}

/* As much of a name or value as is compared with anything. */
static void collect(char *word, size_t *length, const char *at, size_t n)
{
    size_t room = CONNECTION_WORD - *length;
    memcpy(word + *length, at, n < room ? n : room);
    *length += n < room ? n : room;
}

static bool is(const char *word, size_t length, const char *wanted)
{
    return length == strlen(wanted) && strncasecmp(word, wanted, length) == 0;
}

/* Names and values come in as many pieces as they arrive in. */
static int on_field(http_parser *parser, const char *at, size_t length)
{
    struct connection *connection = connection_of(parser);
    if (connection->in_value)
        connection->name_length = 0;
    connection->in_value = false;
    collect(connection->name, &connection->name_length, at, length);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t length)
{
    struct connection *connection = connection_of(parser);
    if (is(connection->name, connection->name_length, "expect"))
        collect(connection->expect, &connection->expect_length, at, length);
    if (!connection->in_value && is(connection->name, connection->name_length, "host"))
        connection->hosts++;
    connection->in_value = true;
    return 0;
}

static bool path_is(const struct connection *connection, const char *path)
{
    size_t length = strlen(path);
    return connection->url_length >= length && memcmp(connection->url, path, length) == 0 &&
           (connection->url_length == length || connection->url[length] == '?');
}

/* The status that the request line and the headers earn; 0: they are fine. */
static int judge(const struct connection *connection)
{
    unsigned method = connection->parser.method;
    bool reads = method == HTTP_GET || method == HTTP_HEAD;
    if (connection->parser.http_major != 1)
        return 505;
    if (connection->parser.http_minor > 0 && connection->hosts != 1)
        return 400;
    if (connection->expect_length > 0 && !is(connection->expect, connection->expect_length, "100-continue"))
        return 417;
    if (path_is(connection, "/work"))
        return reads || method == HTTP_POST ? 0 : 405;
    if (path_is(connection, "/gunzip"))
        return method == HTTP_POST ? 0 : 405;
    if (path_is(connection, "/stats") || path_is(connection, "/metrics"))
        return reads ? 0 : 405;
    return 404;
}

static bool too_large(const struct connection *connection, uint64_t size)
{
    return size > (uint64_t)connection->server->options->most_body << 10;
}

static int on_headers(http_parser *parser)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct connection *connection = connection_of(parser);
    int status = judge(connection);
    if (status != 0)
        refuse(connection, status);
    bool sized = parser->content_length != UINT64_MAX;
    if (sized && too_large(connection, parser->content_length))
        refuse(connection, 413);
    if (connection->refusal == 0 && connection->expect_length > 0 && parser->http_minor > 0)
        connection_put(connection, go_on, sizeof go_on - 1);
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    struct connection *connection = connection_of(parser);
    if (connection->refusal != 0)
        return 0;
    struct server *server = connection->server;
    if (too_large(connection, connection->body.length + length))
        return refuse(connection, 413);
    if (server->bodies + length > (size_t)server->options->most_bodies << 20)
        return refuse(connection, 503);
    if (!bytes_add(&connection->body, at, length))
        return refuse(connection, 500);
    server->bodies += length;
    return 0;
}

static int on_whole(http_parser *parser)
{
    connection_of(parser)->is_whole = true;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_whole,
};

void request_init(struct connection *connection)
{
    http_parser_init(&connection->parser, HTTP_REQUEST);
    http_parser_set_max_header_size(MOST_HEAD);
    connection->parser.data = connection;
}

size_t request_parse(struct connection *connection, const char *data, size_t length)
{
    http_parser *parser = &connection->parser;
    size_t used = http_parser_execute(parser, &settings, data, length);
    enum http_errno error = HTTP_PARSER_ERRNO(parser);
    if (error == HPE_PAUSED)
        http_parser_pause(parser, 0);
    else if (error != HPE_OK)
        connection->refusal = error == HPE_HEADER_OVERFLOW ? 431 : 400;
    /* What is refused is answered at once, and the rest of it is not worth reading: the connection ends. */
    if (connection->refusal != 0 && !connection->is_whole) {
        connection->is_whole = connection->close_after = true;
        return length;
    }
    return used;
}

/* ---- Doing what it asks for -------------------------------------------------------------------------------- */

static void answer_stats(struct connection *connection)
{
    struct server *server = connection->server;
    const struct server_counters *counters = &server->counters;
    char text[4096];
    int length = snprintf(text, sizeof text,
                          "open_connections %d\nrunning_requests %d\nbody_bytes %zu\n"
                          "connections_total %llu\nrequests_total %llu\nanswers_total %llu\n"
                          "hung_up_total %llu\nrejected_total %llu\ntimed_out_total %llu\n"
                          "failed_total %llu\ndropped_total %llu\n",
                          server->open, server->working, server->bodies, (unsigned long long)counters->connections,
                          (unsigned long long)counters->requests, (unsigned long long)counters->answers,
                          (unsigned long long)counters->hung_up, (unsigned long long)counters->rejected,
                          (unsigned long long)counters->timed_out, (unsigned long long)counters->failed,
                          (unsigned long long)counters->dropped);
    size_t size = (size_t)length;
    size += server_backend.stats(server, text + size, sizeof text - size);
    answer_text(connection, 200, PROMETHEUS, text, size);
}

static void answer_metrics(struct connection *connection)
{
    size_t length;
    char *text = server_backend.metrics(connection->server, &length);
    if (text)
        answer_text(connection, 200, PROMETHEUS, text, length);
    else
        answer_status(connection, 404);
    free(text);
}

/* Reads the items; 0, or the status to refuse the request with. */
static int plan(struct connection *connection)
{
    struct exchange *exchange = &connection->exchange;
    const char *query = memchr(connection->url, '?', connection->url_length);
    const char *end = connection->url + connection->url_length;
    exchange->count = 0;
    if (path_is(connection, "/gunzip"))
        exchange->items[exchange->count++] = (struct work_item) { .kind = WORK_GUNZIP };
    int rc = query ? work_parse(query + 1, (size_t)(end - query - 1), exchange->items, &exchange->count) : 0;
    return rc != 0 || exchange->count == 0 ? 400 : 0;
}

static void estimate(struct exchange *exchange)
{
    exchange->cost = 0;
    exchange->sleeps = false;
    for (size_t i = 0; i < exchange->count; i++) {
        exchange->cost += work_cost(&exchange->items[i], exchange->body_size);
        exchange->sleeps |= exchange->items[i].kind == WORK_SLEEP;
    }
}

static void begin(struct connection *connection)
{
    struct server *server = connection->server;
    struct exchange *exchange = &connection->exchange;
    int status = server->cutting ? 503 : plan(connection);
    if (status != 0) {
        answer_status(connection, status);
        return;
    }
    if (connection->parser.method == HTTP_HEAD) { /* the head of what GET would answer */
        answer_text(connection, 200, "text/plain", NULL, 0);
        return;
    }
    exchange->body = connection->body.data;
    exchange->body_size = connection->body.length;
    estimate(exchange);
    exchange->deadline = (int64_t)uv_hrtime() + server->options->deadline;
    connection->has_head = false;
    int rc = server_backend.begin(exchange);
    if (rc != 0) {
        answer_status(connection, rc == -ENOBUFS ? 503 : 500);
        return;
    }
    server->working++;
    connection->has_exchange = true;
    connection->state = CONNECTION_WORKING;
}

void request_run(struct connection *connection)
{
    connection->server->counters.requests++;
    if (!http_should_keep_alive(&connection->parser))
        connection->close_after = true;
    if (connection->refusal != 0)
        answer_status(connection, connection->refusal);
    else if (path_is(connection, "/stats"))
        answer_stats(connection);
    else if (path_is(connection, "/metrics"))
        answer_metrics(connection);
    else
        begin(connection);
    if (!connection->has_exchange)
        request_drop_body(connection);
}
