/* SPDX-License-Identifier: MIT */
/* Six faults of the programs that filch was made for, none of which it may have. */
#include "os.h"
#include "support.h"

#include <signal.h>

SUITE(faults_of_the_originals);

/* ---- 1. The root cause was masked by those that merely saw the stop ---- */

struct fetches {
    filch_stop *stop;
    struct gate gate; /* of those that do not fail */
};

static int fetch(filch_task *self, void *arg)
{
    struct fetches *fetches = arg;
    pass_gate(self, &fetches->gate);
    return filch_task_stopped(self) ? -ECANCELED : 0;
}

static int fetch_refused(filch_task *self, void *arg)
{
    event_await_count(&((struct fetches *)arg)->gate.started, 2);
    return filch_fail(self, -ECONNREFUSED, "GET http://localhost:1/ was refused");
}

/* Collects its subs in completion order; on the first failure it stops everything and fails with that as cause. */
static int fast_fail(filch_task *self, void *arg)
{
    struct fetches *fetches = arg;
    filch_pool *pool = filch_task_pool(self);
    filch_future *subs[3] = { submit_named(pool, fetch, fetches, "task1/0"), NULL,
                              submit_named(pool, fetch, fetches, "task1/2") };
    filch_future *future;
    filch_completed *completed;
    int rc, outcome = 0;
    subs[1] = submit_named(pool, fetch_refused, fetches, "task1/1");
    must(filch_completed_begin(&completed, subs, 3, FILCH_FOREVER) == 0);
    while ((rc = filch_completed_next(completed, &future)) == 1) {
        if (filch_future_state(future) != FILCH_FAILED)
            continue;
        outcome = filch_fail_from(self, filch_future_error(future), 0, "a sub task failed");
        filch_stop_request_error(fetches->stop, filch_task_error(self));
        gate_open(&fetches->gate);
        break;
    }
    filch_completed_end(completed);
    must(filch_join(subs, 3) == 0);
    must(filch_future_state(subs[0]) == FILCH_STOPPED && filch_future_state(subs[2]) == FILCH_STOPPED);
    unref_all(subs, 3);
    return outcome;
}

Test(faults_of_the_originals, the_first_failure_reaches_the_caller_and_is_not_masked_by_the_stop_it_caused)
{
    filch_pool *pool = pool_of(4);
    struct fetches fetches = { stop_under(NULL), GATE };
    filch_future *future = submit_under(pool, fast_fail, &fetches, fetches.stop);
    filch_future *bystander = submit_under(pool, run_until_stopped, NULL, fetches.stop);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECONNREFUSED);
    cr_assert_eq(filch_future_state(future), FILCH_FAILED);
    cr_assert_eq(filch_future_wait(bystander, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(bystander), FILCH_STOPPED, "who merely saw the stop did not fail");
    const filch_error *root = filch_error_root(filch_future_error(future));
    cr_assert_str_eq(filch_error_task(root), "task1/1");
    cr_assert_str_eq(filch_error_message(root), "GET http://localhost:1/ was refused");
    cr_assert_eq(filch_error_root(filch_stop_error(fetches.stop)), root, "the stop knows it too");
    filch_future_unref(future);
    filch_future_unref(bystander);
    filch_stop_unref(fetches.stop);
    filch_pool_destroy(pool);
}

/* ---- 2. Ctrl-C joined before it stopped, so that everything still ran ---- */

static int count_and_wait_for_stop(filch_task *self, void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    return run_until_stopped(self, NULL);
}

Test(faults_of_the_originals, an_interrupt_stops_first_so_that_what_has_not_started_never_does)
{
    enum { TASKS = 30, WORKERS = 3 };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    filch_guard *guard;
    filch_future *futures[TASKS];
    _Atomic int started = 0;
    options.workers = WORKERS;
    options.stop = stop_under(NULL);
    must(filch_pool_create(&pool, &options) == 0);
    must(filch_guard_begin(&guard, options.stop) == 0);
    for (int i = 0; i < TASKS; i++)
        futures[i] = submit(pool, count_and_wait_for_stop, (void *)&started);
    UNTIL(atomic_load(&started) == WORKERS);
    raise(SIGINT);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(atomic_load(&started), WORKERS);
    for (int i = 0; i < TASKS; i++)
        cr_assert_eq(filch_future_state(futures[i]), FILCH_STOPPED);
    filch_guard_end(guard);
    unref_all(futures, TASKS);
    filch_stop_unref(options.stop);
    filch_pool_destroy(pool);
}

