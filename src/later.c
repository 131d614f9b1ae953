/* SPDX-License-Identifier: MIT */
/* Tasks that wait for their time: see later.h. */
#include "later.h"

#include "belongs.h"
#include "error.h"
#include "handoff.h"
#include "lane_place.h"
#include "options.h"
#include "retry.h"
#include "transition.h"

/* When a task that is due does not fit into the queue for want of memory: tried again so much later. */
#define NO_MEMORY_NS INT64_C(10000000)

/* ---- Messages from other threads ---- */

static void settle(struct filchi_timers *timers, struct filchi_plan *plan, bool due);

static void on_enter(struct filchi_timers *timers, struct filchi_message *message)
{
    struct filchi_plan *plan = filchi_container_of(message, struct filchi_plan, enter);
    plan->entered = true;
    settle(timers, plan, filchi_timer_is_next(timers, &plan->timer));
}

static void on_stop(struct filchi_timers *timers, struct filchi_message *message)
{
    struct filchi_plan *plan = filchi_container_of(message, struct filchi_plan, stop);
    /* acquire Y3: pairs with release Y3 in serve_stop(). */
    for (unsigned spins = 0; !atomic_load_explicit(&plan->stop_left, memory_order_acquire); spins++)
        filchi_os_relax(spins);
    plan->attached = false;
    plan->stop_said = true;
    settle(timers, plan, false);
}

static void on_cancel(struct filchi_timers *timers, struct filchi_message *message)
{
    struct filchi_plan *plan = filchi_container_of(message, struct filchi_plan, cancel);
    plan->cancel_said = true;
    settle(timers, plan, false);
}

/* Perhaps in a signal handler. */
static void serve_stop(struct filchi_waiter *waiter)
{
    struct filchi_plan *plan = waiter->owner;
    filchi_timers_post(plan->timers, &plan->stop, FILCHI_TIMERS_NOW);
    /* release Y3: pairs with acquire Y3 in on_stop(); our last access. */
    atomic_store_explicit(&plan->stop_left, 1, memory_order_release);
}

/* How many wait is not what the timer thread knows: it does not hear of those that are due after it wakes. */
static void count_waiting(struct filchi_timers *timers, size_t change)
{
    atomic_fetch_add_explicit(&timers->waiting, change, memory_order_relaxed); /* relaxed: a number to look at. */
}

/* Who makes it wait; then the message is due at `due`, or at once if its stop is requested already. */
static int64_t attach(struct filchi_plan *plan, int64_t due)
{
    plan->timer.due = due;
    plan->attached = true; /* before: the stop's message may be handled at any moment after */
    /* relaxed: as before; the add publishes it. */
    atomic_store_explicit(&plan->stop_left, 0, memory_order_relaxed);
    if (filchi_stop_add(filchi_future_stop(plan->future), &plan->in_stop))
        return due;
    plan->attached = false;
    plan->stop_said = true;
    return FILCHI_TIMERS_NOW;
}

/* The task begins to wait. A message that comes after that of a shutdown which cancels, and may so be left lying until
 * some other timer is due, finds here that there was one: the queue orders the two. */
static void enter(struct filchi_timers *timers, struct filchi_plan *plan, int64_t when)
{
    filchi_timers_post(timers, &plan->enter, when);
    if (filchi_pool_is_cancelling(timers->pool))
        filchi_parker_signal(&timers->parker);
}

/* ---- The timer thread's part ---- */

/* False: the stop's message is on its way. */
static bool detach(struct filchi_plan *plan)
{
    if (plan->attached && !filchi_stop_remove(filchi_future_stop(plan->future), &plan->in_stop))
        return false;
    plan->attached = false;
    return true;
}

/* It is final, or gone from here. The last thing done for a task that waited. */
static void account(filch_pool *pool)
{
    filchi_worker_count_reaped(pool);
    filchi_worker_check_drained(pool);
}

/* Ends its wait, unless it was cancelled meanwhile: then the canceller's message ends it. */
static void end(struct filchi_timers *timers, struct filchi_plan *plan, bool (*end_waiting)(filch_future *))
{
    plan->entered = false; /* before: it may be gone after */
    if (end_waiting(plan->future)) {
        count_waiting(timers, (size_t)-1);
        account(timers->pool);
    } else {
        plan->entered = true;
    }
}

