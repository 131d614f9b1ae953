/* SPDX-License-Identifier: MIT */
/* The events of a pool as its hooks are told them: see observe.h and filch_hooks. */
#include "observe.h"
#include "options.h"
#include "worker.h"

#include <errno.h>

/* ---- Life ---- */

int filchi_observe_init(filch_pool *pool, const filch_pool_options *options)
{
    filch_hooks hooks = FILCH_HOOKS;
    int rc = filchi_options_copy(&hooks, sizeof hooks, options->hooks);
    if (rc || !options->hooks)
        return rc;
    struct filchi_observer *observer = filchi_os_alloc(sizeof *observer);
    if (!observer)
        return -ENOMEM;
    observer->hooks = hooks;
    pool->observer = pool->origin->observer = observer;
    return 0;
}

void filchi_observe_settle(const filch_pool *pool)
{
    const struct filchi_observer *observer = pool->observer;
    /* acquire C4: pairs with release C4 in filchi_observer_let_go(). */
    for (unsigned spins = 0; observer && atomic_load_explicit(&observer->dropping, memory_order_acquire); spins++)
        filchi_os_relax(spins);
}

/* ---- Events ---- */

/* What the calling thread is to the pool: one of its threads, or NULL. */
static const struct filchi_thread *thread_of(const filch_pool *pool)
{
    const struct filchi_thread *thread = filchi_thread_here;
    return thread && thread->pool == pool && !thread->guest ? thread : NULL;
}

static filch_event event_of(filch_pool *pool, const struct filchi_thread *thread, filch_future *future)
{
    return (filch_event) {
        .size = sizeof(filch_event),
        .pool = pool,
        .task = future,
        .name = future ? filch_future_name(future) : NULL,
        .worker = thread && thread->worker ? thread->worker->index : FILCH_NONE,
        .thread = thread ? thread->number : FILCH_NONE,
        .victim = FILCH_NONE,
    };
}

static void call(const filch_pool *pool, filch_hook *hook, const filch_event *event)
{
    if (hook)
        hook(event, pool->observer->hooks.arg);
}

/* ---- What hooks leave with a task ---- */

/* Who alone has the task: takes the note out of it. */
static struct filchi_note *take_note(filch_future *future)
{
    /* relaxed: the submitter's; publishing the task ordered it. */
    if (!(atomic_load_explicit(&future->flags, memory_order_relaxed) & FILCHI_NOTED))
        return NULL;
    struct filchi_cold *cold = filchi_future_cold(future);
    struct filchi_note *note = cold->note;
    cold->note = NULL;
    /* relaxed: as above. */
    atomic_fetch_and_explicit(&future->flags, (uint16_t)~FILCHI_NOTED, memory_order_relaxed);
    return note;
}

/* The same: puts one in; its cold part has no result. */
static void put_note(filch_future *future, struct filchi_note *note)
{
    filchi_future_cold(future)->note = note;
    filchi_future_mark(future, FILCHI_NOTED);
}

/* A new note in a task that is not published. 0 or -ENOMEM. */
static int add_note(filch_future *future, void *data)
{
    struct filchi_note *note = filchi_os_alloc(sizeof *note);
    if (!note)
        return -ENOMEM;
    note->data = data;
    if (filchi_future_own_cold(future) == &filchi_cold_stand_in) {
        atomic_init(&future->cold, NULL);
        filchi_os_free(note);
        return -ENOMEM;
    }
    put_note(future, note);
    return 0;
}

/* ---- Tasks ---- */

int filchi_observe_submit(filch_pool *pool, filch_future *future)
{
    void *data = NULL;
    filch_event event = event_of(pool, thread_of(pool), future);
    event.data = &data;
    event.state = FILCH_PENDING;
    call(pool, pool->observer->hooks.on_submit, &event);
    int rc = data ? add_note(future, data) : 0;
    if (rc) {
        event.state = FILCH_CANCELLED;
        event.code = rc;
        call(pool, pool->observer->hooks.on_drop, &event);
    }
    return rc;
}

void filchi_observe_start(struct filchi_observed *observed, struct filchi_thread *thread, filch_future *future)
{
    filch_pool *pool = thread->pool;
    struct filchi_note *note = take_note(future);
    *observed = (struct filchi_observed) { .thread = thread,
                                           .future = future,
                                           .note = note,
                                           .data = note ? note->data : NULL,
                                           .attempt = filch_future_attempts(future) };
    filch_event event = event_of(pool, thread->guest ? NULL : thread, future);
    event.data = &observed->data;
    event.attempt = observed->attempt;
    event.state = FILCH_RUNNING;
    call(pool, pool->observer->hooks.on_start, &event);
}

static void tell_finish(struct filchi_observed *observed, filch_state state, int code)
{
    struct filchi_thread *thread = observed->thread;
    filch_pool *pool = thread->pool;
    filch_event event = event_of(pool, thread->guest ? NULL : thread, observed->future);
    event.data = &observed->data;
    event.attempt = observed->attempt;
    event.state = state;
    event.code = code;
    call(pool, pool->observer->hooks.on_finish, &event);
}

void filchi_observe_finish(struct filchi_observed *observed, filch_state state, int code)
{
    tell_finish(observed, state, code);
    filchi_os_free(observed->note);
}

void filchi_observe_again(struct filchi_observed *observed, int code)
{
    tell_finish(observed, FILCH_RETRY_WAIT, code);
    if (observed->note)
        put_note(observed->future, observed->note);
}

void filchi_observe_drop(const struct filchi_origin *origin, filch_future *future, filch_state state, int code)
{
    filch_pool *pool = origin->pool;
    struct filchi_note *note = take_note(future);
    void *data = note ? note->data : NULL;
    filch_event event = event_of(pool, thread_of(pool), future);
    event.data = &data;
    event.attempt = filch_future_attempts(future);
    event.state = state;
    event.code = code;
    call(pool, pool->observer->hooks.on_drop, &event);
    filchi_os_free(note);
}

/* ---- Threads ---- */

void filchi_observe_stolen_now(struct filchi_thread *thread, filch_future *future)
{
    filch_event event = event_of(thread->pool, thread, future);
    event.victim = thread->robbed - 1;
    call(thread->pool, thread->pool->observer->hooks.on_steal, &event);
}

void filchi_observe_park_now(const struct filchi_thread *thread)
{
    filch_event event = event_of(thread->pool, thread, NULL);
    event.worker = FILCH_NONE; /* it may be given one at this moment */
    call(thread->pool, thread->pool->observer->hooks.on_park, &event);
}

void filchi_observe_unpark_now(const struct filchi_thread *thread)
{
    filch_event event = event_of(thread->pool, thread, NULL);
    call(thread->pool, thread->pool->observer->hooks.on_unpark, &event);
}

void filchi_observe_handoff_now(const struct filchi_thread *thread, const struct filchi_worker *worker)
{
    filch_event event = event_of(thread->pool, thread, thread->frame ? thread->frame->task : NULL);
    event.worker = worker->index;
    call(thread->pool, thread->pool->observer->hooks.on_handoff, &event);
}

void filchi_observe_resume_now(const struct filchi_thread *thread)
{
    filch_event event = event_of(thread->pool, thread, thread->frame ? thread->frame->task : NULL);
    call(thread->pool, thread->pool->observer->hooks.on_resume, &event);
}