/* ---- 3. Mains and subs on one pool blocked each other ---- */

static int main_with_subs(filch_task *self, void *ran)
{
    filch_future *subs[3], *future;
    filch_completed *completed;
    int rc, n = 0;
    for (int i = 0; i < 3; i++)
        subs[i] = submit(filch_task_pool(self), count_up, ran);
    must(filch_completed_begin(&completed, subs, 3, FILCH_FOREVER) == 0);
    while ((rc = filch_completed_next(completed, &future)) == 1)
        n++;
    filch_completed_end(completed);
    unref_all(subs, 3);
    return rc == 0 && n == 3 ? 0 : -EPROTO;
}

Test(faults_of_the_originals, ten_mains_of_three_subs_on_one_pool_complete_even_with_one_worker)
{
    for (unsigned workers = 3; workers >= 1; workers--) {
        filch_pool *pool = pool_of(workers);
        filch_future *mains[10];
        _Atomic int ran = 0;
        for (int i = 0; i < 10; i++)
            mains[i] = submit(pool, main_with_subs, (void *)&ran);
        for (int i = 0; i < 10; i++)
            cr_assert_eq(filch_future_result(mains[i], FILCH_FOREVER, NULL), 0);
        cr_assert_eq(atomic_load(&ran), 30);
        unref_all(mains, 10);
        filch_pool_destroy(pool);
    }
}

/* ---- 4. The pause between two attempts ignored the stop ---- */

struct attempts {
    struct event first;
    _Atomic int made;
};

static int try_again_and_again(filch_task *self, void *arg)
{
    struct attempts *attempts = arg;
    for (int i = 0; i < 3; i++) {
        atomic_fetch_add(&attempts->made, 1);
        event_signal(&attempts->first);
        if (filch_sleep(FILCH_SECONDS(3600)))
            return -ECANCELED;
    }
    return filch_fail(self, -EIO, "3 attempts");
}

Test(faults_of_the_originals, a_stop_ends_the_pause_before_the_next_attempt_and_makes_no_other)
{
    filch_pool *pool = pool_of(1);
    struct attempts attempts = { .first = EVENT };
    filch_future *future = submit(pool, try_again_and_again, &attempts);
    event_await(&attempts.first);
    filch_stop_request(filch_pool_stop(pool), 0);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    cr_assert_eq(atomic_load(&attempts.made), 1);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- 5. After a shutdown that cancelled, an as_completed loop never returned ---- */

Test(faults_of_the_originals, after_a_shutdown_that_cancels_iteration_gets_every_future_once)
{
    enum { TASKS = 20 };
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[TASKS], *future;
    filch_completed *completed;
    int n = 0, cancelled = 0, rc;
    for (int i = 0; i < TASKS; i++)
        futures[i] = submit(pool, pass_gate, &gate);
    event_await_count(&gate.started, 2);
    must(filch_completed_begin(&completed, futures, TASKS, FILCH_FOREVER) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    for (; n < TASKS - 2; n++) {
        cr_assert_eq(filch_completed_next(completed, &future), 1);
        cancelled += filch_future_state(future) == FILCH_CANCELLED;
    }
    gate_open(&gate);
    while ((rc = filch_completed_next(completed, &future)) == 1)
        n++;
    cr_assert_eq(rc, 0);
    cr_assert_eq(n, TASKS);
    cr_assert_eq(cancelled, TASKS - 2);
    filch_completed_end(completed);
    unref_all(futures, TASKS);
    filch_pool_destroy(pool);
}

/* ---- 6. Wrapping an error failed itself, and hid it ---- */

static int wrap_without_memory(filch_task *self, void *arg)
{
    filch_error *cause = filch_error_create(-ECONNREFUSED, "refused");
    (void)arg;
    atomic_store(&filchi_os_faults.allocations, -1);
    int rc = filch_fail_from(self, cause, 0, "wrapped");
    atomic_store(&filchi_os_faults.allocations, 0);
    filch_error_unref(cause);
    return rc;
}

Test(faults_of_the_originals, wrapping_an_error_never_fails_even_without_memory)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, wrap_without_memory, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECONNREFUSED, "the code is kept");
    cr_assert_eq(filch_future_state(future), FILCH_FAILED);
    cr_assert_not_null(filch_future_error(future), "and there is an error to show");
    filch_future_unref(future);
    filch_pool_destroy(pool);
}