/*
 * The queue is full, of entries perhaps that turned stale as their tasks were claimed in place: nobody need look at them
 * if all threads wait for what does not fit. Looks at each once and drops those; not over and over for each task
 * that does not fit.
 */
static void drop_stale(struct filchi_timers *timers)
{
    struct filchi_deque *due = &timers->due;
    int64_t now = filchi_os_now();
    if (now < timers->drop_stale_at)
        return;
    timers->drop_stale_at = now + NO_MEMORY_NS;
    void *item;
    for (int64_t left = filchi_deque_size(due); left > 0; left--) {
        if (filchi_deque_steal(due, &item) != FILCHI_DEQUE_TOOK)
            continue;
        filch_future *future = item;
        if (filchi_waitlist_peek(&future->waiters) == FILCH_PENDING) {
            filchi_deque_push(due, future); /* there is room: it came from there */
        } else {
            filch_future_unref(future);
            account(timers->pool);
        }
    }
    filchi_handoff_notify_due(timers->pool); /* each was out of sight for a moment */
}

static bool enqueue(struct filchi_timers *timers, filch_future *future)
{
    uintptr_t route = filchi_future_route(future);
    if (route)
        return !filchi_lane_come_back(timers->pool, future, route);
    if (!filchi_deque_push(&timers->due, future))
        return true;
    drop_stale(timers);
    return !filchi_deque_push(&timers->due, future);
}

static void announce(struct filchi_timers *timers)
{
    filchi_handoff_notify_due(timers->pool);
}

/* The first of several is announced at once, the others together: see filchi_timers_announce(). */
static void count_ready(struct filchi_timers *timers)
{
    timers->announce = announce;
    if (timers->n_ready++ == 0)
        announce(timers);
}

static void make_ready(struct filchi_timers *timers, struct filchi_plan *plan)
{
    filch_future *future = plan->future;
    plan->entered = false;
    if (!filchi_future_make_ready(future)) {
        plan->entered = true;
    } else if (enqueue(timers, future)) {
        count_waiting(timers, (size_t)-1);
        count_ready(timers);
    } else if (filchi_future_take_back(future)) {
        plan->entered = true;
        attach(plan, filchi_os_now() + NO_MEMORY_NS);
        settle(timers, plan, false);
    } else {
        count_waiting(timers, (size_t)-1);
        account(timers->pool);
    }
}

/* It does not become ready: what a user has left to be called then may take its time. */
static void end_wait(struct filchi_timers *timers, struct filchi_plan *plan)
{
    filchi_timers_announce(timers);
    if (plan->cancel_said) {
        filchi_future_let_go(plan->future);
        count_waiting(timers, (size_t)-1);
        account(timers->pool);
    } else if (plan->stop_said) {
        end(timers, plan, filchi_future_stop_waiting);
    } else {
        end(timers, plan, filchi_future_cancel_waiting);
    }
}

/* Whatever happened, this decides what comes of it. */
static void settle(struct filchi_timers *timers, struct filchi_plan *plan, bool due)
{
    if (!plan->entered)
        return;
    filchi_timer_disarm(timers, &plan->timer);
    /* Who closes the pool sends a message after: what enters later sees it closed. */
    bool to_start = !filchi_pool_is_cancelling(timers->pool) && !plan->cancel_said && !plan->stop_said;
    if (to_start && !due)
        filchi_timer_arm(timers, &plan->timer);
    else if (!detach(plan))
        return; /* its message settles it */
    else if (to_start)
        make_ready(timers, plan);
    else
        end_wait(timers, plan);
}

static void fire(struct filchi_timers *timers, struct filchi_timer *timer)
{
    settle(timers, filchi_container_of(timer, struct filchi_plan, timer), true);
}

/* ---- Entering ---- */

