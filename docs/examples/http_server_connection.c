/* SPDX-License-Identifier: MIT */
/*
 * Connections: bytes in and out, and what becomes of clients that are slow or go away.
 *
 * Nothing here grows without bound. A connection has one exchange at a time, whose answer has at most WORK_MOST_ITEMS lines;
 * the next request of a pipeline is looked at when no more than MOST_UNSENT bytes of answers wait for the client, so one
 * that does not read gets no more work done. What it sends meanwhile is kept up to MOST_EARLY, then TCP holds it up.
 *
 * Reading goes on while an exchange is under way, as this is how a hang-up is seen.
 */
#include "http_server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_EARLY 65536u
#define MOST_UNSENT 16384u

bool bytes_add(struct bytes *bytes, const char *data, size_t length)
{
    if (length > bytes->size - bytes->length) {
        size_t size = 2 * bytes->size + length + 512;
        char *grown = realloc(bytes->data, size);
        if (!grown)
            return false;
        bytes->data = grown;
        bytes->size = size;
    }
    if (length > 0) /* of nothing, `data` may be NULL */
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    return true;
}

/* Moves the first bytes out. */
static void bytes_drop(struct bytes *bytes, size_t length)
{
    memmove(bytes->data, bytes->data + length, bytes->length - length);
    bytes->length -= length;
}

static void enter(struct connection *connection, enum connection_state state)
{
    connection->state = state;
    connection->since = uv_now(&connection->server->loop);
}

/* ---- The end ----------------------------------------------------------------------------------------------- */

/* The tasks of an exchange may be using it after the client has gone, and so may the loop. */
void connection_forget(struct connection *connection)
{
    struct server *server = connection->server;
    if (!connection->handle_closed || connection->has_exchange)
        return;
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    request_drop_body(connection);
    server_backend.fini(&connection->exchange);
    free(connection->early.data);
    free(connection->out.data);
    free(connection->in_write.data);
    free(connection->body.data);
    free(connection);
    server->open--;
    if (server->accept_waits && !server->draining)
        connection_accept(server);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    connection->handle_closed = true;
    connection_forget(connection);
}

static void leave_dirty(struct connection *connection)
{
    struct connection **link = &connection->server->dirty;
    if (!connection->is_dirty)
        return;
    while (*link != connection)
        link = &(*link)->next_dirty;
    *link = connection->next_dirty;
    connection->is_dirty = false;
}

/* At once. Work that is under way is stopped: nobody waits for it any more. */
void connection_drop(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    enter(connection, CONNECTION_CLOSED);
    leave_dirty(connection);
    if (connection->has_exchange)
        server_backend.stop(&connection->exchange);
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

/* ---- Reading ----------------------------------------------------------------------------------------------- */

size_t connection_unsent(const struct connection *connection)
{
    return connection->out.length + (connection->writing ? connection->in_write.length : 0);
}

static bool may_take(const struct connection *connection)
{
    return connection->state == CONNECTION_READING && connection_unsent(connection) <= MOST_UNSENT;
}

/* Takes requests out of what has come; returns how many bytes they were. */
static size_t take(struct connection *connection, const char *data, size_t length)
{
    size_t used = 0;
    while (used < length && may_take(connection)) {
        used += request_parse(connection, data + used, length - used);
        if (connection->is_whole && connection->state == CONNECTION_READING) {
            connection->is_whole = connection->has_begun = false;
            request_run(connection);
        }
    }
    return used;
}

static void allocate(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct connection *connection = handle->data;
    (void)wanted;
    *out = uv_buf_init(connection->server->input, sizeof connection->server->input);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    if (length < 0) {
        connection->server->counters.hung_up += connection->has_exchange;
        connection_drop(connection);
        return;
    }
    size_t size = (size_t)length;
    size_t used = connection->early.length == 0 ? take(connection, buffer->base, size) : 0;
    if (connection->state == CONNECTION_LINGERING)
        return; /* of no use to anybody */
    if (used < size && !bytes_add(&connection->early, buffer->base + used, size - used)) {
        connection_drop(connection);
        return;
    }
    if (connection->early.length > MOST_EARLY) {
        uv_read_stop(stream);
        connection->read_stopped = true;
    }
}

/* What came earlier than its turn. */
static void take_early(struct connection *connection)
{
    if (connection->early.length > 0)
        bytes_drop(&connection->early, take(connection, connection->early.data, connection->early.length));
    if (connection->read_stopped && connection->early.length <= MOST_EARLY) {
        connection->read_stopped = false;
        uv_read_start((uv_stream_t *)&connection->tcp, allocate, on_read);
    }
}

/* ---- Writing ----------------------------------------------------------------------------------------------- */

/* Has connection_flush_all() look at it. */
static void mark_dirty(struct connection *connection)
{
    struct server *server = connection->server;
    if (connection->is_dirty)
        return;
    connection->is_dirty = true;
    connection->next_dirty = server->dirty;
    server->dirty = connection;
}

void connection_put(struct connection *connection, const char *data, size_t length)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (!bytes_add(&connection->out, data, length))
        connection_drop(connection); /* half an answer is none */
    else if (!connection->has_exchange || !exchange_is_brief(&connection->exchange))
        mark_dirty(connection);
}

