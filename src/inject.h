/* SPDX-License-Identifier: MIT */
/*
 * Where tasks from outside wait: one queue for the pool, in submission order, and for each worker a batch, a
 * small ring into which it moves several at a time. From the batch the owner and thieves take the oldest first,
 * so that with one worker the start order is exactly the submission order.
 *
 * Invariant (batch): items live at [head, tail); only the owner moves tail and only while head == tail; head
 * only grows.
 * Rejected: moving them into the deque, which would start them newest first, or starve them behind sub tasks.
 */
#ifndef FILCHI_INJECT_H
#define FILCHI_INJECT_H

#include "mpsc.h"
#include "os.h"

#ifdef FILCH_TESTING
#define FILCHI_BATCH 4
#else
#define FILCHI_BATCH 64
#endif

struct filchi_inject {
    _Alignas(FILCHI_LINE) struct filchi_mpsc queue;
    _Alignas(FILCHI_LINE) pthread_mutex_t consumer; /* held by who pops */
};

struct filchi_batch {
    _Alignas(FILCHI_LINE) _Atomic uint64_t head; /* owner and thieves */
    _Alignas(FILCHI_LINE) _Atomic uint64_t tail; /* owner */
    _Atomic(void *) slots[FILCHI_BATCH];         /* owner */
};

void filchi_inject_init(struct filchi_inject *inject);
void filchi_inject_fini(struct filchi_inject *inject);
/* Anyone. Wait-free, a full barrier. */
void filchi_inject_push(struct filchi_inject *inject, struct filchi_mpsc_node *node);
bool filchi_inject_empty(struct filchi_inject *inject);
/* Anyone. The oldest, or NULL if there is none; waits for another consumer. */
struct filchi_mpsc_node *filchi_inject_pop(struct filchi_inject *inject);

void filchi_batch_init(struct filchi_batch *batch);
/* Owner, while its batch is empty: moves up to `most` over; false if it got none. Does not wait for another
 * consumer. */
bool filchi_batch_fill(struct filchi_batch *batch, struct filchi_inject *inject, unsigned most);
/* Anyone. The oldest item, or NULL if the batch is empty. Waits for nobody. */
void *filchi_batch_take(struct filchi_batch *batch);
bool filchi_batch_empty(const struct filchi_batch *batch);
/* Anyone: how many items it has; an answer for about that moment. */
size_t filchi_batch_count(const struct filchi_batch *batch);

#endif
