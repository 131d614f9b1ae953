/* SPDX-License-Identifier: MIT */
/* Where outside tasks wait: the queue of many producers, the inject queue on it, and the batch of each worker. */
#include "inject.h"

#include "support.h"

SUITE(inject);

struct item {
    struct filchi_mpsc_node node;
    unsigned producer, number;
};

/* ---- The queue ---- */

Test(inject, a_push_says_whether_the_queue_was_empty)
{
    struct filchi_mpsc queue;
    struct filchi_mpsc_node nodes[2], *out;
    filchi_mpsc_init(&queue);
    cr_assert(filchi_mpsc_empty(&queue));
    cr_assert(filchi_mpsc_push(&queue, &nodes[0]));
    cr_assert_not(filchi_mpsc_push(&queue, &nodes[1]));
    cr_assert_not(filchi_mpsc_empty(&queue));
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_ONE);
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_LAST);
    cr_assert(filchi_mpsc_push(&queue, &nodes[0]), "after LAST the next push says it was empty");
}

Test(inject, a_pop_tells_the_last_from_the_others_and_from_none)
{
    struct filchi_mpsc queue;
    struct filchi_mpsc_node nodes[3], *out = NULL;
    filchi_mpsc_init(&queue);
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_EMPTY);
    cr_assert_null(out);
    for (int i = 0; i < 3; i++)
        filchi_mpsc_push(&queue, &nodes[i]);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(filchi_mpsc_pop(&queue, &out), i < 2 ? FILCHI_MPSC_ONE : FILCHI_MPSC_LAST);
        cr_assert_eq(out, &nodes[i]);
    }
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_EMPTY);
}

#define PRODUCERS 4
#define EACH 20000

struct traffic {
    struct filchi_inject inject;
    struct item items[PRODUCERS][EACH];
    _Atomic unsigned arrived;
};

static void *produce(void *arg)
{
    struct traffic *traffic = arg;
    unsigned me = atomic_fetch_add(&traffic->arrived, 1);
    for (unsigned i = 0; i < EACH; i++) {
        traffic->items[me][i] = (struct item) { .producer = me, .number = i };
        filchi_inject_push(&traffic->inject, &traffic->items[me][i].node);
    }
    return NULL;
}

static struct traffic *start_traffic(pthread_t producers[PRODUCERS])
{
    struct traffic *traffic = aligned_alloc(FILCHI_LINE, sizeof *traffic);
    memset(traffic, 0, sizeof *traffic);
    filchi_inject_init(&traffic->inject);
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
static void check_next(unsigned next[PRODUCERS], const struct filchi_mpsc_node *node)
{
    const struct item *item = caa_container_of(node, struct item, node);
    must(item->number == next[item->producer]);
    next[item->producer]++;
}

Test(inject, pops_keep_the_order_of_each_producer)
{
    pthread_t producers[PRODUCERS];
    struct traffic *traffic = start_traffic(producers);
    unsigned next[PRODUCERS] = { 0 };
    for (unsigned n = 0; n < PRODUCERS * EACH;) {
        struct filchi_mpsc_node *node = filchi_inject_pop(&traffic->inject);
        if (node) {
            check_next(next, node);
            n++;
        }
    }
    end_traffic(traffic, producers);
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
    struct filchi_mpsc_node nodes[FILCHI_BATCH + 2];
    filchi_inject_init(&inject);
    filchi_batch_init(&batch);
    for (int i = 0; i < FILCHI_BATCH + 2; i++)
        filchi_inject_push(&inject, &nodes[i]);
    cr_assert(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    cr_assert_not(filchi_batch_empty(&batch));
    for (int i = 0; i < FILCHI_BATCH; i++)
        cr_assert_eq(filchi_batch_take(&batch), &nodes[i]);
    cr_assert_null(filchi_batch_take(&batch));
    cr_assert(filchi_batch_fill(&batch, &inject, FILCHI_BATCH), "the ring is filled again, across its end");
    cr_assert_eq(filchi_batch_take(&batch), &nodes[FILCHI_BATCH]);
    cr_assert_eq(filchi_inject_pop(&inject), NULL);
    cr_assert_eq(filchi_batch_take(&batch), &nodes[FILCHI_BATCH + 1]);
    filchi_inject_fini(&inject);
}

Test(inject, a_fill_from_an_empty_queue_gets_nothing)
{
    struct filchi_inject inject;
    struct filchi_batch batch;
    filchi_inject_init(&inject);
    filchi_batch_init(&batch);
    cr_assert_not(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    cr_assert(filchi_batch_empty(&batch));
    filchi_inject_fini(&inject);
}

Test(inject, a_fill_does_not_wait_for_another_consumer)
{
    struct filchi_inject inject;
    struct filchi_batch batch;
    struct filchi_mpsc_node node;
    filchi_inject_init(&inject);
    filchi_batch_init(&batch);
    filchi_inject_push(&inject, &node);
    pthread_mutex_lock(&inject.consumer);
    cr_assert_not(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    pthread_mutex_unlock(&inject.consumer);
    cr_assert(filchi_batch_fill(&batch, &inject, FILCHI_BATCH));
    cr_assert_eq(filchi_batch_take(&batch), &node);
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
            struct filchi_mpsc_node *node = filchi_batch_take(&c->batches[(c->me + i) % CONSUMERS]);
            if (!node)
                continue;
            const struct item *item = caa_container_of(node, struct item, node);
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
        struct filchi_mpsc_node *node = filchi_batch_take(&batch);
        if (node) {
            check_next(next, node);
            n++;
        } else {
            filchi_batch_fill(&batch, &traffic->inject, FILCHI_BATCH);
        }
    }
    end_traffic(traffic, producers);
}
