/* SPDX-License-Identifier: MIT */
/*
 * Fast fail: main tasks and their sub tasks are all asynchronous, on one pool; the first failure ends everything.
 *
 * The main tasks are in a scope, and each has its sub tasks in a scope of its own, inside that one. The first task of
 * a scope that fails is recorded, then the others are stopped. What a stop ends is STOPPED, not FAILED, so the error
 * that the caller finds leads to the root cause, whatever was going on meanwhile.
 */
#include "http_get.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_url = "https://example.com";
static int tasks = 10, subs = 3, workers = 3;
static int64_t timeout = FILCH_SECONDS(3);

static const struct flag flags[] = {
    { .name = "base-url", .help = "GET {base}/task{id}/{i}", .text = &base_url },
    { .name = "tasks", .help = "main tasks", .count = &tasks, .most = 1000 },
    { .name = "subs", .help = "sub tasks of each main task", .count = &subs, .least = 1, .most = 100 },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "timeout", .help = "of each GET, in all", .duration = &timeout },
    { 0 },
};

/* ---- Sub tasks --------------------------------------------------------------------------------------------- */

static int get(filch_task *self, void *url)
{
    struct http_reply reply;
    int rc = http_get(self, url, timeout, &reply);
    return rc == 0 ? filch_return(self, (void *)reply.status) : rc;
}

/* The task owns its url; its name is the path in there, such as task3/1. */
static int submit_get(filch_scope *scope, int id, int i)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    char *url;
    if (asprintf(&url, "%s/task%d/%d", base_url, id, i) < 0)
        return -ENOMEM;
    options.name = url + strlen(base_url) + 1;
    options.arg_dtor = free;
    int rc = filch_scope_submit_with(scope, get, url, &options, NULL);
    if (rc != 0)
        free(url);
    return rc;
}

/* ---- Main tasks -------------------------------------------------------------------------------------------- */

/* Runs the sub tasks of main task `id`, on the pool that it runs on itself, and takes statuses as they come. */
static int get_all(filch_scope *scope, int id, long *statuses, filch_error **error)
{
    filch_future *next;
    void *status;
    for (int i = 0; i < subs; i++) {
        int rc = submit_get(scope, id, i);
        if (rc != 0)
            return rc;
    }
    while (filch_scope_next(scope, FILCH_FOREVER, &next) > 0)
        if (filch_future_result(next, 0, &status) == 0)
            *statuses++ = (long)status;
    return filch_scope_join(scope, error);
}

static int process(filch_task *self, void *arg)
{
    FILCH_AUTO(filch_error_cleanup) filch_error *error = NULL;
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    int id = (int)(intptr_t)arg;
    long *statuses = calloc((size_t)subs, sizeof *statuses);
    int rc = statuses ? filch_scope_open(&scope, filch_task_pool(self), NULL) : -ENOMEM;
    if (rc == 0)
        rc = get_all(scope, id, statuses, &error);
    if (rc == 0)
        return filch_return_owned(self, statuses, free);
    free(statuses);
    return rc == -ECANCELED ? rc : filch_fail_from(self, error, rc, "task %d failed", id);
}

/* ---- The caller -------------------------------------------------------------------------------------------- */

static void print_result(filch_future *task)
{
    void *statuses;
    if (filch_future_result(task, 0, &statuses) != 0)
        return;
    printf("task %d ok:", (int)(intptr_t)filch_future_arg(task));
    for (int i = 0; i < subs; i++)
        printf(" %ld", ((long *)statuses)[i]);
    putchar('\n');
}

/* Main tasks in completion order. However this ends, the scope stops first and then waits for what still runs. */
static int process_all(filch_pool *pool, filch_error **error)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    filch_future *task;
    int rc = filch_scope_open(&scope, pool, NULL);
    for (int id = 0; rc == 0 && id < tasks; id++)
        rc = filch_scope_submit(scope, process, (void *)(intptr_t)id, NULL);
    while (rc == 0 && filch_scope_next(scope, FILCH_FOREVER, &task) > 0)
        print_result(task);
    return rc == 0 ? filch_scope_join(scope, error) : rc;
}

static int run(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *error = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = (unsigned)workers;
    int rc = filch_pool_create(&pool, &options);
    if (rc == 0)
        rc = filch_guard_begin(&guard, filch_pool_stop(pool));
    if (rc == 0)
        rc = process_all(pool, &error);
    return program_ended(rc, error, guard);
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Runs main and sub tasks, all asynchronous; the first failure ends everything.",
                  flags);
    int rc = http_init();
    int code = rc == 0 ? run() : program_ended(rc, NULL, NULL);
    http_fini();
    puts("executor closed");
    return code;
}
