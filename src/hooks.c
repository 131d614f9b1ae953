/* SPDX-License-Identifier: MIT */
/* The events of a pool as its hooks are told them: see observe.h and filch_hooks. */
#include "memory.h"
#include "observe.h"
#include "options.h"
#include "worker.h"

#include <errno.h>

/* ---- Life ---- */

int filchi_observe_init(filch_pool *pool, const filch_pool_options *options)
{
    filch_hooks hooks = FILCH_HOOKS;
    int rc = filchi_options_copy(&hooks, sizeof hooks, options->hooks);
    if (rc || (!options->hooks && !options->metrics))
        return rc;
    struct filchi_observer *observer =
        filchi_memory_alloc(pool->origin->memory, _Alignof(struct filchi_observer), sizeof *observer);
    if (!observer)
        return -ENOMEM;
    pool->observer = pool->origin->observer = observer; /* which frees it */
    observer->hooks = hooks;
    if (options->metrics && !(observer->metrics = filchi_metrics_create(pool->origin->memory)))
        return -ENOMEM;
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

/* ---- What is left with a task that has not started ---- */

/* What was left with it, taken out of its cold part. */
struct left {
    struct filchi_note *note; /* or NULL */
    uint64_t stamp;           /* or 0 */
};

/* Who alone has the task. */
static struct left take(filch_future *future)
{
    struct left left = { NULL, 0 };
    /* relaxed: the submitter's; publishing the task ordered it. */
    unsigned flags = atomic_load_explicit(&future->flags, memory_order_relaxed) & (FILCHI_NOTED | FILCHI_TIMED);
    if (!flags)
        return left;
    struct filchi_cold *cold = filchi_future_cold(future);
    if (flags & FILCHI_NOTED) {
        left = (struct left) { cold->note, cold->note->stamp };
        left.note->stamp = 0; /* it waits but once */
    } else {
        left.stamp = cold->stamp;
    }
    cold->result_dtor = NULL;
    /* relaxed: as above. */
    atomic_fetch_and_explicit(&future->flags, (uint16_t)~flags, memory_order_relaxed);
    return left;
}

/* The same: puts a note in; its cold part has no result. */
static void put_note(filch_future *future, struct filchi_note *note)
{
    filchi_future_cold(future)->note = note;
    filchi_future_mark(future, FILCHI_NOTED);
}

static void put_stamp(filch_future *future, uint64_t stamp)
{
    filchi_future_cold(future)->stamp = stamp;
    /* relaxed: it is not published. */
    unsigned flags = atomic_load_explicit(&future->flags, memory_order_relaxed);
    atomic_store_explicit(&future->flags, (uint16_t)(flags | FILCHI_TIMED), memory_order_relaxed);
}

/* A new note in a task that is not published. 0 or -ENOMEM. */
static int add_note(const filch_allocator *memory, filch_future *future, void *data, uint64_t stamp)
{
    struct filchi_note *note = filchi_memory_alloc(memory, _Alignof(struct filchi_note), sizeof *note);
    if (!note)
        return -ENOMEM;
    *note = (struct filchi_note) { data, stamp };
    if (filchi_future_own_cold(future) == &filchi_cold_stand_in) {
        atomic_init(&future->cold, NULL);
        filchi_memory_free(memory, note);
        return -ENOMEM;
    }
    put_note(future, note);
    return 0;
}

/* ---- Tasks ---- */

int filchi_observe_submit(filch_pool *pool, filch_future *future, unsigned weight)
{
    const filch_hooks *hooks = &pool->observer->hooks;
    void *data = NULL;
    filch_event event;
    if (hooks->on_submit) {
        event = event_of(pool, thread_of(pool), future);
        event.data = &data;
        event.state = FILCH_PENDING;
        hooks->on_submit(&event, hooks->arg);
    }
    uint64_t stamp = weight ? filchi_metrics_stamp(weight) : 0;
    int rc = data ? add_note(pool->origin->memory, future, data, stamp) : 0;
    if (rc) {
        event.state = FILCH_CANCELLED;
        event.code = rc;
        call(pool, hooks->on_drop, &event);
    } else if (stamp && !data) {
        put_stamp(future, stamp);
    }
    return rc;
}

void filchi_observe_time_many(const struct filchi_metrics *metrics, filch_future **futures, size_t n)
{
    size_t i;
    for (unsigned weight = filchi_metrics_turn_of_many(metrics, &i); i < n; i += weight) {
        struct filchi_cold *cold = filchi_cold_create(NULL);
        if (cold == &filchi_cold_stand_in)
            return;
        atomic_init(&futures[i]->cold, cold);
        filchi_future_mark(futures[i], FILCHI_COLD_ON_HEAP);
        put_stamp(futures[i], filchi_metrics_stamp(weight));
    }
}

static struct filchi_measures *measures_of(const struct filchi_thread *thread)
{
    return thread->guest ? NULL : thread->worker->measures;
}

/* Of a task that runs. */
static filch_event event_of_run(struct filchi_observed *observed)
{
    const struct filchi_thread *thread = observed->thread;
    filch_event event = event_of(thread->pool, thread->guest ? NULL : thread, observed->future);
    event.data = &observed->data;
    event.attempt = filch_future_attempts(observed->future);
    return event;
}

void filchi_observe_start(struct filchi_observed *observed, struct filchi_thread *thread, filch_future *future)
{
    struct filchi_observer *observer = thread->pool->observer;
    struct left left = take(future);
    *observed = (struct filchi_observed) { .thread = thread, .future = future, .note = left.note };
    if (left.note)
        observed->data = left.note->data;
    if (left.stamp)
        filchi_metrics_started(observer->metrics, measures_of(thread), left.stamp);
    if (!observer->hooks.on_start)
        return;
    filch_event event = event_of_run(observed);
    event.state = FILCH_RUNNING;
    observer->hooks.on_start(&event, observer->hooks.arg);
}

static void tell_finish(struct filchi_observed *observed, filch_state state, int code)
{
    const struct filchi_thread *thread = observed->thread;
    struct filchi_observer *observer = thread->pool->observer;
    if (observer->metrics)
        filchi_metrics_ended(observer->metrics, measures_of(thread), state);
    if (!observer->hooks.on_finish)
        return;
    filch_event event = event_of_run(observed);
    event.state = state;
    event.code = code;
    observer->hooks.on_finish(&event, observer->hooks.arg);
}

void filchi_observe_finish(struct filchi_observed *observed, filch_state state, int code)
{
    tell_finish(observed, state, code);
    if (observed->note)
        filchi_memory_free(observed->thread->pool->origin->memory, observed->note);
}

void filchi_observe_again(struct filchi_observed *observed, int code)
{
    tell_finish(observed, FILCH_RETRY_WAIT, code);
    if (observed->note)
        put_note(observed->future, observed->note);
}

void filchi_observe_drop(const struct filchi_origin *origin, filch_future *future, filch_state state, int code)
{
    struct filchi_observer *observer = origin->observer;
    struct left left = take(future);
    void *data = left.note ? left.note->data : NULL;
    if (observer->metrics)
        filchi_metrics_dropped(observer->metrics, state);
    if (observer->hooks.on_drop) {
        filch_event event = event_of(origin->pool, thread_of(origin->pool), future);
        event.data = &data;
        event.attempt = filch_future_attempts(future);
        event.state = state;
        event.code = code;
        observer->hooks.on_drop(&event, observer->hooks.arg);
    }
    filchi_memory_free(origin->memory, left.note);
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

void filchi_observe_handoff_now(struct filchi_thread *thread, const struct filchi_worker *worker)
{
    if (worker->measures)
        thread->left_at = filchi_os_now();
    filch_event event = event_of(thread->pool, thread, thread->frame ? thread->frame->task : NULL);
    event.worker = worker->index;
    call(thread->pool, thread->pool->observer->hooks.on_handoff, &event);
}

void filchi_observe_resume_now(struct filchi_thread *thread)
{
    if (thread->worker->measures)
        thread->away_ns += filchi_os_now() - thread->left_at;
    filch_event event = event_of(thread->pool, thread, thread->frame ? thread->frame->task : NULL);
    call(thread->pool, thread->pool->observer->hooks.on_resume, &event);
}
