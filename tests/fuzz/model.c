/* SPDX-License-Identifier: MIT */
/* The sequential model: see model.h. */
#include "model.h"

#include "bytes.h"

#include <errno.h>
#include <string.h>

void model_begin(struct model *model)
{
    memset(model, 0, sizeof *model);
    model->running = model->paused = MODEL_NONE;
    model->n_stops = 1;
    model->stops[0].parent = MODEL_NONE;
}

/* ---- Stops ---- */

int model_stop(struct model *model, int parent)
{
    int stop = (int)model->n_stops++;
    model->stops[stop] = (struct model_stop) { .parent = parent };
    if (parent != MODEL_NONE)
        model->stops[stop].reason = model->stops[parent].reason;
    return stop;
}

bool model_stop_requested(const struct model *model, int stop)
{
    return model->stops[stop].reason != 0;
}

/* Whether a stop is `other` or below it. */
static bool is_under(const struct model *model, int stop, int other)
{
    while (stop != MODEL_NONE && stop != other)
        stop = model->stops[stop].parent;
    return stop == other;
}

/* What has not started will not, but may be cancelled until it is STOPPED. */
static void stop_tasks(struct model *model)
{
    for (unsigned i = 0; i < model->n_tasks; i++) {
        struct model_task *task = &model->tasks[i];
        if (!model_stop_requested(model, task->stop) || task->on_stack || !(task->may_be & MODEL_NOT_STARTED))
            continue;
        task->may_be |= MODEL_IS(FILCH_STOPPED);
        task->must_not_start = true;
    }
}

bool model_request(struct model *model, int stop, int reason)
{
    if (model_stop_requested(model, stop))
        return false;
    for (int i = 0; i < (int)model->n_stops; i++)
        if (is_under(model, i, stop) && !model->stops[i].reason)
            model->stops[i].reason = reason;
    stop_tasks(model);
    return true;
}

/* ---- Tasks ---- */

int model_submit(struct model *model, const struct model_task *as)
{
    int number = (int)model->n_tasks++;
    struct model_task *task = &model->tasks[number];
    *task = *as;
    task->may_be = MODEL_IS(FILCH_PENDING);
    if (model->cancelling)
        task->may_be |= MODEL_IS(FILCH_CANCELLED);
    if (task->scope)
        task->scope->members++;
    stop_tasks(model);
    return number;
}

void model_refused(struct model *model, int task)
{
    must(task == (int)model->n_tasks - 1);
    if (model->tasks[task].scope)
        model->tasks[task].scope->members--;
    model->n_tasks--;
}

void model_start(struct model *model, int number, unsigned attempt)
{
    struct model_task *task = &model->tasks[number];
    must(model->running == MODEL_NONE); /* one worker: never two at once */
    must(task->may_be & MODEL_NOT_STARTED);
    must(!task->must_not_start && !task->on_stack && !task->in_an_hour);
    must(attempt == task->attempts + 1 && attempt <= task->most_attempts);
    for (int i = 0; i < number && task->in_order && attempt == 1; i++) {
        const struct model_task *before = &model->tasks[i];
        must(!before->in_order || before->attempts || before->may_be != MODEL_IS(FILCH_PENDING));
    }
    model->running = number;
    task->on_stack = true;
    task->attempts = attempt;
    task->may_be = MODEL_IS(FILCH_RUNNING);
}

static void fail_in_scope(struct model *model, struct model_scope *scope, int code)
{
    if (!scope)
        return;
    if (!scope->errors++)
        scope->code = code;
    if (!scope->collect)
        model_request(model, scope->stop, code);
}

void model_return(struct model *model, int number, int code)
{
    struct model_task *task = &model->tasks[number];
    bool stopped = model_stop_requested(model, task->stop);
    must(model->running == number);
    model->running = MODEL_NONE;
    task->on_stack = false;
    task->code = code;
    if (code && task->attempts < task->most_attempts && !stopped) {
        task->may_be = MODEL_IS(FILCH_RUNNING) | MODEL_NOT_STARTED;
        if (model->cancelling)
            task->may_be |= MODEL_IS(FILCH_CANCELLED);
        return;
    }
    filch_state state = code == 0 ? FILCH_DONE : code == -ECANCELED && stopped ? FILCH_STOPPED : FILCH_FAILED;
    task->may_be = MODEL_IS(FILCH_RUNNING) | MODEL_IS(state);
    task->completed_at = ++model->clock;
    if (state == FILCH_FAILED)
        fail_in_scope(model, task->scope, code);
}

void model_block(struct model *model, int task)
{
    must(model->running == task);
    model->running = MODEL_NONE;
}

void model_go_on(struct model *model, int task)
{
    must(model->running == MODEL_NONE);
    model->running = task;
}

/* ---- What the program sees ---- */

void model_saw(struct model *model, int number, filch_state state)
{
    struct model_task *task = &model->tasks[number];
    must(task->may_be & MODEL_IS(state));
    if (MODEL_IS(state) & MODEL_FINAL)
        task->may_be = MODEL_IS(state);
}

void model_saw_cancel(struct model *model, int number, bool answer)
{
    struct model_task *task = &model->tasks[number];
    if (!answer) {
        task->may_be &= ~(MODEL_NOT_STARTED | MODEL_IS(FILCH_CANCELLED));
        must(task->may_be);
        return;
    }
    must(task->may_be & (MODEL_NOT_STARTED | MODEL_IS(FILCH_CANCELLED)));
    if (!(task->may_be & MODEL_IS(FILCH_CANCELLED)))
        task->completed_at = ++model->clock;
    task->may_be = MODEL_IS(FILCH_CANCELLED);
    task->must_not_start = true;
}

void model_shutdown(struct model *model, unsigned flags)
{
    model->shut = true;
    if (flags & FILCH_SHUTDOWN_STOP_RUNNING)
        model_request(model, 0, -ECANCELED);
    if (!(flags & FILCH_SHUTDOWN_CANCEL_PENDING))
        return;
    model->cancelling = true;
    for (unsigned i = 0; i < model->n_tasks; i++) {
        struct model_task *task = &model->tasks[i];
        if (task->on_stack || !(task->may_be & MODEL_NOT_STARTED))
            continue;
        task->may_be |= MODEL_IS(FILCH_CANCELLED);
        task->must_not_start = true;
    }
}

unsigned model_unfinished(const struct model *model)
{
    unsigned n = 0;
    for (unsigned i = 0; i < model->n_tasks; i++) {
        const struct model_task *task = &model->tasks[i];
        bool to_start = task->may_be & MODEL_NOT_STARTED && !(task->must_not_start || task->in_an_hour);
        n += task->on_stack || (to_start && !(task->may_be & MODEL_IS(FILCH_CANCELLED)));
    }
    return n;
}

void model_settled(struct model *model)
{
    for (unsigned i = 0; i < model->n_tasks; i++) {
        struct model_task *task = &model->tasks[i];
        if (!task->on_stack && task->may_be != MODEL_IS(FILCH_RUNNING))
            task->may_be &= ~MODEL_IS(FILCH_RUNNING);
    }
}

int model_join(const struct model *model, const struct model_scope *scope)
{
    if (scope->errors)
        return scope->code;
    for (unsigned i = 0; i < model->n_tasks; i++)
        if (model->tasks[i].scope == scope && model->tasks[i].may_be == MODEL_IS(FILCH_STOPPED))
            return -ECANCELED;
    return 0;
}
