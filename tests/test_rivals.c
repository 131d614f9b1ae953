/* SPDX-License-Identifier: MIT */
/* Two threads that do the same thing to the same object at the same moment. */
#include "os.h"
#include "support.h"

#include <fcntl.h>

SUITE(rivals);

/* What both do, and where they meet before it. */
struct match {
    void (*play)(struct match *match, int player);
    _Atomic unsigned ready;
    _Atomic bool over;
    filch_stop *stop;
    filch_future *future;
    int fds[2];
    bool cancelled[2];
};

/* Both go on at the same moment, if each has a core. */
static void meet(struct match *match, unsigned n)
{
    atomic_fetch_add(&match->ready, 1);
    for (unsigned spins = 1; atomic_load(&match->ready) < n; spins++)
        if (spins % 4096 == 0)
            sched_yield();
}

static void *rival(void *arg)
{
    struct match *match = arg;
    for (unsigned round = 1;; round++) {
        meet(match, 4 * round - 2);
        if (atomic_load(&match->over))
            return NULL;
        match->play(match, 1);
        meet(match, 4 * round);
    }
}

/* `round` is counted from 1. */
static void play(struct match *match, unsigned round)
{
    meet(match, 4 * round - 2);
    match->play(match, 0);
    meet(match, 4 * round);
}

static void end_match(struct match *match, unsigned rounds, pthread_t thread)
{
    atomic_store(&match->over, true);
    meet(match, 4 * rounds + 2);
    pthread_join(thread, NULL);
}

static void ask_for_fd(struct match *match, int player)
{
    must(filch_stop_fd(match->stop, &match->fds[player]) == 0);
}

Test(rivals, a_stop_has_one_descriptor_whoever_asks_first)
{
    enum { ROUNDS = 3000 };
    struct match match = { .play = ask_for_fd };
    pthread_t thread;
    must(pthread_create(&thread, NULL, rival, &match) == 0);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        int before = filchi_os_event_create(), after; /* the lowest number that is free */
        filchi_os_event_close(before);
        match.stop = stop_under(NULL);
        play(&match, round);
        cr_assert_eq(match.fds[0], match.fds[1]);
        filch_stop_unref(match.stop);
        after = filchi_os_event_create();
        filchi_os_event_close(after);
        cr_assert_eq(after, before, "one was left open");
    }
    end_match(&match, ROUNDS, thread);
}

static void cancel(struct match *match, int player)
{
    match->cancelled[player] = filch_future_cancel(match->future);
}

Test(rivals, of_two_that_cancel_a_delayed_task_both_are_told_that_it_is)
{
    enum { ROUNDS = 3000 };
    filch_pool *pool = pool_of(1);
    struct match match = { .play = cancel };
    pthread_t thread;
    must(pthread_create(&thread, NULL, rival, &match) == 0);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        must(filch_submit_at(pool, INT64_MAX, do_nothing, NULL, &match.future) == 0);
        play(&match, round);
        cr_assert(match.cancelled[0] && match.cancelled[1]);
        cr_assert_eq(filch_future_state(match.future), FILCH_CANCELLED);
        filch_future_unref(match.future);
    }
    end_match(&match, ROUNDS, thread);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}
