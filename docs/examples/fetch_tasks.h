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
 * The main task, for filch_submit() with a struct fetch_result as its argument. Its error leads to that of the GET
 * which failed first; unless told to keep going, that GET has requested the pool's stop by then.
 */
int fetch_main_task(filch_task *self, void *result);

/*
 * The same for filch_mapping_begin(), with a struct fetch_result as output and the struct fetch_run as argument.
 * When told to keep going it always returns 0, as a failure would end the mapping; the result tells.
 */
int fetch_main_map(filch_task *self, const void *in, void *result, void *run);

#endif
