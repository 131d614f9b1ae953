/* SPDX-License-Identifier: MIT */
/* Middle and spread of fixed samples. */
#include "statistics.h"

#include <criterion/criterion.h>

static struct summary summary_of(const double *values, size_t count)
{
    struct samples samples = { 0 };
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(samples_add(&samples, values[i]), 0);
    struct summary summary = samples_summary(&samples);
    samples_fini(&samples);
    return summary;
}

Test(statistics, quartiles_of_five_are_the_second_and_the_fourth)
{
    struct summary summary = summary_of((double[]) { 50, 10, 40, 20, 30 }, 5);
    cr_expect_eq(summary.min, 10);
    cr_expect_eq(summary.q1, 20);
    cr_expect_eq(summary.median, 30);
    cr_expect_eq(summary.q3, 40);
    cr_expect_eq(summary.max, 50);
}

Test(statistics, median_of_an_even_number_lies_between_the_two_in_the_middle)
{
    struct summary summary = summary_of((double[]) { 4, 1, 100, 2 }, 4);
    cr_expect_eq(summary.median, 3);
    cr_expect_eq(summary.q1, 1.75);
    cr_expect_eq(summary.q3, 28);
}

Test(statistics, one_sample_is_its_own_spread)
{
    struct summary summary = summary_of((double[]) { 7 }, 1);
    cr_expect_eq(summary.min, 7);
    cr_expect_eq(summary.median, 7);
    cr_expect_eq(summary.max, 7);
}

Test(statistics, more_samples_than_there_was_room_for_are_all_kept)
{
    double values[101];
    for (int i = 0; i < 101; i++)
        values[i] = 100 - i;
    struct summary summary = summary_of(values, 101);
    cr_expect_eq(summary.min, 0);
    cr_expect_eq(summary.median, 50);
    cr_expect_eq(summary.max, 100);
}
