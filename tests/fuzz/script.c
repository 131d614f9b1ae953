/* SPDX-License-Identifier: MIT */
/* What the tasks of fuzz_api do, step by step: see world.h. */
#include "world.h"

#include <errno.h>

#define LEAVES 3

static int leaf_task(filch_task *self, void *code)
{
    (void)self;
    world_leaf();
    return (int)(intptr_t)code;
}

/* A scope of its own with some leaves, of which one or none fails. */
static void open_scope(struct task *self, unsigned arg)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    unsigned n = arg % (LEAVES + 1), bad = arg / 4 % (LEAVES + 1), submitted = 0;
    filch_scope *scope;
    filch_error *error = NULL;
    options.policy = arg & 64 ? FILCH_COLLECT : FILCH_FAIL_FAST;
    must(filch_scope_open(&scope, world.pool, &options) == 0);
    for (unsigned i = 0; i < n; i++)
        submitted += filch_scope_submit(scope, leaf_task, (void *)(intptr_t)(i == bad ? -EPIPE : 0), NULL) == 0;
    must(submitted == n || world.cancelling);
    world_begin_wait(self);
    int rc = arg & 128 ? 0 : filch_scope_join(scope, &error);
    filch_scope_close(scope);
    world_end_wait(self);
    if (arg & 128)
        return;
    bool excused = world_stopped(self) || world.cancelling || (world.no_spare && rc == -EAGAIN);
    must(rc == (bad < n ? -EPIPE : 0) || (excused && (rc == 0 || rc == -ECANCELED || rc == -EAGAIN)));
    must((rc != 0) == (error != NULL) && (!error || filch_error_code(error) == rc));
    must(!error || filch_error_suppressed_count(error) == 0);
    filch_error_unref(error);
}

static void await(struct task *self, struct task *child, int64_t timeout_ns)
{
    void *result = NULL;
    world_begin_wait(self);
    int rc = filch_future_result(child->future, timeout_ns, &result);
    world_end_wait(self);
    filch_state state = filch_future_state(child->future);
    if (state == FILCH_DONE && rc == 0)
        must(result == child);
    bool stopped = rc == -ECANCELED && world_stopped(self);
    must(rc != 0 || state == FILCH_DONE);
    must(MODEL_IS(state) & MODEL_FINAL || stopped || (rc == -ETIMEDOUT && timeout_ns == 0) ||
         (rc == -EAGAIN && world.no_spare));
    must(rc != -EDEADLK);
    if (world.exact && !world.model.tasks[child->number].by_timer)
        world_look(child);
}

static void pause_here(const struct task *self)
{
    world_lock();
    if (world.exact) {
        unsigned before = world.resumes;
        world.model.paused = self->number;
        pthread_cond_broadcast(&world.changed);
        while (world.resumes == before)
            pthread_cond_wait(&world.changed, &world.lock);
    }
    world_unlock();
}

/* A region in which the worker is another task's. */
static void block(filch_task *self, const struct task *task)
{
    world_begin_wait(task);
    filch_blocking_begin(self);
    filch_blocking_end(self);
    world_end_wait(task);
}

static struct task *spawn(const struct task *self, unsigned arg)
{
    unsigned own = (unsigned)(self->script - world.scripts);
    struct wish wish = {
        .script = own + 1, .named = arg & 1, .fails = arg & 2 ? 1 : 0, .attempts = arg & 4 ? 2 : 0
    };
    return own + 1 < SCRIPTS ? world_submit(&wish, self) : NULL;
}

/* Steps that have to do with the children. */
static void with_children(struct task *self, enum step what, struct task **children, unsigned n)
{
    struct task *last = children[n - 1];
    if (what == STEP_AWAIT)
        await(self, last, FILCH_FOREVER);
    else if (what == STEP_POLL)
        await(self, last, 0);
    else if (what == STEP_CANCEL)
        world_cancel(last);
    else if (what == STEP_COMPLETED)
        world_completed(self, children, n, true);
    else if (what == STEP_CALLBACK && last->callbacks < CALLBACKS)
        world_on_done(last);
}

static int play(filch_task *self, struct task *task)
{
    struct task *children[STEPS], *child;
    unsigned n = 0;
    for (unsigned i = 0; i < task->script->n; i++) {
        enum step what = task->script->steps[i].what;
        unsigned arg = task->script->steps[i].arg;
        must(filch_task_current() == self && filch_task_pool(self) == world.pool);
        must(filch_task_stop(self) == world.stops[task->stop]);
        if (what == STEP_PAUSE)
            pause_here(task);
        else if (what == STEP_SPAWN && (child = spawn(task, arg)))
            children[n++] = child;
        else if (what == STEP_STOP)
            world_request(arg, -EPERM);
        else if (what == STEP_LEAVE || (what == STEP_HEED && filch_task_stopped(self)))
            return -ECANCELED;
        else if (what == STEP_SCOPE)
            open_scope(task, arg);
        else if (what == STEP_MAP)
            world_map(task, arg % 12, arg / 12 % 4, arg / 48 * 3, arg & 1);
        else if (what == STEP_BLOCKING)
            block(self, task);
        else if (what == STEP_FAIL)
            return arg & 1 ? filch_fail(self, -EIO, "step %u", i) : -ENOENT;
        else if (n)
            with_children(task, what, children, n);
    }
    return atomic_load(&task->runs) <= task->fails ? -EBUSY : filch_return(self, task);
}

int script_run(filch_task *self, void *arg)
{
    struct task *task = arg;
    unsigned attempt = filch_task_attempt(self);
    must(atomic_fetch_add(&task->runs, 1) + 1 == attempt);
    world_lock();
    if (world.exact) {
        must(filch_task_stopped(self) == model_stop_requested(&world.model, task->stop));
        model_start(&world.model, task->number, attempt);
    }
    world_unlock();
    int code = play(self, task);
    atomic_store(&task->code, code);
    world_lock();
    if (world.exact)
        model_return(&world.model, task->number, code);
    atomic_fetch_add(&task->returns, 1);
    pthread_cond_broadcast(&world.changed);
    world_unlock();
    return code;
}
