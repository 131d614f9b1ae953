/* SPDX-License-Identifier: MIT */
/*
 * Retry: main tasks one after the other in the caller, their sub tasks asynchronous on one shared pool.
 *
 * Each GET is tried a few times; the pause between two attempts ends early at a stop. The one that fails in the end
 * stops the others, and nothing more begins.
 */
#include "http_get.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SUBS = 100 };

static const char *base_url = "https://example.com";
static int tasks = 10, subs = 3, workers = 3, max_retries = 3;
static int64_t timeout = FILCH_SECONDS(3), interval = FILCH_SECONDS(1);

static const struct flag flags[] = {
    { .name = "base-url", .help = "GET {base}/task{id}/{i}", .text = &base_url },
    { .name = "tasks", .help = "main tasks", .count = &tasks },
    { .name = "subs", .help = "sub tasks of each main task", .count = &subs, .most = MOST_SUBS },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "max-retries", .help = "attempts at each GET", .count = &max_retries, .least = 1 },
    { .name = "interval", .help = "between two attempts", .duration = &interval },
    { .name = "timeout", .help = "of each attempt, in all", .duration = &timeout },
    { 0 },
};

/* ---- Sub tasks --------------------------------------------------------------------------------------------- */

static int get_with_retry(filch_task *self, const char *url, struct http_reply *reply)
{
    for (int attempt = 1;; attempt++) {
        int rc = http_get(self, url, timeout, reply);
        if (rc == 0 || rc == -ECANCELED)
            return rc;
        if (attempt == max_retries)
            return filch_fail_from(self, filch_task_error(self), 0, "GET %s failed after %d attempts", url,
                                   attempt);
        printf("%s: attempt %d failed, trying again\n", filch_future_name(self), attempt);
        if (filch_sleep(interval) != 0)
            return -ECANCELED;
    }
}

/* The first failure, recorded already, stops everything; later ones give way to it. */
static int get(filch_task *self, void *url)
{
    struct http_reply reply;
    int rc = get_with_retry(self, url, &reply);
    if (rc == 0)
        return filch_return(self, (void *)reply.status);
    if (rc != -ECANCELED && filch_stop_request_error(filch_task_stop(self), filch_task_error(self)))
        return rc;
    return -ECANCELED;
}

/* The task owns its url; its name is the path in there, such as task3/1. */
static int submit_get(filch_pool *pool, int id, int i, filch_future **out)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    char *url;
    if (asprintf(&url, "%s/task%d/%d", base_url, id, i) < 0)
        return -ENOMEM;
    options.name = url + strlen(base_url) + 1;
    options.arg_dtor = free;
    int rc = filch_submit_with(pool, get, url, &options, out);
    if (rc != 0)
        free(url);
    return rc;
}

/* ---- Main tasks -------------------------------------------------------------------------------------------- */

/* Counts results as they come, up to the failure. */
static filch_error *collect(filch_pool *pool, filch_future **gets, int *results)
{
    FILCH_AUTO(filch_completed_cleanup) filch_completed *completed = NULL;
    filch_future *next;
    int rc = filch_completed_begin(&completed, gets, (size_t)subs, FILCH_FOREVER);
    while (rc >= 0 && (rc = filch_completed_next(completed, &next)) > 0) {
        if (filch_future_state(next) == FILCH_FAILED)
            return filch_error_ref(filch_future_error(next));
        if (filch_future_state(next) == FILCH_DONE)
            ++*results;
    }
    if (rc == 0)
        rc = filch_stop_reason(filch_pool_stop(pool)); /* an interrupt stops every task, and then none is missing */
    return rc == 0 ? NULL : filch_error_create(rc, "cannot wait for the GETs");
}

static filch_error *process(filch_pool *pool, int id)
{
    filch_future *gets[MOST_SUBS] = { NULL };
    int rc = 0, results = 0;
    for (int i = 0; rc == 0 && i < subs; i++)
        rc = submit_get(pool, id, i, &gets[i]);
    filch_error *error =
        rc == 0 ? collect(pool, gets, &results) : filch_error_create(rc, "cannot submit task %d", id);
    for (int i = 0; i < subs; i++)
        filch_future_unref(gets[i]);
    if (!error)
        printf("task %d ok: %d results\n", id, results);
    return error;
}

static filch_error *run(int *done)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = (unsigned)workers;
    int rc = filch_pool_create(&pool, &options);
    if (rc == 0)
        rc = filch_guard_begin(&guard, filch_pool_stop(pool));
    if (rc != 0)
        return filch_error_create(rc, "cannot start");
    filch_error *error = NULL;
    for (; !error && *done < tasks; *done += !error)
        error = process(pool, *done);
    /* Whatever happened: stop first, then wait for what still runs. */
    filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_STOP_RUNNING,
                        FILCH_FOREVER, NULL);
    return error;
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Runs main tasks in turn, their sub tasks asynchronously, each with retries.", flags);
    int done = 0;
    int rc = http_init();
    int code = program_exit_code(rc == 0 ? run(&done) : filch_error_create(rc, "cannot start libcurl"));
    http_fini();
    printf("cleaned up (%d of %d tasks done)\n", done, tasks);
    return code;
}
