/* SPDX-License-Identifier: MIT */
/*
 * The work-stealing deque: its owner pushes and pops at the bottom, newest first; thieves take from the top,
 * oldest first. It knows pointers, not tasks. docs/design/deque.md walks through it.
 *
 * Source: Chase and Lev, "Dynamic Circular Work-Stealing Deque", SPAA 2005; memory orders after Le, Pop, Cohen
 * and Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models", PPoPP 2013.
 *
 * Invariant: items live at [top, bottom) modulo the array's size; only the owner moves bottom, top only grows.
 */
#ifndef FILCHI_DEQUE_H
#define FILCHI_DEQUE_H

#include "atomic.h"
#include "memory.h"

#include <stdbool.h>
#include <stddef.h>

/* Items of the first array; a power of two. */
#ifdef FILCH_TESTING
#define FILCHI_DEQUE_FIRST INT64_C(2)
#else
#define FILCHI_DEQUE_FIRST INT64_C(256)
#endif

struct filchi_deque_array {
    int64_t mask;                     /* constant: size - 1 */
    struct filchi_deque_array *older; /* owner, once retired */
    _Atomic(void *) slots[];          /* the owner writes, everybody reads */
};

struct filchi_deque {
    /* The owner writes, thieves read. */
    _Alignas(FILCHI_LINE) _Atomic int64_t bottom;
    _Atomic(struct filchi_deque_array *) array;
    struct filchi_deque_array *retired; /* owner: replaced, perhaps still read by thieves */
    const filch_allocator *memory;      /* constant; NULL: the system's */
    /* Thieves write, and the owner for the last item. */
    _Alignas(FILCHI_LINE) _Atomic int64_t top;
};
_Static_assert(offsetof(struct filchi_deque, top) == FILCHI_LINE, "thieves' line is not the owner's");

enum filchi_deque_steal {
    FILCHI_DEQUE_EMPTY,
    FILCHI_DEQUE_LOST, /* somebody else took it: there may be more */
    FILCHI_DEQUE_TOOK,
};

/* 0 or -ENOMEM. Allocates the first array. */
int filchi_deque_init(struct filchi_deque *deque);
/* The same from an allocator, which must last as long as the deque; NULL: the system's memory. */
int filchi_deque_init_from(struct filchi_deque *deque, const filch_allocator *memory);
/* Nobody uses it any more; items left are the caller's concern. */
void filchi_deque_fini(struct filchi_deque *deque);

/* Owner. 0, or -ENOMEM if it had to grow and could not: then nothing changed. */
int filchi_deque_push(struct filchi_deque *deque, void *item);
/* Owner. The same for n items, the last of which is then the newest: all of them or none. */
int filchi_deque_push_many(struct filchi_deque *deque, void *const *items, size_t n);
/* Owner. The newest item, or NULL. */
void *filchi_deque_pop(struct filchi_deque *deque);
/* Owner. What pop would return unless a thief comes first; NULL if it looks empty. */
void *filchi_deque_peek(struct filchi_deque *deque);
/* Anyone, as a reader (or while the owner cannot reclaim). */
enum filchi_deque_steal filchi_deque_steal(struct filchi_deque *deque, void **out);
/* Anyone; an answer for that moment. How many items. */
int64_t filchi_deque_size(const struct filchi_deque *deque);
/* Anyone; an answer for that moment. */
bool filchi_deque_empty(const struct filchi_deque *deque);
/* Anyone: how many items it has; the same. */
size_t filchi_deque_count(const struct filchi_deque *deque);
/* Owner, with no reader left since the last push: frees the arrays that were replaced. */
void filchi_deque_reclaim(struct filchi_deque *deque);

#endif
