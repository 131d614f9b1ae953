/* SPDX-License-Identifier: MIT */
/*
 * Completion queues: who completes futures against a loop that sleeps until the eventfd says that it should look, level- or
 * edge-triggered, and against the queue's end. An edge that is lost is a deadlock. Futures are made by hand, without a pool,
 * but where they are submitted.
 */
#include "engine.h"
#include "origin.h"
#include "transition.h"

#include <errno.h>

#define MOST 3

static filch_cq *cq;
static struct filchi_slab_home *home;
static struct filchi_slab slab;
static filch_future *futures[MOST];
static bool come[MOST];
static int written[MOST]; /* by who completes it, before; plain */

/* ---- What all of them do ---- */

static int function(filch_task *self, void *arg)
{
    (void)self;
    *(int *)arg = 1;
    return 0;
}

static void release_origin(void *its)
{
    filchi_origin_unref(its);
}

/* The queue, and n futures without a pool. Their slab has nothing else, and is closed: so their free is a free of memory. */
static void make(unsigned n)
{
    struct filchi_slab *const slabs[] = { &slab };
    home = filchi_slab_home_create(1);
    filchi_slab_home_set_user(home, filchi_origin_create(), release_origin);
    filchi_slab_init(&slab, home, 0);
    for (unsigned i = 0; i < n; i++) {
        futures[i] = filchi_slab_alloc(&slab);
        filchi_future_init(futures[i], function, &written[i], 1);
    }
    filchi_slab_home_close(home, slabs, 1);
    for (unsigned i = 0; i < MOST; i++) {
        come[i] = false;
        written[i] = 0;
    }
    model_check(filch_cq_create(&cq) == 0);
}

static void complete(unsigned n)
{
    model_check(filchi_future_claim(futures[n]) == FILCHI_CLAIM_GOT);
    written[n] = 1;
    filchi_future_complete(futures[n], 0);
}

static void add(unsigned n)
{
    model_check(filch_cq_add(cq, futures[n], &come[n]) == 0);
}

/* n of them, all added; but for the queue nobody holds them. */
static void begin_with(unsigned n)
{
    make(n);
    for (unsigned i = 0; i < n; i++) {
        add(i);
        filch_future_unref(futures[i]);
    }
}

static void begin_three(void)
{
    begin_with(3);
}

static void begin_two(void)
{
    begin_with(2);
}

/* One drain; how many came. */
static unsigned drain(size_t n)
{
    filch_cq_entry entries[MOST];
    size_t got = filch_cq_drain(cq, entries, n);
    model_check(got <= n);
    for (size_t i = 0; i < got; i++) {
        bool *its = entries[i].tag;
        model_check(!*its && written[its - come] == 1);
        model_check(filch_future_state(entries[i].future) == FILCH_DONE);
        *its = true;
        filch_future_unref(entries[i].future);
    }
    return (unsigned)got;
}

static void end(void)
{
    filch_cq_destroy(cq);
    model_check(model_allocated() == 0);
}

static void all_came(void)
{
    model_check(filch_cq_pending(cq) == 0);
    end();
}

/* ---- Loops ---- */

static void loop_level(unsigned most, size_t at_once)
{
    for (unsigned got = 0; got < most; got += drain(at_once))
        model_event_wait(filch_cq_fd(cq));
}

static void loop_edge(unsigned most, size_t at_once)
{
    uint32_t seen = 0;
    for (unsigned got = 0; got < most;) {
        unsigned n = (unsigned)at_once;
        model_event_wait_edge(filch_cq_fd(cq), &seen);
        for (; n == at_once; got += n)
            n = drain(at_once);
    }
}

static void complete_some(unsigned i)
{
    complete(i);
    if (i == 1)
        complete(2);
}

static void level_one(unsigned i)
{
    if (i < 2)
        complete_some(i);
    else
        loop_level(3, 1);
}

static void level_two(unsigned i)
{
    if (i < 2)
        complete_some(i);
    else
        loop_level(3, 2);
}

static void edge_one(unsigned i)
{
    if (i < 2)
        complete_some(i);
    else
        loop_edge(3, 1);
}

static void edge_two(unsigned i)
{
    if (i < 2)
        complete_some(i);
    else
        loop_edge(3, 2);
}

static void edge_all(unsigned i)
{
    if (i < 2)
        complete_some(i);
    else
        loop_edge(3, 3);
}

/* Once it is drained and nobody is on the way, it is quiet: nothing is owed. */
static void quiet_after_one_more(void)
{
    drain(1);
    model_check(!model_event_signalled(filch_cq_fd(cq)));
    all_came();
}

