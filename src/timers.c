/* SPDX-License-Identifier: MIT */
/* The timer thread and its heap: see timers.h. */
#include "timers.h"

#include "os.h"

#include <errno.h>
#include <stdio.h>

/* Messages handled, and timers fired, in one go. */
#define BATCH 64

_Thread_local struct filchi_timers *filchi_timers_here;

/* ---- The heap: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", Algorithmica 1986 ---- */

/* Two roots become one: the later is the other's first child. */
static struct filchi_timer *meld(struct filchi_timer *a, struct filchi_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->due < a->due) {
        struct filchi_timer *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next)
        b->next->previous = b;
    b->previous = a;
    a->child = b;
    return a;
}

/* Siblings become one heap, two by two from the left and then all from the right; in a loop, as there may be many. */
static struct filchi_timer *meld_siblings(struct filchi_timer *first)
{
    struct filchi_timer *pairs = NULL;
    while (first) {
        struct filchi_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->previous = NULL;
        if (b)
            b->next = b->previous = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    struct filchi_timer *root = NULL;
    while (pairs) {
        struct filchi_timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

static void count(struct filchi_timers *timers, size_t change)
{
    /* relaxed: the timer thread's own; others look at a number. */
    size_t n = atomic_load_explicit(&timers->n, memory_order_relaxed);
    atomic_store_explicit(&timers->n, n + change, memory_order_relaxed);
}

void filchi_timer_arm(struct filchi_timers *timers, struct filchi_timer *timer)
{
    timer->child = timer->next = timer->previous = NULL;
    timer->armed = true;
    timers->heap = meld(timers->heap, timer);
    count(timers, 1);
}

void filchi_timer_disarm(struct filchi_timers *timers, struct filchi_timer *timer)
{
    if (!timer->armed)
        return;
    timer->armed = false;
    count(timers, (size_t)-1);
    struct filchi_timer *children = meld_siblings(timer->child);
    if (timers->heap == timer) {
        timers->heap = children;
        return;
    }
    *(timer->previous->child == timer ? &timer->previous->child : &timer->previous->next) = timer->next;
    if (timer->next)
        timer->next->previous = timer->previous;
    timers->heap = meld(timers->heap, children);
}

bool filchi_timer_is_next(const struct filchi_timers *timers, const struct filchi_timer *timer)
{
    return timer->due <= timers->now && (!timers->heap || timer->due <= timers->heap->due);
}

struct filchi_timer *filchi_timers_first(const struct filchi_timers *timers)
{
    return timers->heap;
}

/* ---- The thread ---- */

/* Whether more messages may have come: not all are handled in one go, lest timers starve. One that is half pushed is
 * waited for. */
static bool handle_messages(struct filchi_timers *timers)
{
    uint32_t emptied = 0;
    for (unsigned left = BATCH; left > 0; left--) {
        struct filchi_mpsc_node *node = filchi_mpsc_take(&timers->messages, &emptied);
        if (!node)
            return false;
        struct filchi_message *message = (struct filchi_message *)(void *)node;
        message->handle(timers, message);
    }
    return true;
}

/* Whether more are due: not all are fired in one go, as what they make ready is announced after. */
static bool fire_due(struct filchi_timers *timers)
{
    timers->now = filchi_os_now();
    for (unsigned left = BATCH; timers->heap && timers->heap->due <= timers->now; left--) {
        struct filchi_timer *timer = timers->heap;
        if (left == 0)
            return true;
        filchi_timer_disarm(timers, timer);
        timer->fire(timers, timer);
    }
    return false;
}

void filchi_timers_announce(struct filchi_timers *timers)
{
    if (timers->n_ready > 1) /* the first was announced by itself */
        timers->announce(timers);
    timers->n_ready = 0;
}

static void sleep_until_due(struct filchi_timers *timers, uint32_t seen)
{
    int64_t until = timers->heap ? timers->heap->due : FILCHI_NEVER;
    /* S4. relaxed: S5 follows. */
    atomic_store_explicit(&timers->sleeps_until, until == FILCHI_NEVER ? INT64_MAX : until, memory_order_relaxed);
    filchi_fence_store_load();                /* S5 vs P5 in filchi_timers_post() */
    if (filchi_mpsc_empty(&timers->messages)) /* S6 */
        filchi_parker_wait(&timers->parker, seen, until);
    atomic_store_explicit(&timers->sleeps_until, FILCHI_TIMERS_AWAKE, memory_order_relaxed); /* relaxed: see P6. */
}

/* At the end: whether no message is left. Then none comes any more: filchi_timers_try_post() says that nobody is there. */
static bool leave(struct filchi_timers *timers)
{
    pthread_mutex_lock(&timers->lock);
    timers->ended = filchi_mpsc_empty(&timers->messages);
    while (timers->ended && timers->heap)
        filchi_timer_disarm(timers, timers->heap);
    pthread_mutex_unlock(&timers->lock);
    return timers->ended;
}

static void *timers_main(void *arg)
{
    struct filchi_timers *timers = arg;
    filchi_timers_here = timers;
    for (;;) {
        uint32_t seen = filchi_parker_count(&timers->parker);
        bool more = handle_messages(timers);
        if (timers->ending && leave(timers))
            break; /* no task waits any more, so none is ready */
        if (!timers->ending)
            more |= fire_due(timers);
        filchi_timers_announce(timers);
        if (more || timers->ending)
            continue;
        if (timers->due.retired && filchi_deque_empty(&timers->due) && filchi_readers_none(timers->thieves))
            filchi_deque_reclaim(&timers->due);
        sleep_until_due(timers, seen);
    }
    return NULL;
}

/* ---- Everybody else ---- */

void filchi_timers_post(struct filchi_timers *timers, struct filchi_message *message, int64_t when)
{
    filchi_mpsc_push(&timers->messages, &message->link); /* P4 */
    filchi_fence_store_load();                           /* P5 vs S5 in sleep_until_due() */
    /* P6. relaxed: after the fence. Awake, it looks for messages before it sleeps. */
    if (when < atomic_load_explicit(&timers->sleeps_until, memory_order_relaxed))
        filchi_parker_signal(&timers->parker);
}

struct filchi_timers *filchi_timers_create(filch_pool *pool, struct filchi_origin *origin,
                                           const struct filchi_readers *thieves)
{
    struct filchi_timers *timers =
        filchi_memory_alloc(origin->memory, _Alignof(struct filchi_timers), sizeof *timers);
    if (!timers)
        return NULL;
    if (filchi_deque_init_from(&timers->due, origin->memory)) {
        filchi_memory_free(origin->memory, timers);
        return NULL;
    }
    filchi_mpsc_init(&timers->messages);
    filchi_blocks_init(&timers->plans, FILCHI_TIMERS_PLAN);
    timers->plans.memory = origin->memory;
    filchi_parker_init(&timers->parker);
    atomic_init(&timers->sleeps_until, FILCHI_TIMERS_AWAKE);
    atomic_init(&timers->n, 0);
    atomic_init(&timers->waiting, 0);
    atomic_init(&timers->refs, 1);
    atomic_init(&timers->dropped, 0);
    pthread_mutex_init(&timers->lock, NULL);
    timers->pool = pool;
    timers->thieves = thieves;
    timers->origin = filchi_origin_ref(origin);
    return timers;
}

struct filchi_timers *filchi_timers_ref(struct filchi_timers *timers)
{
    atomic_fetch_add_explicit(&timers->refs, 1, memory_order_relaxed); /* relaxed: the caller holds one. */
    return timers;
}

void filchi_timers_unref(struct filchi_timers *timers)
{
    /* acq_rel Y1: pairs with itself; the last one sees that all others are done with it. */
    if (atomic_fetch_sub_explicit(&timers->refs, 1, memory_order_acq_rel) != 1)
        return;
    filchi_deque_fini(&timers->due);
    filchi_blocks_fini(&timers->plans);
    struct filchi_origin *origin = timers->origin;
    pthread_mutex_destroy(&timers->lock);
    filchi_memory_free(origin->memory, timers);
    filchi_origin_unref(origin);
}

int filchi_timers_start(struct filchi_timers *timers, const char *name)
{
    if (filchi_timers_running(timers))
        return 0;
    int rc = 0;
    pthread_mutex_lock(&timers->lock);
    if (!timers->started) {
        char full[32];
        snprintf(full, sizeof full, "%.8s-timer", name);
        rc = filchi_os_thread_start(&timers->thread, timers_main, timers, full, 0);
        timers->started = !rc;
        /* release Y2: pairs with acquire Y2 in filchi_timers_running(). */
        atomic_store_explicit(&timers->ready, !rc, memory_order_release);
    }
    pthread_mutex_unlock(&timers->lock);
    return rc;
}

bool filchi_timers_started(struct filchi_timers *timers)
{
    pthread_mutex_lock(&timers->lock);
    bool started = timers->started;
    pthread_mutex_unlock(&timers->lock);
    return started;
}

static void end(struct filchi_timers *timers, struct filchi_message *message)
{
    (void)message;
    timers->ending = true;
}

void filchi_timers_end(struct filchi_timers *timers)
{
    struct filchi_message message = { .handle = end };
    pthread_mutex_lock(&timers->lock);
    bool started = timers->started;
    timers->ended = !started;
    if (started)
        filchi_timers_post(timers, &message, FILCHI_TIMERS_NOW);
    pthread_mutex_unlock(&timers->lock);
    if (started)
        filchi_os_thread_join(timers->thread);
}

bool filchi_timers_try_post(struct filchi_timers *timers, struct filchi_message *message, int64_t when)
{
    pthread_mutex_lock(&timers->lock);
    bool there = !timers->ended;
    if (there)
        filchi_timers_post(timers, message, when);
    pthread_mutex_unlock(&timers->lock);
    return there;
}
