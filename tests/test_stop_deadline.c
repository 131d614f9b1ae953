/* SPDX-License-Identifier: MIT */
/* Stops with a deadline: that it comes, what it stops, and that they may be dropped at any moment. */
#include "os.h"
#include "support.h"
#include "worker.h"

#include <poll.h>

SUITE(stop_deadline);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static filch_stop *stop_until(filch_pool *pool, filch_stop *parent, int64_t deadline_ns)
{
    filch_stop *stop = NULL;
    must(filch_stop_create_until(&stop, parent, pool, deadline_ns) == 0);
    return stop;
}

/* ---- The deadline ---- */

Test(stop_deadline, it_is_requested_then_and_not_before)
{
    filch_pool *pool = pool_of(1);
    int64_t deadline = filch_now() + FILCH_MS(10);
    filch_stop *stop = stop_until(pool, NULL, deadline);
    struct pollfd poller = { .events = POLLIN };
    cr_assert_eq(filch_stop_fd(stop, &poller.fd), 0);
    cr_assert_eq(filch_stop_reason(stop), 0);
    cr_assert_eq(poll(&poller, 1, -1), 1);
    cr_assert_geq(filch_now(), deadline);
    cr_assert(filch_stop_requested(stop));
    cr_assert_eq(filch_stop_reason(stop), -ETIMEDOUT);
    cr_assert_null(filch_stop_error(stop));
    cr_assert_not(filch_stop_request(stop, -EPIPE), "it is not the first");
    filch_stop_unref(stop);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(stop_deadline, one_that_has_passed_is_now_and_the_last_one_is_never)
{
    filch_pool *pool = pool_of(1);
    filch_stop *zero = stop_until(pool, NULL, 0), *past = stop_until(pool, NULL, 1);
    filch_stop *never = stop_until(pool, NULL, INT64_MAX);
    UNTIL(filch_stop_requested(zero) && filch_stop_requested(past));
    cr_assert_not(filch_stop_requested(never));
    filch_stop_unref(zero);
    filch_stop_unref(past);
    filch_stop_unref(never);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(stop_deadline, without_a_pool_or_with_a_negative_time_it_is_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = NULL;
    pid_t tid;
    cr_assert_eq(filch_stop_create_until(&stop, NULL, NULL, 1), -EINVAL);
    cr_assert_eq(filch_stop_create_until(&stop, NULL, pool, -1), -EINVAL);
    cr_assert_eq(filch_stop_create_until(&stop, NULL, pool, INT64_MIN), -EINVAL);
    cr_assert_null(stop);
    cr_assert_eq(threads_named("filch-", &tid, 1), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(stop_deadline, an_earlier_request_keeps_its_reason)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_until(pool, NULL, filch_now() + FILCH_MS(5));
    filch_stop *after = stop_until(pool, NULL, filch_now() + FILCH_MS(6));
    bool first = filch_stop_request(stop, -EPIPE);
    UNTIL(filch_stop_requested(after));
    cr_assert_eq(filch_stop_reason(stop), first ? -EPIPE : -ETIMEDOUT);
    filch_stop_unref(stop);
    filch_stop_unref(after);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- The tree ---- */

Test(stop_deadline, it_stops_its_children_and_not_its_parent)
{
    filch_pool *pool = pool_of(1);
    filch_stop *parent = stop_under(NULL), *middle = stop_until(pool, parent, filch_now() + FILCH_MS(3));
    filch_stop *child = stop_under(middle), *late = stop_until(pool, child, filch_now() + NEVER_DUE);
    UNTIL(filch_stop_requested(late));
    cr_assert_eq(filch_stop_reason(child), -ETIMEDOUT);
    cr_assert_eq(filch_stop_reason(late), -ETIMEDOUT);
    cr_assert_not(filch_stop_requested(parent));
    filch_stop_unref(parent);
    filch_stop_unref(middle);
    filch_stop_unref(child);
    filch_stop_unref(late);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(stop_deadline, its_parents_request_comes_first_if_it_does)
{
    filch_pool *pool = pool_of(1);
    filch_stop *parent = stop_under(NULL), *child = stop_until(pool, parent, filch_now() + NEVER_DUE);
    filch_stop_request(parent, -EPIPE);
    cr_assert_eq(filch_stop_reason(child), -EPIPE);
    filch_stop *born = stop_until(pool, parent, filch_now() + FILCH_MS(1));
    cr_assert_eq(filch_stop_reason(born), -EPIPE);
    filch_stop_unref(parent);
    filch_stop_unref(child);
    filch_stop_unref(born);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Tasks ---- */

static int sleep_long(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return filch_sleep(FILCH_FOREVER);
}

Test(stop_deadline, it_wakes_what_sleeps_and_waits_and_ends_what_has_not_started)
{
    filch_pool *pool = pool_of(2), *other = pool_of(1);
    filch_stop *stop = stop_until(pool, NULL, filch_now() + FILCH_MS(20));
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_future *futures[5];
    retry.interval_ns = NEVER_DUE;
    options.stop = stop;
    futures[0] = submit_under(pool, sleep_long, NULL, stop);
    futures[1] = submit_under(pool, await_arg, futures[0], stop);
    options.start_at_ns = filch_now() + NEVER_DUE;
    must(filch_submit_with(other, do_nothing, NULL, &options, &futures[2]) == 0);
    options.retry = &retry;
    options.start_at_ns = 0;
    must(filch_submit_with(other, fail_with_io, NULL, &options, &futures[3]) == 0);
    options.retry = NULL;
    must(filch_submit_with(other, sleep_long, NULL, &options, &futures[4]) == 0);
    cr_assert_eq(filch_wait(futures, 5, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    for (int i = 0; i < 5; i++)
        cr_assert(filch_future_state(futures[i]) == FILCH_STOPPED || (i == 1 && filch_future_done(futures[i])),
                  "%d is %s", i, filch_state_name(filch_future_state(futures[i])));
    unref_all(futures, 5);
    filch_stop_unref(stop);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(filch_pool_destroy(other), 0);
}

static int make_deadline(filch_task *self, void *arg)
{
    (void)arg;
    filch_stop *stop = stop_until(filch_task_pool(self), filch_task_stop(self), filch_now() + FILCH_MS(2));
    filch_future *future = submit_under(filch_task_pool(self), sleep_long, NULL, stop);
    filch_stop_unref(stop);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    must(filch_future_state(future) == FILCH_STOPPED);
    must(!filch_task_stopped(self));
    filch_future_unref(future);
    return 0;
}

Test(stop_deadline, a_task_may_set_one_for_its_sub_tasks)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, make_deadline, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Lifetimes ---- */

static void *drop_stop(void *stop)
{
    filch_stop_unref(stop);
    return NULL;
}

Test(stop_deadline, a_chain_of_any_length_may_go_after_the_pool)
{
    enum { LENGTH = 50000 };
    filch_pool *pool = pool_of(1);
    filch_stop *leaf = NULL;
    for (int i = 0; i < LENGTH; i++) {
        filch_stop *parent = leaf;
        leaf = stop_until(pool, parent, filch_now() + NEVER_DUE);
        filch_stop_unref(parent);
    }
    cr_assert_eq(filch_pool_destroy(pool), 0);
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, (size_t)256 << 10);
    cr_assert_eq(pthread_create(&thread, &small, drop_stop, leaf), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&small);
}

Test(stop_deadline, a_chain_may_go_while_the_pool_does)
{
    for (int i = 0; i < 500; i++) {
        filch_pool *pool = pool_of(1);
        filch_stop *stops[4] = { NULL };
        for (int j = 0; j < 4; j++)
            stops[j] = stop_until(pool, j ? stops[j - 1] : NULL, filch_now() + NEVER_DUE);
        for (int j = 0; j < 4; j++)
            filch_stop_unref(stops[j]);
        cr_assert_eq(filch_pool_destroy(pool), 0);
    }
}

Test(stop_deadline, dropped_before_its_time_it_costs_nothing_more)
{
    filch_pool *pool = pool_of(1);
    for (int i = 0; i < 1000; i++)
        filch_stop_unref(stop_until(pool, NULL, filch_now() + NEVER_DUE));
    filch_future *future = NULL; /* whose message comes after */
    must(filch_submit_after(pool, 0, do_nothing, NULL, &future) == 0);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(atomic_load(&pool->timers->n), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* Those of 1000 s make the thread sleep as long. */
Test(stop_deadline, dropped_long_before_its_time_only_every_fourth_wakes_the_thread)
{
    filch_pool *pool = pool_of(1);
    struct filchi_timers *timers = pool->timers;
    filch_stop *stops[4];
    int64_t due = filch_now() + NEVER_DUE;
    for (int i = 0; i < 4; i++)
        stops[i] = stop_until(pool, NULL, due);
    UNTIL(atomic_load(&timers->n) >= 1 && atomic_load(&timers->sleeps_until) == due);
    uint32_t signals = filchi_parker_count(&timers->parker);
    for (int i = 0; i < 3; i++)
        filch_stop_unref(stops[i]);
    cr_assert_eq(filchi_parker_count(&timers->parker), signals);
    filch_stop_unref(stops[3]);
    cr_assert_eq(filchi_parker_count(&timers->parker), signals + 1);
    UNTIL(atomic_load(&timers->n) == 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(stop_deadline, dropped_before_its_time_it_is_gone_at_its_time_at_the_latest)
{
    filch_pool *pool = pool_of(1);
    filch_stop *parent = stop_under(NULL), *stop = stop_until(pool, parent, filch_now() + FILCH_MS(30));
    filch_stop_unref(stop);
    UNTIL(atomic_load(&parent->refs) == 1);
    filch_stop_unref(parent);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(stop_deadline, it_may_be_dropped_at_the_moment_it_fires)
{
    filch_pool *pool = pool_of(1);
    int fired = 0, n = SANITIZED ? 500 : 3000;
    for (int i = 0; i < n; i++) {
        filch_stop *parent = stop_under(NULL);
        filch_stop *stop = stop_until(pool, parent, filch_now() + FILCH_US(i % 100)), *child = stop_under(stop);
        int64_t until = filch_now() + FILCH_US(i % 170);
        while (filch_now() < until)
            continue;
        fired += filch_stop_requested(stop);
        if (i % 3 == 0)
            filch_stop_request(parent, -EPIPE);
        filch_stop_unref(parent);
        filch_stop_unref(i % 2 ? stop : child);
        filch_stop_unref(i % 2 ? child : stop);
    }
    fprintf(stderr, "stop_deadline: %d of %d had fired\n", fired, n);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static void count_callback(filch_future *future, void *count)
{
    must(filch_future_state(future) == FILCH_STOPPED);
    atomic_fetch_add((_Atomic int *)count, 1);
}

Test(stop_deadline, with_the_pool_gone_it_never_fires_and_can_still_be_requested)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    filch_stop *stop = stop_until(pool, NULL, filch_now() + FILCH_MS(20));
    filch_stop *dropped = stop_until(pool, NULL, filch_now() + NEVER_DUE), *child = stop_under(dropped);
    _Atomic int called = 0;
    cr_assert_eq(filch_pool_destroy(pool), 0);
    filch_stop_unref(dropped);
    int64_t until = filch_now() + FILCH_MS(30);
    UNTIL(filch_now() > until);
    cr_assert_not(filch_stop_requested(stop));
    filch_future *future = submit_under(other, sleep_long, NULL, stop);
    cr_assert_eq(filch_future_on_done(future, count_callback, (void *)&called), 0);
    cr_assert(filch_stop_request(stop, -EPIPE));
    cr_assert_eq(filch_stop_reason(stop), -EPIPE);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_not(filch_stop_requested(child));
    cr_assert_eq(filch_pool_destroy(other), 0);
    cr_assert_eq(called, 1);
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_stop_unref(child);
}

Test(stop_deadline, it_may_be_made_in_a_pool_that_is_shut)
{
    filch_pool *pool = pool_of(1);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    filch_stop *stop = stop_until(pool, NULL, filch_now() + FILCH_MS(1));
    UNTIL(filch_stop_requested(stop));
    filch_stop_unref(stop);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Without memory ---- */

Test(stop_deadline, without_memory_none_is_made_and_nothing_is_left)
{
    filch_pool *pool = pool_of(1);
    filch_stop *parent = stop_under(NULL), *stop = NULL;
    filch_stop_unref(stop_until(pool, NULL, 0)); /* the thread is there */
    long n = 1;
    for (;; n++) {
        atomic_store(&filchi_os_faults.allocations, n);
        int rc = filch_stop_create_until(&stop, parent, pool, filch_now() + NEVER_DUE);
        bool failed = atomic_exchange(&filchi_os_faults.allocations, 0) <= 0;
        if (!failed) {
            cr_assert_eq(rc, 0);
            break;
        }
        cr_assert_eq(rc, -ENOMEM);
        cr_assert_null(stop);
    }
    cr_assert_eq(n, 3, "two allocations");
    filch_stop_request(parent, 0);
    cr_assert(filch_stop_requested(stop));
    filch_stop_unref(stop);
    filch_stop_unref(parent);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}
