/* SPDX-License-Identifier: MIT */
/* A completion queue as those see it who submit for it: the node by which a task comes to the queue. */
#ifndef FILCHI_CQ_H
#define FILCHI_CQ_H

#include "slab.h"
#include "waitlist.h"

#include <filch/filch.h>

struct filchi_cq_node {
    struct filchi_waiter waiter; /* subject: the future, a reference; owner: the queue */
    void *tag;                   /* constant */
    bool beside;                 /* constant: of the slab of its task, else a block of the queue */
};
_Static_assert(sizeof(struct filchi_cq_node) == FILCHI_SLAB_OBJECT, "it fits beside its task");

/* The submitter, before the task is published: the node, which lies beside it, is registered as the first of its waiters.
 * The queue counts it already. */
void filchi_cq_attach(filch_cq *cq, struct filchi_cq_node *node, filch_future *future, void *tag);
/* The submitter: the task was refused after all. */
void filchi_cq_node_abandon(struct filchi_cq_node *node);

#endif
