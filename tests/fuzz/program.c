/* SPDX-License-Identifier: MIT */
/* The program that the input of fuzz_api spells, call by call, from outside of the pool: see world.h. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#define SCOPES 3
#define STOP_CALLBACKS 4
#define CALLS_MOST 100

/* The scopes that the program has open, the innermost last. */
static struct {
    filch_scope *real;
    struct model_scope *model;
    unsigned delivered;
} open_scopes[SCOPES];
static unsigned n_open, n_opened;
static struct model_scope scopes[16];

static struct {
    filch_stop_callback *real;
    int stop;
    _Atomic unsigned called;
} stop_callbacks[STOP_CALLBACKS];
static unsigned n_stop_callbacks;

/* ---- One thing at a time ---- */

/* Those who wait are told before the callbacks are called, and these may be called elsewhere. */
static void await_callbacks(const struct task *task)
{
    world_lock();
    while (atomic_load(&task->called) != task->callbacks)
        pthread_cond_wait(&world.changed, &world.lock);
    world_unlock();
}

/* Waits until a task pauses or none is left to do anything; what has ended is final then. */
static void settle(void)
{
    if (!world.exact)
        return;
    world_lock();
    while (world.model.paused == MODEL_NONE && model_unfinished(&world.model))
        pthread_cond_wait(&world.changed, &world.lock);
    bool idle = world.model.paused == MODEL_NONE;
    world_unlock();
    for (unsigned i = 0; i < world.n_tasks && idle; i++) {
        const struct model_task *task = &world.model.tasks[i];
        if (task->in_an_hour && !task->must_not_start)
            continue;
        must(filch_future_wait(world.tasks[i].future, FILCH_FOREVER) == 0);
        await_callbacks(&world.tasks[i]);
    }
    world_lock();
    model_settled(&world.model);
    world_unlock();
}

static void resume(void)
{
    world_lock();
    world.model.paused = MODEL_NONE;
    world.resumes++;
    pthread_cond_broadcast(&world.changed);
    world_unlock();
    settle();
}

void program_run_out(void)
{
    settle();
    while (world.model.paused != MODEL_NONE)
        resume();
}

/* How many tasks the program may use: if nothing else is under way all, else those that it submitted itself. */
static unsigned n_usable(void)
{
    world_lock();
    unsigned n = world.exact ? world.n_tasks : world.n_outside;
    world_unlock();
    return n;
}

static struct task *usable(unsigned i)
{
    return world.exact ? &world.tasks[i] : world.outside[i];
}

/* One of them, or NULL. */
static struct task *some_task(struct bytes *bytes)
{
    unsigned at = bytes_take(bytes);
    return n_usable() ? usable(at % n_usable()) : NULL;
}

/* Some of them; from 1 to `most`, or 0 if there are none. */
static unsigned some_tasks(struct bytes *bytes, struct task **tasks, unsigned most)
{
    unsigned n = 0;
    for (unsigned wanted = 1 + bytes_below(bytes, most); n < wanted; n++)
        if (!(tasks[n] = some_task(bytes)))
            return n;
    return n;
}

/* ---- Tasks ---- */

static struct wish read_wish(struct bytes *bytes)
{
    unsigned flags = bytes_take(bytes), more = bytes_take(bytes);
    struct wish wish = { .script = flags % SCRIPTS, .named = flags & 4, .after = flags & 8 };
    if ((flags & 0x30) == 0x30)
        wish.stop = (int)(more % world.n_stops);
    if ((flags & 0xc0) == 0x40)
        wish.delay_ns = FILCH_US(1 + more % 32);
    else if ((flags & 0xc0) == 0xc0)
        wish.attempts = 2 + more / 32 % 2;
    wish.fails = wish.attempts ? more / 64 % 4 : 0;
    wish.in_an_hour = !wish.attempts && !wish.delay_ns && more % 16 == 15;
    return wish;
}

static void submit(struct bytes *bytes)
{
    struct wish wish = read_wish(bytes);
    struct task *task = world_submit(&wish, NULL);
    if (task)
        world.outside[world.n_outside++] = task;
}

