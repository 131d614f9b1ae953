/* SPDX-License-Identifier: MIT */
/* Histograms of times: see histogram.h. */
#include "histogram.h"

#define FIRST FILCHI_HISTOGRAM_FIRST
#define LAST FILCHI_HISTOGRAM_LAST
#define BITS FILCHI_HISTOGRAM_BITS

/* Buckets do not have their lower bound, but their upper one, as those of Prometheus. */
unsigned filchi_histogram_bucket(int64_t ns)
{
    if (ns <= INT64_C(1) << FIRST)
        return 0;
    if (ns > INT64_C(1) << LAST)
        return FILCH_HISTOGRAM_BUCKETS - 1;
    uint64_t below = (uint64_t)ns - 1;
    unsigned power = 63 - (unsigned)__builtin_clzll(below);
    unsigned part = (unsigned)(below >> (power - BITS)) & ((1u << BITS) - 1);
    return 1 + ((power - FIRST) << BITS) + part;
}

int64_t filch_histogram_bound(size_t bucket)
{
    if (bucket == 0)
        return INT64_C(1) << FIRST;
    if (bucket >= FILCH_HISTOGRAM_BUCKETS - 1)
        return INT64_MAX;
    unsigned power = FIRST + (unsigned)((bucket - 1) >> BITS);
    int64_t part = (int64_t)((bucket - 1) & ((1u << BITS) - 1));
    return (INT64_C(1) << power) + ((part + 1) << (power - BITS));
}

/* relaxed: numbers of their own, which tell nothing but themselves. */
static uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void store(_Atomic uint64_t *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

void filchi_histogram_add(struct filchi_histogram *histogram, int64_t ns, unsigned weight)
{
    uint64_t time = ns > 0 ? (uint64_t)ns : 0;
    _Atomic uint64_t *bucket = &histogram->buckets[filchi_histogram_bucket(ns)];
    store(bucket, load(bucket) + weight);
    store(&histogram->sum, load(&histogram->sum) + time * weight);
    if (time > load(&histogram->max))
        store(&histogram->max, time);
}

void filchi_histogram_merge(filch_histogram *into, const struct filchi_histogram *histogram)
{
    for (unsigned i = 0; i < FILCH_HISTOGRAM_BUCKETS; i++) {
        uint64_t n = load(&histogram->buckets[i]);
        into->buckets[i] += n;
        into->count += n;
    }
    uint64_t max = load(&histogram->max);
    into->sum_ns += load(&histogram->sum);
    into->max_ns = max > into->max_ns ? max : into->max_ns;
}

/* ---- Asking ---- */

/* The place in sorted order, from 1 on, of what is not below a share of them. */
static uint64_t rank_of(uint64_t count, double q)
{
    if (!(q > 0.0)) /* nor is a NaN */
        return 1;
    if (q >= 1.0)
        return count;
    double place = q * (double)count;
    uint64_t rank = (uint64_t)place;
    rank += (double)rank < place;
    return rank < 1 ? 1 : rank > count ? count : rank;
}

int64_t filch_histogram_quantile(const filch_histogram *histogram, double q)
{
    if (!histogram->count)
        return 0;
    uint64_t rank = rank_of(histogram->count, q), before = 0;
    size_t bucket = 0;
    while (bucket < FILCH_HISTOGRAM_BUCKETS - 1 && before + histogram->buckets[bucket] < rank)
        before += histogram->buckets[bucket++];
    int64_t low = bucket ? filch_histogram_bound(bucket - 1) : 0, high = filch_histogram_bound(bucket);
    int64_t max = (int64_t)histogram->max_ns;
    high = max > low && max < high ? max : high;
    if (high == INT64_MAX) /* the longest is not known so far */
        return low;
    double share = (double)(rank - before) / (double)histogram->buckets[bucket];
    return low + (int64_t)((double)(high - low) * share);
}
