/* SPDX-License-Identifier: MIT */
/* Hooks of a pool's threads that count on each how often it was initialised, and a task that looks. */
#ifndef FILCH_TESTS_INITIALISED_H
#define FILCH_TESTS_INITIALISED_H

#include "must.h"

#include <filch/filch.h>

static _Thread_local int initialised;

static inline int enter(void *rc)
{
    initialised++;
    return *(int *)rc;
}

static inline void leave(void *rc)
{
    (void)rc;
    initialised--;
}

static inline int check_initialised(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    must(initialised == 1);
    return 0;
}

#endif