static void submit_into_scope(struct bytes *bytes)
{
    struct wish wish = read_wish(bytes);
    if (!n_open)
        return;
    wish.stop = 0; /* one that does not descend from the scope's is an error */
    wish.in_an_hour = false;
    wish.scope = open_scopes[n_open - 1].model;
    wish.real_scope = open_scopes[n_open - 1].real;
    struct task *task = world_submit(&wish, NULL);
    if (task)
        world.outside[world.n_outside++] = task;
}

/* n tasks in a row, or NULL. */
static struct task *new_tasks(unsigned n, unsigned script)
{
    const struct model_task as = { .in_order = true, .most_attempts = 1 };
    struct task *first = NULL;
    world_lock();
    for (unsigned i = 0; i < n && (first || world.n_tasks + n <= MODEL_TASKS); i++) {
        struct task *task = &world.tasks[world.n_tasks++];
        *task = (struct task) { .script = &world.scripts[script] };
        task->number = model_submit(&world.model, &as);
        first = i ? first : task;
    }
    world_unlock();
    return first;
}

/* All are accepted or none; only a pool with a capacity may take some. */
static void submit_many(struct bytes *bytes)
{
    filch_future *futures[4];
    unsigned script = bytes_below(bytes, SCRIPTS), n = 1 + bytes_below(bytes, 4);
    struct task *first = new_tasks(n, script);
    if (!first)
        return;
    int rc = filch_submit_many(world.pool, script_run, first, sizeof *first, n, futures);
    must(rc == (world.shut ? -ESHUTDOWN : 0) || (rc == -ENOBUFS && world.limited));
    world_lock();
    for (unsigned i = n; i-- > 0;) {
        must((futures[i] != NULL) == (rc == 0) || world.limited);
        first[i].future = futures[i];
        first[i].refused = !futures[i];
        if (futures[i])
            world.outside[world.n_outside++] = &first[i];
        else if (world.exact)
            model_refused(&world.model, (int)--world.n_tasks);
    }
    world_unlock();
}

/* ---- Looking ---- */

/* Without waiting: what is final by the model's count, and what may be. */
static void check_wait(struct task *const *tasks, unsigned n, filch_wait_mode mode, int rc, size_t done)
{
    const unsigned unhappy = MODEL_FINAL & ~MODEL_IS(FILCH_DONE);
    unsigned sure = 0, possible = 0, sure_unhappy = 0, possible_unhappy = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned may_be = world.model.tasks[tasks[i]->number].may_be;
        sure += !(may_be & ~MODEL_FINAL);
        possible += (may_be & MODEL_FINAL) != 0;
        sure_unhappy += !(may_be & ~unhappy);
        possible_unhappy += (may_be & unhappy) != 0;
    }
    must(done >= sure && done <= possible);
    if (mode == FILCH_ALL)
        must(rc == 0 ? done == n : sure < n);
    else if (mode == FILCH_FIRST_COMPLETED)
        must(rc == 0 ? done >= 1 : sure == 0);
    else
        must(rc == 0 ? possible_unhappy || done == n : !sure_unhappy && sure < n);
}

static void wait_for_some(struct bytes *bytes)
{
    struct task *tasks[6];
    filch_future *futures[6];
    filch_wait_mode mode = (filch_wait_mode)bytes_below(bytes, 3);
    unsigned n = some_tasks(bytes, tasks, 6);
    size_t done = SIZE_MAX;
    if (!n)
        return;
    for (unsigned i = 0; i < n; i++) { /* each once: how often one counts that is there twice is not said */
        for (unsigned j = 0; j < i; j++)
            if (tasks[j] == tasks[i])
                return;
        futures[i] = tasks[i]->future;
    }
    int rc = filch_wait(futures, n, mode, world.exact ? 0 : FILCH_US(bytes_take(bytes)), &done);
    must(rc == 0 || rc == -ETIMEDOUT);
    must(done <= n && (rc != 0 || mode != FILCH_ALL || done == n));
    world_lock();
    if (world.exact)
        check_wait(tasks, n, mode, rc, done);
    world_unlock();
}

