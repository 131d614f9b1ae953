/* SPDX-License-Identifier: MIT */
/*
 * What the work-stealing deque is to a sequential program: a row of items, of which the owner adds and takes the newest
 * and thieves take the oldest.
 *
 * A steal that lost its race is, as in the literature on this deque ("abort" with Arora, Blumofe and Plaxton, SPAA 1998, and
 * Chase and Lev, SPAA 2005), an attempt without effect, legal in every state. That would allow a steal that always loses, so
 * linear_deque_losses() asks in addition that each loss overlaps with somebody who took an item.
 */
#ifndef LINEAR_DEQUE_H
#define LINEAR_DEQUE_H

#include "linear.h"

#include <string.h>

enum linear_deque_kind {
    LINEAR_PUSH,      /* arg: the item */
    LINEAR_PUSH_MANY, /* arg: the first of those, which are numbered on; result: how many */
    LINEAR_POP,       /* result: the item, 0 for none; so below */
    LINEAR_PEEK,
    LINEAR_STEAL,
    LINEAR_STEAL_LOST
};

/* Items are small numbers from 1 on, and those behind `n` are 0. */
struct linear_deque {
    uint8_t n;
    uint8_t items[LINEAR_OPS * 3 - 1]; /* oldest first */
};

static inline bool linear_deque_add(struct linear_deque *deque, int64_t first, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        deque->items[deque->n++] = (uint8_t)(first + i);
    return true;
}

static inline bool linear_deque_take(struct linear_deque *deque, bool newest, int64_t item)
{
    if (!deque->n)
        return item == 0;
    if (deque->items[newest ? deque->n - 1 : 0] != item)
        return false;
    deque->n--;
    if (!newest)
        memmove(deque->items, deque->items + 1, deque->n);
    deque->items[deque->n] = 0;
    return true;
}

static inline bool linear_deque_step(void *state, const struct linear_op *op)
{
    struct linear_deque *deque = state;
    switch (op->kind) {
    case LINEAR_PUSH:
        return linear_deque_add(deque, op->arg, 1);
    case LINEAR_PUSH_MANY:
        return linear_deque_add(deque, op->arg, op->result);
    case LINEAR_POP:
        return linear_deque_take(deque, true, op->result);
    case LINEAR_STEAL:
        return linear_deque_take(deque, false, op->result);
    case LINEAR_PEEK:
        return op->result == (deque->n ? deque->items[deque->n - 1] : 0);
    default: /* LINEAR_STEAL_LOST */
        return true;
    }
}

static inline bool linear_deque_is_empty(const void *state)
{
    return ((const struct linear_deque *)state)->n == 0;
}

static const char *const linear_deque_names[] = {
    "push", "push_many", "pop", "peek", "steal", "steal, which lost"
};

/* A history ends when everything was taken. */
static const struct linear_spec linear_deque_spec = { sizeof(struct linear_deque), linear_deque_step,
                                                      linear_deque_is_empty, linear_deque_names };

/* Whether each steal that lost overlaps with one that took, or with a pop that did. */
static inline bool linear_deque_losses(const struct linear_history *history)
{
    for (size_t i = 0; i < history->n; i++) {
        const struct linear_op *lost = &history->ops[i];
        bool excused = lost->kind != LINEAR_STEAL_LOST;
        for (size_t j = 0; j < history->n && !excused; j++) {
            const struct linear_op *op = &history->ops[j];
            bool took = (op->kind == LINEAR_POP || op->kind == LINEAR_STEAL) && op->result;
            excused = took && op->called < lost->answered && op->answered > lost->called;
        }
        if (!excused)
            return false;
    }
    return true;
}

#endif
