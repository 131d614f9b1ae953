/* SPDX-License-Identifier: MIT */
/* The calls that program and tasks have in common, each with what must be so: see world.h. */
#include "world.h"

#include <errno.h>
#include <string.h>

/* ---- Tasks run, the model watches ---- */

void world_begin_wait(const struct task *self)
{
    world_lock();
    if (world.exact && self)
        model_block(&world.model, self->number);
    world_unlock();
}

void world_end_wait(const struct task *self)
{
    world_lock();
    if (world.exact && self)
        model_go_on(&world.model, self->number);
    world_unlock();
}

void world_leaf(void)
{
    world_lock();
    if (world.exact)
        model_go_on(&world.model, MODEL_LEAF);
    world_unlock();
    world_lock();
    if (world.exact)
        model_block(&world.model, MODEL_LEAF);
    world_unlock();
}

bool world_stopped(const struct task *task)
{
    return filch_stop_requested(world.stops[task->stop]);
}

/* ---- Submitting ---- */

static void drop_arg(void *arg)
{
    atomic_fetch_add(&((struct task *)arg)->dropped, 1);
}

static struct task *new_task(const struct wish *wish, const struct task *parent)
{
    if (world.n_tasks == MODEL_TASKS)
        return NULL;
    struct task *task = &world.tasks[world.n_tasks];
    memset(task, 0, sizeof *task);
    task->number = (int)world.n_tasks++;
    task->script = &world.scripts[wish->script];
    task->fails = wish->fails;
    task->stop = wish->stop ? wish->stop : wish->scope ? wish->scope->stop : parent ? parent->stop : 0;
    const struct model_task as = {
        .stop = task->stop,
        .scope = wish->scope,
        .in_order = !parent && !wish->delay_ns && !wish->in_an_hour,
        .by_timer = wish->delay_ns || wish->in_an_hour || wish->attempts,
        .in_an_hour = wish->in_an_hour,
        .most_attempts = wish->attempts ? wish->attempts : 1,
    };
    must(model_submit(&world.model, &as) == task->number);
    return task;
}

static int really_submit(const struct wish *wish, struct task *task)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    int64_t delay = wish->in_an_hour ? FILCH_SECONDS(3600) : wish->delay_ns;
    bool plain = !wish->named && !wish->stop && !wish->attempts;
    if (plain && wish->after && delay && !wish->scope)
        return filch_submit_after(world.pool, delay, script_run, task, &task->future);
    if (plain && !delay)
        return wish->scope ? filch_scope_submit(wish->real_scope, script_run, task, &task->future)
                           : filch_submit(world.pool, script_run, task, &task->future);
    retry.max_attempts = wish->attempts;
    retry.interval_ns = wish->attempts == 3 ? 0 : FILCH_US(20);
    options.name = wish->named ? "named" : NULL;
    options.stop = wish->stop ? world.stops[wish->stop] : NULL;
    options.start_at_ns = delay ? filch_now() + delay : 0;
    options.retry = wish->attempts ? &retry : NULL;
    options.arg_dtor = drop_arg;
    task->has_dtor = true;
    return wish->scope ? filch_scope_submit_with(wish->real_scope, script_run, task, &options, &task->future)
                       : filch_submit_with(world.pool, script_run, task, &options, &task->future);
}

struct task *world_submit(const struct wish *wish, const struct task *parent)
{
    world_lock();
    bool refuses = parent ? world.cancelling : world.shut;
    struct task *task = new_task(wish, parent);
    world_unlock();
    if (!task)
        return NULL;
    int rc = really_submit(wish, task);
    if (rc == 0) {
        must(!refuses || !world.exact);
        return task;
    }
    must(!task->future);
    must((rc == -ESHUTDOWN && (refuses || !world.exact)) || (rc == -ENOBUFS && world.limited));
    world_lock();
    task->refused = true;
    if (world.exact) {
        model_refused(&world.model, task->number);
        world.n_tasks--;
    }
    world_unlock();
    return NULL;
}

/* ---- Stops ---- */

int world_stop(int parent)
{
    int number = MODEL_NONE;
    world_lock();
    if (world.n_stops < MODEL_STOPS) {
        number = model_stop(&world.model, parent);
        must(number == (int)world.n_stops);
        must(filch_stop_create(&world.stops[world.n_stops++], world.stops[parent]) == 0);
    }
    world_unlock();
    return number;
}

void world_request(unsigned stop, int reason)
{
    world_lock();
    stop %= world.n_stops;
    filch_stop *real = world.stops[stop];
    bool first = model_request(&world.model, (int)stop, reason);
    int expected = world.model.stops[stop].reason;
    world_unlock();
    bool really = filch_stop_request(real, reason);
    must(filch_stop_requested(real));
    must(!world.exact || (really == first && filch_stop_reason(real) == expected));
}

/* ---- Futures ---- */

void world_look(struct task *task)
{
    filch_state state = filch_future_state(task->future);
    int code = filch_future_result(task->future, 0, NULL);
    const filch_error *error = filch_future_error(task->future);
    must(filch_future_arg(task->future) == task);
    if (!world.exact)
        return;
    world_lock();
    model_saw(&world.model, task->number, state);
    const struct model_task *model = &world.model.tasks[task->number];
    if (!model->by_timer && !(MODEL_IS(state) & MODEL_FINAL)) {
        must(code == -ETIMEDOUT || (model->may_be & MODEL_FINAL));
        must(!filch_future_done(task->future) || (model->may_be & MODEL_FINAL));
    }
    if (MODEL_IS(state) & MODEL_FINAL) {
        must(filch_future_done(task->future));
        must(code == (state == FILCH_DONE ? 0 : state == FILCH_FAILED ? model->code : -ECANCELED));
        must((error != NULL) == (state != FILCH_DONE));
        must(state != FILCH_FAILED || filch_error_code(error) == model->code);
        must(filch_future_attempts(task->future) == model->attempts);
    }
    world_unlock();
}

