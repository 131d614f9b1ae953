/* SPDX-License-Identifier: MIT */
/* Options that carry their size, from programs older and newer than the library, and arguments out of range. */
#include "options.h"

#include "support.h"

#include <limits.h>

SUITE(options);

/* ---- The copy ---- */

struct known {
    size_t size;
    int a, b;
};

struct newer {
    struct known known;
    size_t c;
};

static struct known defaults(void)
{
    return (struct known) { sizeof(struct known), 10, 20 };
}

Test(options, none_leaves_the_defaults)
{
    struct known chosen = defaults();
    cr_assert_eq(filchi_options_copy(&chosen, sizeof chosen, NULL), 0);
    cr_assert_eq(chosen.a, 10);
    cr_assert_eq(chosen.b, 20);
}

Test(options, of_an_older_header_what_it_lacks_is_default)
{
    struct newer given = { { offsetof(struct known, b), 1, 2 }, 3 };
    struct known chosen = defaults();
    cr_assert_eq(filchi_options_copy(&chosen, sizeof chosen, &given), 0);
    cr_assert_eq(chosen.a, 1);
    cr_assert_eq(chosen.b, 20);
}

Test(options, of_a_newer_header_an_unset_tail_is_fine)
{
    struct newer given = { { sizeof given, 1, 2 }, 0 };
    struct known chosen = defaults();
    cr_assert_eq(filchi_options_copy(&chosen, sizeof chosen, &given), 0);
    cr_assert_eq(chosen.b, 2);
}

Test(options, of_a_newer_header_a_set_tail_is_too_big)
{
    struct newer given = { { sizeof given, 1, 2 }, 1 };
    struct known chosen = defaults();
    cr_assert_eq(filchi_options_copy(&chosen, sizeof chosen, &given), -E2BIG);
    cr_assert_eq(chosen.a, 10, "an output is untouched on failure");
}

Test(options, a_size_that_does_not_hold_the_size_is_invalid)
{
    for (size_t size = 0; size < sizeof(size_t); size++) {
        struct newer given = { { size, 1, 2 }, 0 };
        struct known chosen = defaults();
        cr_assert_eq(filchi_options_copy(&chosen, sizeof chosen, &given), -EINVAL);
    }
}

/* ---- Of pools ---- */

static int create_with(filch_pool_options options)
{
    filch_pool *pool = NULL;
    int rc = filch_pool_create(&pool, &options);
    must((rc == 0) == (pool != NULL));
    must(filch_pool_destroy(pool) == 0);
    return rc;
}

Test(options, a_pool_needs_a_size)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    cr_assert_eq(create_with(options), 0);
    options.size = 0;
    cr_assert_eq(create_with(options), -EINVAL);
    options.size = sizeof options.size;
    cr_assert_eq(create_with(options), 0);
}

Test(options, a_pool_knows_options_from_the_future)
{
    struct {
        filch_pool_options known;
        void *unknown;
    } options = { FILCH_POOL_OPTIONS, NULL };
    filch_pool *pool = NULL;
    options.known.size = sizeof options;
    cr_assert_eq(filch_pool_create(&pool, &options.known), 0);
    filch_pool_destroy(pool);
    pool = NULL;
    options.unknown = &options;
    cr_assert_eq(filch_pool_create(&pool, &options.known), -E2BIG);
    cr_assert_null(pool);
}

Test(options, a_pool_has_at_most_1024_workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1024;
    cr_assert_eq(create_with(options), 0);
    options.workers = 1025;
    cr_assert_eq(create_with(options), -EINVAL);
    options.workers = UINT_MAX;
    cr_assert_eq(create_with(options), -EINVAL);
}

Test(options, too_many_spare_threads_are_invalid)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.spare_threads = UINT_MAX;
    cr_assert_eq(create_with(options), -EINVAL);
}

