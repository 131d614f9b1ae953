/* SPDX-License-Identifier: MIT */
/*
 * Main tasks and their sub tasks, all on one pool.
 *
 * A main task has a scope, and in it a sub task for every URL. It may wait for them with a single worker: while it
 * waits it gives the worker away, and a GET does so while it waits for its server.
 *
 * Fail fast: of a GET that fails in the end the scope records the error, and only then stops the others. The main
 * task fails from that error, which stops the other main tasks in the same way. So the root cause is on record
 * before anybody stops, and a task that merely saw the stop is STOPPED.
 */
#include "fetch_tasks.h"

#include "http_get.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- A sub task: one GET ----------------------------------------------------------------------------------- */

/* The state that the task will have once it has returned `error`. */
static filch_state outcome(const filch_task *self, const filch_retry_options *retry, int error)
{
    unsigned attempt = filch_task_attempt(self);
    if (error == 0)
        return FILCH_DONE;
    if (error == -ECANCELED)
        return FILCH_STOPPED;
    bool again = attempt < retry->max_attempts && http_may_recover(filch_task_error(self), attempt, NULL);
    return again ? FILCH_RETRY_WAIT : FILCH_FAILED;
}

/* One attempt. */
static int get_task(filch_task *self, void *arg)
{
    struct fetch_get *get = arg;
    const struct fetch_run *run = get->run;
    fetch_progress_started(run->progress);
    filch_blocking_begin(self);
    int error = http_get(self, get->url, run->options->timeout_ns, &get->reply);
    filch_blocking_end(self);
    fetch_progress_finished(run->progress, outcome(self, &run->options->retry, error));
    return error;
}

/* ---- A main task: its GETs --------------------------------------------------------------------------------- */

static int submit_get(filch_scope *scope, const struct fetch_result *result, size_t i)
{
    const filch_retry_options *retry = &result->run->options->retry;
    char *name;
    if (asprintf(&name, "%s/%zu", result->input->name, i) < 0)
        return -ENOMEM;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = name;
    options.retry = retry->max_attempts > 1 ? retry : NULL; /* of a single attempt an error need not tell */
    int error = filch_scope_submit_with(scope, get_task, &result->gets[i], &options, NULL);
    free(name);
    return error;
}

/* Once no GET runs any more: what became of each. */
static void note_gets(filch_scope *scope)
{
    filch_future *future;
    while (filch_scope_next(scope, FILCH_FOREVER, &future) > 0) {
        struct fetch_get *get = filch_future_arg(future);
        get->state = filch_future_state(future);
        get->tries = filch_future_attempts(future);
        if (get->state == FILCH_FAILED)
            get->error = filch_error_ref(filch_future_error(future));
    }
}

int fetch_main_task(filch_task *self, void *arg)
{
    FILCH_AUTO(filch_error_cleanup) filch_error *cause = NULL;
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    const struct fetch_result *result = arg;
    const char *name = result->input->name;
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.policy = result->run->options->policy;
    int error = filch_scope_open(&scope, filch_task_pool(self), &options);
    for (size_t i = 0; error == 0 && i < result->input->url_count; i++)
        error = submit_get(scope, result, i);
    if (error != 0)
        return filch_fail(self, error, "main task %s cannot submit a GET", name);
    error = filch_scope_join(scope, &cause);
    note_gets(scope);
    if (error == 0 || error == -ECANCELED)
        return error;
    return filch_fail_from(self, cause, error, "main task %s ended because a GET failed", name);
}
