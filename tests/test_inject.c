/* SPDX-License-Identifier: MIT */
/* Where outside tasks wait: the inject queue and the batch of each worker. */
#include "inject.h"

#include "support.h"

#include <errno.h>

SUITE(inject);

struct item {
    unsigned producer, number;
};

/* ---- The queue ---- */

#define PRODUCERS 4
#define EACH 20000
#define SEVERAL (2 * FILCHI_SEGMENT + 3) /* most that are pushed at once */

struct traffic {
    struct filchi_inject inject;
    struct item items[PRODUCERS][EACH];
    _Atomic unsigned arrived;
};

static void *produce(void *arg)
{
    struct traffic *traffic = arg;
    unsigned me = atomic_fetch_add(&traffic->arrived, 1);
    void *several[SEVERAL];
    for (unsigned i = 0; i < EACH; i++)
        traffic->items[me][i] = (struct item) { .producer = me, .number = i };
    for (unsigned i = 0; i < EACH;) {
        unsigned n = i / 64 % 2 && EACH - i > SEVERAL ? 1 + i % SEVERAL : 1;
        for (unsigned k = 0; k < n; k++)
            several[k] = &traffic->items[me][i + k];
        must((n == 1 ? filchi_inject_push(&traffic->inject, several[0])
                     : filchi_inject_push_many(&traffic->inject, several, n)) == 0);
        i += n;
    }
    return NULL;
}

static struct traffic *start_traffic(pthread_t producers[PRODUCERS])
{
    struct traffic *traffic = aligned_alloc(FILCHI_LINE, sizeof *traffic);
    memset(traffic, 0, sizeof *traffic);
    must(filchi_inject_init(&traffic->inject) == 0);
    for (int i = 0; i < PRODUCERS; i++)
        must(pthread_create(&producers[i], NULL, produce, traffic) == 0);
    return traffic;
}

static void end_traffic(struct traffic *traffic, pthread_t producers[PRODUCERS])
{
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    cr_assert(filchi_inject_empty(&traffic->inject));
    filchi_inject_fini(&traffic->inject);
    free(traffic);
}

/* Each producer's items must come in its order. */
static void check_next(unsigned next[PRODUCERS], const struct item *item)
{
    must(item->number == next[item->producer]);
    next[item->producer]++;
}

Test(inject, pops_keep_the_order_of_each_producer)
{
    pthread_t producers[PRODUCERS];
    struct traffic *traffic = start_traffic(producers);
    unsigned next[PRODUCERS] = { 0 };
    for (unsigned n = 0; n < PRODUCERS * EACH;) {
        const struct item *item = filchi_inject_pop(&traffic->inject);
        if (item) {
            check_next(next, item);
            n++;
        }
    }
    end_traffic(traffic, producers);
}

Test(inject, many_pushed_at_once_come_in_their_order_across_segments)
{
    struct filchi_inject inject;
    enum { MANY = 3 * FILCHI_SEGMENT + 1 };
    int items[MANY];
    void *pushed[MANY];
    for (int i = 0; i < MANY; i++)
        pushed[i] = &items[i];
    cr_assert_eq(filchi_inject_init(&inject), 0);
    cr_assert_eq(filchi_inject_push(&inject, pushed[0]), 0);
    cr_assert_eq(filchi_inject_push_many(&inject, pushed + 1, MANY - 1), 0);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(filchi_inject_pop(&inject), pushed[i]);
    cr_assert_null(filchi_inject_pop(&inject));
    cr_assert(filchi_inject_empty(&inject));
    filchi_inject_fini(&inject);
}

Test(inject, segments_are_used_again)
{
    struct filchi_inject inject;
    int item;
    cr_assert_eq(filchi_inject_init(&inject), 0);
    for (int i = 0; i < 2 * FILCHI_SEGMENT; i++) { /* two segments at least are made */
        cr_assert_eq(filchi_inject_push(&inject, &item), 0);
        if (i >= FILCHI_SEGMENT)
            cr_assert_eq(filchi_inject_pop(&inject), &item);
    }
    atomic_store(&filchi_os_faults.allocations, -1);
    for (int i = 0; i < 5 * FILCHI_SEGMENT; i++) {
        cr_assert_eq(filchi_inject_pop(&inject), &item);
        cr_assert_eq(filchi_inject_push(&inject, &item), 0, "no memory is needed");
    }
    atomic_store(&filchi_os_faults.allocations, 0);
    filchi_inject_fini(&inject);
}

