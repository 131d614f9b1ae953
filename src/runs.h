/* SPDX-License-Identifier: MIT */
/* The pullers of a map, and how each gets the run of chunks that it deals with: see chunks.h. */
#ifndef FILCHI_RUNS_H
#define FILCHI_RUNS_H

#include "chunks.h"

enum filchi_stage {
    FILCHI_PULLER_UNUSED,
    FILCHI_PULLER_PENDING, /* submitted */
    FILCHI_PULLER_AT_WORK, /* begun; until its waiter is served, as the last thing that becomes of it */
    FILCHI_PULLER_OVER     /* kept for its outcome */
};

struct filchi_puller {
    struct filchi_waiter waiter; /* registered with its future, the subject, of which we have a reference */
    struct filchi_puller *next;  /* constant: in `all` */
    /* Under the lock. */
    struct filchi_puller *next_unused;
    enum filchi_stage stage;
    size_t first;     /* of its run */
    size_t length;    /* of its run, when it was claimed */
    size_t failed_at; /* or NO_CHUNK */
    int64_t begun;    /* when it claimed its run */
    /*
     * The run that is left: those from `front` on have not started. The owner takes from there without the lock, and
     * others under the lock lower `end`:
     *
     *     owner                                other
     *     P7  front + 1                        S7  end lowered
     *         store-load fence                     store-load fence
     *         front <= end? it has it              front <= end? it has what was above
     *
     * By the fences not both take the same. Who sees that the other was there: the owner asks again under the lock,
     * the other takes less. (Frigo, Leiserson, Randall, "The Implementation of the Cilk-5 Multithreaded Language",
     * 1998.)
     */
    _Alignas(FILCHI_LINE) _Atomic size_t front; /* owner */
    _Atomic size_t end;                         /* under the lock */
};

static inline filch_future *filchi_puller_future(const struct filchi_puller *puller)
{
    return puller->waiter.subject;
}

static inline size_t filchi_runs_load(const _Atomic size_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed); /* relaxed: fences or the lock, where it matters. */
}

static inline void filchi_runs_store(_Atomic size_t *number, size_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed); /* relaxed: the same. */
}

/* All under the lock. Whether there are unclaimed chunks that are to run; or, besides, any that has not started. */
bool filchi_runs_unclaimed(const struct filchi_chunks *chunks);
bool filchi_runs_any_left(const struct filchi_chunks *chunks);
/* For a puller that begins. False: there is nothing to do. */
bool filchi_runs_claim(struct filchi_chunks *chunks, struct filchi_puller *puller);
/* For one that has claimed a run and ends: it took so long from the first chunk on. */
void filchi_runs_end(struct filchi_chunks *chunks, struct filchi_puller *puller, int64_t ns);

#endif
