/* SPDX-License-Identifier: MIT */
/* Mains submit sub tasks and take them in completion order, in a pool in which one feature is on. */
#include "feature.h"

#define SUBS 100

static int main_task(filch_task *self, void *arg)
{
    filch_future *subs[SUBS], *sub;
    filch_completed *completed;
    filch_context_token *token = feature_begin(arg);
    int64_t sum = 0;
    for (int i = 0; i < SUBS; i++)
        feature_submit(feature_task, (intptr_t)arg * SUBS + i, &subs[i]);
    if (filch_completed_begin(&completed, subs, SUBS, FILCH_FOREVER) != 0)
        bench_fail("cannot iterate");
    while (filch_completed_next(completed, &sub) == 1)
        sum += feature_take(sub);
    filch_completed_end(completed);
    filch_context_end(token);
    return filch_return(self, (void *)(intptr_t)sum);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    (void)arg;
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        feature_submit(main_task, i, &feature.futures[i]);
    for (int64_t i = 0; i < o->size; i++)
        sum += feature_take(feature.futures[i]);
    return sum;
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 1000 }, feature_setup, run, feature_teardown };
    return bench_main(argc, argv, &program);
}