static void cancel_some(struct bytes *bytes)
{
    struct task *task = some_task(bytes);
    if (task)
        world_cancel(task);
}

static void look_at_all(void)
{
    for (unsigned i = 0; i < n_usable(); i++)
        world_look(usable(i));
}

static void iterate(struct bytes *bytes)
{
    struct task *tasks[6];
    unsigned n = some_tasks(bytes, tasks, 6);
    if (n)
        world_completed(NULL, tasks, n, false);
}

static void add_callback(struct bytes *bytes)
{
    struct task *task = some_task(bytes);
    if (task && task->callbacks < CALLBACKS)
        world_on_done(task);
}

/* ---- Scopes ---- */

static void open_scope(struct bytes *bytes)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    if (n_open == SCOPES || n_opened == sizeof scopes / sizeof scopes[0] || world.n_stops == MODEL_STOPS)
        return;
    struct model_scope *scope = &scopes[n_opened++];
    *scope = (struct model_scope) { .collect = bytes_take(bytes) & 1 };
    options.policy = scope->collect ? FILCH_COLLECT : FILCH_FAIL_FAST;
    must(filch_scope_open(&open_scopes[n_open].real, world.pool, &options) == 0);
    must(filch_scope_current() == open_scopes[n_open].real);
    world_lock();
    scope->stop = model_stop(&world.model, n_open ? open_scopes[n_open - 1].model->stop : 0);
    world.stops[world.n_stops++] = filch_stop_ref(filch_scope_stop(open_scopes[n_open].real));
    world_unlock();
    open_scopes[n_open].model = scope;
    open_scopes[n_open++].delivered = 0;
}

static void next_of_scope(void)
{
    filch_future *next;
    if (!n_open)
        return;
    int rc = filch_scope_next(open_scopes[n_open - 1].real, 0, &next);
    unsigned delivered = open_scopes[n_open - 1].delivered += rc == 1;
    const struct model_scope *scope = open_scopes[n_open - 1].model;
    must(rc != 1 || filch_future_done(next));
    must(rc != 1 || !world.exact ||
         world.model.tasks[((struct task *)filch_future_arg(next))->number].scope == scope);
    must(delivered <= scope->members);
    must(rc == 1 || rc == (delivered == scope->members ? 0 : -ETIMEDOUT) || !world.exact);
}

static void join_and_close(bool join)
{
    filch_error *error = NULL;
    if (!n_open)
        return;
    filch_scope *real = open_scopes[--n_open].real;
    const struct model_scope *scope = open_scopes[n_open].model;
    program_run_out();
    int rc = join ? filch_scope_join(real, &error) : 0;
    settle();
    if (world.exact)
        look_at_all();
    int expected = world.exact ? model_join(&world.model, scope) : rc;
    must(!join || rc == expected || (world.cancelling && expected == 0 && rc == -ECANCELED));
    must((rc != 0) == (error != NULL));
    must(!error || !world.exact || !scope->errors || filch_error_suppressed_count(error) == scope->errors - 1);
    filch_error_unref(error);
    world_request((unsigned)scope->stop, -ECANCELED);
    filch_scope_close(real);
}

/* ---- Stops and the pool ---- */

static void called(void *count)
{
    atomic_fetch_add((_Atomic unsigned *)count, 1);
}

static void add_stop_callback(struct bytes *bytes)
{
    unsigned i = n_stop_callbacks, stop = bytes_below(bytes, world.n_stops);
    if (i == STOP_CALLBACKS)
        return;
    n_stop_callbacks++;
    atomic_store(&stop_callbacks[i].called, 0);
    stop_callbacks[i].stop = (int)stop;
    must(filch_stop_on_request(&stop_callbacks[i].real, world.stops[stop], called, &stop_callbacks[i].called) == 0);
}

static void end_stop_callbacks(void)
{
    for (unsigned i = 0; i < n_stop_callbacks; i++) {
        bool requested = filch_stop_requested(world.stops[stop_callbacks[i].stop]);
        bool in_time = filch_stop_callback_end(stop_callbacks[i].real);
        must(atomic_load(&stop_callbacks[i].called) == !in_time);
        must(in_time || filch_stop_requested(world.stops[stop_callbacks[i].stop]));
        must(!world.exact || in_time == !requested);
    }
    n_stop_callbacks = 0;
}

