/* SPDX-License-Identifier: MIT */
/*
 * The fetcher's progress bar, on standard error:
 *
 *     [##########..............] 12/30 done, 0 failed, 3 running, 41/s, 0.4 s left
 *
 * Every function takes NULL for "no bar", and then does nothing.
 */
#ifndef FETCH_PROGRESS_H
#define FETCH_PROGRESS_H

#include <stddef.h>

#include <filch/filch.h>

struct fetch_progress;

/* Starts to draw, with `total` GETs to do. Errors: -ENOMEM, -EAGAIN (no thread for it). */
int fetch_progress_begin(struct fetch_progress **out, size_t total);

/* A GET begins; it is over, DONE, FAILED or STOPPED, and the last counts as neither. Any thread, does not block. */
void fetch_progress_started(struct fetch_progress *progress);
void fetch_progress_finished(struct fetch_progress *progress, filch_state outcome);

/* Around whatever else is written to the terminal: clears the bar, and lets it be drawn again. */
void fetch_progress_hide(struct fetch_progress *progress);
void fetch_progress_show(struct fetch_progress *progress);

/* Clears the bar for good. */
void fetch_progress_end(struct fetch_progress *progress);

#endif
