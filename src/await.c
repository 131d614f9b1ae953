/* SPDX-License-Identifier: MIT */
/* Waiting: see await.h. */
#include "await.h"

#include "belongs.h"
#include "handoff.h"
#include "help.h"
#include "lane_place.h"
#include "members.h"

#include <errno.h>

/* Spins before a handoff: about a microsecond. */
#ifdef FILCH_TESTING
#define SPINS 0
#else
#define SPINS 16
#endif

_Thread_local filch_stop *filchi_interrupt_here;

void filchi_await_signal(struct filchi_waiter *waiter)
{
    filchi_parker_signal(waiter->owner);
}

/* Unlike the parker, which may be an iterator's and live on, the frame goes when the wait ends. */
static void serve_stop(struct filchi_waiter *waiter)
{
    struct filchi_await *await = waiter->owner;
    filchi_parker_signal(await->parker);
    /* release K2: pairs with acquire K2 in filchi_await_end(); our last access to the frame. */
    atomic_store_explicit(&await->stop_left, 1, memory_order_release);
}

/* Whether the stop has signalled the parker. If it is about to, waits until it has left the frame. */
static bool disarm(struct filchi_await *await)
{
    if (!await->armed || filchi_stop_remove(await->stop, &await->stop_waiter))
        return false;
    /* acquire K2: pairs with release K2 in serve_stop(). */
    for (unsigned spins = 0; !atomic_load_explicit(&await->stop_left, memory_order_acquire); spins++)
        filchi_os_relax(spins);
    return true;
}

/* What ends the wait: the stop of the task, or an interrupt of the thread. */
static void heed_stop(struct filchi_await *await)
{
    const struct filchi_thread *thread = filchi_worker_thread();
    if (thread && thread->frame) {
        await->stop = filchi_future_stop(thread->frame->task);
        await->stop_rc = -ECANCELED;
    } else {
        await->stop = filchi_interrupt_here;
        await->stop_rc = -EINTR;
    }
}

static bool is_past(int64_t deadline)
{
    return deadline != FILCHI_NEVER && filchi_os_now() >= deadline;
}

void filchi_await_begin(struct filchi_await *await, struct filchi_parker *parker, int64_t deadline, bool heed)
{
    struct filchi_thread *thread = filchi_worker_host(filchi_worker_thread());
    if (thread && thread->regions && is_past(deadline))
        thread = NULL; /* a poll does not wait for a worker */
    *await = (struct filchi_await) { .thread = thread, .parker = parker, .deadline = deadline };
    await->laned = filchi_lane_place_any(filchi_worker_thread());
    if (thread && !is_past(deadline))
        filchi_forker_show_all(thread);
    atomic_init(&await->stop_left, 0);
    if (thread)
        await->news = filchi_handoff_news(thread->pool);
    if (heed)
        heed_stop(await);
    if (!thread || !thread->regions)
        return;
    await->regions = thread->regions;
    thread->regions = 0;
    filchi_handoff_end_region(thread);
}

void filchi_await_begin_sleep(struct filchi_await *await, struct filchi_parker *parker, int64_t deadline)
{
    *await = (struct filchi_await) { .parker = parker, .deadline = deadline, .spun = true };
    struct filchi_thread *thread = filchi_worker_host(filchi_worker_thread());
    if (thread)
        filchi_forker_show_all(thread);
    atomic_init(&await->stop_left, 0);
    heed_stop(await);
}

void filchi_await_offer(struct filchi_await *await, struct filchi_origin *origin)
{
    if (origin->waiters_help && !filchi_worker_thread() && !filchi_timers_here)
        await->offered = origin;
}

/* Whether this much deeper in the stack is fine, or just so when no thread is left to take over. */
static bool has_stack(const struct filchi_thread *thread, bool last_resort)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    size_t reserve = last_resort ? thread->stack_reserve / 2 : thread->stack_reserve;
    return here > thread->stack_low && here - thread->stack_low > reserve;
}

bool filchi_await_has_stack(const struct filchi_thread *thread)
{
    return has_stack(thread, false);
}

/* Whether no other thread is to be had for what this one awaits. */
static bool is_last_resort(const struct filchi_await *await)
{
    return await->poked || filchi_handoff_at_cap(await->thread->pool);
}

/* Whether running what is awaited here is better than a handoff. */
static bool may_run_here(const struct filchi_await *await, bool prefer_handoff)
{
    const struct filchi_thread *thread = await->thread;
    if (is_past(await->deadline))
        return false; /* a poll runs nothing */
    /* With a deadline the wait must end in time, which a task that runs here would not heed. */
    if (!prefer_handoff && await->deadline == FILCHI_NEVER && has_stack(thread, false))
        return true;
    return is_last_resort(await) && has_stack(thread, true);
}

