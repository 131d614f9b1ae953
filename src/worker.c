/* SPDX-License-Identifier: MIT */
/* What a thread does while it holds a worker: it runs what it finds, until there is nothing and it gives the worker up. */
#include "worker.h"

#include "belongs.h"
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

/* What a task may need of the stack when it is run in place, bytes; a quarter of smaller stacks. */
#define STACK_RESERVE ((size_t)128 << 10)

_Thread_local struct filchi_thread *filchi_thread_here;

/* The function to call, which is not the future's own to keep if it may be called again. */
static inline __attribute__((always_inline)) filch_fn *begin(const struct filchi_thread *thread,
                                                             filch_future *future)
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
    filchi_context_close();
    thread->frame = frame->below;
    if (thread->forker)
        filchi_forker_leave(thread, frame);
    count_frames(thread, -1);
    if (name)
        filchi_label_set(&thread->label, frame->below ? name_of(frame->below->task) : NULL);
}

void filchi_worker_run_forked(struct filchi_thread *thread, const struct filchi_setting *setting,
                              filch_forker *forker, filch_forked *forked)
{
    struct filchi_frame frame = { .task = setting->task, .below = thread->frame, .forked = true };
    struct filchi_context_outer outer;
    filchi_context_enter(&outer, setting->context);
    enter_frame(thread, &frame);
    forked->fn(forker, forked);
    leave_frame(thread, &frame);
    filchi_context_leave(&outer);
}

/* The same as execute_here(), and tells of it. */
static __attribute__((noinline)) bool execute_observed(struct filchi_thread *thread, filch_future *future)
{
    struct filchi_frame frame = { .task = future, .below = thread->frame };
    struct filchi_observed observed;
    bool told = filchi_observe_tells(thread->pool, future);
    filch_fn *fn = begin(thread, future);
    if (told)
        filchi_observe_start(&observed, thread, future);
    enter_frame(thread, &frame);
    int rc = fn(future, future->arg);
    leave_frame(thread, &frame);
    if (!told && !rc) {
        filchi_observe_count_done(thread);
        filchi_future_complete(future, 0);
        return true;
    }
    if (!told)
        filchi_observe_start_untold(&observed, thread, future);
    if (rc && filchi_later_again(thread->pool, future, rc, &observed))
        return false;
    filch_state state = filchi_future_judge(future, &rc);
    filchi_observe_finish(&observed, state, rc);
    filchi_future_complete_as(future, state, rc);
    return true;
}

/* In what is in force. False: it is to be tried again, and must not be touched any more. */
static inline __attribute__((always_inline)) bool execute_here(struct filchi_thread *thread, filch_future *future)
{
    if (filchi_observe_runs(thread->pool))
        return execute_observed(thread, future);
    struct filchi_frame frame = { .task = future, .below = thread->frame };
    filch_fn *fn = begin(thread, future);
    enter_frame(thread, &frame);
    int rc = fn(future, future->arg);
    leave_frame(thread, &frame);
    if (rc && filchi_later_again(thread->pool, future, rc, NULL))
        return false;
    filchi_future_complete(future, rc);
    return true;
}

/* In its context; or in none, where there is one that is not its own. */
static __attribute__((noinline)) void execute_within(struct filchi_thread *thread, filch_future *future)
{
    struct filchi_context_outer outer;
    filch_context *context = filchi_future_begin_context(future);
    filchi_context_enter_task(&outer, context);
    bool over = execute_here(thread, future);
    filchi_context_leave_task(&outer, over ? context : NULL); /* else it is the plan's */
}

static void execute(struct filchi_thread *thread, filch_future *future)
{
    if (filchi_context_here.used || filchi_future_has_context(future))
        execute_within(thread, future);
    else
        execute_here(thread, future);
}

/* How many tasks of this kind the next one stands for, if it is to be timed: each one while they are long, else now and
 * then, for itself and those that were not timed before it. 0: it is not. */
static unsigned take_turn(struct filchi_average *average)
{
    if (average->skipped < average->every) {
        average->skipped++;
        return 0;
    }
    unsigned weight = average->skipped + 1;
    average->skipped = 0;
    return weight;
}

static void update(struct filchi_average *average, int64_t ns)
{
    average->ns = average->ns == FILCHI_AVERAGE_NONE ? ns : average->ns + (ns - average->ns) / 4;
    average->every = average->ns > FILCHI_LONG_NS ? 0 : SAMPLE_EVERY;
}

