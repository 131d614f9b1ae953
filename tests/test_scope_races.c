/* SPDX-License-Identifier: MIT */
/* What may go on beside a join or a close: waits for tasks that run out of time, submits from other threads. */
#include "future.h"
#include "scope_support.h"

SUITE(scope_races);

/* What a wait does that runs out of time at the moment of the future's completion, cut in two. */
static void begin_removal(filch_future *future)
{
    must(!(atomic_fetch_or(&future->waiters.word, FILCHI_WORD_LOCKED) & FILCHI_WORD_LOCKED));
}

static void end_removal(filch_future *future)
{
    uintptr_t word = atomic_load(&future->waiters.word);
    must((word & FILCHI_WORD_STATE) >= FILCHI_STATE_FINAL);
    atomic_store(&future->waiters.word, word & ~(FILCHI_WORD_LIST | FILCHI_WORD_LOCKED));
    filchi_waitlist_serve(word & ~FILCHI_WORD_LOCKED);
}

Test(scope_races, a_future_whose_waiters_are_left_to_a_remover_is_delivered_at_once)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_scope *scope = scope_of(pool);
    filch_future *held = spawn_held(scope, pass_gate, &gate), *next = NULL;
    begin_removal(held);
    gate_open(&gate);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(next, held);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
    cr_assert_eq(finish(scope), 0);
    end_removal(held);
    filch_future_unref(held);
    filch_pool_destroy(pool);
}

/* ---- Submits beside a join ---- */

#define ROUNDS 20000

struct producer {
    filch_scope *scope;
    _Atomic int ran;
    _Atomic bool over;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;
    for (int i = 0; i < ROUNDS; i++)
        spawn(producer->scope, count_up, &producer->ran);
    atomic_store(&producer->over, true);
    return NULL;
}

static void join_while_others_submit(bool discard)
{
    filch_pool *pool = pool_of(1);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.discard = discard;
    struct producer producer = { .scope = scope_with(pool, &options) };
    pthread_t thread;
    pthread_create(&thread, NULL, produce, &producer);
    while (!atomic_load(&producer.over))
        cr_assert_eq(filch_scope_join(producer.scope, NULL), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(filch_scope_join(producer.scope, NULL), 0);
    cr_assert_eq(atomic_load(&producer.ran), ROUNDS);
    filch_scope_close(producer.scope);
    filch_pool_destroy(pool);
}

Test(scope_races, joins_while_another_thread_submits)
{
    join_while_others_submit(false);
}

Test(scope_races, joins_while_another_thread_submits_and_no_futures_are_kept)
{
    join_while_others_submit(true);
}

static void *poll_member(void *arg)
{
    struct producer *producer = arg;
    for (int i = 0; i < ROUNDS; i++) {
        filch_future *member = spawn_held(producer->scope, count_up, &producer->ran);
        while (filch_future_wait(member, FILCH_US(i % 16)) == -ETIMEDOUT)
            continue;
        filch_future_unref(member);
    }
    atomic_store(&producer->over, true);
    return NULL;
}

Test(scope_races, each_member_is_delivered_once_while_waits_for_it_run_out_of_time)
{
    filch_pool *pool = pool_of(1);
    struct producer producer = { .scope = scope_of(pool) };
    filch_future *next;
    int delivered = 0, rc = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, poll_member, &producer);
    while (!atomic_load(&producer.over))
        delivered += filch_scope_next(producer.scope, FILCH_US(100), &next) == 1;
    pthread_join(thread, NULL);
    while ((rc = filch_scope_next(producer.scope, FILCH_FOREVER, &next)) == 1)
        delivered++;
    cr_assert_eq(rc, 0);
    cr_assert_eq(delivered, ROUNDS);
    cr_assert_eq(finish(producer.scope), 0);
    filch_pool_destroy(pool);
}