/* A stop whose time is over, or far away. */
static void make_deadline(struct bytes *bytes)
{
    bool over = bytes_take(bytes) & 1;
    filch_stop *stop;
    int64_t at = filch_now() + (over ? 0 : FILCH_SECONDS(3600));
    must(filch_stop_create_until(&stop, NULL, world.pool, at) == 0);
    while (over && !filch_stop_requested(stop))
        sched_yield();
    must(filch_stop_reason(stop) == (over ? -ETIMEDOUT : 0));
    filch_stop_unref(stop);
}

static void shut_down(unsigned flags)
{
    filch_error *error = NULL;
    world.shut = true;
    if (flags & FILCH_SHUTDOWN_CANCEL_PENDING)
        world.cancelling = true;
    world_lock();
    model_shutdown(&world.model, flags);
    world_unlock();
    int rc = filch_pool_shutdown(world.pool, flags, 0, &error);
    must(rc == 0 || (rc == -ETIMEDOUT && flags & FILCH_SHUTDOWN_WAIT));
    must((rc != 0) == (error != NULL));
    must(rc == 0 || !world.exact || world.model.paused != MODEL_NONE || rc == -ETIMEDOUT);
    filch_error_unref(error);
}

static void look_at_pool(struct bytes *bytes)
{
    static int null = -1;
    filch_pool_stats stats = FILCH_POOL_STATS;
    if (null < 0)
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    must(filch_pool_stats_get(world.pool, &stats) == 0);
    must(!world.exact || stats.finished <= stats.submitted);
    if (bytes_below(bytes, 4) == 0)
        must(filch_pool_dump(world.pool, null) == 0);
}

static void resize(struct bytes *bytes)
{
    unsigned workers = bytes_below(bytes, 6);
    int rc = filch_pool_resize(world.pool, world.exact && workers > 1 ? 1 : workers);
    must(rc == (workers ? 0 : -EINVAL) || (rc == -ESHUTDOWN && world.shut));
}

static void map(struct bytes *bytes)
{
    unsigned n = bytes_below(bytes, 17), chunk = bytes_below(bytes, 5), bad = bytes_below(bytes, 32);
    program_run_out();
    world_map(NULL, n, chunk, bad, bytes_take(bytes) & 1);
}

/* ---- The program ---- */

static void resume_one(struct bytes *bytes)
{
    (void)bytes;
    resume();
}

static void look(struct bytes *bytes)
{
    (void)bytes;
    look_at_all();
}

static void make_stop(struct bytes *bytes)
{
    world_stop((int)bytes_below(bytes, world.n_stops));
}

static void request_stop(struct bytes *bytes)
{
    world_request(bytes_take(bytes), -EPROTO);
}

static void next_task_of_scope(struct bytes *bytes)
{
    (void)bytes;
    next_of_scope();
}

static void end_scope(struct bytes *bytes)
{
    join_and_close(bytes_take(bytes) & 1);
}

static void shut_pool(struct bytes *bytes)
{
    shut_down(bytes_below(bytes, 8));
}

static void (*const calls[])(struct bytes *) = {
    submit,
    submit,
    submit,
    submit,
    submit_many,
    submit_into_scope,
    submit_into_scope,
    resume_one,
    resume_one,
    cancel_some,
    look,
    wait_for_some,
    iterate,
    add_callback,
    make_stop,
    request_stop,
    map,
    add_stop_callback,
    open_scope,
    next_task_of_scope,
    end_scope,
    make_deadline,
    resize,
    look_at_pool,
    shut_pool,
};

void program_run(struct bytes *bytes)
{
    n_open = n_opened = 0;
    for (unsigned n = 0; bytes->left && n < CALLS_MOST; n++) {
        calls[bytes_below(bytes, sizeof calls / sizeof calls[0])](bytes);
        settle();
    }
    program_run_out();
    while (n_open)
        join_and_close(true);
    end_stop_callbacks();
}
