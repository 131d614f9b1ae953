/* SPDX-License-Identifier: MIT */
/* Shutdown: a queue of jobs at the end of its working hours. What is done soon is awaited, the rest is not. */
#include <errno.h>

#include <filch/filch.h>

static const struct job {
    const char *name;
    int steps; /* of 10 ms each */
} jobs[] = { { "backup", 5 }, { "index", 1000000 }, { "report", 5 }, { "mail", 5 } };

enum { JOBS = sizeof jobs / sizeof *jobs };

static int run_job(filch_task *self, void *arg)
{
    const struct job *job = arg;
    (void)self;
    for (int step = 0; step < job->steps; step++)
        if (filch_sleep(FILCH_MS(10)) != 0)
            return -ECANCELED; /* stopped: half of it can be done tomorrow */
    return 0;
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *stragglers = NULL;
    filch_pool_options pool_options = FILCH_POOL_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *futures[JOBS] = { NULL };
    pool_options.workers = 1;
    if (filch_pool_create(&pool, &pool_options))
        return 1;
    for (int i = 0; i < JOBS; i++) {
        options.name = jobs[i].name;
        if (filch_submit_with(pool, run_job, (void *)(uintptr_t)&jobs[i], &options, &futures[i]))
            return 1;
    }

    /* First as patiently as possible: no new jobs, and two seconds for those there are. */
    if (filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_SECONDS(2), &stragglers) == -ETIMEDOUT)
        filch_error_print(stragglers, stdout);

    /* Then: what has not started never will, what runs is told to stop; and that is awaited. */
    filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_STOP_RUNNING,
                        FILCH_FOREVER, NULL);
    for (int i = 0; i < JOBS; i++) {
        printf("%s: %s\n", jobs[i].name, filch_state_name(filch_future_state(futures[i])));
        filch_future_unref(futures[i]);
    }
    return 0;
}
