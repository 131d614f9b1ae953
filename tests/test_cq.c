/* SPDX-License-Identifier: MIT */
/* Completion queues: what comes, when, and what the descriptor says of it. Refusals, forks and ends: test_cq_edges.c. */
#include "cq_support.h"

#include <sys/epoll.h>

SUITE(cq);

/* ---- What comes ---- */

Test(cq, a_task_that_is_final_makes_the_descriptor_readable_until_it_is_drained)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    cr_assert_not(is_readable(cq));
    must(filch_cq_submit(cq, pool, return_arg, (void *)7, NULL, (void *)70) == 0);
    cr_assert(is_readable_soon(cq));
    filch_cq_entry entry = drain_one(cq);
    void *result = NULL;
    cr_assert_eq(filch_future_result(entry.future, 0, &result), 0);
    cr_assert_eq(result, (void *)7);
    cr_assert_eq(entry.tag, (void *)70);
    filch_future_unref(entry.future);
    cr_assert_eq(filch_cq_drain(cq, &entry, 1), 0);
    await_quiet(cq);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, futures_come_in_completion_order)
{
    enum { N = 5 };
    static const int order[N] = { 3, 0, 4, 2, 1 };
    filch_pool *pool = pool_of(N);
    filch_cq *cq = new_cq();
    struct gate gates[N];
    for (int i = 0; i < N; i++) {
        gates[i] = (struct gate)GATE;
        must(filch_cq_submit(cq, pool, pass_gate, &gates[i], NULL, &gates[i]) == 0);
        event_await(&gates[i].started);
    }
    for (int i = 0; i < N; i++) {
        cr_assert_eq(filch_cq_pending(cq), (size_t)(N - i));
        gate_open(&gates[order[i]]);
        filch_cq_entry entry = await_one(cq);
        cr_assert_eq(entry.tag, &gates[order[i]]);
        filch_future_unref(entry.future);
    }
    cr_assert_eq(filch_cq_pending(cq), 0);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, a_future_that_is_final_comes_at_once)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_future *futures[2] = { submit(pool, fail_with_io, NULL), submit(pool, do_nothing, NULL) };
    must(filch_join(futures, 2) == 0);
    for (int i = 0; i < 2; i++) {
        must(filch_cq_add(cq, futures[i], NULL) == 0);
        cr_assert(is_readable(cq));
        filch_cq_entry entry = drain_one(cq);
        cr_assert_eq(entry.future, futures[i]);
        filch_future_unref(entry.future);
        cr_assert_eq(filch_cq_pending(cq), 0);
    }
    unref_all(futures, 2);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, a_future_comes_once_for_each_time_that_it_was_added)
{
    enum { TIMES = 64 };
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq(), *other = new_cq();
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    for (uintptr_t i = 0; i < TIMES; i++)
        must(filch_cq_add(cq, future, (void *)i) == 0);
    must(filch_cq_add(other, future, NULL) == 0);
    let_go(&gate, future);
    filch_pool_destroy(pool);
    filch_cq_entry entries[TIMES + 1];
    cr_assert_eq(filch_cq_drain(cq, entries, TIMES + 1), TIMES);
    for (uintptr_t i = 0; i < TIMES; i++) {
        cr_assert_eq(entries[i].future, future);
        cr_assert_eq(entries[i].tag, (void *)i, "in the order in which they were added");
        filch_future_unref(entries[i].future);
    }
    filch_cq_entry entry = drain_one(other);
    filch_future_unref(entry.future);
    filch_cq_destroy(other);
    filch_cq_destroy(cq);
}

Test(cq, a_task_that_is_cancelled_comes_with_the_cancel)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *future = submit(pool, do_nothing, NULL);
    must(filch_cq_add(cq, future, NULL) == 0);
    cr_assert_not(is_readable(cq));
    must(filch_future_cancel(future));
    cr_assert(is_readable(cq));
    filch_cq_entry entry = drain_one(cq);
    cr_assert_eq(filch_future_state(entry.future), FILCH_CANCELLED);
    filch_future_unref(entry.future);
    filch_future_unref(future);
    let_go(&gate, holder);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

