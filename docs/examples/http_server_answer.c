/* SPDX-License-Identifier: MIT */
/*
 * Answers. That of an exchange is chunked, a line for each item as it finishes; its status is put off until the first line,
 * so that a failure before it still has a status of its own. One after it is the last line of the answer.
 */
#include "http_server.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MOST_HEAD 256

/* An older client does not know that a connection stays unless it is told so. */
static const char *connection_header(const struct connection *connection)
{
    if (connection->close_after)
        return "Connection: close\r\n";
    return connection->parser.http_minor == 0 ? "Connection: keep-alive\r\n" : "";
}

static const char *allowed(const struct connection *connection)
{
    bool gunzip = connection->url_length >= 7 && memcmp(connection->url, "/gunzip", 7) == 0;
    bool work = connection->url_length >= 5 && memcmp(connection->url, "/work", 5) == 0;
    return gunzip ? "Allow: POST\r\n" : work ? "Allow: GET, HEAD, POST\r\n" : "Allow: GET, HEAD\r\n";
}

void answer_text(struct connection *connection, int status, const char *type, const char *text, size_t length)
{
    char head[MOST_HEAD];
    connection->close_after |= connection->server->draining;
    const char *extra = status == 503 ? "Retry-After: 1\r\n" : status == 405 ? allowed(connection) : "";
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", status,
                     http_status_str((enum http_status)status), type);
    connection_put(connection, head, (size_t)n);
    if (text) {
        n = snprintf(head, sizeof head, "Content-Length: %zu\r\n", length);
        connection_put(connection, head, (size_t)n);
    }
    n = snprintf(head, sizeof head, "%s%s\r\n", extra, connection_header(connection));
    connection_put(connection, head, (size_t)n);
    if (text && connection->parser.method != HTTP_HEAD)
        connection_put(connection, text, length);
    connection_answered(connection);
}

void answer_status(struct connection *connection, int status)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%d %s\n", status, http_status_str((enum http_status)status));
    connection->server->counters.rejected += status == 503;
    answer_text(connection, status, "text/plain", text, (size_t)length);
}

/* ---- The answer of an exchange ----------------------------------------------------------------------------- */

static struct connection *connection_of(struct exchange *exchange)
{
    return (struct connection *)((char *)exchange - offsetof(struct connection, exchange));
}

/* HTTP/1.0 has no chunks: there the end of the connection is the end of the answer. */
static bool is_chunked(const struct connection *connection)
{
    return connection->parser.http_minor > 0;
}

static void put_head(struct connection *connection)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    connection->has_head = true;
    connection->close_after |= connection->server->draining || !is_chunked(connection);
    connection_put(connection, head, sizeof head - 1);
    const char *rest = connection->close_after ? "Connection: close\r\n" : "";
    connection_put(connection, rest, strlen(rest));
    rest = is_chunked(connection) ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
    connection_put(connection, rest, strlen(rest));
}

static void put_chunk(struct connection *connection, const char *text, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const char size[] = { digits[length >> 12 & 15],
                          digits[length >> 8 & 15],
                          digits[length >> 4 & 15],
                          digits[length & 15],
                          '\r',
                          '\n' };
    bool chunked = is_chunked(connection);
    assert(length < 1u << 16);
    if (chunked)
        connection_put(connection, size, sizeof size);
    connection_put(connection, text, length);
    if (chunked)
        connection_put(connection, "\r\n", 2);
}

void exchange_item(struct exchange *exchange, const struct work_item *item)
{
    struct connection *connection = connection_of(exchange);
    char line[WORK_LINE];
    if (connection->state != CONNECTION_WORKING)
        return; /* its client has gone */
    size_t length = work_line(item, (size_t)(item - exchange->items), line);
    if (!connection->has_head)
        put_head(connection);
    put_chunk(connection, line, length);
}

static int status_of(int code)
{
    switch (code) {
    case 0:
        return 200;
    case -ETIMEDOUT:
        return 504;
    case -ECANCELED:
        return 503;
    case -EFBIG:
    case -EBADMSG:
        return 422;
    default:
        return 500;
    }
}

static void count_end(struct server_counters *counters, int status)
{
    counters->timed_out += status == 504;
    counters->rejected += status == 503;
    counters->failed += status == 422;
}

void exchange_end(struct exchange *exchange, int code, const char *text)
{
    struct connection *connection = connection_of(exchange);
    int status = status_of(code);
    connection->server->working--;
    connection->has_exchange = false;
    request_drop_body(connection);
    if (connection->state != CONNECTION_WORKING) {
        connection_forget(connection);
        return;
    }
    count_end(&connection->server->counters, status);
    char line[1024];
    int length = snprintf(line, sizeof line, "error %d %s\n", status,
                          text ? text : http_status_str((enum http_status)status));
    if (length >= (int)sizeof line) {
        length = sizeof line - 1;
        line[length - 1] = '\n';
    }
    if (status != 200 && !connection->has_head) {
        answer_text(connection, status, "text/plain", line, (size_t)length);
        return;
    }
    if (status != 200)
        put_chunk(connection, line, (size_t)length);
    if (is_chunked(connection))
        connection_put(connection, "0\r\n\r\n", 5);
    connection_answered(connection);
}
