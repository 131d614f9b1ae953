/* SPDX-License-Identifier: MIT */
/*
 * The metrics of a pool as text for Prometheus. Source: its documentation, "Exposition formats", text format 0.0.4, and
 * "Metric and label naming".
 */
#include "observe.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Where it goes; what does not fit is only counted. */
struct text {
    char *buffer;
    size_t size, length;
    char pool[2 * sizeof((struct filchi_handoff *)0)->name]; /* its name, escaped */
};

static FILCH_PRINTF(2, 3) void print(struct text *text, const char *format, ...)
{
    va_list args;
    size_t left = text->length < text->size ? text->size - text->length : 0;
    va_start(args, format);
    int n = vsnprintf(left ? text->buffer + text->length : NULL, left, format, args);
    va_end(args);
    text->length += n > 0 ? (size_t)n : 0;
}

/* As the value of a label. */
static void escape(char *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '\\' || *name == '"' || *name == '\n')
            *out++ = '\\';
        *out++ = *name == '\n' ? 'n' : *name;
    }
    *out = 0;
}

/* ---- Families ---- */

static void head(struct text *text, const char *name, const char *type, const char *help)
{
    print(text, "# HELP filch_%s %s\n# TYPE filch_%s %s\n", name, help, name, type);
}

static void sample(struct text *text, const char *name, uint64_t value)
{
    print(text, "filch_%s{pool=\"%s\"} %" PRIu64 "\n", name, text->pool, value);
}

static void labelled(struct text *text, const char *name, const char *label, const char *is, uint64_t value)
{
    print(text, "filch_%s{pool=\"%s\",%s=\"%s\"} %" PRIu64 "\n", name, text->pool, label, is, value);
}

static void counter(struct text *text, const char *name, const char *help, uint64_t value)
{
    head(text, name, "counter", help);
    sample(text, name, value);
}

static void gauge(struct text *text, const char *name, const char *help, uint64_t value)
{
    head(text, name, "gauge", help);
    sample(text, name, value);
}