/* ---- Adding ---- */

static void begin_adding(void)
{
    make(2);
}

static void add_while_final(unsigned i)
{
    if (i == 0) {
        complete(0);
        add(1);
    } else if (i == 1) {
        add(0);
        complete(1);
    } else {
        loop_edge(2, 2);
    }
}

static void added_came(void)
{
    filch_future_unref(futures[0]);
    filch_future_unref(futures[1]);
    quiet_after_one_more();
}

/* ---- The end ---- */

static void destroy_early(unsigned i)
{
    if (i < 2) {
        complete_some(i);
        return;
    }
    for (unsigned n = model_choose(3); n > 0; n--)
        drain(1);
    filch_cq_destroy(cq);
}

static void destroy_unseen(unsigned i)
{
    if (i < 2)
        complete(i);
    else
        filch_cq_destroy(cq);
}

static void all_freed(void)
{
    model_check(model_allocated() == 0);
}

/* ---- Submitting ---- */

static filch_pool *pool;

static void begin_pool(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    model_check(filch_pool_create(&pool, &options) == 0);
    make(0);
}

static int submit_one(unsigned n)
{
    return filch_cq_submit(cq, pool, function, &written[n], NULL, &come[n]);
}

static void submit_and_loop(unsigned i)
{
    (void)i;
    model_check(submit_one(0) == 0 && submit_one(1) == 0);
    loop_edge(2, 1);
    model_check(filch_pool_destroy(pool) == 0);
}

static void submit_and_go(unsigned i)
{
    (void)i;
    model_check(submit_one(0) == 0);
    filch_cq_destroy(cq);
    model_check(filch_pool_destroy(pool) == 0);
}

static void begin_closed(void)
{
    begin_pool();
    model_check(filch_pool_shutdown(pool, 0, 0, NULL) == 0);
}

static void submit_refused(unsigned i)
{
    (void)i;
    model_check(submit_one(0) == -ESHUTDOWN);
}

static void refused(void)
{
    model_check(filch_pool_destroy(pool) == 0);
    all_came();
}

/* One that comes while others are counted and not counted. */
static void begin_closed_with_one(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    model_check(filch_pool_create(&pool, &options) == 0);
    make(1);
    model_check(filch_pool_shutdown(pool, 0, 0, NULL) == 0);
    complete(0);
}

static void come_or_be_refused(unsigned i)
{
    if (i > 0) {
        model_check(submit_one(i) == -ESHUTDOWN);
        return;
    }
    add(0);
    model_check(drain(2) == 1);
}

static void one_came(void)
{
    filch_future_unref(futures[0]);
    refused();
}

static const struct model models[] = {
    /* clang-format off: a row each */
    { "cq level", "a level-triggered loop that takes one at a time hears of all", 3, 0, begin_three, level_one,
      quiet_after_one_more, 0, 40000 },
    { "cq level two", "the same by twos", 3, 0, begin_three, level_two, quiet_after_one_more, 0, 40000 },
    { "cq edge", "an edge-triggered loop that drains until none comes hears of all", 3, 0, begin_three, edge_one,
      quiet_after_one_more, 0, 40000 },
    { "cq edge two", "the same by twos", 3, 0, begin_three, edge_two, quiet_after_one_more, 0, 40000 },
    { "cq edge all", "the same with room for all", 3, 0, begin_three, edge_all, quiet_after_one_more, 0, 40000 },
    { "cq add", "a future that becomes final while it is added comes once", 3, 0, begin_adding, add_while_final,
      added_came, 0, 40000 },
    { "cq destroy", "who completes what is forgotten leaves nothing and touches nothing that is gone", 3, 0,
      begin_three, destroy_early, all_freed, 0, 40000 },
    { "cq destroy unseen", "the same with nothing drained", 3, 0, begin_two, destroy_unseen, all_freed, 0, 40000 },
    { "cq submit", "what is submitted comes", 1, 2, begin_pool, submit_and_loop, all_came, 0, 20000 },
    { "cq submit and go", "what is submitted may outlive the queue", 1, 2, begin_pool, submit_and_go, all_freed, 0,
      20000 },
    { "cq refused", "what is refused is not counted", 2, 0, begin_closed, submit_refused, refused, 0, 20000 },
    { "cq refused, one", "the same while something comes", 3, 0, begin_closed_with_one, come_or_be_refused,
      one_came, 0, 20000 },
    /* clang-format on */
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "cq.c", "cq.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
