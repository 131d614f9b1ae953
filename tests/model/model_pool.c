/* SPDX-License-Identifier: MIT */
/* The library as a whole, in small. */
#include "engine.h"

#include <filch/filch.h>

static filch_pool *pool;
static unsigned runs;

static int task(filch_task *self, void *arg)
{
    (void)self;
    ++*(unsigned *)arg;
    return 0;
}

static void submit_and_wait(unsigned i)
{
    (void)i;
    runs = 0;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    model_check(filch_pool_create(&pool, &options) == 0);
    filch_future *future = NULL;
    model_check(filch_submit(pool, task, &runs, &future) == 0);
    model_check(filch_future_wait(future, -1) == 0);
    model_check(runs == 1);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    model_check(model_allocated() == 0);
}

static const struct model models[] = {
    { .name = "pool submit",
      .says = "a task that is submitted and waited for has run once",
      .threads = 1,
      .hosts = 2,
      .thread = submit_and_wait,
      .executions = 2000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "handoff.c", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
