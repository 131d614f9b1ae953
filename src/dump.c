/* SPDX-License-Identifier: MIT */
/*
 * Prints what a pool does. It is put together in memory under handoff's lock, where threads that are blocked,
 * resumable or in a region stay so: their stacks may be walked, and what a blocked task awaits is held by it. Of
 * threads that run only what they show to others is read. It is written after the lock was dropped.
 */
#include "handoff.h"
#include "places.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Where the buffer begins; it is made larger until everything fits. How long handoff's lock is waited for, ns. */
#ifdef FILCH_TESTING
#define TEXT_FIRST 16
#else
#define TEXT_FIRST 8192
#endif
#define LOCK_PATIENCE INT64_C(1000000000)
/* How many of the futures of one wait are shown. */
#define FUTURES_SHOWN 8

struct text {
    char *at;
    size_t size;
    size_t length; /* that it would have, were there room */
};

static void print(struct text *text, const char *format, ...) FILCH_PRINTF(2, 3);

static void print(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = text->length < text->size ? text->size - text->length : 0;
    int n = vsnprintf(room ? text->at + text->length : NULL, room, format, args);
    text->length += n > 0 ? (size_t)n : 0;
    va_end(args);
}

/* What would make a line look like two, or a name end early, is replaced. */
static void print_quoted(struct text *text, const char *name)
{
    print(text, "\"");
    for (; *name; name++) {
        bool plain = (unsigned char)*name >= ' ' && *name != '"';
        if (text->length < text->size)
            text->at[text->length] = (char)(plain ? *name : '?');
        text->length++;
    }
    print(text, "\"");
}

static void print_future(struct text *text, const filch_future *future)
{
    const char *name = filch_future_name(future);
    if (name)
        print_quoted(text, name);
    else
        print(text, "0x%" PRIxPTR, (uintptr_t)future);
}

/* ---- What tasks await ---- */

static void print_awaited_future(struct text *text, const filch_pool *pool, const filch_future *future)
{
    print_future(text, future);
    print(text, " (%s%s)", filch_state_name(filchi_future_state(future)),
          filchi_slab_home_of(future) == pool->home ? "" : ", of another pool");
}

static void print_awaited_any(struct text *text, const filch_pool *pool, const struct filchi_awaited *awaited)
{
    size_t left = 0, shown = 0;
    for (size_t i = 0; i < awaited->n; i++)
        left += awaited->nodes[i].subject != NULL;
    print(text, " awaits any of %zu future%s", left, left == 1 ? "" : "s");
    for (size_t i = 0; i < awaited->n && shown < FUTURES_SHOWN; i++) {
        if (!awaited->nodes[i].subject)
            continue;
        print(text, shown++ ? ", " : ": ");
        print_awaited_future(text, pool, awaited->nodes[i].subject);
    }
    print(text, left > shown ? ", ..." : "");
}

static void print_awaited_group(struct text *text, const struct filchi_group *group, size_t left)
{
    if (group->name)
        print_quoted(text, group->name);
    else
        print(text, "0x%" PRIxPTR, (uintptr_t)group);
    print(text, " (%zu left)", left);
}

static void print_awaited(struct text *text, const struct filchi_thread *thread)
{
    const struct filchi_awaited *awaited = &thread->awaited;
    switch (awaited->kind) {
    case FILCHI_AWAITED_FUTURE:
        print(text, " awaits future ");
        print_awaited_future(text, thread->pool, awaited->future);
        break;
    case FILCHI_AWAITED_ANY:
        print_awaited_any(text, thread->pool, awaited);
        break;
    case FILCHI_AWAITED_GROUP:
        print(text, " awaits the tasks of scope ");
        print_awaited_group(text, awaited->group, awaited->group->unfinished(awaited->group));
        break;
    case FILCHI_AWAITED_MEMBER:
        print(text, " awaits the next task of scope ");
        print_awaited_group(text, awaited->group, awaited->group->undelivered(awaited->group));
        break;
    case FILCHI_AWAITED_OTHER:
        print(text, " waits");
        break;
    }
    print(text, awaited->timed ? ", with a deadline" : "");
}

/* A thread that stays where it is as long as we have the lock. */
static void print_stack(struct text *text, const struct filchi_thread *thread)
{
    const filch_future *above = NULL;
    for (const struct filchi_frame *frame = thread->frame; frame; frame = frame->below) {
        print(text, "  task ");
        print_future(text, frame->task);
        if (above) {
            print(text, " awaits future ");
            print_future(text, above);
            print(text, " (running), which runs on its stack");
        } else if (thread->place == FILCHI_BLOCKED) {
            print_awaited(text, thread);
        }
        print(text, "\n");
        above = frame->task;
    }
}

