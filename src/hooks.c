/* SPDX-License-Identifier: MIT */
/* The events of a pool as its hooks are told them: see observe.h and filch_hooks. */
#include "memory.h"
#include "observe.h"
#include "options.h"
#include "plan.h"
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
    observer->hooked = hooks.on_start || hooks.on_finish;
    if (options->metrics && !(observer->metrics = filchi_metrics_create(pool->origin->memory)))
        return -ENOMEM;
    return 0;
}

void filchi_observe_settle(const filch_pool *pool)
{
    /* acquire C4: pairs with release C4 in filchi_observer_let_go(). */
    for (unsigned spins = 0; atomic_load_explicit(&pool->origin->dropping, memory_order_acquire); spins++)
        filchi_os_relax(spins);
}

/* ---- Events ---- */

/* What the calling thread is to the pool: one of its threads, or NULL. */
static const struct filchi_thread *thread_of(const filch_pool *pool)
{
    const struct filchi_thread *thread = filchi_thread_here;
    return thread && thread->pool == pool && !thread->guest ? thread : NULL;
}

/* Its numbers and addresses; in place, as a hook costs no more than this. */
static inline void fill(filch_event *event, filch_pool *pool, const struct filchi_thread *thread,
                        const filch_future *future)
{
    const struct filchi_cold *cold = future ? filchi_future_cold(future) : NULL;
    *event = (filch_event) {
        .size = sizeof(filch_event),
        .pool = pool,
        .task = (filch_task *)(uintptr_t)future,
        .name = cold ? filchi_cold_name(cold) : NULL,
        .worker = thread && thread->worker ? thread->worker->index : FILCH_NONE,
        .thread = thread ? thread->number : FILCH_NONE,
        .victim = FILCH_NONE,
        /* relaxed: as filch_future_attempts(). */
        .attempt = !future              ? 0
                   : cold && cold->plan ? filchi_plan_attempt(cold->plan)
                                        : atomic_load_explicit(&future->begun, memory_order_relaxed),
    };
}

/* ---- Telling ---- */

#ifdef FILCH_USDT
FILCHI_PROBES(FILCHI_PROBE_DEFINE)
#endif

/* Of a pool that only a tracer looks at. */
static const struct filchi_observer nobody;

static const struct filchi_observer *observer_of(const filch_pool *pool)
{
    return pool->observer ? pool->observer : &nobody;
}

static void tell(const filch_pool *pool, filch_hook *hook, const filch_event *event)
{
    if (hook)
        hook(event, pool->observer->hooks.arg);
}

static void tell_submit(const filch_pool *pool, const filch_event *event)
{
    if (filchi_probe_on(submit))
        filchi_probe4(submit, pool, event->task, event->name, (int)event->worker);
    tell(pool, observer_of(pool)->hooks.on_submit, event);
}

static void tell_start(const filch_pool *pool, const filch_event *event)
{
    if (filchi_probe_on(start))
        filchi_probe6(start, pool, event->task, event->name, (int)event->worker, (int)event->thread,
                      event->attempt);
    tell(pool, observer_of(pool)->hooks.on_start, event);
}

static void tell_finish(const filch_pool *pool, const filch_event *event)
{
    if (filchi_probe_on(finish))
        filchi_probe8(finish, pool, event->task, event->name, (int)event->worker, (int)event->thread,
                      event->attempt, (int)event->state, event->code);
    tell(pool, observer_of(pool)->hooks.on_finish, event);
}

