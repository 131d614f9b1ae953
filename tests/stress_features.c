/* SPDX-License-Identifier: MIT */
/*
 * All that a pool can be asked for, at once: hooks, metrics, an allocator, contexts, lent threads, waiters that help,
 * pinned workers, a capacity, through every way to submit a task and every way in which one ends. At the end everything
 * adds up: events, counts of the metrics, memory, contexts and arguments.
 */
#include "stress.h"

#include <filch/filch.h>

enum { JOBS = 256, MANY = 12 };

static struct {
    _Atomic uint64_t submitted, started, again, dropped, parked, unparked, gave, resumed, noted, forgotten;
    _Atomic uint64_t ended[FILCH_STOPPED + 1];
    _Atomic uint64_t contexts, destroyed, owned, disowned, results, freed, callbacks, called, elements;
    _Atomic uint64_t given_bytes; /* those that are not given back */
    _Atomic uint64_t given_blocks;
    _Atomic uint64_t ran;
} seen;

static void count(_Atomic uint64_t *number)
{
    atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

/* ---- The allocator: each block says what it was asked for ---- */

struct block {
    size_t bytes, alignment;
    uint64_t mark, unused; /* a power of two in all */
};
_Static_assert(sizeof(struct block) == 32, "it may lie before what is aligned to less");
#define TAKEN UINT64_C(0x7A6B5C4D3E2F1011)

/* There is no memory for the note of the task that this thread submits. */
static _Thread_local bool fails;

static void *take(size_t bytes, size_t alignment, void *arg)
{
    CHECK(arg == &seen);
    if (fails) {
        fails = false;
        return NULL;
    }
    size_t before = alignment < sizeof(struct block) ? sizeof(struct block) : alignment;
    char *memory = aligned_alloc(before, (before + bytes + before - 1) / before * before);
    CHECK(memory);
    memset(memory, 0x5A, before + bytes);
    *(struct block *)(void *)(memory + before - sizeof(struct block)) =
        (struct block) { bytes, alignment, TAKEN, 0 };
    atomic_fetch_add(&seen.given_bytes, bytes);
    count(&seen.given_blocks);
    return memory + before;
}

static void give(void *memory, size_t bytes, size_t alignment, void *arg)
{
    struct block *block = (struct block *)(void *)((char *)memory - sizeof *block);
    CHECK(arg == &seen && memory);
    CHECK(block->mark == TAKEN && block->bytes == bytes && block->alignment == alignment);
    block->mark = 0;
    size_t before = alignment < sizeof *block ? sizeof *block : alignment;
    atomic_fetch_sub(&seen.given_bytes, bytes);
    atomic_fetch_sub(&seen.given_blocks, 1);
    free((char *)memory - before);
}

/* ---- The hooks ---- */

static _Thread_local struct {
    const filch_task *tasks[1024];
    unsigned n;
} nest;

/* What a submit leaves with its task. */
struct note {
    void *context;
    const filch_task *task;
};

static void on_submit(const filch_event *event, void *arg)
{
    (void)arg;
    count(&seen.submitted);
    if (((uintptr_t)event->task / 64) % 3 == 0)
        return;
    struct note *note = malloc(sizeof *note);
    CHECK(note);
    *note = (struct note) { filch_context_get(0), event->task };
    *event->data = note;
    count(&seen.noted);
    fails = ((uintptr_t)event->task / 64) % 32 == 1;
}

static struct note *note_of(const filch_event *event)
{
    struct note *note = *event->data;
    CHECK(!note || note->task == event->task);
    return note;
}

static void forget(const filch_event *event)
{
    struct note *note = note_of(event);
    if (note)
        count(&seen.forgotten);
    free(note);
    *event->data = NULL;
}

static void on_start(const filch_event *event, void *arg)
{
    (void)arg;
    const struct note *note = note_of(event);
    count(&seen.started);
    CHECK(event->attempt > 0 && event->state == FILCH_RUNNING);
    CHECK((event->thread == FILCH_NONE) == (event->worker == FILCH_NONE));
    CHECK(!note || note->context == filch_context_get(0));
    CHECK(nest.n < 1024);
    nest.tasks[nest.n++] = event->task;
}

static void on_finish(const filch_event *event, void *arg)
{
    (void)arg;
    const struct note *note = note_of(event);
    CHECK(nest.n > 0 && nest.tasks[--nest.n] == event->task);
    CHECK(!note || note->context == filch_context_get(0));
    CHECK((event->thread == FILCH_NONE) == (event->worker == FILCH_NONE));
    if (event->state == FILCH_RETRY_WAIT) {
        count(&seen.again);
        return;
    }
    CHECK(event->state >= FILCH_DONE && event->state != FILCH_CANCELLED);
    count(&seen.ended[event->state]);
    forget(event);
}

static void on_drop(const filch_event *event, void *arg)
{
    (void)arg;
    CHECK(event->state == FILCH_CANCELLED || event->state == FILCH_STOPPED);
    CHECK(event->code < 0);
    count(&seen.dropped);
    count(&seen.ended[event->state]);
    forget(event);
}

static void on_steal(const filch_event *event, void *arg)
{
    (void)arg;
    CHECK(event->victim != FILCH_NONE && event->victim != event->worker && event->thread != FILCH_NONE);
}

#define COUNTER(function, number)                             \
    static void function(const filch_event *event, void *arg) \
    {                                                         \
        (void)arg;                                            \
        CHECK(event->thread != FILCH_NONE);                   \
        count(&seen.number);                                  \
    }

COUNTER(on_park, parked)
COUNTER(on_unpark, unparked)
COUNTER(on_handoff, gave)
COUNTER(on_resume, resumed)

/* ---- Contexts ---- */

static void destroy_value(void *value)
{
    CHECK(*(uint64_t *)value == TAKEN);
    *(uint64_t *)value = 0;
    free(value);
    count(&seen.destroyed);
}

static filch_context_token *open_context(void)
{
    filch_context_token *token = NULL;
    uint64_t *value = malloc(sizeof *value);
    CHECK(value);
    *value = TAKEN;
    CHECK(filch_context_begin(&token, 0, value, destroy_value) == 0);
    count(&seen.contexts);
    return token;
}

/* ---- Tasks ---- */

struct job {
    void *context; /* in force at its submit */
    uint64_t random;
    unsigned depth;
};

static struct job *new_job(uint64_t *random, unsigned depth)
{
    struct job *job = malloc(sizeof *job);
    CHECK(job);
    *job = (struct job) { filch_context_get(0), stress_random(random), depth };
    count(&seen.owned);
    return job;
}

static void free_job(void *job)
{
    free(job);
    count(&seen.disowned);
}

static void free_result(void *result)
{
    free(result);
    count(&seen.freed);
}

static void on_done(filch_future *future, void *context)
{
    CHECK(filch_future_done(future));
    CHECK(filch_context_get(0) == context);
    count(&seen.called);
}

static void play(filch_pool *pool, uint64_t *random, unsigned depth, unsigned steps);

static int work(filch_task *self, void *arg)
{
    const struct job *job = arg;
    uint64_t random = job->random + filch_task_attempt(self);
    CHECK(filch_context_get(0) == job->context);
    count(&seen.ran);
    filch_context_token *token = stress_below(&random, 4) == 0 ? open_context() : NULL;
    if (job->depth && stress_below(&random, 3) == 0)
        play(filch_task_pool(self), &random, job->depth - 1, 2);
    if (stress_below(&random, 8) == 0) {
        filch_blocking_begin(self);
        filch_blocking_end(self);
    }
    if (stress_below(&random, 16) == 0)
        filch_sleep(FILCH_US(20));
    if (token && stress_below(&random, 2) == 0) {
        filch_context_end(token);
        CHECK(filch_context_get(0) == job->context);
    }
    if (stress_below(&random, 4) == 0) {
        count(&seen.results);
        void *result = malloc(8);
        if (filch_return_owned(self, result, free_result))
            free_result(result);
    }
    switch (stress_below(&random, 8)) {
    case 0:
        return -EIO;
    case 1:
        return filch_fail(self, -EPROTO, "no");
    case 2:
        return filch_task_stopped(self) ? -ECANCELED : -EAGAIN;
    default:
        return 0;
    }
}

static int owned_by_none(filch_task *self, void *arg)
{
    int rc = work(self, arg);
    return rc;
}

static int double_it(filch_task *self, const void *in, void *out, void *context)
{
    (void)self;
    CHECK(filch_context_get(0) == context);
    count(&seen.elements);
    *(int *)out = *(const int *)in * 2;
    return 0;
}

/* ---- Ways to submit ---- */

static void end_future(filch_future *future, uint64_t *random)
{
    if (stress_below(random, 5) == 0) {
        count(&seen.callbacks);
        CHECK(filch_future_on_done(future, on_done, filch_context_get(0)) == 0);
    }
    unsigned how = stress_below(random, 8);
    if (how == 0 && filch_future_cancel(future))
        CHECK(filch_future_state(future) == FILCH_CANCELLED);
    if (how < 5) {
        void *before = filch_context_get(0);
        filch_future_wait(future, how == 1 ? FILCH_US(50) : FILCH_FOREVER);
        CHECK(filch_context_get(0) == before);
    }
    filch_future_unref(future);
}

static void submit_one(filch_pool *pool, uint64_t *random, unsigned depth)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    filch_stop *stop = NULL;
    struct job *job = new_job(random, depth);
    retry.max_attempts = 3;
    retry.interval_ns = stress_below(random, 2) ? 0 : 2000;
    options.arg_dtor = free_job;
    options.name = stress_below(random, 3) ? NULL : "a name that is a little longer than what fits";
    options.start_at_ns = stress_below(random, 6) ? 0 : filch_now() + stress_below(random, 50000);
    options.retry = stress_below(random, 3) ? NULL : &retry;
    if (stress_below(random, 4) == 0 && !filch_stop_create(&stop, filch_pool_stop(pool)))
        options.stop = stop;
    if (filch_submit_with(pool, work, job, &options, stress_below(random, 4) ? &future : NULL))
        free_job(job);
    if (stop && stress_below(random, 2))
        filch_stop_request(stop, -EINTR);
    filch_stop_unref(stop);
    if (future)
        end_future(future, random);
}

