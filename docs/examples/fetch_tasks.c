/* SPDX-License-Identifier: MIT */
/*
 * Main tasks and their sub tasks, all on one pool.
 *
 * A main task submits a sub task for every URL to its own pool and collects them in completion order. It may do
 * so with a single worker: while it waits it gives the worker away, so that main and sub tasks cannot starve each
 * other.
 *
 * Fail fast: the GET that fails attaches its error and only then requests the pool's stop, with that error as the
 * reason. So the root cause is on record before anybody stops, and a task that merely saw the stop is STOPPED.
 */
#include "fetch_tasks.h"

#include "http_get.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- A sub task: one GET ----------------------------------------------------------------------------------- */

static int try_get(filch_task *self, struct fetch_get *get)
{
    get->tries++;
    return http_get(self, get->url, get->run->options->timeout_ns, &get->reply);
}

static int get_with_retries(filch_task *self, struct fetch_get *get)
{
    const struct fetch_options *options = get->run->options;
    int error = try_get(self, get);
    while (error != 0 && error != -ECANCELED && get->tries < options->tries) {
        error = filch_sleep(options->interval_ns);
        if (error == 0)
            error = try_get(self, get);
    }
    if (error == 0 || error == -ECANCELED || options->tries == 1)
        return error;
    return filch_fail_from(self, filch_task_error(self), 0, "GET %s failed %u times", get->url, get->tries);
}

/* Unless told to keep going, stops everything for the error that the task has attached. The first one wins. */
static void stop_for(filch_task *self, const struct fetch_run *run)
{
    if (!run->options->keep_going)
        filch_stop_request_error(filch_task_stop(self), filch_task_error(self));
}

/* The state that the task will have once it has returned `error`. */
static filch_state outcome(const filch_task *self, int error)
{
    if (error == 0)
        return FILCH_DONE;
    return error == -ECANCELED && filch_task_stopped(self) ? FILCH_STOPPED : FILCH_FAILED;
}

static int get_task(filch_task *self, void *arg)
{
    struct fetch_get *get = arg;
    fetch_progress_started(get->run->progress);
    int error = get_with_retries(self, get);
    fetch_progress_finished(get->run->progress, outcome(self, error));
    if (error != 0 && error != -ECANCELED)
        stop_for(self, get->run);
    return error;
}

/* ---- A main task: its GETs --------------------------------------------------------------------------------- */

static int submit_get(filch_task *self, const struct fetch_result *result, size_t i, filch_future **out)
{
    char *name;
    if (asprintf(&name, "%s/%zu", result->input->name, i) < 0)
        return -ENOMEM;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = name;
    int error = filch_submit_with(filch_task_pool(self), get_task, &result->gets[i], &options, out);
    free(name);
    return error;
}

/* Submits a GET for every URL; *out_count says how many went well. */
static int submit_gets(filch_task *self, const struct fetch_result *result, filch_future **futures,
                       size_t *out_count)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < result->input->url_count; i++) {
        error = submit_get(self, result, i, &futures[i]);
        *out_count += error == 0;
    }
    if (error == 0)
        return 0;
    if (filch_task_stopped(self)) /* a pool that is being stopped takes nothing more */
        return -ECANCELED;
    return filch_fail(self, error, "main task %s cannot submit a GET", result->input->name);
}

static void note_get(filch_future *future, const struct fetch_get **first_failed)
{
    struct fetch_get *get = filch_future_arg(future);
    get->state = filch_future_state(future);
    if (get->state != FILCH_FAILED)
        return;
    get->error = filch_error_ref(filch_future_error(future));
    if (!*first_failed)
        *first_failed = get;
}

/* Collects the GETs in completion order; *out_failed is the first of them that failed, if any did. */
static int collect_gets(filch_future *const *futures, size_t n, const struct fetch_get **out_failed)
{
    filch_completed *completed;
    int error = filch_completed_begin(&completed, futures, n, FILCH_FOREVER);
    if (error != 0)
        return error;
    filch_future *future;
    int got;
    while (error == 0 && (got = filch_completed_next(completed, &future)) != 0) {
        if (got > 0)
            note_get(future, out_failed);
        else if (got == -ECANCELED) /* The stop ends the GETs too: wait for that, then hear what became of them. */
            error = filch_join(futures, n);
        else
            error = got;
    }
    filch_completed_end(completed);
    return error;
}

/* Of the GETs that failed the one that stopped the run, if it is among them, else the first. */
static const struct fetch_get *find_culprit(const filch_task *self, const struct fetch_result *result,
                                            const struct fetch_get *first)
{
    const filch_error *reason = filch_stop_error(filch_task_stop(self));
    for (size_t i = 0; reason && i < result->input->url_count; i++)
        if (result->gets[i].error == reason)
            return &result->gets[i];
    return first;
}

/* The messages name the main task, because an element of a mapping is in a task without a name. */
static int fetch_all(filch_task *self, struct fetch_result *result, filch_future **futures)
{
    const char *name = result->input->name;
    size_t count = result->input->url_count, submitted = 0;
    const struct fetch_get *failed = NULL;
    int submit_error = submit_gets(self, result, futures, &submitted);
    int error = collect_gets(futures, submitted, &failed);
    if (error != 0)
        return filch_fail(self, error, "main task %s cannot collect its GETs", name);
    failed = find_culprit(self, result, failed);
    if (failed)
        return filch_fail_from(self, failed->error, 0, "main task %s ended because a GET failed", name);
    if (submit_error != 0)
        return submit_error;
    for (size_t i = 0; i < count; i++)
        if (result->gets[i].state != FILCH_DONE)
            return -ECANCELED;
    return 0;
}

static int run_main(filch_task *self, struct fetch_result *result)
{
    size_t count = result->input->url_count;
    filch_future **futures = calloc(count, sizeof *futures);
    int error = futures ? fetch_all(self, result, futures)
                        : filch_fail(self, -ENOMEM, "main task %s cannot begin", result->input->name);
    for (size_t i = 0; futures && i < count; i++)
        filch_future_unref(futures[i]);
    free(futures);

    result->state = error == 0 ? FILCH_DONE : error == -ECANCELED ? FILCH_STOPPED : FILCH_FAILED;
    if (result->state == FILCH_FAILED) {
        result->error = filch_error_ref(filch_task_error(self));
        stop_for(self, result->run);
    }
    return error;
}

int fetch_main_task(filch_task *self, void *result)
{
    return run_main(self, result);
}

int fetch_main_map(filch_task *self, const void *in, void *result, void *run)
{
    (void)in;
    const struct fetch_run *shared = run;
    int error = run_main(self, result);
    return shared->options->keep_going ? 0 : error;
}
