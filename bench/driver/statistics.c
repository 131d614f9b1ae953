/* SPDX-License-Identifier: MIT */
/* The middle and the spread of samples: see statistics.h. */
#include "statistics.h"

#include <errno.h>
#include <stdlib.h>

int samples_add(struct samples *samples, double value)
{
    if (samples->count == samples->room) {
        size_t room = samples->room ? samples->room * 2 : 16;
        double *values = realloc(samples->values, room * sizeof *values);
        if (!values)
            return -ENOMEM;
        samples->values = values;
        samples->room = room;
    }
    samples->values[samples->count++] = value;
    return 0;
}

void samples_fini(struct samples *samples)
{
    free(samples->values);
    *samples = (struct samples) { 0 };
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The value below which a share of the sorted samples lies. */
static double quantile(const struct samples *samples, double share)
{
    double place = share * (double)(samples->count - 1);
    size_t below = (size_t)place;
    size_t above = below + 1 < samples->count ? below + 1 : below;
    double low = samples->values[below];
    return low + (place - (double)below) * (samples->values[above] - low);
}

struct summary samples_summary(struct samples *samples)
{
    qsort(samples->values, samples->count, sizeof *samples->values, ascending);
    return (struct summary) { .min = quantile(samples, 0),
                              .q1 = quantile(samples, 0.25),
                              .median = quantile(samples, 0.5),
                              .q3 = quantile(samples, 0.75),
                              .max = quantile(samples, 1) };
}