Test(inject, a_push_without_memory_changes_nothing)
{
    struct filchi_inject inject;
    int items[FILCHI_SEGMENT + 1];
    void *pushed[FILCHI_SEGMENT + 1];
    cr_assert_eq(filchi_inject_init(&inject), 0);
    for (int i = 0; i <= FILCHI_SEGMENT; i++)
        pushed[i] = &items[i];
    atomic_store(&filchi_os_faults.allocations, -1);
    cr_assert_eq(filchi_inject_push_many(&inject, pushed, FILCHI_SEGMENT + 1), -ENOMEM);
    cr_assert(filchi_inject_empty(&inject));
    for (int i = 0; i < FILCHI_SEGMENT; i++)
        cr_assert_eq(filchi_inject_push(&inject, pushed[i]), 0);
    cr_assert_eq(filchi_inject_push(&inject, pushed[FILCHI_SEGMENT]), -ENOMEM);
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_eq(filchi_inject_push(&inject, pushed[FILCHI_SEGMENT]), 0);
    for (int i = 0; i <= FILCHI_SEGMENT; i++)
        cr_assert_eq(filchi_inject_pop(&inject), &items[i]);
    filchi_inject_fini(&inject);
}

/* ---- The batch ---- */

Test(inject, a_new_batch_is_empty_and_gives_nothing)
{
    struct filchi_batch batch;
    filchi_batch_init(&batch);
    cr_assert(filchi_batch_empty(&batch));
    cr_assert_null(filchi_batch_take(&batch));
}

