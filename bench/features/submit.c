/* SPDX-License-Identifier: MIT */
/* One thread submits tasks and sums their futures, in a pool in which one feature is on. */
#include "feature.h"

static int64_t run(void *arg, const struct bench_options *o)
{
    filch_context_token *token = feature_begin(arg);
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        feature_submit(feature_task, i, &feature.futures[i]);
    filch_context_end(token);
    for (int64_t i = 0; i < o->size; i++)
        sum += feature_take(feature.futures[i]);
    return sum;
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, feature_setup, run, feature_teardown };
    return bench_main(argc, argv, &program);
}
