/* SPDX-License-Identifier: MIT */
/* Whose turn it is, by weights: see turns.h. */
#include "turns.h"

#include "os.h"

#include <errno.h>
#include <string.h>

/* The step of weight 1. Steps of other weights are cut to whole numbers, which is one turn too many in 2^14 or more. */
#define STEP (UINT64_C(1) << 30)

void filchi_turn_init(struct filchi_turn *turn, unsigned weight)
{
    *turn = (struct filchi_turn) { .step = STEP / weight };
}

/* Times wrap, but those of two that are ready are never far apart. */
static bool is_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

static bool comes_before(const struct filchi_turn *a, const struct filchi_turn *b)
{
    return a->time == b->time ? a->fresh && !b->fresh : is_before(a->time, b->time);
}

/* ---- The heap ---- */

int filchi_turns_reserve(struct filchi_turns *turns, size_t n)
{
    if (n + 1 <= turns->room)
        return 0;
    size_t room = n + 1 > 2 * turns->room ? n + 1 : 2 * turns->room;
    struct filchi_turn **heap =
        filchi_memory_alloc(turns->memory, _Alignof(struct filchi_turn *), room * sizeof(struct filchi_turn *));
    if (!heap)
        return -ENOMEM;
    if (turns->heap)
        memcpy(heap, turns->heap, (turns->n + 1) * sizeof(struct filchi_turn *));
    filchi_memory_free(turns->memory, turns->heap);
    turns->heap = heap;
    turns->room = room;
    return 0;
}

void filchi_turns_fini(struct filchi_turns *turns)
{
    filchi_memory_free(turns->memory, turns->heap);
}

static void put(struct filchi_turns *turns, struct filchi_turn *turn, size_t at)
{
    turns->heap[at] = turn;
    turn->at = at;
}

static void move_up(struct filchi_turns *turns, struct filchi_turn *turn)
{
    size_t at = turn->at;
    for (; at > 1 && comes_before(turn, turns->heap[at / 2]); at /= 2)
        put(turns, turns->heap[at / 2], at);
    put(turns, turn, at);
}

static void move_down(struct filchi_turns *turns, struct filchi_turn *turn)
{
    size_t at = turn->at;
    for (size_t below; (below = 2 * at) <= turns->n; at = below) {
        if (below < turns->n && comes_before(turns->heap[below + 1], turns->heap[below]))
            below++;
        if (!comes_before(turns->heap[below], turn))
            break;
        put(turns, turns->heap[below], at);
    }
    put(turns, turn, at);
}

/* ---- Turns ---- */

void filchi_turns_keep_up(const struct filchi_turns *turns, struct filchi_turn *turn)
{
    if (turns->n && is_before(turn->time, turns->heap[1]->time))
        turn->time = turns->heap[1]->time;
}

void filchi_turns_enter(struct filchi_turns *turns, struct filchi_turn *turn)
{
    if (is_before(turn->time, turns->now))
        turn->time = turns->now;
    put(turns, turn, ++turns->n);
    move_up(turns, turn);
}

void filchi_turns_leave(struct filchi_turns *turns, struct filchi_turn *turn)
{
    struct filchi_turn *last = turns->heap[turns->n--];
    if (last != turn) {
        put(turns, last, turn->at);
        move_up(turns, last);
        move_down(turns, last);
    }
    turn->at = 0;
}

struct filchi_turn *filchi_turns_next(const struct filchi_turns *turns)
{
    return turns->n ? turns->heap[1] : NULL;
}

void filchi_turns_serve(struct filchi_turns *turns)
{
    struct filchi_turn *turn = turns->heap[1];
    turns->now = turn->time;
    turn->time += turn->step;
    turn->fresh = false;
    move_down(turns, turn);
}
