/* SPDX-License-Identifier: MIT */
/*
 * Lanes: queues of tasks that share a pool by weight, each with three levels. The pool's own inject queue is one of them,
 * the level NORMAL of the lane `outside`; while nothing else waits nobody looks here but at the hint, which is 0.
 * docs/design/lanes.md tells the protocol.
 *
 * Invariant: when the lock is free a lane is among the turns if an entry waits in its queues and a place in it is free, and
 * no other is; a place that somebody waits for is not free. The hint says how many of them have a task that is in no other
 * queue, and how many are urgent: a task of FILCH_HIGH waits, or one of a lane that was empty before.
 * An entry holds its task as those of other queues do. The lock is taken with handoff's lock held, never the reverse, and
 * nothing that a user can see is called under it.
 */
#ifndef FILCHI_LANE_H
#define FILCHI_LANE_H

#include "fifo.h"
#include "lock.h"
#include "parker.h"
#include "turns.h"

#include <filch/filch.h>

struct filchi_origin;

/* Within a lane a level goes before those after it; but one that waited while so many of others began goes first. */
enum filchi_level { FILCHI_LEVEL_HIGH, FILCHI_LEVEL_NORMAL, FILCHI_LEVEL_LOW, FILCHI_LEVELS };
#define FILCHI_LEVEL_PATIENCE 16

/* Bits of an entry below the future's pointer. */
#define FILCHI_ENTRY_NO_PLACE ((uintptr_t)1) /* it holds no place in the pool's capacity */
#define FILCHI_ENTRY_EXTRA ((uintptr_t)2)    /* its task has another one, which was counted as submitted */
#define FILCHI_ENTRY_FLAGS (FILCHI_ENTRY_NO_PLACE | FILCHI_ENTRY_EXTRA)

/* Who waits for a place in a lane; on its stack. */
struct filchi_lane_ticket {
    struct filchi_parker parker;     /* signalled once it has the place, and is out of the list */
    struct filchi_lane_ticket *next; /* under the lock, as the next */
    bool waiting;                    /* in the list */
};

/* All under the lock but what is constant, and `refs`. */
struct filch_lane {
    struct filchi_turn turn;
    struct filchi_fifo queues[FILCHI_LEVELS];
    unsigned passed[FILCHI_LEVELS]; /* while it waits: tasks of the lane that began since its last one did */
    size_t queued;                  /* entries that are not EXTRA */
    unsigned most;                  /* constant; places, 0: no limit */
    unsigned running;               /* places that are taken */
    bool urgent, counted;           /* how it is among the turns, as the hint has it */
    bool unheld;                    /* the last reference is gone: with the last place it goes */
    struct filchi_lane_ticket *waiting, **end; /* for a place, in turn */
    size_t n_waiting;
    uint64_t started;
    unsigned weight;              /* constant */
    struct filchi_origin *origin; /* constant; a reference; NULL: `outside` */
    struct filch_lane *next;
    _Atomic uint32_t refs; /* handles and tasks; anyone who holds one */
    char *name;            /* constant; NULL: none */
};

struct filchi_lanes {
    _Alignas(FILCHI_LINE) _Atomic uint64_t hint; /* urgent lanes << 32 | lanes with work; under the lock */
    _Alignas(FILCHI_LINE) struct filchi_lock lock;
    filch_pool *pool; /* NULL: it is gone; as the rest, under the lock */
    struct filchi_turns turns;
    unsigned urgent, counted;
    size_t n; /* but `outside` */
    struct filch_lane *first;
    struct filch_lane outside;
};

/* 0 or -ENOMEM. The memory is the origin's. */
int filchi_lanes_init(struct filchi_lanes *lanes, const filch_allocator *memory);
/* The pool's creator, before anybody has it. */
static inline void filchi_lanes_open(struct filchi_lanes *lanes, filch_pool *pool)
{
    lanes->pool = pool;
}
void filchi_lanes_fini(struct filchi_lanes *lanes);

/* Anyone: 0 if there is nothing to take. */
static inline uint64_t filchi_lanes_hint(const struct filchi_lanes *lanes)
{
    return atomic_load_explicit(&lanes->hint, memory_order_relaxed); /* relaxed: the lock decides. */
}
static inline unsigned filchi_lanes_urgent(uint64_t hint)
{
    return (unsigned)(hint >> 32);
}

/* Anyone: whether a task waits that could start; after a store-load fence it sees what was published before. */
static inline bool filchi_lanes_have_work(const struct filchi_lanes *lanes)
{
    return (uint32_t)filchi_lanes_hint(lanes) != 0;
}

/* Anyone: how many tasks wait in all of them. */
size_t filchi_lanes_count(struct filchi_lanes *lanes);

/* A new lane, with one reference. 0 or -ENOMEM. */
int filchi_lane_make(filch_lane **out, struct filchi_origin *origin, const filch_lane_options *options);

/* Anyone: an entry goes to the end of a lane's level, `lane` NULL: `outside`. 0, and a store-load fence; or -ENOMEM, and
 * nothing has changed. */
int filchi_lane_push(struct filchi_lanes *lanes, filch_lane *lane, enum filchi_level level, uintptr_t entry);

/* Anyone: the same for an EXTRA one of FILCHI_LEVEL_HIGH, unless its task is the only one in the lane; of `outside` in the
 * pool too, of which `is_crowded` tells, while it is there. False: nothing has changed. */
bool filchi_lane_push_extra(struct filchi_lanes *lanes, filch_lane *lane, uintptr_t entry,
                            bool (*is_crowded)(const filch_pool *pool));

/* What was taken. */
struct filchi_lane_taken {
    uintptr_t entry;  /* 0: none */
    filch_lane *lane; /* in which the taker has a place now; NULL: of no lane */
};
/* What of the pool's own queue competes with the lanes. */
enum filchi_plain {
    FILCHI_PLAIN_NONE,
    FILCHI_PLAIN_WAITS, /* a task */
    FILCHI_PLAIN_RUNS,  /* the same; and the taker has run others since it was here, as there was nothing to take */
};
/* Anyone. True: it is the turn of the pool's own queue, or there is nothing to take. */
bool filchi_lanes_take(struct filchi_lanes *lanes, enum filchi_plain plain, struct filchi_lane_taken *out);
/* The pool is about to go: no entry comes any more. */
void filchi_lanes_close(struct filchi_lanes *lanes);
/* Anyone: an entry, the oldest of the highest level of a lane, whatever the turns and places; 0 if there is none. */
uintptr_t filchi_lanes_drain(struct filchi_lanes *lanes);
/* Anyone: one that `is_it` of a lane with a free place, out of its turn. False: there is none. */
bool filchi_lanes_pick(struct filchi_lanes *lanes, int (*is_it)(uintptr_t entry, void *arg), void *arg,
                       struct filchi_lane_taken *out);

/* Anyone: a place, if one is free. */
bool filchi_lane_try_enter(filch_lane *lane);
/* Anyone: the same; false: the ticket waits, and will be signalled once. */
bool filchi_lane_enter(filch_lane *lane, struct filchi_lane_ticket *ticket);
/* Its owner, once it was signalled or before: whether it has the place. */
bool filchi_lane_was_served(filch_lane *lane, const struct filchi_lane_ticket *ticket);
/* Who has a place, which another gets or is free. True: for the tasks that wait in it somebody may have to be woken. */
bool filchi_lane_leave(filch_lane *lane);
/* Anyone: whether a place is free. */
bool filchi_lane_has_room(filch_lane *lane);

#endif
