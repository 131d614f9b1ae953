/* SPDX-License-Identifier: MIT */
/*
 * Scopes: tasks that belong together, fail together, and are all over when the scope is closed.
 *
 * Invariant: `unfinished` counts who may still touch the scope: the tasks that are not final, and the opener but while it
 * joins. A task's record of its error and its stop, and its future in the queue, come before it is taken off.
 * Who takes the count to 0 signals the opener, who takes it up from 0 counts that as `owed`: so the opener knows
 * how many signals are due, and after a join nobody touches the scope but by one that it awaits before it frees it.
 * While fewer futures were delivered than submitted, one more will come to the queue or its submit fails: both signal.
 *
 * Rejected: a waiter of each future that puts it into the queue. It is a second cold line for each task, and who removes
 * another waiter at the moment of the completion serves it instead of the runner, perhaps after the runner has left.
 */
#include "await.h"
#include "belongs.h"
#include "error.h"
#include "handoff.h"
#include "options.h"
#include "outcome.h"
#include "submit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct filch_scope {
    struct filchi_group group; /* first: the tasks know this */
    bool fail_fast, discard;   /* constant */
    _Alignas(FILCHI_LINE) _Atomic size_t unfinished;
    _Atomic size_t submitted;    /* futures to deliver; who submits */
    _Atomic uint32_t owed;       /* signals that are due beside the queue's; who submits, and the opener */
    _Atomic bool stopped;        /* a task ended because of the stop; who ended it */
    struct filchi_parker parker; /* who completes a task signals the opener */
    struct filchi_mpsc queue;    /* futures that are final, a reference each; who completes them */
    /* Opener. */
    uint32_t due;            /* signals accounted for */
    filch_future *delivered; /* lent to the caller */
    size_t n_delivered;
    struct filchi_outcome outcome; /* what failed */
};

/* The innermost scope that this thread has opened outside of tasks. */
static _Thread_local struct filchi_group *open_outside;

/* ---- Who may touch it ---- */

static void enter(filch_scope *scope, size_t n)
{
    /* relaxed: the scope is there for the caller, and what it does is published when it leaves. */
    if (atomic_fetch_add_explicit(&scope->unfinished, n, memory_order_relaxed) == 0)
        atomic_fetch_add_explicit(&scope->owed, 1, memory_order_relaxed); /* relaxed: by Z1. */
}

static void leave(filch_scope *scope, size_t n)
{
    /* release Z1: pairs with acquire Z1 in is_over(), which reads the last of them: all that was done for the tasks. */
    if (atomic_fetch_sub_explicit(&scope->unfinished, n, memory_order_release) == n)
        filchi_parker_signal(&scope->parker);
}

/* Whether nothing but the opener is on the count, or nothing at all. */
static bool is_over(const filch_scope *scope, size_t others)
{
    /* acquire Z1: pairs with release Z1 in leave(). */
    return atomic_load_explicit(&scope->unfinished, memory_order_acquire) <= others;
}

/* ---- What tasks tell the scope ---- */

static void record(struct filchi_group *group, const filch_error *error, int code)
{
    filch_scope *scope = (filch_scope *)group;
    if (filchi_outcome_record(&scope->outcome, error, code) && scope->fail_fast)
        filch_stop_request_error(scope->group.stop, error);
}

static void on_left(struct filchi_group *group, filch_state state, size_t n)
{
    filch_scope *scope = (filch_scope *)group;
    bool stopped = state == FILCH_STOPPED || (state == FILCH_CANCELLED && filchi_pool_is_cancelling(group->pool));
    if (stopped) /* relaxed: by Z1. */
        atomic_store_explicit(&scope->stopped, true, memory_order_relaxed);
    leave(scope, n);
}

static void keep(struct filchi_group *group, struct filchi_mpsc_chain *futures)
{
    filch_scope *scope = (filch_scope *)group;
    if (filchi_mpsc_push_chain(&scope->queue, futures))
        filchi_parker_signal(&scope->parker);
}

