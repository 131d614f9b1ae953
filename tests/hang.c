/* SPDX-License-Identifier: MIT */
/* A program that hangs on purpose, so that its watchdog can be watched. */
#include "watchdog.h"

#include <filch/filch.h>

#include <stdio.h>
#include <unistd.h>

static int get_stuck(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    for (;;)
        pause();
    return 0;
}

int main(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_task_options of_task = FILCH_TASK_OPTIONS;
    filch_pool *pool, *gone;
    filch_future *future;
    options.name = "hanging";
    options.workers = 1;
    of_task.name = "stuck";
    watchdog_begin(1);
    if (filch_pool_create(&gone, NULL) || filch_pool_create(&pool, &options) || filch_pool_destroy(gone) ||
        filch_submit_with(pool, get_stuck, NULL, &of_task, &future))
        return 2;
    filch_future_wait(future, FILCH_FOREVER);
    watchdog_end();
    return 0;
}
