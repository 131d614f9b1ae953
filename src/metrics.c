/* SPDX-License-Identifier: MIT */
/* What a pool measures of its tasks: see metrics.h. */
#include "metrics.h"

/* Of short tasks one in so many is timed, on average; at random, as what is submitted often follows a pattern. */
#define GAP_MASK 127u
/* The same for those that are submitted together. */
#define STEP_OF_MANY 63u
/* A stamp is the time, without its highest bits, and then the weight. */
#define WEIGHT_BITS 8
#define TIME_MASK (UINT64_MAX >> WEIGHT_BITS)

/* For how many pools a thread keeps them apart; of more, some share theirs, and what they share is right on average. */
#define POOLS_APART 8

/* A thread's submits to a pool. */
struct turns {
    const struct filchi_metrics *of; /* that measures them; NULL: none so far */
    unsigned gap;                    /* how many are skipped in this round */
    unsigned left;                   /* how many of them are left */
};

static _Thread_local struct {
    struct turns turns[POOLS_APART];
    uint32_t random;
} here;

struct filchi_metrics *filchi_metrics_create(const filch_allocator *memory)
{
    struct filchi_metrics *metrics = filchi_memory_alloc(memory, _Alignof(struct filchi_metrics), sizeof *metrics);
    if (metrics)
        filchi_lock_init(&metrics->guests_lock);
    return metrics;
}

struct filchi_measures *filchi_measures_create(const filch_allocator *memory)
{
    return filchi_memory_alloc(memory, FILCHI_LINE, sizeof(struct filchi_measures));
}

/* ---- Whose turn it is ---- */

static uint32_t next_random(void)
{
    uint32_t x = here.random ? here.random : (uint32_t)filchi_os_self() | 1u;
    /* xorshift32: Marsaglia, "Xorshift RNGs", 2003 */
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return here.random = x;
}

static __attribute__((noinline)) struct turns *find_turns(const struct filchi_metrics *metrics, unsigned first)
{
    struct turns *turns = &here.turns[first];
    for (unsigned i = 0; i < POOLS_APART && turns->of && turns->of != metrics; i++)
        turns = &here.turns[(first + i) % POOLS_APART];
    if (turns->of && turns->of != metrics)
        turns = &here.turns[first];
    turns->of = metrics; /* with what another pool may have left there */
    return turns;
}

static struct turns *turns_of(const struct filchi_metrics *metrics)
{
    unsigned first = (((uint32_t)((uintptr_t)metrics >> 6) * 0x9E3779B9u) >> 16) % POOLS_APART;
    return here.turns[first].of == metrics ? &here.turns[first] : find_turns(metrics, first);
}

static bool tasks_are_long(const struct filchi_metrics *metrics)
{
    return atomic_load_explicit(&metrics->tasks_are_long, memory_order_relaxed); /* relaxed: a hint. */
}

bool filchi_metrics_is_due(const struct filchi_metrics *metrics)
{
    struct turns *turns = turns_of(metrics);
    if (!turns->left || tasks_are_long(metrics))
        return true;
    turns->left--;
    return false;
}

unsigned filchi_metrics_turn(const struct filchi_metrics *metrics)
{
    if (!filchi_metrics_is_due(metrics))
        return 0;
    struct turns *turns = turns_of(metrics);
    if (turns->left) /* tasks are long; those that were skipped before still wait for who stands for them */
        return 1;
    unsigned weight = turns->gap + 1;
    turns->gap = turns->left = (next_random() >> 8) & GAP_MASK;
    return weight;
}

unsigned filchi_metrics_turn_of_many(const struct filchi_metrics *metrics, size_t *first)
{
    unsigned step = tasks_are_long(metrics) ? 1 : STEP_OF_MANY;
    *first = (next_random() >> 8) % step;
    return step;
}

/* ---- Recording ---- */

uint64_t filchi_metrics_stamp(unsigned weight)
{
    return (uint64_t)filchi_os_now() << WEIGHT_BITS | weight;
}

/* Where to write: a guest shares a place with others. */
static struct filchi_measures *begin(struct filchi_metrics *metrics, struct filchi_measures *measures)
{
    if (measures)
        return measures;
    filchi_lock_take(&metrics->guests_lock);
    return &metrics->guests;
}

static void end(struct filchi_metrics *metrics, const struct filchi_measures *measures)
{
    if (!measures)
        filchi_lock_give(&metrics->guests_lock);
}

void filchi_metrics_started(struct filchi_metrics *metrics, struct filchi_measures *measures, uint64_t stamp)
{
    uint64_t waited = ((uint64_t)filchi_os_now() - (stamp >> WEIGHT_BITS)) & TIME_MASK;
    struct filchi_measures *to = begin(metrics, measures);
    filchi_histogram_add(&to->wait, (int64_t)waited, (unsigned)stamp & ((1u << WEIGHT_BITS) - 1));
    end(metrics, measures);
}

void filchi_metrics_ran(struct filchi_metrics *metrics, struct filchi_measures *measures, int64_t ns, int64_t away,
                        unsigned weight)
{
    struct filchi_measures *to = begin(metrics, measures);
    filchi_histogram_add(&to->run, ns, weight);
    filchi_histogram_add(&to->busy, ns - away, weight);
    end(metrics, measures);
    bool is_long = ns > FILCHI_LONG_NS;
    if (tasks_are_long(metrics) != is_long)
        atomic_store_explicit(&metrics->tasks_are_long, is_long, memory_order_relaxed); /* relaxed: as above. */
}

void filchi_metrics_guest_ended(struct filchi_metrics *metrics, filch_state state)
{
    filchi_lock_take(&metrics->guests_lock);
    filchi_metrics_ended(metrics, &metrics->guests, state);
    filchi_lock_give(&metrics->guests_lock);
}

void filchi_metrics_dropped(struct filchi_metrics *metrics, filch_state state)
{
    atomic_fetch_add_explicit(&metrics->dropped[state], 1, memory_order_relaxed); /* relaxed: as above. */
}
