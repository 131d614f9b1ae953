/* SPDX-License-Identifier: MIT */
/* Lanes: see lane.h. */
#include "lane.h"

#include "origin.h"
#include "os.h"

#include <errno.h>
#include <string.h>

static struct filchi_lanes *lanes_of(const filch_lane *lane)
{
    return &lane->origin->lanes;
}

/* ---- Under the lock ---- */

static bool has_place(const filch_lane *lane)
{
    return !lane->most || lane->running < lane->most;
}

static bool has_entry(const filch_lane *lane)
{
    return lane->queues[FILCHI_LEVEL_HIGH].n || lane->queues[FILCHI_LEVEL_NORMAL].n ||
           lane->queues[FILCHI_LEVEL_LOW].n;
}

/* After a change of its entries or places: as the invariant has it. True: it has become ready. */
static bool settle(struct filchi_lanes *lanes, filch_lane *lane)
{
    bool ready = has_entry(lane) && has_place(lane), was_ready = lane->turn.at != 0;
    if (ready && !was_ready)
        filchi_turns_enter(&lanes->turns, &lane->turn);
    else if (!ready && was_ready)
        filchi_turns_leave(&lanes->turns, &lane->turn);
    bool urgent = ready && (lane->turn.fresh || lane->queues[FILCHI_LEVEL_HIGH].n);
    bool counted = ready && lane->queued;
    lanes->urgent += (unsigned)urgent - (unsigned)lane->urgent;
    lanes->counted += (unsigned)counted - (unsigned)lane->counted;
    lane->urgent = urgent;
    lane->counted = counted;
    return ready && !was_ready;
}

/* Gives the lock back, the hint as the invariant has it. A store-load fence: to a publisher P2. */
static void give(struct filchi_lanes *lanes)
{
    uint64_t hint = (uint64_t)lanes->urgent << 32 | lanes->counted;
    /* relaxed, both: the fence follows. */
    if (atomic_load_explicit(&lanes->hint, memory_order_relaxed) != hint)
        atomic_store_explicit(&lanes->hint, hint, memory_order_relaxed);
    filchi_lock_give(&lanes->lock);
}

/* Which level is next of those that `wait`, of which there is one; the others have been passed over once more. */
static enum filchi_level choose_level(filch_lane *lane, const bool wait[FILCHI_LEVELS])
{
    enum filchi_level chosen = FILCHI_LEVEL_LOW;
    while (chosen > FILCHI_LEVEL_HIGH && !(wait[chosen] && lane->passed[chosen] >= FILCHI_LEVEL_PATIENCE))
        chosen--;
    while (chosen < FILCHI_LEVEL_LOW && !wait[chosen])
        chosen++;
    for (int i = 0; i < FILCHI_LEVELS; i++)
        lane->passed[i] = wait[i] && i != (int)chosen ? lane->passed[i] + 1 : 0;
    return chosen;
}

static void free_lane(struct filchi_lanes *lanes, filch_lane *lane)
{
    filch_lane **at = &lanes->first;
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    lanes->n--;
    for (int i = 0; i < FILCHI_LEVELS; i++)
        filchi_fifo_fini(&lane->queues[i]);
}

/* ---- Life ---- */

static void init_lane(filch_lane *lane, unsigned weight, const filch_allocator *memory)
{
    for (int i = 0; i < FILCHI_LEVELS; i++)
        lane->queues[i].memory = memory;
    filchi_turn_init(&lane->turn, weight);
    lane->weight = weight;
    lane->end = &lane->waiting;
    atomic_init(&lane->refs, 1);
}

int filchi_lanes_init(struct filchi_lanes *lanes, const filch_allocator *memory)
{
    lanes->turns.memory = memory;
    atomic_init(&lanes->hint, 0);
    filchi_lock_init(&lanes->lock);
    init_lane(&lanes->outside, 1, memory);
    return filchi_turns_reserve(&lanes->turns, 1);
}

