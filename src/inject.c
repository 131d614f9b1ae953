/* SPDX-License-Identifier: MIT */
/* Where tasks from outside wait: see inject.h. */
#include "inject.h"

void filchi_inject_init(struct filchi_inject *inject)
{
    filchi_mpsc_init(&inject->queue);
    pthread_mutex_init(&inject->consumer, NULL);
}

void filchi_inject_fini(struct filchi_inject *inject)
{
    pthread_mutex_destroy(&inject->consumer);
}

void filchi_inject_push(struct filchi_inject *inject, struct filchi_mpsc_node *node)
{
    filchi_mpsc_push(&inject->queue, node);
}

bool filchi_inject_empty(struct filchi_inject *inject)
{
    return filchi_mpsc_empty(&inject->queue);
}

/* The consumer. */
static struct filchi_mpsc_node *pop(struct filchi_inject *inject)
{
    uint32_t emptied = 0;
    return filchi_mpsc_take(&inject->queue, &emptied);
}

struct filchi_mpsc_node *filchi_inject_pop(struct filchi_inject *inject)
{
    pthread_mutex_lock(&inject->consumer);
    struct filchi_mpsc_node *node = pop(inject);
    pthread_mutex_unlock(&inject->consumer);
    return node;
}

void filchi_batch_init(struct filchi_batch *batch)
{
    atomic_init(&batch->head, 0);
    atomic_init(&batch->tail, 0);
}

bool filchi_batch_fill(struct filchi_batch *batch, struct filchi_inject *inject, unsigned most)
{
    if (filchi_inject_empty(inject) || pthread_mutex_trylock(&inject->consumer) != 0)
        return false;
    uint64_t tail = atomic_load_explicit(&batch->tail, memory_order_relaxed); /* relaxed: the owner's own. */
    uint64_t first = tail;
    while (tail - first < most && tail - first < FILCHI_BATCH) {
        struct filchi_mpsc_node *node = pop(inject);
        if (!node)
            break;
        /* relaxed: published by B1. A thief that still reads the slot's old item fails its CAS. */
        atomic_store_explicit(&batch->slots[tail++ % FILCHI_BATCH], node, memory_order_relaxed);
    }
    pthread_mutex_unlock(&inject->consumer);
    /* release B1: pairs with acquire B1 in filchi_batch_take(); publishes the slots and the items behind them. */
    atomic_store_explicit(&batch->tail, tail, memory_order_release);
    return tail != first;
}

void *filchi_batch_take(struct filchi_batch *batch)
{
    /* acquire B2: pairs with release B2 below; the tail read next is not older than this head. */
    uint64_t head = atomic_load_explicit(&batch->head, memory_order_acquire);
    for (;;) {
        /* acquire B1: pairs with release B1 in filchi_batch_fill(). */
        if (head == atomic_load_explicit(&batch->tail, memory_order_acquire))
            return NULL;
        /* relaxed: published by B1; void unless the CAS finds head unmoved, and until then it is not
         * overwritten. */
        void *item = atomic_load_explicit(&batch->slots[head % FILCHI_BATCH], memory_order_relaxed);
        /* acq_rel B2: pairs with itself; the slot was read before the owner, who sees head == tail, refills it. */
        if (atomic_compare_exchange_weak_explicit(&batch->head, &head, head + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return item;
    }
}

bool filchi_batch_empty(const struct filchi_batch *batch)
{
    /* acquire B2: pairs with release B2 in filchi_batch_take(), before the owner refills. */
    return atomic_load_explicit(&batch->head, memory_order_acquire) ==
           atomic_load_explicit(&batch->tail, memory_order_relaxed); /* relaxed: the owner's own, or a hint. */
}

size_t filchi_batch_count(const struct filchi_batch *batch)
{
    /* relaxed: numbers to look at, of two moments. */
    uint64_t head = atomic_load_explicit(&batch->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&batch->tail, memory_order_relaxed);
    return tail > head ? (size_t)(tail - head) : 0;
}
