/* SPDX-License-Identifier: MIT */
/*
 * Graceful exit: at the first failure pending tasks are cancelled, running ones are told to stop and awaited, and the
 * error is raised again with the name of the task and its cause. The log tells each step.
 */
#include "log.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FIRST_TASK = 20, FIRST_FAILURE = 30, MOST_TASKS = 1000 };

static int tasks = 20, failures = 2, workers = 3, seed = 0;
static int64_t step = FILCH_MS(100);

static const struct flag flags[] = {
    { .name = "tasks", .help = "tasks, from task_20 on", .count = &tasks, .most = MOST_TASKS },
    { .name = "failures", .help = "tasks that fail at once, from task_30 on", .count = &failures },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "step", .help = "each task sleeps 10 to 29 of them", .duration = &step },
    { .name = "seed", .help = "of the random numbers; 0: the time", .count = &seed },
    { 0 },
};

static int deal(filch_task *self, void *arg)
{
    int steps = (int)(intptr_t)arg; /* 0: the task is not allowed */
    const char *name = filch_future_name(self);
    log_event(LOG_INFO, "start", "task", name, NULL);
    if (steps == 0)
        return filch_fail(self, -EPERM, "%s may not run", name);
    for (; steps > 0; steps--) {
        if (filch_task_stopped(self) || filch_sleep(step) != 0) {
            log_event(LOG_INFO, "early exit", "task", name, NULL);
            return -ECANCELED;
        }
    }
    return 0;
}

/* Called once for every task, also for one that never starts. */
static void log_finish(filch_future *task, void *unused)
{
    (void)unused;
    const char *state = filch_state_name(filch_future_state(task));
    log_event(LOG_INFO, "finish", "task", filch_future_name(task), "state", state, NULL);
}

static int submit(filch_scope *scope, int number)
{
    bool allowed = number < FIRST_FAILURE || number >= FIRST_FAILURE + failures;
    int steps = allowed ? (int)((1 + 2 * drand48()) * 10) : 0;
    char name[24];
    snprintf(name, sizeof name, "task_%d", number);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = name;
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    int rc = filch_scope_submit_with(scope, deal, (void *)(intptr_t)steps, &options, &future);
    return rc == 0 ? filch_future_on_done(future, log_finish, NULL) : rc;
}

/* The same kind of error as the task's, which is its cause. */
static int raise_again(filch_future *task, filch_error **error)
{
    const char *name = filch_future_name(task);
    const filch_error *cause = filch_future_error(task);
    log_event(LOG_WARNING, "failure", "task", name, "error", filch_error_message(cause), NULL);
    *error = filch_error_create_from(cause, 0, "%s failed", name);
    return filch_error_code(cause);
}

/* Lists what is done, in completion order, up to the first failure. */
static int collect(filch_scope *scope, filch_error **error)
{
    char results[MOST_TASKS * sizeof "task_1019"] = "", *end = results;
    filch_future *task;
    int rc;
    while ((rc = filch_scope_next(scope, FILCH_FOREVER, &task)) > 0) {
        if (filch_future_state(task) == FILCH_FAILED)
            return raise_again(task, error);
        if (filch_future_state(task) == FILCH_DONE)
            end += sprintf(end, end > results ? " %s" : "%s", filch_future_name(task));
    }
    if (rc == 0)
        rc = filch_scope_join(scope, error);
    if (rc == 0)
        log_event(LOG_INFO, "results", "tasks", results, NULL);
    return rc;
}

static int run_tasks(filch_pool *pool, filch_error **error)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.policy = FILCH_COLLECT; /* a failure is to cancel what is pending, not only to stop it */
    int rc = filch_scope_open(&scope, pool, &options);
    for (int i = 0; rc == 0 && i < tasks; i++)
        rc = submit(scope, FIRST_TASK + i);
    if (rc == 0)
        rc = collect(scope, error);
    /* Whatever happened: cancels what is pending, tells what runs to stop, and waits for that. */
    filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_STOP_RUNNING,
                        FILCH_FOREVER, NULL);
    return rc;
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
        rc = run_tasks(pool, &error);
    if (rc != 0 && guard && filch_guard_interrupted(guard))
        log_event(LOG_ERROR, "interrupt", NULL);
    return program_ended(rc, error, guard);
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Runs tasks of which some fail, and ends in good order.", flags);
    srand48(seed != 0 ? seed : time(NULL));
    return run();
}
