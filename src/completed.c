/* SPDX-License-Identifier: MIT */
/*
 * Futures in completion order: each future gets a waiter that, served, goes to a queue of the iterator. The
 * completing thread's part is wait-free.
 *
 * Invariant: a waiter is registered with its future, or on its way to the queue, or in the queue, or in
 * `ready`, or delivered (subject NULL). The parker gets one signal for each time the queue stops being empty,
 * which the consumer can count as it empties it; so the end knows when the last completing thread has left.
 */
#include "await.h"

#include <errno.h>
#include <stdlib.h>

struct filch_completed {
    struct filchi_mpsc queue;
    struct filchi_parker parker;
    uint32_t due;     /* signals accounted for */
    int64_t deadline; /* of the whole iteration */
    size_t total, delivered;
    size_t hint;                 /* see struct filchi_awaited */
    size_t cursor;               /* nodes from here on are known to have started */
    size_t witness;              /* nodes before it are delivered */
    bool later;                  /* some of those may become due again */
    uint32_t news;               /* filchi_handoff_news() before they were looked at */
    struct filchi_waiter *ready; /* already final at the beginning */
    struct filchi_waiter **ready_end;
    struct filchi_waiter nodes[];
};

/* ---- Beginning ---- */

static void serve(struct filchi_waiter *waiter)
{
    struct filch_completed *completed = waiter->owner;
    if (filchi_mpsc_push(&completed->queue, &waiter->in.link))
        filchi_parker_signal(&completed->parker);
}

static void append_ready(struct filch_completed *completed, struct filchi_waiter *waiter)
{
    waiter->in.next = NULL;
    *completed->ready_end = waiter;
    completed->ready_end = &waiter->in.next;
}

static void watch(struct filch_completed *completed, filch_future *future)
{
    struct filchi_waiter *waiter = &completed->nodes[completed->total++];
    waiter->serve = serve;
    waiter->subject = future;
    waiter->owner = completed;
    if (!filchi_waitlist_add(&future->waiters, waiter))
        append_ready(completed, waiter);
}

/*
 * Whether no future is listed twice, without a table: every future is marked with the address of its node,
 * unique to this iterator. A second listing overwrites the first one's mark; so does, harmlessly, an iterator
 * begun elsewhere at the same time. True is certain, false is not.
 */
static bool distinct(const struct filch_completed *completed, filch_future *const *futures, size_t n)
{
    for (size_t i = 0; i < n; i++) /* relaxed: nothing but the value itself is read; per future it is in order. */
        atomic_store_explicit(&futures[i]->mark, (uintptr_t)&completed->nodes[i], memory_order_relaxed);
    for (size_t i = 0; i < n; i++)
        if (atomic_load_explicit(&futures[i]->mark, memory_order_relaxed) != (uintptr_t)&completed->nodes[i])
            return false;
    return true;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (filch_future *const *)a, y = (uintptr_t) * (filch_future *const *)b;
    return (x > y) - (x < y);
}

static int watch_distinct(struct filch_completed *completed, filch_future *const *futures, size_t n)
{
    filch_future **sorted = filchi_os_alloc(n * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = futures[i];
    qsort(sorted, n, sizeof *sorted, by_address);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || sorted[i] != sorted[i - 1])
            watch(completed, sorted[i]);
    filchi_os_free(sorted);
    return 0;
}

static int check(filch_future *const *futures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!futures[i])
            return -EINVAL;
        if (!filchi_future_final(futures[i]) && !filchi_future_here(futures[i]))
            return -EOWNERDEAD;
    }
    return 0;
}

int filch_completed_begin(filch_completed **out, filch_future *const *futures, size_t n, int64_t timeout_ns)
{
    int rc = check(futures, n);
    if (rc)
        return rc;
    if (n > (SIZE_MAX / 2 - sizeof(filch_completed)) / sizeof(struct filchi_waiter))
        return -ENOMEM;
    filch_completed *completed =
        filchi_os_alloc_aligned(_Alignof(filch_completed), sizeof *completed + n * sizeof completed->nodes[0]);
    if (!completed)
        return -ENOMEM;
    filchi_mpsc_init(&completed->queue);
    filchi_parker_init(&completed->parker);
    completed->deadline = filchi_os_deadline(timeout_ns);
    completed->ready_end = &completed->ready;
    if (distinct(completed, futures, n))
        for (size_t i = 0; i < n; i++)
            watch(completed, futures[i]);
    else
        rc = watch_distinct(completed, futures, n);
    if (rc) {
        filchi_os_free(completed);
        return rc;
    }
    completed->cursor = completed->total;
    *out = completed;
    return 0;
}

/* ---- Iterating ---- */

/*
 * Whether fork() made this process since the iterator was begun: then what was not delivered, all of which could
 * become final at that time, stays as it is. While `ready` is not empty nobody asks.
 */
static bool is_copy(struct filch_completed *completed)
{
    while (completed->witness < completed->total && !completed->nodes[completed->witness].subject)
        completed->witness++;
    return completed->witness < completed->total &&
           !filchi_future_here(completed->nodes[completed->witness].subject);
}

