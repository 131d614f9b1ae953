/* SPDX-License-Identifier: MIT */
/* The word of a state and its waiters: order of service, removal, and the races between the two. */
#include "waitlist.h"

#include "support.h"

SUITE(waitlist);

enum { OPEN = 0, MIDDLE = 1, FINAL = FILCHI_STATE_FINAL };

static int served[16];
static int n_served;

static void note(struct filchi_waiter *waiter)
{
    served[n_served++] = (int)(intptr_t)waiter->owner;
}

static void make(struct filchi_waitlist *list, struct filchi_waiter *waiters, int n)
{
    filchi_waitlist_init(list, OPEN, 0);
    for (int i = 0; i < n; i++) {
        waiters[i] = (struct filchi_waiter) { .serve = note, .owner = (void *)(intptr_t)i };
        must(filchi_waitlist_add(list, &waiters[i]));
    }
}

static bool finish(struct filchi_waitlist *list, unsigned from)
{
    uintptr_t old;
    if (!filchi_waitlist_move(list, from, FINAL, &old))
        return false;
    filchi_waitlist_serve(old);
    return true;
}

/* ---- States ---- */

Test(waitlist, a_move_from_another_state_changes_nothing)
{
    struct filchi_waitlist list;
    uintptr_t old = 77;
    filchi_waitlist_init(&list, OPEN, 0);
    cr_assert_not(filchi_waitlist_move(&list, MIDDLE, FINAL, &old));
    cr_assert_eq(old, 77);
    cr_assert_eq(filchi_waitlist_state(&list), OPEN);
}

Test(waitlist, a_final_state_is_reached_once)
{
    struct filchi_waitlist list;
    filchi_waitlist_init(&list, OPEN, 0);
    cr_assert(finish(&list, OPEN));
    cr_assert_not(finish(&list, OPEN));
    cr_assert_eq(filchi_waitlist_peek(&list), FINAL);
}

Test(waitlist, a_move_between_open_states_keeps_waiters_and_flags)
{
    struct filchi_waitlist list;
    struct filchi_waiter waiter = { .serve = note, .owner = (void *)5 };
    uintptr_t old;
    filchi_waitlist_init(&list, OPEN, FILCHI_WORD_ORPHAN);
    cr_assert(filchi_waitlist_add(&list, &waiter));
    cr_assert(filchi_waitlist_move(&list, OPEN, MIDDLE, &old));
    cr_assert_eq(n_served, 0);
    cr_assert(filchi_waitlist_move(&list, MIDDLE, FINAL, &old));
    cr_assert(old & FILCHI_WORD_ORPHAN);
    filchi_waitlist_serve(old);
    cr_assert_eq(n_served, 1);
    cr_assert_eq(served[0], 5);
}

/* ---- Serving ---- */

Test(waitlist, waiters_are_served_in_the_order_of_registration)
{
    struct filchi_waitlist list;
    struct filchi_waiter waiters[10];
    make(&list, waiters, 10);
    cr_assert(finish(&list, OPEN));
    cr_assert_eq(n_served, 10);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(served[i], i);
}

Test(waitlist, after_the_final_state_nobody_is_registered)
{
    struct filchi_waitlist list;
    struct filchi_waiter late = { .serve = note };
    filchi_waitlist_init(&list, OPEN, 0);
    cr_assert(finish(&list, OPEN));
    cr_assert_not(filchi_waitlist_add(&list, &late));
    cr_assert_eq(n_served, 0);
}

static void note_and_free(struct filchi_waiter *waiter)
{
    note(waiter);
    free(waiter);
}

Test(waitlist, a_waiter_may_be_gone_once_it_was_served)
{
    struct filchi_waitlist list;
    filchi_waitlist_init(&list, OPEN, 0);
    for (int i = 0; i < 5; i++) {
        struct filchi_waiter *waiter = aligned_alloc(32, sizeof *waiter);
        *waiter = (struct filchi_waiter) { .serve = note_and_free, .owner = (void *)(intptr_t)i };
        cr_assert(filchi_waitlist_add(&list, waiter));
    }
    cr_assert(finish(&list, OPEN));
    cr_assert_eq(n_served, 5);
}