static size_t undelivered(const struct filchi_group *group)
{
    const filch_scope *scope = (const filch_scope *)group;
    /* relaxed: by the queue, for what tasks have submitted. */
    return atomic_load_explicit(&scope->submitted, memory_order_relaxed) - scope->n_delivered;
}

static size_t unfinished(const struct filchi_group *group)
{
    const filch_scope *scope = (const filch_scope *)group;
    return atomic_load_explicit(&scope->unfinished, memory_order_relaxed); /* relaxed: a number to look at. */
}

/* ---- Open ---- */

static struct filchi_group **innermost(void)
{
    struct filchi_thread *thread = filchi_worker_thread();
    return thread && thread->frame ? &thread->frame->scopes : &open_outside;
}

/* Of a scope that a child of fork() has a copy of, the tasks are not there. */
static bool is_here(const filch_scope *scope)
{
    return filchi_worker_pool_here(scope->group.pool);
}

/* The scope that a new one is opened in, or NULL. */
static filch_scope *enclosing_scope(void)
{
    filch_scope *scope = (filch_scope *)*innermost();
    return scope && is_here(scope) ? scope : NULL;
}

static filch_stop *parent_stop(filch_pool *pool, filch_stop *chosen)
{
    const filch_task *task = filch_task_current();
    if (chosen)
        return chosen;
    if (enclosing_scope())
        return enclosing_scope()->group.stop;
    return task ? filchi_future_stop(task) : pool->stop;
}

static int create_stop(filch_pool *pool, const filch_scope_options *options, filch_stop **out)
{
    filch_stop *parent = parent_stop(pool, options->stop);
    int64_t deadline = filchi_os_deadline(options->timeout_ns);
    if (deadline == FILCHI_NEVER)
        return filch_stop_create(out, parent);
    return filch_stop_create_until(out, parent, pool, deadline);
}

/* All are stopped first: tasks of one may keep the workers from those of another. */
static void close_open(struct filchi_group *innermost_open)
{
    for (struct filchi_group *group = innermost_open; group; group = group->enclosing)
        filch_stop_request(group->stop, -ECANCELED);
    while (*innermost())
        filch_scope_close((filch_scope *)*innermost());
}

int filch_scope_open(filch_scope **out, filch_pool *pool, const filch_scope_options *options)
{
    filch_scope_options chosen = FILCH_SCOPE_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options);
    if (rc)
        return rc;
    if (!pool || (chosen.policy != FILCH_FAIL_FAST && chosen.policy != FILCH_COLLECT))
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    size_t name_size = chosen.name ? strlen(chosen.name) + 1 : 0;
    filch_scope *scope =
        filchi_memory_alloc(pool->origin->memory, _Alignof(filch_scope), sizeof *scope + name_size);
    if (!scope)
        return -ENOMEM;
    scope->group = (struct filchi_group) { .failed = record,
                                           .keep = keep,
                                           .left = on_left,
                                           .close = close_open,
                                           .unfinished = unfinished,
                                           .undelivered = undelivered,
                                           .pool = pool };
    rc = create_stop(pool, &chosen, &scope->group.stop);
    if (rc) {
        filchi_memory_free(pool->origin->memory, scope);
        return rc;
    }
    scope->group.stop->group = &scope->group;
    scope->group.name = chosen.name ? memcpy(scope + 1, chosen.name, name_size) : NULL;
    scope->fail_fast = chosen.policy == FILCH_FAIL_FAST;
    scope->discard = chosen.discard;
    atomic_init(&scope->group.from_outside, false);
    atomic_init(&scope->unfinished, 1);
    filchi_parker_init(&scope->parker);
    filchi_mpsc_init(&scope->queue);
    filchi_outcome_init(&scope->outcome);
    scope->group.enclosing = *innermost();
    *innermost() = &scope->group;
    *out = scope;
    return 0;
}

filch_stop *filch_scope_stop(filch_scope *scope)
{
    return scope->group.stop;
}

filch_scope *filch_scope_current(void)
{
    const filch_task *task = filch_task_current();
    filch_scope *scope = enclosing_scope();
    if (scope)
        return scope;
    return task ? (filch_scope *)filchi_future_group(task) : NULL;
}

