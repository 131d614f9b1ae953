/* SPDX-License-Identifier: MIT */
/* Waiting for several futures in its three modes, joining, cancelling and sleeping. */
#include "os.h"
#include "support.h"

SUITE(wait);

#define MODES 3
static const filch_wait_mode modes[MODES] = { FILCH_FIRST_COMPLETED, FILCH_FIRST_ERROR, FILCH_ALL };

/* ---- filch_wait() ---- */

Test(wait, for_none_is_over_at_once)
{
    for (int i = 0; i < MODES; i++) {
        size_t done = 77;
        cr_assert_eq(filch_wait(NULL, 0, modes[i], FILCH_FOREVER, &done), 0);
        cr_assert_eq(done, 0);
    }
}

Test(wait, for_what_is_final_is_over_at_once_though_the_time_is_up)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fail_with_io, NULL);
    filch_future_wait(future, FILCH_FOREVER);
    for (int i = 0; i < MODES; i++) {
        size_t done = 77;
        cr_assert_eq(filch_wait(&future, 1, modes[i], 0, &done), 0);
        cr_assert_eq(done, 1);
    }
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(wait, first_completed_ends_with_the_first)
{
    filch_pool *pool = pool_of(3);
    struct gate gates[3] = { GATE, GATE, GATE };
    filch_future *futures[3];
    size_t done = 0;
    for (int i = 0; i < 3; i++)
        futures[i] = hold_worker(pool, &gates[i]);
    gate_open(&gates[1]);
    cr_assert_eq(filch_wait(futures, 3, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &done), 0);
    cr_assert_eq(done, 1);
    cr_assert(filch_future_done(futures[1]));
    gate_open(&gates[0]);
    gate_open(&gates[2]);
    cr_assert_eq(filch_wait(futures, 3, FILCH_ALL, FILCH_FOREVER, &done), 0);
    cr_assert_eq(done, 3);
    unref_all(futures, 3);
    filch_pool_destroy(pool);
}

Test(wait, first_error_passes_over_successes)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[4] = { hold_worker(pool, &gate) };
    size_t done = 0;
    futures[1] = submit(pool, do_nothing, NULL);
    futures[2] = submit(pool, do_nothing, NULL);
    futures[3] = submit(pool, fail_with_io, NULL);
    cr_assert_eq(filch_wait(futures, 4, FILCH_FIRST_ERROR, FILCH_FOREVER, &done), 0);
    cr_assert(filch_future_done(futures[3]));
    cr_assert_not(filch_future_done(futures[0]));
    cr_assert_eq(done, 3);
    gate_open(&gate);
    unref_all(futures, 4);
    filch_pool_destroy(pool);
}

Test(wait, first_error_counts_a_cancellation_as_one)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *futures[2] = { hold_worker(pool, &gate), submit(pool, do_nothing, NULL) };
    size_t done = 0;
    cr_assert_eq(filch_cancel_all(futures, 2), 1);
    cr_assert_eq(filch_wait(futures, 2, FILCH_FIRST_ERROR, FILCH_FOREVER, &done), 0);
    cr_assert_eq(done, 1);
    gate_open(&gate);
    unref_all(futures, 2);
    filch_pool_destroy(pool);
}

Test(wait, first_error_without_an_error_ends_when_all_are_final)
{
    filch_pool *pool = pool_of(2);
    filch_future *futures[10];
    size_t done = 0;
    for (int i = 0; i < 10; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_wait(futures, 10, FILCH_FIRST_ERROR, FILCH_FOREVER, &done), 0);
    cr_assert_eq(done, 10);
    unref_all(futures, 10);
    filch_pool_destroy(pool);
}

Test(wait, a_timeout_tells_how_many_are_final)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[3] = { submit(pool, do_nothing, NULL), NULL, NULL };
    futures[1] = hold_worker(pool, &gate);
    futures[2] = hold_worker(pool, &gate);
    filch_future_wait(futures[0], FILCH_FOREVER);
    for (int64_t timeout = 0; timeout <= FILCH_MS(2); timeout += FILCH_MS(2)) {
        size_t done = 77;
        cr_assert_eq(filch_wait(futures, 3, FILCH_ALL, timeout, &done), -ETIMEDOUT);
        cr_assert_eq(done, 1);
        cr_assert_eq(filch_wait(futures + 1, 2, FILCH_FIRST_COMPLETED, timeout, &done), -ETIMEDOUT);
        cr_assert_eq(done, 0);
        cr_assert_eq(filch_wait(futures, 3, FILCH_FIRST_ERROR, timeout, NULL), -ETIMEDOUT);
    }
    gate_open(&gate);
    unref_all(futures, 3);
    filch_pool_destroy(pool);
}

