/* SPDX-License-Identifier: MIT */
/* Completion order and input order: the same tasks, taken as they complete, then once more by a map. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_TASKS = 1000 };

static int tasks = 5, workers = 10, seed = 0;
static int64_t least = FILCH_MS(500), most = FILCH_SECONDS(2);

static const struct flag flags[] = {
    { .name = "tasks", .help = "how many", .count = &tasks, .most = MOST_TASKS },
    { .name = "workers", .help = "tasks that run at once", .count = &workers, .least = 1, .most = 1024 },
    { .name = "least", .help = "each takes a random time, at least this", .duration = &least },
    { .name = "most", .help = "and at most this", .duration = &most },
    { .name = "seed", .help = "of the random numbers; 0: the time", .count = &seed },
    { 0 },
};

struct job {
    int id;
    int64_t duration; /* nanoseconds */
    char report[64];
};

/* For the map: makes a report from a job. */
static int nap(filch_task *self, const void *in, void *out, void *unused)
{
    (void)self, (void)unused;
    const struct job *job = in;
    snprintf(out, sizeof job->report, "task %d took %.2f s", job->id, (double)job->duration / 1e9);
    return filch_sleep(job->duration);
}

/* The same as a task. */
static int nap_task(filch_task *self, void *arg)
{
    struct job *job = arg;
    int rc = nap(self, job, job->report, NULL);
    return rc == 0 ? filch_return(self, job->report) : rc;
}

static int in_completion_order(filch_pool *pool, struct job *jobs)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    filch_future *task;
    void *report;
    puts("as_completed: in completion order");
    int rc = filch_scope_open(&scope, pool, NULL);
    for (int i = 0; rc == 0 && i < tasks; i++)
        rc = filch_scope_submit(scope, nap_task, &jobs[i], NULL);
    while (rc == 0 && filch_scope_next(scope, FILCH_FOREVER, &task) > 0)
        if (filch_future_result(task, 0, &report) == 0)
            puts(report);
    return rc == 0 ? filch_scope_join(scope, NULL) : rc;
}

static int in_input_order(filch_pool *pool, const struct job *jobs)
{
    FILCH_AUTO(filch_mapping_cleanup) filch_mapping *mapping = NULL;
    char reports[MOST_TASKS][sizeof jobs->report];
    void *report;
    puts("map: in input order");
    int rc = filch_mapping_begin(&mapping, pool, nap, NULL, jobs, sizeof *jobs, reports, sizeof *reports,
                                 (size_t)tasks, NULL);
    while (rc >= 0 && (rc = filch_mapping_next(mapping, &report)) > 0)
        puts(report);
    return rc;
}

static int run(struct job *jobs)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = (unsigned)workers;
    int rc = filch_pool_create(&pool, &options);
    if (rc == 0)
        rc = filch_guard_begin(&guard, filch_pool_stop(pool));
    if (rc == 0)
        rc = in_completion_order(pool, jobs);
    if (rc == 0)
        rc = in_input_order(pool, jobs);
    return program_ended(rc, NULL, guard);
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Runs the same tasks twice: results as they complete, then in input order.", flags);
    srand48(seed != 0 ? seed : time(NULL));
    struct job jobs[MOST_TASKS] = { 0 };
    for (int i = 0; i < tasks; i++)
        jobs[i] = (struct job) { .id = i + 1, .duration = least + (int64_t)(drand48() * (double)(most - least)) };
    return run(jobs);
}
