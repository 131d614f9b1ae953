/* SPDX-License-Identifier: MIT */
/* Where a task belongs: to which scope, and in which lane and level it is to wait. */
#ifndef FILCHI_BELONGS_H
#define FILCHI_BELONGS_H

#include "future.h"
#include "lane.h"

/* The scope of a task that is not final and cannot become so meanwhile. */
static inline struct filchi_group *filchi_future_group(const filch_future *future)
{
    if (future->stop & FILCHI_STOP_GROUP)
        return ((const filch_stop *)(future->stop & ~FILCHI_STOP_FLAGS))->group;
    const struct filchi_cold *cold = filchi_future_cold(future);
    return cold ? cold->group : NULL;
}
/* Whether it is of this scope. Of a stale entry the answer may be wrong. */
static inline bool filchi_future_is_of(const filch_future *future, const struct filchi_group *group)
{
    if (future->stop & FILCHI_STOP_GROUP)
        return (future->stop & ~FILCHI_STOP_FLAGS) == (uintptr_t)group->stop;
    const struct filchi_cold *cold = filchi_future_cold(future);
    return cold && cold->group == group;
}

/* A lane's pointer, or NULL, with a level in its low bits; 0: none, NORMAL. */
static inline uintptr_t filchi_route_of(filch_lane *lane, filch_priority priority)
{
    return (uintptr_t)lane | ((uintptr_t)(FILCHI_LEVEL_NORMAL - (int)priority) ^ FILCHI_LEVEL_NORMAL);
}
static inline filch_lane *filchi_route_lane(uintptr_t route)
{
    return (filch_lane *)(route & ~(uintptr_t)3);
}
static inline enum filchi_level filchi_route_level(uintptr_t route)
{
    return (enum filchi_level)((route & 3) ^ FILCHI_LEVEL_NORMAL);
}
/* The lane and level of a task that the caller holds or runs; 0: none. */
static inline uintptr_t filchi_future_route(const filch_future *future)
{
    const struct filchi_cold *cold = filchi_future_cold(future);
    return cold ? cold->route : 0;
}

#endif
