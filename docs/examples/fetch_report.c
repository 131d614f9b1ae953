/* SPDX-License-Identifier: MIT */
/*
 * Telling results: the text and the JSON are two views of the same structures.
 *
 * Results go to standard output, failures with their chains of causes to standard error. The one is flushed before
 * the other is written to, so that on a terminal a chain stands below the line it explains.
 */
#include "fetch_report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct totals {
    size_t done, failed, stopped; /* main tasks; stopped: before they could finish, or start */
    size_t gets, answered;
    size_t bytes;
};

static void note_error(struct fetch_report *report, int error)
{
    if (report->error == 0)
        report->error = error;
}

static struct totals add_up(const struct fetch_summary *summary)
{
    struct totals totals = { 0 };
    for (size_t i = 0; i < summary->count; i++) {
        const struct fetch_result *result = &summary->results[i];
        totals.done += result->state == FILCH_DONE;
        totals.failed += result->state == FILCH_FAILED;
        totals.stopped += result->state != FILCH_DONE && result->state != FILCH_FAILED;
        totals.gets += result->input->url_count;
        for (size_t j = 0; j < result->input->url_count; j++) {
            const struct fetch_get *get = &result->gets[j];
            totals.answered += get->state == FILCH_DONE;
            totals.bytes += get->state == FILCH_DONE ? get->reply.bytes : 0;
        }
    }
    return totals;
}

/* ---- Text -------------------------------------------------------------------------------------------------- */

static void print_get(const struct fetch_get *get)
{
    bool done = get->state == FILCH_DONE, failed = get->state == FILCH_FAILED;
    if (done)
        printf(" %ld %zu B %.1f ms", get->reply.status, get->reply.bytes, get->reply.seconds * 1e3);
    else
        printf(" %s", failed ? strerror(-filch_error_code(get->error)) : filch_state_name(get->state));
    if ((done || failed) && get->tries > 1)
        printf(" (try %u)", get->tries);
}

static void print_result(const struct fetch_result *result)
{
    printf("%-6s %s:", filch_state_name(result->state), result->input->name);
    for (size_t i = 0; i < result->input->url_count; i++) {
        if (i > 0)
            putchar(',');
        print_get(&result->gets[i]);
    }
    putchar('\n');
}

static void print_summary(const struct fetch_summary *summary)
{
    struct totals totals = add_up(summary);
    printf("%zu of %zu main tasks done, %zu failed, %zu stopped; %zu of %zu GETs answered, %zu bytes in %.3f s\n",
           totals.done, summary->count, totals.failed, totals.stopped, totals.answered, totals.gets, totals.bytes,
           summary->seconds);
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

/*
 * A line is one of these, where "error" and "root_cause" are null or a chain, from the outermost error to its root:
 *
 *     {"main":"a","state":"done","gets":[GET...],"error":null}
 *     {"summary":{"mains":1,"done":1,...,"interrupted":false,"root_cause":null}}
 *     GET    {"url":"http://...","state":"done","status":200,"bytes":5,"seconds":0.1,"tries":1}
 *     chain  [{"errno":111,"meaning":"Connection refused","message":"GET ...","task":"a/0"},...]
 */

/* A message may quote what a server sent, and that need not be UTF-8. */
static json_t *make_text(const char *text)
{
    json_t *string = json_string(text);
    return string ? string : json_string("(not UTF-8)");
}

/* The chain from the outermost error to its root; null for none. */
static json_t *make_chain(const filch_error *error)
{
    if (!error)
        return json_null();
    json_t *chain = json_array();
    for (; error && chain; error = filch_error_cause(error)) {
        int code = -filch_error_code(error);
        const char *task = filch_error_task(error);
        json_t *link = json_pack("{s:i, s:s, s:o, s:s?}", "errno", code, "meaning", strerror(code), "message",
                                 make_text(filch_error_message(error)), "task", task);
        if (json_array_append_new(chain, link) != 0) {
            json_decref(chain);
            chain = NULL;
        }
    }
    return chain;
}

static json_t *make_get(const struct fetch_get *get)
{
    const char *state = filch_state_name(get->state);
    if (get->state == FILCH_DONE)
        return json_pack("{s:s, s:s, s:i, s:I, s:f, s:i}", "url", get->url, "state", state, "status",
                         (int)get->reply.status, "bytes", (json_int_t)get->reply.bytes, "seconds",
                         get->reply.seconds, "tries", (int)get->tries);
    if (get->state == FILCH_FAILED)
        return json_pack("{s:s, s:s, s:o, s:i}", "url", get->url, "state", state, "error", make_chain(get->error),
                         "tries", (int)get->tries);
    return json_pack("{s:s, s:s}", "url", get->url, "state", state);
}

static json_t *make_result(const struct fetch_result *result)
{
    json_t *gets = json_array();
    for (size_t i = 0; i < result->input->url_count && gets; i++) {
        if (json_array_append_new(gets, make_get(&result->gets[i])) != 0) {
            json_decref(gets);
            gets = NULL;
        }
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "main", result->input->name, "state", filch_state_name(result->state),
                     "gets", gets, "error", make_chain(result->error));
}

static json_t *make_summary(const struct fetch_summary *summary)
{
    struct totals totals = add_up(summary);
    return json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:o}}", "summary", "mains",
                     (json_int_t)summary->count, "done", (json_int_t)totals.done, "failed",
                     (json_int_t)totals.failed, "stopped", (json_int_t)totals.stopped, "gets",
                     (json_int_t)totals.gets, "answered", (json_int_t)totals.answered, "bytes",
                     (json_int_t)totals.bytes, "seconds", summary->seconds, "interrupted",
                     (int)summary->interrupted, "root_cause", make_chain(summary->root));
}

/* Writes one line and drops the value; NULL is what making it left for want of memory. */
static void print_json(struct fetch_report *report, json_t *value)
{
    if (!value)
        note_error(report, -ENOMEM);
    else if (json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) != 0 || putchar('\n') == EOF)
        note_error(report, -EIO);
    json_decref(value);
}

/* ---- Reporting --------------------------------------------------------------------------------------------- */

static void flush(struct fetch_report *report)
{
    if (fflush(stdout) != 0)
        note_error(report, -errno);
}

void fetch_report_result(struct fetch_report *report, struct fetch_result *result)
{
    bool failed = result->state == FILCH_FAILED;
    if (result->reported || !(failed || result->state == FILCH_DONE))
        return;
    result->reported = true;
    if (report->quiet && !failed)
        return;
    fetch_progress_hide(report->progress);
    if (report->json)
        print_json(report, make_result(result));
    else
        print_result(result);
    flush(report);
    if (failed && !report->json)
        filch_error_print(result->error, stderr);
    fetch_progress_show(report->progress);
}

void fetch_report_summary(struct fetch_report *report, const struct fetch_summary *summary)
{
    if (!report->quiet && report->json)
        print_json(report, make_summary(summary));
    else if (!report->quiet)
        print_summary(summary);
    flush(report);
    if (summary->root)
        fprintf(stderr, "filch_fetch: root cause: %s (%s)\n", filch_error_message(summary->root),
                strerror(-filch_error_code(summary->root)));
}

int fetch_report_end(struct fetch_report *report)
{
    if (ferror(stdout))
        note_error(report, -EIO);
    return report->error;
}
