/* SPDX-License-Identifier: MIT */
/* Memory of a pool: from the system, or from the allocator that the pool was created with. */
#ifndef FILCHI_MEMORY_H
#define FILCHI_MEMORY_H

#include "os.h"

#include <filch/filch.h>

/* Zeroed memory; `from` NULL: the system's. NULL without. Not inline: callers on hot paths seldom come here. */
void *filchi_memory_alloc(const filch_allocator *from, size_t align, size_t size);
/* To where it came from. NULL is allowed. */
void filchi_memory_free(const filch_allocator *to, void *memory);

/* Zeroed, for slabs: `size` bytes, aligned to that if they are the system's, else to `align`. */
void *filchi_memory_pages(const filch_allocator *from, size_t align, size_t size, bool huge);
void filchi_memory_pages_free(const filch_allocator *to, void *pages, size_t align, size_t size);

#endif