/* Mostly it is the innermost one. NULL if the caller has not opened it. */
static struct filchi_group **find_open(const filch_scope *scope)
{
    struct filchi_group **at = innermost();
    while (*at && *at != &scope->group)
        at = &(*at)->enclosing;
    return *at ? at : NULL;
}

/* ---- Submit ---- */

/* A task under a stop of its own must still be stopped with the scope. */
static bool descends(const filch_stop *stop, const filch_stop *ancestor)
{
    while (stop && stop != ancestor)
        stop = stop->parent;
    return stop != NULL;
}

/* A future to deliver whose task was refused. The opener may sleep until it comes. */
static void retract(filch_scope *scope)
{
    /* relaxed: the signal publishes them. */
    atomic_fetch_sub_explicit(&scope->submitted, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&scope->owed, 1, memory_order_relaxed);
    filchi_parker_signal(&scope->parker);
}

int filch_scope_submit_with(filch_scope *scope, filch_fn *fn, void *arg, const filch_task_options *options,
                            filch_future **out)
{
    filch_task_options chosen = FILCH_TASK_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options);
    if (rc)
        return rc;
    if (!is_here(scope))
        return -EOWNERDEAD;
    if (!chosen.stop)
        chosen.stop = scope->group.stop;
    else if (!descends(chosen.stop, scope->group.stop))
        return -EINVAL;
    bool kept = !scope->discard;
    const struct filchi_membership membership = { .group = &scope->group,
                                                  .kept = kept,
                                                  .refs = kept + (out ? 1u : 0u) };
    filch_future *future = NULL;
    enter(scope, 1);
    if (kept) /* relaxed: what a task submits is counted before its own future is in the queue. */
        atomic_fetch_add_explicit(&scope->submitted, 1, memory_order_relaxed);
    rc = filchi_submit(scope->group.pool, fn, arg, &chosen, &membership, membership.refs ? &future : NULL);
    if (rc) {
        if (kept)
            retract(scope);
        leave(scope, 1);
    } else if (out) {
        *out = future;
    }
    return rc;
}

int filch_scope_submit(filch_scope *scope, filch_fn *fn, void *arg, filch_future **out)
{
    return filch_scope_submit_with(scope, fn, arg, NULL, out);
}

/* ---- Next ---- */

/* The next that is final, or NULL. */
static filch_future *take(filch_scope *scope)
{
    struct filchi_mpsc_node *node = filchi_mpsc_take(&scope->queue, &scope->due);
    return node ? filchi_container_of(node, filch_future, link) : NULL;
}

static filch_future *await_next(filch_scope *scope, int64_t deadline, int *rc)
{
    struct filchi_await await;
    filch_future *next;
    filchi_await_begin(&await, &scope->parker, deadline, true);
    await.awaited = (struct filchi_awaited) { .kind = FILCHI_AWAITED_MEMBER, .group = &scope->group };
    if (!await.thread)
        filchi_await_offer(&await, scope->group.pool->origin);
    for (;;) {
        uint32_t seen = filchi_parker_count(&scope->parker);
        next = take(scope);
        if (next || undelivered(&scope->group) == 0)
            break;
        bool prefer_handoff = await.thread && !await.blocked && filchi_worker_tasks_are_long(await.thread);
        enum filchi_await_run run = filchi_await_run_member(&await, &scope->group, prefer_handoff);
        if (run == FILCHI_AWAIT_RAN)
            continue;
        *rc = filchi_await_pause(&await, seen, run == FILCHI_AWAIT_LEFT);
        if (*rc) {
            next = take(scope);
            break;
        }
    }
    scope->due += filchi_await_end(&await);
    return next;
}

int filch_scope_next(filch_scope *scope, int64_t timeout_ns, filch_future **out)
{
    if (scope->discard)
        return -EINVAL;
    if (!is_here(scope))
        return -EOWNERDEAD;
    if (!find_open(scope))
        return -EDEADLK;
    filch_future_unref(scope->delivered);
    int rc = 0;
    filch_future *next = take(scope);
    if (!next && undelivered(&scope->group) > 0)
        next = await_next(scope, filchi_os_deadline(timeout_ns), &rc);
    scope->delivered = next;
    if (!next)
        return rc;
    scope->n_delivered++;
    *out = next;
    scope->outcome.told |= filchi_future_state(next) == FILCH_FAILED;
    return 1;
}

