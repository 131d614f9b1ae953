/* SPDX-License-Identifier: MIT */
/*
 * A queue with many producers and one consumer at a time: a facade over liburcu's wfcqueue (Desnoyers and
 * Jiangshan). Push is wait-free; pop never blocks. In builds for ThreadSanitizer, which does not see liburcu's
 * inline assembly, and under the model checker, a C11 twin of the same layout and algorithm takes its place (mpsc_twin.h).
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

#if !defined(FILCH_TSAN) && !defined(FILCH_MODEL)
#include <urcu/system.h>
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

/* Who has both, neither in a queue: the second comes after the first; NULL: nobody does. */
static inline void filchi_mpsc_link(struct filchi_mpsc_node *first, struct filchi_mpsc_node *second)
{
    /* release M2: pairs with acquire M2 in pop and in filchi_future_thread(). */
    atomic_thread_fence(memory_order_release);
    CMM_STORE_SHARED(first->node.next, second ? &second->node : NULL);
}

/* As push, for nodes linked from `first` to `last`, behind which nobody comes. */
static inline bool filchi_mpsc_push_linked(struct filchi_mpsc *queue, struct filchi_mpsc_node *first,
                                           struct filchi_mpsc_node *last)
{
    struct __cds_wfcq_head head;
    struct cds_wfcq_tail tail;
    __cds_wfcq_init(&head, &tail);
    head.node.next = &first->node;
    tail.p = &last->node;
    return __cds_wfcq_splice_nonblocking(&queue->head, &queue->tail, &head, &tail) == CDS_WFCQ_RET_DEST_EMPTY;
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
#include "mpsc_twin.h"
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

/* Nodes that one thread collects before it pushes them all; NULL, NULL: none. */
struct filchi_mpsc_chain {
    struct filchi_mpsc_node *first, *last;
};

static inline void filchi_mpsc_chain_add(struct filchi_mpsc_chain *chain, struct filchi_mpsc_node *node)
{
    if (chain->first)
        filchi_mpsc_link(chain->last, node);
    else
        chain->first = node;
    chain->last = node;
}

/* As push, for one node or more, which come one after the other. The chain is empty then. */
static inline bool filchi_mpsc_push_chain(struct filchi_mpsc *queue, struct filchi_mpsc_chain *chain)
{
    filchi_mpsc_link(chain->last, NULL);
    bool was_empty = filchi_mpsc_push_linked(queue, chain->first, chain->last);
    *chain = (struct filchi_mpsc_chain) { NULL, NULL };
    return was_empty;
}

#endif
