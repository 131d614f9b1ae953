/* SPDX-License-Identifier: MIT */
/*
 * The inject queue, its producers against a consumer that gives segments back as it goes: single pushes between
 * pushes of several segments at once. Every item comes out exactly once and in its producer's order, with what was
 * written to it before the push.
 */
#include "inject.h"
#include "stress.h"

#define ITEMS 4096 /* a producer and a round */
#define MOST (3 * FILCHI_SEGMENT)

struct item {
    unsigned producer, number;
    uint64_t written; /* before the push: its round */
};

struct producer {
    unsigned index;
    struct item items[ITEMS];
};

static struct filchi_inject inject;
static struct producer *producers;
static uint64_t round_now;

/* How many are pushed next: mostly what ends at the end of a segment, or just before or behind it. */
static unsigned next_number(uint64_t *random, unsigned left)
{
    unsigned n = 1;
    switch (stress_below(random, 4)) {
    case 0:
        n = 1 + stress_below(random, MOST);
        break;
    case 1:
        n = (1 + stress_below(random, 3)) * FILCHI_SEGMENT;
        break;
    case 2:
        n = FILCHI_SEGMENT - 1 + stress_below(random, 3);
        break;
    default:
        break;
    }
    return n < left ? n : left;
}

static void *produce(void *arg)
{
    struct producer *producer = arg;
    uint64_t random = stress_stream(round_now, producer->index + 1);
    void *several[MOST + 2];
    for (unsigned i = 0, n; i < ITEMS; i += n) {
        n = next_number(&random, ITEMS - i);
        for (unsigned k = 0; k < n; k++) {
            producer->items[i + k] =
                (struct item) { .producer = producer->index, .number = i + k, .written = round_now };
            several[k] = &producer->items[i + k];
        }
        if (n == 1)
            CHECK_IS(filchi_inject_push(&inject, several[0]), 0);
        else
            CHECK_IS(filchi_inject_push_many(&inject, several, n), 0);
        if (stress_below(&random, 16) == 0)
            filchi_os_yield();
    }
    return NULL;
}

static void check(const struct item *item, unsigned *next)
{
    CHECK_IS(item->written, round_now);
    CHECK_IS(item->number, next[item->producer]);
    next[item->producer]++;
    stress_progress();
}

static void one_round(uint64_t *random)
{
    pthread_t threads[64];
    unsigned next[64] = { 0 };
    struct filchi_batch batch;
    CHECK_IS(filchi_inject_init(&inject), 0);
    filchi_batch_init(&batch);
    for (unsigned i = 0; i < stress.threads; i++) {
        producers[i].index = i;
        CHECK_IS(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    bool by_batches = stress_below(random, 2);
    for (unsigned left = stress.threads * ITEMS; left > 0;) {
        if (by_batches && filchi_batch_empty(&batch))
            filchi_batch_fill(&batch, &inject, FILCHI_BATCH);
        const struct item *item = by_batches ? filchi_batch_take(&batch) : filchi_inject_pop(&inject);
        if (!item) {
            filchi_os_yield();
            continue;
        }
        check(item, next);
        left--;
    }
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    CHECK(filchi_inject_empty(&inject));
    CHECK(!filchi_inject_pop(&inject));
    filchi_inject_fini(&inject);
}

int main(int argc, char **argv)
{
    stress_begin("stress_inject", 3, argc, argv);
    producers = calloc(stress.threads, sizeof *producers);
    CHECK(producers);
    uint64_t random = stress_stream(1, 0);
    for (; stress_goes_on(); round_now++)
        one_round(&random);
    free(producers);
    printf("%llu rounds of %u items\n", (unsigned long long)round_now, stress.threads * ITEMS);
    stress_total("items", round_now * stress.threads * ITEMS);
    return stress_end();
}
