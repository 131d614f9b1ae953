/* SPDX-License-Identifier: MIT */
/* A queue of words, first in first out, under a lock of the user's: an array in segments, so that adding one never takes
 * longer the more there are. */
#ifndef FILCHI_FIFO_H
#define FILCHI_FIFO_H

#include <stddef.h>
#include "memory.h"

#if defined(FILCH_MODEL)
#define FILCHI_FIFO_SEGMENT 1
#elif defined(FILCH_TESTING)
#define FILCHI_FIFO_SEGMENT 3
#else
#define FILCHI_FIFO_SEGMENT 126
#endif

struct filchi_fifo_segment {
    struct filchi_fifo_segment *next;
    uintptr_t items[FILCHI_FIFO_SEGMENT];
};

/* All of it under the user's lock. Empty when zero, of the system's memory. */
struct filchi_fifo {
    struct filchi_fifo_segment *first, *last; /* NULL: none was needed so far */
    size_t head, tail;                        /* of first's and last's items */
    size_t n;
    const filch_allocator *memory; /* constant: where segments come from */
};

/* 0, or -ENOMEM, and nothing has changed. */
int filchi_fifo_push(struct filchi_fifo *fifo, uintptr_t item);
/* The oldest; there must be one. */
uintptr_t filchi_fifo_pop(struct filchi_fifo *fifo);
/* The oldest that `is_it`, taken out of its turn; 0 if there is none. Those before it move. */
uintptr_t filchi_fifo_pick(struct filchi_fifo *fifo, int (*is_it)(uintptr_t item, void *arg), void *arg);
/* The memory; items left are the user's concern. */
void filchi_fifo_fini(struct filchi_fifo *fifo);

#endif