static void tell_drop(const filch_pool *pool, const filch_event *event)
{
    if (filchi_probe_on(drop))
        filchi_probe8(drop, pool, event->task, event->name, (int)event->worker, (int)event->thread, event->attempt,
                      (int)event->state, event->code);
    tell(pool, observer_of(pool)->hooks.on_drop, event);
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
    void *data = NULL;
    filch_event event;
    if (filchi_observe_hears(pool)) {
        fill(&event, pool, thread_of(pool), future);
        event.data = &data;
        event.state = FILCH_PENDING;
        tell_submit(pool, &event);
    }
    uint64_t stamp = weight ? filchi_metrics_stamp(weight) : 0;
    int rc = data ? add_note(pool->origin->memory, future, data, stamp) : 0;
    if (rc) {
        if (pool->observer && pool->observer->metrics)
            filchi_metrics_dropped(pool->observer->metrics, FILCH_CANCELLED);
        event.state = FILCH_CANCELLED;
        event.code = rc;
        tell_drop(pool, &event);
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
static inline void fill_run(filch_event *event, struct filchi_observed *observed)
{
    const struct filchi_thread *thread = observed->thread;
    fill(event, thread->pool, thread->guest ? NULL : thread, observed->future);
    event->data = &observed->data;
}

void filchi_observe_start(struct filchi_observed *observed, struct filchi_thread *thread, filch_future *future)
{
    const struct filchi_observer *observer = observer_of(thread->pool);
    struct left left = take(future);
    *observed = (struct filchi_observed) { .thread = thread, .future = future, .note = left.note };
    if (left.note)
        observed->data = left.note->data;
    if (left.stamp)
        filchi_metrics_started(observer->metrics, measures_of(thread), left.stamp);
    if (!observer->hooks.on_start && !filchi_probe_on(start))
        return;
    filch_event event;
    fill_run(&event, observed);
    event.state = FILCH_RUNNING;
    tell_start(thread->pool, &event);
}

static void end_attempt(struct filchi_observed *observed, filch_state state, int code)
{
    const struct filchi_thread *thread = observed->thread;
    const struct filchi_observer *observer = observer_of(thread->pool);
    if (observer->metrics)
        filchi_metrics_ended(observer->metrics, measures_of(thread), state);
    if (!observer->hooks.on_finish && !filchi_probe_on(finish))
        return;
    filch_event event;
    fill_run(&event, observed);
    event.state = state;
    event.code = code;
    tell_finish(thread->pool, &event);
}

void filchi_observe_finish(struct filchi_observed *observed, filch_state state, int code)
{
    end_attempt(observed, state, code);
    if (observed->note)
        filchi_memory_free(observed->thread->pool->origin->memory, observed->note);
}

void filchi_observe_again(struct filchi_observed *observed, int code)
{
    end_attempt(observed, FILCH_RETRY_WAIT, code);
    if (observed->note)
        put_note(observed->future, observed->note);
}

void filchi_observe_drop(const struct filchi_origin *origin, filch_future *future, filch_state state, int code)
{
    const struct filchi_observer *observer = observer_of(origin->pool);
    struct left left = take(future);
    void *data = left.note ? left.note->data : NULL;
    if (observer->metrics)
        filchi_metrics_dropped(observer->metrics, state);
    if (observer->hooks.on_drop || filchi_probe_on(drop)) {
        filch_event event;
        fill(&event, origin->pool, thread_of(origin->pool), future);
        event.data = &data;
        event.state = state;
        event.code = code;
        tell_drop(origin->pool, &event);
    }
    filchi_memory_free(origin->memory, left.note);
}

/* ---- Threads ---- */

void filchi_observe_stolen_now(struct filchi_thread *thread, filch_future *future)
{
    filch_event event;
    fill(&event, thread->pool, thread, future);
    event.victim = thread->robbed - 1;
    if (filchi_probe_on(steal))
        filchi_probe6(steal, thread->pool, event.task, event.name, (int)event.worker, (int)event.thread,
                      event.victim);
    tell(thread->pool, observer_of(thread->pool)->hooks.on_steal, &event);
}

void filchi_observe_park_now(const struct filchi_thread *thread)
{
    filch_event event;
    fill(&event, thread->pool, thread, NULL);
    event.worker = FILCH_NONE; /* it may be given one at this moment */
    if (filchi_probe_on(park))
        filchi_probe2(park, thread->pool, (int)event.thread);
    tell(thread->pool, observer_of(thread->pool)->hooks.on_park, &event);
}

void filchi_observe_unpark_now(const struct filchi_thread *thread)
{
    filch_event event;
    fill(&event, thread->pool, thread, NULL);
    if (filchi_probe_on(unpark))
        filchi_probe3(unpark, thread->pool, (int)event.thread, (int)event.worker);
    tell(thread->pool, observer_of(thread->pool)->hooks.on_unpark, &event);
}

void filchi_observe_handoff_now(struct filchi_thread *thread, const struct filchi_worker *worker)
{
    if (worker->measures)
        thread->left_at = filchi_os_now();
    filch_event event;
    fill(&event, thread->pool, thread, thread->frame ? thread->frame->task : NULL);
    event.worker = worker->index;
    if (filchi_probe_on(handoff))
        filchi_probe5(handoff, thread->pool, event.task, event.name, (int)event.worker, (int)event.thread);
    tell(thread->pool, observer_of(thread->pool)->hooks.on_handoff, &event);
}

void filchi_observe_resume_now(struct filchi_thread *thread)
{
    if (thread->worker->measures)
        thread->away_ns += filchi_os_now() - thread->left_at;
    filch_event event;
    fill(&event, thread->pool, thread, thread->frame ? thread->frame->task : NULL);
    if (filchi_probe_on(resume))
        filchi_probe5(resume, thread->pool, event.task, event.name, (int)event.worker, (int)event.thread);
    tell(thread->pool, observer_of(thread->pool)->hooks.on_resume, &event);
}