/* The next that is final, or NULL. */
static struct filchi_waiter *take(struct filch_completed *completed)
{
    struct filchi_waiter *waiter = completed->ready;
    if (waiter) {
        completed->ready = waiter->in.next;
        return waiter;
    }
    for (unsigned spins = 0;; spins++) {
        struct filchi_mpsc_node *node;
        switch (filchi_mpsc_pop(&completed->queue, &node)) {
        case FILCHI_MPSC_EMPTY:
            return NULL;
        case FILCHI_MPSC_LAST:
            completed->due++;
            return (struct filchi_waiter *)node;
        case FILCHI_MPSC_ONE:
            return (struct filchi_waiter *)node;
        case FILCHI_MPSC_BUSY:
            if (is_copy(completed)) /* the producer is not there */
                return NULL;
            break;
        }
        filchi_os_relax(spins);
    }
}

/* Runs one of them here, newest first. *stalled: one has not started and was not run. */
static bool run_one(struct filch_completed *completed, struct filchi_await *await, bool *stalled)
{
    *stalled = false;
    if (!await->thread || await->blocked)
        return false;
    if (await->poked) { /* tasks that had started, and have become due since */
        completed->cursor = completed->total;
        completed->news = await->news;
    }
    for (; completed->cursor > 0; completed->cursor--) {
        filch_future *future = completed->nodes[completed->cursor - 1].subject;
        if (!future)
            continue;
        switch (filchi_await_run(await, future, filchi_worker_tasks_are_long(await->thread))) {
        case FILCHI_AWAIT_RAN:
            return true;
        case FILCHI_AWAIT_LEFT:
            *stalled = true;
            return false;
        case FILCHI_AWAIT_NOTHING:
            break;
        }
    }
    return false;
}

/* Whether one that was not delivered is final: then it is in the queue, or on its way there at this moment. */
static bool is_any_final(const struct filch_completed *completed)
{
    for (size_t i = 0; i < completed->total; i++) {
        const filch_future *future = completed->nodes[i].subject;
        if (future && filchi_future_final(future))
            return true;
    }
    return false;
}

/* The wait ended. What is final by now is delivered all the same, so that it is so after a filch_join(). */
static struct filchi_waiter *take_late(struct filch_completed *completed)
{
    if (!is_any_final(completed))
        return NULL;
    struct filchi_waiter *waiter;
    for (unsigned spins = 0; !(waiter = take(completed)); spins++)
        filchi_os_relax(spins);
    return waiter;
}

/* Waits for one; NULL and *rc if the wait ended. */
static struct filchi_waiter *await_one(struct filch_completed *completed, int *rc)
{
    struct filchi_await await;
    struct filchi_waiter *waiter;
    filchi_await_begin(&await, &completed->parker, completed->deadline, true);
    await.awaited = (struct filchi_awaited) {
        .kind = FILCHI_AWAITED_ANY, .nodes = completed->nodes, .n = completed->total, .hint = &completed->hint
    };
    await.later = completed->later;
    if (await.later) /* what became due since then is news to us: they are not looked at again */
        await.news = completed->news;
    else
        completed->news = await.news;
    for (;;) {
        bool stalled;
        uint32_t seen = filchi_parker_count(&completed->parker);
        waiter = take(completed);
        if (waiter)
            break;
        if (run_one(completed, &await, &stalled))
            continue;
        *rc = filchi_await_pause(&await, seen, stalled);
        if (*rc)
            break;
    }
    completed->due += filchi_await_end(&await);
    completed->later = await.later;
    return waiter ? waiter : take_late(completed);
}

int filch_completed_next(filch_completed *completed, filch_future **out)
{
    if (completed->delivered == completed->total)
        return 0;
    int rc = 0;
    struct filchi_waiter *waiter = take(completed);
    if (!waiter && is_copy(completed))
        return -EOWNERDEAD;
    if (!waiter)
        waiter = await_one(completed, &rc);
    if (!waiter)
        return rc;
    *out = waiter->subject;
    waiter->subject = NULL;
    completed->delivered++;
    return 1;
}

size_t filch_completed_unfinished(const filch_completed *completed)
{
    return completed->total - completed->delivered;
}

size_t filch_completed_total(const filch_completed *completed)
{
    return completed->total;
}

/* ---- Ending ---- */

void filch_completed_end(filch_completed *completed)
{
    if (!completed)
        return;
    size_t left = completed->total - completed->delivered;
    while (left && completed->ready) { /* these were never registered */
        take(completed)->subject = NULL;
        left--;
    }
    if (is_copy(completed)) {
        filchi_os_free(completed);
        return;
    }
    for (size_t i = 0; i < completed->total && left; i++) {
        filch_future *future = completed->nodes[i].subject;
        if (future && filchi_waitlist_remove(&future->waiters, &completed->nodes[i]))
            left--;
    }
    while (left) /* in the queue, or on the way there at this moment */
        if (take(completed))
            left--;
        else
            filchi_os_yield();
    filchi_parker_settle(&completed->parker, completed->due);
    filchi_os_free(completed);
}

void filch_completed_cleanup(filch_completed **completed)
{
    filch_completed_end(*completed);
}
