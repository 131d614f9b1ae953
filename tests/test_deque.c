/* SPDX-License-Identifier: MIT */
/* The deque: order at both ends, growth from two slots, and each item taken exactly once. */
#include "deque.h"
#include "readers.h"

#include "os.h"
#include "support.h"

SUITE(deque);

static int items[1000];

static struct filchi_deque make(void)
{
    struct filchi_deque deque;
    must(filchi_deque_init(&deque) == 0);
    return deque;
}

static void push(struct filchi_deque *deque, int first, int end)
{
    for (int i = first; i < end; i++)
        must(filchi_deque_push(deque, &items[i]) == 0);
}

static void *steal(struct filchi_deque *deque)
{
    void *item = NULL;
    return filchi_deque_steal(deque, &item) == FILCHI_DEQUE_TOOK ? item : NULL;
}

/* ---- One thread ---- */

Test(deque, items_for_which_it_cannot_grow_are_refused_and_the_others_stay)
{
    struct filchi_deque deque = make();
    void *several[FILCHI_DEQUE_FIRST];
    for (int i = 0; i < FILCHI_DEQUE_FIRST; i++)
        several[i] = &items[10 + i];
    push(&deque, 0, 1);
    atomic_store(&filchi_os_faults.allocations, -1);
    cr_assert_eq(filchi_deque_push_many(&deque, several, FILCHI_DEQUE_FIRST), -ENOMEM);
    for (int i = 1; i < FILCHI_DEQUE_FIRST; i++)
        cr_assert_eq(filchi_deque_push(&deque, &items[i]), 0);
    cr_assert_eq(filchi_deque_push(&deque, &items[FILCHI_DEQUE_FIRST]), -ENOMEM);
    atomic_store(&filchi_os_faults.allocations, 0);
    for (int i = FILCHI_DEQUE_FIRST; i-- > 0;)
        cr_assert_eq(filchi_deque_pop(&deque), &items[i]);
    cr_assert_null(filchi_deque_pop(&deque));
    filchi_deque_fini(&deque);
}

Test(deque, a_new_deque_is_empty)
{
    struct filchi_deque deque = make();
    void *item = &deque;
    cr_assert(filchi_deque_empty(&deque));
    cr_assert_null(filchi_deque_pop(&deque));
    cr_assert_null(filchi_deque_peek(&deque));
    cr_assert_eq(filchi_deque_steal(&deque, &item), FILCHI_DEQUE_EMPTY);
    cr_assert_eq(item, &deque, "an output is untouched on failure");
    filchi_deque_fini(&deque);
}

Test(deque, pop_takes_the_newest_item)
{
    struct filchi_deque deque = make();
    push(&deque, 0, 100);
    for (int i = 100; i-- > 0;)
        cr_assert_eq(filchi_deque_pop(&deque), &items[i]);
    cr_assert_null(filchi_deque_pop(&deque));
    filchi_deque_fini(&deque);
}

Test(deque, steal_takes_the_oldest_item)
{
    struct filchi_deque deque = make();
    push(&deque, 0, 100);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(steal(&deque), &items[i]);
    cr_assert_null(steal(&deque));
    filchi_deque_fini(&deque);
}

Test(deque, owner_and_thief_meet_in_the_middle)
{
    struct filchi_deque deque = make();
    push(&deque, 0, 101);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(steal(&deque), &items[i]);
        cr_assert_eq(filchi_deque_pop(&deque), &items[100 - i]);
    }
    cr_assert_eq(filchi_deque_pop(&deque), &items[50]);
    cr_assert(filchi_deque_empty(&deque));
    filchi_deque_fini(&deque);
}

Test(deque, peek_shows_what_pop_takes_next_and_leaves_it_there)
{
    struct filchi_deque deque = make();
    push(&deque, 0, 2);
    cr_assert_eq(filchi_deque_peek(&deque), &items[1]);
    cr_assert_eq(filchi_deque_peek(&deque), &items[1]);
    cr_assert_eq(filchi_deque_pop(&deque), &items[1]);
    cr_assert_eq(filchi_deque_peek(&deque), &items[0]);
    cr_assert_eq(steal(&deque), &items[0]);
    cr_assert_null(filchi_deque_peek(&deque));
    filchi_deque_fini(&deque);
}

Test(deque, indices_run_past_the_array_many_times_without_growth)
{
    struct filchi_deque deque = make();
    struct filchi_deque_array *array = atomic_load(&deque.array);
    for (int i = 0; i < 999; i++) {
        push(&deque, i, i + 2);
        cr_assert_eq(steal(&deque), &items[i]);
        cr_assert_eq(filchi_deque_pop(&deque), &items[i + 1]);
    }
    cr_assert_eq(atomic_load(&deque.array), array, "two slots are enough for two items");
    filchi_deque_fini(&deque);
}

