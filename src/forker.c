/* SPDX-License-Identifier: MIT */
/* Behind fork.h: see forker.h. */
#include "forker.h"

#include "await.h"
#include "handoff.h"

#include <assert.h>
#include <errno.h>

/* How long a join goes on looking for something to help with before it gives the worker away: as long as an idle
 * thread. */
#ifdef FILCH_TESTING
#define HELP_NS 0
#else
#define HELP_NS 15000
#endif

/* So many more forks are shown after one request: a function that forks long calls one after the other and then joins
 * them looks at no request again until all of them are over. */
#ifdef FILCH_TESTING
#define EAGER 4
#else
#define EAGER 64
#endif

/* What `state` of a shown call is, in its two lowest bits; 0: its setting, which is there until it is joined. */
#define TAKEN ((uintptr_t)1)   /* the thief's forker, or NULL: it runs there */
#define AWAITED ((uintptr_t)2) /* the parker of who joins it: to be signalled */
#define OVER ((uintptr_t)3)
#define TAG ((uintptr_t)3)

static _Atomic uintptr_t *state_of(filch_forked *forked)
{
    return (_Atomic uintptr_t *)&forked->state;
}

static void set_hungry(struct filchi_forker *forker, int hungry)
{
    /* relaxed: as in filchi_forker_ask(). */
    atomic_store_explicit(filchi_forker_hungry(forker), hungry, memory_order_relaxed);
}

/* ---- Forkers ---- */

static void link_to_pool(struct filchi_forker *forker)
{
    struct filchi_forkers *forkers = &forker->pool->forkers;
    forker->next = atomic_load_explicit(&forkers->all, memory_order_relaxed); /* relaxed: checked by the CAS. */
    /* release A3: pairs with acquire A3 in filchi_forkers_all(). */
    while (!atomic_compare_exchange_weak_explicit(&forkers->all, &forker->next, forker, memory_order_release,
                                                  memory_order_relaxed))
        continue;
}

/* The thread's, made when it first needs one. NULL without memory. */
static struct filchi_forker *forker_for(struct filchi_thread *thread)
{
    if (thread->forker)
        return thread->forker;
    const filch_allocator *memory = thread->pool->origin->memory;
    struct filchi_forker *forker = filchi_memory_alloc(memory, FILCHI_LINE, sizeof *forker);
    if (!forker)
        return NULL;
    if (filchi_deque_init_from(&forker->deque, memory)) {
        filchi_memory_free(memory, forker);
        return NULL;
    }
    forker->pool = thread->pool;
    forker->thread = thread;
    forker->linked = !thread->guest;
    if (!thread->guest) {
        set_hungry(forker, 1); /* the first fork is shown, lest idle workers go on sleeping */
        link_to_pool(forker);
    }
    thread->forker = forker;
    return forker;
}

void filchi_forker_free(struct filchi_forker *forker)
{
    if (!forker)
        return;
    filchi_deque_fini(&forker->deque);
    filchi_memory_free(forker->pool->origin->memory, forker);
}

void filchi_forkers_free(struct filchi_forkers *forkers)
{
    for (struct filchi_forker *forker = filchi_forkers_all(forkers), *next; forker; forker = next) {
        next = forker->next;
        filchi_forker_free(forker);
    }
}

int filch_fork_begin(filch_task *self, filch_forker **out)
{
    struct filchi_thread *thread = filchi_worker_thread();
    if (!out || !self || !thread || !thread->frame || thread->frame->task != self)
        return -EINVAL;
    struct filchi_forker *forker = forker_for(thread);
    if (!forker)
        return -ENOMEM;
    *out = &forker->open;
    return 0;
}

bool filch_fork_stopped(const filch_forker *forker)
{
    (void)forker; /* it is that of this thread */
    const filch_task *task = filch_task_current();
    return task && filch_task_stopped(task);
}

/* ---- Showing ---- */