void world_cancel(struct task *task)
{
    bool answer = filch_future_cancel(task->future);
    if (answer)
        atomic_store(&task->cancelled, true);
    must(!answer || filch_future_state(task->future) == FILCH_CANCELLED);
    world_lock();
    if (world.exact)
        model_saw_cancel(&world.model, task->number, answer);
    world_unlock();
}

struct callback {
    struct task *task;
    unsigned number;
};

static void call_back(filch_future *future, void *arg)
{
    struct callback *callback = arg;
    struct task *task = callback->task;
    filch_state state = filch_future_state(future);
    must(MODEL_IS(state) & MODEL_FINAL);
    world_lock();
    unsigned before = atomic_fetch_add(&task->called, 1);
    if (world.exact && !world.model.tasks[task->number].by_timer)
        must(before == callback->number); /* in the order of registration */
    pthread_cond_broadcast(&world.changed);
    world_unlock();
    free(callback);
}

void world_on_done(struct task *task)
{
    struct callback *callback = malloc(sizeof *callback);
    must(callback);
    *callback = (struct callback) { task, task->callbacks++ };
    must(filch_future_on_done(task->future, call_back, callback) == 0);
}

/* ---- Many futures ---- */

/* What the next one may be: in the order in which they became final since the iterator was made. */
static void check_next(const struct task *task, unsigned since, unsigned *last)
{
    world_lock();
    unsigned at = world.model.tasks[task->number].completed_at;
    bool known = at > since && !world.model.tasks[task->number].by_timer;
    if (world.exact && known) {
        must(at > *last);
        *last = at;
    }
    world_unlock();
}

void world_completed(struct task *self, struct task *const *tasks, unsigned n, bool wait)
{
    filch_future *futures[MODEL_TASKS], *next;
    filch_completed *completed;
    unsigned delivered = 0, last = 0;
    uint64_t seen = 0;
    for (unsigned i = 0; i < n; i++)
        futures[i] = tasks[i]->future;
    world_lock();
    unsigned since = world.model.clock;
    world_unlock();
    must(filch_completed_begin(&completed, futures, n, wait ? FILCH_FOREVER : 0) == 0);
    world_begin_wait(self);
    int rc;
    while ((rc = filch_completed_next(completed, &next)) == 1) {
        struct task *task = filch_future_arg(next);
        must(filch_future_done(next) && !(seen >> task->number & 1));
        seen |= UINT64_C(1) << task->number;
        check_next(task, since, &last);
        delivered++;
    }
    world_end_wait(self);
    must(filch_completed_total(completed) - filch_completed_unfinished(completed) == delivered);
    must(rc == 0 || rc == -EAGAIN || (rc == -ETIMEDOUT && !wait) ||
         (rc == -ECANCELED && self && world_stopped(self)));
    must(rc != -EAGAIN || world.no_spare);
    must((rc == 0) == (filch_completed_unfinished(completed) == 0));
    for (unsigned i = 0; i < n && self == NULL && world.exact; i++)
        if (!(seen >> tasks[i]->number & 1) && !world.model.tasks[tasks[i]->number].by_timer)
            must(!filch_future_done(tasks[i]->future));
    filch_completed_end(completed);
}

static int element(filch_task *self, const void *in, void *out, void *bad)
{
    const unsigned *number = in;
    (void)self;
    world_leaf();
    *(unsigned *)out = *number + 100;
    return *number == *(unsigned *)bad ? -EIO : *number == *(unsigned *)bad + 2 ? -EDOM : 0;
}

void world_map(struct task *self, unsigned n, unsigned chunk, unsigned bad, bool iterator)
{
    unsigned in[16], out[16] = { 0 }, got = 0;
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping = NULL;
    void *item;
    options.chunk = chunk;
    for (unsigned i = 0; i < n; i++)
        in[i] = i;
    world_begin_wait(self);
    int rc;
    if (!iterator) {
        rc = filch_map(world.pool, element, &bad, in, sizeof in[0], out, sizeof out[0], n, &options, NULL);
        got = rc == 0 ? n : 0;
    } else if ((rc = filch_mapping_begin(&mapping, world.pool, element, &bad, in, sizeof in[0], out, sizeof out[0],
                                         n, &options)) == 0) {
        while ((rc = filch_mapping_next(mapping, &item)) == 1)
            must(item == &out[got] && out[got] == got + 100 && got++ != bad); /* in input order */
        filch_mapping_end(mapping);
    }
    world_end_wait(self);
    for (unsigned i = 0; i < got; i++)
        must(out[i] == i + 100);
    bool stopped = filch_stop_requested(self ? world.stops[self->stop] : world.stops[0]);
    if (rc == 0)
        must(got == n && bad >= n);
    else
        must((rc == -EIO && bad < n) || (rc == -ECANCELED && (stopped || world.cancelling)) ||
             (rc == -ESHUTDOWN && world.shut) || (rc == -ENOBUFS && world.limited) ||
             (rc == -EAGAIN && world.no_spare));
}
