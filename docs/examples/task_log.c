/* SPDX-License-Identifier: MIT */
/* A line for each thing that happens to a task, written by the hooks of the pool. */
#include <stdio.h>

#include <filch/filch.h>

static const char *name_of(const filch_event *event)
{
    return event->name ? event->name : "(no name)";
}

/* The word that the hooks have for each task holds when it was submitted, and while it runs when it was started. */
static void set_time(const filch_event *event, int64_t ns)
{
    *event->data = (void *)(intptr_t)ns;
}

static long long us_since(const filch_event *event, int64_t now)
{
    return (now - (intptr_t)*event->data) / 1000;
}

static void on_submit(const filch_event *event, void *log)
{
    fprintf(log, "%s: submitted\n", name_of(event));
    set_time(event, filch_now());
}

static void on_start(const filch_event *event, void *log)
{
    int64_t now = filch_now();
    if (event->attempt > 1)
        fprintf(log, "%s: attempt %u on worker %d\n", name_of(event), event->attempt, (int)event->worker);
    else
        fprintf(log, "%s: started after %lld us on worker %d\n", name_of(event), us_since(event, now),
                (int)event->worker);
    set_time(event, now);
}

static void on_finish(const filch_event *event, void *log)
{
    fprintf(log, "%s: %s, ran %lld us\n", name_of(event), filch_state_name(event->state),
            us_since(event, filch_now()));
}

static void on_drop(const filch_event *event, void *log)
{
    fprintf(log, "%s: %s without a run\n", name_of(event), filch_state_name(event->state));
}

/* ---- Something to log ---- */

static int work(filch_task *self, void *arg)
{
    (void)self;
    for (int64_t end = filch_now() + (intptr_t)arg; filch_now() < end;)
        continue;
    return 0;
}

static int fail_once(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) == 1 ? -5 : 0;
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_future_cleanup) filch_future *late = NULL;
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_task_options task = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    hooks.arg = stdout; /* each line is one call, which locks the stream: lines stay whole */
    hooks.on_submit = on_submit;
    hooks.on_start = on_start;
    hooks.on_finish = on_finish;
    hooks.on_drop = on_drop;
    options.hooks = &hooks;
    options.workers = 2;
    if (filch_pool_create(&pool, &options))
        return 1;

    task.name = "resize";
    int rc = filch_submit_with(pool, work, (void *)(intptr_t)FILCH_MS(2), &task, NULL);
    task.name = "upload";
    retry.max_attempts = 2;
    retry.interval_ns = FILCH_MS(1);
    task.retry = &retry;
    rc = rc ? rc : filch_submit_with(pool, fail_once, NULL, &task, NULL);
    task.name = "nightly";
    task.retry = NULL;
    task.start_at_ns = filch_now() + FILCH_SECONDS(3600);
    rc = rc ? rc : filch_submit_with(pool, work, NULL, &task, &late);
    if (!rc)
        filch_future_cancel(late);
    return rc != 0;
}
