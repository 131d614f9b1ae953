/* SPDX-License-Identifier: MIT */
/*
 * Timeouts, and the end. One timer looks at all connections, four times a second: a timer for each would be taken out of the
 * loop's heap and put in again twice for each request, for the sake of an exactness that no timeout needs.
 */
#include "http_server.h"

#include <sys/ioctl.h>

#define LINGER_MS 1000u /* for the client's end after ours */
#define QUIET_MS 100u   /* between two requests of a busy client there is less, mostly */

static bool is_over(const struct connection *connection, uint64_t since, uint64_t limit_ms)
{
    return uv_now(&connection->server->loop) - since > limit_ms;
}

static uint64_t ms(int64_t ns)
{
    return (uint64_t)ns / 1000000;
}

/* No request is on its way that the client could expect an answer for, as far as one can know. */
static bool is_quiet(const struct connection *connection)
{
    uv_os_fd_t fd;
    int unread = 0;
    if (connection->state != CONNECTION_READING || connection->has_begun || connection_unsent(connection) > 0)
        return false;
    return is_over(connection, connection->since, QUIET_MS) &&
           uv_fileno((const uv_handle_t *)&connection->tcp, &fd) == 0 && ioctl(fd, FIONREAD, &unread) == 0 &&
           unread == 0;
}

/* It did not come whole in time. */
static void give_up_request(struct connection *connection, int status)
{
    struct server_counters *counters = &connection->server->counters;
    counters->dropped++;
    counters->requests++;
    connection->has_begun = false;
    connection->close_after = true;
    answer_status(connection, status);
}

/* Takes too long to take what it is sent, or to end its side after ours; or, at the very end, to take its last answer. */
static bool stalls(const struct connection *connection)
{
    const struct server *server = connection->server;
    return (connection->writing && is_over(connection, connection->write_since, ms(server->options->send))) ||
           (connection->is_shut && is_over(connection, connection->since, LINGER_MS)) ||
           (server->cutting && !connection->has_exchange && is_over(connection, server->cut_at, LINGER_MS));
}

static bool is_idle(const struct connection *connection)
{
    return connection->state == CONNECTION_READING && !connection->has_begun &&
           connection_unsent(connection) == 0 &&
           is_over(connection, connection->since, ms(connection->server->options->idle));
}

static void sweep_one(struct connection *connection)
{
    const struct server *server = connection->server;
    bool begun = connection->state == CONNECTION_READING && connection->has_begun;
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (begun && is_over(connection, connection->since, ms(server->options->receive))) {
        give_up_request(connection, 408);
    } else if (begun && server->cutting) {
        give_up_request(connection, 503);
    } else if (stalls(connection)) {
        connection->server->counters.dropped += connection->writing;
        connection_drop(connection);
    } else if (is_idle(connection) || (server->draining && is_quiet(connection))) {
        connection_end(connection);
    }
}

void connection_sweep(struct server *server)
{
    struct connection *next;
    for (struct connection *connection = server->connections; connection; connection = next) {
        next = connection->next; /* none is freed here: that is up to the loop */
        sweep_one(connection);
    }
}
