/* SPDX-License-Identifier: MIT */
/* worker_init and worker_exit: once on each thread, and what becomes of a pool or a thread whose init fails. */
#include "os.h"
#include "support.h"

SUITE(worker_hooks);

/* What the hooks have to tell, and when init fails. */
struct visits {
    _Atomic int inits, exits;
    _Atomic int fail_at; /* the nth init from now fails; negative: every one */
    int code;
};

static _Thread_local struct visits *visitor; /* set by init on each thread, and cleared by exit */

static int enter(void *arg)
{
    struct visits *visits = arg;
    must(!filch_task_current());
    must(!visitor);
    int n = atomic_load(&visits->fail_at);
    if (n < 0 || (n > 0 && atomic_fetch_sub(&visits->fail_at, 1) == 1))
        return visits->code;
    visitor = visits;
    atomic_fetch_add(&visits->inits, 1);
    return 0;
}

static void leave(void *arg)
{
    struct visits *visits = arg;
    must(!filch_task_current());
    must(visitor == visits);
    visitor = NULL;
    atomic_fetch_add(&visits->exits, 1);
}

static int create(filch_pool **out, unsigned workers, struct visits *visits)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = workers;
    options.name = "hooked";
    options.worker_init = enter;
    options.worker_exit = leave;
    options.worker_arg = visits;
    return filch_pool_create(out, &options);
}

static filch_pool *hooked_pool(unsigned workers, struct visits *visits)
{
    filch_pool *pool = NULL;
    must(create(&pool, workers, visits) == 0);
    return pool;
}

static int must_be_visited(filch_task *self, void *visits)
{
    (void)self;
    must(visitor == visits);
    return 0;
}

Test(worker_hooks, every_worker_has_an_initialised_thread_when_create_returns)
{
    struct visits visits = { .code = -EIO };
    filch_pool *pool = hooked_pool(4, &visits);
    pid_t tids[8];
    cr_assert_eq(atomic_load(&visits.inits), 4);
    cr_assert_eq(stats_of(pool).threads, 4);
    cr_assert_eq(threads_named("hooked-", tids, 8), 4);
    for (int i = 0; i < 100; i++)
        must(filch_submit(pool, must_be_visited, &visits, NULL) == 0);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&visits.inits), 4);
    cr_assert_eq(atomic_load(&visits.exits), 4);
}

static int await_gate_inside(filch_task *self, void *gate)
{
    filch_future *sub = submit(filch_task_pool(self), pass_gate, gate);
    must(visitor);
    must(filch_future_wait(sub, FILCH_SECONDS(3600)) == 0); /* with a deadline it is not run in place */
    filch_future_unref(sub);
    return 0;
}

Test(worker_hooks, spare_threads_are_initialised_too)
{
    struct visits visits = { .code = -EIO };
    struct gate gate = GATE;
    filch_pool *pool = hooked_pool(1, &visits);
    filch_future *future = submit(pool, await_gate_inside, &gate);
    event_await(&gate.started);
    cr_assert_eq(atomic_load(&visits.inits), 2);
    gate_open(&gate);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&visits.inits), 2);
    cr_assert_eq(atomic_load(&visits.exits), 2);
}

static void just_count(void *count)
{
    atomic_fetch_add((_Atomic int *)count, 1);
}

Test(worker_hooks, an_exit_hook_alone_runs_on_the_threads_that_were_started)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    _Atomic int exits = 0;
    filch_pool *pool;
    options.workers = 3;
    options.worker_exit = just_count;
    options.worker_arg = (void *)&exits;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    cr_assert_eq(stats_of(pool).threads, 0);
    struct gate gate = GATE;
    let_go(&gate, hold_worker(pool, &gate));
    unsigned threads = stats_of(pool).threads;
    cr_assert_geq(threads, 1);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&exits), (int)threads);
}

/* ---- Failures at creation ---- */

static void check_nothing_is_left(struct visits *visits)
{
    pid_t tid;
    cr_assert_eq(atomic_load(&visits->exits), atomic_load(&visits->inits));
    cr_assert_eq(threads_named("hooked-", &tid, 1), 0, "all threads are joined");
}

Test(worker_hooks, create_fails_with_the_code_of_an_init_that_fails)
{
    for (int nth = 1; nth <= 4; nth++) {
        struct visits visits = { .fail_at = nth, .code = -ENOKEY };
        filch_pool *pool = NULL;
        cr_assert_eq(create(&pool, 4, &visits), -ENOKEY);
        cr_assert_null(pool);
        cr_assert_eq(atomic_load(&visits.inits), 3);
        check_nothing_is_left(&visits);
    }
}

Test(worker_hooks, a_positive_code_of_an_init_is_invalid)
{
    struct visits visits = { .fail_at = -1, .code = 7 };
    filch_pool *pool = NULL;
    cr_assert_eq(create(&pool, 2, &visits), -EINVAL);
    cr_assert_null(pool);
    check_nothing_is_left(&visits);
}