/* It could not be had: somebody else has it, or there is no place in its lane. Then it is as if we had not tried. */
static enum filchi_await_run was_left(struct filchi_await *await, const filch_future *future)
{
    await->full = filchi_route_lane(filchi_future_route(future));
    if (!await->full || filchi_waitlist_peek(&future->waiters) != FILCH_PENDING)
        return FILCHI_AWAIT_NOTHING;
    await->poked = false;
    return FILCHI_AWAIT_LEFT;
}

enum filchi_await_run filchi_await_run(struct filchi_await *await, filch_future *future, bool prefer_handoff)
{
    struct filchi_thread *thread = await->thread;
    await->full = NULL;
    if (!thread)
        return await->offered || await->helper ? filchi_help_run(await, future) : FILCHI_AWAIT_NOTHING;
    if (await->blocked || filchi_slab_home_of(future) != thread->pool->home)
        return FILCHI_AWAIT_NOTHING;
    await->later |= filchi_future_plan(future) != NULL;
    if (filchi_waitlist_peek(&future->waiters) != FILCH_PENDING)
        return FILCHI_AWAIT_NOTHING;
    if (!may_run_here(await, prefer_handoff))
        return FILCHI_AWAIT_LEFT;
    struct filchi_thread *here = filchi_thread_here; /* perhaps a guest, whose task this is not */
    filchi_thread_here = thread;
    bool ran = filchi_worker_run_awaited(thread, future);
    filchi_thread_here = here;
    if (!ran)
        return was_left(await, future);
    await->poked = false;
    return FILCHI_AWAIT_RAN;
}

bool filchi_await_run_newest(struct filchi_thread *thread, filch_future *future)
{
    if (thread->guest || thread->regions || filchi_worker_tasks_are_long(thread) || !has_stack(thread, false))
        return false;
    return filchi_worker_run_newest(thread, future);
}

/* What of the group's tasks may run here; false: none. */
static bool which_members(struct filchi_await *await, const struct filchi_group *group, bool prefer_handoff,
                          enum filchi_members *which)
{
    bool last_resort = is_last_resort(await);
    if (may_run_here(await, prefer_handoff)) {
        *which = last_resort ? FILCHI_MEMBERS_ANY : FILCHI_MEMBERS_NEWEST;
        return true;
    }
    *which = FILCHI_MEMBERS_STOPPED; /* which takes no stack and no time */
    return last_resort && filchi_stop_peek(group->stop);
}

enum filchi_await_run filchi_await_run_member(struct filchi_await *await, const struct filchi_group *group,
                                              bool prefer_handoff)
{
    struct filchi_thread *thread = await->thread;
    enum filchi_members which;
    if (!thread || await->blocked || thread->pool != group->pool)
        return FILCHI_AWAIT_NOTHING;
    await->later = true;
    if (!which_members(await, group, prefer_handoff, &which))
        return FILCHI_AWAIT_LEFT;
    struct filchi_thread *here = filchi_thread_here; /* as above */
    filchi_thread_here = thread;
    bool ran = filchi_worker_run_member(thread, group, which);
    filchi_thread_here = here;
    if (!ran)
        return which == FILCHI_MEMBERS_NEWEST ? FILCHI_AWAIT_LEFT : FILCHI_AWAIT_NOTHING;
    await->poked = false;
    return FILCHI_AWAIT_RAN;
}

/* True if a signal came. */
static bool spin(struct filchi_await *await, uint32_t seen)
{
    await->spun = true;
    for (int i = 0; i < SPINS; i++) {
        filchi_pause();
        if (filchi_parker_count(await->parker) != seen)
            return true;
    }
    return false;
}

/* The worker goes to somebody else, if there is one to give and it has not gone yet. 0; 1: look before sleeping;
 * or -EDEADLK. */
static int give_way(struct filchi_await *await, uint32_t seen, bool stalled)
{
    struct filchi_thread *thread = await->thread;
    if (!thread)
        return 0;
    if (await->blocked)
        return filchi_handoff_block_on(thread, seen);
    filchi_context_flush();
    thread->later = await->later; /* nobody looks at these before it is in the list */
    thread->news = await->news;
    thread->full = await->full;
    thread->awaited = await->awaited;
    thread->awaited.timed = await->deadline != FILCHI_NEVER;
    int rc = filchi_handoff_block(thread, await->parker, seen, stalled, (stalled || await->helps) && !await->poked);
    if (!rc) {
        await->blocked = true;
        thread->awaits++;
    }
    return rc;
}