Test(options, a_stack_that_no_thread_can_have_is_invalid_when_the_pool_is_created)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.stack_size = 1;
    cr_assert_eq(create_with(options), -EINVAL);
}

Test(options, the_name_of_a_pool_is_copied)
{
    char name[] = "mine";
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    struct gate gate = GATE;
    options.name = name;
    options.workers = 1;
    must(filch_pool_create(&pool, &options) == 0);
    memset(name, 'x', 4);
    filch_future *future = hold_worker(pool, &gate);
    pid_t tid = 0;
    cr_assert_eq(threads_named("mine-", &tid, 1), 1);
    let_go(&gate, future);
    filch_pool_destroy(pool);
}

/* ---- Of tasks and maps ---- */

Test(options, a_task_needs_a_size_a_pool_and_a_function)
{
    filch_pool *pool = pool_of(1);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.size = 0;
    cr_assert_eq(filch_submit_with(pool, do_nothing, NULL, &options, &future), -EINVAL);
    cr_assert_eq(filch_submit(NULL, do_nothing, NULL, &future), -EINVAL);
    cr_assert_eq(filch_submit(pool, NULL, NULL, &future), -EINVAL);
    cr_assert_null(future);
    cr_assert_eq(stats_of(pool).submitted, 0);
    filch_pool_destroy(pool);
}

Test(options, a_task_knows_options_from_the_future)
{
    struct {
        filch_task_options known;
        intptr_t unknown; /* as wide as the rest: no padding after it */
    } options = { FILCH_TASK_OPTIONS, 1 };
    filch_pool *pool = pool_of(1);
    filch_future *future = NULL;
    options.known.size = sizeof options;
    cr_assert_eq(filch_submit_with(pool, do_nothing, NULL, &options.known, &future), -E2BIG);
    cr_assert_null(future);
    options.unknown = 0;
    cr_assert_eq(filch_submit_with(pool, do_nothing, NULL, &options.known, &future), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int copy_int(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int *)out = *(const int *)in;
    return 0;
}

Test(options, a_map_needs_a_size_a_pool_and_a_function)
{
    filch_pool *pool = pool_of(1);
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping = NULL;
    int in = 1, out = 0;
    options.size = 3;
    cr_assert_eq(filch_map(pool, copy_int, NULL, &in, 4, &out, 4, 1, &options, NULL), -EINVAL);
    cr_assert_eq(filch_mapping_begin(&mapping, pool, copy_int, NULL, &in, 4, &out, 4, 1, &options), -EINVAL);
    cr_assert_eq(filch_map(NULL, copy_int, NULL, &in, 4, &out, 4, 1, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_map(pool, NULL, NULL, &in, 4, &out, 4, 1, NULL, NULL), -EINVAL);
    cr_assert_null(mapping);
    cr_assert_eq(out, 0);
    options.size = offsetof(filch_map_options, timeout_ns);
    cr_assert_eq(filch_map(pool, copy_int, NULL, &in, 4, &out, 4, 1, &options, NULL), 0);
    cr_assert_eq(out, 1);
    filch_pool_destroy(pool);
}

Test(options, statistics_of_another_size_are_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_pool_stats stats = FILCH_POOL_STATS;
    stats.size = 0;
    cr_assert_eq(filch_pool_stats_get(pool, &stats), -EINVAL);
    filch_pool_destroy(pool);
}

Test(options, unknown_shutdown_flags_and_wait_modes_are_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = NULL;
    cr_assert_eq(filch_pool_shutdown(pool, 8, 0, NULL), -EINVAL);
    cr_assert_eq(filch_pool_shutdown(NULL, FILCH_SHUTDOWN_WAIT, 0, NULL), -EINVAL);
    cr_assert_eq(filch_submit(pool, do_nothing, NULL, &future), 0, "and nothing was shut");
    cr_assert_eq(filch_wait(&future, 1, (filch_wait_mode)9, 0, NULL), -EINVAL);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}
