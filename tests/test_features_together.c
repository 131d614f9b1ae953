/* SPDX-License-Identifier: MIT */
/* What a pool can be asked for, where one thing meets another; stress_features.c has all of it at once. */
#include "support.h"

SUITE(features_together);

/* ---- Metrics with a capacity ---- */

Test(features_together, waits_of_a_pool_with_a_capacity_are_counted_once)
{
    enum { N = 20000 };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_metrics metrics = FILCH_METRICS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.metrics = true;
    options.capacity = 64;
    must(filch_pool_create(&pool, &options) == 0);
    for (int i = 0; i < N; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    must(filch_metrics_get(pool, &metrics) == 0);
    cr_assert_geq(metrics.wait.count, N - 128);
    cr_assert_leq(metrics.wait.count, N + 1, "%llu", (unsigned long long)metrics.wait.count);
    filch_pool_destroy(pool);
}

