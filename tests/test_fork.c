/* SPDX-License-Identifier: MIT */
/*
 * fork(): in the child the parent's pools are dead, every call on them says so and none hangs; a new pool works; the
 * parent does not notice.
 */
#include "fork_support.h"

SUITE(fork);

/* ---- From the main thread ---- */

static void fork_often(void (*play)(struct family *))
{
    filch_pool *pool = pool_of(8);
    for (int i = 0; i < FORKS; i++) {
        struct family *family = family_of(pool);
        cr_assert(child_ends_well(play, family));
        grow_old(family);
    }
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(fork, what_is_final_can_be_read_in_the_child)
{
    fork_often(read_what_is_final);
}

Test(fork, waits_for_what_is_not_fail_at_once)
{
    fork_often(wait_in_vain);
}

Test(fork, iterators_deliver_what_is_final_and_then_fail)
{
    fork_often(iterate_in_vain);
}

Test(fork, every_call_on_the_parents_pool_fails)
{
    fork_often(use_the_pool_in_vain);
}

Test(fork, a_new_pool_works_in_the_child)
{
    fork_often(use_a_new_pool);
}

/* ---- Grandchildren, and systems that wipe nothing ---- */

static void fork_again(struct family *family)
{
    must(child_ends_well(do_it_all, family));
    use_a_new_pool(family);
    filch_pool *pool = pool_of(8);
    struct family *own = family_of(pool);
    must(child_ends_well(do_it_all, own));    /* its parent's pools */
    must(child_ends_well(do_it_all, family)); /* its grandparent's */
    grow_old(own);
    must(filch_pool_destroy(pool) == 0);
}

Test(fork, a_child_may_fork_again)
{
    filch_pool *pool = pool_of(8);
    struct family *family = family_of(pool);
    cr_assert(child_ends_well(fork_again, family));
    grow_old(family);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(fork, where_memory_cannot_be_wiped_the_process_is_known_by_its_number)
{
    atomic_store(&filchi_os_faults.wipes, -1);
    filch_pool *pool = pool_of(8);
    struct family *family = family_of(pool);
    cr_assert(child_ends_well(do_it_all, family));
    grow_old(family);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- What outlives the pool ---- */

static void report(const filch_error *error, void *arg)
{
    (void)error;
    atomic_fetch_add((_Atomic int *)arg, 1);
}

Test(fork, a_failure_is_not_reported_again_for_the_childs_copy)
{
    _Atomic int reports = 0;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.on_unobserved = report;
    options.unobserved_arg = &reports;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_future *future = submit(pool, fail_with_io, NULL);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    pid_t child = fork();
    if (child == 0) {
        limit_patience();
        filch_future_unref(future); /* and with it the pool's memory */
        _exit(atomic_load(&reports));
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    filch_future_unref(future);
    cr_assert_eq(reports, 1);
}