static int fail_twice(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) < 3 ? -EIO : 0;
}

Test(cq, what_the_options_ask_for_is_so)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    retry.interval_ns = 0;
    options.name = "third time lucky";
    options.retry = &retry;
    options.start_at_ns = filch_now() + FILCH_MS(1);
    must(filch_cq_submit(cq, pool, fail_twice, NULL, &options, NULL) == 0);
    filch_cq_entry entry = await_one(cq);
    cr_assert_eq(filch_future_state(entry.future), FILCH_DONE);
    cr_assert_eq(filch_future_attempts(entry.future), 3);
    cr_assert_str_eq(filch_future_name(entry.future), "third time lucky");
    filch_future_unref(entry.future);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, a_stop_brings_those_that_wait_for_their_time)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.stop = stop_under(NULL);
    options.start_at_ns = INT64_MAX;
    must(filch_cq_submit(cq, pool, do_nothing, NULL, &options, NULL) == 0);
    filch_stop_request(options.stop, -EPIPE);
    filch_cq_entry entry = await_one(cq);
    cr_assert_eq(filch_future_state(entry.future), FILCH_STOPPED);
    filch_future_unref(entry.future);
    filch_stop_unref(options.stop);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

static int submit_ten(filch_task *self, void *cq)
{
    for (uintptr_t i = 0; i < 10; i++)
        must(filch_cq_submit(cq, filch_task_pool(self), return_arg, (void *)i, NULL, (void *)i) == 0);
    return 0;
}

Test(cq, tasks_submit_to_it_too)
{
    filch_pool *pool = pool_of(2);
    filch_cq *cq = new_cq();
    filch_future *future = submit(pool, submit_ten, cq);
    must(filch_join(&future, 1) == 0);
    filch_future_unref(future);
    filch_pool_destroy(pool); /* whose tasks the queue outlives */
    bool seen[10] = { false };
    for (int i = 0; i < 10; i++) {
        filch_cq_entry entry = drain_one(cq);
        void *result = NULL;
        must(filch_future_result(entry.future, 0, &result) == 0 && result == entry.tag);
        cr_assert_not(seen[(uintptr_t)result]);
        seen[(uintptr_t)result] = true;
        filch_future_unref(entry.future);
    }
    filch_cq_destroy(cq);
}

/* ---- What the descriptor says ---- */

Test(cq, a_burst_is_signalled_once)
{
    enum { N = 1000 };
    filch_pool *pool = pool_of(2);
    filch_cq *cq = new_cq();
    add_burst(cq, pool, N);
    cr_assert_eq(signals_of(cq), 1);
    filch_cq_entry entries[64];
    for (size_t left = N; left > 0;) {
        cr_assert_eq(signals_of(cq), 1, "a batch of many resets nothing");
        size_t n = filch_cq_drain(cq, entries, 64);
        cr_assert_eq(n, left < 64 ? left : 64);
        unref_entries(entries, n);
        left -= n;
    }
    cr_assert_eq(signals_of(cq), 0, "that which found it empty did");
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, each_burst_is_signalled)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_cq_entry entries[8];
    for (int round = 0; round < 100; round++) {
        add_burst(cq, pool, 7);
        cr_assert_eq(signals_of(cq), 1);
        cr_assert_eq(filch_cq_drain(cq, entries, 8), 7);
        unref_entries(entries, 7);
        cr_assert_eq(signals_of(cq), 0);
    }
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, a_batch_that_takes_the_last_resets_it_though_it_is_full)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_cq_entry entries[4];
    for (int round = 0; round < 3; round++) {
        add_burst(cq, pool, 4);
        cr_assert_eq(filch_cq_drain(cq, entries, 4), 4);
        unref_entries(entries, 4);
        cr_assert_eq(signals_of(cq), 0);
        cr_assert_eq(filch_cq_drain(cq, entries, 4), 0);
    }
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, a_drain_that_nothing_was_signalled_for_reads_nothing)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_cq_entry entries[4];
    add_burst(cq, pool, 2);
    unref_entries(entries, filch_cq_drain(cq, entries, 4));
    filchi_os_event_signal(filch_cq_fd(cq)); /* which a read would take */
    cr_assert_eq(filch_cq_drain(cq, entries, 4), 0);
    cr_assert_eq(signals_of(cq), 1);
    add_burst(cq, pool, 5);
    cr_assert_eq(filch_cq_drain(cq, entries, 4), 4);
    unref_entries(entries, 4);
    cr_assert_eq(signals_of(cq), 2, "nor one that leaves something behind");
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, a_drain_of_none_takes_none)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_cq_entry entry;
    add_burst(cq, pool, 1);
    cr_assert_eq(filch_cq_drain(cq, NULL, 0), 0);
    cr_assert(is_readable(cq));
    cr_assert_eq(filch_cq_drain(cq, &entry, 1), 1);
    unref_entries(&entry, 1);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

