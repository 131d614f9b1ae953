/* SPDX-License-Identifier: MIT */
/* What a task, one that waits for its time, one between two attempts and a stop with a deadline take: timers.md. */
#include "future.h"
#include "os.h"
#include "plan.h"
#include "support.h"
#include "worker.h"

#include <malloc.h>

SUITE(memory);

enum { MANY = 1000, COUNTDOWN = 1000000 };
#define NEVER_DUE FILCH_SECONDS(1000)

/* What an aligned block of so many bytes takes. */
#define ALIGNED(size, type) (((size) + _Alignof(type) - 1) / _Alignof(type) * _Alignof(type))

Test(memory, a_task_and_its_plan_are_as_small_as_the_documentation_tells)
{
    cr_expect_eq(FILCHI_SLAB_OBJECT, 64);
    cr_expect_eq(sizeof(filch_future), 64);
    cr_expect_eq(sizeof(struct filchi_cold), 64);
    cr_expect_eq(ALIGNED(offsetof(struct filchi_plan, last), struct filchi_plan), 192);
    cr_expect_eq(sizeof(struct filchi_plan), 256);
    cr_expect_eq(sizeof(struct filchi_timer), 48);
    cr_expect_eq(sizeof(filch_stop), 160);
}

/* ---- Measured ---- */

struct taken {
    double blocks, bytes; /* of the heap, per object; bytes: 0 if unknown */
};

static size_t heap_bytes(void)
{
    return SANITIZED ? 0 : mallinfo2().uordblks;
}

/* All of them by this thread, so that they come from the arena that mallinfo2() tells of. */
static struct taken measure(const char *what, void (*make)(filch_pool *, void *), filch_pool *pool, void **objects)
{
    make(pool, &objects[MANY]); /* whatever the first one brings into being */
    atomic_store(&filchi_os_faults.allocations, COUNTDOWN);
    size_t before = heap_bytes();
    for (int i = 0; i < MANY; i++)
        make(pool, &objects[i]);
    size_t bytes = heap_bytes() - before;
    long blocks = COUNTDOWN - atomic_exchange(&filchi_os_faults.allocations, 0);
    struct taken taken = { (double)blocks / MANY, (double)bytes / MANY };
    fprintf(stderr, "memory: %s takes %.2f blocks, %.0f bytes of the heap\n", what, taken.blocks, taken.bytes);
    return taken;
}

/* So many blocks for each, but for the slab's chunks; to the bytes the heap adds its headers, and what aligning costs. */
static void assert_takes(struct taken taken, unsigned blocks, size_t bytes)
{
    cr_assert_float_eq(taken.blocks, blocks, 0.02);
    cr_assert(SANITIZED || (taken.bytes >= (double)bytes && taken.bytes < (double)bytes + 64.0 * blocks));
}

static void drop_tasks(filch_pool *pool, void **futures)
{
    must(filch_cancel_all((filch_future *const *)futures, MANY + 1) == MANY + 1);
    unref_all((filch_future **)futures, MANY + 1);
    must(filch_pool_destroy(pool) == 0);
}

/* Objects of the slab for each of many tasks of this thread that wait for a worker. */
static double objects_of_pending(const filch_task_options *options)
{
    static filch_future *futures[MANY];
    struct gate gate = GATE;
    filch_pool *pool = pool_of(1);
    filch_future *holder = hold_worker(pool, &gate);
    size_t objects = 0;
    for (int i = 0; i < MANY; i++)
        must(filch_submit_with(pool, do_nothing, NULL, options, &futures[i]) == 0);
    for (int i = 0; i < FILCHI_SHARDS; i++)
        objects += pool->shards[i].slab.carved;
    let_go(&gate, holder);
    must(filch_join(futures, MANY) == 0);
    unref_all(futures, MANY);
    must(filch_pool_destroy(pool) == 0);
    return (double)objects / MANY;
}

Test(memory, a_pending_task_is_one_object_of_the_slab_and_one_with_a_name_two)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    cr_assert_float_eq(objects_of_pending(NULL), 1, 0.01);
    options.name = "short";
    cr_assert_float_eq(objects_of_pending(&options), 2, 0.01);
}

static void make_delayed(filch_pool *pool, void *out)
{
    must(filch_submit_after(pool, NEVER_DUE, do_nothing, NULL, out) == 0);
}

Test(memory, a_delayed_task_is_two_objects_of_the_slab_and_a_block_of_the_heap)
{
    static void *futures[MANY + 1];
    filch_pool *pool = pool_of(1);
    assert_takes(measure("a delayed task", make_delayed, pool, futures), 1, 192);
    drop_tasks(pool, futures);
}

static void make_retried(filch_pool *pool, void *out)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    retry.max_attempts = 2;
    retry.interval_ns = NEVER_DUE;
    options.retry = &retry;
    must(filch_submit_with(pool, fail_with_io, NULL, &options, out) == 0);
    UNTIL(filch_future_state(*(filch_future **)out) == FILCH_RETRY_WAIT);
}

Test(memory, a_task_between_two_attempts_has_the_error_of_the_last_one_too)
{
    static void *futures[MANY + 1];
    filch_pool *pool = pool_of(1);
    struct taken taken = measure("a task between two attempts, its error elsewhere", make_retried, pool, futures);
    cr_assert_float_eq(taken.blocks, 2, 0.02);
    drop_tasks(pool, futures);
}

static void make_deadline(filch_pool *pool, void *out)
{
    must(filch_stop_create_until(out, NULL, pool, filch_now() + NEVER_DUE) == 0);
}

Test(memory, a_stop_with_a_deadline_has_its_timer_in_one_more_block)
{
    static void *stops[MANY + 1];
    filch_pool *pool = pool_of(1);
    struct taken taken = measure("a stop with a deadline", make_deadline, pool, stops);
    assert_takes(taken, 2, sizeof(filch_stop) + 96);
    for (int i = 0; i <= MANY; i++)
        filch_stop_unref(stops[i]);
    must(filch_pool_destroy(pool) == 0);
}
