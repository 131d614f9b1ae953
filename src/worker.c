/* SPDX-License-Identifier: MIT */
/* What a thread does while it holds a worker: it runs what it finds, until there is nothing and it gives the worker up. */
#include "worker.h"

#include "find.h"
#include "handoff.h"
#include "lane_place.h"
#include "later.h"
#include "starting.h"
#include "stopping.h"
#include "transition.h"

#include <string.h>

/* One task in so many is timed while tasks are short; every one while they are long. */
#define SAMPLE_EVERY 16
/* A handoff costs two switches and, on a halted core, a wake. Longer tasks are not run in place of one. */
#define LONG_NS 50000

/* What a task may need of the stack when it is run in place, bytes; a quarter of smaller stacks. */
#define STACK_RESERVE ((size_t)128 << 10)

_Thread_local struct filchi_thread *filchi_thread_here;

/* The function to call, which is not the future's own to keep if it may be called again. */
static filch_fn *begin(const struct filchi_thread *thread, filch_future *future)
{
    filch_fn *fn = filchi_future_begin(future, thread->guest ? NULL : thread); /* a guest's memory is not to stay */
    struct filchi_plan *plan = filchi_future_plan(future);
    if (!plan)
        return fn;
    filchi_plan_begin_attempt(plan);
    return plan->fn;
}

/* For others to look at: the frames are not theirs to read while the thread runs. */
static void count_frames(struct filchi_thread *thread, int change)
{
    /* relaxed: a number of its own, which tells nothing but itself. */
    unsigned depth = atomic_load_explicit(&thread->depth, memory_order_relaxed);
    atomic_store_explicit(&thread->depth, depth + (unsigned)change, memory_order_relaxed);
}

/* What is to be shown of the task; NULL: nothing. */
static const char *name_of(const filch_future *future)
{
    const struct filchi_cold *cold = filchi_future_cold(future);
    return cold ? filchi_cold_name(cold) : NULL;
}

static void enter_frame(struct filchi_thread *thread, struct filchi_frame *frame)
{
    const char *name = name_of(frame->task);
    if (thread->forker)
        filchi_forker_enter(thread, frame);
    thread->frame = frame;
    count_frames(thread, 1);
    if (name)
        filchi_label_set(&thread->label, name);
}

static void leave_frame(struct filchi_thread *thread, struct filchi_frame *frame)
{
    const char *name = name_of(frame->task);
    if (!filchi_worker_pool_here(thread->pool))
        filchi_os_thread_exit(); /* the function called fork() and returned in the child: there is nothing here */
    while (thread->regions)      /* it returned inside one */
        filchi_handoff_leave_region(filchi_worker_thread());
    if (frame->scopes)
        frame->scopes->close(frame->scopes);
    thread->frame = frame->below;
    if (thread->forker)
        filchi_forker_leave(thread, frame);
    count_frames(thread, -1);
    if (name)
        filchi_label_set(&thread->label, frame->below ? name_of(frame->below->task) : NULL);
}

void filchi_worker_run_forked(struct filchi_thread *thread, filch_task *task, filch_forker *forker,
                              filch_forked *forked)
{
    struct filchi_frame frame = { .task = task, .below = thread->frame, .forked = true };
    enter_frame(thread, &frame);
    forked->fn(forker, forked);
    leave_frame(thread, &frame);
}

static void execute(struct filchi_thread *thread, filch_future *future)
{
    struct filchi_frame frame = { .task = future, .below = thread->frame };
    filch_fn *fn = begin(thread, future);
    enter_frame(thread, &frame);
    int rc = fn(future, future->arg);
    leave_frame(thread, &frame);
    if (!rc || !filchi_later_again(thread->pool, future, rc))
        filchi_future_complete(future, rc);
}

/* Whether the next task of this kind must be timed: each one while they are long, else now and then. */
static bool is_due(struct filchi_average *average)
{
    if (average->until_sample == 0)
        return true;
    average->until_sample--;
    return false;
}

static void update(struct filchi_average *average, int64_t ns)
{
    average->ns = average->ns == FILCHI_AVERAGE_NONE ? ns : average->ns + (ns - average->ns) / 4;
    average->until_sample = average->ns > LONG_NS ? 0 : SAMPLE_EVERY;
}

/* Executes it, timed if its turn has come. */
static void execute_sampled(struct filchi_thread *thread, filch_future *future, bool outside)
{
    struct filchi_worker *worker = thread->worker;
    if (!is_due(outside ? &worker->outside : &worker->leaves)) {
        execute(thread, future);
        return;
    }
    uint64_t awaits = thread->awaits;
    int64_t begun = filchi_os_now();
    execute(thread, future);
    int64_t ns = filchi_os_now() - begun;
    worker = thread->worker; /* perhaps another one, after a wait */
    if (outside)
        update(&worker->outside, ns);
    if (thread->awaits == awaits)
        update(&worker->leaves, ns);
}

static void run_claimed(struct filchi_thread *thread, filch_future *future, bool outside)
{
    if (filchi_stop_peek(filchi_future_stop(future))) {
        filchi_stopping_end(thread, future);
        return;
    }
    filchi_stopping_tell(thread);
    thread->stopping = false;
    if (thread->guest) /* it has no worker whose averages could be told */
        execute(thread, future);
    else
        execute_sampled(thread, future, outside);
}

void filchi_worker_give_up_place(struct filchi_thread *thread, const filch_future *future)
{
    if (future->stop & FILCHI_STOP_PLACE && !thread->due)
        filchi_capacity_leave(thread->pool);
    thread->due = false;
}

