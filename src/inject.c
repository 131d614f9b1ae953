/* SPDX-License-Identifier: MIT */
/* Where tasks from outside wait: see inject.h. */
#include "inject.h"

#include <errno.h>

/* ---- Segments ---- */

static struct filchi_segment *segment_create(void)
{
    return filchi_os_alloc_aligned(FILCHI_LINE, sizeof(struct filchi_segment));
}

static void segments_free(struct filchi_segment *segment)
{
    for (struct filchi_segment *next; segment; segment = next) {
        next = segment->next;
        filchi_os_free(segment);
    }
}

int filchi_inject_init(struct filchi_inject *inject)
{
    struct filchi_segment *segment = segment_create();
    if (!segment)
        return -ENOMEM;
    atomic_init(&inject->tail, 0);
    atomic_init(&inject->head, 0);
    atomic_init(&inject->newest, segment);
    inject->oldest = segment;
    inject->spare = NULL;
    pthread_mutex_init(&inject->growth, NULL);
    pthread_mutex_init(&inject->consumer, NULL);
    return 0;
}

void filchi_inject_fini(struct filchi_inject *inject)
{
    segments_free(inject->oldest);
    segments_free(inject->spare);
    pthread_mutex_destroy(&inject->consumer);
    pthread_mutex_destroy(&inject->growth);
}

/* A producer for whose ticket, just after the segment `newest`, there is no slot: makes sure that there is one. That
 * segment may be the newest again, with other tickets: then there was one long ago. */
static int grow(struct filchi_inject *inject, struct filchi_segment *newest, uint64_t ticket)
{
    int rc = 0;
    pthread_mutex_lock(&inject->growth);
    /* relaxed, both: under the lock. */
    if (newest == atomic_load_explicit(&inject->newest, memory_order_relaxed) &&
        ticket - atomic_load_explicit(&newest->first, memory_order_relaxed) == FILCHI_SEGMENT) {
        struct filchi_segment *segment = inject->spare;
        if (segment)
            inject->spare = segment->next;
        else
            segment = segment_create();
        if (segment) {
            /* relaxed: a producer that still looks at a spare segment has an old ticket, which it will not
             * get. */
            atomic_store_explicit(&segment->first, ticket, memory_order_relaxed);
            segment->next = NULL;
            newest->next = segment;
            /* release B4: pairs with acquire B4 in reserve(); the segment's first ticket and its empty slots. */
            atomic_store_explicit(&inject->newest, segment, memory_order_release);
        }
        rc = segment ? 0 : -ENOMEM;
    }
    pthread_mutex_unlock(&inject->growth);
    return rc;
}

/* The consumer, that has emptied the oldest segment while there is one after it. */
static void drop_oldest(struct filchi_inject *inject)
{
    struct filchi_segment *empty = inject->oldest;
    for (size_t i = 0; i < FILCHI_SEGMENT; i++)
        atomic_store_explicit(&empty->slots[i], NULL, memory_order_relaxed); /* relaxed: the lock comes between. */
    pthread_mutex_lock(&inject->growth);
    inject->oldest = empty->next;
    empty->next = inject->spare;
    inject->spare = empty;
    pthread_mutex_unlock(&inject->growth);
}

/* ---- Producers ---- */

