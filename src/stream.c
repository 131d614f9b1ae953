/* SPDX-License-Identifier: MIT */
/*
 * Stream: a map over endless input. A ring holds the items between source and consumer, each with its task.
 *
 * Invariant: the items delivered .. taken - 1 lie in the ring, each in the slot of its number modulo the
 * window; so does the last one delivered, while it is `lent`. What ends the stream is known when it happens but
 * told in its turn, after all items taken before it; so which error that is does not depend on who was quicker.
 */
#include "await.h"
#include "error.h"
#include "options.h"
#include "transition.h"

#include <stdio.h>
#include <string.h>

struct slot {
    filch_future *future;
    void *item;
};

/* One thread at a time uses it; tasks see no more of it than their items. */
struct filch_stream {
    filch_pool *pool;
    filch_fn *fn;
    filch_source_fn *source;
    void *source_arg;
    void (*item_dtor)(void *);
    filch_stop *stop;       /* of the tasks; counted */
    filch_context *context; /* the same */
    const char *name;       /* behind the slots; NULL: none */
    int64_t deadline;       /* of the whole stream */
    size_t window;          /* slots */
    size_t taken;           /* items from the source that became tasks */
    size_t delivered;       /* of these */
    size_t unstarted;       /* items from this number on are known to have started */
    bool lent;              /* the consumer has the result of the last one delivered */
    bool over;              /* `end` was told */
    int end;                /* what follows the last item taken: 1 more, 0 the end, negative the error's code */
    filch_error *error;     /* with a negative end */
    struct slot slots[];
};

#define OPEN 1 /* end: as yet there is none */

static struct slot *slot_of(filch_stream *stream, size_t number)
{
    return &stream->slots[number % stream->window];
}

/* Takes the reference over. */
static void end_with(filch_stream *stream, int code, filch_error *error)
{
    filch_error_unref(stream->error);
    stream->error = error;
    stream->end = code;
}

/* ---- Begin ---- */

/* The stop that a task would have if it were submitted here and now. */
static filch_stop *inherited_stop(filch_pool *pool)
{
    const filch_task *self = filch_task_current();
    return self && filch_task_pool(self) == pool ? filch_task_stop(self) : filch_pool_stop(pool);
}

static filch_stream *allocate(const filch_pool *pool, size_t window, const char *name)
{
    size_t name_size = name ? strlen(name) + 1 : 0;
    if (window > SIZE_MAX / 4 / sizeof(struct slot))
        return NULL;
    filch_stream *made = filchi_memory_alloc(pool->origin->memory, _Alignof(filch_stream),
                                             sizeof *made + window * sizeof made->slots[0] + name_size);
    if (made && name)
        made->name = memcpy(&made->slots[window], name, name_size);
    return made;
}

int filch_stream_begin(filch_stream **out, filch_pool *pool, filch_fn *fn, filch_source_fn *source,
                       void *source_arg, const filch_stream_options *options)
{
    filch_stream_options chosen = FILCH_STREAM_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options);
    if (rc)
        return rc;
    if (!pool || !fn || !source)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    size_t window = chosen.window ? chosen.window : (size_t)4 * filch_pool_workers(pool);
    filch_stream *made = allocate(pool, window, chosen.name);
    if (!made)
        return -ENOMEM;
    made->pool = pool;
    made->fn = fn;
    made->source = source;
    made->source_arg = source_arg;
    made->item_dtor = chosen.item_dtor;
    made->stop = filch_stop_ref(chosen.stop ? chosen.stop : inherited_stop(pool));
    made->context = filch_context_capture();
    made->deadline = filchi_os_deadline(chosen.timeout_ns);
    made->window = window;
    made->end = OPEN;
    *out = made;
    return 0;
}

/* ---- Taking from the source ---- */

static int submit_item(filch_stream *stream, void *item, filch_future **out)
{
    filch_task_options task = FILCH_TASK_OPTIONS;
    char name[128];
    if (stream->name) {
        snprintf(name, sizeof name, "%s-%zu", stream->name, stream->taken);
        task.name = name;
    }
    task.stop = stream->stop;
    struct filchi_context_outer outer;
    filchi_context_enter(&outer, stream->context);
    int rc = filch_submit_with(stream->pool, stream->fn, item, &task, out);
    filchi_context_leave(&outer);
    return rc;
}

static void take(filch_stream *stream)
{
    void *item = NULL;
    struct slot *slot = slot_of(stream, stream->taken);
    int rc = stream->source(stream->source_arg, &item);
    if (rc <= 0) {
        end_with(stream, rc,
                 rc ? filchi_error_makef(NULL, NULL, rc, "the source failed after %zu items", stream->taken)
                    : NULL);
        return;
    }
    rc = submit_item(stream, item, &slot->future);
    if (rc) {
        if (stream->item_dtor)
            stream->item_dtor(item);
        end_with(stream, rc, filchi_error_makef(NULL, NULL, rc, "item %zu could not be submitted", stream->taken));
        return;
    }
    slot->item = item;
    stream->unstarted = ++stream->taken;
}