Test(wait, no_future_is_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_future *futures[2] = { submit(pool, do_nothing, NULL), NULL };
    for (int i = 0; i < MODES; i++) {
        size_t done = 77;
        cr_assert_eq(filch_wait(futures, 2, modes[i], FILCH_FOREVER, &done), -EINVAL);
        cr_assert_eq(done, 77);
    }
    filch_future_unref(futures[0]);
    filch_pool_destroy(pool);
}

Test(wait, the_same_future_many_times_counts_each_time)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *one = hold_worker(pool, &gate), *futures[3] = { one, one, one };
    size_t done = 77;
    cr_assert_eq(filch_wait(futures, 3, FILCH_FIRST_COMPLETED, 0, &done), -ETIMEDOUT);
    gate_open(&gate);
    for (int i = 0; i < MODES; i++) {
        cr_assert_eq(filch_wait(futures, 3, modes[i], FILCH_FOREVER, &done), 0);
        cr_assert_eq(done, 3);
    }
    filch_future_unref(one);
    filch_pool_destroy(pool);
}

/* ---- Inside tasks ---- */

struct waiting {
    filch_future *const *futures;
    size_t n, done;
    filch_wait_mode mode;
    int64_t timeout;
};

static int wait_inside(filch_task *self, void *arg)
{
    struct waiting *waiting = arg;
    (void)self;
    return filch_wait(waiting->futures, waiting->n, waiting->mode, waiting->timeout, &waiting->done);
}

Test(wait, inside_a_task_each_mode_works)
{
    filch_pool *pool = pool_of(1), *other = pool_of(2);
    for (int i = 0; i < MODES; i++) {
        struct gate gate = GATE;
        filch_future *futures[2] = { hold_worker(other, &gate), submit(other, fail_with_io, NULL) };
        struct waiting waiting = { futures, 2, 0, modes[i], FILCH_FOREVER };
        filch_future *waiter = submit(pool, wait_inside, &waiting);
        if (modes[i] == FILCH_ALL) {
            UNTIL(stats_of(pool).handoffs > 0);
            gate_open(&gate);
        }
        cr_assert_eq(filch_future_result(waiter, FILCH_FOREVER, NULL), 0);
        cr_assert_eq(waiting.done, modes[i] == FILCH_ALL ? 2 : 1);
        gate_open(&gate);
        cr_assert_eq(filch_join(futures, 2), 0);
        filch_future_unref(waiter);
        unref_all(futures, 2);
    }
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

Test(wait, inside_a_task_a_timeout_and_a_stop_end_each_mode)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct gate gate = GATE;
    filch_future *held = hold_worker(other, &gate);
    for (int i = 0; i < MODES; i++) {
        struct waiting waiting = { &held, 1, 77, modes[i], FILCH_MS(2) };
        filch_future *waiter = submit(pool, wait_inside, &waiting);
        cr_assert_eq(filch_future_result(waiter, FILCH_FOREVER, NULL), -ETIMEDOUT);
        cr_assert_eq(filch_future_state(waiter), FILCH_FAILED);
        cr_assert_eq(waiting.done, 0);
        filch_future_unref(waiter);

        filch_stop *stop = stop_under(NULL);
        uint64_t handoffs = stats_of(pool).handoffs;
        waiting.timeout = FILCH_FOREVER;
        waiter = submit_under(pool, wait_inside, &waiting, stop);
        UNTIL(stats_of(pool).handoffs > handoffs);
        filch_stop_request(stop, 0);
        cr_assert_eq(filch_future_result(waiter, FILCH_FOREVER, NULL), -ECANCELED);
        cr_assert_eq(filch_future_state(waiter), FILCH_STOPPED);
        filch_future_unref(waiter);
        filch_stop_unref(stop);
    }
    let_go(&gate, held);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

static int poll_sub(filch_task *self, void *ran)
{
    filch_future *sub = submit(filch_task_pool(self), count_up, ran);
    must(filch_future_wait(sub, 0) == -ETIMEDOUT);
    for (int i = 0; i < MODES; i++)
        must(filch_wait(&sub, 1, modes[i], 0, NULL) == -ETIMEDOUT);
    must(atomic_load((_Atomic int *)ran) == 0);
    filch_future_unref(sub);
    return 0;
}

Test(wait, inside_a_task_a_poll_does_not_run_what_it_asks_for)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    _Atomic int ran = 0;
    options.workers = 1;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    filch_future *future = submit(pool, poll_sub, (void *)&ran);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&ran), 1);
}

