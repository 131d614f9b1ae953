/* SPDX-License-Identifier: MIT */
/*
 * The client that the server's tests use.
 *
 *     http_client send PORT              sends standard input, and writes what comes back as it comes, to the server's end
 *     http_client leave PORT             sends it, waits for the first byte or 300 ms, and closes
 *     http_client deaf PORT              sends it over and over, reads nothing, until the server ends the connection
 *     http_client load PORT N MS TARGET  N connections that GET TARGET for MS milliseconds, or until the server ends them; then
 *                                        prints "sent S answered A ok O busy B lost L": a request that got no whole
 *                                        answer is lost, whatever the reason
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 1000 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int connect_to(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    return fd;
}

static bool send_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        data += n;
        length -= (size_t)n;
    }
    return true;
}

static char *read_input(size_t *length)
{
    size_t size = 0;
    char *data = NULL;
    FILE *copy = open_memstream(&data, &size);
    for (int c; (c = getchar()) != EOF;)
        fputc(c, copy);
    fclose(copy);
    *length = size;
    return data;
}

/* ---- One connection ---------------------------------------------------------------------------------------- */

static int send_input(int fd)
{
    size_t length;
    char *input = read_input(&length);
    char buffer[65536];
    ssize_t n;
    send_all(fd, input, length); /* a server that has heard enough may answer before it has all */
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        fwrite(buffer, 1, (size_t)n, stdout);
        fflush(stdout);
    }
    free(input);
    return n == 0 ? 0 : 1;
}

static int leave(int fd)
{
    size_t length;
    char *input = read_input(&length);
    struct pollfd first = { .fd = fd, .events = POLLIN };
    if (!send_all(fd, input, length))
        die("send");
    poll(&first, 1, 300);
    close(fd);
    free(input);
    return 0;
}

static int be_deaf(int fd)
{
    size_t length, sent = 0;
    char *input = read_input(&length);
    while (send_all(fd, input, length))
        sent += length;
    printf("sent %zu\n", sent);
    free(input);
    return 0;
}

/* ---- Many -------------------------------------------------------------------------------------------------- */

struct client {
    int fd; /* -1: over */
    bool waits, ends;
    http_parser parser;
};

static unsigned long sent, answered, ok, busy, lost;
static struct client clients[MOST_CONNECTIONS];
static char request[1024];

static int on_whole(http_parser *parser)
{
    struct client *client = parser->data;
    answered++;
    ok += parser->status_code == 200;
    busy += parser->status_code == 503;
    client->waits = false;
    client->ends = !http_should_keep_alive(parser);
    return 0;
}

static void end(struct client *client)
{
    lost += client->waits;
    close(client->fd);
    client->fd = -1;
}

static void ask(struct client *client)
{
    client->waits = true;
    sent++;
    if (!send_all(client->fd, request, strlen(request)))
        end(client);
}

static void hear(struct client *client)
{
    static const http_parser_settings settings = { .on_message_complete = on_whole };
    char buffer[65536];
    ssize_t n = recv(client->fd, buffer, sizeof buffer, 0);
    if (n <= 0 || http_parser_execute(&client->parser, &settings, buffer, (size_t)n) != (size_t)n ||
        (client->ends && !client->waits))
        end(client);
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One round: returns how many connections are left. */
static int serve_all(int n, bool over)
{
    static struct pollfd polls[MOST_CONNECTIONS];
    int left = 0;
    for (int i = 0; i < n; i++) {
        if (clients[i].fd >= 0 && !clients[i].waits && over)
            end(&clients[i]);
        else if (clients[i].fd >= 0 && !clients[i].waits)
            ask(&clients[i]);
        left += clients[i].fd >= 0;
        polls[i] = (struct pollfd) { .fd = clients[i].fd, .events = POLLIN };
    }
    if (left > 0 && poll(polls, (nfds_t)n, 1000) < 0 && errno != EINTR)
        die("poll");
    for (int i = 0; i < n; i++) {
        if (clients[i].fd >= 0 && polls[i].revents != 0)
            hear(&clients[i]);
    }
    return left;
}

static int put_load(const char *port, int n, long ms, const char *target)
{
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    for (int i = 0; i < n; i++) {
        clients[i].fd = connect_to(port);
        http_parser_init(&clients[i].parser, HTTP_RESPONSE);
        clients[i].parser.data = &clients[i];
    }
    long end_ms = now_ms() + ms;
    while (serve_all(n, now_ms() >= end_ms) > 0)
        continue;
    printf("sent %lu answered %lu ok %lu busy %lu lost %lu\n", sent, answered, ok, busy, lost);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "send") == 0)
        return send_input(connect_to(argv[2]));
    if (argc == 3 && strcmp(argv[1], "leave") == 0)
        return leave(connect_to(argv[2]));
    if (argc == 3 && strcmp(argv[1], "deaf") == 0)
        return be_deaf(connect_to(argv[2]));
    if (argc == 6 && strcmp(argv[1], "load") == 0 && atoi(argv[3]) <= MOST_CONNECTIONS)
        return put_load(argv[2], atoi(argv[3]), atol(argv[4]), argv[5]);
    fputs("usage: see the comment at the top of http_client.c\n", stderr);
    return 2;
}
