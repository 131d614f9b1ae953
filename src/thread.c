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
    struct filchi_thread *thread = filchi_os_alloc(sizeof *thread);
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
    thread->searching = true;
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
        filchi_os_free(thread);
    return NULL;
}

struct filchi_thread *filchi_thread_unlink_ended(struct filchi_handoff *handoff)
{
    for (struct filchi_thread **at = &handoff->all; *at; at = &(*at)->next_thread) {
        struct filchi_thread *thread = *at;
        if (thread->ended) {
            *at = thread->next_thread;
            return thread;
        }
    }
    return NULL;
}

void filchi_thread_join_all(struct filchi_handoff *handoff)
{
    struct filchi_thread *joined = NULL;
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
        filchi_os_free(thread);
    }
}
