/* SPDX-License-Identifier: MIT */
/* Loops on fork-join: a range is walked through in steps, and its upper half is forked when somebody wants work. */
#include "await.h"
#include "options.h"

#include <errno.h>

/* Without a grain, steps in a worker's share: as uneven as that the parts may end. */
#define STEPS 64
/* Values up to this size need no memory of their own. */
#define VALUE_ROOM 64

/* What all parts of a loop share. */
struct loop {
    filch_range_fn *fn; /* or `fold` and `combine` */
    filch_fold_fn *fold;
    filch_combine_fn *combine;
    void *arg;
    const void *identity;
    size_t value_size; /* 0: no value */
    size_t grain;
    filch_stop *stop;        /* ends the loop, or NULL */
    filch_stop *task_stop;   /* the same: of the task that runs it */
    filch_stop *caller_stop; /* the same: of another pool's task that waits for it */
    _Atomic int rc;          /* the first failure; who fails */
};

struct part {
    filch_forked forked;
    struct loop *loop;
    size_t begin, end; /* what is left */
    void *value;       /* of what is not: `room`, or a block of its own */
    _Alignas(max_align_t) char room[VALUE_ROOM];
};

/* 0 or -ENOMEM. */
static int begin_part(struct part *part, struct loop *loop, size_t begin, size_t end)
{
    part->loop = loop;
    part->begin = begin;
    part->end = end;
    part->value = loop->value_size > VALUE_ROOM ? filchi_os_alloc(loop->value_size) : part->room;
    if (!part->value)
        return -ENOMEM;
    if (loop->value_size)
        memcpy(part->value, loop->identity, loop->value_size);
    return 0;
}

static void end_part(const struct part *part)
{
    if (part->value != part->room)
        filchi_os_free(part->value);
}

static void fail(struct loop *loop, int rc)
{
    int none = 0;
    /* relaxed: a code; what the body wrote is published by the joins. */
    atomic_compare_exchange_strong_explicit(&loop->rc, &none, rc > 0 ? -EINVAL : rc, memory_order_relaxed,
                                            memory_order_relaxed);
}

static bool has_ended(struct loop *loop)
{
    if (atomic_load_explicit(&loop->rc, memory_order_relaxed)) /* relaxed: a look between two steps. */
        return true;
    if (!filchi_stop_peek(loop->task_stop) && !(loop->stop && filchi_stop_peek(loop->stop)) &&
        !(loop->caller_stop && filchi_stop_peek(loop->caller_stop)))
        return false;
    fail(loop, -ECANCELED);
    return true;
}

static void step(struct part *part)
{
    struct loop *loop = part->loop;
    size_t left = part->end - part->begin, end = part->begin + (left < loop->grain ? left : loop->grain);
    int rc =
        loop->fn ? loop->fn(part->begin, end, loop->arg) : loop->fold(part->begin, end, part->value, loop->arg);
    part->begin = end;
    if (rc)
        fail(loop, rc);
}

static void run_part(filch_forker *forker, struct part *part);

static void run_forked(filch_forker *forker, filch_forked *forked)
{
    run_part(forker, (struct part *)forked);
}

/* Forks the upper half and runs the lower one. False if there is no memory for that. */
static bool split(filch_forker *forker, struct part *part)
{
    struct loop *loop = part->loop;
    struct part upper;
    size_t middle = part->begin + (part->end - part->begin) / 2;
    if (begin_part(&upper, loop, middle, part->end))
        return false;
    part->end = middle;
    filchi_forker_show_next_only(forker);
    filch_fork(forker, &upper.forked, run_forked);
    run_part(forker, part);
    filch_fork_join(forker, &upper.forked);
    /* relaxed: ordered by the join. Whoever left something of these two out has set it before: they are no neighbours. */
    if (loop->combine && !atomic_load_explicit(&loop->rc, memory_order_relaxed))
        loop->combine(part->value, upper.value, loop->arg);
    end_part(&upper);
    return true;
}

static void run_part(filch_forker *forker, struct part *part)
{
    while (part->begin < part->end && !has_ended(part->loop)) {
        if (filch_fork_wanted(forker) && part->end - part->begin > part->loop->grain && split(forker, part))
            return;
        step(part);
    }
}

/* Inside a task of the pool: 0, with the result in `value`, or the loop's error. */
static int run_here(filch_task *task, struct loop *loop, size_t begin, size_t end, void *value)
{
    struct part part;
    filch_forker *forker, alone = { .newest = NULL };
    if (filch_fork_begin(task, &forker)) /* without memory the loop is not split */
        forker = &alone;
    loop->task_stop = filchi_future_stop(task);
    int rc = begin_part(&part, loop, begin, end);
    if (rc)
        return rc;
    run_part(forker, &part);
    rc = atomic_load_explicit(&loop->rc, memory_order_relaxed); /* relaxed: all parts are joined. */
    if (!rc && loop->value_size) /* so there is a value. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        memcpy(value, part.value, loop->value_size);
    end_part(&part);
    return rc;
}

/* ---- Calls ---- */

struct call {
    struct loop *loop;
    size_t begin, end;
    void *value;
};

static int run_task(filch_task *self, void *arg)
{
    const struct call *call = arg;
    return run_here(self, call->loop, call->begin, call->end, call->value);
}

/* From elsewhere: a task, which uses what lies on this stack. */
static int run_there(filch_pool *pool, struct call *call)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future;
    options.stop = call->loop->stop;
    int rc = filch_submit_with(pool, run_task, call, &options, &future);
    if (rc)
        return rc;
    filchi_await_final(future);
    rc = filch_future_result(future, 0, NULL);
    filch_future_unref(future);
    return rc;
}

static int run(filch_pool *pool, struct call *call, const filch_parallel_options *options)
{
    filch_parallel_options chosen = FILCH_PARALLEL_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options);
    if (rc)
        return rc;
    if (!pool || call->begin > call->end)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    size_t share = (call->end - call->begin) / filchi_pool_workers(pool) / STEPS;
    call->loop->grain = chosen.grain ? chosen.grain : share ? share : 1;
    call->loop->stop = chosen.stop;
    call->loop->identity = call->value;
    const struct filchi_thread *thread = filchi_worker_thread();
    if (thread && thread->pool == pool && thread->frame)
        return run_here(thread->frame->task, call->loop, call->begin, call->end, call->value);
    call->loop->caller_stop = filch_task_current() ? filchi_future_stop(filch_task_current()) : NULL;
    return run_there(pool, call);
}

int filch_parallel_for(filch_pool *pool, size_t begin, size_t end, filch_range_fn *fn, void *arg,
                       const filch_parallel_options *options)
{
    struct loop loop = { .fn = fn, .arg = arg };
    struct call call = { &loop, begin, end, NULL };
    return fn ? run(pool, &call, options) : -EINVAL;
}

int filch_parallel_reduce(filch_pool *pool, size_t begin, size_t end, void *value, size_t value_size,
                          filch_fold_fn *fold, filch_combine_fn *combine, void *arg,
                          const filch_parallel_options *options)
{
    struct loop loop = { .fold = fold, .combine = combine, .arg = arg, .value_size = value_size };
    struct call call = { &loop, begin, end, value };
    return value && value_size && fold && combine ? run(pool, &call, options) : -EINVAL;
}
