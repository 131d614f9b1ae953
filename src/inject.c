/* SPDX-License-Identifier: MIT */
/* Where tasks from outside wait: see inject.h. */
#include "inject.h"

#include <errno.h>

/* ---- Segments ---- */

static struct filchi_segment *segment_create(const filch_allocator *memory)
{
    return filchi_memory_alloc(memory, FILCHI_LINE, sizeof(struct filchi_segment));
}

static void segments_free(const filch_allocator *memory, struct filchi_segment *segment)
{
    for (struct filchi_segment *next; segment; segment = next) {
        next = segment->next;
        filchi_memory_free(memory, segment);
    }
}

int filchi_inject_init(struct filchi_inject *inject)
{
    return filchi_inject_init_from(inject, NULL);
}

int filchi_inject_init_from(struct filchi_inject *inject, const filch_allocator *memory)
{
    struct filchi_segment *segment = segment_create(memory);
    if (!segment)
        return -ENOMEM;
    atomic_init(&inject->tail, 0);
    atomic_init(&inject->head, 0);
    atomic_init(&inject->newest, segment);
    inject->oldest = segment;
    inject->spare = NULL;
    inject->memory = memory;
    pthread_mutex_init(&inject->growth, NULL);
    pthread_mutex_init(&inject->consumer, NULL);
    return 0;
}

void filchi_inject_fini(struct filchi_inject *inject)
{
    segments_free(inject->memory, inject->oldest);
    segments_free(inject->memory, inject->spare);
    pthread_mutex_destroy(&inject->consumer);
    pthread_mutex_destroy(&inject->growth);
}

/* Under `growth`: the segment after this one, added if need be. NULL without memory. */
static struct filchi_segment *next_of(struct filchi_inject *inject, struct filchi_segment *segment)
{
    if (segment->next)
        return segment->next;
    struct filchi_segment *added = inject->spare;
    if (added)
        inject->spare = added->next;
    else
        added = segment_create(inject->memory);
    if (!added)
        return NULL;
    uint64_t first = atomic_load_explicit(&segment->first, memory_order_relaxed); /* relaxed: locked. */
    /* release B4: pairs with acquire B4 in filchi_inject_push(), where a producer may still look at a spare segment: it
     * then sees that another one is the newest. */
    atomic_store_explicit(&added->first, first + FILCHI_SEGMENT, memory_order_release);
    added->next = NULL;
    segment->next = added;
    return added;
}

/* Under `growth`. */
static void set_newest(struct filchi_inject *inject, struct filchi_segment *segment)
{
    /* release B4: pairs with acquire B4 in filchi_inject_push(); the segment's first ticket and its empty slots. */
    atomic_store_explicit(&inject->newest, segment, memory_order_release);
}

/* A producer for whose ticket, behind the segment, there is no slot in it: goes on to the next, or waits for who does
 * so at this moment. That segment may be the newest again, with other tickets: then somebody went on long ago. */