static void submit_many(filch_pool *pool, uint64_t *random)
{
    filch_future *futures[MANY];
    struct job jobs[MANY];
    for (size_t i = 0; i < MANY; i++)
        jobs[i] = (struct job) { filch_context_get(0), stress_random(random), 0 };
    filch_submit_many(pool, owned_by_none, jobs, sizeof jobs[0], MANY, futures);
    if (stress_below(random, 4) == 0)
        filch_cancel_all(futures + MANY / 2, futures[MANY - 1] ? MANY / 2 : 0);
    for (size_t i = 0; i < MANY; i++) {
        while (futures[i] && !filch_future_done(futures[i]))
            filch_future_wait(futures[i], FILCH_FOREVER);
        filch_future_unref(futures[i]);
    }
}

static void submit_scope(filch_pool *pool, uint64_t *random)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL;
    options.discard = stress_below(random, 2);
    options.policy = stress_below(random, 2) ? FILCH_FAIL_FAST : FILCH_COLLECT;
    options.timeout_ns = stress_below(random, 4) ? FILCH_FOREVER : FILCH_US(100);
    if (filch_scope_open(&scope, pool, &options))
        return;
    filch_task_options of_task = FILCH_TASK_OPTIONS;
    of_task.arg_dtor = free_job;
    for (unsigned i = stress_below(random, 20); i > 0; i--) {
        struct job *job = new_job(random, 0);
        if (filch_scope_submit_with(scope, work, job, &of_task, NULL))
            free_job(job);
    }
    if (stress_below(random, 2))
        filch_scope_join(scope, NULL);
    filch_scope_close(scope);
}