Test(inject, a_fill_takes_a_batch_at_most_and_take_gives_the_oldest)
{
    struct filchi_inject inject;
    struct filchi_batch batch;
    int items[FILCHI_BATCH + 2];
    cr_assert_eq(filchi_inject_init(&inject), 0);
    filchi_batch_init(&batch);
    for (int i = 0; i < FILCHI_BATCH + 2; i++)
        cr_assert_eq(filchi_inject_push(&inject, &items[i]), 0);
    cr_assert(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    cr_assert_not(filchi_batch_empty(&batch));
    for (int i = 0; i < FILCHI_BATCH; i++)
        cr_assert_eq(filchi_batch_take(&batch), &items[i]);
    cr_assert_null(filchi_batch_take(&batch));
    cr_assert(filchi_batch_fill(&batch, &inject, FILCHI_BATCH), "the ring is filled again, across its end");
    cr_assert_eq(filchi_batch_take(&batch), &items[FILCHI_BATCH]);
    cr_assert_eq(filchi_inject_pop(&inject), NULL);
    cr_assert_eq(filchi_batch_take(&batch), &items[FILCHI_BATCH + 1]);
    filchi_inject_fini(&inject);
}

Test(inject, a_fill_from_an_empty_queue_gets_nothing)
{
    struct filchi_inject inject;
    struct filchi_batch batch;
    cr_assert_eq(filchi_inject_init(&inject), 0);
    filchi_batch_init(&batch);
    cr_assert_not(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    cr_assert(filchi_batch_empty(&batch));
    filchi_inject_fini(&inject);
}

Test(inject, a_fill_does_not_wait_for_another_consumer)
{
    struct filchi_inject inject;
    struct filchi_batch batch;
    int item;
    cr_assert_eq(filchi_inject_init(&inject), 0);
    filchi_batch_init(&batch);
    cr_assert_eq(filchi_inject_push(&inject, &item), 0);
    pthread_mutex_lock(&inject.consumer);
    cr_assert_not(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    pthread_mutex_unlock(&inject.consumer);
    cr_assert(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    cr_assert_eq(filchi_batch_take(&batch), &item);
    filchi_inject_fini(&inject);
}

/* ---- Owners, thieves and producers at once ---- */

#define CONSUMERS 3

struct consumer {
    struct traffic *traffic;
    struct filchi_batch *batches; /* of all consumers; the own one at `me` */
    unsigned me;
    _Atomic unsigned *n_taken;
    _Atomic unsigned char *seen;
};

static void *consume(void *arg)
{
    struct consumer *c = arg;
    while (atomic_load(c->n_taken) < PRODUCERS * EACH) {
        if (filchi_batch_empty(&c->batches[c->me]))
            filchi_batch_fill(&c->batches[c->me], &c->traffic->inject, FILCHI_BATCH);
        for (unsigned i = 0; i < CONSUMERS; i++) {
            const struct item *item = filchi_batch_take(&c->batches[(c->me + i) % CONSUMERS]);
            if (!item)
                continue;
            must(atomic_fetch_add(&c->seen[item->producer * EACH + item->number], 1) == 0);
            atomic_fetch_add(c->n_taken, 1);
        }
    }
    return NULL;
}

Test(inject, every_item_is_taken_once_by_owners_and_thieves)
{
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    struct consumer each[CONSUMERS];
    struct filchi_batch batches[CONSUMERS];
    static _Atomic unsigned char seen[PRODUCERS * EACH];
    _Atomic unsigned n_taken = 0;
    struct traffic *traffic = start_traffic(producers);
    for (unsigned i = 0; i < CONSUMERS; i++)
        filchi_batch_init(&batches[i]);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        each[i] = (struct consumer) { traffic, batches, i, &n_taken, seen };
        must(pthread_create(&consumers[i], NULL, consume, &each[i]) == 0);
    }
    for (unsigned i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    cr_assert_eq(atomic_load(&n_taken), PRODUCERS * EACH);
    end_traffic(traffic, producers);
}

Test(inject, with_one_owner_and_no_thief_the_order_is_that_of_submission)
{
    pthread_t producers[PRODUCERS];
    struct traffic *traffic = start_traffic(producers);
    struct filchi_batch batch;
    unsigned next[PRODUCERS] = { 0 };
    filchi_batch_init(&batch);
    for (unsigned n = 0; n < PRODUCERS * EACH;) {
        const struct item *item = filchi_batch_take(&batch);
        if (item) {
            check_next(next, item);
            n++;
        } else {
            filchi_batch_fill(&batch, &traffic->inject, FILCHI_BATCH);
        }
    }
    end_traffic(traffic, producers);
}

Test(inject, what_an_owner_takes_at_once_and_puts_back_keeps_its_order)
{
    struct filchi_inject inject;
    struct filchi_batch batch;
    int items[FILCHI_BATCH + 2];
    void *taken[FILCHI_BATCH];
    cr_assert_eq(filchi_inject_init(&inject), 0);
    filchi_batch_init(&batch);
    cr_assert_eq(filchi_batch_take_all(&batch, taken), 0);
    for (int i = 0; i < FILCHI_BATCH + 2; i++)
        cr_assert_eq(filchi_inject_push(&inject, &items[i]), 0);
    cr_assert(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    cr_assert_eq(filchi_batch_take(&batch), &items[0]);
    cr_assert_eq(filchi_batch_take_all(&batch, taken), FILCHI_BATCH - 1);
    cr_assert(filchi_batch_empty(&batch));
    cr_assert_eq(taken[0], &items[1]);
    filchi_batch_put_back(&batch, &taken[1], FILCHI_BATCH - 2);
    for (int i = 2; i < FILCHI_BATCH + 2; i++) {
        if (filchi_batch_empty(&batch))
            filchi_batch_fill(&batch, &inject, FILCHI_BATCH);
        cr_assert_eq(filchi_batch_take(&batch), &items[i]);
    }
    cr_assert_null(filchi_batch_take(&batch));
    filchi_inject_fini(&inject);
}

Test(inject, a_batch_is_never_filled_beyond_its_slots)
{
    struct filchi_inject inject;
    struct filchi_batch batch;
    int items[2 * FILCHI_BATCH], n = 0;
    must(filchi_inject_init(&inject) == 0);
    filchi_batch_init(&batch);
    for (int i = 0; i < 2 * FILCHI_BATCH; i++)
        must(filchi_inject_push(&inject, &items[i]) == 0);
    cr_assert(filchi_batch_fill(&batch, &inject, 2 * FILCHI_BATCH));
    for (; filchi_batch_take(&batch); n++)
        continue;
    cr_assert_eq(n, FILCHI_BATCH);
    while (filchi_batch_fill(&batch, &inject, 1))
        while (filchi_batch_take(&batch))
            n++;
    cr_assert_eq(n, 2 * FILCHI_BATCH);
    filchi_inject_fini(&inject);
}
