/* SPDX-License-Identifier: MIT */
/*
 * The metrics of pools as text for Prometheus. Source: its documentation, "Exposition formats", text format 0.0.4, and
 * "Metric and label naming".
 */
#include "observe.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of which pools; where it goes: what does not fit is only counted. */
struct text {
    char *buffer;
    size_t size, length;
    filch_pool *const *pools;
    const filch_metrics *metrics; /* of each */
    size_t n;
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

/* ---- Lines ---- */

static void head(struct text *text, const char *name, const char *type, const char *help)
{
    print(text, "# HELP filch_%s %s\n# TYPE filch_%s %s\n", name, help, name, type);
}

/* The beginning of a sample of a pool, up to further labels. */
static void begin(struct text *text, const char *name, const char *suffix, const filch_pool *pool)
{
    print(text, "filch_%s%s{pool=\"", name, suffix);
    for (const char *at = pool->handoff.name; *at; at++)
        if (*at == '\n')
            print(text, "\\n");
        else
            print(text, *at == '\\' || *at == '"' ? "\\%c" : "%c", *at);
    print(text, "\"");
}

/* A time in seconds, exactly, whatever the locale. */
static void seconds(struct text *text, uint64_t ns)
{
    print(text, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

/* ---- Numbers of a pool ---- */

/* A sample, or the next one of the same family. */
struct number {
    const char *name, *type, *help; /* help NULL: it is of the family before it */
    const char *label, *is;
    size_t at, width; /* in filch_metrics */
};
#define AT(field) offsetof(filch_metrics, field), sizeof(((filch_metrics *)0)->field)

static const struct number numbers[] = {
    { "tasks_submitted_total", "counter", "Tasks accepted, each attempt after the first counted again.", NULL, NULL,
      AT(submitted) },
    { "tasks_finished_total", "counter", "Tasks dealt with: run, or ended without.", NULL, NULL, AT(finished) },
    { "tasks_stolen_total", "counter", "Tasks and forked calls taken from another worker.", NULL, NULL,
      AT(stolen) },
    { "tasks_in_place_total", "counter", "Tasks run on the stack of a task that awaited them.", NULL, NULL,
      AT(ran_in_place) },
    { "queued_tasks", "gauge", "Tasks that wait to be started, by where they wait.", "queue", "outside",
      AT(queued_outside) },
    { "queued_tasks", NULL, NULL, "queue", "inside", AT(queued_inside) },
    { "queued_tasks", NULL, NULL, "queue", "due", AT(due) },
    { "delayed_tasks", "gauge", "Tasks that wait for their time.", NULL, NULL, AT(delayed) },
    { "handoffs_total", "counter", "Times a waiting task gave its worker away.", NULL, NULL, AT(handoffs) },
    { "parks_total", "counter", "Times a thread went to sleep for want of work.", NULL, NULL, AT(parks) },
    { "thread_start_failures_total", "counter", "Thread starts that the system refused.", NULL, NULL,
      AT(threads_failed) },
    { "workers", "gauge", "How many tasks may run at once.", NULL, NULL, AT(workers) },
    { "idle_workers", "gauge", "Workers that no thread holds.", NULL, NULL, AT(idle) },
    { "threads_alive", "gauge", "Threads alive.", NULL, NULL, AT(threads) },
    { "threads_peak", "gauge", "Most threads ever alive at once.", NULL, NULL, AT(threads_peak) },
    { "threads", "gauge", "Threads without a worker, by why they have none.", "state", "spare", AT(spare) },
    { "threads", NULL, NULL, "state", "blocked", AT(blocked) },
    { "threads", NULL, NULL, "state", "in_region", AT(in_region) },
    { "threads", NULL, NULL, "state", "resumable", AT(resumable) },
};

/* Of pools that measure. */
static const struct number measured[] = {
    { "attempts_total", "counter", "Attempts that ended, and tasks that ended without, by what they came to.",
      "state", "done", AT(done) },
    { "attempts_total", NULL, NULL, "state", "failed", AT(failed) },
    { "attempts_total", NULL, NULL, "state", "stopped", AT(stopped) },
    { "attempts_total", NULL, NULL, "state", "cancelled", AT(cancelled) },
    { "attempts_total", NULL, NULL, "state", "retried", AT(retried) },
};

static const struct number histograms[] = {
    { "task_wait_seconds", "histogram", "Time from submit to start; sampled while tasks are short.", NULL, NULL,
      AT(wait) },
    { "task_run_seconds", "histogram", "Time from start to end; sampled while tasks are short.", NULL, NULL,
      AT(run) },
    { "task_busy_seconds", "histogram", "The same without the time in which the task held no worker.", NULL, NULL,
      AT(busy) },
};

static uint64_t value_of(const filch_metrics *metrics, const struct number *number)
{
    const char *at = (const char *)metrics + number->at;
    unsigned narrow = 0;
    uint64_t wide = 0;
    if (number->width == sizeof wide)
        memcpy(&wide, at, sizeof wide);
    else
        memcpy(&narrow, at, sizeof narrow);
    return number->width == sizeof wide ? wide : narrow;
}

static void print_number(struct text *text, size_t pool, const struct number *number)
{
    begin(text, number->name, "", text->pools[pool]);
    if (number->label)
        print(text, ",%s=\"%s\"", number->label, number->is);
    print(text, "} %" PRIu64 "\n", value_of(&text->metrics[pool], number));
}

/* The samples of a family stand together, whatever the pool; of those pools that measure, or of all. */
static void print_numbers(struct text *text, const struct number *first, size_t count, bool measuring)
{
    const struct number *end = first + count;
    for (const struct number *next; first < end; first = next) {
        for (next = first + 1; next < end && !next->help;)
            next++;
        head(text, first->name, first->type, first->help);
        for (size_t pool = 0; pool < text->n; pool++)
            for (const struct number *number = first; number < next; number++)
                if (!measuring || text->metrics[pool].measured)
                    print_number(text, pool, number);
    }
}

/* One bucket for each power of two. */
static void print_histogram(struct text *text, const char *name, size_t pool, const filch_histogram *from)
{
    uint64_t below = 0;
    for (unsigned i = 0; i < FILCH_HISTOGRAM_BUCKETS - 1; i++) {
        int64_t bound = filch_histogram_bound(i);
        below += from->buckets[i];
        if (bound & (bound - 1))
            continue;
        begin(text, name, "_bucket", text->pools[pool]);
        print(text, ",le=\"");
        seconds(text, (uint64_t)bound);
        print(text, "\"} %" PRIu64 "\n", below);
    }
    begin(text, name, "_bucket", text->pools[pool]);
    print(text, ",le=\"+Inf\"} %" PRIu64 "\n", from->count);
    begin(text, name, "_sum", text->pools[pool]);
    print(text, "} ");
    seconds(text, from->sum_ns);
    print(text, "\n");
    begin(text, name, "_count", text->pools[pool]);
    print(text, "} %" PRIu64 "\n", from->count);
}

static void print_histograms(struct text *text)
{
    for (size_t h = 0; h < sizeof histograms / sizeof *histograms; h++) {
        const struct number *family = &histograms[h];
        head(text, family->name, family->type, family->help);
        for (size_t pool = 0; pool < text->n; pool++)
            if (text->metrics[pool].measured)
                print_histogram(
                    text, family->name, pool,
                    (const filch_histogram *)(const void *)((const char *)&text->metrics[pool] + family->at));
    }
}

/* ---- Numbers of each worker ---- */

static uint64_t is_held(const filch_worker_stats *stats)
{
    return stats->state == FILCH_WORKER_HELD;
}

static uint64_t tasks_of(const filch_worker_stats *stats)
{
    return stats->finished;
}

static uint64_t steals_of(const filch_worker_stats *stats)
{
    return stats->stolen;
}

static uint64_t parks_of(const filch_worker_stats *stats)
{
    return stats->parks;
}

static uint64_t handoffs_of(const filch_worker_stats *stats)
{
    return stats->handoffs;
}

static uint64_t queued_of(const filch_worker_stats *stats)
{
    return stats->queued_inside;
}

static void print_workers(struct text *text)
{
    static const struct {
        const char *name, *type, *help;
        uint64_t (*of)(const filch_worker_stats *stats);
    } families[] = {
        { "worker_tasks_total", "counter", "Tasks that the worker has dealt with.", tasks_of },
        { "worker_steals_total", "counter", "Tasks it has taken from others.", steals_of },
        { "worker_parks_total", "counter", "Times it was given up for want of work.", parks_of },
        { "worker_handoffs_total", "counter", "Times a waiting task gave it away.", handoffs_of },
        { "worker_queued_tasks", "gauge", "Tasks of tasks that wait in its deque.", queued_of },
        { "worker_held", "gauge", "1: a thread holds it, and runs a task or looks for one.", is_held },
    };
    filch_worker_stats stats = FILCH_WORKER_STATS;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        head(text, families[f].name, families[f].type, families[f].help);
        for (size_t pool = 0; pool < text->n; pool++)
            for (unsigned i = 0; filch_pool_worker_stats_get(text->pools[pool], i, &stats) == 0; i++) {
                begin(text, families[f].name, "", text->pools[pool]);
                print(text, ",worker=\"%u\"} %" PRIu64 "\n", i, families[f].of(&stats));
            }
    }
}

/* ---- All of it ---- */

static int take(filch_pool *const *pools, filch_metrics *metrics, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        metrics[i].size = sizeof metrics[i];
        rc = pools[i] ? filch_metrics_get(pools[i], &metrics[i]) : -EINVAL;
    }
    return rc;
}

static bool any_measures(const filch_metrics *metrics, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (metrics[i].measured)
            return true;
    return false;
}

int64_t filch_metrics_format(filch_pool *const *pools, size_t n, char *buffer, size_t size)
{
    filch_metrics one, *metrics = &one;
    if (n == 0 || n > SIZE_MAX / sizeof one)
        return -EINVAL;
    if (n > 1 && !(metrics = filchi_os_alloc(n * sizeof one)))
        return -ENOMEM;
    struct text text = { .buffer = buffer, .size = size, .pools = pools, .metrics = metrics, .n = n };
    int rc = take(pools, metrics, n);
    if (!rc) {
        if (size)
            buffer[0] = 0;
        print_numbers(&text, numbers, sizeof numbers / sizeof *numbers, false);
        if (any_measures(metrics, n)) {
            print_numbers(&text, measured, sizeof measured / sizeof *measured, true);
            print_histograms(&text);
        }
        print_workers(&text);
    }
    if (n > 1)
        filchi_os_free(metrics);
    return rc ? rc : (int64_t)text.length;
}