static int next_item(void *source, void **item)
{
    uint64_t *left = source;
    if (!*left)
        return 0;
    uint64_t random = *left + stress.seed;
    --*left;
    *item = new_job(&random, 0);
    return 1;
}

static void submit_map_or_stream(filch_pool *pool, uint64_t *random)
{
    if (stress_below(random, 2)) {
        int in[40] = { 0 }, out[40];
        filch_map_options options = FILCH_MAP_OPTIONS;
        options.name = stress_below(random, 2) ? "map" : NULL;
        filch_map(pool, double_it, filch_context_get(0), in, sizeof in[0], out, sizeof out[0], 40, &options, NULL);
        return;
    }
    uint64_t left = 20;
    filch_stream *stream = NULL;
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    options.item_dtor = free_job;
    if (filch_stream_begin(&stream, pool, work, next_item, &left, &options))
        return;
    for (unsigned i = stress_below(random, 25); i > 0 && filch_stream_next(stream, NULL) > 0; i--)
        continue;
    filch_stream_end(stream);
}

static void submit_to_cq(filch_pool *pool, uint64_t *random)
{
    filch_cq *cq = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_cq_entry entries[4];
    options.arg_dtor = free_job;
    if (filch_cq_create(&cq))
        return;
    for (unsigned i = stress_below(random, 8); i > 0; i--) {
        struct job *job = new_job(random, 0);
        if (filch_cq_submit(cq, pool, work, job, &options, job))
            free_job(job);
    }
    for (size_t n = filch_cq_drain(cq, entries, 4); n > 0; n--)
        filch_future_unref(entries[n - 1].future);
    filch_cq_destroy(cq);
}

