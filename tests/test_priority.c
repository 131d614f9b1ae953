/* SPDX-License-Identifier: MIT */
/* Priorities at the queue from outside, with one worker: who goes before whom, and that nobody starves. */
#include "lanes.h"

SUITE(priority);

static struct record record;
static struct letter high = { &record, 'h' }, normal = { &record, 'n' }, low = { &record, 'l' },
                     sub = { &record, 's' };

Test(priority, high_goes_before_normal_and_that_before_low)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, NULL, FILCH_LOW, &low, 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(filch_submit(pool, write_letter, &normal, NULL), 0);
    write_letters(pool, NULL, FILCH_HIGH, &high, 3);
    let_go(&gate, holder);
    cr_assert_str_eq(letters(&record, 9), "hhhnnnlll");
    filch_pool_destroy(pool);
}

static int write_number(filch_task *self, void *arg)
{
    (void)self;
    size_t i = atomic_fetch_add(&record.n, 1);
    record.letters[i] = (char)('a' + (intptr_t)arg);
    return 0;
}

Test(priority, tasks_of_one_level_keep_their_order)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    for (intptr_t i = 0; i < 12; i++)
        filch_future_unref(submit_to(pool, NULL, (filch_priority)(i % 3 - 1), write_number, (void *)i));
    let_go(&gate, holder);
    cr_assert_str_eq(letters(&record, 12), "cfilbehkadgj");
    filch_pool_destroy(pool);
}

/* The nth, from 1, is of that level; none between it and the one before. */
static void assert_places(const char *all, size_t n, char letter, const size_t *places, size_t n_places)
{
    size_t seen = 0;
    for (size_t i = 0; i < n && seen < n_places; i++)
        if (all[i] == letter)
            cr_assert_eq(i + 1, places[seen++], "%c at %zu", letter, i + 1);
    cr_assert_eq(seen, n_places);
}

Test(priority, a_level_that_waits_gets_its_turn_after_as_many_of_others_as_are_promised)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, NULL, FILCH_HIGH, &high, 100);
    write_letters(pool, NULL, FILCH_LOW, &low, 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(filch_submit(pool, write_letter, &normal, NULL), 0);
    let_go(&gate, holder);
    const char *all = letters(&record, 106);
    assert_places(all, 106, 'l', (const size_t[]) { 17, 34, 51 }, 3);
    assert_places(all, 106, 'n', (const size_t[]) { 18, 35, 52 }, 3);
    filch_pool_destroy(pool);
}

Test(priority, low_ones_get_their_turn_while_plain_tasks_wait)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    for (int i = 0; i < 60; i++)
        cr_assert_eq(filch_submit(pool, write_letter, &normal, NULL), 0);
    write_letters(pool, NULL, FILCH_LOW, &low, 3);
    let_go(&gate, holder);
    assert_places(letters(&record, 63), 63, 'l', (const size_t[]) { 17, 34, 51 }, 3);
    filch_pool_destroy(pool);
}

/* ---- From a task ---- */

static int submit_six(filch_task *self, void *arg)
{
    filch_pool *pool = filch_task_pool(self);
    (void)arg;
    for (int i = 0; i < 6; i++)
        must(filch_submit(pool, write_letter, &sub, NULL) == 0);
    write_letters(pool, NULL, FILCH_HIGH, &high, 3);
    write_letters(pool, NULL, FILCH_LOW, &low, 2);
    return 0;
}

Test(priority, high_ones_take_turns_with_sub_tasks_and_low_ones_come_after_them)
{
    filch_pool *pool = pool_of(1);
    filch_future_unref(submit(pool, submit_six, NULL));
    cr_assert_str_eq(letters(&record, 11), "hshshssssll");
    filch_pool_destroy(pool);
}

/* ---- Later ---- */

Test(priority, a_task_whose_time_has_come_goes_to_its_level)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *holder = hold_worker(pool, &gate), *future = NULL;
    cr_assert_eq(filch_submit(pool, write_letter, &normal, NULL), 0);
    options.start_at_ns = filch_now() + 1;
    options.priority = FILCH_LOW;
    cr_assert_eq(filch_submit_with(pool, write_letter, &low, &options, NULL), 0);
    options.priority = FILCH_HIGH;
    cr_assert_eq(filch_submit_with(pool, write_letter, &high, &options, &future), 0);
    UNTIL(is_queued_high(pool, NULL) && is_queued(pool, NULL, FILCHI_LEVEL_LOW));
    let_go(&gate, holder);
    cr_assert_str_eq(letters(&record, 3), "hnl");
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int fail_once(filch_task *self, void *arg)
{
    write_letter(self, arg);
    return filch_task_attempt(self) == 1 ? -EIO : 0;
}

Test(priority, a_task_that_is_tried_again_goes_to_its_level_again)
{
    filch_pool *pool = pool_of(1);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_future *future = NULL;
    retry.interval_ns = 0;
    options.retry = &retry;
    options.priority = FILCH_LOW;
    cr_assert_eq(filch_submit_with(pool, fail_once, &low, &options, &future), 0);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_attempts(future), 2);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    cr_assert_str_eq(record.letters, "ll");
}

/* ---- Limits ---- */

Test(priority, others_than_three_levels_are_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_task_options options = FILCH_TASK_OPTIONS;
    for (int i = -3; i <= 3; i++) {
        options.priority = (filch_priority)i;
        cr_assert_eq(filch_submit_with(pool, write_letter, &normal, &options, NULL),
                     i < FILCH_LOW || i > FILCH_HIGH ? -EINVAL : 0);
    }
    filch_pool_destroy(pool);
    cr_assert_eq(strlen(record.letters), 3);
}

Test(priority, every_level_takes_places_in_a_pool_with_a_capacity)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_task_options chosen = FILCH_TASK_OPTIONS;
    filch_pool *pool = NULL;
    struct gate gate = GATE;
    options.workers = 1;
    options.capacity = 2;
    options.overflow = FILCH_REJECT;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, NULL, FILCH_HIGH, &high, 1);
    write_letters(pool, NULL, FILCH_LOW, &low, 1);
    chosen.priority = FILCH_HIGH;
    cr_assert_eq(filch_submit_with(pool, write_letter, &high, &chosen, NULL), -ENOBUFS);
    let_go(&gate, holder);
    UNTIL(atomic_load(&record.n) == 2);
    UNTIL(filch_submit_with(pool, write_letter, &high, &chosen, NULL) == 0);
    filch_pool_destroy(pool);
    cr_assert_str_eq(record.letters, "hlh");
}
