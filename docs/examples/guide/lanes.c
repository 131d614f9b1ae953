/* SPDX-License-Identifier: MIT */
/* Lanes: a tenant with many jobs, one with a single question, and a report that may take only one place at a time. */
#include <stdatomic.h>

#include <filch/filch.h>

enum { JOBS = 500 };

static _Atomic int jobs_done;

static int work(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    atomic_fetch_add(&jobs_done, 1);
    return filch_sleep(FILCH_MS(1));
}

static int answer(filch_task *self, void *arg)
{
    (void)arg;
    return filch_return(self, (void *)(intptr_t)atomic_load(&jobs_done));
}

/* It awaits a part of itself, which is of the same lane: while it waits its place is free. */
static int report(filch_task *self, void *lane)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *part;
    options.lane = lane;
    int rc = filch_submit_with(filch_task_pool(self), work, NULL, &options, &part);
    if (rc)
        return rc;
    rc = filch_future_wait(part, FILCH_FOREVER);
    filch_future_unref(part);
    return rc;
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_lane_cleanup) filch_lane *bulk = NULL, *clerk = NULL, *reports = NULL;
    FILCH_AUTO(filch_future_cleanup) filch_future *answered = NULL, *reported = NULL;
    filch_pool_options pool_options = FILCH_POOL_OPTIONS;
    filch_lane_options lane_options = FILCH_LANE_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    void *before;
    pool_options.workers = 2;
    if (filch_pool_create(&pool, &pool_options) || filch_lane_create(&bulk, pool, NULL))
        return 1;
    lane_options.weight = 4; /* when both have much to do: four of its tasks for each of the other */
    if (filch_lane_create(&clerk, pool, &lane_options))
        return 1;
    lane_options.weight = 1;
    lane_options.max_running = 1;
    if (filch_lane_create(&reports, pool, &lane_options))
        return 1;

    options.lane = bulk;
    for (int i = 0; i < JOBS; i++)
        if (filch_submit_with(pool, work, NULL, &options, NULL))
            return 1;
    options.lane = clerk; /* it was idle: this is the next task to start */
    if (filch_submit_with(pool, answer, NULL, &options, &answered))
        return 1;
    options.lane = reports;
    options.priority = FILCH_LOW; /* of its own lane's tasks */
    if (filch_submit_with(pool, report, reports, &options, &reported))
        return 1;

    if (filch_future_result(answered, FILCH_FOREVER, &before) || filch_future_wait(reported, FILCH_FOREVER))
        return 1;
    printf("the answer came %s the bulk was done\n", (intptr_t)before < JOBS ? "before" : "after");
    printf("the report is %s\n", filch_state_name(filch_future_state(reported)));
    return 0;
}
