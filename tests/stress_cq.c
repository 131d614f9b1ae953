/* SPDX-License-Identifier: MIT */
/*
 * A completion queue between producers and one event loop: producers submit, add and cancel; the loop sleeps in epoll,
 * edge- or level-triggered, and drains in batches of all sizes. Each delivery is counted once; a lost edge is a hang.
 * Every other round the queue is destroyed in the midst of it, and what it forgot is counted by the tasks' destructors.
 */
#include "stress_pool.h"

#include <filch/filch.h>

#include <sys/epoll.h>

#define ITEMS 2000
#define AHEAD 300
#define BATCH 64

/* What is to come: once for each time that it was added. */
struct item {
    _Atomic unsigned added, delivered, freed;
};

static filch_pool *pool;
static filch_cq *cq;
static struct item items[64][ITEMS];
static _Atomic uint64_t submitted, drained;
static _Atomic unsigned producing;
static _Atomic bool over; /* the producers are to end */
static unsigned round_now;

static int work(filch_task *self, void *arg)
{
    (void)self;
    stress_spin((unsigned)((uintptr_t)arg >> 4) % 64);
    return 0;
}

static void count_freed(void *item)
{
    atomic_fetch_add(&((struct item *)item)->freed, 1);
}

static void submit_item(struct item *item, uint64_t *random)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.arg_dtor = count_freed;
    unsigned way = stress_below(random, 8);
    unsigned times = way == 0 ? 1 + stress_below(random, 4) : 1;
    atomic_fetch_add(&submitted, times);
    atomic_fetch_add(&item->added, times);
    if (way > 2) {
        CHECK_IS(filch_cq_submit(cq, pool, work, item, &options, item), 0);
        return;
    }
    filch_future *future = NULL;
    CHECK_IS(filch_submit_with(pool, work, item, &options, &future), 0);
    for (unsigned i = 0; i < times; i++)
        CHECK_IS(filch_cq_add(cq, future, item), 0);
    if (way == 1)
        filch_future_cancel(future);
    filch_future_unref(future);
}

static void *produce(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t random = stress_stream(round_now, me);
    for (unsigned i = 0; i < ITEMS && !atomic_load(&over); i++) {
        while (atomic_load(&submitted) - atomic_load(&drained) > AHEAD && !atomic_load(&over))
            sched_yield();
        submit_item(&items[me][i], &random);
    }
    atomic_fetch_sub(&producing, 1);
    return NULL;
}

/* Until fewer come than asked for; or once, if the notification is level-triggered. */
static void drain(bool edge, uint64_t *random)
{
    filch_cq_entry entries[BATCH];
    size_t at_once = 1 + stress_below(random, stress_below(random, 2) ? BATCH : 3), n;
    do {
        n = filch_cq_drain(cq, entries, at_once);
        for (size_t i = 0; i < n; i++) {
            struct item *item = entries[i].tag;
            CHECK(filch_future_arg(entries[i].future) == item);
            CHECK(filch_future_done(entries[i].future));
            atomic_fetch_add(&item->delivered, 1);
            filch_future_unref(entries[i].future);
        }
        atomic_fetch_add(&drained, n);
        stress_progress();
    } while (edge && n == at_once);
}

/* Returns when `most` were drained, or all. */
static void loop(bool edge, uint64_t most, uint64_t *random)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN | (edge ? (uint32_t)EPOLLET : 0) };
    CHECK(epoll >= 0);
    CHECK_IS(epoll_ctl(epoll, EPOLL_CTL_ADD, filch_cq_fd(cq), &event), 0);
    while (atomic_load(&drained) < most &&
           (atomic_load(&producing) || atomic_load(&drained) < atomic_load(&submitted))) {
        /* Producers that end tell nobody: then there is a timeout, but not for what is to come. */
        bool sure = atomic_load(&drained) < atomic_load(&submitted);
        int n = epoll_wait(epoll, &event, 1, sure ? -1 : 1);
        CHECK(n >= 0 || errno == EINTR);
        if (n > 0)
            drain(edge, random);
    }
    close(epoll);
}

static void check_items(bool complete)
{
    for (unsigned t = 0; t < stress.threads; t++)
        for (unsigned i = 0; i < ITEMS; i++) {
            struct item *item = &items[t][i];
            unsigned added = atomic_load(&item->added), delivered = atomic_load(&item->delivered);
            CHECK(complete ? delivered == added : delivered <= added);
            CHECK_IS(atomic_load(&item->freed), added > 0);
        }
}

static void play(unsigned long round)
{
    uint64_t random = stress_stream(round, 99);
    pthread_t producers[64];
    bool edge = stress_below(&random, 2), early = round % 2;
    uint64_t most = early ? stress_below(&random, ITEMS) : UINT64_MAX;
    memset(items, 0, sizeof items);
    atomic_store(&submitted, 0);
    atomic_store(&drained, 0);
    atomic_store(&over, false);
    atomic_store(&producing, stress.threads);
    round_now = (unsigned)round;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    CHECK_IS(filch_cq_create(&cq), 0);
    for (unsigned i = 0; i < stress.threads; i++)
        CHECK_IS(pthread_create(&producers[i], NULL, produce, (void *)(uintptr_t)i), 0);
    loop(edge, most, &random);
    atomic_store(&over, true);
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(producers[i], NULL);
    if (!early)
        CHECK_IS(filch_cq_pending(cq), 0);
    filch_cq_destroy(cq);
    if (round % 4 == 3) /* many end at one time */
        filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL);
    stress_pool_drop(pool);
    check_items(!early);
    stress_total("rounds", 1);
    stress_total("delivered", atomic_load(&drained));
    stress_total("forgotten", atomic_load(&submitted) - atomic_load(&drained));
}

int main(int argc, char **argv)
{
    stress_begin("stress_cq", 3, argc, argv);
    for (unsigned long round = 0; stress_goes_on_to(round); round++)
        play(round);
    return stress_end();
}
