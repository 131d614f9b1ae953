/* SPDX-License-Identifier: MIT */
/* Errors: a server that cannot start, because of its configuration, because of a file, and says so. */
#include <errno.h>
#include <stdlib.h>

#include <filch/filch.h>

static int read_port(filch_task *self, void *path)
{
    char text[32] = "", *end;
    FILE *file = fopen(path, "r");
    if (!file)
        return filch_fail(self, -errno, "cannot open %s", (const char *)path);
    bool read = fscanf(file, "%31s", text) == 1;
    fclose(file);
    long port = strtol(text, &end, 10);
    if (!read || *end != '\0' || port < 1 || port > 65535)
        return filch_fail(self, -ERANGE, "'%s' in %s is no port", text, (const char *)path);
    return filch_return(self, (void *)port);
}

static int start_server(filch_task *self, void *path)
{
    FILCH_AUTO(filch_future_cleanup) filch_future *config = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    void *port;
    options.name = "config";
    int rc = filch_submit_with(filch_task_pool(self), read_port, path, &options, &config);
    if (rc != 0)
        return rc; /* a plain code will do where there is nothing to add */
    rc = filch_future_result(config, FILCH_FOREVER, &port);
    if (rc != 0)
        return filch_fail_from(self, filch_future_error(config), rc, "the server does not start");
    printf("listening on port %ld\n", (long)port);
    return 0;
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_future_cleanup) filch_future *server = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = "server";
    if (argc < 2 || filch_pool_create(&pool, NULL) ||
        filch_submit_with(pool, start_server, argv[1], &options, &server) ||
        filch_future_wait(server, FILCH_FOREVER))
        return 2;
    const filch_error *error = filch_future_error(server);
    if (!error)
        return 0;
    filch_error_print(error, stdout);
    if (filch_error_code(filch_error_root(error)) == -ENOENT)
        printf("hint: write a port into %s first\n", argv[1]);
    return 1;
}
