/* SPDX-License-Identifier: MIT */
/* Map as an iterator: results as soon as they are there, in order, and an end at any point. */
#include "support.h"

SUITE(mapping);

#define N 20

/* Elements wait for their gates, if they have one. */
struct work {
    int in[N], out[N];
    struct event *gates[N];
    _Atomic int ran, done;
};

static int double_it(filch_task *self, const void *in, void *out, void *arg)
{
    struct work *work = arg;
    int number = *(const int *)in;
    atomic_fetch_add(&work->ran, 1);
    if (work->gates[number])
        event_await(work->gates[number]);
    if (number < 0)
        return filch_fail(self, -EIO, "negative");
    *(int *)out = 2 * number;
    atomic_fetch_add(&work->done, 1);
    return 0;
}

static void prepare(struct work *work)
{
    memset(work, 0, sizeof *work);
    for (int i = 0; i < N; i++)
        work->in[i] = i;
}

static filch_mapping *begin(filch_pool *pool, struct work *work, int64_t timeout_ns)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping = NULL;
    options.chunk = 1;
    options.timeout_ns = timeout_ns;
    must(filch_mapping_begin(&mapping, pool, double_it, work, work->in, sizeof(int), work->out, sizeof(int), N,
                             &options) == 0);
    return mapping;
}

Test(mapping, a_result_is_delivered_before_later_ones_are_there)
{
    filch_pool *pool = pool_of(1);
    struct work work;
    struct event second = EVENT;
    void *item = NULL;
    prepare(&work);
    work.gates[1] = &second;
    filch_mapping *mapping = begin(pool, &work, FILCH_FOREVER);
    cr_assert_eq(filch_mapping_next(mapping, &item), 1);
    cr_assert_eq(item, &work.out[0]);
    cr_assert_eq(work.out[0], 0);
    event_signal(&second);
    for (int i = 1; i < N; i++) {
        cr_assert_eq(filch_mapping_next(mapping, &item), 1);
        cr_assert_eq(item, &work.out[i]);
        cr_assert_eq(work.out[i], 2 * i);
    }
    cr_assert_eq(filch_mapping_next(mapping, &item), 0);
    cr_assert_eq(filch_mapping_next(mapping, &item), 0, "the end stays the end");
    filch_mapping_end(mapping);
    filch_pool_destroy(pool);
}

Test(mapping, a_later_result_that_is_there_first_waits_its_turn)
{
    filch_pool *pool = pool_of(2);
    struct work work;
    struct event first = EVENT;
    void *item = NULL;
    prepare(&work);
    work.gates[0] = &first;
    filch_mapping *mapping = begin(pool, &work, FILCH_FOREVER);
    UNTIL(atomic_load(&work.done) == N - 1);
    event_signal(&first);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(filch_mapping_next(mapping, &item), 1);
        cr_assert_eq(item, &work.out[i]);
    }
    filch_mapping_end(mapping);
    filch_pool_destroy(pool);
}

Test(mapping, it_may_end_at_any_point_and_then_nothing_runs)
{
    filch_pool *pool = pool_of(2);
    for (int taken = 0; taken <= N; taken++) {
        struct work work;
        void *item;
        prepare(&work);
        filch_mapping *mapping = begin(pool, &work, FILCH_FOREVER);
        for (int i = 0; i < taken; i++)
            cr_assert_eq(filch_mapping_next(mapping, &item), 1);
        filch_mapping_end(mapping);
        int ran = atomic_load(&work.ran);
        cr_assert_geq(ran, taken);
        memset(&work, 0xFF, sizeof work); /* nothing may read or write it any more */
    }
    filch_pool_destroy(pool);
}

Test(mapping, an_early_end_leaves_out_what_has_not_started)
{
    filch_pool *pool = pool_of(1);
    struct work work;
    struct gate gate = GATE;
    prepare(&work);
    filch_future *holder = hold_worker(pool, &gate);
    filch_mapping *mapping = begin(pool, &work, FILCH_FOREVER);
    filch_mapping_end(mapping);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&work.ran), 0);
}

static int fail_the_third(filch_task *self, const void *in, void *out, void *arg)
{
    (void)out;
    if (*(const int *)in == 2)
        return filch_fail(self, -EIO, "the third");
    if (*(const int *)in > 2)
        atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

Test(mapping, results_before_an_error_are_delivered_then_the_error_each_time)
{
    filch_pool *pool = pool_of(1);
    struct work work;
    _Atomic int later = 0;
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping;
    void *item = NULL;
    prepare(&work);
    options.chunk = 1;
    must(filch_mapping_begin(&mapping, pool, fail_the_third, (void *)&later, work.in, 4, work.out, 4, N,
                             &options) == 0);
    cr_assert_eq(filch_mapping_next(mapping, &item), 1);
    cr_assert_null(filch_mapping_error(mapping));
    cr_assert_eq(filch_mapping_next(mapping, &item), 1);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(filch_mapping_next(mapping, &item), -EIO);
        cr_assert_str_eq(filch_error_message(filch_mapping_error(mapping)), "the third");
        cr_assert_eq(item, &work.out[1], "an output is untouched on failure");
    }
    filch_mapping_cleanup(&mapping);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&later), 0);
}

Test(mapping, after_a_timeout_it_may_go_on)
{
    filch_pool *pool = pool_of(1);
    struct work work;
    struct event first = EVENT;
    void *item = NULL;
    prepare(&work);
    work.gates[0] = &first;
    filch_mapping *mapping = begin(pool, &work, FILCH_MS(2));
    cr_assert_eq(filch_mapping_next(mapping, &item), -ETIMEDOUT);
    cr_assert_null(item);
    event_signal(&first);
    UNTIL(atomic_load(&work.done) == N);
    for (int i = 0; i < N; i++)
        cr_assert_eq(filch_mapping_next(mapping, &item), 1);
    cr_assert_eq(filch_mapping_next(mapping, &item), 0);
    filch_mapping_end(mapping);
    filch_pool_destroy(pool);
}

Test(mapping, a_shutdown_that_cancels_ends_it_with_an_error)
{
    filch_pool *pool = pool_of(1);
    struct work work;
    struct event first = EVENT;
    void *item = NULL;
    prepare(&work);
    work.gates[0] = &first;
    filch_mapping *mapping = begin(pool, &work, FILCH_FOREVER);
    UNTIL(atomic_load(&work.ran) == 1);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    event_signal(&first);
    cr_assert_eq(filch_mapping_next(mapping, &item), 1);
    cr_assert_eq(filch_mapping_next(mapping, &item), -ECANCELED);
    filch_mapping_end(mapping);
    filch_pool_destroy(pool);
}

Test(mapping, on_a_pool_that_is_shut_it_cannot_begin)
{
    filch_pool *pool = pool_of(1);
    struct work work;
    filch_mapping *mapping = NULL;
    prepare(&work);
    must(filch_pool_shutdown(pool, 0, 0, NULL) == 0);
    cr_assert_eq(filch_mapping_begin(&mapping, pool, double_it, &work, work.in, 4, work.out, 4, N, NULL),
                 -ESHUTDOWN);
    cr_assert_null(mapping);
    filch_pool_destroy(pool);
}