static void flush(struct connection *connection);

static void on_written(uv_write_t *write, int status)
{
    struct connection *connection = write->data;
    connection->writing = false;
    connection->in_write.length = 0;
    if (status == 0)
        flush(connection);
    else
        connection_drop(connection);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    if (status != 0)
        connection_drop(shutdown->data);
}

/* Ends our side. The socket stays until the client ends its own: closed at once, a request that is still coming would
 * have the kernel send a reset, which may reach the client before our last answer. */
static void linger(struct connection *connection)
{
    if (connection->state != CONNECTION_LINGERING || connection->is_shut)
        return;
    connection->is_shut = true;
    connection->since = uv_now(&connection->server->loop);
    connection->shutdown.data = connection;
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shutdown) != 0)
        connection_drop(connection);
}

void connection_end(struct connection *connection)
{
    enter(connection, CONNECTION_LINGERING);
    linger(connection);
}

/* Has the loop write what the kernel does not take now. */
static void write_later(struct connection *connection)
{
    struct bytes rest = connection->out;
    connection->out = connection->in_write;
    connection->in_write = rest;
    connection->writing = true;
    connection->write_since = uv_now(&connection->server->loop);
    connection->write.data = connection;
    uv_buf_t buffer = uv_buf_init(rest.data, (unsigned)rest.length);
    if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &buffer, 1, on_written) != 0)
        connection_drop(connection);
}

static void flush(struct connection *connection)
{
    if (connection->writing || connection->state == CONNECTION_CLOSED)
        return;
    uv_buf_t buffer = uv_buf_init(connection->out.data, (unsigned)connection->out.length);
    int written = buffer.len > 0 ? uv_try_write((uv_stream_t *)&connection->tcp, &buffer, 1) : 0;
    if (written < 0 && written != UV_EAGAIN) {
        connection->server->counters.hung_up += connection->has_exchange;
        connection_drop(connection);
        return;
    }
    if (written > 0)
        bytes_drop(&connection->out, (size_t)written);
    if (connection->out.length > 0) {
        write_later(connection);
        return;
    }
    linger(connection);
    take_early(connection);
}

/* Before the loop waits for news, once for all that the last news brought: one write for each connection. */
void connection_flush_all(struct server *server)
{
    while (server->dirty) {
        struct connection *connection = server->dirty;
        server->dirty = connection->next_dirty;
        connection->is_dirty = false;
        flush(connection);
    }
}

void connection_answered(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    connection->server->counters.answers++;
    enter(connection, connection->close_after ? CONNECTION_LINGERING : CONNECTION_READING);
    mark_dirty(connection); /* even if all of it went out before: another request may have come, or the end */
}

/* ---- Coming ------------------------------------------------------------------------------------------------ */

/* NULL without memory. */
static struct connection *create(struct server *server)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    server->open++;
    server->counters.connections++;
    connection->server = connection->exchange.server = server;
    connection->link = &server->connections;
    connection->next = server->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    server->connections = connection;
    uv_tcp_init(&server->loop, &connection->tcp);
    connection->tcp.data = connection;
    enter(connection, CONNECTION_READING);
    request_init(connection);
    return connection;
}

/* rc: of what gave it its socket. */
static void start(struct connection *connection, int rc)
{
    if (rc != 0 || uv_tcp_nodelay(&connection->tcp, 1) != 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, allocate, on_read) != 0)
        connection_drop(connection);
}

void connection_accept(struct server *server)
{
    /* While one is not taken, libuv takes no others: they wait in the kernel, whose backlog has a bound as well. */
    bool has_room = server->open < server->options->connections || server->draining;
    struct connection *connection = has_room ? create(server) : NULL;
    server->accept_waits = !connection;
    if (connection)
        start(connection, uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->tcp));
}

void connection_accept_last(struct server *server)
{
    uv_os_fd_t listener;
    int fd;
    if (server->accept_waits)
        connection_accept(server);
    if (uv_fileno((uv_handle_t *)&server->listener, &listener) != 0)
        return;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = create(server);
        int rc = connection ? uv_tcp_open(&connection->tcp, fd) : UV_ENOMEM;
        if (rc != 0)
            close(fd);
        if (connection)
            start(connection, rc);
    }
}
