/* SPDX-License-Identifier: MIT */
/* A pool with a capacity: what a submit from outside does when no place is left, and that one from inside does not. */
#include "os.h"
#include "support.h"
#include "worker.h"

#include <signal.h>

SUITE(capacity);

static filch_pool *bounded(unsigned workers, size_t capacity, filch_overflow overflow)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.capacity = capacity;
    options.overflow = overflow;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static size_t places_taken(filch_pool *pool)
{
    pthread_mutex_lock(&pool->capacity.lock);
    size_t taken = pool->capacity.taken;
    pthread_mutex_unlock(&pool->capacity.lock);
    return taken;
}

static bool anybody_waits(filch_pool *pool)
{
    pthread_mutex_lock(&pool->capacity.lock);
    bool waits = pool->capacity.first != NULL;
    pthread_mutex_unlock(&pool->capacity.lock);
    return waits;
}

/* A worker is held, and every place taken by tasks that count up. */
static filch_future *fill(filch_pool *pool, struct gate *gate, _Atomic int *runs)
{
    filch_future *holder = hold_worker(pool, gate);
    while (places_taken(pool) < pool->capacity.limit)
        must(filch_submit(pool, count_up, (void *)runs, NULL) == 0);
    return holder;
}

Test(capacity, an_unknown_overflow_is_invalid)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.overflow = (filch_overflow)3;
    cr_assert_eq(filch_pool_create(&pool, &options), -EINVAL);
    cr_assert_null(pool);
}

/* ---- Reject ---- */

Test(capacity, a_submit_is_rejected_until_a_task_is_taken_from_the_queue)
{
    filch_pool *pool = bounded(1, 2, FILCH_REJECT);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *future = NULL;
    _Atomic int runs = 0;
    for (int i = 0; i < 2; i++)
        cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, NULL), 0);
    uint64_t before = stats_of(pool).submitted;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, &future), -ENOBUFS);
    cr_assert_null(future);
    cr_assert_eq(stats_of(pool).submitted, before);
    let_go(&gate, holder);
    UNTIL(atomic_load(&runs) == 2);
    cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, NULL), 0);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 3);
}

Test(capacity, a_cancelled_task_leaves_its_place_with_the_queue)
{
    filch_pool *pool = bounded(1, 1, FILCH_REJECT);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *future = submit(pool, do_nothing, NULL);
    cr_assert(filch_future_cancel(future));
    filch_future_unref(future);
    let_go(&gate, holder);
    UNTIL(places_taken(pool) == 0);
    filch_pool_destroy(pool);
}

Test(capacity, a_shutdown_that_cancels_frees_the_places)
{
    filch_pool *pool = bounded(1, 5, FILCH_REJECT);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = fill(pool, &gate, &runs);
    cr_assert_eq(places_taken(pool), 5);
    filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL);
    cr_assert_eq(places_taken(pool), 0);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 0);
}

Test(capacity, a_submit_that_fails_gives_its_place_back)
{
    static const char name[] = "a name that is too long for the object itself";
    for (int nth = 1, rc = -ENOMEM; rc; nth++) {
        filch_pool *pool = bounded(1, 1, FILCH_REJECT);
        filch_task_options options = FILCH_TASK_OPTIONS;
        options.name = name;
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
        UNTIL(stats_of(pool).idle == 1); /* it has its thread */
        atomic_store(&filchi_os_faults.allocations, nth);
        rc = filch_submit_with(pool, do_nothing, NULL, &options, NULL);
        bool failed = atomic_exchange(&filchi_os_faults.allocations, 0) == 0;
        cr_assert_eq(rc, failed ? -ENOMEM : 0);
        UNTIL(places_taken(pool) == 0);
        filch_pool_destroy(pool);
    }
}

/* ---- From inside ---- */

static int submit_many(filch_task *self, void *runs)
{
    filch_blocking_begin(self);
    for (int i = 0; i < 10; i++)
        must(filch_submit(filch_task_pool(self), count_up, runs, NULL) == 0);
    filch_blocking_end(self);
    for (int i = 0; i < 10; i++)
        must(filch_submit(filch_task_pool(self), count_up, runs, NULL) == 0);
    return 0;
}

