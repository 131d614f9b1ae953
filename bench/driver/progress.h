/* SPDX-License-Identifier: MIT */
/* How far it is: a bar on standard error if that is a terminal, else a line for each case. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
    bool terminal;
    bool drawn;
    size_t total, done; /* runs of programs */
    size_t cases, case_done;
    double start; /* of the whole, by the monotonic clock, in seconds */
    double case_start;
};

void progress_begin(struct progress *out, size_t total, size_t cases);

/* `what` is about to run; the runs still to come, this one among them, take about so many seconds. */
void progress_draw(struct progress *progress, const char *what, double left);

/* A run has ended, or is not to be. */
void progress_advance(struct progress *progress);

/* A case has ended. */
void progress_case(struct progress *progress, const char *name, size_t ok, size_t failed);

/* Makes room for other output. */
void progress_erase(struct progress *progress);

#endif
