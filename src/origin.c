/* SPDX-License-Identifier: MIT */
/* What outlives a pool: see origin.h. */
#include "origin.h"

#include "observer.h"

struct filchi_origin *filchi_origin_create(void)
{
    return filchi_origin_create_from(NULL);
}

struct filchi_origin *filchi_origin_create_from(const filch_allocator *memory)
{
    struct filchi_origin *origin = filchi_memory_alloc(memory, _Alignof(struct filchi_origin), sizeof *origin);
    if (!origin)
        return NULL;
    if (filchi_os_process_init(&origin->process))
        goto free_memory;
    if (memory) {
        origin->allocator = *memory;
        origin->memory = &origin->allocator;
    }
    if (filchi_lanes_init(&origin->lanes, origin->memory))
        goto fini_process;
    pthread_mutex_init(&origin->lock, NULL);
    atomic_init(&origin->refs, 1);
    return origin;
fini_process:
    filchi_os_process_fini(&origin->process);
free_memory:
    filchi_memory_free(memory, origin);
    return NULL;
}

struct filchi_origin *filchi_origin_ref(struct filchi_origin *origin)
{
    atomic_fetch_add_explicit(&origin->refs, 1, memory_order_relaxed); /* relaxed: the caller holds one. */
    return origin;
}

void filchi_origin_unref(struct filchi_origin *origin)
{
    /* acq_rel O1: pairs with itself; the last one sees that all others are done with it. */
    if (atomic_fetch_sub_explicit(&origin->refs, 1, memory_order_acq_rel) != 1)
        return;
    filchi_lanes_fini(&origin->lanes);
    pthread_mutex_destroy(&origin->lock);
    filchi_os_process_fini(&origin->process);
    const filch_allocator copy = origin->allocator, *memory = origin->memory ? &copy : NULL;
    if (origin->observer)
        filchi_memory_free(memory, origin->observer->metrics);
    filchi_memory_free(memory, origin->observer);
    filchi_memory_free(memory, origin);
}

void filchi_origin_close(struct filchi_origin *origin)
{
    pthread_mutex_lock(&origin->lock);
    origin->pool = NULL;
    pthread_mutex_unlock(&origin->lock);
}
