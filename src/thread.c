/* SPDX-License-Identifier: MIT */
/* OS threads of a pool: see thread.h. */
#include "thread.h"

#include <errno.h>
#include <stdio.h>

static void join(struct filchi_thread *thread)
{
    if (!thread->joined)
        filchi_os_thread_join(thread->os);
    thread->joined = true;
}

static struct filchi_thread *create(filch_pool *pool)
{
    struct filchi_thread *thread =
        filchi_memory_alloc(pool->origin->memory, _Alignof(struct filchi_thread), sizeof *thread);
    if (thread) {
        thread->pool = pool;
        thread->ended = thread->joined = true;
        filchi_parker_init(&thread->parker);
    }
    return thread;
}

struct filchi_thread *filchi_thread_start(filch_pool *pool, struct filchi_worker *worker, unsigned number,
                                          struct filchi_thread *ended, int *rc)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_thread *thread = ended ? ended : create(pool);
    *rc = -ENOMEM;
    if (!thread)
        return NULL;
    join(thread);
    /* The rest is as an ended thread leaves it; the parker keeps its count, as a late signal may be on its way. */
    thread->ended = thread->joined = false;
    thread->worker = worker;
    thread->searching = worker != NULL;
    thread->number = number;
    atomic_store_explicit(&thread->id, 0, memory_order_relaxed); /* relaxed: to look at; until it knows it. */
    char name[32];
    snprintf(name, sizeof name, "%.9s-%u", handoff->name, number % 100000);
    *rc = filchi_os_thread_start(&thread->os, handoff->thread_main, thread, name, handoff->stack_size);
    if (!*rc)
        return thread;
    thread->ended = thread->joined = true;
    thread->worker = NULL;
    thread->searching = false;
    if (thread != ended)
        filchi_memory_free(thread->pool->origin->memory, thread);
    return NULL;
}

static struct filchi_thread *unlink_ended(struct filchi_handoff *handoff, bool joined)
{
    for (struct filchi_thread **at = &handoff->all; *at; at = &(*at)->next_thread) {
        struct filchi_thread *thread = *at;
        if (thread->ended && (thread->joined || !joined)) {
            *at = thread->next_thread;
            return thread;
        }
    }
    return NULL;
}

struct filchi_thread *filchi_thread_unlink_ended(struct filchi_handoff *handoff)
{
    return unlink_ended(handoff, false);
}

/* Under the lock. */
static void link_thread(struct filchi_handoff *handoff, struct filchi_thread *thread)
{
    thread->next_thread = handoff->all;
    handoff->all = thread;
}

static void set_attached(struct filchi_handoff *handoff, uint32_t n)
{
    atomic_store_explicit(&handoff->attached, n, memory_order_relaxed); /* relaxed: the lock orders it. */
}

static uint32_t attached(const struct filchi_handoff *handoff)
{
    return atomic_load_explicit(&handoff->attached, memory_order_relaxed); /* relaxed: as above. */
}

struct filchi_thread *filchi_thread_attach(filch_pool *pool)
{
    struct filchi_handoff *handoff = &pool->handoff;
    struct filchi_thread *thread = unlink_ended(handoff, true); /* `joined` stays: the thread is not ours to join */
    if (!thread)
        thread = create(pool);
    if (!thread)
        return NULL;
    thread->ended = false;
    thread->number = handoff->started++;
    atomic_store_explicit(&thread->id, 0, memory_order_relaxed); /* relaxed: as above. */
    link_thread(handoff, thread);
    handoff->lent++;
    set_attached(handoff, attached(handoff) + 1);
    unsigned threads = atomic_load_explicit(&handoff->alive, memory_order_relaxed) + handoff->lent; /* the same */
    handoff->peak = threads > handoff->peak ? threads : handoff->peak;
    return thread;
}

void filchi_thread_detach(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    _Atomic uint32_t *word = &handoff->attached;
    pthread_mutex_lock(&handoff->lock);
    thread->lent = NULL;
    thread->ended = true;
    bool last = attached(handoff) == 1;
    set_attached(handoff, attached(handoff) - 1);
    pthread_mutex_unlock(&handoff->lock);
    if (last)
        filchi_os_futex_wake(word, INT32_MAX); /* by its address alone: the pool may be gone */
}

int filchi_thread_reserve(filch_pool *pool)
{
    struct filchi_thread *thread = create(pool);
    if (thread)
        link_thread(&pool->handoff, thread);
    return thread ? 0 : -ENOMEM;
}

static void await_detached(struct filchi_handoff *handoff)
{
    for (;;) {
        pthread_mutex_lock(&handoff->lock); /* held by who detaches until it touches the pool no more */
        uint32_t n = attached(handoff);
        pthread_mutex_unlock(&handoff->lock);
        if (!n)
            return;
        filchi_os_futex_wait(&handoff->attached, n, FILCHI_NEVER);
    }
}

void filchi_thread_join_all(struct filchi_handoff *handoff)
{
    struct filchi_thread *joined = NULL;
    await_detached(handoff);
    for (;;) {
        pthread_mutex_lock(&handoff->lock);
        struct filchi_thread *thread = handoff->all;
        if (thread)
            handoff->all = thread->next_thread;
        pthread_mutex_unlock(&handoff->lock);
        if (!thread)
            break;
        join(thread);
        thread->next_thread = joined;
        joined = thread;
    }
    while (joined) { /* only now: a thread may signal another one that has ended meanwhile */
        struct filchi_thread *thread = joined;
        joined = thread->next_thread;
        filchi_memory_free(thread->pool->origin->memory, thread);
    }
}
