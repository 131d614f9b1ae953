/* SPDX-License-Identifier: MIT */
/* A pool that takes one task from outside at a time: who waits for the place gets it, or is told that the pool shuts. */
#include "small.h"

static void begin_place(void)
{
    begin_with(1, 2, true);
    filch_pool_options options = FILCH_POOL_OPTIONS;
    model_check(filch_pool_destroy(pool) == 0);
    options.workers = 1;
    options.capacity = 1;
    options.overflow = FILCH_BLOCK;
    model_check(filch_pool_create(&pool, &options) == 0);
}

static void submit_for_place(unsigned i, bool may_be_shut)
{
    for (unsigned j = 0; j < 2; j++) {
        filch_future *future = NULL;
        unsigned *ran = &runs[2 * i + j];
        int rc = filch_submit(pool, count, ran, &future);
        model_check(rc == 0 || (may_be_shut && rc == -ESHUTDOWN));
        if (rc)
            continue;
        model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
        settle(future, ran);
    }
}

static void places(unsigned i)
{
    submit_for_place(i, false);
    leave();
}

static void places_after(void)
{
    for (unsigned i = 0; i < RUNS; i++)
        model_check(runs[i] == 1);
}

static void begin_shut_place(void)
{
    begin_place();
    model_check(filch_submit(pool, count, &runs[0], NULL) == 0);
}

static void shut_place(unsigned i)
{
    if (i == 0) {
        linger(20);
        model_check(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    } else {
        submit_for_place(1, true);
    }
    leave();
}

static const struct model models[] = {
    { .name = "a place for one",
      .says = "submits that wait for a place all get one",
      .threads = 2,
      .hosts = 2,
      .before = begin_place,
      .thread = places,
      .after = places_after,
      .executions = 5000 },
    { .name = "a place for one, shut down",
      .says = "who waits for a place is told that the pool was shut down",
      .threads = 2,
      .hosts = 2,
      .before = begin_shut_place,
      .thread = shut_place,
      .executions = 5000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "capacity.c", "capacity.h", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
