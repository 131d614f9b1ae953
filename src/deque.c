/* SPDX-License-Identifier: MIT */
/* The work-stealing deque: see deque.h. */
#include "deque.h"

#include "os.h"

#include <errno.h>

static struct filchi_deque_array *array_create(const filch_allocator *memory, int64_t size)
{
    struct filchi_deque_array *array = filchi_memory_alloc(memory, _Alignof(struct filchi_deque_array),
                                                           sizeof *array + (size_t)size * sizeof array->slots[0]);
    if (array)
        array->mask = size - 1;
    return array;
}

static _Atomic(void *) *slot(struct filchi_deque_array *array, int64_t index)
{
    return &array->slots[index & array->mask];
}

int filchi_deque_init(struct filchi_deque *deque)
{
    return filchi_deque_init_from(deque, NULL);
}

int filchi_deque_init_from(struct filchi_deque *deque, const filch_allocator *memory)
{
    struct filchi_deque_array *array = array_create(memory, FILCHI_DEQUE_FIRST);
    if (!array)
        return -ENOMEM;
    atomic_init(&deque->bottom, 0);
    atomic_init(&deque->top, 0);
    atomic_init(&deque->array, array);
    deque->retired = NULL;
    deque->memory = memory;
    return 0;
}

void filchi_deque_fini(struct filchi_deque *deque)
{
    filchi_deque_reclaim(deque);
    /* relaxed: the only user left. */
    filchi_memory_free(deque->memory, atomic_load_explicit(&deque->array, memory_order_relaxed));
}

void filchi_deque_reclaim(struct filchi_deque *deque)
{
    for (struct filchi_deque_array *array = deque->retired, *older; array; array = older) {
        older = array->older;
        filchi_memory_free(deque->memory, array);
    }
    deque->retired = NULL;
}

/* Replaces the array by a larger one, with room for n more than there are. NULL without memory. */
static struct filchi_deque_array *grow(struct filchi_deque *deque, struct filchi_deque_array *array, int64_t top,
                                       int64_t bottom, int64_t n)
{
    int64_t size = 2 * (array->mask + 1);
    while (size < bottom - top + n)
        size *= 2;
    struct filchi_deque_array *larger = array_create(deque->memory, size);
    if (!larger)
        return NULL;
    for (int64_t i = top; i < bottom; i++) {
        /* relaxed: the owner wrote them; thieves get the copies by release D2. */
        void *item = atomic_load_explicit(slot(array, i), memory_order_relaxed);
        atomic_store_explicit(slot(larger, i), item, memory_order_relaxed);
    }
    array->older = deque->retired;
    deque->retired = array;
    /* release D2: pairs with acquire D2 in filchi_deque_steal(); publishes the copied slots. */
    atomic_store_explicit(&deque->array, larger, memory_order_release);
    return larger;
}

int filchi_deque_push(struct filchi_deque *deque, void *item)
{
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed); /* relaxed: the owner's own. */
    /* acquire D3: pairs with the CAS D3 of the thieves; the slot of a taken item has been read before it is
     * reused. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);
    struct filchi_deque_array *array =
        atomic_load_explicit(&deque->array, memory_order_relaxed); /* relaxed: own. */
    if (bottom - top > array->mask) {
        array = grow(deque, array, top, bottom, 1);
        if (!array)
            return -ENOMEM;
    }
    atomic_store_explicit(slot(array, bottom), item, memory_order_relaxed); /* relaxed: published by D1. */
    /* release D1: pairs with acquire D1 in filchi_deque_steal(); publishes the slot and the item behind it. */
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_release);
    return 0;
}

int filchi_deque_push_many(struct filchi_deque *deque, void *const *items, size_t n)
{
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed); /* relaxed: the owner's own. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);       /* acquire D3: as in push. */
    struct filchi_deque_array *array =
        atomic_load_explicit(&deque->array, memory_order_relaxed); /* relaxed: own. */
    if (bottom - top + (int64_t)n > array->mask + 1) {
        array = grow(deque, array, top, bottom, (int64_t)n);
        if (!array)
            return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(slot(array, bottom + (int64_t)i), items[i],
                              memory_order_relaxed); /* relaxed: by D1. */
    /* release D1: as in push, for all of them. */
    atomic_store_explicit(&deque->bottom, bottom + (int64_t)n, memory_order_release);
    return 0;
}