/* ---- Join ---- */

/* `firm`: it may not fail to break a cycle of awaits. */
static int await_all(filch_scope *scope, bool firm)
{
    int rc = 0;
    struct filchi_await await;
    if (is_over(scope, 1))
        return 0;
    leave(scope, 1);
    filchi_await_begin(&await, &scope->parker, FILCHI_NEVER, false);
    await.awaited = (struct filchi_awaited) { .kind = FILCHI_AWAITED_GROUP, .firm = firm, .group = &scope->group };
    if (!await.thread)
        filchi_await_offer(&await, scope->group.pool->origin);
    for (;;) {
        uint32_t seen = filchi_parker_count(&scope->parker);
        if (is_over(scope, 0))
            break;
        enum filchi_await_run run = filchi_await_run_member(&await, &scope->group, false);
        if (run != FILCHI_AWAIT_RAN && (rc = filchi_await_pause(&await, seen, run == FILCHI_AWAIT_LEFT)))
            break;
    }
    scope->due += filchi_await_end(&await);
    enter(scope, 1);
    return rc && is_over(scope, 1) ? 0 : rc;
}

/* Stopped, by whom ever, with no error of its own: 0 if only stops of single tasks were requested. */
static int stopped_outcome(const filch_scope *scope, filch_error **out_error)
{
    int reason = filch_stop_reason(scope->group.stop);
    bool shut_down = filchi_pool_is_cancelling(scope->group.pool);
    if (!reason && !shut_down)
        return 0;
    /* If it is the time of an enclosing scope that ran out, a task that returns this has only seen a stop. */
    int code = filchi_stop_timed_out(scope->group.stop) ? -ETIMEDOUT : -ECANCELED;
    char text[96];
    filchi_os_error_text(reason, text, sizeof text);
    if (out_error)
        *out_error = filchi_error_makef(scope->group.name, filch_stop_error(scope->group.stop), code,
                                        "the scope was stopped: %s", reason ? text : "the pool was shut down");
    return code;
}

int filch_scope_join(filch_scope *scope, filch_error **out_error)
{
    int rc = !is_here(scope) ? -EOWNERDEAD : !find_open(scope) ? -EDEADLK : await_all(scope, false);
    if (rc) {
        if (out_error)
            *out_error = filchi_error_makef(scope->group.name, NULL, rc, "the scope could not be joined");
        return rc;
    }
    int code = filchi_outcome_tell(&scope->outcome, out_error);
    if (!code && atomic_load_explicit(&scope->stopped, memory_order_relaxed)) /* relaxed: by Z1. */
        code = stopped_outcome(scope, out_error);
    return code;
}

/* ---- Close ---- */

static void unlink_scope(const filch_scope *scope)
{
    struct filchi_group **at = find_open(scope);
    if (at)
        *at = scope->group.enclosing;
}

void filch_scope_close(filch_scope *scope)
{
    if (!scope)
        return;
    if (!is_here(scope)) { /* nothing to await; its memory stays */
        unlink_scope(scope);
        return;
    }
    assert(find_open(scope) && "a scope is closed by who opened it, as one of its tasks would wait for itself");
    filch_stop_request(scope->group.stop, -ECANCELED);
    while (await_all(scope, true)) /* the tasks use it: whatever it takes */
        filchi_os_yield();
    unlink_scope(scope);
    filch_future_unref(scope->delivered);
    for (filch_future *future; (future = take(scope));)
        filch_future_unref(future);
    /* relaxed: by Z1. */
    filchi_parker_settle(&scope->parker, scope->due + atomic_load_explicit(&scope->owed, memory_order_relaxed));
    filchi_outcome_fini(&scope->outcome, scope->group.pool->origin);
    filch_stop_unref(scope->group.stop);
    filchi_memory_free(scope->group.pool->origin->memory, scope);
}

void filch_scope_cleanup(filch_scope **scope)
{
    filch_scope_close(*scope);
}
