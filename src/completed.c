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
    struct filchi_waiter *ready; /* consumer: final at the beginning, or run by it; all before those in the queue */
    struct filchi_waiter **ready_end;
    _Atomic(const struct filchi_thread *) runner; /* consumer: its thread while it runs one of them itself */
    struct filchi_waiter nodes[];
};

/* ---- Beginning ---- */

static void append_ready(struct filch_completed *completed, struct filchi_waiter *waiter)
{
    if (!completed->ready)
        completed->ready_end = &completed->ready;
    waiter->in.next = NULL;
    *completed->ready_end = waiter;
    completed->ready_end = &waiter->in.next;
}

static void serve(struct filchi_waiter *waiter)
{
    struct filch_completed *completed = waiter->owner;
    const struct filchi_thread *here = filchi_thread_here;
    /* relaxed: a thread can find itself there only if it is the consumer, who wrote it. */
    if (here && atomic_load_explicit(&completed->runner, memory_order_relaxed) == here &&
        filchi_mpsc_empty(&completed->queue))
        append_ready(completed, waiter);
    else if (filchi_mpsc_push(&completed->queue, &waiter->in.link))
        filchi_parker_signal(&completed->parker);
}

/*
 * Every future is marked with the address of its node, unique to this iterator, so that listing it again is noticed
 * without a table. A mark of somebody else may be an old one, or that of an iterator begun elsewhere at the same
 * time, which has overwritten ours: then it is *unsure whether the future is listed twice.
 */
static bool is_listed(const struct filch_completed *completed, filch_future *future, uintptr_t node, bool *unsure)
{
    /* relaxed, both: nothing but the value itself is read; per future it is in order. */
    uintptr_t old = atomic_load_explicit(&future->mark, memory_order_relaxed);
    uintptr_t place = (old - (uintptr_t)completed->nodes) / sizeof completed->nodes[0];
    if (place < completed->total && completed->nodes[place].subject == future)
        return true;
    atomic_store_explicit(&future->mark, node, memory_order_relaxed);
    *unsure |= old != 0;
    return false;
}

/* Whether all marks are ours after all; then no future is listed twice. True is certain, false is not. */
static bool is_marked(const struct filch_completed *completed)
{
    for (size_t i = 0; i < completed->total; i++) {
        const filch_future *future = completed->nodes[i].subject;
        /* relaxed: as above. */
        if (atomic_load_explicit(&future->mark, memory_order_relaxed) != (uintptr_t)&completed->nodes[i])
            return false;
    }
    return true;
}

static void watch(struct filch_completed *completed, filch_future *future, bool *unsure)
{
    struct filchi_waiter *waiter = &completed->nodes[completed->total];
    if (is_listed(completed, future, (uintptr_t)waiter, unsure))
        return;
    waiter->serve = serve;
    waiter->subject = future;
    waiter->owner = completed;
    completed->total++;
    if (!filchi_waitlist_add(&future->waiters, waiter))
        append_ready(completed, waiter);
}

/* If it fails, filch_completed_end() still owes those that it has come to. */
static int watch_all(struct filch_completed *completed, filch_future *const *futures, size_t n, bool *unsure)
{
    const struct filchi_slab_home *home = NULL; /* whose futures can become final */
    for (size_t i = 0; i < n; i++) {
        if (!futures[i])
            return -EINVAL;
        if (filchi_slab_home_of(futures[i]) != home && !filchi_future_final(futures[i])) {
            if (!filchi_future_here(futures[i]))
                return -EOWNERDEAD;
            home = filchi_slab_home_of(futures[i]);
        }
        watch(completed, futures[i], unsure);
    }
    return 0;
}

