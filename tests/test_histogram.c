/* SPDX-License-Identifier: MIT */
/* Histograms: which bucket a time is in, and what is told of many. */
#include "histogram.h"
#include "support.h"

#include <math.h>

SUITE(histogram);

static struct filchi_histogram *new_histogram(void)
{
    struct filchi_histogram *histogram = calloc(1, sizeof *histogram);
    must(histogram);
    return histogram;
}

static filch_histogram look(const struct filchi_histogram *histogram)
{
    filch_histogram seen = { 0 };
    filchi_histogram_merge(&seen, histogram);
    return seen;
}

Test(histogram, bounds_grow_by_an_eighth_of_a_power_of_two)
{
    cr_assert_eq(filch_histogram_bound(0), 64);
    cr_assert_eq(filch_histogram_bound(1), 72);
    cr_assert_eq(filch_histogram_bound(8), 128);
    cr_assert_eq(filch_histogram_bound(9), 144);
    cr_assert_eq(filch_histogram_bound(FILCH_HISTOGRAM_BUCKETS - 2), INT64_C(1) << 36);
    cr_assert_eq(filch_histogram_bound(FILCH_HISTOGRAM_BUCKETS - 1), INT64_MAX);
    cr_assert_eq(filch_histogram_bound(SIZE_MAX), INT64_MAX);
    for (size_t i = 1; i < FILCH_HISTOGRAM_BUCKETS - 1; i++)
        cr_assert_lt(filch_histogram_bound(i - 1), filch_histogram_bound(i));
}

Test(histogram, a_bucket_has_its_upper_bound_and_not_its_lower)
{
    for (unsigned i = 0; i < FILCH_HISTOGRAM_BUCKETS - 1; i++) {
        int64_t bound = filch_histogram_bound(i);
        cr_assert_eq(filchi_histogram_bucket(bound), i);
        cr_assert_eq(filchi_histogram_bucket(bound + 1), i + 1);
    }
    cr_assert_eq(filchi_histogram_bucket(0), 0);
    cr_assert_eq(filchi_histogram_bucket(-5), 0);
    cr_assert_eq(filchi_histogram_bucket(INT64_MIN), 0);
    cr_assert_eq(filchi_histogram_bucket(INT64_MAX), FILCH_HISTOGRAM_BUCKETS - 1);
}

Test(histogram, every_time_is_in_the_bucket_whose_bounds_enclose_it)
{
    for (int64_t ns = 1; ns < INT64_C(1) << 40; ns += ns / 50 + 1) {
        unsigned bucket = filchi_histogram_bucket(ns);
        cr_assert_leq(ns, filch_histogram_bound(bucket));
        cr_assert(bucket == 0 || ns > filch_histogram_bound(bucket - 1));
    }
}

Test(histogram, a_time_counts_as_many_times_as_it_stands_for)
{
    struct filchi_histogram *histogram = new_histogram();
    filchi_histogram_add(histogram, 1000, 17);
    filchi_histogram_add(histogram, 3000, 1);
    filchi_histogram_add(histogram, -1, 2);
    filch_histogram seen = look(histogram);
    cr_assert(seen.count == 20 && seen.sum_ns == 20000 && seen.max_ns == 3000);
    cr_assert_eq(seen.buckets[filchi_histogram_bucket(1000)], 17);
    cr_assert_eq(seen.buckets[0], 2);
    free(histogram);
}

Test(histogram, merged_ones_add_up)
{
    struct filchi_histogram *one = new_histogram(), *other = new_histogram();
    filch_histogram seen = { 0 };
    filchi_histogram_add(one, 100, 1);
    filchi_histogram_add(one, 900, 1);
    filchi_histogram_add(other, 500, 3);
    filchi_histogram_merge(&seen, one);
    filchi_histogram_merge(&seen, other);
    cr_assert(seen.count == 5 && seen.sum_ns == 2500 && seen.max_ns == 900);
    free(one);
    free(other);
}

Test(histogram, a_quantile_misses_the_true_one_by_an_eighth_at_most)
{
    struct filchi_histogram *histogram = new_histogram();
    const int64_t n = 100000;
    for (int64_t i = 1; i <= n; i++)
        filchi_histogram_add(histogram, 100 * i, 1);
    filch_histogram seen = look(histogram);
    for (int percent = 1; percent < 100; percent++) {
        double q = percent / 100.0;
        int64_t place = n / 100 * percent;
        double true_one = 100.0 * (double)place;
        double told = (double)filch_histogram_quantile(&seen, q);
        cr_assert(fabs(told - true_one) <= true_one / 8.0, "%.2f: %.0f is told as %.0f", q, true_one, told);
    }
    cr_assert_eq(filch_histogram_quantile(&seen, 1.0), 100 * n);
    free(histogram);
}

Test(histogram, quantiles_at_the_ends_are_those_of_the_ends)
{
    struct filchi_histogram *histogram = new_histogram();
    filch_histogram seen = look(histogram);
    cr_assert_eq(filch_histogram_quantile(&seen, 0.5), 0, "of none");
    filchi_histogram_add(histogram, 5000, 1);
    seen = look(histogram);
    const double shares[] = { -1.0, 0.0, 0.5, 1.0, 2.0, (double)NAN };
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        int64_t told = filch_histogram_quantile(&seen, shares[i]);
        cr_assert(told > 4375 && told <= 5000, "%g: %lld", shares[i], (long long)told);
    }
    filchi_histogram_add(histogram, INT64_C(1) << 50, 1);
    seen = look(histogram);
    cr_assert_eq(filch_histogram_quantile(&seen, 1.0), INT64_C(1) << 50, "beyond the last bound: the longest");
    free(histogram);
}
