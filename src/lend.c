/* SPDX-License-Identifier: MIT */
/*
 * Threads that the program lends to a pool. Such a thread has a record among those of the pool's own, and is one of
 * them in everything but its beginning and its end: it comes when it is called, and goes when a stop says so.
 *
 * Invariant: as long as a record is attached the pool's memory stays; to detach it is the last thing that its thread
 * does with the pool.
 */
#include "lend.h"

#include "await.h"
#include "handoff.h"
#include "places.h"
#include "thread.h"

#include <errno.h>

/* What wakes a lent thread when its stop is requested. */
struct alarm {
    struct filchi_parker *parker;
    struct filchi_waiter waiter;
    _Atomic uint32_t left; /* 1: the stop has signalled the thread and will not touch us again */
};

static void serve(struct filchi_waiter *waiter)
{
    struct alarm *alarm = waiter->owner;
    filchi_parker_signal(alarm->parker); /* the record's, which stays as long as the pool */
    /* release I1: pairs with acquire I1 in disarm(); our last access to the lender's stack. */
    atomic_store_explicit(&alarm->left, 1, memory_order_release);
}

static bool arm(struct alarm *alarm, struct filchi_thread *thread, filch_stop *stop)
{
    *alarm = (struct alarm) { .parker = &thread->parker };
    alarm->waiter.serve = serve;
    alarm->waiter.owner = alarm;
    atomic_init(&alarm->left, 0);
    return stop && filchi_stop_add(stop, &alarm->waiter);
}

static void disarm(struct alarm *alarm, filch_stop *stop)
{
    if (filchi_stop_remove(stop, &alarm->waiter))
        return;
    /* acquire I1: pairs with release I1 in serve(). */
    for (unsigned spins = 0; !atomic_load_explicit(&alarm->left, memory_order_acquire); spins++)
        filchi_os_relax(spins);
}

/* Under the lock: the pool's threads get one more, which takes an idle worker if there is one, and looks for work. */
static void join(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    if (handoff->idle)
        filchi_place_give(handoff, thread, filchi_place_pop_idle(thread->pool, true), true);
    else
        filchi_place_enter(handoff, thread, FILCHI_SPARE);
}

/* It has not joined. */
static void leave_early(struct filchi_thread *thread)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    handoff->lent--;
    pthread_mutex_unlock(&handoff->lock);
}

static void run(struct filchi_thread *thread, filch_stop *until)
{
    struct filchi_handoff *handoff = &thread->pool->handoff;
    struct alarm alarm;
    bool armed = arm(&alarm, thread, until);
    pthread_mutex_lock(&handoff->lock);
    join(thread);
    pthread_mutex_unlock(&handoff->lock);
    filchi_worker_serve(thread);
    if (armed)
        disarm(&alarm, until);
}

/* Between the hooks, as on a thread of the pool's own. */
static int run_initialised(struct filchi_thread *thread, filch_stop *until)
{
    const struct filchi_hooks *hooks = &thread->pool->handoff.hooks;
    int rc = hooks->init ? hooks->init(hooks->arg) : 0;
    if (rc) {
        leave_early(thread);
        return rc > 0 ? -EINVAL : rc;
    }
    run(thread, until);
    if (hooks->exit)
        hooks->exit(hooks->arg);
    return 0;
}

int filchi_lend(filch_pool *pool, filch_stop *until, int64_t deadline)
{
    struct filchi_lending lending = { .until = until, .deadline = deadline };
    struct filchi_handoff *handoff = &pool->handoff;
    pthread_mutex_lock(&handoff->lock);
    bool ending = handoff->ending;
    struct filchi_thread *thread = ending ? NULL : filchi_thread_attach(pool);
    if (thread)
        thread->lent = &lending;
    pthread_mutex_unlock(&handoff->lock);
    if (!thread)
        return ending ? 0 : -ENOMEM;
    struct filchi_thread *here = filchi_worker_thread();
    if (here) /* a task of another pool, which waits for what runs here */
        filchi_forker_show_all(filchi_worker_host(here));
    thread->host = here;
    int rc = handoff->cpus ? filchi_cpus_borrow(thread, handoff->cpus) : 0;
    if (!rc) {
        rc = run_initialised(thread, until);
        if (handoff->cpus)
            filchi_cpus_return(thread);
    } else {
        leave_early(thread);
    }
    thread->host = NULL;
    filchi_thread_detach(thread);
    return rc;
}

int filch_pool_lend(filch_pool *pool, filch_stop *until)
{
    if (!pool)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    if (filchi_worker_thread() || filchi_timers_here)
        return -EDEADLK;
    filch_stop *interrupt = until ? NULL : filchi_interrupt_here;
    int rc = filchi_lend(pool, until ? until : interrupt, FILCHI_NEVER);
    return !rc && interrupt && filchi_stop_peek(interrupt) ? -EINTR : rc;
}
