/* SPDX-License-Identifier: MIT */
/* The linearizability checker: see linear.h. */
#include "linear.h"

#include <stdlib.h>
#include <string.h>

#define HEADS 4096u

_Atomic uint64_t linear_clock;

/* A set of operations that were tried in some order, and the state they led to. */
struct seen {
    uint64_t set;
    uint32_t next; /* in the same bucket: index + 1 */
    _Alignas(8) unsigned char state[LINEAR_STATE];
};

struct search {
    const struct linear_spec *spec;
    const struct linear_history *history;
    uint64_t answered; /* the operations that must have taken effect */
};

static struct seen *table;
static size_t table_size, table_used;
static uint32_t heads[HEADS];

/* FNV-1a: Fowler, Noll and Vo. */
static uint64_t hash(uint64_t set, const unsigned char *state, size_t size)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ set;
    for (size_t i = 0; i < size; i++)
        h = (h ^ state[i]) * UINT64_C(1099511628211);
    h *= UINT64_C(1099511628211);
    return h ^ (h >> 32);
}

/* Whether this pair was searched before; from now on it was. */
static bool searched_before(const struct search *search, uint64_t set, const void *state)
{
    size_t size = search->spec->state_size;
    uint32_t *head = &heads[hash(set, state, size) % HEADS];
    for (uint32_t at = *head; at; at = table[at - 1].next)
        if (table[at - 1].set == set && memcmp(table[at - 1].state, state, size) == 0)
            return true;
    if (table_used == table_size) {
        size_t larger = table_size ? table_size * 2 : 1024;
        struct seen *grown = realloc(table, larger * sizeof *grown);
        if (!grown)
            abort();
        table = grown;
        table_size = larger;
    }
    struct seen *added = &table[table_used++];
    added->set = set;
    added->next = *head;
    memcpy(added->state, state, size);
    *head = (uint32_t)table_used;
    return false;
}

/* When the first of the operations that are left was answered: none that was called later can come before it. */
static uint64_t first_answer(const struct linear_history *history, uint64_t set)
{
    uint64_t first = LINEAR_NEVER;
    for (size_t i = 0; i < history->n; i++)
        if (!(set >> i & 1) && history->ops[i].answered < first)
            first = history->ops[i].answered;
    return first;
}

/* Whether the operations that are not in `set` have an order, from `state` on. */
static bool search_from(const struct search *search, uint64_t set, const void *state)
{
    const struct linear_spec *spec = search->spec;
    if ((set & search->answered) == search->answered && (!spec->may_end || spec->may_end(state)))
        return true;
    if (searched_before(search, set, state))
        return false;
    const struct linear_history *history = search->history;
    uint64_t latest = first_answer(history, set);
    for (size_t i = 0; i < history->n; i++) {
        if (set >> i & 1 || history->ops[i].called > latest)
            continue;
        _Alignas(8) unsigned char next[LINEAR_STATE];
        memcpy(next, state, spec->state_size);
        if (spec->step(next, &history->ops[i]) && search_from(search, set | UINT64_C(1) << i, next))
            return true;
    }
    return false;
}

bool linear_check(const struct linear_spec *spec, const void *begin, const struct linear_history *history,
                  size_t *searched)
{
    struct search search = { .spec = spec, .history = history };
    if (spec->state_size > LINEAR_STATE || history->n > LINEAR_OPS)
        abort();
    for (size_t i = 0; i < history->n; i++)
        if (history->ops[i].answered != LINEAR_NEVER)
            search.answered |= UINT64_C(1) << i;
    memset(heads, 0, sizeof heads);
    table_used = 0;
    bool linearizable = search_from(&search, 0, begin);
    if (searched)
        *searched = table_used;
    return linearizable;
}

void linear_fini(void)
{
    free(table);
    table = NULL;
    table_size = 0;
}

void linear_append(struct linear_history *history, const struct linear_history *other)
{
    if (history->n + other->n > LINEAR_OPS)
        abort();
    memcpy(&history->ops[history->n], other->ops, other->n * sizeof other->ops[0]);
    history->n += other->n;
}

void linear_print(const struct linear_spec *spec, const struct linear_history *history, FILE *stream)
{
    for (size_t i = 0; i < history->n; i++) {
        const struct linear_op *op = &history->ops[i];
        fprintf(stream, "  thread %u: %s(%lld) = %lld, from %llu to ", op->thread, spec->names[op->kind],
                (long long)op->arg, (long long)op->result, (unsigned long long)op->called);
        if (op->answered == LINEAR_NEVER)
            fprintf(stream, "no answer\n");
        else
            fprintf(stream, "%llu\n", (unsigned long long)op->answered);
    }
}
