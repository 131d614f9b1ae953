/* SPDX-License-Identifier: MIT */
/*
 * What a pool measures of its tasks, if asked to: how long they wait, how long they run, what they come to. Who holds a
 * worker writes into that worker's part, so that nobody waits for anybody; snapshot.c adds the parts up.
 *
 * Two reads of a clock cost as much as a short task. So while tasks are short not each is timed, and each that is
 * stands for those before it that were not: the counts of all of them add up to the number of tasks.
 */
#ifndef FILCHI_METRICS_H
#define FILCHI_METRICS_H

#include "histogram.h"
#include "lock.h"
#include "memory.h"

#include <stdbool.h>

/* Longer tasks are all timed; and a handoff costs two switches and, on a halted core, a wake: longer tasks are not run in
 * place of one. */
#define FILCHI_LONG_NS 50000

/* Attempts that were run, by what they came to: DONE, FAILED, STOPPED, or RETRY_WAIT. */
#define FILCHI_ENDS (FILCH_STOPPED + 1)

/* The holder of the worker; of guests who holds their lock. */
struct filchi_measures {
    struct filchi_histogram wait, run, busy;
    _Atomic uint64_t ended[FILCHI_ENDS];
};

struct filchi_metrics {
    struct filchi_lock guests_lock;
    struct filchi_measures guests;            /* of tasks that their submitters run */
    _Atomic uint64_t dropped[FILCHI_ENDS];    /* tasks that were CANCELLED or STOPPED without a run; anyone */
    _Alignas(64) _Atomic bool tasks_are_long; /* by the last that was timed */
};

/* NULL without memory. */
struct filchi_metrics *filchi_metrics_create(const filch_allocator *memory);
struct filchi_measures *filchi_measures_create(const filch_allocator *memory);

/* A submitter: how many submits this one stands for, if its wait is to be timed; 0: it is not. */
unsigned filchi_metrics_turn(const struct filchi_metrics *metrics);
/* Whether the next answer will be another than 0; if not, this submit is counted. */
bool filchi_metrics_is_due(const struct filchi_metrics *metrics);
/* The same for one of many at once: how many of them one stands for, and *first the first that does. */
unsigned filchi_metrics_turn_of_many(const struct filchi_metrics *metrics, size_t *first);

/* When a task was submitted that stands for so many, in one number, which is not 0. */
uint64_t filchi_metrics_stamp(unsigned weight);
/* `measures` NULL: a guest's. The task that was stamped begins to run. */
void filchi_metrics_started(struct filchi_metrics *metrics, struct filchi_measures *measures, uint64_t stamp);
/* It ran for that time, of which it was `away`, without a worker. */
void filchi_metrics_ran(struct filchi_metrics *metrics, struct filchi_measures *measures, int64_t ns, int64_t away,
                        unsigned weight);
void filchi_metrics_guest_ended(struct filchi_metrics *metrics, filch_state state);
static inline void filchi_metrics_ended(struct filchi_metrics *metrics, struct filchi_measures *measures,
                                        filch_state state)
{
    if (!measures) {
        filchi_metrics_guest_ended(metrics, state);
        return;
    }
    /* relaxed: the writer's own, and a number to look at. */
    uint64_t n = atomic_load_explicit(&measures->ended[state], memory_order_relaxed);
    atomic_store_explicit(&measures->ended[state], n + 1, memory_order_relaxed); /* relaxed: as above. */
}
void filchi_metrics_dropped(struct filchi_metrics *metrics, filch_state state);

#endif
