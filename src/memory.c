/* SPDX-License-Identifier: MIT */
/* Memory of a pool: see memory.h. */
#include "memory.h"

#include <string.h>

/* Before each block, at the end of the room that its alignment asks for: what the allocator is to be told when it is
 * freed. */
struct header {
    size_t size;  /* all of it */
    size_t align; /* of it, and the distance from its beginning to the block */
};

static void *alloc_from(const filch_allocator *from, size_t align, size_t size)
{
    size_t before = align < sizeof(struct header) ? sizeof(struct header) : align; /* both are powers of two */
    if (size > SIZE_MAX / 2)
        return NULL;
    char *whole = from->alloc(before + size, before, from->arg);
    if (!whole)
        return NULL;
    memset(whole, 0, before + size);
    struct header header = { before + size, before };
    memcpy(whole + before - sizeof header, &header, sizeof header);
    return whole + before;
}

static void free_to(const filch_allocator *to, void *memory)
{
    struct header header;
    if (!memory)
        return;
    memcpy(&header, (char *)memory - sizeof header, sizeof header);
    to->free((char *)memory - header.align, header.size, header.align, to->arg);
}

void *filchi_memory_alloc(const filch_allocator *from, size_t align, size_t size)
{
    if (from)
        return alloc_from(from, align, size);
    return align <= _Alignof(max_align_t) ? filchi_os_alloc(size) : filchi_os_alloc_aligned(align, size);
}

void filchi_memory_free(const filch_allocator *to, void *memory)
{
    if (to)
        free_to(to, memory);
    else
        filchi_os_free(memory);
}

void *filchi_memory_pages(const filch_allocator *from, size_t align, size_t size, bool huge)
{
    if (!from)
        return filchi_os_pages(size, huge);
    void *pages = from->alloc(size, align, from->arg);
    return pages ? memset(pages, 0, size) : NULL;
}

void filchi_memory_pages_free(const filch_allocator *to, void *pages, size_t align, size_t size)
{
    if (to)
        to->free(pages, size, align, to->arg);
    else
        filchi_os_pages_free(pages, size);
}