/* ---- Removing ---- */

/* Removes waiter number `index` of 4 and expects the others, in order. */
static void remove_one_of_four(int index)
{
    struct filchi_waitlist list;
    struct filchi_waiter waiters[4];
    n_served = 0;
    make(&list, waiters, 4);
    cr_assert(filchi_waitlist_remove(&list, &waiters[index]));
    cr_assert(finish(&list, OPEN));
    cr_assert_eq(n_served, 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(served[i], i < index ? i : i + 1);
}

Test(waitlist, a_removed_waiter_is_not_served_wherever_it_stood)
{
    for (int i = 0; i < 4; i++)
        remove_one_of_four(i);
}

Test(waitlist, all_may_be_removed_and_come_back)
{
    struct filchi_waitlist list;
    struct filchi_waiter waiters[4];
    make(&list, waiters, 4);
    for (int i = 0; i < 4; i++)
        cr_assert(filchi_waitlist_remove(&list, &waiters[i]));
    cr_assert(filchi_waitlist_add(&list, &waiters[2]));
    cr_assert(finish(&list, OPEN));
    cr_assert_eq(n_served, 1);
    cr_assert_eq(served[0], 2);
}

Test(waitlist, removal_after_service_says_so)
{
    struct filchi_waitlist list;
    struct filchi_waiter waiters[2];
    make(&list, waiters, 2);
    cr_assert(finish(&list, OPEN));
    cr_assert_not(filchi_waitlist_remove(&list, &waiters[0]));
    cr_assert_not(filchi_waitlist_remove(&list, &waiters[1]));
    cr_assert_eq(n_served, 2);
}

Test(waitlist, removal_leaves_state_and_flags_alone)
{
    struct filchi_waitlist list;
    struct filchi_waiter waiter = { .serve = note };
    filchi_waitlist_init(&list, MIDDLE, FILCHI_WORD_ORPHAN);
    cr_assert(filchi_waitlist_add(&list, &waiter));
    cr_assert(filchi_waitlist_remove(&list, &waiter));
    cr_assert_eq(atomic_load(&list.word), MIDDLE | FILCHI_WORD_ORPHAN);
}

Test(waitlist, who_makes_it_final_during_a_removal_leaves_the_list_to_the_remover)
{
    struct filchi_waitlist list;
    struct filchi_waiter waiters[2];
    uintptr_t old;
    make(&list, waiters, 2);
    atomic_fetch_or(&list.word, FILCHI_WORD_LOCKED); /* as a remover does first */
    cr_assert(filchi_waitlist_move(&list, OPEN, FINAL, &old));
    filchi_waitlist_serve(old);
    cr_assert_eq(n_served, 0);
    cr_assert_neq(atomic_load(&list.word) & FILCHI_WORD_LIST, 0);
}

/* ---- Removing from lists with links back ---- */

static bool remove_linked(struct filchi_waitlist *list, struct filchi_waiter *waiter)
{
    bool left_to_us = false;
    bool removed = filchi_waitlist_remove_linked(list, waiter, &left_to_us);
    must(!left_to_us);
    return removed;
}

/* Random comings and goings against a plain array; in the end those who are left are served in order. */
static void play_linked(uint64_t random)
{
    enum { N = 12 };
    struct filchi_waitlist list;
    struct filchi_waiter waiters[N];
    int order[N], n = 0;
    n_served = 0;
    filchi_waitlist_init(&list, OPEN, 0);
    for (int step = 0; step < 60; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        int who = (int)((random >> 33) % N), at = 0;
        while (at < n && order[at] != who)
            at++;
        if (at == n) {
            waiters[who] = (struct filchi_waiter) { .serve = note, .owner = (void *)(intptr_t)who };
            cr_assert(filchi_waitlist_add(&list, &waiters[who]));
            order[n++] = who;
            continue;
        }
        cr_assert(remove_linked(&list, &waiters[who]));
        memset(&waiters[who], 0xEE, sizeof waiters[who]); /* nobody may look at it any more */
        memmove(order + at, order + at + 1, (size_t)(--n - at) * sizeof *order);
    }
    cr_assert(finish(&list, OPEN));
    cr_assert_eq(n_served, n);
    cr_assert_arr_eq(served, order, (size_t)n * sizeof *order);
}

Test(waitlist, with_links_back_any_may_leave_in_any_order)
{
    for (uint64_t seed = 0; seed < 2000; seed++)
        play_linked(seed);
}

Test(waitlist, with_links_back_the_oldest_of_many_leave_in_constant_time)
{
    enum { MANY = 200000 };
    struct filchi_waitlist list;
    struct filchi_waiter *waiters = aligned_alloc(_Alignof(struct filchi_waiter), MANY * sizeof *waiters);
    memset(waiters, 0, MANY * sizeof *waiters);
    filchi_waitlist_init(&list, OPEN, 0);
    int64_t begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < MANY; i++)
        cr_assert(filchi_waitlist_add(&list, &waiters[i]));
    for (int i = 0; i < MANY; i++)
        must(remove_linked(&list, &waiters[i]));
    cr_assert_lt(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun, FILCH_SECONDS(2)); /* walking, it takes a minute */
    cr_assert_eq(atomic_load(&list.word), OPEN);
    free(waiters);
}

