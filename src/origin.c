/* SPDX-License-Identifier: MIT */
/* What outlives a pool: see origin.h. */
#include "origin.h"

#include "observer.h"

struct filchi_origin *filchi_origin_create(void)
{
    struct filchi_origin *origin = filchi_os_alloc(sizeof *origin);
    if (!origin)
        return NULL;
    if (filchi_os_process_init(&origin->process)) {
        filchi_os_free(origin);
        return NULL;
    }
    pthread_mutex_init(&origin->lock, NULL);
    atomic_init(&origin->refs, 1);
    return origin;
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
    pthread_mutex_destroy(&origin->lock);
    filchi_os_process_fini(&origin->process);
    if (origin->observer)
        filchi_os_free(origin->observer->metrics);
    filchi_os_free(origin->observer);
    filchi_os_free(origin);
}

void filchi_origin_close(struct filchi_origin *origin)
{
    pthread_mutex_lock(&origin->lock);
    origin->pool = NULL;
    pthread_mutex_unlock(&origin->lock);
}
