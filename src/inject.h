/* SPDX-License-Identifier: MIT */
/*
 * Where tasks from outside wait: one queue for the pool, in submission order, and for each worker a batch, a
 * small ring into which it moves several at a time. From the batch the owner and thieves take the oldest first,
 * so that with one worker the start order is exactly the submission order.
 *
 * The queue is an array of pointers in segments. A producer takes a ticket and fills the slot of that number;
 * the consumer goes from slot to slot. Segments are used again and freed only with the queue, so that a producer
 * that is slow may look at one at any time.
 *
 * Invariant (queue): the segments from `oldest` on follow one another; `newest` is the last of them with a ticket given
 * out, more may be behind it. Slots of the tickets [head, tail) are filled, or about to be; those of later ones are NULL. A
 * ticket is given out only when the segment with its slot is there, so that running out of memory is known before.
 * Invariant (batch): items live at [head, tail); only the owner moves tail and only while head == tail; head
 * only grows.
 * Rejected: a list through the tasks (liburcu's wfcqueue). Its consumer waits for a line from another core, or from
 * memory, for each task in turn; the slots of an array are eight to a line and say early what to fetch.
 * Rejected: moving them into the deque, which would start them newest first, or starve them behind sub tasks.
 */
#ifndef FILCHI_INJECT_H
#define FILCHI_INJECT_H

#include "atomic.h"
#include "os.h"

#if defined(FILCH_MODEL)
#define FILCHI_BATCH 2
#define FILCHI_SEGMENT 2
#elif defined(FILCH_TESTING)
#define FILCHI_BATCH 4
#define FILCHI_SEGMENT 8
#else
#define FILCHI_BATCH 64
#define FILCHI_SEGMENT 1024
#endif

/* How many items before its turn a task is fetched: enough to hide a miss behind tasks of 20 ns or so. */
#define FILCHI_AHEAD 8

struct filchi_segment {
    _Atomic uint64_t first;      /* the ticket of slots[0]; who links it, under `growth` */
    struct filchi_segment *next; /* the segment after it, or the next spare one; under `growth` */
    _Alignas(FILCHI_LINE) _Atomic(void *) slots[FILCHI_SEGMENT]; /* its producer fills it */
};

struct filchi_inject {
    /* Producers. */
    _Alignas(FILCHI_LINE) _Atomic uint64_t tail;  /* the next ticket */
    _Atomic(struct filchi_segment *) newest;      /* written under `growth` */
    _Alignas(FILCHI_LINE) pthread_mutex_t growth; /* held by who adds a segment or gives one back */
    struct filchi_segment *spare;                 /* under `growth` */
    /* The consumer, who holds `consumer`. */
    _Alignas(FILCHI_LINE) _Atomic uint64_t head; /* the oldest ticket there is */
    struct filchi_segment *oldest;
    pthread_mutex_t consumer;
};

struct filchi_batch {
    _Alignas(FILCHI_LINE) _Atomic uint64_t head; /* owner and thieves */
    _Alignas(FILCHI_LINE) _Atomic uint64_t tail; /* owner */
    _Atomic(void *) slots[FILCHI_BATCH];         /* owner */
};

/* 0 or -ENOMEM. Allocates the first segment. */
int filchi_inject_init(struct filchi_inject *inject);
/* Nobody uses it any more; items left are the caller's concern. */
void filchi_inject_fini(struct filchi_inject *inject);

/* Anyone. 0, or -ENOMEM, and nothing has changed. */
int filchi_inject_push(struct filchi_inject *inject, void *item);
/* Anyone. The same for n items, one or more, which come one after the other; all of them or none. */
int filchi_inject_push_many(struct filchi_inject *inject, void *const *items, size_t n);
/* Anyone; after a store-load fence it sees what was pushed before. */
static inline bool filchi_inject_empty(const struct filchi_inject *inject)
{
    /* acquire B5: pairs with release B5 in filchi_batch_fill(). relaxed: a hint; where it decides about sleeping a
     * store-load fence stands before it. */
    return atomic_load_explicit(&inject->head, memory_order_acquire) ==
           atomic_load_explicit(&inject->tail, memory_order_relaxed);
}
/* Anyone: how many items it has; an answer for about that moment. */
static inline uint64_t filchi_inject_count(const struct filchi_inject *inject)
{
    /* relaxed, both: a number to look at; the head first, so that it is not beyond the tail. */
    uint64_t head = atomic_load_explicit(&inject->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&inject->tail, memory_order_relaxed);
    return tail > head ? tail - head : 0;
}
/* Anyone. The oldest, or NULL if there is none; waits for another consumer. */
void *filchi_inject_pop(struct filchi_inject *inject);

void filchi_batch_init(struct filchi_batch *batch);
/* Owner, while its batch is empty: moves up to `most` over; false if it got none. Does not wait for another
 * consumer. */
bool filchi_batch_fill(struct filchi_batch *batch, struct filchi_inject *inject, unsigned most);
/* Anyone. The oldest item, or NULL if the batch is empty. Waits for nobody. */
void *filchi_batch_take(struct filchi_batch *batch);
/* Owner. All of them, oldest first; how many. */
unsigned filchi_batch_take_all(struct filchi_batch *batch, void *items[FILCHI_BATCH]);
/* Owner, when it has taken all: the n newest are there again. */
void filchi_batch_put_back(struct filchi_batch *batch, void *const *items, unsigned n);
bool filchi_batch_empty(const struct filchi_batch *batch);
/* Anyone: how many items it has; an answer for about that moment. */
size_t filchi_batch_count(const struct filchi_batch *batch);

#endif
