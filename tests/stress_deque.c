/* SPDX-License-Identifier: MIT */
/*
 * The deque, its owner against thieves: pushes in bursts (so that it grows), pops, steals; every item comes
 * out exactly once, with what was written to it before the push. The owner takes its array away from under
 * the thieves now and then.
 */
#include "deque.h"
#include "os.h"
#include "readers.h"
#include "stress.h"

#define ITEMS 4096

struct item {
    uint64_t written; /* before the push: round and index */
    _Atomic uint32_t taken;
};

static struct item items[ITEMS];
static struct filchi_deque deque;
static _Atomic uint64_t round_now; /* odd: thieves steal */
static _Atomic unsigned out, stealing;
static uint64_t popped_in_all, stolen_in_all, lost_in_all, reclaimed;
static _Atomic bool quit;
static struct filchi_readers readers;

struct thief {
    struct filchi_reader reader;
    uint64_t stolen, lost;
};

static void took(void *pointer, uint64_t of_round)
{
    struct item *item = pointer;
    CHECK(item >= items && item < items + ITEMS);
    CHECK_IS(item->written, of_round * ITEMS + (uint64_t)(item - items));
    CHECK_IS(atomic_fetch_add_explicit(&item->taken, 1, memory_order_relaxed), 0);
}

static void *thief_main(void *arg)
{
    struct thief *thief = arg;
    while (!atomic_load(&quit)) {
        atomic_fetch_add(&stealing, 1);
        uint64_t of_round = atomic_load(&round_now);
        unsigned n = 0;
        filchi_reader_begin(&thief->reader);
        for (int i = 0; i < 64 && of_round % 2; i++) {
            void *item;
            enum filchi_deque_steal outcome = filchi_deque_steal(&deque, &item);
            thief->lost += outcome == FILCHI_DEQUE_LOST;
            if (outcome != FILCHI_DEQUE_TOOK)
                continue;
            took(item, of_round);
            n++;
        }
        filchi_reader_end(&thief->reader);
        thief->stolen += n;
        atomic_fetch_add_explicit(&out, n, memory_order_relaxed);
        atomic_fetch_sub(&stealing, 1);
        if (!n)
            filchi_os_yield();
    }
    return NULL;
}

static unsigned pop(unsigned n, uint64_t of_round)
{
    unsigned popped = 0;
    for (unsigned i = 0; i < n; i++) {
        void *peeked = filchi_deque_peek(&deque);
        void *item = filchi_deque_pop(&deque);
        if (!item)
            break;
        CHECK(item == peeked);
        took(item, of_round);
        popped++;
    }
    popped_in_all += popped;
    atomic_fetch_add_explicit(&out, popped, memory_order_relaxed);
    return popped;
}

static void one_round(uint64_t of_round, uint64_t *random)
{
    CHECK_IS(filchi_deque_init(&deque), 0);
    for (unsigned i = 0; i < ITEMS; i++)
        atomic_store_explicit(&items[i].taken, 0, memory_order_relaxed);
    atomic_store(&out, 0);
    atomic_store(&round_now, of_round);
    unsigned style = stress_below(random, 3);
    for (unsigned pushed = 0; pushed < ITEMS;) {
        unsigned burst = 1 + (style ? stress_below(random, style == 1 ? 3 : 300) : 0);
        for (; burst && pushed < ITEMS; burst--, pushed++) {
            items[pushed].written = of_round * ITEMS + pushed;
            CHECK_IS(filchi_deque_push(&deque, &items[pushed]), 0);
        }
        pop(stress_below(random, style == 2 ? 200 : 4), of_round);
        if (stress_below(random, 64) == 0 && deque.retired && filchi_readers_none(&readers)) {
            filchi_deque_reclaim(&deque);
            reclaimed++;
        }
    }
    bool by_thieves = stress_below(random, 2) && stress.threads > 1;
    while (atomic_load_explicit(&out, memory_order_relaxed) != ITEMS)
        if (!by_thieves)
            pop(ITEMS, of_round);
        else
            filchi_os_yield();
    CHECK(filchi_deque_empty(&deque));
    CHECK(!filchi_deque_pop(&deque));
    atomic_store(&round_now, of_round + 1);
    while (atomic_load(&stealing)) /* whoever saw the odd number is done with the deque */
        filchi_os_yield();
    for (unsigned i = 0; i < ITEMS; i++)
        CHECK_IS(atomic_load_explicit(&items[i].taken, memory_order_relaxed), 1);
    filchi_deque_fini(&deque);
}

int main(int argc, char **argv)
{
    stress_begin("stress_deque", 3, argc, argv);
    pthread_t thieves[64];
    static struct thief data[64];
    for (unsigned i = 0; i < stress.threads; i++) {
        filchi_readers_add(&readers, &data[i].reader);
        CHECK_IS(pthread_create(&thieves[i], NULL, thief_main, &data[i]), 0);
    }
    uint64_t random = stress_stream(1, 0), rounds = 0;
    for (uint64_t of_round = 1; stress_goes_on(); of_round += 2, rounds++) {
        one_round(of_round, &random);
        stress_progress();
    }
    atomic_store(&quit, true);
    for (unsigned i = 0; i < stress.threads; i++) {
        pthread_join(thieves[i], NULL);
        stolen_in_all += data[i].stolen;
        lost_in_all += data[i].lost;
    }
    CHECK_IS(popped_in_all + stolen_in_all, rounds * ITEMS);
    printf("%llu rounds, %llu popped, %llu stolen, %llu lost to another, arrays freed %llu times\n",
           (unsigned long long)rounds, (unsigned long long)popped_in_all, (unsigned long long)stolen_in_all,
           (unsigned long long)lost_in_all, (unsigned long long)reclaimed);
    stress_total("items", rounds * ITEMS);
    stress_total("item_steals", stolen_in_all);
    stress_total("lost_steals", lost_in_all);
    return stress_end();
}
