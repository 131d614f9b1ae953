/* SPDX-License-Identifier: MIT */
/* Measuring: every program of every case, interleaved. */
#ifndef MEASURE_H
#define MEASURE_H

#include "results.h"

struct names {
    const char *items[32];
    size_t count; /* 0: all */
};

struct plan {
    const char *programs; /* directory with <workload>/<peer> and lacking.txt */
    enum effort effort;
    unsigned repeats;               /* 0: as the effort asks */
    double timeout;                 /* of a program, in seconds; 0: as the effort asks */
    struct names workloads, peers;  /* to be measured */
    struct names served_by;         /* the programs of the workloads, likewise */
    unsigned workers[MOST_WORKERS]; /* likewise; none: as the catalogue says */
    size_t worker_count;
};

/* Complains itself. What a program does wrong is in its cell, and no error. */
int measure(struct results *out, const struct catalogue *catalogue, const struct plan *plan);

/* Is it among the names? */
bool names_have(const struct names *names, const char *name);

#endif
