/* SPDX-License-Identifier: MIT */
/* Futures in completion order, from outside of tasks: order, duplicates, timeouts, early ends. Inside: test_completed_inside.c. */
#include "os.h"
#include "support.h"

SUITE(completed);

static filch_completed *begin(filch_future *const *futures, size_t n, int64_t timeout_ns)
{
    filch_completed *completed = NULL;
    must(filch_completed_begin(&completed, futures, n, timeout_ns) == 0);
    return completed;
}

/* The next one; NULL at the end. */
static filch_future *next(filch_completed *completed)
{
    filch_future *future = NULL;
    int rc = filch_completed_next(completed, &future);
    must(rc == (future != NULL));
    return future;
}

/* ---- Order ---- */

Test(completed, futures_come_in_completion_order)
{
    enum { N = 5 };
    static const int order[N] = { 3, 0, 4, 2, 1 };
    filch_pool *pool = pool_of(N);
    struct gate gates[N];
    filch_future *futures[N];
    for (int i = 0; i < N; i++) {
        gates[i] = (struct gate)GATE;
        futures[i] = hold_worker(pool, &gates[i]);
    }
    filch_completed *completed = begin(futures, N, FILCH_FOREVER);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(filch_completed_unfinished(completed), (size_t)(N - i));
        gate_open(&gates[order[i]]);
        cr_assert_eq(next(completed), futures[order[i]]);
    }
    cr_assert_null(next(completed));
    cr_assert_eq(filch_completed_total(completed), N);
    filch_completed_end(completed);
    unref_all(futures, N);
    filch_pool_destroy(pool);
}

Test(completed, those_that_complete_before_anybody_looks_come_in_that_order_too)
{
    enum { N = 100 };
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *futures[N];
    for (int i = N; i-- > 0;) /* with one worker they complete in this order */
        futures[i] = submit(pool, do_nothing, NULL);
    filch_completed *completed = begin(futures, N, FILCH_FOREVER);
    let_go(&gate, holder);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    for (int i = N; i-- > 0;)
        cr_assert_eq(next(completed), futures[i]);
    cr_assert_null(next(completed));
    filch_completed_end(completed);
    unref_all(futures, N);
    filch_pool_destroy(pool);
}

Test(completed, those_that_are_final_already_come_first)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[3] = { hold_worker(pool, &gate), submit(pool, do_nothing, NULL),
                                 submit(pool, fail_with_io, NULL) };
    filch_future_wait(futures[1], FILCH_FOREVER);
    filch_future_wait(futures[2], FILCH_FOREVER);
    filch_completed *completed = begin(futures, 3, FILCH_FOREVER);
    cr_assert_eq(next(completed), futures[1]);
    cr_assert_eq(next(completed), futures[2]);
    gate_open(&gate);
    cr_assert_eq(next(completed), futures[0]);
    cr_assert_null(next(completed));
    cr_assert_null(next(completed), "the end stays the end");
    filch_completed_end(completed);
    unref_all(futures, 3);
    filch_pool_destroy(pool);
}

Test(completed, of_none_there_is_nothing_to_wait_for)
{
    filch_completed *completed = begin(NULL, 0, FILCH_FOREVER);
    cr_assert_null(next(completed));
    cr_assert_eq(filch_completed_total(completed), 0);
    filch_completed_cleanup(&completed);
    filch_completed_end(NULL);
}

Test(completed, no_future_is_an_error)
{
    filch_pool *pool = pool_of(1);
    filch_completed *completed = NULL;
    filch_future *futures[2] = { submit(pool, do_nothing, NULL), NULL };
    cr_assert_eq(filch_completed_begin(&completed, futures, 2, 0), -EINVAL);
    cr_assert_null(completed);
    filch_future_unref(futures[0]);
    filch_pool_destroy(pool);
}

/* ---- Duplicates and sharing ---- */

Test(completed, a_future_listed_twice_comes_once)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *a = hold_worker(pool, &gate), *b = submit(pool, do_nothing, NULL);
    filch_future *futures[6] = { a, b, a, a, b, a };
    filch_completed *completed = begin(futures, 6, FILCH_FOREVER);
    cr_assert_eq(filch_completed_total(completed), 2);
    gate_open(&gate);
    cr_assert_eq(next(completed), a);
    cr_assert_eq(next(completed), b);
    cr_assert_null(next(completed));
    filch_completed_end(completed);
    filch_future_unref(a);
    filch_future_unref(b);
    filch_pool_destroy(pool);
}

