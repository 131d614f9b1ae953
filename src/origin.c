/* SPDX-License-Identifier: MIT */
/* What outlives a pool: see origin.h. */
#include "origin.h"

struct filchi_origin *filchi_origin_create(void)
{
    struct filchi_origin *origin = filchi_os_alloc_aligned(_Alignof(struct filchi_origin), sizeof *origin);
    if (!origin)
        return NULL;
    if (filchi_os_process_init(&origin->process))
        goto free_memory;
    if (filchi_lanes_init(&origin->lanes))
        goto fini_process;
    atomic_init(&origin->refs, 1);
    return origin;
fini_process:
    filchi_os_process_fini(&origin->process);
free_memory:
    filchi_os_free(origin);
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
    filchi_os_process_fini(&origin->process);
    filchi_os_free(origin);
}
