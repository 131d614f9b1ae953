/* SPDX-License-Identifier: MIT */
/* Memory of a pool: from the system, or from the allocator that the pool was created with. */
#ifndef FILCHI_MEMORY_H
#define FILCHI_MEMORY_H

#include "os.h"

#include <filch/filch.h>

/* The allocator's parts of the next two. Before each block lies what the allocator is to be told when it is freed. */
void *filchi_memory_alloc_from(const filch_allocator *from, size_t align, size_t size);
void filchi_memory_free_to(const filch_allocator *to, void *memory);

/* Zeroed memory; `from` NULL: the system's. NULL without. */
static inline void *filchi_memory_alloc(const filch_allocator *from, size_t align, size_t size)
{
    return from ? filchi_memory_alloc_from(from, align, size) : filchi_os_alloc_aligned(align, size);
}

/* To where it came from. NULL is allowed. */
static inline void filchi_memory_free(const filch_allocator *to, void *memory)
{
    if (to)
        filchi_memory_free_to(to, memory);
    else
        filchi_os_free(memory);
}

/* Zeroed, for slabs: `size` bytes, aligned to that if they are the system's, else to `align`. */
void *filchi_memory_pages(const filch_allocator *from, size_t align, size_t size, bool huge);
void filchi_memory_pages_free(const filch_allocator *to, void *pages, size_t align, size_t size);

#endif
