/* SPDX-License-Identifier: MIT */
/*
 * Retry, cancel, chain: main tasks in turn, each with sub tasks that are tried again. When one fails in the end its
 * siblings are cancelled or stopped, and the main task fails from it.
 */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_SUBS = 100 };

static int tasks = 3, subs = 3, workers = 3, max_retries = 2, steps = 5;
static int64_t step = FILCH_MS(500), interval = FILCH_MS(500);

static const struct flag flags[] = {
    { .name = "tasks", .help = "main tasks, from task 0 on", .count = &tasks },
    { .name = "subs", .help = "sub tasks of each, from sub task 1 on", .count = &subs, .most = MOST_SUBS },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "max-retries", .help = "attempts at each sub task", .count = &max_retries, .least = 1 },
    { .name = "interval", .help = "between two attempts", .duration = &interval },
    { .name = "steps", .help = "of each sub task", .count = &steps },
    { .name = "step", .help = "how long each takes", .duration = &step },
    { 0 },
};

struct sub {
    int task, id;
};

/* ---- Sub tasks --------------------------------------------------------------------------------------------- */

static int attempt(filch_task *self, const struct sub *sub)
{
    if (sub->task == 1 && sub->id == 1)
        return filch_fail(self, -EINVAL, "simulated failure");
    for (int i = 0; i < steps; i++) {
        if (filch_task_stopped(self) || filch_sleep(step) != 0) {
            printf("sub task %d.%d ends midway\n", sub->task, sub->id);
            return -ECANCELED;
        }
    }
    char *result;
    if (asprintf(&result, "result of sub task %d.%d", sub->task, sub->id) < 0)
        return filch_fail(self, -ENOMEM, "no memory for the result");
    return filch_return_owned(self, result, free);
}

static int attempt_repeatedly(filch_task *self, void *arg)
{
    const struct sub *sub = arg;
    for (int n = 1;; n++) {
        printf("sub task %d.%d: attempt %d\n", sub->task, sub->id, n);
        int rc = attempt(self, sub);
        if (rc == 0 || rc == -ECANCELED)
            return rc;
        if (n == max_retries)
            return filch_fail_from(self, filch_task_error(self), 0, "failed after %d attempts", n);
        if (filch_sleep(interval) != 0)
            return -ECANCELED;
    }
}

static int submit(filch_pool *pool, struct sub *sub, filch_future **out)
{
    char name[32];
    snprintf(name, sizeof name, "sub task %d.%d", sub->task, sub->id);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = name;
    return filch_submit_with(pool, attempt_repeatedly, sub, &options, out);
}

/* ---- Main tasks -------------------------------------------------------------------------------------------- */

static filch_error *raise_from(const filch_error *cause, int task)
{
    return filch_error_create_from(cause, 0, "task %d ended because a sub task failed", task);
}

/* Prints results as they come, up to the first failure. */
static filch_error *collect(filch_pool *pool, filch_future **futures, int task)
{
    FILCH_AUTO(filch_completed_cleanup) filch_completed *completed = NULL;
    filch_future *next;
    void *result;
    int rc = filch_completed_begin(&completed, futures, (size_t)subs, FILCH_FOREVER);
    while (rc >= 0 && (rc = filch_completed_next(completed, &next)) > 0) {
        if (filch_future_state(next) == FILCH_FAILED)
            return raise_from(filch_future_error(next), task);
        if (filch_future_result(next, 0, &result) == 0)
            printf("task %d has the %s\n", task, (char *)result);
    }
    if (rc == 0)
        rc = filch_stop_reason(filch_pool_stop(pool)); /* an interrupt stops every task, and then none is missing */
    return rc == 0 ? NULL : filch_error_create(rc, "task %d did not end", task);
}

/* Cancels the siblings that have not started, stops those that run, and waits for them. */
static void end(filch_pool *pool, filch_future **futures, const filch_error *error)
{
    filch_cancel_all(futures, (size_t)subs);
    filch_stop_request_error(filch_pool_stop(pool), error);
    filch_join(futures, (size_t)subs);
    for (int i = 0; i < subs; i++)
        if (futures[i])
            printf("%s: %s\n", filch_future_name(futures[i]), filch_state_name(filch_future_state(futures[i])));
}

static filch_error *process(filch_pool *pool, int task)
{
    struct sub members[MOST_SUBS];
    filch_future *futures[MOST_SUBS] = { NULL };
    int rc = 0;
    printf("task %d begins\n", task);
    for (int i = 0; rc == 0 && i < subs; i++) {
        members[i] = (struct sub) { task, i + 1 };
        rc = submit(pool, &members[i], &futures[i]);
    }
    filch_error *error =
        rc == 0 ? collect(pool, futures, task) : filch_error_create(rc, "cannot begin task %d", task);
    if (error)
        end(pool, futures, error);
    else
        printf("task %d ok\n", task);
    for (int i = 0; i < subs; i++)
        filch_future_unref(futures[i]);
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
    filch_error *error = rc == 0 ? NULL : filch_error_create(rc, "cannot start");
    for (; !error && *done < tasks; *done += !error)
        error = process(pool, *done);
    return error;
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Runs main tasks in turn; a sub task that fails ends its siblings and the main task.",
                  flags);
    int done = 0;
    int code = program_exit_code(run(&done));
    printf("cleaned up (%d of %d tasks done)\n", done, tasks);
    return code;
}
