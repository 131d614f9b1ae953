/* SPDX-License-Identifier: MIT */
/* Loops and maps that a task calls, on its own pool or another. */
#include "support.h"

#include <filch/fork.h>

SUITE(loops_of_tasks);

static int stop_at_300(size_t begin, size_t end, void *stop)
{
    must(begin < end);
    if (begin == 300)
        filch_stop_request(stop, -EPIPE);
    return 0;
}

static int loop_until_stopped(filch_task *self, void *stop)
{
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    options.grain = 1;
    options.stop = stop;
    must(filch_parallel_for(filch_task_pool(self), 0, SIZE_MAX, stop_at_300, stop, &options) == -ECANCELED);
    must(!filch_task_stopped(self));
    return 0;
}

Test(loops_of_tasks, a_stop_of_its_own_ends_the_loop_of_a_task_that_goes_on)
{
    filch_pool *pool = pool_of(2);
    filch_stop *stop = stop_under(NULL);
    filch_future *future = submit(pool, loop_until_stopped, stop);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

static int square(filch_task *self, const void *in, void *out, void *pool)
{
    must(filch_task_pool(self) == pool);
    *(int *)out = *(const int *)in * *(const int *)in;
    return 0;
}

static int map_there(filch_task *self, void *arg)
{
    enum { N = 100 };
    int in[N], n = 0;
    filch_mapping *mapping = NULL;
    filch_map_options options = FILCH_MAP_OPTIONS;
    void *item = NULL;
    int out[N];
    options.chunk = 1;
    must(filch_task_pool(self) != arg);
    for (int i = 0; i < N; i++)
        in[i] = i;
    must(filch_mapping_begin(&mapping, arg, square, arg, in, sizeof in[0], out, sizeof out[0], N, &options) == 0);
    for (; filch_mapping_next(mapping, &item) == 1; n++)
        must(*(int *)item == n * n);
    must(n == N);
    filch_mapping_end(mapping);
    return 0;
}

Test(loops_of_tasks, a_task_may_take_the_results_of_a_map_on_another_pool)
{
    filch_pool *here = pool_of(1), *there = pool_of(2);
    filch_future *future = submit(here, map_there, there);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(here);
    filch_pool_destroy(there);
}

static int cancel_itself(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)out;
    (void)arg;
    return *(const int *)in == 2 ? -ECANCELED : 0;
}

Test(loops_of_tasks, an_element_that_gives_up_without_a_stop_has_failed)
{
    filch_pool *pool = pool_of(1);
    filch_error *error = NULL;
    int in[4] = { 0, 1, 2, 3 }, out[4];
    int rc = filch_map(pool, cancel_itself, NULL, in, sizeof in[0], out, sizeof out[0], 4, NULL, &error);
    cr_assert_eq(rc, -ECANCELED);
    char text[256];
    filch_error_format(error, text, sizeof text);
    cr_assert(strstr(text, "element 2 failed"), "%s", text);
    filch_error_unref(error);
    filch_pool_destroy(pool);
}