static void end_stopped(filch_stream *stream)
{
    char reason[96];
    filchi_os_error_text(filch_stop_reason(stream->stop), reason, sizeof reason);
    end_with(stream, -ECANCELED,
             filchi_error_makef(NULL, filch_stop_error(stream->stop), -ECANCELED, "stopped after %zu items: %s",
                                stream->taken, reason));
}

/* Takes items until the window is full. A stop or the deadline keeps the source from being asked in vain. */
static void fill(filch_stream *stream)
{
    while (stream->end == OPEN && stream->taken - stream->delivered < stream->window) {
        if (filchi_stop_peek(stream->stop))
            end_stopped(stream);
        else if (stream->deadline != FILCHI_NEVER && filchi_os_now() >= stream->deadline)
            end_with(stream, -ETIMEDOUT,
                     filchi_error_makef(NULL, NULL, -ETIMEDOUT, "out of time after %zu items", stream->taken));
        else
            take(stream);
    }
}

/* ---- Delivering ---- */

/* Its task is final: the result goes first, it may refer to the item. */
static void drop(filch_stream *stream, size_t number)
{
    struct slot *slot = slot_of(stream, number);
    filch_future_unref(slot->future);
    slot->future = NULL;
    if (stream->item_dtor)
        stream->item_dtor(slot->item);
}

static void drop_lent(filch_stream *stream)
{
    if (stream->lent)
        drop(stream, stream->delivered - 1);
    stream->lent = false;
}

/*
 * A task that waits for the oldest item runs others here, newest first: so they are popped. Claimed in the
 * midst of the deque, each would leave a stale entry, which nobody drops while this task keeps its worker, and
 * memory would grow with the stream. So what is not the newest entry is better left to another thread.
 */
static enum filchi_await_run run_newest(struct filchi_await *await, filch_future *oldest, void *arg)
{
    filch_stream *stream = arg;
    if (await->offered || await->helper)
        return filchi_await_run(await, oldest, false);
    if (!await->thread || await->blocked)
        return FILCHI_AWAIT_NOTHING;
    for (; stream->unstarted > stream->delivered; stream->unstarted--) {
        filch_future *future = slot_of(stream, stream->unstarted - 1)->future;
        bool prefer_handoff = filchi_worker_tasks_are_long(await->thread) ||
                              filchi_deque_peek(&await->thread->worker->deque) != future;
        enum filchi_await_run run = filchi_await_run(await, future, prefer_handoff);
        if (run != FILCHI_AWAIT_NOTHING)
            return run;
    }
    return FILCHI_AWAIT_NOTHING;
}

/* Newest first, so that none starts for want of another. */
static void cancel_pending(filch_stream *stream)
{
    for (size_t number = stream->taken; number > stream->delivered; number--)
        filch_future_cancel(slot_of(stream, number - 1)->future);
}

/* The task of the next item is final and not DONE. A plain code becomes an error that tells which item. */
static void end_failed(filch_stream *stream, filch_future *future)
{
    int code = filch_future_result(future, 0, NULL);
    filch_error *error;
    if (filch_task_error(future) || filchi_future_state(future) != FILCH_FAILED)
        error = filch_error_ref(filch_future_error(future));
    else
        error = filchi_error_makef(filch_future_name(future), NULL, code, "item %zu failed", stream->delivered);
    end_with(stream, code, error);
    cancel_pending(stream);
}

static int tell_end(filch_stream *stream)
{
    stream->over = true;
    return stream->end;
}

int filch_stream_next(filch_stream *stream, void **out_result)
{
    drop_lent(stream);
    if (stream->over)
        return stream->end;
    if (!filchi_worker_pool_here(stream->pool)) /* nor is the source asked: what it reads may be the parent's */
        return -EOWNERDEAD;
    fill(stream);
    if (stream->delivered == stream->taken)
        return tell_end(stream);
    filch_future *oldest = slot_of(stream, stream->delivered)->future;
    int rc = filchi_await_future_running(oldest, stream->deadline, true, run_newest, stream);
    if (rc)
        return rc;
    if (filchi_future_state(oldest) != FILCH_DONE) {
        end_failed(stream, oldest);
        return tell_end(stream);
    }
    stream->delivered++;
    stream->lent = true;
    if (out_result)
        *out_result = filchi_future_result(oldest);
    return 1;
}

const filch_error *filch_stream_error(const filch_stream *stream)
{
    return stream->over ? stream->error : NULL;
}

/* ---- End ---- */

void filch_stream_end(filch_stream *stream)
{
    if (!stream)
        return;
    drop_lent(stream);
    cancel_pending(stream);
    for (size_t number = stream->taken; number > stream->delivered; number--) {
        filch_future *future = slot_of(stream, number - 1)->future;
        filchi_await_final(future); /* tasks use the items: none may be left */
        if (stream->error)          /* the stream failed: this one comes with it */
            filchi_future_look(future);
        drop(stream, number - 1);
    }
    filch_error_unref(stream->error);
    filch_stop_unref(stream->stop);
    filch_context_unref(stream->context);
    filchi_memory_free(stream->pool->origin->memory, stream);
}

void filch_stream_cleanup(filch_stream **stream)
{
    filch_stream_end(*stream);
}