Test(capacity, tasks_submit_to_their_own_pool_without_a_limit)
{
    for (int overflow = FILCH_BLOCK; overflow <= FILCH_CALLER_RUNS; overflow++) {
        filch_pool *pool = bounded(1, 1, (filch_overflow)overflow);
        _Atomic int runs = 0;
        filch_future *future = submit(pool, submit_many, (void *)&runs);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        filch_future_unref(future);
        UNTIL(atomic_load(&runs) == 20);
        cr_assert_eq(places_taken(pool), 0);
        filch_pool_destroy(pool);
    }
}

/* ---- Block ---- */

struct blocked {
    filch_pool *pool;
    filch_fn *fn;
    void *arg;
    int rc;
    pthread_t thread;
};

static void *submit_elsewhere(void *arg)
{
    struct blocked *blocked = arg;
    blocked->rc = filch_submit(blocked->pool, blocked->fn, blocked->arg, NULL);
    return NULL;
}

/* The pool is full. */
static void block_one(struct blocked *blocked)
{
    struct filchi_ticket **before = blocked->pool->capacity.last;
    must(pthread_create(&blocked->thread, NULL, submit_elsewhere, blocked) == 0);
    for (bool waits = false; !waits; sched_yield()) {
        pthread_mutex_lock(&blocked->pool->capacity.lock);
        waits = blocked->pool->capacity.last != before;
        pthread_mutex_unlock(&blocked->pool->capacity.lock);
    }
}

enum { BLOCKED = 5 };

struct order {
    int n, items[BLOCKED];
};

static struct order order;

static int note(filch_task *self, void *arg)
{
    (void)self;
    order.items[order.n++] = (int)(intptr_t)arg;
    return 0;
}

Test(capacity, blocked_submits_get_their_places_in_turn)
{
    filch_pool *pool = bounded(1, 1, FILCH_BLOCK);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = fill(pool, &gate, &runs);
    struct blocked blocked[BLOCKED];
    for (int i = 0; i < BLOCKED; i++) {
        blocked[i] = (struct blocked) { .pool = pool, .fn = note, .arg = (void *)(intptr_t)i, .rc = 1 };
        block_one(&blocked[i]);
    }
    let_go(&gate, holder);
    for (int i = 0; i < BLOCKED; i++) {
        pthread_join(blocked[i].thread, NULL);
        cr_assert_eq(blocked[i].rc, 0);
    }
    filch_pool_destroy(pool);
    cr_assert_eq(order.n, BLOCKED);
    for (int i = 0; i < BLOCKED; i++)
        cr_assert_eq(order.items[i], i);
}

Test(capacity, a_shutdown_ends_blocked_submits)
{
    filch_pool *pool = bounded(1, 1, FILCH_BLOCK);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = fill(pool, &gate, &runs);
    struct blocked blocked[2];
    for (int i = 0; i < 2; i++) {
        blocked[i] = (struct blocked) { .pool = pool, .fn = count_up, .arg = (void *)&runs };
        block_one(&blocked[i]);
    }
    cr_assert_eq(filch_pool_shutdown(pool, 0, 0, NULL), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(blocked[i].thread, NULL);
        cr_assert_eq(blocked[i].rc, -ESHUTDOWN);
    }
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 1);
}

static void *interrupt(void *pool)
{
    UNTIL(anybody_waits(pool));
    kill(getpid(), SIGINT);
    return NULL;
}

Test(capacity, an_interrupt_ends_a_blocked_submit)
{
    filch_pool *pool = bounded(1, 1, FILCH_BLOCK);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = fill(pool, &gate, &runs);
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard;
    pthread_t interrupter;
    cr_assert_eq(filch_guard_begin(&guard, stop), 0);
    must(pthread_create(&interrupter, NULL, interrupt, pool) == 0);
    cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, NULL), -EINTR);
    cr_assert_not(anybody_waits(pool));
    cr_assert_eq(places_taken(pool), 1);
    filch_guard_end(guard);
    pthread_join(interrupter, NULL);
    filch_stop_unref(stop);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 1);
}

