/* SPDX-License-Identifier: MIT */
/*
 * Memory for tasks: objects of one line, cut from 64 KiB chunks whose header names the slab they belong to. One
 * owner allocates; anyone frees. The owner's frees go to its private list, the others' to a shared stack that
 * the owner takes whole when its own list is empty, so that there is no ABA.
 *
 * Invariant: an object that is free is zero but for its first word.
 */
#ifndef FILCHI_SLAB_H
#define FILCHI_SLAB_H

#include "atomic.h"
#include "memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define FILCHI_SLAB_OBJECT ((size_t)FILCHI_LINE)

struct filchi_slab_home;

/* Objects that others than the owner freed. */
struct filchi_slab_returns {
    /* others push, the owner takes all; once the pool is gone a mark that says so */
    _Alignas(FILCHI_LINE) _Atomic(void *) top;
};

struct filchi_slab {
    struct filchi_slab_home *home;       /* constant */
    struct filchi_slab_returns *returns; /* constant; lies in the home, which outlives the slab */
    void *free;                          /* owner */
    char *next, *end;                    /* owner: the part of the last chunk never used so far */
    char *arena, *arena_end;             /* owner: chunks not cut yet */
    size_t carved;                       /* owner: objects ever cut */
    /* Owner: objects of another slab that it has freed, and gives back together. */
    struct filchi_slab_returns *leaving_to;
    void *leaving, *leaving_last;
    size_t n_leaving;
};

/* The memory of the n slabs of one pool. It outlives the pool until the last object is free. NULL without
 * memory. */
struct filchi_slab_home *filchi_slab_home_create(size_t n);
/* The same from an allocator, which must last as long as the home; NULL: the system's memory. */
struct filchi_slab_home *filchi_slab_home_create_from(const filch_allocator *memory, size_t n);
/* One caller at a time: room for n more slabs. 0 or -ENOMEM. */
int filchi_slab_home_extend(struct filchi_slab_home *home, size_t n);
/* Who made it, once: what filchi_slab_user_of() gives for its objects; release(user) is called as the home is freed. */
void filchi_slab_home_set_user(struct filchi_slab_home *home, void *user, void (*release)(void *user));
/* Closes all n slabs, from which nobody allocates any more; frees everything now or with the last live object. */
void filchi_slab_home_close(struct filchi_slab_home *home, struct filchi_slab *const *slabs, size_t n);

/* The slab number `index` of the home. */
void filchi_slab_init(struct filchi_slab *slab, struct filchi_slab_home *home, size_t index);

/* As the next, where no object that was freed is at hand. */
void *filchi_slab_alloc_other(struct filchi_slab *slab);

/* The owner. An object with all bytes zero but the first word, or NULL. */
static inline void *filchi_slab_alloc(struct filchi_slab *slab)
{
    void *object = slab->free;
    if (!object)
        return filchi_slab_alloc_other(slab);
    memcpy(&slab->free, object, sizeof slab->free);
    return object;
}

/* Anyone; `mine` is a slab that the caller owns at this moment, or NULL. The object is zero but for its
 * first word. */
void filchi_slab_free(void *object, struct filchi_slab *mine);

/* The owner, before it has nothing more to do for a while: gives back what it holds of others. */
void filchi_slab_flush(struct filchi_slab *slab);

/* Anyone: which home an object is from. */
const struct filchi_slab_home *filchi_slab_home_of(const void *object);
/* Anyone: the user of that home. */
void *filchi_slab_user_of(const void *object);

/* The slab that the calling thread owns at this moment; set with the worker. */
extern _Thread_local struct filchi_slab *filchi_slab_here;

#endif