Test(deque, growth_in_the_middle_of_a_wrapped_array_keeps_the_order)
{
    struct filchi_deque deque = make();
    push(&deque, 0, 2);
    cr_assert_eq(steal(&deque), &items[0]);
    push(&deque, 2, 1000);
    for (int i = 1; i < 500; i++)
        cr_assert_eq(steal(&deque), &items[i]);
    for (int i = 1000; i-- > 500;)
        cr_assert_eq(filchi_deque_pop(&deque), &items[i]);
    cr_assert(filchi_deque_empty(&deque));
    filchi_deque_fini(&deque);
}

Test(deque, arrays_may_be_reclaimed_while_no_reader_is_inside)
{
    struct filchi_readers readers = { NULL };
    struct filchi_reader some[3] = { { 0, NULL } };
    cr_assert(filchi_readers_none(&readers));
    for (int i = 0; i < 3; i++)
        filchi_readers_add(&readers, &some[i]);
    cr_assert(filchi_readers_none(&readers));
    for (int i = 0; i < 3; i++) {
        filchi_reader_begin(&some[i]);
        cr_assert_not(filchi_readers_none(&readers));
        filchi_reader_end(&some[i]);
        cr_assert(filchi_readers_none(&readers));
    }
}

Test(deque, reclaimed_arrays_are_gone_and_the_items_are_not)
{
    struct filchi_deque deque = make();
    push(&deque, 0, 100);
    cr_assert_not_null(deque.retired);
    filchi_deque_reclaim(&deque);
    cr_assert_null(deque.retired);
    push(&deque, 100, 1000);
    for (int i = 1000; i-- > 0;)
        cr_assert_eq(filchi_deque_pop(&deque), &items[i]);
    filchi_deque_fini(&deque);
}

Test(deque, growth_without_memory_fails_and_changes_nothing)
{
    struct filchi_deque deque = make();
    push(&deque, 0, (int)FILCHI_DEQUE_FIRST);
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filchi_deque_push(&deque, &items[999]), -ENOMEM);
    push(&deque, (int)FILCHI_DEQUE_FIRST, 100);
    for (int i = 100; i-- > 0;)
        cr_assert_eq(filchi_deque_pop(&deque), &items[i]);
    cr_assert_null(filchi_deque_pop(&deque));
    filchi_deque_fini(&deque);
}

Test(deque, init_without_memory_fails)
{
    struct filchi_deque deque;
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filchi_deque_init(&deque), -ENOMEM);
}

/* ---- Thieves ---- */

#define THIEVES 3
#define MANY 200000

struct robbery {
    struct filchi_deque deque;
    _Atomic unsigned char taken[MANY];
    _Atomic int n_taken;
    _Atomic bool over;
};

static void take(struct robbery *robbery, void *item)
{
    int index = (int)((uintptr_t)item - 1);
    must(index >= 0 && index < MANY);
    must(atomic_fetch_add(&robbery->taken[index], 1) == 0);
    atomic_fetch_add(&robbery->n_taken, 1);
}

static void *rob(void *arg)
{
    struct robbery *robbery = arg;
    void *item;
    while (!atomic_load(&robbery->over))
        if (filchi_deque_steal(&robbery->deque, &item) == FILCHI_DEQUE_TOOK)
            take(robbery, item);
    return NULL;
}

/* The owner pushes `burst` items, then pops `pops` of them, until all were pushed. */
static void own_while_robbed(int burst, int pops)
{
    struct robbery *robbery = aligned_alloc(FILCHI_LINE, sizeof *robbery);
    memset(robbery, 0, sizeof *robbery);
    robbery->deque = make();
    pthread_t thieves[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        must(pthread_create(&thieves[i], NULL, rob, robbery) == 0);
    for (int pushed = 0; pushed < MANY;) {
        for (int i = 0; i < burst && pushed < MANY; i++)
            must(filchi_deque_push(&robbery->deque, (void *)(uintptr_t)++pushed) == 0);
        for (int i = 0; i < pops; i++) {
            void *item = filchi_deque_pop(&robbery->deque);
            if (item)
                take(robbery, item);
        }
    }
    for (void *item; (item = filchi_deque_pop(&robbery->deque));)
        take(robbery, item);
    UNTIL(atomic_load(&robbery->n_taken) == MANY);
    atomic_store(&robbery->over, true);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(thieves[i], NULL);
    cr_assert(filchi_deque_empty(&robbery->deque));
    filchi_deque_fini(&robbery->deque);
    free(robbery);
}

Test(deque, the_last_item_goes_to_owner_or_thief_never_to_both)
{
    own_while_robbed(1, 1);
}

Test(deque, the_last_two_items_go_to_one_taker_each)
{
    own_while_robbed(2, 2);
}

Test(deque, every_item_is_taken_once_while_the_array_grows_under_the_thieves)
{
    own_while_robbed(1000, 300);
}
