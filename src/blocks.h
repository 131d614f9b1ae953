/* SPDX-License-Identifier: MIT */
/*
 * Blocks of one size, larger than an object of the slab, that are used again: once there were enough of them, making
 * one costs no call of malloc(). They stay until the end.
 */
#ifndef FILCHI_BLOCKS_H
#define FILCHI_BLOCKS_H

#include "atomic.h"

#include "memory.h"

#include <pthread.h>
#include <stddef.h>

struct filchi_blocks {
    size_t size;                                   /* constant */
    pthread_mutex_t lock;                          /* of `free` */
    void *free;                                    /* linked by their first words */
    const filch_allocator *memory;                 /* who made it; NULL: the system's */
    _Alignas(FILCHI_LINE) _Atomic(void *) returns; /* anyone pushes; all are taken when `free` is empty */
};

/* `size`: a multiple of a line. */
void filchi_blocks_init(struct filchi_blocks *blocks, size_t size);
/* No block is in use any more. */
void filchi_blocks_fini(struct filchi_blocks *blocks);

/* Anyone. Zeroed, at the beginning of a line; NULL without memory. */
void *filchi_blocks_alloc(struct filchi_blocks *blocks);
/* Anyone; without a lock. */
void filchi_blocks_free(struct filchi_blocks *blocks, void *block);

#endif