static void play(filch_pool *pool, uint64_t *random, unsigned depth, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        filch_context_token *token = stress_below(random, 3) ? NULL : open_context();
        switch (stress_below(random, 8)) {
        case 0:
            submit_many(pool, random);
            break;
        case 1:
            submit_scope(pool, random);
            break;
        case 2:
            submit_map_or_stream(pool, random);
            break;
        case 3:
            submit_to_cq(pool, random);
            break;
        default:
            submit_one(pool, random, depth);
        }
        filch_context_end(token);
    }
}

/* ---- Rounds ---- */

struct producer {
    filch_pool *pool;
    filch_stop *until; /* of those that are lent */
    uint64_t random;
    bool context;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;
    filch_context_token *token = producer->context ? open_context() : NULL;
    void *before = filch_context_get(0);
    for (int i = 0; i < 20; i++) {
        play(producer->pool, &producer->random, 2, 1);
        CHECK(filch_context_get(0) == before);
        CHECK(nest.n == 0);
        stress_progress();
    }
    filch_context_end(token);
    return NULL;
}

static void *lend(void *arg)
{
    const struct producer *producer = arg;
    filch_context_token *token = producer->context ? open_context() : NULL;
    void *before = filch_context_get(0);
    CHECK(filch_pool_lend(producer->pool, producer->until) == 0);
    CHECK(filch_context_get(0) == before);
    filch_context_end(token);
    return NULL;
}