int filchi_later_plan(filch_pool *pool, filch_fn *fn, const filch_task_options *options, struct filchi_plan **out)
{
    filch_retry_options chosen = FILCH_RETRY_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options->retry);
    if (!rc && options->retry)
        rc = filchi_retry_check(&chosen);
    if (!rc)
        rc = filchi_timers_start(pool->timers, pool->handoff.name);
    if (rc)
        return rc;
    struct filchi_plan *plan = filchi_plan_create(pool->timers, fn, options->retry ? &chosen : NULL);
    if (!plan)
        return -ENOMEM;
    plan->in_stop.serve = serve_stop;
    plan->in_stop.owner = plan;
    plan->timer.fire = fire;
    plan->enter.handle = on_enter;
    plan->stop.handle = on_stop;
    plan->cancel.handle = on_cancel;
    *out = plan;
    return 0;
}

void filchi_later_enter(filch_future *future, int64_t due)
{
    struct filchi_plan *plan = filchi_future_plan(future);
    struct filchi_timers *timers = plan->timers;
    count_waiting(timers, 1);
    enter(timers, plan, attach(plan, due));
}

bool filchi_later_again(filch_pool *pool, filch_future *future, int rc, struct filchi_observed *observed)
{
    struct filchi_plan *plan = filchi_future_plan(future);
    if (!plan || !plan->has_retry || (rc == -ECANCELED && filchi_stop_peek(filchi_future_stop(future))))
        return false;
    const filch_error *error = filchi_future_attempt_error(future, rc < 0 ? rc : -EINVAL);
    if (!filchi_retry_decide(plan, error, filchi_stop_peek(filchi_future_stop(future)))) {
        filchi_future_attach_error(future, filchi_retry_error(plan, filch_future_name(future), error));
        return false;
    }
    filch_error_unref(plan->last);
    plan->last = filch_error_ref(error);
    if (observed)
        filchi_observe_again(observed, rc < 0 ? rc : -EINVAL);
    int64_t due = attach(plan, filchi_os_now() + filchi_retry_interval(plan));
    /* relaxed: counted before its queue entry counts as finished, which publishes it. */
    atomic_fetch_add_explicit(&pool->waits, 1, memory_order_relaxed);
    count_waiting(pool->timers, 1);
    filchi_future_wait(future); /* from here on it may be cancelled, but not let go of before `enter` has come */
    enter(pool->timers, plan, due);
    return true;
}

/* ---- Cancelling all ---- */

static void cancel_all(struct filchi_timers *timers)
{
    struct filchi_timer *timer, *others = NULL;
    while ((timer = filchi_timers_first(timers))) {
        if (timer->fire == fire) {
            settle(timers, filchi_container_of(timer, struct filchi_plan, timer), false);
        } else {
            filchi_timer_disarm(timers, timer);
            timer->next = others;
            others = timer;
        }
    }
    while ((timer = others)) {
        others = timer->next;
        filchi_timer_arm(timers, timer);
    }
    filch_future *future;
    while ((future = filchi_deque_pop(&timers->due))) {
        filchi_future_cancel_entry(future);
        account(timers->pool);
    }
}

struct request {
    struct filchi_message message;
    _Atomic uint32_t done; /* a futex */
};

static void on_cancel_all(struct filchi_timers *timers, struct filchi_message *message)
{
    struct request *request = filchi_container_of(message, struct request, message);
    cancel_all(timers);
    _Atomic uint32_t *done = &request->done;
    /* release Y4: pairs with acquire Y4 in filchi_later_cancel_all(). */
    atomic_store_explicit(done, 1, memory_order_release);
    filchi_os_futex_wake(done, 1);
}

void filchi_later_cancel_all(filch_pool *pool)
{
    struct filchi_timers *timers = pool->timers;
    if (filchi_timers_here == timers) { /* a callback */
        cancel_all(timers);
    } else if (filchi_timers_started(timers)) {
        struct request request = { .message.handle = on_cancel_all };
        filchi_timers_post(timers, &request.message, FILCHI_TIMERS_NOW);
        /* acquire Y4: pairs with release Y4 in on_cancel_all(). */
        while (!atomic_load_explicit(&request.done, memory_order_acquire))
            filchi_os_futex_wait(&request.done, 0, FILCHI_NEVER);
    }
}