static int grow(struct filchi_inject *inject, const struct filchi_segment *segment, uint64_t ticket)
{
    int rc = 0;
    pthread_mutex_lock(&inject->growth);
    /* relaxed, both: locked. */
    struct filchi_segment *newest = atomic_load_explicit(&inject->newest, memory_order_relaxed);
    if (newest == segment &&
        ticket - atomic_load_explicit(&newest->first, memory_order_relaxed) == FILCHI_SEGMENT) {
        struct filchi_segment *next = next_of(inject, newest);
        if (next)
            set_newest(inject, next);
        else
            rc = -ENOMEM;
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

int filchi_inject_push(struct filchi_inject *inject, void *item)
{
    /* relaxed: a guess, checked by the CAS. */
    uint64_t ticket = atomic_load_explicit(&inject->tail, memory_order_relaxed);
    for (;;) {
        /* acquire B4: pairs with release B4 in set_newest(). */
        struct filchi_segment *segment = atomic_load_explicit(&inject->newest, memory_order_acquire);
        /* acquire B4: pairs with release B4 in next_of(). */
        uint64_t first = atomic_load_explicit(&segment->first, memory_order_acquire);
        uint64_t place = ticket - first;
        /* relaxed: by B4. Used again it may have tickets already, but must not give them out before it is the newest. */
        if (segment != atomic_load_explicit(&inject->newest, memory_order_relaxed))
            continue;
        if (place >= FILCHI_SEGMENT) {
            /* Behind it: somebody must go on to the next, or does. Else our ticket is an old one. */
            if (ticket > first && grow(inject, segment, ticket))
                return -ENOMEM;
            ticket = atomic_load_explicit(&inject->tail, memory_order_relaxed); /* relaxed: as above. */
            continue;
        }
        /* relaxed: the number alone; B3 publishes what goes into the slot. */
        if (atomic_compare_exchange_weak_explicit(&inject->tail, &ticket, ticket + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            /* release B3: pairs with acquire B3 in take(); publishes the item. */
            atomic_store_explicit(&segment->slots[place], item, memory_order_release);
            return 0;
        }
    }
}

/* Under `growth`: whether there are segments for n tickets more than fit into the newest. */
static bool make_room(struct filchi_inject *inject, struct filchi_segment *newest, size_t n)
{
    struct filchi_segment *segment = newest;
    for (size_t room = 0; segment && room < n; room += FILCHI_SEGMENT)
        segment = next_of(inject, segment);
    return segment;
}

/* n tickets, the first of them and its segment. While we hold the lock others cannot go beyond the newest one. */
static struct filchi_segment *reserve(struct filchi_inject *inject, size_t n, uint64_t *out_ticket)
{
    pthread_mutex_lock(&inject->growth);
    struct filchi_segment *first =
        atomic_load_explicit(&inject->newest, memory_order_relaxed); /* relaxed: locked. */
    if (make_room(inject, first, n)) {
        /* relaxed, all: as in filchi_inject_push(), and locked. */
        uint64_t ticket = atomic_load_explicit(&inject->tail, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&inject->tail, &ticket, ticket + n, memory_order_relaxed,
                                                      memory_order_relaxed))
            continue;
        if (ticket - atomic_load_explicit(&first->first, memory_order_relaxed) == FILCHI_SEGMENT)
            first = first->next; /* that one is full, and may be used again as soon as we unlock */
        struct filchi_segment *last = first;
        while (ticket + n - atomic_load_explicit(&last->first, memory_order_relaxed) > FILCHI_SEGMENT)
            last = last->next;
        set_newest(inject, last);
        *out_ticket = ticket;
    } else {
        first = NULL;
    }
    pthread_mutex_unlock(&inject->growth);
    return first;
}

int filchi_inject_push_many(struct filchi_inject *inject, void *const *items, size_t n)
{
    uint64_t ticket = 0;
    struct filchi_segment *segment = reserve(inject, n, &ticket);
    if (!segment)
        return -ENOMEM;
    /* relaxed: ours until its slots are filled. */
    uint64_t place = ticket - atomic_load_explicit(&segment->first, memory_order_relaxed);
    for (size_t i = 0; i < n; place = 0) {
        /* Before: with its last slot filled the consumer may give it back. It is there, as reserve() made room for n.
         * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        struct filchi_segment *next = n - i > FILCHI_SEGMENT - place ? segment->next : NULL;
        for (; i < n && place < FILCHI_SEGMENT; i++, place++)
            /* release B3: pairs with acquire B3 in take(); publishes the item. */
            atomic_store_explicit(&segment->slots[place], items[i], memory_order_release);
        segment = next;
    }
    return 0;
}

/* ---- The consumer ---- */

/* The slots from that of the ticket `head` on, which was given out; *n: how many of them follow in one segment. */
static const _Atomic(void *) *slots_from(struct filchi_inject *inject, uint64_t head, uint64_t *n)
{
    /* relaxed: the consumer's segment is not used again before it says so. */
    uint64_t place = head - atomic_load_explicit(&inject->oldest->first, memory_order_relaxed);
    if (place == FILCHI_SEGMENT) {
        drop_oldest(inject);
        place = 0;
    }
    if (*n > FILCHI_SEGMENT - place)
        *n = FILCHI_SEGMENT - place;
    return &inject->oldest->slots[place];
}

/* The item in a slot. NULL if its producer has only its ticket so far and we need not `wait`. */
static void *take(const _Atomic(void *) *slot, bool wait)
{
    /* acquire B3: pairs with release B3 in filchi_inject_push(). */
    void *item = atomic_load_explicit(slot, memory_order_acquire);
    for (unsigned spins = 0; !item && wait; spins++) {
        filchi_os_relax(spins);
        item = atomic_load_explicit(slot, memory_order_acquire); /* acquire B3: as above. */
    }
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
        uint64_t one = 1;
        item = take(slots_from(inject, head, &one), true);
        /* release B5: pairs with acquire B5 in filchi_inject_empty(). */
        atomic_store_explicit(&inject->head, head + 1, memory_order_release);
    }
    pthread_mutex_unlock(&inject->consumer);
    return item;
}

/* ---- Batches ---- */

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
    uint64_t n = available(inject, head), i = 0;
    if (n > most)
        n = most;
    if (n > FILCHI_BATCH)
        n = FILCHI_BATCH;
    const _Atomic(void *) *slots = n ? slots_from(inject, head, &n) : NULL;
    for (void *item; i < n && (item = take(&slots[i], i == 0)); i++)
        /* relaxed: published by B1. A thief that still reads the slot's old item fails its CAS. */
        atomic_store_explicit(&batch->slots[(tail + i) % FILCHI_BATCH], item, memory_order_relaxed);
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
            atomic_load_explicit(&batch->slots[(head + FILCHI_AHEAD) % FILCHI_BATCH], memory_order_relaxed));
        /* release B2, acquire B2 on failure: pairs with itself; the slot was read before the owner, who sees head == tail,
         * refills it. */
        if (atomic_compare_exchange_weak_explicit(&batch->head, &head, head + 1, memory_order_release,
                                                  memory_order_acquire))
            return item;
    }
}

