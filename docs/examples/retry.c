/* SPDX-License-Identifier: MIT */
/*
 * Retry: main tasks one after the other in the caller, their sub tasks asynchronous on one shared pool.
 *
 * Each GET is tried a few times. A pause between two attempts holds no worker and ends at once at a stop. The GET that
 * fails in the end stops the others, and nothing more begins.
 */
#include "http_get.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_url = "https://example.com";
static int tasks = 10, subs = 3, workers = 3, max_retries = 3;
static int64_t timeout = FILCH_SECONDS(3), interval = FILCH_SECONDS(1);

static const struct flag flags[] = {
    { .name = "base-url", .help = "GET {base}/task{id}/{i}", .text = &base_url },
    { .name = "tasks", .help = "main tasks", .count = &tasks },
    { .name = "subs", .help = "sub tasks of each main task", .count = &subs, .most = 100 },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "max-retries", .help = "attempts at each GET", .count = &max_retries, .least = 1 },
    { .name = "interval", .help = "between two attempts", .duration = &interval },
    { .name = "timeout", .help = "of each attempt, in all", .duration = &timeout },
    { 0 },
};

/* ---- Sub tasks --------------------------------------------------------------------------------------------- */

/* One attempt. */
static int get(filch_task *self, void *url)
{
    struct http_reply reply;
    int rc = http_get(self, url, timeout, &reply);
    return rc == 0 ? filch_return(self, (void *)reply.status) : rc;
}

/* Called while attempts are left. Any error is worth another one. */
static bool try_again(const filch_error *error, unsigned attempt, void *unused)
{
    (void)unused;
    printf("%s: attempt %u failed, trying again\n", filch_error_task(error), attempt);
    return true;
}

/* The task owns its url; its name is the path in there, such as task3/1. */
static int submit_get(filch_scope *scope, int id, int i)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    char *url;
    if (asprintf(&url, "%s/task%d/%d", base_url, id, i) < 0)
        return -ENOMEM;
    retry.max_attempts = (unsigned)max_retries;
    retry.interval_ns = interval;
    retry.should_retry = try_again;
    options.retry = &retry;
    options.name = url + strlen(base_url) + 1;
    options.arg_dtor = free;
    int rc = filch_scope_submit_with(scope, get, url, &options, NULL);
    if (rc != 0)
        free(url);
    return rc;
}

/* ---- Main tasks -------------------------------------------------------------------------------------------- */

static int process(filch_pool *pool, int id, filch_error **error)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    filch_future *next;
    int results = 0;
    int rc = filch_scope_open(&scope, pool, NULL);
    for (int i = 0; rc == 0 && i < subs; i++)
        rc = submit_get(scope, id, i);
    while (rc == 0 && filch_scope_next(scope, FILCH_FOREVER, &next) > 0)
        results += filch_future_state(next) == FILCH_DONE;
    if (rc == 0)
        rc = filch_scope_join(scope, error);
    if (rc == 0)
        printf("task %d ok: %d results\n", id, results);
    return rc;
}

static int run(int *done)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *error = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = (unsigned)workers;
    int rc = filch_pool_create(&pool, &options);
    if (rc == 0)
        rc = filch_guard_begin(&guard, filch_pool_stop(pool));
    for (; rc == 0 && *done < tasks; *done += rc == 0)
        rc = process(pool, *done, &error);
    return program_ended(rc, error, guard);
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Runs main tasks in turn, their sub tasks asynchronously, each with retries.", flags);
    int done = 0;
    int rc = http_init();
    int code = rc == 0 ? run(&done) : program_ended(rc, NULL, NULL);
    http_fini();
    printf("cleaned up (%d of %d tasks done)\n", done, tasks);
    return code;
}
