/* SPDX-License-Identifier: MIT */
/* The fetcher's tasks: a main task, and under it a sub task for every URL. */
#ifndef FETCH_TASKS_H
#define FETCH_TASKS_H

#include <filch/filch.h>

#include "fetch_options.h"
#include "fetch_progress.h"
#include "fetch_report.h"

/* What all tasks of a run share; none of them writes to it. */
struct fetch_run {
    const struct fetch_options *options;
    struct fetch_progress *progress;
};

/*
 * The main task, with a struct fetch_result as its argument. Its error leads to that of the GET which failed first;
 * others that failed are suppressed errors.
 */
int fetch_main_task(filch_task *self, void *result);

#endif