static void *wait_for_it(void *future)
{
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    return NULL;
}

Test(completed, a_future_may_be_in_two_iterators_and_three_waits_at_once)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    pthread_t waiters[3];
    filch_future *future = hold_worker(pool, &gate);
    filch_completed *one = begin(&future, 1, FILCH_FOREVER), *two = begin(&future, 1, FILCH_FOREVER);
    for (int i = 0; i < 3; i++)
        must(pthread_create(&waiters[i], NULL, wait_for_it, future) == 0);
    gate_open(&gate);
    cr_assert_eq(next(two), future);
    cr_assert_eq(next(one), future);
    for (int i = 0; i < 3; i++)
        pthread_join(waiters[i], NULL);
    filch_completed_end(one);
    filch_completed_end(two);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- Timeouts ---- */

Test(completed, a_timeout_tells_how_many_of_how_many_are_missing_and_may_be_tried_again)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[3] = { hold_worker(pool, &gate), submit(pool, do_nothing, NULL),
                                 submit(pool, do_nothing, NULL) };
    filch_future *future = NULL;
    filch_wait(futures + 1, 2, FILCH_ALL, FILCH_FOREVER, NULL);
    filch_completed *completed = begin(futures, 3, FILCH_MS(5));
    cr_assert_not_null(next(completed));
    cr_assert_not_null(next(completed));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(filch_completed_next(completed, &future), -ETIMEDOUT);
        cr_assert_null(future);
        cr_assert_eq(filch_completed_unfinished(completed), 1);
        cr_assert_eq(filch_completed_total(completed), 3);
    }
    gate_open(&gate);
    filch_future_wait(futures[0], FILCH_FOREVER);
    cr_assert_eq(next(completed), futures[0], "what is ready comes before any error");
    cr_assert_null(next(completed));
    filch_completed_end(completed);
    unref_all(futures, 3);
    filch_pool_destroy(pool);
}

Test(completed, the_timeout_is_for_the_whole_iteration)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate), *out;
    int64_t begun = filchi_os_now();
    filch_completed *completed = begin(&future, 1, FILCH_MS(30));
    cr_assert_eq(filch_completed_next(completed, &out), -ETIMEDOUT);
    cr_assert_geq(filchi_os_now() - begun, FILCH_MS(30));
    int64_t again = filchi_os_now();
    for (int i = 0; i < 100; i++)
        cr_assert_eq(filch_completed_next(completed, &out), -ETIMEDOUT);
    cr_assert_lt(filchi_os_now() - again, FILCH_MS(30) * 100, "it is not counted anew");
    filch_completed_end(completed);
    let_go(&gate, future);
    filch_pool_destroy(pool);
}

Test(completed, a_poll_delivers_what_is_ready_and_does_not_wait)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *futures[2] = { submit(pool, do_nothing, NULL), NULL }, *out = NULL;
    filch_future_wait(futures[0], FILCH_FOREVER);
    futures[1] = hold_worker(pool, &gate);
    filch_completed *completed = begin(futures, 2, 0);
    cr_assert_eq(next(completed), futures[0]);
    cr_assert_eq(filch_completed_next(completed, &out), -ETIMEDOUT);
    filch_completed_end(completed);
    gate_open(&gate);
    unref_all(futures, 2);
    filch_pool_destroy(pool);
}

/* ---- Early ends ---- */

Test(completed, an_iteration_may_end_at_every_point)
{
    enum { N = 6 };
    for (int taken = 0; taken <= N; taken++) {
        filch_pool *pool = pool_of(2);
        struct gate gate = GATE;
        filch_future *futures[N];
        for (int i = 0; i < N / 2; i++)
            futures[i] = submit(pool, do_nothing, NULL);
        filch_wait(futures, N / 2, FILCH_ALL, FILCH_FOREVER, NULL);
        for (int i = N / 2; i < N; i++)
            futures[i] = submit(pool, pass_gate, &gate);
        filch_completed *completed = begin(futures, N, FILCH_FOREVER);
        for (int i = 0; i < taken; i++) {
            if (i >= N / 2)
                gate_open(&gate);
            cr_assert_not_null(next(completed));
        }
        filch_completed_end(completed);
        gate_open(&gate);
        unref_all(futures, N); /* nothing of the iteration may be left in them */
        filch_pool_destroy(pool);
    }
}