/* ---- Threads ---- */

static void print_running(struct text *text, const struct filchi_thread *thread)
{
    char label[FILCHI_LABEL_WORDS * 8];
    unsigned depth = atomic_load_explicit(&thread->depth, memory_order_relaxed); /* relaxed: to look at. */
    if (!depth) {
        print(text, ": looking for a task\n");
        return;
    }
    print(text, ": running ");
    if (filchi_label_get(&thread->label, label)) {
        print(text, "task ");
        print_quoted(text, label);
    } else {
        print(text, "a task without a name");
    }
    if (depth > 1)
        print(text, ", %u more on its stack", depth - 1);
    print(text, "\n");
}

static void print_name(struct text *text, const struct filchi_thread *thread)
{
    print(text, "%s-%u", thread->pool->handoff.name, thread->number);
}

static void print_thread(struct text *text, const struct filchi_thread *thread)
{
    static const char *const places[] = {
        [FILCHI_NOWHERE] = "looking for a worker",
        [FILCHI_SPARE] = "spare",
        [FILCHI_OUTSIDE] = "waiting outside of tasks",
        [FILCHI_RESUMABLE] = "about to go on",
        [FILCHI_BLOCKED] = "blocked",
        [FILCHI_IN_REGION] = "in a blocking region",
    };
    print(text, "thread ");
    print_name(text, thread);
    long id = atomic_load_explicit(&thread->id, memory_order_relaxed); /* relaxed: to look at. */
    if (!id) {
        print(text, ": starting\n");
        return;
    }
    print(text, " (%ld%s)", id, thread->lent ? ", lent" : "");
    if (thread->worker) {
        print_running(text, thread);
        return;
    }
    print(text, ": %s\n", places[thread->place]);
    if (thread->place == FILCHI_RESUMABLE || thread->place == FILCHI_BLOCKED || thread->place == FILCHI_IN_REGION)
        print_stack(text, thread);
}

/* ---- Workers and queues ---- */

/* Notes in each worker who holds it. */
static void note_holders(const filch_pool *pool)
{
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++) {
        struct filchi_worker *worker = filchi_pool_worker(pool, i);
        worker->holder = NULL;
        worker->is_idle = false;
    }
    for (struct filchi_worker *worker = pool->handoff.idle; worker; worker = worker->next_idle)
        worker->is_idle = true;
    for (const struct filchi_thread *thread = pool->handoff.all; thread; thread = thread->next_thread)
        if (thread->worker)
            thread->worker->holder = thread;
}

static void print_worker(struct text *text, const filch_pool *pool, unsigned index)
{
    const struct filchi_worker *worker = filchi_pool_worker(pool, index);
    size_t queued = filchi_deque_count(&worker->deque);
    print(text, "worker %u: ", index);
    if (worker->holder) {
        print(text, "held by ");
        print_name(text, worker->holder);
    } else {
        /* relaxed: written under the lock. */
        bool retired = atomic_load_explicit(&worker->retired, memory_order_relaxed);
        print(text, worker->is_idle ? "idle" : retired ? "out of circulation" : "waiting for its thread to start");
    }
    print(text, ", %zu task%s in its deque, %zu in its batch\n", queued, queued == 1 ? "" : "s",
          filchi_batch_count(&worker->batch));
}

static void print_queue(struct text *text, const filch_lane *lane)
{
    print(text, "%zu high, %zu normal, %zu low waiting", lane->queues[FILCHI_LEVEL_HIGH].n,
          lane->queues[FILCHI_LEVEL_NORMAL].n, lane->queues[FILCHI_LEVEL_LOW].n);
}

static void print_lane(struct text *text, const filch_lane *lane)
{
    print(text, "lane ");
    if (lane->name)
        print_quoted(text, lane->name);
    else
        print(text, "0x%" PRIxPTR, (uintptr_t)lane);
    print(text, ": weight %u, %u running", lane->weight, lane->running);
    if (lane->most)
        print(text, " of at most %u, %zu waiting to go on", lane->most, lane->n_waiting);
    print(text, ", ");
    print_queue(text, lane);
    print(text, "\n");
}