void filchi_lanes_fini(struct filchi_lanes *lanes)
{
    for (int i = 0; i < FILCHI_LEVELS; i++)
        filchi_fifo_fini(&lanes->outside.queues[i]);
    filchi_turns_fini(&lanes->turns);
}

size_t filchi_lanes_count(struct filchi_lanes *lanes)
{
    filchi_lock_take(&lanes->lock);
    size_t n = lanes->outside.queued;
    for (const filch_lane *lane = lanes->first; lane; lane = lane->next)
        n += lane->queued;
    filchi_lock_give(&lanes->lock);
    return n;
}

int filchi_lane_make(filch_lane **out, struct filchi_origin *origin, const filch_lane_options *options)
{
    struct filchi_lanes *lanes = &origin->lanes;
    size_t size = options->name ? strlen(options->name) + 1 : 0;
    filch_lane *lane = filchi_memory_alloc(origin->memory, FILCHI_LINE, sizeof *lane);
    char *name = size ? filchi_memory_alloc(origin->memory, 1, size) : NULL;
    int rc = lane && (name || !size) ? 0 : -ENOMEM;
    if (!rc) {
        filchi_lock_take(&lanes->lock);
        rc = filchi_turns_reserve(&lanes->turns, lanes->n + 2); /* each, and `outside` */
        if (!rc) {
            init_lane(lane, options->weight, origin->memory);
            lane->next = lanes->first;
            lanes->first = lane;
            lanes->n++;
        }
        filchi_lock_give(&lanes->lock);
    }
    if (rc) {
        filchi_memory_free(origin->memory, name);
        filchi_memory_free(origin->memory, lane);
        return rc;
    }
    lane->most = options->max_running;
    lane->name = size ? memcpy(name, options->name, size) : NULL;
    lane->origin = filchi_origin_ref(origin);
    *out = lane;
    return 0;
}

/* Its memory, and what it holds, once it is out of the list. */
static void release(filch_lane *lane)
{
    struct filchi_origin *origin = lane->origin;
    filchi_memory_free(origin->memory, lane->name);
    filchi_memory_free(origin->memory, lane);
    filchi_origin_unref(origin);
}

filch_lane *filch_lane_ref(filch_lane *lane)
{
    if (lane)
        atomic_fetch_add_explicit(&lane->refs, 1, memory_order_relaxed); /* relaxed: the caller holds one. */
    return lane;
}