/* Turns a list round. */
static filch_forked *reverse(filch_forked *list)
{
    filch_forked *reversed = NULL;
    while (list) {
        filch_forked *next = (filch_forked *)list->state;
        list->state = (uintptr_t)reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

static size_t count(const filch_forked *list)
{
    size_t n = 0;
    for (; list; list = (const filch_forked *)list->state)
        n++;
    return n;
}

/* What the thread's task, or call of one, forks in. */
static const struct filchi_setting *setting_of(struct filchi_frame *frame)
{
    const filch_context_token *token = filchi_context_innermost();
    if (token)
        return &token->setting;
    if (!frame->setting.task) /* else others may be looking at it */
        frame->setting = (struct filchi_setting) { frame->task, filchi_context_here.current };
    return &frame->setting;
}

/* Shows those of the list, oldest first; what there is no memory for is returned. */
static filch_forked *show_list(struct filchi_forker *forker, filch_forked *list)
{
    filch_forked *oldest = reverse(list);
    uintptr_t setting = (uintptr_t)setting_of(forker->thread->frame);
    while (oldest) {
        filch_forked *newer = (filch_forked *)oldest->state;
        atomic_store_explicit(state_of(oldest), setting, memory_order_relaxed); /* relaxed: published by D1. */
        if (filchi_deque_push(&forker->deque, oldest)) {
            oldest->state = (uintptr_t)newer;
            break;
        }
        forker->shown++;
        oldest = newer;
    }
    return reverse(oldest);
}

/* Shows the older half of the list, or all of it. False: nothing, the list was empty or there was no memory. */
static bool show(struct filchi_forker *forker, bool all)
{
    filch_forked *older = forker->open.newest, *kept = NULL; /* the oldest of those that stay in the list */
    size_t before = forker->shown;
    for (size_t left = all ? 0 : count(older) / 2; left > 0; left--) {
        kept = older;
        older = (filch_forked *)older->state;
    }
    filch_forked *rest = show_list(forker, older);
    if (kept)
        kept->state = (uintptr_t)rest;
    else
        forker->open.newest = rest;
    return forker->shown > before;
}

void filch_fork_feed(void)
{
    struct filchi_forker *forker = filchi_thread_here->forker;
    forker->eager = forker->eager ? forker->eager - 1 : EAGER;
    /* Before it is shown: who looks later in vain asks again. In a process that fork() made there is nobody. */
    if (!forker->eager)
        set_hungry(forker, 0);
    if (!filchi_worker_pool_here(forker->pool))
        return;
    if (show(forker, false))
        filchi_handoff_notify(forker->pool); /* P2, P3 */
    else
        set_hungry(forker, 1);
}

void filchi_forker_show_all(struct filchi_thread *thread)
{
    struct filchi_forker *forker = thread->forker;
    if (forker && forker->linked && forker->open.newest && show(forker, true))
        filchi_handoff_notify(thread->pool);
}

void filchi_forker_enter(struct filchi_thread *thread, struct filchi_frame *frame)
{
    struct filchi_forker *forker = thread->forker;
    frame->hidden = forker->open.newest;
    frame->shown = forker->shown;
    forker->open.newest = NULL;
}

void filchi_forker_leave(struct filchi_thread *thread, const struct filchi_frame *frame)
{
    struct filchi_forker *forker = thread->forker;
    assert(!forker->open.newest && forker->shown == frame->shown); /* else something was not joined */
    forker->open.newest = frame->hidden;
}

/* ---- Taking ---- */

/* As a reader: the oldest; NULL if there is none, and then it is asked for. */
static filch_forked *take_from(struct filchi_forker *victim)
{
    void *item = NULL;
    enum filchi_deque_steal outcome;
    do
        outcome = filchi_deque_steal(&victim->deque, &item);
    while (outcome == FILCHI_DEQUE_LOST);
    if (outcome == FILCHI_DEQUE_TOOK)
        return item;
    filchi_forker_ask(victim);
    return NULL;
}

bool filchi_forker_steal(struct filchi_thread *thread)
{
    struct filchi_forker *all = filchi_forkers_all(&thread->pool->forkers);
    if (!all)
        return false;
    struct filchi_forker *first = thread->victim ? thread->victim : all, *victim = first;
    struct filchi_reader *reader = &thread->worker->thief;
    filch_forked *found = NULL;
    filchi_reader_begin(reader);
    do {
        found = take_from(victim);
        if (found)
            thread->victim = victim;
        victim = victim->next ? victim->next : all;
    } while (!found && victim != first);
    filchi_reader_end(reader);
    thread->stolen = found;
    return found != NULL;
}

/* Of a call that is shown, before somebody who took it says so. */
static const struct filchi_setting *setting_of_shown(filch_forked *forked)
{
    /* relaxed: published by D1. */
    return (const struct filchi_setting *)atomic_load_explicit(state_of(forked), memory_order_relaxed);
}

static void finish(filch_forked *forked)
{
    /* acq_rel A1, A2: pairs with acquire A1 in look(), publishing what the call did; and with release A2 in
     * register_with(), whose parker we signal. Without one this is our last access. */
    uintptr_t old = atomic_exchange_explicit(state_of(forked), OVER, memory_order_acq_rel);
    if ((old & TAG) == AWAITED)
        filchi_parker_signal((struct filchi_parker *)(old & ~TAG));
}

/* A call that this thread has taken. */
static void run(struct filchi_thread *thread, filch_forked *forked)
{
    const struct filchi_setting *setting = setting_of_shown(forked);
    struct filchi_forker *forker = forker_for(thread);
    filch_forker alone = { .newest = NULL }; /* without memory: what is forked with it stays here */
    filchi_counter_add(&thread->worker->stolen, 1);
    /* release A1: pairs with acquire A1 in look(); the forker is complete. */
    atomic_store_explicit(state_of(forked), (uintptr_t)forker | TAKEN, memory_order_release);
    filchi_worker_run_forked(thread, setting, forker ? &forker->open : &alone, forked);
    finish(forked);
}

void filchi_forker_run_stolen(struct filchi_thread *thread)
{
    filch_forked *forked = thread->stolen;
    thread->stolen = NULL;
    run(thread, forked);
}

/* ---- Joining ---- */

static uintptr_t look(filch_forked *forked)
{
    /* acquire A1: pairs with release A1 in run() and acq_rel A1 in finish(). */
    return atomic_load_explicit(state_of(forked), memory_order_acquire);
}

/* Whoever joins a call that is being run elsewhere. */
struct join {
    struct filchi_thread *thread;
    filch_forked *forked;
    struct filchi_forker *thief; /* NULL: not known */
};

/*
 * Runs something that the thief shows, so that the call is over sooner: Wagner and Calder, "Leapfrogging: A Portable
 * Technique for Implementing Efficient Futures", PPoPP 1993. Anything else could take long, or want a lock that is held
 * here. A holder.
 */
static bool help(const struct join *join)
{
    struct filchi_thread *thread = join->thread;
    if (!join->thief || !filchi_await_has_stack(thread))
        return false;
    filchi_reader_begin(&thread->worker->thief);
    filch_forked *found = take_from(join->thief);
    filchi_reader_end(&thread->worker->thief);
    if (found)
        run(thread, found);
    return found != NULL;
}

/* True once it is over; else who runs it is known, unless the thief is just about to say so. */
static bool is_over(struct join *join)
{
    uintptr_t state = look(join->forked);
    if ((state & TAG) == TAKEN)
        join->thief = (struct filchi_forker *)(state & ~TAG);
    return state == OVER;
}

/* Helps, for a bounded time after the last success, keeping the worker. True once it is over. */
static bool help_out(struct join *join)
{
    const struct filchi_thread *thread = join->thread;
    int64_t end = 0;
    while (!is_over(join)) {
        if (thread->regions)
            return false;
        if (help(join)) {
            end = 0;
            continue;
        }
        for (int i = 0; i < 16; i++)
            filchi_pause();
        int64_t now = filchi_os_now();
        if (!end)
            end = now + HELP_NS;
        if (now >= end || filchi_handoff_must_yield(thread->pool))
            return is_over(join);
    }
    return true;
}

/* Whether the thief will signal the parker; not if the call is over, or the thief has not yet said who it is. */
static bool register_with(filch_forked *forked, struct filchi_parker *parker)
{
    uintptr_t state = look(forked);
    if ((state & TAG) != TAKEN)
        return false;
    /* release A2: pairs with acq_rel A2 in finish(); the parker is complete. */
    return atomic_compare_exchange_strong_explicit(state_of(forked), &state, (uintptr_t)parker | AWAITED,
                                                   memory_order_release, memory_order_relaxed);
}

/* Gives the worker away until it is over. */
static void sleep_until_over(struct join *join)
{
    struct filchi_parker parker;
    struct filchi_await await;
    bool registered = false;
    filchi_parker_init(&parker);
    filchi_await_begin(&await, &parker, FILCHI_NEVER, false);
    await.helps = true;
    for (unsigned spins = 0;;) {
        uint32_t seen = filchi_parker_count(&parker);
        if (is_over(join))
            break;
        if (!await.blocked && help(join)) {
            await.poked = false;
        } else if (!registered) {
            registered = register_with(join->forked, &parker);
            filchi_os_relax(spins++);
        } else {
            (void)filchi_await_pause(&await, seen, false); /* it heeds nothing and has no deadline */
        }
    }
    uint32_t due = filchi_await_end(&await);
    filchi_parker_settle(&parker, due + registered);
}

/* A call that its own thread has taken back. */
static void run_own(struct filchi_forker *forker, filch_forked *forked)
{
    filch_context *context = setting_of_shown(forked)->context;
    struct filchi_context_outer outer;
    if (context == filchi_context_here.current) {
        forked->fn(&forker->open, forked);
        return;
    }
    filchi_context_enter(&outer, context);
    forked->fn(&forker->open, forked);
    filchi_context_leave(&outer);
}

void filch_fork_join_shown(filch_forked *forked)
{
    struct filchi_thread *thread = filchi_thread_here;
    struct filchi_forker *forker = thread->forker;
    assert(!forker->open.newest); /* else what is joined is not the newest */
    forker->shown--;
    void *item = filchi_deque_pop(&forker->deque);
    assert(!item || item == forked); /* the same */
    if (item) {
        run_own(forker, forked);
        return;
    }
    struct join join = { .thread = thread, .forked = forked };
    if (!help_out(&join))
        sleep_until_over(&join);
}
