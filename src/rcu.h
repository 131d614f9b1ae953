/* SPDX-License-Identifier: MIT */
/*
 * Read-copy-update, from liburcu's memb flavour: thieves read deque arrays inside a read side, owners free
 * retired arrays after a grace period. Only the pool's own threads register.
 *
 * liburcu's atomics are inline assembly, which ThreadSanitizer does not see. In those builds nothing is freed
 * before the pool goes, so that there is nothing to wait for.
 */
#ifndef FILCHI_RCU_H
#define FILCHI_RCU_H

#include <stdbool.h>

#ifndef FILCH_TSAN
#include <urcu/urcu-memb.h>

static inline void filchi_rcu_register(void)
{
    urcu_memb_register_thread();
}
static inline void filchi_rcu_unregister(void)
{
    urcu_memb_unregister_thread();
}
static inline void filchi_rcu_read_begin(void)
{
    urcu_memb_read_lock();
}
static inline void filchi_rcu_read_end(void)
{
    urcu_memb_read_unlock();
}
/* Waits for every read side that has begun. Not inside one. False: cannot tell; free nothing yet. */
static inline bool filchi_rcu_synchronize(void)
{
    urcu_memb_synchronize_rcu();
    return true;
}
#else
static inline void filchi_rcu_register(void)
{
}
static inline void filchi_rcu_unregister(void)
{
}
static inline void filchi_rcu_read_begin(void)
{
}
static inline void filchi_rcu_read_end(void)
{
}
static inline bool filchi_rcu_synchronize(void)
{
    return false;
}
#endif

#endif