/* ---- Loops ---- */

static int epoll_of(const filch_cq *cq, uint32_t events)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = events };
    must(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, filch_cq_fd(cq), &event) == 0);
    return epoll;
}

static int next_event(int epoll, int timeout_ms)
{
    struct epoll_event event;
    int n;
    while ((n = epoll_wait(epoll, &event, 1, timeout_ms)) < 0)
        must(errno == EINTR);
    return n;
}

Test(cq, a_level_triggered_loop_may_drain_as_little_as_it_likes)
{
    enum { N = 100 };
    filch_pool *pool = pool_of(2);
    filch_cq *cq = new_cq();
    int epoll = epoll_of(cq, EPOLLIN);
    for (int i = 0; i < N; i++)
        must(filch_cq_submit(cq, pool, do_nothing, NULL, NULL, NULL) == 0);
    for (int got = 0; got < N;) {
        cr_assert_eq(next_event(epoll, -1), 1);
        filch_cq_entry entry;
        size_t n = filch_cq_drain(cq, &entry, 1);
        unref_entries(&entry, n);
        got += (int)n;
    }
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    await_quiet(cq);
    cr_assert_eq(next_event(epoll, 0), 0);
    close(epoll);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

/* Until fewer come than asked for. */
static int drain_all(filch_cq *cq, size_t at_once)
{
    filch_cq_entry entries[8];
    int got = 0;
    for (size_t n = at_once; n == at_once; got += (int)n) {
        n = filch_cq_drain(cq, entries, at_once);
        unref_entries(entries, n);
    }
    return got;
}

Test(cq, an_edge_triggered_loop_is_told_of_each_burst)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    int epoll = epoll_of(cq, EPOLLIN | EPOLLET);
    for (int round = 0; round < 100; round++) {
        add_burst(cq, pool, 1 + round % 9);
        cr_assert_eq(next_event(epoll, -1), 1);
        cr_assert_eq(next_event(epoll, 0), 0);
        cr_assert_eq(drain_all(cq, 1 + (size_t)round % 4), 1 + round % 9);
    }
    close(epoll);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq, an_edge_triggered_loop_misses_nothing_that_comes_while_it_drains)
{
    enum { N = 20000, AHEAD = 40 };
    filch_pool *pool = pool_of(3);
    filch_cq *cq = new_cq();
    int epoll = epoll_of(cq, EPOLLIN | EPOLLET);
    int submitted = 0, got = 0;
    while (got < N) {
        for (; submitted < N && submitted - got < AHEAD; submitted++)
            must(filch_cq_submit(cq, pool, do_nothing, NULL, NULL, NULL) == 0);
        cr_assert_eq(next_event(epoll, -1), 1);
        got += drain_all(cq, 1 + (size_t)got % 8);
    }
    cr_assert_eq(got, N);
    close(epoll);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}
