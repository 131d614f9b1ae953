/* SPDX-License-Identifier: MIT */
/* Retry: waits for a file that another program is about to write. */
#include <errno.h>
#include <stdlib.h>

#include <filch/filch.h>

/* One attempt. */
static int read_port(filch_task *self, void *path)
{
    FILE *file = fopen(path, "r");
    int port = 0;
    if (!file)
        return filch_fail(self, -errno, "cannot open %s", (const char *)path);
    int n = fscanf(file, "%d", &port);
    fclose(file);
    return n == 1 ? filch_return(self, (void *)(intptr_t)port) : filch_fail(self, -EBADMSG, "it has no port");
}

/* Asked after an attempt that failed, as long as there are more. */
static bool try_again(const filch_error *error, unsigned attempt, void *unused)
{
    (void)unused;
    printf("%s: attempt %u failed\n", filch_error_task(error), attempt);
    fflush(stdout);
    return filch_error_code(error) == -ENOENT; /* a wrong file does not get better */
}

static int remind(filch_task *self, void *path)
{
    (void)self;
    printf("still waiting for %s\n", (const char *)path);
    return 0;
}

static int await_port(filch_pool *pool, char *path, int64_t interval)
{
    FILCH_AUTO(filch_future_cleanup) filch_future *port = NULL, *reminder = NULL;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    void *number;
    retry.max_attempts = 3;
    retry.interval_ns = interval;
    retry.backoff = 2.0; /* the second interval is twice the first */
    retry.should_retry = try_again;
    options.name = "port";
    options.retry = &retry;
    if (filch_submit_with(pool, read_port, path, &options, &port) ||
        filch_submit_after(pool, 2 * interval, remind, path, &reminder))
        return 2;
    filch_join(&port, 1);
    filch_future_cancel(reminder); /* else the end of the pool waits for its time */
    if (filch_future_result(port, 0, &number) == 0) {
        printf("port %d, attempt %u\n", (int)(intptr_t)number, filch_future_attempts(port));
        return 0;
    }
    filch_error_print(filch_future_error(port), stdout);
    return 1;
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    int64_t interval = FILCH_MS(argc > 2 ? atoi(argv[2]) : 100);
    if (argc < 2 || filch_pool_create(&pool, NULL) || filch_guard_begin(&guard, filch_pool_stop(pool)))
        return 2;
    int code = await_port(pool, argv[1], interval);
    if (!filch_guard_interrupted(guard))
        return code;
    printf("interrupted by user\n");
    return 130;
}
