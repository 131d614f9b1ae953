/* SPDX-License-Identifier: MIT */
/* One pool after another, at the same addresses, with futures that outlive theirs. */
#include "support.h"

#include "slab.h"

SUITE(pools_in_turn);

Test(pools_in_turn, an_object_is_not_taken_for_one_of_a_later_slab_at_the_same_place)
{
    struct filchi_slab slab, *slabs[] = { &slab };
    struct filchi_slab_home *first = filchi_slab_home_create(1);
    filchi_slab_init(&slab, first, 0);
    void *old = filchi_slab_alloc(&slab), *older = filchi_slab_alloc(&slab); /* which keeps the first home there */
    filchi_slab_home_close(first, slabs, 1);

    struct filchi_slab_home *second = filchi_slab_home_create(1);
    filchi_slab_init(&slab, second, 0);
    filchi_slab_free(old, &slab);
    void *new = filchi_slab_alloc(&slab);
    cr_assert_neq(new, old);
    cr_assert_eq(filchi_slab_home_of(new), second);
    filchi_slab_free(new, &slab);
    filchi_slab_free(older, &slab);
    filchi_slab_home_close(second, slabs, 1);
}

enum { KEPT = 8, ROUNDS = 20 };
static filch_future *kept[KEPT], *later[KEPT];

static int do_nothing_here(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static int submit_kept(filch_task *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < KEPT; i++)
        kept[i] = submit(filch_task_pool(self), do_nothing_here, NULL);
    return filch_join(kept, KEPT);
}

static int drop_kept(filch_task *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < KEPT; i++)
        filch_future_unref(kept[i]);
    for (int i = 0; i < KEPT; i++)
        later[i] = submit(filch_task_pool(self), do_nothing_here, NULL);
    return filch_join(later, KEPT);
}

static void run_in_a_pool(filch_fn *fn)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fn, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(pools_in_turn, futures_dropped_inside_a_later_pool_leave_its_own_alone)
{
    for (int round = 0; round < ROUNDS; round++) {
        run_in_a_pool(submit_kept);
        run_in_a_pool(drop_kept);
        for (int i = 0; i < KEPT; i++) {
            cr_assert_eq(filch_future_state(later[i]), FILCH_DONE);
            filch_future_unref(later[i]);
        }
    }
}