Test(completed, an_end_and_completions_race_and_both_are_safe)
{
    enum { N = 20 };
    filch_pool *pool = pool_of(2);
    for (int round = 0; round < 2000; round++) {
        filch_future *futures[N];
        for (int i = 0; i < N; i++)
            futures[i] = submit(pool, do_nothing, NULL);
        filch_completed *completed = begin(futures, N, FILCH_FOREVER);
        for (int i = 0; i < round % N; i++)
            cr_assert_not_null(next(completed));
        filch_completed_end(completed);
        unref_all(futures, N);
    }
    filch_pool_destroy(pool);
}

Test(completed, futures_may_be_let_go_once_they_were_delivered)
{
    enum { N = 1000 };
    filch_pool *pool = pool_of(2);
    filch_future *futures[N], *future;
    for (int i = 0; i < N; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    filch_completed *completed = begin(futures, N, FILCH_FOREVER);
    while ((future = next(completed)))
        filch_future_unref(future);
    filch_completed_end(completed);
    filch_pool_destroy(pool);
}

/* ---- Cancellation is a completion ---- */

static void cancel_the_next(filch_future *future, void *victim)
{
    (void)future;
    filch_future_cancel(victim);
}

Test(completed, callbacks_may_cancel_others_during_the_iteration)
{
    enum { N = 100 };
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *futures[N];
    size_t states[7] = { 0 }, n = 0;
    for (int i = 0; i < N; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    for (int i = 0; i + 1 < N; i += 2) /* every second one is cancelled by the one before it */
        must(filch_future_on_done(futures[i], cancel_the_next, futures[i + 1]) == 0);
    filch_completed *completed = begin(futures, N, FILCH_FOREVER);
    let_go(&gate, holder);
    for (filch_future *future; (future = next(completed)); n++)
        states[filch_future_state(future)]++;
    cr_assert_eq(n, N);
    cr_assert_eq(states[FILCH_DONE], N / 2);
    cr_assert_eq(states[FILCH_CANCELLED], N / 2);
    filch_completed_end(completed);
    unref_all(futures, N);
    filch_pool_destroy(pool);
}

Test(completed, a_set_of_done_running_and_pending_ends_after_a_shutdown_that_cancels)
{
    enum { N = 30 };
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[N];
    size_t n = 0;
    for (int i = 0; i < 10; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    filch_wait(futures, 10, FILCH_ALL, FILCH_FOREVER, NULL);
    for (int i = 10; i < N; i++)
        futures[i] = submit(pool, pass_gate, &gate);
    event_await_count(&gate.started, 2);
    filch_completed *completed = begin(futures, N, FILCH_FOREVER);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    gate_open(&gate);
    while (next(completed))
        n++;
    cr_assert_eq(n, N);
    filch_completed_end(completed);
    unref_all(futures, N);
    filch_pool_destroy(pool);
}

/* ---- Cost ---- */

static int64_t ns_per_item(filch_pool *pool, size_t n)
{
    filch_future **futures = calloc(n, sizeof *futures);
    for (size_t i = 0; i < n; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    int64_t begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    filch_completed *completed = begin(futures, n, FILCH_FOREVER);
    while (next(completed))
        continue;
    filch_completed_end(completed);
    int64_t took = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun;
    unref_all(futures, n);
    free(futures);
    return took / (int64_t)n;
}

Test(completed, the_cost_of_an_item_does_not_grow_with_their_number)
{
    filch_pool *pool = pool_of(1);
    ns_per_item(pool, 1000);
    int64_t few = ns_per_item(pool, 1000), many = ns_per_item(pool, 100000);
    cr_assert_lt(many, 20 * few + FILCH_US(5), "%lld ns against %lld", (long long)many, (long long)few);
    filch_pool_destroy(pool);
}
