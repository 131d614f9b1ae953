/* SPDX-License-Identifier: MIT */
/* What may go on beside a join or a close: waits for members that run out of time, submits from other threads. */
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

Test(scope_races, a_member_that_is_not_in_the_queue_so_far_is_neither_forgotten_nor_the_end)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_scope *scope = scope_of(pool);
    filch_future *member = spawn_held(scope, pass_gate, &gate), *next = NULL;
    begin_removal(member);
    gate_open(&gate);
    UNTIL(filch_future_done(member));
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0); /* its runner has left */
    cr_assert_eq(filch_scope_next(scope, 0, &next), -ETIMEDOUT);
    end_removal(member);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(next, member);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
    filch_scope_close(scope);
    filch_future_unref(member);
    filch_pool_destroy(pool);
}

struct closing {
    filch_pool *pool;
    struct gate gate;
    filch_future *member;
    struct event submitted, removing;
    _Atomic bool closed;
};

static void *open_and_close(void *arg)
{
    struct closing *closing = arg;
    filch_scope *scope = scope_of(closing->pool);
    closing->member = spawn_held(scope, pass_gate, &closing->gate);
    event_signal(&closing->submitted);
    event_await(&closing->removing);
    filch_scope_close(scope);
    atomic_store(&closing->closed, true);
    return NULL;
}

Test(scope_races, close_waits_for_a_member_that_is_not_in_the_queue_so_far)
{
    struct closing closing = { .pool = pool_of(1), .gate = GATE, .submitted = EVENT, .removing = EVENT };
    pthread_t opener;
    pthread_create(&opener, NULL, open_and_close, &closing);
    event_await(&closing.submitted);
    event_await(&closing.gate.started);
    begin_removal(closing.member);
    gate_open(&closing.gate);
    cr_assert_eq(filch_pool_shutdown(closing.pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    event_signal(&closing.removing);
    for (int i = 0; i < 1000; i++)
        sched_yield(); /* time to go wrong in */
    cr_assert(!atomic_load(&closing.closed));
    end_removal(closing.member);
    pthread_join(opener, NULL);
    filch_future_unref(closing.member);
    filch_pool_destroy(closing.pool);
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
