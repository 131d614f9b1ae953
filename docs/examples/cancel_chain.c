/* SPDX-License-Identifier: MIT */
/*
 * Retry, cancel, chain: main tasks in turn, each with sub tasks that are tried again. When one fails in the end, those
 * of its siblings that run are stopped, the others never start, and the main task fails from it.
 */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int tasks = 3, subs = 3, workers = 3, max_retries = 2, steps = 5;
static int64_t step = FILCH_MS(500), interval = FILCH_MS(500);

static const struct flag flags[] = {
    { .name = "tasks", .help = "main tasks, from task 0 on", .count = &tasks },
    { .name = "subs", .help = "sub tasks of each, from sub task 1 on", .count = &subs, .most = 100 },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "max-retries", .help = "attempts at each sub task", .count = &max_retries, .least = 1 },
    { .name = "interval", .help = "between two attempts", .duration = &interval },
    { .name = "steps", .help = "of each sub task", .count = &steps },
    { .name = "step", .help = "how long each takes", .duration = &step },
    { 0 },
};

/* ---- Sub tasks --------------------------------------------------------------------------------------------- */

/* One attempt. */
static int run_sub(filch_task *self, void *fails)
{
    const char *name = filch_future_name(self);
    char *result;
    printf("%s: attempt %u\n", name, filch_task_attempt(self));
    if (fails)
        return filch_fail(self, -EINVAL, "simulated failure");
    for (int i = 0; i < steps; i++) {
        if (filch_task_stopped(self) || filch_sleep(step) != 0) {
            printf("%s ends midway\n", name);
            return -ECANCELED;
        }
    }
    if (asprintf(&result, "result of %s", name) < 0)
        return filch_fail(self, -ENOMEM, "no memory for the result");
    return filch_return_owned(self, result, free);
}

static int submit(filch_scope *scope, int task, int id)
{
    bool fails = task == 1 && id == 1;
    char name[32];
    snprintf(name, sizeof name, "sub task %d.%d", task, id);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    retry.max_attempts = (unsigned)max_retries;
    retry.interval_ns = interval;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = name;
    options.retry = &retry;
    return filch_scope_submit_with(scope, run_sub, (void *)(intptr_t)fails, &options, NULL);
}

/* ---- Main tasks -------------------------------------------------------------------------------------------- */

/* Prints results as they come, and what became of the sub tasks that have none. An interrupt ends it. */
static void tell(filch_scope *scope, int task)
{
    filch_future *sub;
    void *result;
    while (filch_scope_next(scope, FILCH_FOREVER, &sub) > 0) {
        if (filch_future_result(sub, 0, &result) == 0)
            printf("task %d has the %s\n", task, (char *)result);
        else
            printf("%s: %s\n", filch_future_name(sub), filch_state_name(filch_future_state(sub)));
    }
}

static int process(filch_pool *pool, int task, filch_error **error)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *cause = NULL;
    printf("task %d begins\n", task);
    int rc = filch_scope_open(&scope, pool, NULL);
    for (int id = 1; rc == 0 && id <= subs; id++)
        rc = submit(scope, task, id);
    if (rc != 0)
        return rc;
    tell(scope, task);
    rc = filch_scope_join(scope, &cause);
    tell(scope, task);
    if (rc == 0)
        printf("task %d ok\n", task);
    else
        *error = filch_error_create_from(cause, 0, "task %d ended because a sub task failed", task);
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
    program_flags(argc, argv, "Runs main tasks in turn; a sub task that fails ends its siblings and the main task.",
                  flags);
    int done = 0;
    int code = run(&done);
    printf("cleaned up (%d of %d tasks done)\n", done, tasks);
    return code;
}
