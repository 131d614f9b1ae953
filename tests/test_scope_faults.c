/* SPDX-License-Identifier: MIT */
/* Scopes without memory and without threads: clear errors, nothing half submitted, and a join that works. */
#include "os.h"
#include "scope_support.h"

SUITE(scope_faults);

#define N 6

struct scenario {
    filch_pool *pool;
    _Atomic int accepted, refused, ran, freed;
};

/* A call may fail for want of memory only. */
static bool worked(int rc)
{
    must(rc == 0 || rc == -ENOMEM);
    return rc == 0;
}

static void count_freed(void *arg)
{
    atomic_fetch_add(&((struct scenario *)arg)->freed, 1);
}

static int fail_second_time(filch_task *self, void *arg)
{
    atomic_fetch_add(&((struct scenario *)arg)->ran, filch_task_attempt(self) == 1);
    return filch_fail(self, -EIO, "attempt %u", filch_task_attempt(self));
}

static int just_run(filch_task *self, void *arg)
{
    (void)self;
    atomic_fetch_add(&((struct scenario *)arg)->ran, 1);
    return 0;
}

static void submit_some(struct scenario *scenario, filch_scope *scope)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    retry.max_attempts = 2;
    retry.interval_ns = 1000;
    for (int i = 0; i < N; i++) {
        filch_task_options options = FILCH_TASK_OPTIONS;
        filch_future *held = NULL;
        options.name = i % 2 ? "a name that is too long to be kept inside" : NULL;
        options.arg_dtor = count_freed;
        options.retry = i == 2 ? &retry : NULL;
        options.start_at_ns = i == 3 ? filch_now() : 0;
        bool accepted = worked(filch_scope_submit_with(scope, i == 2 ? fail_second_time : just_run, scenario,
                                                       &options, i == 4 ? &held : NULL));
        must(accepted || !held);
        atomic_fetch_add(accepted ? &scenario->accepted : &scenario->refused, 1);
        filch_future_unref(held);
    }
}

/* Opens a scope, uses it in every way, closes it. */
static void use_scope(struct scenario *scenario, bool discard)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL;
    filch_future *next;
    filch_error *error = NULL;
    options.name = "a scope";
    options.policy = FILCH_COLLECT;
    options.discard = discard;
    options.timeout_ns = FILCH_SECONDS(3600);
    if (!worked(filch_scope_open(&scope, scenario->pool, &options))) {
        must(!scope && !filch_scope_current());
        return;
    }
    submit_some(scenario, scope);
    if (!discard)
        must(filch_scope_next(scope, FILCH_FOREVER, &next) >= 0);
    int rc = filch_scope_join(scope, &error);
    must(rc == 0 || rc == -EIO || rc == -ENOMEM);
    must((rc == 0) == (error == NULL));
    filch_error_unref(error);
    submit_some(scenario, scope);
    filch_scope_close(scope);
    must(!filch_scope_current());
}

static int use_scopes_inside(filch_task *self, void *arg)
{
    (void)self;
    use_scope(arg, false);
    use_scope(arg, true);
    return 0;
}

/* Whether every call worked. */
static bool play(void)
{
    struct scenario scenario = { .pool = NULL };
    filch_future *task = NULL;
    bool failed = !worked(filch_pool_create(&scenario.pool, NULL));
    if (failed)
        return false;
    use_scope(&scenario, false);
    if (worked(filch_submit(scenario.pool, use_scopes_inside, &scenario, &task)))
        must(filch_future_wait(task, FILCH_FOREVER) == 0);
    filch_future_unref(task);
    must(filch_pool_destroy(scenario.pool) == 0);
    must(atomic_load(&scenario.freed) == atomic_load(&scenario.accepted));
    must(atomic_load(&scenario.ran) <= atomic_load(&scenario.accepted));
    return atomic_load(&scenario.accepted) == 6 * N;
}

Test(scope_faults, each_allocation_may_fail)
{
    long n = 1;
    for (;; n++) {
        atomic_store(&filchi_os_faults.allocations, n);
        bool complete = play();
        bool injected = atomic_load(&filchi_os_faults.allocations) <= 0;
        atomic_store(&filchi_os_faults.allocations, 0);
        if (!injected) {
            cr_assert(complete);
            break;
        }
    }
    cr_assert_gt(n, 30);
}

Test(scope_faults, without_memory_at_all_what_was_submitted_is_joined)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool), *none = NULL;
    filch_future *next = NULL;
    filch_error *error = NULL;
    struct gate gate = GATE;
    spawn(scope, pass_gate, &gate);
    spawn(scope, fail_with_io, NULL);
    event_await(&gate.started);
    filch_task_options named = FILCH_TASK_OPTIONS;
    named.name = "a name that is too long to be kept inside";
    atomic_store(&filchi_os_faults.allocations, -1);
    cr_assert_eq(filch_scope_open(&none, pool, NULL), -ENOMEM);
    cr_assert_eq(filch_scope_submit_with(scope, do_nothing, NULL, &named, &next), -ENOMEM);
    gate_open(&gate);
    cr_assert_eq(filch_scope_join(scope, &error), -EIO);
    cr_assert_eq(filch_error_code(error), -ENOMEM); /* the one that stands in */
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 1);
    cr_assert_eq(filch_scope_next(scope, FILCH_FOREVER, &next), 0);
    filch_scope_close(scope);
    atomic_store(&filchi_os_faults.allocations, 0);
    filch_error_unref(error);
    cr_assert_null(none);
    filch_pool_destroy(pool);
}

Test(scope_faults, a_deadline_needs_a_thread)
{
    filch_pool *pool = pool_of(1);
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL;
    options.timeout_ns = FILCH_SECONDS(1);
    atomic_store(&filchi_os_faults.threads, -1);
    cr_assert_eq(filch_scope_open(&scope, pool, &options), -EAGAIN);
    cr_assert_null(filch_scope_current());
    scope = scope_of(pool);
    cr_assert_eq(filch_scope_submit(scope, do_nothing, NULL, NULL), -EAGAIN);
    cr_assert_eq(filch_scope_join(scope, NULL), 0);
    atomic_store(&filchi_os_faults.threads, 0);
    spawn(scope, do_nothing, NULL);
    cr_assert_eq(finish(scope), 0);
    filch_pool_destroy(pool);
}