/* Tickets for up to n items, whose slots lie one after the other from *out on. How many; 0 without memory. */
static size_t reserve(struct filchi_inject *inject, size_t n, _Atomic(void *) **out)
{
    /* relaxed: a guess, checked by the CAS. */
    uint64_t ticket = atomic_load_explicit(&inject->tail, memory_order_relaxed);
    for (;;) {
        /* acquire B4: pairs with release B4 in grow(). */
        struct filchi_segment *segment = atomic_load_explicit(&inject->newest, memory_order_acquire);
        /* relaxed: published by B4. Were the segment used again meanwhile, the ticket would be gone. */
        uint64_t place = ticket - atomic_load_explicit(&segment->first, memory_order_relaxed);
        if (place >= FILCHI_SEGMENT) {
            /* Just after it: somebody must add one. Else our ticket is an old one. */
            if (place == FILCHI_SEGMENT && grow(inject, segment, ticket))
                return 0;
            ticket = atomic_load_explicit(&inject->tail, memory_order_relaxed); /* relaxed: as above. */
            continue;
        }
        size_t taken = n < FILCHI_SEGMENT - place ? n : FILCHI_SEGMENT - (size_t)place;
        /* relaxed: the number alone; B3 publishes what goes into the slots. */
        if (atomic_compare_exchange_weak_explicit(&inject->tail, &ticket, ticket + taken, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *out = &segment->slots[place];
            return taken;
        }
    }
}

size_t filchi_inject_push_many(struct filchi_inject *inject, void *const *items, size_t n)
{
    size_t done = 0;
    while (done < n) {
        _Atomic(void *) *slots;
        size_t taken = reserve(inject, n - done, &slots);
        if (!taken)
            break;
        for (size_t i = 0; i < taken; i++)
            /* release B3: pairs with acquire B3 in take(); publishes the item. */
            atomic_store_explicit(&slots[i], items[done + i], memory_order_release);
        done += taken;
    }
    return done;
}

int filchi_inject_push(struct filchi_inject *inject, void *item)
{
    return filchi_inject_push_many(inject, &item, 1) ? 0 : -ENOMEM;
}

/* ---- The consumer ---- */

/* The slot of the ticket `head`, which was given out. */
static _Atomic(void *) *slot_of(struct filchi_inject *inject, uint64_t head)
{
    /* relaxed: the consumer's segment is not used again before it says so. */
    uint64_t place = head - atomic_load_explicit(&inject->oldest->first, memory_order_relaxed);
    if (place == FILCHI_SEGMENT) {
        drop_oldest(inject);
        place = 0;
    }
    return &inject->oldest->slots[place];
}

/* The item in it. NULL if its producer has only its ticket so far and we need not `wait`. */
static void *take(const _Atomic(void *) *slot, bool wait)
{
    void *item;
    /* acquire B3: pairs with release B3 in filchi_inject_push_many(). */
    for (unsigned spins = 0; !(item = atomic_load_explicit(slot, memory_order_acquire)) && wait; spins++)
        filchi_os_relax(spins);
    return item;
}

/* How many items there are from the ticket `head` on. */
static uint64_t available(const struct filchi_inject *inject, uint64_t head)
{
    return atomic_load_explicit(&inject->tail, memory_order_relaxed) - head; /* relaxed: B3 is in the slot. */
}

void *filchi_inject_pop(struct filchi_inject *inject)
{
    void *item = NULL;
    pthread_mutex_lock(&inject->consumer);
    uint64_t head = atomic_load_explicit(&inject->head, memory_order_relaxed); /* relaxed: the consumer's own. */
    if (available(inject, head)) {
        item = take(slot_of(inject, head), true);
        /* release B5: pairs with acquire B5 in filchi_inject_empty(). */
        atomic_store_explicit(&inject->head, head + 1, memory_order_release);
    }
    pthread_mutex_unlock(&inject->consumer);
    return item;
}

/* ---- Batches ---- */

/* How many items before its turn a task is fetched: enough to hide a miss behind tasks of 20 ns or so. */
#define AHEAD 8

void filchi_batch_init(struct filchi_batch *batch)
{
    atomic_init(&batch->head, 0);
    atomic_init(&batch->tail, 0);
}

bool filchi_batch_fill(struct filchi_batch *batch, struct filchi_inject *inject, unsigned most)
{
    if (filchi_inject_empty(inject) || pthread_mutex_trylock(&inject->consumer) != 0)
        return false;
    uint64_t tail = atomic_load_explicit(&batch->tail, memory_order_relaxed);  /* relaxed: the owner's own. */
    uint64_t head = atomic_load_explicit(&inject->head, memory_order_relaxed); /* relaxed: the consumer's own. */
    uint64_t n = available(inject, head), i;
    if (n > most)
        n = most;
    for (i = 0; i < n && i < FILCHI_BATCH; i++) {
        void *item = take(slot_of(inject, head + i), i == 0);
        if (!item)
            break;
        /* relaxed: published by B1. A thief that still reads the slot's old item fails its CAS. */
        atomic_store_explicit(&batch->slots[(tail + i) % FILCHI_BATCH], item, memory_order_relaxed);
    }
    /* release B1: pairs with acquire B1 in filchi_batch_take(); publishes the slots and the items behind them. */
    atomic_store_explicit(&batch->tail, tail + i, memory_order_release);
    /* release B5: pairs with acquire B5 in filchi_inject_empty(); who misses them in the queue sees them here. */
    atomic_store_explicit(&inject->head, head + i, memory_order_release);
    pthread_mutex_unlock(&inject->consumer);
    return i != 0;
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
        /* relaxed: a hint. What it points to may be long gone. */
        filchi_prefetch_write(
            atomic_load_explicit(&batch->slots[(head + AHEAD) % FILCHI_BATCH], memory_order_relaxed));
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
