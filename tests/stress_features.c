/* SPDX-License-Identifier: MIT */
/*
 * All that a pool can be asked for, at once: hooks, metrics, an allocator, contexts, lent threads, waiters that help,
 * pinned workers, a capacity, lanes and
 * priorities, through every way to submit a task and every way in which one ends. At the end everything
 * adds up: events, counts of the metrics, memory, contexts and arguments.
 */
#include "with_features.h"

#include <fcntl.h>

enum { MANY = 12, LANES = 4 };

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

/* Lanes of the pool; the first is none. */
static filch_lane *lanes[LANES];

/* Another pool, whose tasks do nothing with the first one. */
static filch_pool *beside;

static int work(filch_task *self, void *arg);

static void ask_beside(uint64_t *random)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    struct job *job = new_job(random, 0);
    options.arg_dtor = free_job;
    if (filch_submit_with(beside, work, job, &options, &future))
        free_job(job);
    if (future)
        filch_future_wait(future, FILCH_FOREVER);
    filch_future_unref(future);
}

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
    if (filch_task_pool(self) != beside && stress_below(&random, 16) == 0)
        ask_beside(&random);
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

/* Of whoever put it there last. */
static _Atomic(filch_future *) shared;

/* Others cancel it too, and we one of theirs. */
static void share(filch_future *mine)
{
    filch_future *future = atomic_exchange(&shared, mine ? filch_future_ref(mine) : NULL);
    if (future && filch_future_cancel(future))
        CHECK(filch_future_state(future) == FILCH_CANCELLED && filch_future_cancel(future));
    filch_future_unref(future);
}

static void end_future(filch_future *future, uint64_t *random)
{
    if (stress_below(random, 3) == 0)
        share(future);
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

static void choose_lane(const filch_pool *pool, uint64_t *random, filch_task_options *options)
{
    if (pool == beside || stress_below(random, 2))
        return;
    options->lane = lanes[stress_below(random, LANES)];
    options->priority = (filch_priority)stress_below(random, 3) - 1;
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
    choose_lane(pool, random, &options);
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
        choose_lane(pool, random, &of_task);
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
        choose_lane(pool, random, &options);
        if (filch_cq_submit(cq, pool, work, job, &options, job))
            free_job(job);
    }
    for (size_t n = filch_cq_drain(cq, entries, 4); n > 0; n--)
        filch_future_unref(entries[n - 1].future);
    filch_cq_destroy(cq);
}

/* While all goes on. */
static void look(filch_pool *pool, uint64_t *random)
{
    static _Thread_local filch_metrics metrics = FILCH_METRICS;
    CHECK(filch_metrics_get(pool, &metrics) == 0);
    CHECK(metrics.finished <= metrics.submitted);
    if (stress_below(random, 16) == 0) {
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        int rc = filch_pool_dump(pool, fd);
        CHECK(rc == 0 || rc == -EBUSY);
        close(fd);
    }
}

static void play(filch_pool *pool, uint64_t *random, unsigned depth, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        if (stress_below(random, 16) == 0)
            look(pool, random);
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

static filch_pool *create(uint64_t *random, bool plain)
{
    const filch_allocator allocator = { sizeof allocator, take, give, &seen };
    const filch_hooks hooks = all_hooks();
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.hooks = &hooks;
    options.metrics = true;
    options.allocator = &allocator;
    options.workers = stress.workers ? stress.workers : 1 + stress_below(random, 4);
    options.waiters_help = stress_below(random, 2);
    options.pin = stress_below(random, 2);
    options.idle = (filch_idle_policy)stress_below(random, 3);
    options.no_spare_threads = !plain && stress_below(random, 4) == 0;
    options.lent_threads_only = !plain && stress_below(random, 4) == 0;
    options.capacity = !plain && stress_below(random, 2) ? 4 : 0;
    options.overflow = options.lent_threads_only || stress_below(random, 2) ? FILCH_CALLER_RUNS : FILCH_BLOCK;
    CHECK(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static void make_lanes(filch_pool *pool, uint64_t *random)
{
    for (unsigned i = 1; i < LANES; i++) {
        filch_lane_options options = FILCH_LANE_OPTIONS;
        options.weight = 1 + stress_below(random, 4);
        options.max_running = stress_below(random, 3);
        options.name = stress_below(random, 2) ? "a lane" : NULL;
        CHECK(filch_lane_create(&lanes[i], pool, &options) == 0);
    }
}

/* Nothing is left in them; a place is left a moment after its task has ended. */
static void drop_lanes(void)
{
    for (unsigned i = 1; i < LANES; i++) {
        filch_lane_stats stats = FILCH_LANE_STATS;
        do
            CHECK(filch_lane_stats_get(lanes[i], &stats) == 0);
        while (stats.running);
        CHECK_IS(stats.queued, 0);
        CHECK_IS(stats.resuming, 0);
        filch_lane_unref(lanes[i]);
    }
}

static void check_metrics(filch_pool *pool)
{
    filch_metrics metrics = FILCH_METRICS, others = FILCH_METRICS;
    CHECK(filch_metrics_get(pool, &metrics) == 0 && filch_metrics_get(beside, &others) == 0);
    CHECK_IS(metrics.finished, metrics.submitted);
    CHECK_IS(others.finished, others.submitted);
    CHECK_IS(metrics.submitted + others.submitted, seen.submitted + seen.again);
    CHECK_IS(metrics.done + others.done, seen.ended[FILCH_DONE]);
    CHECK_IS(metrics.failed + others.failed, seen.ended[FILCH_FAILED]);
    CHECK_IS(metrics.stopped + others.stopped, seen.ended[FILCH_STOPPED]);
    CHECK_IS(metrics.cancelled + others.cancelled, seen.ended[FILCH_CANCELLED]);
    CHECK_IS(metrics.retried + others.retried, seen.again);
    /* Not `delayed`, from which a task is taken a moment after it is final. */
    CHECK(metrics.queued_inside == 0 && metrics.queued_outside == 0 && metrics.due == 0);
    CHECK(filch_metrics_format(&pool, 1, NULL, 0) > 0);
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
    filch_pool *pool = create(&random, false);
    unsigned n_lent = 2;
    beside = create(&random, true);
    make_lanes(pool, &random);
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
    share(NULL);
    CHECK(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    share(NULL); /* by a task */
    CHECK(filch_pool_shutdown(beside, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    check_events();
    check_metrics(pool);
    filch_stop_request(until, -ECANCELED);
    for (unsigned i = 0; i < n_lent; i++)
        pthread_join(lenders[i], NULL);
    stress_phase("destroying");
    drop_lanes();
    CHECK(filch_pool_destroy(pool) == 0 && filch_pool_destroy(beside) == 0);
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
