/* SPDX-License-Identifier: MIT */
/* The C11 twin of the queue, for builds whose tools do not see liburcu's inline assembly: see mpsc.h, which includes it. */
#ifndef FILCHI_MPSC_TWIN_H
#define FILCHI_MPSC_TWIN_H

#include "atomic.h"

#include <stdbool.h>
#include <stddef.h>

struct filchi_mpsc_node {
    _Atomic(struct filchi_mpsc_node *) next;
};

struct filchi_mpsc {
    struct filchi_mpsc_node head;                                  /* consumer */
    _Alignas(FILCHI_LINE) _Atomic(struct filchi_mpsc_node *) tail; /* producers */
};

static inline void filchi_mpsc_init(struct filchi_mpsc *queue)
{
    atomic_init(&queue->head.next, NULL);
    atomic_init(&queue->tail, &queue->head);
}

static inline void filchi_mpsc_link(struct filchi_mpsc_node *first, struct filchi_mpsc_node *second)
{
    /* release M2: pairs with acquire M2 in pop and in filchi_future_thread(). */
    atomic_store_explicit(&first->next, second, memory_order_release);
}

static inline bool filchi_mpsc_push_linked(struct filchi_mpsc *queue, struct filchi_mpsc_node *first,
                                           struct filchi_mpsc_node *last)
{
    /* acq_rel M1: pairs with itself in later pushes and with the exchange in pop; hands on all earlier nodes. */
    struct filchi_mpsc_node *before = atomic_exchange_explicit(&queue->tail, last, memory_order_acq_rel);
    /* release M2: pairs with acquire M2 in pop; publishes the node and what the producer wrote before. */
    atomic_store_explicit(&before->next, first, memory_order_release);
    return before == &queue->head;
}

static inline bool filchi_mpsc_push(struct filchi_mpsc *queue, struct filchi_mpsc_node *node)
{
    atomic_store_explicit(&node->next, NULL, memory_order_relaxed); /* relaxed: published by the exchange. */
    return filchi_mpsc_push_linked(queue, node, node);
}

static inline enum filchi_mpsc_pop filchi_mpsc_pop(struct filchi_mpsc *queue, struct filchi_mpsc_node **out)
{
    /* acquire M2: pairs with release M2 in push. */
    struct filchi_mpsc_node *first = atomic_load_explicit(&queue->head.next, memory_order_acquire);
    if (!first) /* relaxed: only compared. */
        return atomic_load_explicit(&queue->tail, memory_order_relaxed) == &queue->head ? FILCHI_MPSC_EMPTY
                                                                                        : FILCHI_MPSC_BUSY;
    *out = first;
    /* acquire M2: pairs with release M2 in push. */
    struct filchi_mpsc_node *second = atomic_load_explicit(&first->next, memory_order_acquire);
    if (!second) {
        /* The dummy is unlinked before it becomes the tail again, so that a push after that finds it clean. */
        atomic_store_explicit(&queue->head.next, NULL, memory_order_relaxed); /* relaxed: M1 below publishes it. */
        struct filchi_mpsc_node *expected = first;
        /* release M1: pairs with the exchange in push, which then finds the dummy clean. */
        if (atomic_compare_exchange_strong_explicit(&queue->tail, &expected, &queue->head, memory_order_release,
                                                    memory_order_relaxed))
            return FILCHI_MPSC_LAST;
        /* acquire M2: pairs with release M2 in push. */
        second = atomic_load_explicit(&first->next, memory_order_acquire);
        if (!second) {
            atomic_store_explicit(&queue->head.next, first, memory_order_relaxed); /* relaxed: consumer's own. */
            return FILCHI_MPSC_BUSY;
        }
    }
    atomic_store_explicit(&queue->head.next, second, memory_order_relaxed); /* relaxed: consumer's own. */
    return FILCHI_MPSC_ONE;
}

static inline bool filchi_mpsc_empty(struct filchi_mpsc *queue)
{
    /* relaxed, both, as in liburcu: only compared, and a false answer is followed by a pop. */
    return !atomic_load_explicit(&queue->head.next, memory_order_relaxed) &&
           atomic_load_explicit(&queue->tail, memory_order_relaxed) == &queue->head;
}

#endif