/* Executes it, timed if its turn has come. */
static void execute_sampled(struct filchi_thread *thread, filch_future *future, bool outside)
{
    struct filchi_worker *worker = thread->worker;
    unsigned weight = take_turn(outside ? &worker->outside : &worker->leaves);
    if (!weight) {
        execute(thread, future);
        return;
    }
    uint64_t awaits = thread->awaits;
    int64_t away = thread->away_ns;
    int64_t begun = filchi_os_now();
    execute(thread, future);
    int64_t ns = filchi_os_now() - begun;
    worker = thread->worker; /* perhaps another one, after a wait */
    if (worker->measures)
        filchi_metrics_ran(thread->pool->observer->metrics, worker->measures, ns, thread->away_ns - away, weight);
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

void filchi_worker_run_laned(struct filchi_thread *thread, filch_future *future)
{
    filch_lane *lane = thread->lane;
    bool extra = thread->extra;
    struct filchi_lane_place place;
    thread->laned = false;
    if (lane)
        filchi_lane_place_begin(thread, &place, lane);
    filchi_worker_give_up_place(thread, future);
    deal_with(thread, future, true);
    filchi_counter_add(extra ? &thread->worker->raised_over : &thread->worker->finished, 1);
    if (lane)
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
    /* Within a task that one keeps the pool from its end. Else the future's entry may be dropped while it runs here, and
     * it counts as a second one, from before it is claimed. */
    bool alone = !thread->frame;
    if (alone)
        filchi_counter_add(&thread->worker->raised, 1);
    bool got = filchi_future_claim_in_place(future) == FILCHI_CLAIM_GOT;
    if (got) {
        filchi_counter_add(&thread->worker->in_place, 1);
        run_claimed(thread, future, false);
    }
    if (alone)
        filchi_counter_add(&thread->worker->raised_over, 1);
    return got;
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
    return thread->worker->leaves.ns > FILCHI_LONG_NS;
}

/* Asking costs the first thread of a process a look into /proc. */
static uintptr_t stack_low(void)
{
    static _Thread_local uintptr_t low;
    if (!low)
        low = filchi_os_stack_low();
    return low ? low : UINTPTR_MAX;
}

void filchi_worker_measure(struct filchi_thread *thread)
{
    atomic_store_explicit(&thread->id, filchi_os_thread_id(), memory_order_relaxed); /* relaxed: to look at. */
    thread->stack_low = stack_low();
    size_t size = (uintptr_t)__builtin_frame_address(0) - thread->stack_low;
    thread->stack_reserve = size / 4 < STACK_RESERVE ? size / 4 : STACK_RESERVE;
}

static void begin_here(struct filchi_thread *thread)
{
    filchi_thread_here = thread;
    filchi_worker_measure(thread);
}

static void run_found(struct filchi_thread *thread, filch_future *found)
{
    if (thread->laned)
        filchi_worker_run_laned(thread, found);
    else
        filchi_worker_run_entry(thread, found, thread->outside);
    if (thread->stopping)
        filchi_stopping_batch(thread);
}

void *filchi_worker_main(void *arg)
{
    struct filchi_thread *thread = arg;
    if (thread->pool->handoff.cpus) /* before the hook, which may allocate what is to be near */
        filchi_cpus_begin(thread, thread->pool->handoff.cpus);
    if (!filchi_starting_begin(thread))
        return NULL;
    begin_here(thread); /* not before: to the hooks this is a thread like any other */
    filchi_context_here.keeps = true;
    while (filchi_handoff_await_worker(thread)) {
        filch_future *found;
        while ((found = filchi_find_work(thread)))
            run_found(thread, found);
    }
    filchi_context_here.keeps = false;
    filchi_thread_here = NULL;
    filchi_starting_end(thread);
    return NULL;
}

void filchi_worker_serve(struct filchi_thread *thread)
{
    struct filchi_thread *here = filchi_thread_here; /* a task of another pool that destroys this one */
    struct filchi_slab *slab = filchi_slab_here;
    bool keeps = filchi_context_here.keeps;
    begin_here(thread);
    filchi_context_here.keeps = true;
    bool over = false;
    while (!over && filchi_handoff_await_worker(thread)) {
        filch_future *found;
        while (!(over = filchi_handoff_is_over(thread)) && (found = filchi_find_work(thread)))
            run_found(thread, found);
    }
    if (over) { /* between two tasks; else it had none, and its worker went elsewhere */
        filchi_stopping_tell(thread);
        filchi_handoff_leave(thread);
        filchi_worker_check_drained(thread->pool);
    }
    filchi_context_here.keeps = keeps;
    if (!keeps)
        filchi_context_flush();
    filchi_thread_here = here;
    filchi_slab_here = slab;
}
