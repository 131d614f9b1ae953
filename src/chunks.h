/* SPDX-License-Identifier: MIT */
/*
 * The chunks of a map, and the tasks that run them, the *pullers*. A puller claims the next chunk, or while chunks
 * are short a *run* of so many that they take a moment, and ends when it has run them.
 *
 * Invariant: while a chunk is left that nobody has started, one puller waits in the pool's queues, and never more
 * than one; it takes the first chunk that is unclaimed, and if there is none, of another puller's run what that has
 * not started. So one that blocks holds up nothing but the chunk it is in. Unless the chain is *broken*: that puller
 * was stopped or cancelled, or could not be submitted; then what is unclaimed will never run.
 *
 * Invariant: `failed` is the lowest chunk known to have failed; chunks above it that have not started are skipped,
 * those below it run on, so that which error ends the map does not depend on who was quicker.
 *
 * Rejected: a task for each chunk, whose submit, start and end cost more than many a chunk.
 */
#ifndef FILCHI_CHUNKS_H
#define FILCHI_CHUNKS_H

#include "await.h"

#define FILCHI_NO_CHUNK SIZE_MAX
/* Most chunks: beyond what memory can hold. */
#define FILCHI_CHUNKS_MAX ((size_t)1 << 46)

#define FILCHI_CHUNK_NAME 128

struct filchi_puller;

struct filchi_chunks {
    /* Constant. */
    filch_map_fn *fn;
    void *arg;
    const char *in;
    char *out;
    size_t in_size, out_size;
    size_t n_elements, chunk_size;
    size_t n;
    const char *name; /* prefix of the chunks' names, behind `done`; NULL: none */
    filch_pool *pool;
    struct filchi_parker parker; /* the consumer's */
    /* Anyone. */
    _Alignas(FILCHI_LINE) _Atomic size_t failed; /* written under the lock */
    _Atomic size_t wanted;                       /* the chunk that the consumer waits for, or NO_CHUNK; consumer */
    _Atomic(const struct filchi_thread *) in_place; /* runs a puller for the sake of one chunk; consumer */
    /* Under the lock. */
    _Alignas(FILCHI_LINE) pthread_mutex_t lock;
    size_t next;                         /* the first that is unclaimed */
    size_t last_run;                     /* how many chunks the run had that ended last */
    int64_t last_ns;                     /* and how long it took */
    size_t long_runs;                    /* pullers at work whose run is of more than one chunk */
    bool closed;                         /* nothing more is to be claimed */
    int cut;                             /* not 0: why the chain broke, if not for the end of `broken` */
    const struct filchi_puller *pending; /* in a queue; or NULL */
    const struct filchi_puller *broken;  /* the one that ended before it began; or NULL */
    const struct filchi_puller *watched; /* whose end, or loss of the wanted chunk, wakes the consumer; or NULL */
    struct filchi_puller *all;
    struct filchi_puller *unused;
    _Atomic unsigned char done[]; /* 1: it is, without an error; its puller */
};

/* All of the constants are set, the rest is zero. */
void filchi_chunks_init(struct filchi_chunks *chunks);
/* Submits the first puller. As filch_submit(). */
int filchi_chunks_begin(struct filchi_chunks *chunks, filch_stop *stop);

/* Anyone: the name of a chunk, of a map with names. */
void filchi_chunks_name(const struct filchi_chunks *chunks, size_t chunk, char name[FILCHI_CHUNK_NAME]);

/* Consumer. Whether it is done; and whether this or an earlier one has failed. With either there is nothing to wait for. */
static inline bool filchi_chunks_is_done(const struct filchi_chunks *chunks, size_t chunk)
{
    /* acquire N1: pairs with release N1 in run(); the chunk's results. */
    return atomic_load_explicit(&chunks->done[chunk], memory_order_acquire);
}
static inline bool filchi_chunks_has_failed(const struct filchi_chunks *chunks, size_t chunk)
{
    return atomic_load_explicit(&chunks->failed, memory_order_relaxed) <= chunk; /* relaxed: the number alone. */
}

/* Consumer: the parker is signalled when the chunk is done, unless it is already; NO_CHUNK: no more. */
static inline void filchi_chunks_want(struct filchi_chunks *chunks, size_t chunk)
{
    atomic_store_explicit(&chunks->wanted, chunk, memory_order_relaxed); /* relaxed: the fence orders it. */
    filchi_fence_store_load();                                           /* S6 vs P6 in next_chunk() */
}

/* Consumer, for a chunk below which all are done: the task that runs it or will run it, a reference; NULL: it will
 * never run. `watch`: the parker is signalled when that may have become another one. */
filch_future *filchi_chunks_runner(struct filchi_chunks *chunks, size_t chunk, bool watch);
/* Consumer: the final future that tells why the chunk failed, or will never run; a reference. NULL: *cut does. */
filch_future *filchi_chunks_culprit(struct filchi_chunks *chunks, size_t chunk, int *cut);
/* Consumer: from now on nothing is claimed, and nothing that has not started will. */
void filchi_chunks_close(struct filchi_chunks *chunks);
/* Consumer, after that: returns when no puller is left, whatever happens. `told`: their errors are known. */
void filchi_chunks_fini(struct filchi_chunks *chunks, bool told);

#endif
