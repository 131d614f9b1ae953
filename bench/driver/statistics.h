/* SPDX-License-Identifier: MIT */
/* The middle and the spread of samples. */
#ifndef STATISTICS_H
#define STATISTICS_H

#include <stddef.h>

struct samples {
    double *values;
    size_t count, room;
};

struct summary {
    double min, q1, median, q3, max;
};

/* -ENOMEM: it is not added. */
int samples_add(struct samples *samples, double value);
void samples_fini(struct samples *samples);

/* Of one sample at least; sorts them. Between two of them it takes what lies on the line that connects them. */
struct summary samples_summary(struct samples *samples);

#endif