/* What waits for a level or in lanes; nothing of it is shown of pools that use none. */
static void print_lanes(struct text *text, const filch_pool *pool)
{
    struct filchi_lanes *lanes = &pool->origin->lanes;
    filchi_lock_take(&lanes->lock);
    if (lanes->outside.queues[FILCHI_LEVEL_HIGH].n || lanes->outside.queues[FILCHI_LEVEL_LOW].n) {
        print(text, "tasks from outside with a priority: ");
        print_queue(text, &lanes->outside);
        print(text, "\n");
    }
    for (const filch_lane *lane = lanes->first; lane; lane = lane->next)
        print_lane(text, lane);
    filchi_lock_give(&lanes->lock);
}

static void print_timers(struct text *text, const struct filchi_timers *timers)
{
    /* relaxed: a number to look at. */
    size_t n = atomic_load_explicit(&timers->waiting, memory_order_relaxed);
    print(text, "tasks for later: %zu waiting for their time, %zu due, %s timer thread\n", n,
          filchi_deque_count(&timers->due), filchi_timers_running(timers) ? "a" : "no");
}

static void print_pool(struct text *text, const filch_pool *pool)
{
    const struct filchi_handoff *handoff = &pool->handoff;
    /* relaxed: the first is written under the lock, the others are to look at. */
    unsigned alive = atomic_load_explicit(&handoff->alive, memory_order_relaxed);
    uint32_t closing = atomic_load_explicit(&pool->closing, memory_order_relaxed);
    uint32_t drained = atomic_load_explicit(&pool->drained, memory_order_relaxed);
    print(text, "pool ");
    print_quoted(text, handoff->name);
    print(text, ": %u worker%s (%u idle), %u thread%s of at most %u, ", filchi_pool_workers(pool),
          filchi_pool_workers(pool) == 1 ? "" : "s", filchi_idle_workers(filchi_idle_load(&pool->idle)), alive,
          alive == 1 ? "" : "s", filchi_place_cap(handoff));
    if (handoff->lent)
        print(text, "%u lent, ", handoff->lent);
    print(text, "%" PRIu64 " thread start%s refused, %s\n", handoff->failed, handoff->failed == 1 ? "" : "s",
          drained   ? "shut down"
          : closing ? "shutting down"
                    : "open");
}

/* Who looks at a pool that hangs must not hang as well. */
static bool lock_in_time(pthread_mutex_t *lock)
{
    int64_t end = filchi_os_now() + LOCK_PATIENCE;
    for (unsigned n = 0; pthread_mutex_trylock(lock) != 0; n++) {
        if (filchi_os_now() >= end)
            return false;
        filchi_os_relax(n);
    }
    return true;
}

/* What there is to see without the lock. */
static int print_queues(struct text *text, const filch_pool *pool)
{
    print(text, "pool ");
    print_quoted(text, pool->handoff.name);
    print(text, ": a thread hangs on to the list of threads, which cannot be shown\n");
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++) {
        const struct filchi_worker *worker = filchi_pool_worker(pool, i);
        print(text, "worker %u: %zu in its deque, %zu in its batch\n", i, filchi_deque_count(&worker->deque),
              filchi_batch_count(&worker->batch));
    }
    print(text, "tasks from outside: %s waiting\n", filchi_inject_empty(&pool->inject) ? "none" : "some");
    print_lanes(text, pool);
    print_timers(text, pool->timers);
    return -EBUSY;
}

static int print_all(struct text *text, filch_pool *pool)
{
    if (!lock_in_time(&pool->handoff.lock))
        return print_queues(text, pool);
    print_pool(text, pool);
    note_holders(pool);
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++)
        print_worker(text, pool, i);
    print(text, "tasks from outside: %s waiting\n", filchi_inject_empty(&pool->inject) ? "none" : "some");
    print_lanes(text, pool);
    print_timers(text, pool->timers);
    for (const struct filchi_thread *thread = pool->handoff.all; thread; thread = thread->next_thread)
        if (!thread->ended)
            print_thread(text, thread);
    pthread_mutex_unlock(&pool->handoff.lock);
    return 0;
}

int filch_pool_dump(filch_pool *pool, int fd)
{
    if (!pool)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    struct text text = { .length = TEXT_FIRST };
    int shown;
    do {
        text.size = text.length + text.length / 2;
        text.length = 0;
        filchi_os_free(text.at);
        text.at = filchi_os_alloc(text.size);
        if (!text.at)
            return -ENOMEM;
        shown = print_all(&text, pool);
    } while (text.length >= text.size);
    int rc = filchi_os_write(fd, text.at, text.length);
    filchi_os_free(text.at);
    return rc ? rc : shown;
}
