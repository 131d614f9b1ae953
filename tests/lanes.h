/* SPDX-License-Identifier: MIT */
/* What tests of lanes and priorities share: lanes, tasks that go into them, and who began when. */
#ifndef FILCH_TESTS_LANES_H
#define FILCH_TESTS_LANES_H

#include "pool.h"
#include "support.h"

/* Letters of tasks, in the order in which they began. */
struct record {
    _Atomic size_t n;
    char letters[4096];
};

struct letter {
    struct record *record;
    char letter;
};

static inline int write_letter(filch_task *self, void *arg)
{
    const struct letter *letter = arg;
    (void)self;
    letter->record->letters[atomic_fetch_add(&letter->record->n, 1)] = letter->letter;
    return 0;
}

static inline filch_lane *lane_of(filch_pool *pool, unsigned weight, unsigned max_running)
{
    filch_lane_options options = FILCH_LANE_OPTIONS;
    filch_lane *lane = NULL;
    options.weight = weight;
    options.max_running = max_running;
    must(filch_lane_create(&lane, pool, &options) == 0);
    return lane;
}

static inline filch_lane_stats lane_stats(filch_lane *lane)
{
    filch_lane_stats stats = FILCH_LANE_STATS;
    must(filch_lane_stats_get(lane, &stats) == 0);
    return stats;
}

static inline filch_future *submit_to(filch_pool *pool, filch_lane *lane, filch_priority priority, filch_fn *fn,
                                      void *arg)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.lane = lane;
    options.priority = priority;
    must(filch_submit_with(pool, fn, arg, &options, &future) == 0);
    return future;
}

/* n of them, which nobody holds. */
static inline void write_letters(filch_pool *pool, filch_lane *lane, filch_priority priority, struct letter *letter,
                                 unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        filch_future_unref(submit_to(pool, lane, priority, write_letter, letter));
}

/* Waits for n in all. */
static inline const char *letters(struct record *record, size_t n)
{
    UNTIL(atomic_load(&record->n) == n);
    return record->letters;
}

/* Whether an entry waits in a level of the lane, NULL: of those of no lane. */
static inline bool is_queued(filch_pool *pool, filch_lane *lane, enum filchi_level level)
{
    struct filchi_lanes *lanes = &pool->origin->lanes;
    filchi_lock_take(&lanes->lock);
    size_t n = (lane ? lane : &lanes->outside)->queues[level].n;
    filchi_lock_give(&lanes->lock);
    return n != 0;
}

static inline bool is_queued_high(filch_pool *pool, filch_lane *lane)
{
    return is_queued(pool, lane, FILCHI_LEVEL_HIGH);
}

#endif
