/* SPDX-License-Identifier: MIT */
/*
 * Fast fail: main tasks and their sub tasks are all asynchronous, on one pool; the first failure ends everything.
 *
 * A task that fails records its error and only then requests the stop with it. What the stop ends is STOPPED, not
 * FAILED, so the one failure that the caller finds is the root cause, whatever was going on meanwhile.
 */
#include "http_get.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TASKS = 1000, MOST_SUBS = 100 };

static const char *base_url = "https://example.com";
static int tasks = 10, subs = 3, workers = 3;
static int64_t timeout = FILCH_SECONDS(3);

static const struct flag flags[] = {
    { .name = "base-url", .help = "GET {base}/task{id}/{i}", .text = &base_url },
    { .name = "tasks", .help = "main tasks", .count = &tasks, .most = MOST_TASKS },
    { .name = "subs", .help = "sub tasks of each main task", .count = &subs, .least = 1, .most = MOST_SUBS },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "timeout", .help = "of each GET, in all", .duration = &timeout },
    { 0 },
};

/* For a task that has just attached its error: the first of all stops the others; later ones give way to it. */
static int fail_fast(filch_task *self, int code)
{
    return filch_stop_request_error(filch_task_stop(self), filch_task_error(self)) ? code : -ECANCELED;
}

/* ---- Sub tasks --------------------------------------------------------------------------------------------- */

static int get(filch_task *self, void *url)
{
    struct http_reply reply;
    int rc = http_get(self, url, timeout, &reply);
    if (rc == -ECANCELED)
        return rc;
    return rc == 0 ? filch_return(self, (void *)reply.status) : fail_fast(self, rc);
}

/* The task owns its url; its name is the path in there, such as task3/1. */
static int submit_get(filch_task *self, int id, int i, filch_future **out)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    char *url;
    if (asprintf(&url, "%s/task%d/%d", base_url, id, i) < 0)
        return -ENOMEM;
    options.name = url + strlen(base_url) + 1;
    options.arg_dtor = free;
    int rc = filch_submit_with(filch_task_pool(self), get, url, &options, out);
    if (rc != 0)
        free(url);
    return rc;
}

/* ---- Main tasks -------------------------------------------------------------------------------------------- */

/* Takes the statuses as the GETs complete. */
static int collect(filch_future **gets, long *statuses)
{
    FILCH_AUTO(filch_completed_cleanup) filch_completed *completed = NULL;
    filch_future *next;
    void *status = NULL;
    int rc = filch_completed_begin(&completed, gets, (size_t)subs, FILCH_FOREVER);
    while (rc >= 0 && (rc = filch_completed_next(completed, &next)) > 0) {
        rc = filch_future_result(next, 0, &status);
        *statuses++ = (long)status;
    }
    return rc;
}

/* Waits for every sub task, so that none outlives its main task, and fails from the one that failed, if any. */
static int join(filch_task *self, int id, filch_future **gets, int rc)
{
    if (rc != 0 && rc != -ECANCELED)
        rc = fail_fast(self, filch_fail(self, rc, "task %d failed", id));
    filch_join(gets, (size_t)subs);
    for (int i = 0; i < subs; i++) {
        if (gets[i] && filch_future_state(gets[i]) == FILCH_FAILED)
            rc = filch_fail_from(self, filch_future_error(gets[i]), 0, "task %d failed", id);
        filch_future_unref(gets[i]);
    }
    return rc;
}

/* The sub tasks go to the pool that this task runs on: waiting for them never blocks it. */
static int process(filch_task *self, void *arg)
{
    int id = (int)(intptr_t)arg;
    filch_future *gets[MOST_SUBS] = { NULL };
    long *statuses = calloc((size_t)subs, sizeof *statuses);
    int rc = statuses ? 0 : -ENOMEM;
    for (int i = 0; rc == 0 && i < subs; i++)
        rc = submit_get(self, id, i, &gets[i]);
    if (rc == 0)
        rc = collect(gets, statuses);
    rc = join(self, id, gets, rc);
    if (rc == 0)
        return filch_return_owned(self, statuses, free);
    free(statuses);
    return rc;
}

/* ---- The caller -------------------------------------------------------------------------------------------- */

static void print_result(filch_future *task)
{
    void *statuses;
    filch_future_result(task, 0, &statuses);
    printf("task %d ok:", (int)(intptr_t)filch_future_arg(task));
    for (int i = 0; i < subs; i++)
        printf(" %ld", ((long *)statuses)[i]);
    putchar('\n');
}

/* Main tasks in completion order, up to the one that failed. Those that merely saw the stop say nothing. */
static filch_error *watch(filch_pool *pool, filch_future **futures)
{
    FILCH_AUTO(filch_completed_cleanup) filch_completed *completed = NULL;
    filch_future *task;
    int rc = filch_completed_begin(&completed, futures, (size_t)tasks, FILCH_FOREVER);
    while (rc >= 0 && (rc = filch_completed_next(completed, &task)) > 0) {
        if (filch_future_state(task) == FILCH_FAILED)
            return filch_error_ref(filch_future_error(task));
        if (filch_future_state(task) == FILCH_DONE)
            print_result(task);
    }
    if (rc == 0)
        rc = filch_stop_reason(filch_pool_stop(pool)); /* an interrupt stops every task, and then none is missing */
    return rc == 0 ? NULL : filch_error_create(rc, "cannot wait for the tasks");
}

static filch_error *submit_all(filch_pool *pool)
{
    filch_future *futures[MOST_TASKS] = { NULL };
    int rc = 0;
    for (int id = 0; rc == 0 && id < tasks; id++)
        rc = filch_submit(pool, process, (void *)(intptr_t)id, &futures[id]);
    filch_error *error = rc == 0 ? watch(pool, futures) : filch_error_create(rc, "cannot submit the tasks");
    for (int id = 0; id < tasks; id++)
        filch_future_unref(futures[id]);
    return error;
}

static filch_error *run(void)
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
    filch_error *error = submit_all(pool);
    /* Whatever happened: stop first, then wait for what still runs. */
    filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_STOP_RUNNING,
                        FILCH_FOREVER, NULL);
    return error;
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Runs main and sub tasks, all asynchronous; the first failure ends everything.",
                  flags);
    int rc = http_init();
    int code = program_exit_code(rc == 0 ? run() : filch_error_create(rc, "cannot start libcurl"));
    http_fini();
    puts("executor closed");
    return code;
}
