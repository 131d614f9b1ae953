/* SPDX-License-Identifier: MIT */
/* What the fetcher found out, and how it is told: as text or as JSON, a line for each main task. */
#ifndef FETCH_REPORT_H
#define FETCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <filch/filch.h>

#include "fetch_input.h"
#include "fetch_progress.h"
#include "http_get.h"

struct fetch_run; /* what all tasks share; not looked into here */

/* One GET. Its own task writes `reply`, and once that is over the main task the rest. */
struct fetch_get {
    struct fetch_run *run;
    const char *url;
    struct http_reply reply; /* if DONE */
    filch_state state;
    unsigned tries;
    filch_error *error; /* if FAILED */
};

/* One main task. Once it is over the caller writes `state`, which is 0 until then, and `error`. */
struct fetch_result {
    struct fetch_run *run;
    const struct fetch_main *input;
    struct fetch_get *gets; /* input->url_count of them */
    filch_state state;
    filch_error *error; /* if FAILED */
    bool reported;
};

struct fetch_report {
    bool json;
    bool quiet; /* only what failed */
    struct fetch_progress *progress;
    int error; /* the first failure to write or to make JSON, or 0 */
};

/* The whole run, once no task runs any more. */
struct fetch_summary {
    const struct fetch_result *results;
    size_t count;
    double seconds;
    bool interrupted;
    const filch_error *root; /* what stopped the run, or NULL */
};

/* Reports a main task that is DONE or FAILED, unless it was before; others are left to the summary. */
void fetch_report_result(struct fetch_report *report, struct fetch_result *result);
void fetch_report_summary(struct fetch_report *report, const struct fetch_summary *summary);
/* 0, or why some of it never arrived: -ENOMEM, -EIO. */
int fetch_report_end(struct fetch_report *report);

#endif