void *filchi_batch_peek(const struct filchi_batch *batch)
{
    /* relaxed, all: the tail and the slots are the owner's own, the head is a guess. */
    uint64_t head = atomic_load_explicit(&batch->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&batch->tail, memory_order_relaxed))
        return NULL;
    return atomic_load_explicit(&batch->slots[head % FILCHI_BATCH], memory_order_relaxed);
}

unsigned filchi_batch_take_all(struct filchi_batch *batch, void *items[FILCHI_BATCH])
{
    uint64_t tail = atomic_load_explicit(&batch->tail, memory_order_relaxed); /* relaxed: the owner's own. */
    uint64_t head = atomic_load_explicit(&batch->head, memory_order_relaxed); /* relaxed: checked by the CAS. */
    do {
        for (uint64_t at = head; at < tail; at++) /* relaxed: the owner's own. */
            items[at - head] = atomic_load_explicit(&batch->slots[at % FILCHI_BATCH], memory_order_relaxed);
        /* acq_rel B2: pairs with itself, as in filchi_batch_take(): we may refill it. */
    } while (!atomic_compare_exchange_weak_explicit(&batch->head, &head, tail, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return (unsigned)(tail - head);
}

void filchi_batch_put_back(struct filchi_batch *batch, void *const *items, unsigned n)
{
    uint64_t tail = atomic_load_explicit(&batch->tail, memory_order_relaxed); /* relaxed: the owner's own. */
    for (unsigned i = 0; i < n; i++)                                          /* relaxed: published by B1. */
        atomic_store_explicit(&batch->slots[(tail + i) % FILCHI_BATCH], items[i], memory_order_relaxed);
    /* release B1: pairs with acquire B1 in filchi_batch_take(); publishes the slots. */
    atomic_store_explicit(&batch->tail, tail + n, memory_order_release);
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
