/* SPDX-License-Identifier: MIT */
/* What stress programs with pools share: the end of a pool, where what it counted goes into the totals. */
#ifndef STRESS_POOL_H
#define STRESS_POOL_H

#include "stress.h"

#include <filch/filch.h>

/* Adds what the pool counted so far. */
static inline void stress_pool_count(filch_pool *pool)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
    stress_total("pools", 1);
    stress_total("tasks", stats.submitted);
    stress_total("steals", stats.stolen);
    stress_total("handoffs", stats.handoffs);
    stress_total("in_place", stats.ran_in_place);
    stress_total("parks", stats.parks);
    stress_total("refused_threads", stats.threads_failed);
}

/* Waits for all of its tasks, of which none may be missing, counts, and destroys it. */
static inline void stress_pool_end(filch_pool *pool)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    CHECK_IS(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
    CHECK_IS(stats.finished, stats.submitted);
    stress_pool_count(pool);
    CHECK_IS(filch_pool_destroy(pool), 0);
}

/* Counts and destroys it, whatever it is about: the tasks that destroy waits for are counted as submitted only if
 * they were before. */
static inline void stress_pool_drop(filch_pool *pool)
{
    stress_pool_count(pool);
    CHECK_IS(filch_pool_destroy(pool), 0);
}

#endif
