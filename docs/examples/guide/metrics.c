/* SPDX-License-Identifier: MIT */
/* Metrics: what a pool did, as numbers for the program and as text for Prometheus; with a port, served there by HTTP. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filch/filch.h>

static int work(filch_task *self, void *ms)
{
    (void)self;
    for (int64_t end = filch_now() + FILCH_MS((intptr_t)ms); filch_now() < end;)
        continue;
    return 0;
}

static void print_summary(filch_pool *pool)
{
    static filch_metrics metrics = FILCH_METRICS; /* six kilobytes */
    if (filch_metrics_get(pool, &metrics))
        return;
    printf("%llu of %llu tasks finished\n", (unsigned long long)metrics.finished,
           (unsigned long long)metrics.submitted);
    printf("half of them ran %lld ms at most, one in twenty more than %lld ms\n",
           (long long)filch_histogram_quantile(&metrics.run, 0.5) / 1000000,
           (long long)filch_histogram_quantile(&metrics.run, 0.95) / 1000000);
}

/* All of the text, and its length; the caller's to free. It may have grown since it was measured. */
static char *format(filch_pool *pool, size_t *length)
{
    char *text = NULL;
    int64_t size = 0, n;
    while ((n = filch_metrics_format(&pool, 1, text, (size_t)size)) >= size) {
        free(text);
        size = n + 64;
        text = malloc((size_t)size);
        if (!text)
            return NULL;
    }
    *length = n > 0 ? (size_t)n : 0;
    return text;
}

/* Whatever the request is. */
static void answer(filch_pool *pool, FILE *client)
{
    char line[1024];
    size_t length = 0;
    while (fgets(line, sizeof line, client) && strcmp(line, "\r\n") != 0)
        continue;
    char *text = format(pool, &length);
    fprintf(client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n\r\n",
            length);
    fwrite(text, 1, length, client);
    free(text);
}

static int serve_once(filch_pool *pool, unsigned short port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1))
        return -1;
    FILE *client = fdopen(accept(fd, NULL, NULL), "r+");
    if (client) {
        answer(pool, client);
        fclose(client);
    }
    return close(fd);
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.name = "demo";
    options.workers = 2;
    options.metrics = true;
    if (filch_pool_create(&pool, &options))
        return 1;
    for (int i = 0; i < 20; i++)
        if (filch_submit(pool, work, (void *)(intptr_t)(i < 18 ? 1 : 30), NULL))
            return 1;
    if (filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL))
        return 1;
    print_summary(pool);
    fflush(stdout);
    return argc > 1 && serve_once(pool, (unsigned short)atoi(argv[1]));
}