/* ---- Races ---- */

#define WAITERS 4
#define ROUNDS 4000

struct race {
    struct filchi_waitlist list;
    pthread_barrier_t start, end;
    _Atomic int outcome[WAITERS]; /* how often each was served or removed */
};

static void count_service(struct filchi_waiter *waiter)
{
    struct race *race = waiter->subject;
    atomic_fetch_add(&race->outcome[(intptr_t)waiter->owner], 1);
}

struct racer {
    struct race *race;
    int me;
};

/* Adds and removes until the word is final; then it was served exactly if the last removal failed. */
static void race_once(struct race *race, int me)
{
    struct filchi_waiter waiter = { .serve = count_service, .subject = race, .owner = (void *)(intptr_t)me };
    while (filchi_waitlist_add(&race->list, &waiter)) {
        if (filchi_waitlist_remove(&race->list, &waiter))
            continue;
        UNTIL(atomic_load(&race->outcome[me]) == 1);
        return;
    }
    must(atomic_load(&race->outcome[me]) == 0);
}

static void *racer_main(void *arg)
{
    const struct racer *racer = arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&racer->race->start);
        race_once(racer->race, racer->me);
        pthread_barrier_wait(&racer->race->end);
    }
    return NULL;
}

Test(waitlist, each_waiter_is_either_removed_or_served_once_whatever_comes_first)
{
    struct race race;
    struct racer racers[WAITERS];
    pthread_t threads[WAITERS];
    pthread_barrier_init(&race.start, NULL, WAITERS + 1);
    pthread_barrier_init(&race.end, NULL, WAITERS + 1);
    for (int i = 0; i < WAITERS; i++) {
        racers[i] = (struct racer) { &race, i };
        must(pthread_create(&threads[i], NULL, racer_main, &racers[i]) == 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        filchi_waitlist_init(&race.list, OPEN, 0);
        for (int j = 0; j < WAITERS; j++)
            atomic_store(&race.outcome[j], 0);
        pthread_barrier_wait(&race.start);
        for (int spins = i % 200; spins > 0; spins--)
            filchi_pause();
        must(finish(&race.list, OPEN));
        pthread_barrier_wait(&race.end);
    }
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
}