/* A time in seconds, exactly, whatever the locale. */
static void seconds(struct text *text, uint64_t ns)
{
    print(text, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

/* One bucket for each power of two. */
static void histogram(struct text *text, const char *name, const char *help, const filch_histogram *from)
{
    uint64_t below = 0;
    head(text, name, "histogram", help);
    for (unsigned i = 0; i < FILCH_HISTOGRAM_BUCKETS - 1; i++) {
        int64_t bound = filch_histogram_bound(i);
        below += from->buckets[i];
        if (bound & (bound - 1))
            continue;
        print(text, "filch_%s_bucket{pool=\"%s\",le=\"", name, text->pool);
        seconds(text, (uint64_t)bound);
        print(text, "\"} %" PRIu64 "\n", below);
    }
    print(text, "filch_%s_bucket{pool=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, text->pool, from->count);
    print(text, "filch_%s_sum{pool=\"%s\"} ", name, text->pool);
    seconds(text, from->sum_ns);
    print(text, "\nfilch_%s_count{pool=\"%s\"} %" PRIu64 "\n", name, text->pool, from->count);
}

/* ---- What there is ---- */

static void print_tasks(struct text *text, const filch_metrics *metrics)
{
    const char *depth = "queued_tasks";
    counter(text, "tasks_submitted_total", "Tasks accepted, each attempt after the first counted again.",
            metrics->submitted);
    counter(text, "tasks_finished_total", "Tasks dealt with: run, or ended without.", metrics->finished);
    counter(text, "tasks_stolen_total", "Tasks and forked calls taken from another worker.", metrics->stolen);
    counter(text, "tasks_in_place_total", "Tasks run on the stack of a task that awaited them.",
            metrics->ran_in_place);
    head(text, depth, "gauge", "Tasks that wait to be started, by where they wait.");
    labelled(text, depth, "queue", "outside", metrics->queued_outside);
    labelled(text, depth, "queue", "inside", metrics->queued_inside);
    labelled(text, depth, "queue", "due", metrics->due);
    gauge(text, "delayed_tasks", "Tasks that wait for their time.", metrics->delayed);
}

static void print_threads(struct text *text, const filch_metrics *metrics)
{
    const char *threads = "threads";
    counter(text, "handoffs_total", "Times a waiting task gave its worker away.", metrics->handoffs);
    counter(text, "parks_total", "Times a thread went to sleep for want of work.", metrics->parks);
    counter(text, "thread_start_failures_total", "Thread starts that the system refused.", metrics->threads_failed);
    gauge(text, "workers", "How many tasks may run at once.", metrics->workers);
    gauge(text, "idle_workers", "Workers that no thread holds.", metrics->idle);
    gauge(text, "threads_alive", "Threads alive.", metrics->threads);
    gauge(text, "threads_peak", "Most threads ever alive at once.", metrics->threads_peak);
    head(text, threads, "gauge", "Threads without a worker, by why they have none.");
    labelled(text, threads, "state", "spare", metrics->spare);
    labelled(text, threads, "state", "blocked", metrics->blocked);
    labelled(text, threads, "state", "in_region", metrics->in_region);
    labelled(text, threads, "state", "resumable", metrics->resumable);
}

static void print_measured(struct text *text, const filch_metrics *metrics)
{
    const char *ended = "attempts_total";
    head(text, ended, "counter", "Attempts that ended, and tasks that ended without, by what they came to.");
    labelled(text, ended, "state", "done", metrics->done);
    labelled(text, ended, "state", "failed", metrics->failed);
    labelled(text, ended, "state", "stopped", metrics->stopped);
    labelled(text, ended, "state", "cancelled", metrics->cancelled);
    labelled(text, ended, "state", "retried", metrics->retried);
    histogram(text, "task_wait_seconds", "Time from submit to start; sampled while tasks are short.",
              &metrics->wait);
    histogram(text, "task_run_seconds", "Time from start to end; sampled while tasks are short.", &metrics->run);
    histogram(text, "task_busy_seconds", "The same without the time in which the task held no worker.",
              &metrics->busy);
}

/* Each family by itself: the samples of one must not be among those of others. */
static void print_workers(struct text *text, filch_pool *pool)
{
    static const struct {
        const char *name, *type, *help;
        size_t at; /* in filch_worker_stats */
    } families[] = {
        { "worker_tasks_total", "counter", "Tasks that the worker has dealt with.",
          offsetof(filch_worker_stats, finished) },
        { "worker_steals_total", "counter", "Tasks it has taken from others.",
          offsetof(filch_worker_stats, stolen) },
        { "worker_parks_total", "counter", "Times it was given up for want of work.",
          offsetof(filch_worker_stats, parks) },
        { "worker_handoffs_total", "counter", "Times a waiting task gave it away.",
          offsetof(filch_worker_stats, handoffs) },
        { "worker_queued_tasks", "gauge", "Tasks of tasks that wait in its deque.",
          offsetof(filch_worker_stats, queued_inside) },
    };
    filch_worker_stats stats = FILCH_WORKER_STATS;
    char number[12];
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        head(text, families[f].name, families[f].type, families[f].help);
        for (unsigned i = 0; filch_pool_worker_stats_get(pool, i, &stats) == 0; i++) {
            uint64_t value;
            memcpy(&value, (const char *)&stats + families[f].at, sizeof value);
            snprintf(number, sizeof number, "%u", i);
            labelled(text, families[f].name, "worker", number, value);
        }
    }
}

static void print_held(struct text *text, filch_pool *pool)
{
    filch_worker_stats stats = FILCH_WORKER_STATS;
    char number[12];
    head(text, "worker_held", "gauge", "1: a thread holds it, and runs a task or looks for one.");
    for (unsigned i = 0; filch_pool_worker_stats_get(pool, i, &stats) == 0; i++) {
        snprintf(number, sizeof number, "%u", i);
        labelled(text, "worker_held", "worker", number, stats.state == FILCH_WORKER_HELD);
    }
}

int64_t filch_metrics_format(filch_pool *pool, char *buffer, size_t size)
{
    if (!pool)
        return -EINVAL;
    filch_metrics metrics = FILCH_METRICS;
    int rc = filch_metrics_get(pool, &metrics);
    if (rc)
        return rc;
    struct text text = { .buffer = buffer, .size = size };
    escape(text.pool, pool->handoff.name);
    if (size)
        buffer[0] = 0;
    print_tasks(&text, &metrics);
    print_threads(&text, &metrics);
    if (metrics.measured)
        print_measured(&text, &metrics);
    print_workers(&text, pool);
    print_held(&text, pool);
    return (int64_t)text.length;
}
