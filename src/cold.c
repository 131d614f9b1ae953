/* SPDX-License-Identifier: MIT */
/* The part of a task that only some have: see cold.h. */
#include "cold.h"

#include "belongs.h"
#include "error.h"
#include "future.h"
#include "os.h"
#include "plan.h"

#include <string.h>

struct filchi_cold filchi_cold_stand_in = { .error = &filchi_error_out_of_memory };

struct filchi_cold *filchi_cold_alloc(struct filchi_slab *slab)
{
    struct filchi_cold *cold = filchi_slab_alloc(slab);
    if (cold)
        atomic_init(&cold->error, NULL); /* all else is zero */
    return cold;
}

struct filchi_cold *filchi_cold_create(struct filchi_slab *slab)
{
    struct filchi_cold *cold =
        slab ? filchi_cold_alloc(slab) : filchi_os_alloc_aligned(_Alignof(struct filchi_cold), sizeof *cold);
    return cold ? cold : &filchi_cold_stand_in;
}

void filchi_cold_free(struct filchi_cold *cold, bool on_heap)
{
    if (cold == &filchi_cold_stand_in)
        return;
    filch_error_unref(atomic_load_explicit(&cold->error, memory_order_relaxed)); /* relaxed: nobody else is left. */
    if (cold->name_kind == FILCHI_NAME_BLOCK)
        filchi_os_free(cold->name_block);
    filch_lane_unref(filchi_route_lane(cold->route));
    if (cold->plan)
        filchi_plan_free(cold->plan);
    if (on_heap) {
        filchi_os_free(cold);
        return;
    }
    memset(cold, 0, sizeof *cold); /* as free objects must be */
    filchi_slab_free(cold, filchi_slab_here);
}

void filchi_cold_set_name(struct filchi_cold *cold, const char *name, char *block)
{
    size_t length = block ? 0 : strlen(name);
    if (block) {
        cold->name_block = block;
        cold->name_kind = FILCHI_NAME_BLOCK;
        return;
    }
    memcpy(cold->name_inline, name, length);
    if (length < FILCHI_NAME_INLINE - 1)
        cold->name_kind = FILCHI_NAME_SHORT;
}

/* ---- Of a future ---- */

filch_future *filchi_future_alloc_cold(struct filchi_slab *slab, filch_future *future)
{
    struct filchi_cold *cold = filchi_cold_alloc(slab);
    if (!cold) {
        filchi_slab_free(future, slab);
        return NULL;
    }
    atomic_init(&future->cold, cold);
    return future;
}

struct filchi_cold *filchi_future_add_cold(filch_future *future, struct filchi_cold *old)
{
    struct filchi_slab *slab = filchi_slab_here;
    if (slab && (slab->home != filchi_slab_home_of(future) || !filchi_future_here(future)))
        slab = NULL;
    struct filchi_cold *made = filchi_cold_create(slab);
    /* release F4, on failure acquire F4: pairs with itself and filchi_future_cold(); publishes it, or sees that of
     * another. */
    if (!atomic_compare_exchange_strong_explicit(&future->cold, &old, made, memory_order_release,
                                                 memory_order_acquire)) {
        filchi_cold_free(made, !slab);
        return old;
    }
    if (!slab && made != &filchi_cold_stand_in)
        filchi_future_mark(future, FILCHI_COLD_ON_HEAP);
    return made;
}

struct filchi_cold *filchi_future_own_cold(filch_future *future)
{
    struct filchi_cold *cold = filchi_future_cold(future);
    return cold && cold != &filchi_cold_stand_in ? cold : filchi_future_add_cold(future, cold);
}

void filchi_future_attach_error(filch_future *future, filch_error *error)
{
    struct filchi_cold *cold = filchi_future_own_cold(future);
    filch_error *old = error;
    if (cold != &filchi_cold_stand_in) { /* relaxed: the runner's own until the final state publishes it. */
        old = atomic_load_explicit(&cold->error, memory_order_relaxed);
        atomic_store_explicit(&cold->error, error, memory_order_relaxed); /* relaxed: as above. */
    }
    filch_error_unref(old);
}
