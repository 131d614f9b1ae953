/* SPDX-License-Identifier: MIT */
/* Tasks that are stopped before they start: see stopping.h. */
#include "stopping.h"

#include "belongs.h"
#include "handoff.h"
#include "observe.h"
#include "transition.h"

/* Most tasks of which the group is told together: who waits for one of them should not wait for all. */
#ifdef FILCH_TESTING
#define AT_ONCE 8
#else
#define AT_ONCE 1024
#endif

static void tell(struct filchi_stopped *stopped)
{
    struct filchi_group *group = stopped->group;
    size_t n = stopped->n;
    stopped->n = 0;
    if (stopped->chain.first)
        group->keep(group, &stopped->chain);
    if (n)
        group->left(group, FILCH_STOPPED, n);
}

void filchi_stopping_tell_now(struct filchi_thread *thread)
{
    tell(&thread->stopped);
    thread->stopped.group = NULL; /* it may be gone */
}

/* One of stopped->group, or of none, is final; `old` is the word before, `cold` whether it has more than its line. False: the
 * caller owes an end_slowly(). */
static inline bool collect(struct filchi_stopped *stopped, filch_future *future, bool kept, bool cold,
                           uintptr_t old)
{
    if (kept)
        filchi_mpsc_chain_add(&stopped->chain, &future->link);
    if (old & FILCHI_WORD_LIST || (old & FILCHI_WORD_ORPHAN && cold))
        return false;
    filchi_future_tell_waiters(future, old);
    if (stopped->group && stopped->n == AT_ONCE)
        tell(stopped);
    stopped->n++;
    return true;
}

/* Who has claimed it, or keeps it. */
static inline void drop(const struct filchi_thread *thread, filch_future *future, int code)
{
    if (filchi_observer_drops(thread->pool->origin))
        filchi_observe_drop(thread->pool->origin, future, FILCH_STOPPED, code);
}

/* Of one that the caller has claimed: as collect(). */
static bool end(struct filchi_thread *thread, filch_future *future, int code, uintptr_t *old)
{
    bool kept = future->stop & FILCHI_STOP_KEPT;
    bool cold = filchi_future_cold(future) != NULL;
    drop(thread, future, code);
    *old = filchi_future_complete_stopped(future, code);
    return collect(&thread->stopped, future, kept, cold, *old);
}

/* Of an entry: the same, unless it is stale. */
static inline bool end_entry(struct filchi_thread *thread, filch_future *future, uintptr_t *old)
{
    struct filchi_stopped *stopped = &thread->stopped;
    if (!(future->stop & FILCHI_STOP_KEPT))
        return filchi_future_claim(future) == FILCHI_CLAIM_STALE || end(thread, future, stopped->code, old);
    if (filchi_future_stop_entry(future, stopped->code, old) == FILCHI_CLAIM_STALE)
        return true;
    drop(thread, future, stopped->code);
    return collect(stopped, future, true, false, *old);
}

/* Callbacks and destructors may take their time, and wait, so that this thread stops others meanwhile. */
static void end_slowly(struct filchi_thread *thread, filch_future *future, struct filchi_group *group,
                       uintptr_t old)
{
    filchi_stopping_tell(thread);
    filchi_future_tell_waiters(future, old);
    if (group)
        group->left(group, FILCH_STOPPED, 1);
}

void filchi_stopping_end(struct filchi_thread *thread, filch_future *future)
{
    struct filchi_stopped *stopped = &thread->stopped;
    struct filchi_group *group = filchi_future_group(future);
    int code = filch_stop_reason(filchi_future_stop(future));
    uintptr_t old;
    if (stopped->group != group) {
        filchi_stopping_tell(thread);
        *stopped = (struct filchi_stopped) { .group = group, .code = group ? filch_stop_reason(group->stop) : 0 };
    }
    filchi_future_drop_stop(future);
    if (!end(thread, future, code, &old))
        end_slowly(thread, future, group, old);
    thread->stopping = true;
}

/* ---- Several at a time ---- */

/* Deals with entries as long as each is a task of the group. Returns how many; *slow: the last one, for end_slowly(). */
static unsigned stop_entries(struct filchi_thread *thread, void *const *items, unsigned n, filch_future **slow,
                             uintptr_t *old)
{
    struct filchi_stopped *stopped = &thread->stopped;
    const filch_stop *stop = stopped->group->stop;
    for (unsigned i = 0; i < n; i++) {
        filch_future *future = items[i];
        filchi_prefetch_write(items[i + FILCHI_AHEAD < n ? i + FILCHI_AHEAD : n - 1]);
        if (!(future->stop & FILCHI_STOP_GROUP) || filchi_future_stop(future) != stop)
            return i;
        filchi_worker_give_up_place(thread, future);
        if (!end_entry(thread, future, old)) {
            *slow = future;
            return i + 1;
        }
    }
    return n;
}

void filchi_stopping_batch(struct filchi_thread *thread)
{
    struct filchi_worker *worker = thread->worker;
    struct filchi_group *group = thread->stopped.group;
    filch_future *slow = NULL;
    uintptr_t old;
    void *items[FILCHI_BATCH];
    if (!group || !thread->stopped.code || filchi_pool_is_cancelling(thread->pool))
        return;
    unsigned n = filchi_batch_take_all(&worker->batch, items);
    unsigned done = stop_entries(thread, items, n, &slow, &old);
    filchi_counter_add(&worker->finished, done - (slow ? 1 : 0));
    if (done < n) {
        filchi_batch_put_back(&worker->batch, &items[done], n - done);
        filchi_handoff_notify_due(thread->pool); /* they were out of sight for a moment, which counts as news */
    }
    if (slow) {
        end_slowly(thread, slow, group, old);
        filchi_counter_add(&thread->worker->finished, 1); /* perhaps another one, after a wait */
    }
}