void *filchi_deque_pop(struct filchi_deque *deque)
{
    if (filchi_deque_empty(deque)) /* to the owner it stays so: bottom is its own, and top only grows */
        return NULL;
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1; /* relaxed: the owner's own. */
    struct filchi_deque_array *array =
        atomic_load_explicit(&deque->array, memory_order_relaxed); /* relaxed: own. */
    /* release D1: as in push. Relaxed, a thief could read this bottom and a slot that no release published
     * to it. */
    atomic_store_explicit(&deque->bottom, bottom, memory_order_release);
    filchi_fence_store_load(); /* vs the fence in filchi_deque_steal(): one of the two sees the other's claim. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_relaxed); /* relaxed: ordered by the fence. */
    void *item = NULL;
    if (top <= bottom)
        item = atomic_load_explicit(slot(array, bottom), memory_order_relaxed); /* relaxed: the owner wrote it. */
    if (top < bottom)
        return item;
    if (top == bottom) {
        /* seq_cst D3 vs D3 in filchi_deque_steal(): the last item goes to whoever moves top. */
        if (!atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1, memory_order_seq_cst,
                                                     memory_order_relaxed))
            item = NULL;
    }
    /* release D1: pairs with acquire D1 in filchi_deque_steal(), as in push. */
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_release);
    return item;
}

void *filchi_deque_peek(struct filchi_deque *deque)
{
    /* relaxed: bottom, array and slot are the owner's own; top only grows, and pop decides. */
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    if (atomic_load_explicit(&deque->top, memory_order_relaxed) >= bottom)
        return NULL;
    struct filchi_deque_array *array = atomic_load_explicit(&deque->array, memory_order_relaxed);
    return atomic_load_explicit(slot(array, bottom - 1), memory_order_relaxed);
}

enum filchi_deque_steal filchi_deque_steal(struct filchi_deque *deque, void **out)
{
    /* acquire D3: pairs with the CAS D3; a later top never goes with an earlier bottom. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);
    filchi_fence_store_load(); /* vs the fence in filchi_deque_pop() */
    /* acquire D1: pairs with release D1 in push and pop. */
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_acquire);
    if (top >= bottom)
        return FILCHI_DEQUE_EMPTY;
    /* acquire D2: pairs with release D2 in grow(). Loaded after bottom, so that it holds all items below it. */
    struct filchi_deque_array *array = atomic_load_explicit(&deque->array, memory_order_acquire);
    /* relaxed: published by D1 or D2. Read before the CAS: after it the owner may reuse the slot. */
    void *item = atomic_load_explicit(slot(array, top), memory_order_relaxed);
    /* seq_cst D3 vs D3 in filchi_deque_pop() and other thieves; releases the slot to acquire D3 in push. */
    if (!atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1, memory_order_seq_cst,
                                                 memory_order_relaxed))
        return FILCHI_DEQUE_LOST;
    *out = item;
    return FILCHI_DEQUE_TOOK;
}

int64_t filchi_deque_size(const struct filchi_deque *deque)
{
    /* relaxed: an answer for the moment only. */
    int64_t size = atomic_load_explicit(&deque->bottom, memory_order_relaxed) -
                   atomic_load_explicit(&deque->top, memory_order_relaxed);
    return size > 0 ? size : 0;
}

bool filchi_deque_empty(const struct filchi_deque *deque)
{
    /* relaxed: a hint; where it decides about sleeping a store-load fence stands before it. */
    return atomic_load_explicit(&deque->top, memory_order_relaxed) >=
           atomic_load_explicit(&deque->bottom, memory_order_relaxed);
}

size_t filchi_deque_count(const struct filchi_deque *deque)
{
    /* relaxed: numbers to look at, of two moments. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_relaxed);
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    return bottom > top ? (size_t)(bottom - top) : 0;
}