static int submit_to_other(filch_task *self, void *arg)
{
    struct blocked *blocked = arg;
    (void)self;
    blocked->rc = filch_submit(blocked->pool, blocked->fn, blocked->arg, NULL);
    return blocked->rc;
}

Test(capacity, a_blocked_task_of_another_pool_gives_its_worker_away)
{
    filch_pool *pool = bounded(1, 1, FILCH_BLOCK), *other = pool_of(1);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = fill(pool, &gate, &runs);
    struct blocked blocked = { .pool = pool, .fn = count_up, .arg = (void *)&runs };
    filch_future *submitter = submit(other, submit_to_other, &blocked);
    filch_future *meanwhile = submit(other, do_nothing, NULL);
    cr_assert_eq(filch_future_wait(meanwhile, FILCH_FOREVER), 0);
    let_go(&gate, holder);
    cr_assert_eq(filch_future_result(submitter, FILCH_FOREVER, NULL), 0);
    filch_future_unref(submitter);
    filch_future_unref(meanwhile);
    filch_pool_destroy(other);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 2);
}

Test(capacity, the_stop_of_a_task_ends_its_blocked_submit)
{
    filch_pool *pool = bounded(1, 1, FILCH_BLOCK), *other = pool_of(1);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = fill(pool, &gate, &runs);
    struct blocked blocked = { .pool = pool, .fn = count_up, .arg = (void *)&runs };
    filch_future *submitter = submit(other, submit_to_other, &blocked);
    UNTIL(anybody_waits(pool));
    filch_stop_request(filch_pool_stop(other), -ECANCELED);
    cr_assert_eq(filch_future_wait(submitter, FILCH_FOREVER), 0);
    cr_assert_eq(blocked.rc, -ECANCELED);
    cr_assert_eq(filch_future_state(submitter), FILCH_STOPPED);
    filch_future_unref(submitter);
    let_go(&gate, holder);
    filch_pool_destroy(other);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 1);
}

/* ---- The caller runs ---- */

struct call {
    filch_pool *pool;
    filch_stop *stop;
    pthread_t thread;
    struct gate *gate; /* of the held worker */
    filch_future *holder;
    _Atomic int runs;
};

static int be_a_guest(filch_task *self, void *arg)
{
    struct call *call = arg;
    filch_future *subs[10];
    filch_guard *guard;
    must(pthread_equal(pthread_self(), call->thread));
    must(filch_task_current() == self);
    must(filch_task_pool(self) == call->pool);
    must(filch_task_stop(self) == call->stop);
    must(filch_guard_begin(&guard, call->stop) == -EINVAL);
    must(filch_pool_shutdown(call->pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == -EDEADLK);
    must(filch_pool_destroy(call->pool) == -EDEADLK);
    must(filch_pool_shutdown(call->pool, 0, 0, NULL) == 0); /* submits from inside go on */
    for (int i = 0; i < 10; i++)
        subs[i] = submit(call->pool, count_up, (void *)&call->runs);
    must(atomic_load(&call->runs) == 0);
    gate_open(call->gate);
    filch_blocking_begin(self);
    must(filch_join(subs, 10) == 0);
    unref_all(subs, 10);
    return filch_return(self, call); /* and so ends the region */
}

Test(capacity, the_caller_runs_the_task_as_a_thread_of_the_pool_would)
{
    filch_pool *pool = bounded(1, 1, FILCH_CALLER_RUNS);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_stop *stop = stop_under(filch_pool_stop(pool));
    struct call call = { pool, stop, pthread_self(), &gate, fill(pool, &gate, &runs), 0 };
    filch_future *future = submit_under(pool, be_a_guest, &call, stop);
    void *result = NULL;
    cr_assert_null(filch_task_current());
    cr_assert_eq(filch_future_state(future), FILCH_DONE, "when the submit returns");
    cr_assert_eq(filch_future_attempts(future), 1);
    cr_assert_eq(filch_future_result(future, 0, &result), 0);
    cr_assert_eq(result, &call);
    cr_assert_eq(atomic_load(&call.runs), 10);
    filch_future_unref(future);
    filch_future_unref(call.holder);
    filch_stop_unref(stop);
    filch_pool_stats stats = stats_of(pool);
    filch_pool_destroy(pool);
    cr_assert_eq(stats.submitted, 13);
}

Test(capacity, a_task_that_its_caller_runs_may_fail_or_be_stopped)
{
    filch_pool *pool = bounded(1, 1, FILCH_CALLER_RUNS);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = fill(pool, &gate, &runs);
    filch_stop *stop = stop_under(NULL);
    filch_future *failed = submit_named(pool, fail_with_io, NULL, "failing");
    cr_assert_eq(filch_future_state(failed), FILCH_FAILED);
    cr_assert_str_eq(filch_error_message(filch_future_error(failed)), "the disk is gone");
    filch_stop_request(stop, -ECANCELED);
    filch_future *stopped = submit_under(pool, count_up, (void *)&runs, stop);
    cr_assert_eq(filch_future_state(stopped), FILCH_STOPPED);
    cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, NULL), 0, "nobody holds it");
    cr_assert_eq(atomic_load(&runs), 1);
    filch_future_unref(failed);
    filch_future_unref(stopped);
    filch_stop_unref(stop);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 2);
}

