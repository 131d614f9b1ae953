/* SPDX-License-Identifier: MIT */
/*
 * A histogram of times with one writer at a time and any number of readers: eight buckets of equal width for each power
 * of two from 64 ns to 2^36 ns, one for what is shorter and one for what is longer, as filch_histogram has them.
 *
 * Source: the layout is that of HdrHistogram (Tene) with three significant bits.
 */
#ifndef FILCHI_HISTOGRAM_H
#define FILCHI_HISTOGRAM_H

#include <filch/filch.h>

#include <stdatomic.h>

/* The first bucket ends at 2 to this power, ns; the last but one at 2 to that. */
#define FILCHI_HISTOGRAM_FIRST 6
#define FILCHI_HISTOGRAM_LAST 36
/* Each power of two has 2 to this power of them. */
#define FILCHI_HISTOGRAM_BITS 3
_Static_assert(FILCH_HISTOGRAM_BUCKETS ==
                   ((FILCHI_HISTOGRAM_LAST - FILCHI_HISTOGRAM_FIRST) << FILCHI_HISTOGRAM_BITS) + 2,
               "those between, and the two at the ends");

struct filchi_histogram {
    _Atomic uint64_t buckets[FILCH_HISTOGRAM_BUCKETS]; /* the writer */
    _Atomic uint64_t sum, max;                         /* the same; ns */
};

/* In which bucket a time is; negative ones count as 0. */
unsigned filchi_histogram_bucket(int64_t ns);
/* The writer: a time that stands for `weight` of them. */
void filchi_histogram_add(struct filchi_histogram *histogram, int64_t ns, unsigned weight);
/* Anyone: adds what it has by now. */
void filchi_histogram_merge(filch_histogram *into, const struct filchi_histogram *histogram);

#endif