Test(worker_hooks, create_fails_when_the_nth_thread_is_refused)
{
    for (int nth = 1; nth <= 4; nth++) {
        struct visits visits = { .code = -EIO };
        filch_pool *pool = NULL;
        atomic_store(&filchi_os_faults.threads, nth);
        cr_assert_eq(create(&pool, 4, &visits), -EAGAIN);
        cr_assert_null(pool);
        cr_assert_eq(atomic_load(&visits.inits), nth - 1);
        check_nothing_is_left(&visits);
    }
}

Test(worker_hooks, create_fails_when_the_nth_allocation_does)
{
    for (int nth = 1, rc = -ENOMEM; rc; nth++) {
        struct visits visits = { .code = -EIO };
        filch_pool *pool = NULL;
        atomic_store(&filchi_os_faults.allocations, nth);
        rc = create(&pool, 3, &visits);
        bool failed = atomic_exchange(&filchi_os_faults.allocations, 0) == 0;
        cr_assert_eq(rc, failed ? -ENOMEM : 0);
        cr_assert_eq(pool == NULL, failed);
        cr_assert_eq(atomic_load(&visits.inits) == 3 && !failed, !rc);
        filch_pool_destroy(pool);
        check_nothing_is_left(&visits);
    }
}

/* ---- Failures later ---- */

Test(worker_hooks, a_spare_thread_that_cannot_be_initialised_counts_as_refused)
{
    struct visits visits = { .code = -EIO };
    struct gate gate = GATE;
    filch_pool *pool = hooked_pool(1, &visits);
    atomic_store(&visits.fail_at, -1);
    gate_open(&gate);
    filch_future *future = submit(pool, await_gate_inside, &gate);
    cr_assert_eq(filch_future_result(future, FILCH_SECONDS(20), NULL), 0, "its sub task runs in its place");
    filch_future_unref(future);
    filch_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.threads, 1);
    cr_assert_geq(stats.threads_failed, 1);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&visits.inits), 1);
    check_nothing_is_left(&visits);
}

static int open_gate(filch_task *self, void *gate)
{
    (void)self;
    gate_open(gate);
    return 0;
}

/* The pool's only thread waits for another pool's task, which waits for a task of this pool: no thread of the pool
 * has anything to do with that one. */
static void check_that_it_is_retried(filch_pool *pool, void (*refuse)(void *arg), void *arg)
{
    filch_pool *other = pool_of(1);
    struct gate gate = GATE;
    filch_future *awaited = hold_worker(other, &gate);
    filch_future *waits = submit(pool, await_arg, awaited);
    UNTIL(stats_of(pool).handoffs == 1);
    refuse(arg);
    filch_future *opens = submit(pool, open_gate, &gate);
    cr_assert_eq(filch_future_wait(waits, FILCH_SECONDS(10)), 0);
    cr_assert_eq(filch_future_wait(opens, FILCH_SECONDS(10)), 0);
    cr_assert_eq(stats_of(pool).threads_failed, 1);
    filch_future_unref(awaited);
    filch_future_unref(waits);
    filch_future_unref(opens);
    filch_pool_destroy(other);
}

static void fail_next_init(void *visits)
{
    atomic_store(&((struct visits *)visits)->fail_at, 1);
}

Test(worker_hooks, work_whose_thread_could_not_be_initialised_gets_one_later)
{
    struct visits visits = { .code = -EIO };
    filch_pool *pool = hooked_pool(1, &visits);
    check_that_it_is_retried(pool, fail_next_init, &visits);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&visits.inits), 2);
    check_nothing_is_left(&visits);
}

static void refuse_next_thread(void *arg)
{
    (void)arg;
    atomic_store(&filchi_os_faults.threads, 1);
}

Test(worker_hooks, work_from_outside_whose_thread_was_refused_gets_one_later)
{
    filch_pool *pool = pool_of(1);
    check_that_it_is_retried(pool, refuse_next_thread, NULL);
    filch_pool_destroy(pool);
}

static struct gate init_gate = GATE;
static _Atomic int gated_inits;

static int enter_through_gate(void *arg)
{
    if (atomic_fetch_add(&gated_inits, 1) >= 2)
        pass_gate(NULL, arg);
    return 0;
}

Test(worker_hooks, others_do_not_wait_for_a_thread_that_is_being_initialised)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct gate running = GATE, elsewhere = GATE;
    filch_pool *pool, *other = pool_of(1);
    options.workers = 2;
    options.worker_init = enter_through_gate;
    options.worker_arg = &init_gate;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_future *runs = hold_worker(pool, &running), *awaited = hold_worker(other, &elsewhere);
    filch_future *waits = submit(pool, await_arg, awaited);
    UNTIL(stats_of(pool).handoffs == 1);
    filch_future *first = submit(pool, do_nothing, NULL);
    event_await(&init_gate.started); /* the worker of the one that waits is with a thread that is not ready */
    let_go(&running, runs);
    cr_assert_eq(filch_future_wait(first, FILCH_FOREVER), 0);
    UNTIL(stats_of(pool).idle == 1);
    filch_future *second = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_future_wait(second, FILCH_FOREVER), 0);
    gate_open(&init_gate);
    gate_open(&elsewhere);
    cr_assert_eq(filch_future_wait(waits, FILCH_FOREVER), 0);
    filch_future_unref(awaited);
    filch_future_unref(first);
    filch_future_unref(second);
    filch_future_unref(waits);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}
