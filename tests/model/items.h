/* SPDX-License-Identifier: MIT */
/* Items for models of queues: plain numbers behind the pointers, which must be published with them, and how often each was
 * taken. */
#ifndef MODEL_ITEMS_H
#define MODEL_ITEMS_H

#include "engine.h"

#define ITEMS 8

static int items[ITEMS];      /* written just before the item is pushed */
static unsigned taken[ITEMS]; /* who has taken it */

static inline void begin_items(void)
{
    for (int i = 0; i < ITEMS; i++) {
        items[i] = 0;
        taken[i] = 0;
    }
}

/* Whoever has it; NULL is allowed. */
static inline void take(void *item)
{
    if (!item)
        return;
    long i = (int *)item - items;
    model_check(i >= 0 && i < ITEMS);
    model_check(items[i] == (int)i + 1);
    taken[i]++;
}

#endif