struct hosted {
    filch_pool *pool, *other;
    filch_task *host;
    struct gate gate; /* of the other pool's second task */
    _Atomic int runs;
    bool region;
};

static int note_current(filch_task *self, void *arg)
{
    struct hosted *hosted = arg;
    must(filch_task_current() == self && filch_task_pool(self) == hosted->other);
    return 0;
}

/* A task of `pool` on a thread of `other`. */
static int wait_as_a_guest(filch_task *self, void *arg)
{
    struct hosted *hosted = arg;
    must(filch_task_current() == self && filch_task_pool(self) == hosted->pool);
    must(filch_pool_shutdown(hosted->other, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == -EDEADLK);
    if (hosted->region) { /* the other pool has one worker: this one */
        must(filch_submit(hosted->other, pass_gate, &hosted->gate, NULL) == 0);
        filch_blocking_begin(self);
        event_await(&hosted->gate.started);
        gate_open(&hosted->gate);
        filch_blocking_end(self);
    }
    for (int i = 0; i < 3; i++) /* it has a place for one: but this is inside */
        must(filch_submit(hosted->other, do_nothing, NULL, NULL) == 0);
    filch_future *future = submit(hosted->other, note_current, hosted);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    must(filch_task_current() == self);
    filch_future_unref(future);
    return 0;
}

static int host_a_guest(filch_task *self, void *arg)
{
    struct hosted *hosted = arg;
    hosted->host = self;
    filch_future *future = submit(hosted->pool, wait_as_a_guest, hosted);
    must(filch_task_current() == self && filch_task_pool(self) == hosted->other);
    must(filch_future_state(future) == FILCH_DONE);
    filch_future_unref(future);
    return 0;
}

static void check_hosting(bool no_spare_threads)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct hosted hosted = { .pool = bounded(1, 1, FILCH_CALLER_RUNS), .gate = GATE, .region = !no_spare_threads };
    struct gate gate = GATE;
    options.workers = 1;
    options.capacity = 1;
    options.no_spare_threads = no_spare_threads;
    must(filch_pool_create(&hosted.other, &options) == 0);
    filch_future *holder = fill(hosted.pool, &gate, &hosted.runs);
    filch_future *host = submit(hosted.other, host_a_guest, &hosted);
    cr_assert_eq(filch_future_result(host, FILCH_FOREVER, NULL), 0);
    filch_future_unref(host);
    let_go(&gate, holder);
    filch_pool_destroy(hosted.other);
    filch_pool_destroy(hosted.pool);
}

Test(capacity, a_task_that_a_thread_of_another_pool_runs_waits_as_that_pools_do)
{
    check_hosting(false);
}

Test(capacity, a_task_that_the_only_thread_of_another_pool_runs_may_wait_for_that_pool)
{
    check_hosting(true);
}