static struct filch_completed *create(size_t n, int64_t deadline)
{
    if (n > (SIZE_MAX / 2 - sizeof(struct filch_completed)) / sizeof(struct filchi_waiter))
        return NULL;
    struct filch_completed *completed = filchi_os_alloc_aligned(_Alignof(struct filch_completed),
                                                                sizeof *completed + n * sizeof completed->nodes[0]);
    if (!completed)
        return NULL;
    filchi_mpsc_init(&completed->queue);
    filchi_parker_init(&completed->parker);
    atomic_init(&completed->runner, NULL);
    completed->deadline = deadline;
    return completed;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (filch_future *const *)a, y = (uintptr_t) * (filch_future *const *)b;
    return (x > y) - (x < y);
}

/* Each one once, in another order. NULL without memory. */
static filch_future **sort_distinct(filch_future *const *futures, size_t *n)
{
    filch_future **sorted = filchi_os_alloc(*n * sizeof *sorted);
    if (!sorted)
        return NULL;
    size_t distinct = 0;
    for (size_t i = 0; i < *n; i++)
        sorted[i] = futures[i];
    qsort(sorted, *n, sizeof *sorted, by_address);
    for (size_t i = 0; i < *n; i++)
        if (i == 0 || sorted[i] != sorted[distinct - 1])
            sorted[distinct++] = sorted[i];
    *n = distinct;
    return sorted;
}

/* *twice (NULL: they are known to be distinct) tells that some may be listed twice: then there is no iterator. */
static int begin(struct filch_completed **out, filch_future *const *futures, size_t n, int64_t deadline,
                 bool *twice)
{
    struct filch_completed *completed = create(n, deadline);
    if (!completed)
        return -ENOMEM;
    bool unsure = false;
    int rc = watch_all(completed, futures, n, &unsure);
    if (!rc && twice)
        *twice = unsure && !is_marked(completed);
    if (rc || (twice && *twice)) {
        filch_completed_end(completed);
        return rc;
    }
    completed->cursor = completed->total;
    *out = completed;
    return 0;
}

int filch_completed_begin(filch_completed **out, filch_future *const *futures, size_t n, int64_t timeout_ns)
{
    int64_t deadline = filchi_os_deadline(timeout_ns);
    bool twice = false;
    int rc = begin(out, futures, n, deadline, &twice);
    if (rc || !twice)
        return rc;
    filch_future **sorted = sort_distinct(futures, &n);
    if (!sorted)
        return -ENOMEM;
    rc = begin(out, sorted, n, deadline, NULL);
    filchi_os_free(sorted);
    return rc;
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

/*
 * What the task submitted last is mostly what it can run next: at once, without the frame of a wait. Its waiter is
 * then in `ready`; NULL if nothing was run, or it is not final.
 */
static struct filchi_waiter *run_newest(struct filch_completed *completed)
{
    struct filchi_thread *thread = filchi_worker_thread();
    if (!thread || completed->deadline != FILCHI_NEVER)
        return NULL;
    while (completed->cursor > 0 && !completed->nodes[completed->cursor - 1].subject)
        completed->cursor--;
    if (completed->cursor == 0)
        return NULL;
    atomic_store_explicit(&completed->runner, thread, memory_order_relaxed); /* relaxed: see serve(). */
    bool ran = filchi_await_run_newest(thread, completed->nodes[completed->cursor - 1].subject);
    atomic_store_explicit(&completed->runner, NULL, memory_order_relaxed); /* relaxed: see serve(). */
    return ran ? take(completed) : NULL;
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

/* Outside of tasks: the first that is not final may want the thread's help. */
static void offer(const struct filch_completed *completed, struct filchi_await *await)
{
    for (size_t i = 0; i < completed->total && !await->thread; i++) {
        const filch_future *future = completed->nodes[i].subject;
        if (!future || filchi_future_final(future))
            continue;
        filchi_await_offer(await, filchi_origin_of(future));
        return;
    }
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
    offer(completed, &await);
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
    if (!waiter)
        waiter = run_newest(completed);
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
    while (left && completed->ready) { /* these are not registered */
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
