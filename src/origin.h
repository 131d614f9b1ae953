/* SPDX-License-Identifier: MIT */
/* What a pool's futures need of it even after its end. The pool and its slabs hold references. */
#ifndef FILCHI_ORIGIN_H
#define FILCHI_ORIGIN_H

#include "lane.h"
#include "memory.h"
#include "os.h"
#include "slab.h"

#include <filch/filch.h>

struct filchi_origin {
    const filch_allocator *memory;    /* constant; that of the pool, below; NULL: the system's */
    filch_allocator allocator;        /* constant */
    struct filchi_os_process process; /* constant: the pool's; in any other one it is dead */
    void (*on_unobserved)(const filch_error *error, void *arg); /* constant; NULL: none */
    void *unobserved_arg;                                       /* constant */
    bool waiters_help;    /* constant: a thread outside of tasks that waits for its futures works meanwhile */
    pthread_mutex_t lock; /* of `pool`; held before handoff's */
    filch_pool *pool;     /* NULL once it is about to go, and has no more events */
    struct filchi_observer *observer; /* constant, owned; NULL: none */
    /* Who cancels tasks and may still tell of it, a hook or a tracer, when the pool is drained; anyone. */
    _Atomic uint32_t dropping;
    _Atomic uint32_t refs;
    struct filchi_lanes lanes;
};

/* The caller owns a reference. NULL without memory. */
struct filchi_origin *filchi_origin_create(void);
/* The same with an allocator, copied; NULL: the system's memory. */
struct filchi_origin *filchi_origin_create_from(const filch_allocator *memory);
struct filchi_origin *filchi_origin_ref(struct filchi_origin *origin);
void filchi_origin_unref(struct filchi_origin *origin);

/* The pool is about to go: who has not found it so far must not. */
void filchi_origin_close(struct filchi_origin *origin);

/* Whether this process is the pool's: if not, nothing of it must be waited for, no lock of it taken. */
static inline bool filchi_origin_here(const struct filchi_origin *origin)
{
    return filchi_os_process_here(&origin->process);
}

/* Who holds the future, or is about to free it. */
static inline struct filchi_origin *filchi_origin_of(const filch_future *future)
{
    return filchi_slab_user_of(future);
}

#endif
