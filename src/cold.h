/* SPDX-License-Identifier: MIT */
/*
 * The part of a task that only some have: a name, an error, destructors, a plan. An object of its own, of the size of
 * a future, so that one kind of slab serves both.
 *
 * Invariant: once a future has one it keeps it; only what stands in for one may be replaced, by the runner.
 */
#ifndef FILCHI_COLD_H
#define FILCHI_COLD_H

#include "group.h"
#include "slab.h"

#include <filch/filch.h>

#define FILCHI_NAME_INLINE 16

struct filchi_plan;

struct filchi_cold {
    _Alignas(FILCHI_LINE) _Atomic(filch_error *) error; /* runner, or who first asks */
    void (*arg_dtor)(void *);                           /* submitter */
    union {
        void (*result_dtor)(void *); /* runner */
        struct filchi_note *note;    /* if NOTED: submitter, and between attempts; see observer.h */
        uint64_t stamp;              /* if TIMED: submitter; see metrics.h */
    };
    const char *name; /* submitter: name_inline or a block of its own */
    char name_inline[FILCHI_NAME_INLINE];
    struct filchi_group *group; /* submitter; its scope, or NULL */
    struct filchi_plan *plan;   /* submitter; when it starts later or again, else NULL */
};
_Static_assert(sizeof(struct filchi_cold) == FILCHI_SLAB_OBJECT, "an object like any other");

/* What futures share that need one when there is no memory: its error says so. Read only. */
extern struct filchi_cold filchi_cold_stand_in;

/* The owner of the slab. NULL without memory. */
struct filchi_cold *filchi_cold_alloc(struct filchi_slab *slab);
/* Anyone: from the slab if not NULL, else from the heap. Without memory what stands in. */
struct filchi_cold *filchi_cold_create(struct filchi_slab *slab);
/* The last one who uses it, with all that it owns; `on_heap`: it was created without a slab. */
void filchi_cold_free(struct filchi_cold *cold, bool on_heap);

#endif