/* ---- filch_join() and filch_cancel_all() ---- */

static int join_inside(filch_task *self, void *held)
{
    must(filch_join((filch_future *[]) { held, NULL }, 2) == 0);
    must(filch_future_done(held));
    return filch_task_stopped(self) ? -ECANCELED : 0;
}

Test(wait, a_join_is_not_ended_by_a_stop)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct gate gate = GATE;
    filch_stop *stop = stop_under(NULL);
    filch_future *held = hold_worker(other, &gate), *joiner = submit_under(pool, join_inside, held, stop);
    UNTIL(stats_of(pool).handoffs == 1);
    filch_stop_request(stop, 0);
    cr_assert_eq(filch_future_wait(joiner, FILCH_MS(10)), -ETIMEDOUT);
    gate_open(&gate);
    cr_assert_eq(filch_future_result(joiner, FILCH_FOREVER, NULL), -ECANCELED);
    filch_future_unref(joiner);
    filch_future_unref(held); /* only now: the joiner had no reference of its own */
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

Test(wait, a_join_passes_over_what_is_not_there)
{
    filch_pool *pool = pool_of(2);
    filch_future *futures[4] = { NULL, submit(pool, fail_with_io, NULL), NULL, submit(pool, do_nothing, NULL) };
    cr_assert_eq(filch_join(futures, 4), 0);
    cr_assert(filch_future_done(futures[1]) && filch_future_done(futures[3]));
    cr_assert_eq(filch_join(NULL, 0), 0);
    unref_all(futures, 4);
    filch_pool_destroy(pool);
}

Test(wait, cancel_all_counts_those_that_are_cancelled)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *futures[5] = { hold_worker(pool, &gate), NULL };
    for (int i = 2; i < 5; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    cr_assert(filch_future_cancel(futures[2]));
    cr_assert_eq(filch_cancel_all(futures, 5), 3);
    cr_assert_eq(filch_cancel_all(NULL, 0), 0);
    gate_open(&gate);
    unref_all(futures, 5);
    filch_pool_destroy(pool);
}

/* ---- filch_sleep() ---- */

Test(wait, a_sleep_lasts_as_long_as_it_says)
{
    int64_t begun = filchi_os_now();
    cr_assert_eq(filch_sleep(FILCH_MS(20)), 0);
    cr_assert_geq(filchi_os_now() - begun, FILCH_MS(20));
    cr_assert_eq(filch_sleep(0), 0);
}

static int sleep_long(filch_task *self, void *started)
{
    (void)self;
    event_signal(started);
    return filch_sleep(FILCH_SECONDS(3600));
}

Test(wait, a_sleep_in_a_task_ends_at_its_stop)
{
    filch_pool *pool = pool_of(2);
    struct event started = EVENT;
    filch_stop *stop = stop_under(NULL);
    filch_future *futures[2] = { submit_under(pool, sleep_long, &started, stop),
                                 submit_under(pool, sleep_long, &started, stop) };
    event_await_count(&started, 2);
    filch_stop_request(stop, 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(filch_future_result(futures[i], FILCH_FOREVER, NULL), -ECANCELED);
        cr_assert_eq(filch_future_state(futures[i]), FILCH_STOPPED);
    }
    unref_all(futures, 2);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

static int sleep_stopped(filch_task *self, void *arg)
{
    (void)arg;
    filch_stop_request(filch_task_stop(self), 0);
    must(filch_sleep(FILCH_FOREVER) == -ECANCELED);
    must(filch_sleep(0) == -ECANCELED);
    return -ECANCELED;
}

Test(wait, a_stopped_task_does_not_fall_asleep)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, sleep_stopped, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}
