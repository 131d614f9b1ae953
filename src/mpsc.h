/* SPDX-License-Identifier: MIT */
/*
 * A queue with many producers and one consumer at a time: a facade over liburcu's wfcqueue (Desnoyers and
 * Jiangshan). Push is wait-free; pop never blocks. In builds for ThreadSanitizer, which does not see liburcu's
 * inline assembly, a C11 twin of the same layout and algorithm takes its place.
 *
 * Invariant: tail points to the last node, or to the dummy `head` when empty. From every node `next` leads to
 * the node after it, except between the two steps of a push.
 */
#ifndef FILCHI_MPSC_H
#define FILCHI_MPSC_H

#include "os.h"

#include <stdbool.h>
#include <stddef.h>

enum filchi_mpsc_pop {
    FILCHI_MPSC_EMPTY,
    FILCHI_MPSC_BUSY, /* a producer is between its two steps: look again soon */
    FILCHI_MPSC_ONE,  /* popped one, more were there */
    FILCHI_MPSC_LAST, /* popped one and left the queue empty: the next push says so */
};

#ifndef FILCH_TSAN
#include <urcu/wfcqueue.h>

struct filchi_mpsc_node {
    struct cds_wfcq_node node;
};

struct filchi_mpsc {
    struct __cds_wfcq_head head;                     /* consumer */
    _Alignas(FILCHI_LINE) struct cds_wfcq_tail tail; /* producers */
};

static inline void filchi_mpsc_init(struct filchi_mpsc *queue)
{
    __cds_wfcq_init(&queue->head, &queue->tail);
}

/* Any thread. Returns true if the queue was empty. A full barrier; the node is published to the consumer. */
static inline bool filchi_mpsc_push(struct filchi_mpsc *queue, struct filchi_mpsc_node *node)
{
    cds_wfcq_node_init(&node->node);
    return !cds_wfcq_enqueue(&queue->head, &queue->tail, &node->node);
}

/* The consumer. */
static inline enum filchi_mpsc_pop filchi_mpsc_pop(struct filchi_mpsc *queue, struct filchi_mpsc_node **out)
{
    int state = 0;
    struct cds_wfcq_node *node = __cds_wfcq_dequeue_with_state_nonblocking(&queue->head, &queue->tail, &state);
    if (!node)
        return FILCHI_MPSC_EMPTY;
    if (node == CDS_WFCQ_WOULDBLOCK)
        return FILCHI_MPSC_BUSY;
    *out = caa_container_of(node, struct filchi_mpsc_node, node);
    return state & CDS_WFCQ_STATE_LAST ? FILCHI_MPSC_LAST : FILCHI_MPSC_ONE;
}

/* Any thread; an answer for that moment. */
static inline bool filchi_mpsc_empty(struct filchi_mpsc *queue)
{
    return cds_wfcq_empty(&queue->head, &queue->tail);
}

#else

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

static inline bool filchi_mpsc_push(struct filchi_mpsc *queue, struct filchi_mpsc_node *node)
{
    atomic_store_explicit(&node->next, NULL, memory_order_relaxed); /* relaxed: published by the exchange. */
    /* acq_rel M1: pairs with itself in later pushes and with the exchange in pop; hands on all earlier nodes. */
    struct filchi_mpsc_node *before = atomic_exchange_explicit(&queue->tail, node, memory_order_acq_rel);
    /* release M2: pairs with acquire M2 in pop; publishes the node and what the producer wrote before. */
    atomic_store_explicit(&before->next, node, memory_order_release);
    return before == &queue->head;
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
        /* acq_rel M1: pairs with the exchange in push. */
        if (atomic_compare_exchange_strong_explicit(&queue->tail, &expected, &queue->head, memory_order_acq_rel,
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
    /* acquire M2: a false answer is followed by a pop; relaxed: only compared. */
    return !atomic_load_explicit(&queue->head.next, memory_order_acquire) &&
           atomic_load_explicit(&queue->tail, memory_order_relaxed) == &queue->head;
}

#endif

/*
 * The consumer: the next node, or NULL if there is none. Waits for a producer between its two steps, which holds up
 * everything behind it. *emptied grows by one if this left the queue empty, so that the next push says so.
 */
static inline struct filchi_mpsc_node *filchi_mpsc_take(struct filchi_mpsc *queue, uint32_t *emptied)
{
    struct filchi_mpsc_node *node = NULL;
    enum filchi_mpsc_pop outcome;
    for (unsigned spins = 0; (outcome = filchi_mpsc_pop(queue, &node)) == FILCHI_MPSC_BUSY; spins++)
        filchi_os_relax(spins);
    *emptied += outcome == FILCHI_MPSC_LAST;
    return outcome == FILCHI_MPSC_EMPTY ? NULL : node;
}

#endif