void filch_lane_unref(filch_lane *lane)
{
    /* acq_rel H1: pairs with itself; the last one sees that all others are done with it. */
    if (!lane || atomic_fetch_sub_explicit(&lane->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct filchi_origin *origin = lane->origin;
    if (!filchi_origin_here(origin))
        return; /* a copy of it, whose lock somebody may have held */
    struct filchi_lanes *lanes = &origin->lanes;
    filchi_lock_take(&lanes->lock);
    lane->unheld = true;
    bool last = !lane->running;
    if (last)
        free_lane(lanes, lane);
    filchi_lock_give(&lanes->lock);
    if (last)
        release(lane);
}

void filch_lane_cleanup(filch_lane **lane)
{
    filch_lane_unref(*lane);
}

/* ---- Entries ---- */

/* Under the lock. */
static int push(struct filchi_lanes *lanes, filch_lane *lane, enum filchi_level level, uintptr_t entry)
{
    bool first = !has_entry(lane);
    int rc = filchi_fifo_push(&lane->queues[level], entry);
    if (rc)
        return rc;
    if (first && lane != &lanes->outside && level != FILCHI_LEVEL_LOW)
        lane->turn.fresh = true;
    lane->queued += !(entry & FILCHI_ENTRY_EXTRA);
    settle(lanes, lane);
    return 0;
}

int filchi_lane_push(struct filchi_lanes *lanes, filch_lane *lane, enum filchi_level level, uintptr_t entry)
{
    filchi_lock_take(&lanes->lock);
    int rc = push(lanes, lane ? lane : &lanes->outside, level, entry);
    give(lanes); /* P2 */
    return rc;
}

bool filchi_lane_push_extra(struct filchi_lanes *lanes, filch_lane *lane, uintptr_t entry,
                            bool (*is_crowded)(const filch_pool *pool))
{
    filch_lane *to = lane ? lane : &lanes->outside;
    filchi_lock_take(&lanes->lock);
    bool pushed = lanes->pool && (to->queued > 1 || (!lane && is_crowded(lanes->pool))) &&
                  !push(lanes, to, FILCHI_LEVEL_HIGH, entry);
    give(lanes);
    return pushed;
}

/* An entry was taken out of the lane's queues, for the taker of which a place is taken. */
static void take_entry(struct filchi_lanes *lanes, filch_lane *lane, uintptr_t entry, struct filchi_lane_taken *out)
{
    bool outside = lane == &lanes->outside;
    lane->queued -= !(entry & FILCHI_ENTRY_EXTRA);
    if (!outside) {
        lane->running++;
        lane->started += !(entry & FILCHI_ENTRY_EXTRA);
    }
    *out = (struct filchi_lane_taken) { .entry = entry, .lane = outside ? NULL : lane };
    settle(lanes, lane);
}

/* The lane that is next has its turn. True: it is that of the pool's own queue, or there is nothing. */
static bool serve_next(struct filchi_lanes *lanes, bool plain, struct filchi_lane_taken *out)
{
    filch_lane *lane = (filch_lane *)filchi_turns_next(&lanes->turns);
    if (!lane)
        return true;
    bool outside = lane == &lanes->outside;
    const bool wait[FILCHI_LEVELS] = { lane->queues[FILCHI_LEVEL_HIGH].n != 0,
                                       lane->queues[FILCHI_LEVEL_NORMAL].n || (outside && plain),
                                       lane->queues[FILCHI_LEVEL_LOW].n != 0 };
    enum filchi_level level = choose_level(lane, wait);
    filchi_turns_serve(&lanes->turns);
    if (outside && level == FILCHI_LEVEL_NORMAL)
        return true;
    take_entry(lanes, lane, filchi_fifo_pop(&lane->queues[level]), out);
    return false;
}

bool filchi_lanes_take(struct filchi_lanes *lanes, enum filchi_plain plain, struct filchi_lane_taken *out)
{
    *out = (struct filchi_lane_taken) { .entry = 0 };
    filchi_lock_take(&lanes->lock);
    struct filchi_turn *outside = &lanes->outside.turn;
    if (plain && !outside->at && lanes->turns.n) { /* it competes, for this turn */
        if (plain == FILCHI_PLAIN_RUNS)
            filchi_turns_keep_up(&lanes->turns, outside);
        filchi_turns_enter(&lanes->turns, outside);
    }
    bool own = serve_next(lanes, plain != FILCHI_PLAIN_NONE, out);
    if (outside->at && !has_entry(&lanes->outside))
        filchi_turns_leave(&lanes->turns, outside);
    give(lanes);
    return own;
}

void filchi_lanes_close(struct filchi_lanes *lanes)
{
    filchi_lock_take(&lanes->lock);
    lanes->pool = NULL;
    give(lanes);
}

/* The oldest of the highest level that has one. */
static uintptr_t drain_lane(struct filchi_lanes *lanes, filch_lane *lane)
{
    for (int i = 0; i < FILCHI_LEVELS; i++) {
        if (!lane->queues[i].n)
            continue;
        uintptr_t entry = filchi_fifo_pop(&lane->queues[i]);
        lane->queued -= !(entry & FILCHI_ENTRY_EXTRA);
        settle(lanes, lane);
        return entry;
    }
    return 0;
}

uintptr_t filchi_lanes_drain(struct filchi_lanes *lanes)
{
    filchi_lock_take(&lanes->lock);
    uintptr_t entry = drain_lane(lanes, &lanes->outside);
    for (filch_lane *lane = lanes->first; lane && !entry; lane = lane->next)
        entry = drain_lane(lanes, lane);
    give(lanes);
    return entry;
}

static bool pick_in(struct filchi_lanes *lanes, filch_lane *lane, int (*is_it)(uintptr_t entry, void *arg),
                    void *arg, struct filchi_lane_taken *out)
{
    uintptr_t entry = 0;
    for (int i = 0; i < FILCHI_LEVELS && has_place(lane) && !entry; i++)
        entry = filchi_fifo_pick(&lane->queues[i], is_it, arg);
    if (entry)
        take_entry(lanes, lane, entry, out);
    return entry != 0;
}

bool filchi_lanes_pick(struct filchi_lanes *lanes, int (*is_it)(uintptr_t entry, void *arg), void *arg,
                       struct filchi_lane_taken *out)
{
    filchi_lock_take(&lanes->lock);
    bool found = pick_in(lanes, &lanes->outside, is_it, arg, out);
    for (filch_lane *lane = lanes->first; lane && !found; lane = lane->next)
        found = pick_in(lanes, lane, is_it, arg, out);
    give(lanes);
    return found;
}

/* ---- Places ---- */

/* Under the lock. */
static bool enter(filch_lane *lane)
{
    if (!has_place(lane))
        return false;
    lane->running++;
    settle(lanes_of(lane), lane);
    return true;
}

bool filchi_lane_try_enter(filch_lane *lane)
{
    struct filchi_lanes *lanes = lanes_of(lane);
    filchi_lock_take(&lanes->lock);
    bool entered = enter(lane);
    give(lanes);
    return entered;
}

bool filchi_lane_enter(filch_lane *lane, struct filchi_lane_ticket *ticket)
{
    struct filchi_lanes *lanes = lanes_of(lane);
    filchi_lock_take(&lanes->lock);
    bool entered = enter(lane);
    if (!entered) {
        ticket->next = NULL;
        ticket->waiting = true;
        *lane->end = ticket;
        lane->end = &ticket->next;
        lane->n_waiting++;
    }
    give(lanes);
    return entered;
}

bool filchi_lane_was_served(filch_lane *lane, const struct filchi_lane_ticket *ticket)
{
    struct filchi_lock *lock = &lanes_of(lane)->lock;
    filchi_lock_take(lock);
    bool served = !ticket->waiting;
    filchi_lock_give(lock);
    return served;
}

/* Under the lock: the place goes to the first that waits for it. */
static void pass_on(filch_lane *lane)
{
    struct filchi_lane_ticket *ticket = lane->waiting;
    lane->waiting = ticket->next;
    if (!lane->waiting)
        lane->end = &lane->waiting;
    lane->n_waiting--;
    ticket->waiting = false;
    filchi_parker_signal(&ticket->parker);
}

bool filchi_lane_leave(filch_lane *lane)
{
    struct filchi_lanes *lanes = lanes_of(lane);
    bool ready = false, last = false;
    filchi_lock_take(&lanes->lock);
    if (lane->waiting) {
        pass_on(lane);
    } else {
        lane->running--;
        ready = settle(lanes, lane);
        last = lane->unheld && !lane->running;
        if (last)
            free_lane(lanes, lane);
    }
    give(lanes); /* P2 */
    if (last)
        release(lane);
    return ready;
}

bool filchi_lane_has_room(filch_lane *lane)
{
    struct filchi_lock *lock = &lanes_of(lane)->lock;
    filchi_lock_take(lock);
    bool room = has_place(lane);
    filchi_lock_give(lock);
    return room;
}

/* ---- Look at ---- */

int filch_lane_stats_get(filch_lane *lane, filch_lane_stats *out)
{
    size_t size = out->size;
    if (!lane || size < sizeof size)
        return -EINVAL;
    if (!filchi_origin_here(lane->origin))
        return -EOWNERDEAD;
    struct filchi_lock *lock = &lanes_of(lane)->lock;
    filchi_lock_take(lock);
    filch_lane_stats stats = { .size = size,
                               .queued = lane->queued,
                               .running = lane->running,
                               .resuming = lane->n_waiting,
                               .started = lane->started };
    filchi_lock_give(lock);
    memcpy(out, &stats, size < sizeof stats ? size : sizeof stats); /* an older header knows fewer */
    return 0;
}
