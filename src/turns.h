/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is, by weights: who is ready and has had the least for its weight. Each has a virtual time, which a turn
 * moves on by a step that is the smaller the larger the weight; the smallest time is next. Under a lock of the user's.
 *
 * Invariant: who was not ready does not catch up: it comes back at the time of the last turn, if its own is earlier. So the
 * times of those that are ready are never earlier than that, nor later than one of their steps beyond it.
 * Source: Waldspurger and Weihl, "Stride Scheduling", 1995; Goyal, Vin and Cheng, "Start-time Fair Queueing", 1996.
 */
#ifndef FILCHI_TURNS_H
#define FILCHI_TURNS_H

#include "memory.h"

#define FILCHI_WEIGHT_MAX (1u << 16)

struct filchi_turn {
    uint64_t time; /* virtual; it wraps */
    uint64_t step;
    size_t at;  /* 1 and more: its place in the heap; 0: it is not ready */
    bool fresh; /* it has had no turn since it began to want one; wins a tie. The user sets it, a turn clears it */
};

struct filchi_turns {
    struct filchi_turn **heap; /* from 1 on; the smallest time first */
    size_t n, room;
    const filch_allocator *memory; /* constant: where the heap comes from */
    uint64_t now;                  /* the time of who had the last turn, before it */
};

/* weight: 1 to FILCHI_WEIGHT_MAX. */
void filchi_turn_init(struct filchi_turn *turn, unsigned weight);
/* Room for n to be ready at once. 0 or -ENOMEM. */
int filchi_turns_reserve(struct filchi_turns *turns, size_t n);
void filchi_turns_fini(struct filchi_turns *turns);

/* It was not ready, and had as many turns elsewhere as any: it is not to come before who is next. */
void filchi_turns_keep_up(const struct filchi_turns *turns, struct filchi_turn *turn);
/* It becomes ready; it was not. */
void filchi_turns_enter(struct filchi_turns *turns, struct filchi_turn *turn);
/* It is not ready any more; it was. */
void filchi_turns_leave(struct filchi_turns *turns, struct filchi_turn *turn);
/* Who is next; NULL: nobody is ready. */
struct filchi_turn *filchi_turns_next(const struct filchi_turns *turns);
/* Who is next has its turn, and stays ready. */
void filchi_turns_serve(struct filchi_turns *turns);

#endif