static filch_pool *create(uint64_t *random)
{
    const filch_allocator allocator = { sizeof allocator, take, give, &seen };
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    hooks.on_submit = on_submit;
    hooks.on_start = on_start;
    hooks.on_finish = on_finish;
    hooks.on_drop = on_drop;
    hooks.on_steal = on_steal;
    hooks.on_park = on_park;
    hooks.on_unpark = on_unpark;
    hooks.on_handoff = on_handoff;
    hooks.on_resume = on_resume;
    options.hooks = &hooks;
    options.metrics = true;
    options.allocator = &allocator;
    options.workers = stress.workers ? stress.workers : 1 + stress_below(random, 4);
    options.no_spare_threads = stress_below(random, 4) == 0;
    options.lent_threads_only = stress_below(random, 4) == 0;
    options.waiters_help = stress_below(random, 2);
    options.pin = stress_below(random, 2);
    options.idle = (filch_idle_policy)stress_below(random, 3);
    options.capacity = stress_below(random, 2) ? 4 : 0;
    options.overflow = options.lent_threads_only || stress_below(random, 2) ? FILCH_CALLER_RUNS : FILCH_BLOCK;
    CHECK(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static void check_metrics(filch_pool *pool)
{
    filch_metrics metrics = FILCH_METRICS;
    CHECK(filch_metrics_get(pool, &metrics) == 0);
    CHECK_IS(metrics.finished, metrics.submitted);
    CHECK_IS(metrics.submitted, seen.submitted + seen.again);
    CHECK_IS(metrics.done, seen.ended[FILCH_DONE]);
    CHECK_IS(metrics.failed, seen.ended[FILCH_FAILED]);
    CHECK_IS(metrics.stopped, seen.ended[FILCH_STOPPED]);
    CHECK_IS(metrics.cancelled, seen.ended[FILCH_CANCELLED]);
    CHECK_IS(metrics.retried, seen.again);
    CHECK(metrics.queued_inside == 0 && metrics.queued_outside == 0 && metrics.delayed == 0 && metrics.due == 0);
    CHECK(filch_metrics_format(pool, NULL, 0) > 0);
}

static void check_events(void)
{
    uint64_t ended = 0;
    for (unsigned i = FILCH_DONE; i <= FILCH_STOPPED; i++)
        ended += seen.ended[i];
    CHECK_IS(ended, seen.submitted);
    CHECK_IS(seen.started, ended - seen.dropped + seen.again);
    CHECK_IS(seen.noted, seen.forgotten);
}

static void check_all_is_gone(void)
{
    CHECK_IS(seen.parked, seen.unparked);
    CHECK_IS(seen.gave, seen.resumed);
    CHECK_IS(seen.contexts, seen.destroyed);
    CHECK_IS(seen.owned, seen.disowned);
    CHECK_IS(seen.results, seen.freed);
    CHECK_IS(seen.callbacks, seen.called);
    CHECK_IS(seen.given_blocks, 0);
    CHECK_IS(seen.given_bytes, 0);
}

static void play_round(unsigned long round)
{
    uint64_t random = stress_stream(round, 1);
    struct producer lent[2], producers[64];
    pthread_t lenders[2], threads[64];
    filch_stop *until = NULL;
    filch_pool *pool = create(&random);
    unsigned n_lent = 2;
    CHECK(filch_stop_create(&until, NULL) == 0);
    stress_phase("submitting");
    for (unsigned i = 0; i < n_lent; i++) {
        lent[i] = (struct producer) { pool, i ? NULL : until, 0, i };
        CHECK(pthread_create(&lenders[i], NULL, lend, &lent[i]) == 0);
    }
    for (unsigned i = 0; i < stress.threads; i++) {
        producers[i] = (struct producer) { pool, NULL, stress_stream(round, 2 + i), i % 2 };
        CHECK(pthread_create(&threads[i], NULL, produce, &producers[i]) == 0);
    }
    if (stress_below(&random, 2))
        CHECK(filch_pool_resize(pool, 1 + stress_below(&random, 6)) == 0);
    if (stress_below(&random, 2))
        filch_stop_request(until, -ECANCELED);
    if (stress_below(&random, 4) == 0) {
        stress_nap(stress_below(&random, 2000000));
        filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL);
    }
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    stress_phase("shutting down");
    CHECK(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    check_events();
    check_metrics(pool);
    filch_stop_request(until, -ECANCELED);
    for (unsigned i = 0; i < n_lent; i++)
        pthread_join(lenders[i], NULL);
    stress_phase("destroying");
    CHECK(filch_pool_destroy(pool) == 0);
    filch_stop_unref(until);
    check_events();
    check_all_is_gone();
}

int main(int argc, char **argv)
{
    unsigned long round;
    uint64_t submitted = 0, dropped = 0, contexts = 0;
    stress_begin("stress_features", 3, argc, argv);
    for (round = 0; stress_goes_on_to(round); round++) {
        memset(&seen, 0, sizeof seen);
        play_round(round);
        submitted += seen.submitted;
        dropped += seen.dropped;
        contexts += seen.contexts;
        stress_progress();
    }
    stress_total("pools", round);
    stress_total("submitted", submitted);
    stress_total("dropped", dropped);
    stress_total("contexts", contexts);
    return stress_end();
}