/* Cancels it, or claims and runs it, unless the entry is stale. */
static void deal_with(struct filchi_thread *thread, filch_future *future, bool outside)
{
    if (filchi_pool_is_cancelling(thread->pool)) {
        filchi_stopping_tell(thread); /* callbacks may take their time */
        filchi_future_cancel_entry(future);
    } else if (filchi_future_claim(future) == FILCHI_CLAIM_GOT) {
        run_claimed(thread, future, outside);
    }
}

void filchi_worker_run_entry(struct filchi_thread *thread, filch_future *future, bool outside)
{
    filchi_worker_give_up_place(thread, future);
    deal_with(thread, future, outside);
    filchi_counter_add(&thread->worker->finished, 1);
}

void filchi_worker_run_in_lane(struct filchi_thread *thread, filch_future *future)
{
    struct filchi_lane_place place;
    filchi_lane_place_begin(thread, &place, thread->lane);
    thread->lane = NULL;
    filchi_worker_run_entry(thread, future, true);
    filchi_lane_place_end(thread, &place);
}

/* The guest's task takes its place as one does that goes on after a wait. */
static void deal_as_guest(struct filchi_thread *guest, filch_future *future)
{
    filch_lane *lane = filchi_route_lane(filchi_future_route(future));
    struct filchi_lane_place place;
    if (lane) {
        filchi_lane_place_begin(guest, &place, lane);
        place.held = false;
        filchi_lane_place_resume(guest);
    }
    deal_with(guest, future, true);
    if (lane)
        filchi_lane_place_end(guest, &place);
}

void filchi_worker_run_as_guest(filch_pool *pool, filch_future *future)
{
    struct filchi_thread *here = filchi_thread_here; /* in a forked child it may be no host any more */
    struct filchi_thread guest = { .pool = pool, .guest = true, .host = filchi_worker_thread() };
    if (guest.host)
        filchi_forker_show_all(filchi_worker_host(guest.host));
    filchi_thread_here = &guest;
    deal_as_guest(&guest, future);
    filchi_stopping_tell(&guest);
    filchi_forker_free(guest.forker);
    filchi_thread_here = here;
    filchi_lane_place_resume(here);
    filchi_worker_count_reaped(pool);
    filchi_worker_check_drained(pool);
}

static bool run_newest(struct filchi_thread *thread, filch_future *future)
{
    if (filchi_deque_pop(&thread->worker->deque) != future)
        return false; /* a thief was quicker */
    filchi_counter_add(&thread->worker->in_place, 1);
    filchi_worker_run_entry(thread, future, false);
    return true;
}

bool filchi_worker_run_newest(struct filchi_thread *thread, filch_future *future)
{
    if (filchi_deque_peek(&thread->worker->deque) != future || !run_newest(thread, future))
        return false;
    filchi_stopping_tell(thread); /* the awaiting task may wait for it next */
    return true;
}

static bool claim_and_run(struct filchi_thread *thread, filch_future *future)
{
    if (filchi_future_claim_in_place(future) != FILCHI_CLAIM_GOT)
        return false;
    filchi_counter_add(&thread->worker->in_place, 1);
    run_claimed(thread, future, false);
    return true;
}

/* The same, in its lane: in the place of the task that awaits it, if that is of the same, as it does not run meanwhile. */
static bool claim_in_lane(struct filchi_thread *thread, filch_future *future, filch_lane *lane)
{
    const struct filchi_lane_place *here = thread->lane_places;
    if (here && here->held && here->lane == lane)
        return claim_and_run(thread, future);
    if (!filchi_lane_try_enter(lane))
        return false;
    struct filchi_lane_place place;
    filchi_lane_place_begin(thread, &place, lane);
    bool ran = claim_and_run(thread, future);
    filchi_lane_place_end(thread, &place);
    return ran;
}

static bool run_awaited(struct filchi_thread *thread, filch_future *future)
{
    /* Mostly it is our newest sub task: popped, it leaves no stale entry behind. */
    if (filchi_deque_peek(&thread->worker->deque) == future)
        return run_newest(thread, future);
    filch_lane *lane = filchi_route_lane(filchi_future_route(future));
    return lane ? claim_in_lane(thread, future, lane) : claim_and_run(thread, future);
}

bool filchi_worker_run_awaited(struct filchi_thread *thread, filch_future *future)
{
    bool ran = run_awaited(thread, future);
    filchi_stopping_tell(thread); /* as above */
    return ran;
}

bool filchi_worker_tasks_are_long(const struct filchi_thread *thread)
{
    return thread->worker->leaves.ns > LONG_NS;
}

static void measure_stack(struct filchi_thread *thread)
{
    thread->stack_low = filchi_os_stack_low();
    if (!thread->stack_low)
        thread->stack_low = UINTPTR_MAX;
    size_t size = (uintptr_t)__builtin_frame_address(0) - thread->stack_low;
    thread->stack_reserve = size / 4 < STACK_RESERVE ? size / 4 : STACK_RESERVE;
}

void *filchi_worker_main(void *arg)
{
    struct filchi_thread *thread = arg;
    if (!filchi_starting_begin(thread))
        return NULL;
    filchi_thread_here = thread; /* not before: to the hooks this is a thread like any other */
    atomic_store_explicit(&thread->id, filchi_os_thread_id(), memory_order_relaxed); /* relaxed: to look at. */
    measure_stack(thread);
    while (filchi_handoff_await_worker(thread)) {
        filch_future *found;
        while ((found = filchi_find_work(thread))) {
            if (thread->lane)
                filchi_worker_run_in_lane(thread, found);
            else
                filchi_worker_run_entry(thread, found, thread->outside);
            if (thread->stopping)
                filchi_stopping_batch(thread);
        }
    }
    filchi_thread_here = NULL;
    filchi_starting_end(thread);
    return NULL;
}