int filchi_await_pause(struct filchi_await *await, uint32_t seen, bool stalled)
{
    if (await->stop && !await->armed) {
        await->stop_waiter.serve = serve_stop;
        await->stop_waiter.owner = await;
        await->armed = filchi_stop_add(await->stop, &await->stop_waiter);
    }
    if (await->stop && filchi_stop_peek(await->stop))
        return await->stop_rc;
    if (is_past(await->deadline))
        return -ETIMEDOUT;
    if (!await->spun && spin(await, seen))
        return 0;
    if (await->raises)
        filchi_lane_raise(await->raises);
    if (!await->thread && (await->offered || await->helper)) {
        filchi_help_pause(await, seen);
        return 0;
    }
    if (await->laned)
        filchi_lane_place_suspend(filchi_worker_thread());
    int rc = give_way(await, seen, stalled);
    if (rc < 0)
        return rc;
    int64_t until = await->blocked ? filchi_handoff_retry(await->thread, await->deadline) : await->deadline;
    if (rc == 0)
        filchi_parker_wait(await->parker, seen, until);
    enum filchi_poke poke = await->blocked ? filchi_handoff_poked(await->thread, &await->due) : FILCHI_POKE_NONE;
    if (poke == FILCHI_POKE_NONE)
        return 0;
    if (poke == FILCHI_POKE_DEADLOCK)
        return -EDEADLK;
    await->blocked = false;
    await->poked = true;
    await->news = filchi_handoff_news(await->thread->pool);
    return poke == FILCHI_POKE_FAIL ? -EAGAIN : 0;
}

uint32_t filchi_await_end(struct filchi_await *await)
{
    if (await->blocked)
        filchi_handoff_unblock(await->thread, &await->due);
    if (await->helper)
        filchi_help_end(await);
    if (disarm(await))
        await->due++;
    if (await->laned)
        filchi_lane_place_resume(filchi_worker_thread());
    if (await->regions) {
        await->thread->regions = await->regions;
        filchi_handoff_begin_region(await->thread);
    }
    return await->due;
}

/* Whether the future is a task further down this thread's stack, which waits for us to return. */
static bool below_us(const filch_future *future)
{
    for (const struct filchi_thread *thread = filchi_thread_here; thread; thread = thread->host)
        for (const struct filchi_frame *frame = thread->frame; frame; frame = frame->below)
            if (frame->task == future)
                return true;
    return false;
}

static enum filchi_await_run run_awaited(struct filchi_await *await, filch_future *future, void *arg)
{
    (void)arg;
    return filchi_await_run(await, future, false);
}

static int await_future(filch_future *future, int64_t deadline, bool heed, bool firm, filchi_await_runner *runner,
                        void *arg)
{
    if (filchi_future_final(future))
        return 0;
    if (!filchi_future_here(future))
        return -EOWNERDEAD;
    struct filchi_parker parker;
    struct filchi_waiter waiter = { .serve = filchi_await_signal, .owner = &parker };
    struct filchi_await await;
    bool registered = false;
    int rc = 0;
    filchi_parker_init(&parker);
    filchi_await_begin(&await, &parker, deadline, heed);
    await.awaited = (struct filchi_awaited) { .kind = FILCHI_AWAITED_FUTURE, .firm = firm, .future = future };
    if (!await.thread)
        filchi_await_offer(&await, filchi_origin_of(future));
    await.raises = runner == run_awaited ? future : NULL; /* else another one may be what the wait needs */
    for (;;) {
        uint32_t seen = filchi_parker_count(&parker);
        if (filchi_future_final(future))
            break;
        enum filchi_await_run run = runner(&await, future, arg);
        if (run == FILCHI_AWAIT_RAN)
            continue;
        if (!registered) {
            if (below_us(future)) {
                rc = -EDEADLK;
                break;
            }
            registered = filchi_waitlist_add(&future->waiters, &waiter);
            continue;
        }
        rc = filchi_await_pause(&await, seen, run == FILCHI_AWAIT_LEFT);
        if (rc)
            break;
    }
    uint32_t due = filchi_await_end(&await);
    if (registered && !filchi_waitlist_remove(&future->waiters, &waiter))
        due++;
    filchi_parker_settle(&parker, due);
    return filchi_future_final(future) ? 0 : rc;
}

int filchi_await_future(filch_future *future, int64_t deadline, bool heed)
{
    return await_future(future, deadline, heed, false, run_awaited, NULL);
}

int filchi_await_future_running(filch_future *future, int64_t deadline, bool heed, filchi_await_runner *runner,
                                void *arg)
{
    return await_future(future, deadline, heed, false, runner, arg);
}

void filchi_await_final(filch_future *future)
{
    while (await_future(future, FILCHI_NEVER, false, true, run_awaited, NULL) && filchi_future_here(future))
        filchi_os_yield();
}
