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
#include "lane.h"
#include "slab.h"

#include <filch/filch.h>

#define FILCHI_NAME_INLINE 16

struct filchi_plan;

enum filchi_name_kind {
    FILCHI_NAME_NONE_OR_FULL, /* none if it is empty */
    FILCHI_NAME_SHORT,
    FILCHI_NAME_BLOCK, /* of its own */
};

struct filchi_cold {
    _Alignas(FILCHI_LINE) _Atomic(filch_error *) error; /* runner, or who first asks */
    void (*arg_dtor)(void *);                           /* submitter */
    union {
        void (*result_dtor)(void *); /* runner */
        struct filchi_note *note;    /* if NOTED: submitter, and between attempts; see observer.h */
        uint64_t stamp;              /* if TIMED: submitter; see metrics.h */
    };
    union {
        char
            name_inline[FILCHI_NAME_INLINE]; /* submitter; the last byte of a full one is its end, else the next: */
        struct {
            char *name_block;
            char unused[FILCHI_NAME_INLINE - sizeof(char *) - 1];
            char name_kind; /* a filchi_name_kind */
        };
    };
    struct filchi_group *group; /* submitter; its scope, or NULL */
    struct filchi_plan *plan;   /* submitter; when it starts later or again, else NULL */
    uintptr_t route;            /* submitter; see lane.h, with a reference to the lane */
};
_Static_assert(sizeof(struct filchi_cold) == FILCHI_SLAB_OBJECT, "an object like any other");

/* The name, or NULL. */
static inline const char *filchi_cold_name(const struct filchi_cold *cold)
{
    if (cold->name_kind == FILCHI_NAME_BLOCK)
        return cold->name_block;
    return cold->name_inline[0] || cold->name_kind ? cold->name_inline : NULL;
}
/* The submitter: a name with its end that fits; or a block. */
void filchi_cold_set_name(struct filchi_cold *cold, const char *name, char *block);

/* What futures share that need one when there is no memory: its error says so. Read only. */
extern struct filchi_cold filchi_cold_stand_in;

/* The owner of the slab. NULL without memory. */
struct filchi_cold *filchi_cold_alloc(struct filchi_slab *slab);
/* Anyone: from the slab if not NULL, else from the heap. Without memory what stands in. */
struct filchi_cold *filchi_cold_create(struct filchi_slab *slab);
/* The last one who uses it, with all that it owns; `on_heap`: it was created without a slab. */
void filchi_cold_free(struct filchi_cold *cold, bool on_heap);

#endif
