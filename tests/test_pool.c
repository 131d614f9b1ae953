/* SPDX-License-Identifier: MIT */
/* Pools: their threads, how many tasks run at once, what idling costs, statistics, and pools beside and inside others. */
#include "os.h"
#include "support.h"

#include <signal.h>

SUITE(pool);

/* ---- Threads ---- */

Test(pool, no_thread_is_started_before_the_first_submit)
{
    filch_pool *pool = pool_of(4);
    pid_t tids[8];
    cr_assert_eq(threads_named("filch-", tids, 8), 0);
    cr_assert_eq(stats_of(pool).threads, 0);
    filch_future *future = submit(pool, do_nothing, NULL);
    filch_future_wait(future, FILCH_FOREVER);
    cr_assert_eq(stats_of(pool).threads, 1, "one task needs one thread");
    filch_future_unref(future);
    filch_pool_destroy(pool);
    UNTIL(threads_named("filch-", tids, 8) == 0); /* joined, a thread may be seen for another moment */
}

static filch_pool *pool_called(const char *name, unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.name = name;
    options.workers = workers;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

Test(pool, its_threads_carry_its_name)
{
    filch_pool *pool = pool_called("fetch", 3), *other = pool_called("a name of great length", 1);
    struct gate gate = GATE;
    filch_future *futures[4] = { hold_worker(other, &gate), NULL, NULL, NULL };
    pid_t tids[8];
    for (int i = 1; i < 4; i++)
        futures[i] = hold_worker(pool, &gate);
    cr_assert_eq(threads_named("fetch-", tids, 8), 3);
    cr_assert_eq(threads_named("a name of", tids, 8), 1);
    gate_open(&gate);
    unref_all(futures, 4);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

Test(pool, its_threads_block_every_asynchronous_signal)
{
    filch_pool *pool = pool_called("quiet", 1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    pid_t tid = 0;
    char mask[64];
    cr_assert_eq(threads_named("quiet-", &tid, 1), 1);
    cr_assert(read_of_thread(tid, "status", "SigBlk:\t", mask, sizeof mask));
    uint64_t blocked = strtoull(mask, NULL, 16);
    for (int number = 1; number <= SIGRTMAX; number++) {
        bool synchronous = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
                           number == SIGTRAP || number == SIGSYS;
        bool unblockable = number == SIGKILL || number == SIGSTOP || (number > 31 && number < SIGRTMIN);
        if (!unblockable)
            cr_assert_eq(blocked >> (number - 1) & 1, !synchronous, "signal %d", number);
    }
    let_go(&gate, future);
    filch_pool_destroy(pool);
}

static _Atomic int interrupts;

static void count_interrupt(int number)
{
    (void)number;
    atomic_fetch_add(&interrupts, 1);
}

static int send_signal(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return kill(getpid(), SIGUSR1) ? -errno : 0;
}

Test(pool, signals_of_the_process_reach_the_threads_of_the_program)
{
    filch_pool *pool = pool_of(1);
    signal(SIGUSR1, count_interrupt);
    filch_future *future = submit(pool, send_signal, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    UNTIL(atomic_load(&interrupts) == 1);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(pool, a_pool_with_nothing_to_do_uses_no_cpu)
{
    filch_pool *pools[4];
    for (unsigned i = 0; i < 4; i++) {
        struct gate gate = GATE;
        filch_future *futures[16];
        unsigned workers = i == 3 ? 16 : i + 1;
        pools[i] = pool_of(workers);
        for (unsigned j = 0; j < workers; j++)
            futures[j] = hold_worker(pools[i], &gate);
        gate_open(&gate);
        must(filch_join(futures, workers) == 0);
        unref_all(futures, workers);
        UNTIL(stats_of(pools[i]).idle == workers);
    }
    struct timespec second = { 1, 0 };
    int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    nanosleep(&second, NULL); /* what is waited for is that time passes */
    int64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
    cr_assert_lt(used, FILCH_MS(1), "%lld ns", (long long)used);
    for (int i = 0; i < 4; i++)
        filch_pool_destroy(pools[i]);
}

/* ---- Concurrency ---- */

struct crowd {
    _Atomic unsigned now, most;
    struct event arrived, leave;
};

static int join_crowd(filch_task *self, void *arg)
{
    struct crowd *crowd = arg;
    (void)self;
    unsigned now = 1 + atomic_fetch_add(&crowd->now, 1), most = atomic_load(&crowd->most);
    while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
        continue;
    event_signal(&crowd->arrived);
    event_await(&crowd->leave);
    atomic_fetch_sub(&crowd->now, 1);
    return 0;
}

static void expect_crowd_of(unsigned workers)
{
    filch_pool *pool = pool_of(workers);
    struct crowd crowd = { .arrived = EVENT, .leave = EVENT };
    filch_future *futures[100];
    for (int i = 0; i < 100; i++)
        futures[i] = submit(pool, join_crowd, &crowd);
    event_await_count(&crowd.arrived, workers); /* all workers run at once */
    event_signal(&crowd.leave);
    must(filch_join(futures, 100) == 0);
    cr_assert_eq(atomic_load(&crowd.most), workers);
    cr_assert_eq(filch_pool_workers(pool), workers);
    cr_assert_leq(stats_of(pool).threads_peak, workers);
    unref_all(futures, 100);
    filch_pool_destroy(pool);
}

Test(pool, as_many_tasks_run_at_once_as_there_are_workers_and_no_more)
{
    expect_crowd_of(1);
    expect_crowd_of(2);
    expect_crowd_of(3);
    expect_crowd_of(16);
}

Test(pool, by_default_there_are_the_default_workers)
{
    filch_pool *pool = NULL;
    cr_assert_eq(filch_pool_create(&pool, NULL), 0);
    cr_assert_eq(filch_pool_workers(pool), filch_default_workers());
    cr_assert_eq(stats_of(pool).workers, filch_default_workers());
    filch_pool_destroy(pool);
}

/* ---- Work wakes those who sleep ---- */

Test(pool, a_task_submitted_to_a_sleeping_pool_runs)
{
    static const unsigned workers[] = { 1, 2, 16 };
    for (int i = 0; i < 3; i++) {
        filch_pool *pool = pool_of(workers[i]);
        for (int round = 0; round < 1000; round++) {
            filch_future *future = submit(pool, do_nothing, NULL);
            must(filch_future_wait(future, FILCH_FOREVER) == 0);
            filch_future_unref(future);
            if (round % 10 == 0)
                UNTIL(stats_of(pool).idle == workers[i]);
        }
        filch_pool_destroy(pool);
    }
}

static int submit_gates(filch_task *self, void *gate)
{
    for (int i = 0; i < 3; i++)
        must(filch_submit(filch_task_pool(self), pass_gate, gate, NULL) == 0);
    event_await_count(&((struct gate *)gate)->started, 3);
    return 0;
}

Test(pool, sub_tasks_are_taken_by_idle_workers_while_their_parent_runs)
{
    filch_pool *pool = pool_of(4);
    struct gate gate = GATE;
    filch_future *future = submit(pool, submit_gates, &gate);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_geq(stats_of(pool).stolen, 3);
    gate_open(&gate);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- Statistics ---- */

Test(pool, statistics_count_what_was_submitted_and_finished)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[12] = { hold_worker(pool, &gate), hold_worker(pool, &gate) };
    for (int i = 2; i < 12; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    filch_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.submitted, 12);
    cr_assert_eq(stats.finished, 0);
    cr_assert_eq(stats.idle, 0);
    cr_assert_eq(stats.threads, 2);
    cr_assert(filch_future_cancel(futures[5]));
    gate_open(&gate);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    stats = stats_of(pool);
    cr_assert_eq(stats.submitted, 12);
    cr_assert_eq(stats.finished, 12, "a cancelled one is dealt with too");
    cr_assert_eq(stats.threads_failed, 0);
    unref_all(futures, 12);
    filch_pool_destroy(pool);
}

/* ---- Several pools ---- */

struct hop {
    filch_pool *there;
    int depth;
};

/* Goes back and forth between two pools. */
static int hop(filch_task *self, void *arg)
{
    const struct hop *here = arg;
    struct hop next = { filch_task_pool(self), here->depth - 1 };
    if (here->depth == 0)
        return 0;
    filch_future *future = submit(here->there, hop, &next);
    must(filch_task_current() == self);
    int rc = filch_future_result(future, FILCH_FOREVER, NULL);
    filch_future_unref(future);
    return rc;
}

Test(pool, tasks_may_await_tasks_of_another_pool_that_await_tasks_of_theirs)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct hop first = { other, 50 };
    filch_future *futures[4];
    for (int i = 0; i < 4; i++)
        futures[i] = submit(pool, hop, &first);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(filch_future_result(futures[i], FILCH_FOREVER, NULL), 0);
    unref_all(futures, 4);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

static int use_a_pool_of_its_own(filch_task *self, void *arg)
{
    filch_pool *inner = pool_of(2);
    filch_future *futures[10];
    _Atomic int runs = 0;
    (void)self;
    (void)arg;
    for (int i = 0; i < 10; i++)
        futures[i] = submit(inner, count_up, (void *)&runs);
    must(filch_wait(futures, 10, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    unref_all(futures, 10);
    must(filch_pool_destroy(inner) == 0);
    must(atomic_load(&runs) == 10);
    return 0;
}

Test(pool, a_task_may_have_a_pool_of_its_own)
{
    filch_pool *pool = pool_of(2);
    filch_future *futures[20];
    for (int i = 0; i < 20; i++)
        futures[i] = submit(pool, use_a_pool_of_its_own, NULL);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(filch_future_result(futures[i], FILCH_FOREVER, NULL), 0);
    unref_all(futures, 20);
    filch_pool_destroy(pool);
}

/* ---- Stops ---- */

static int tell_stop(filch_task *self, void *arg)
{
    (void)arg;
    return filch_return(self, filch_task_stop(self));
}

static int tell_stop_of_sub(filch_task *self, void *arg)
{
    filch_future *sub = submit(filch_task_pool(self), tell_stop, arg);
    void *stop = NULL;
    must(filch_future_result(sub, FILCH_FOREVER, &stop) == 0);
    must(filch_task_current() == self);
    filch_future_unref(sub);
    return filch_return(self, stop);
}

static void *result_of(filch_future *future)
{
    void *result = NULL;
    must(filch_future_result(future, FILCH_FOREVER, &result) == 0);
    filch_future_unref(future);
    return result;
}

Test(pool, a_task_has_the_stop_given_else_that_of_its_parent_else_the_pools)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_under(NULL);
    cr_assert_null(filch_task_current());
    cr_assert_eq(result_of(submit(pool, tell_stop, NULL)), filch_pool_stop(pool));
    cr_assert_eq(result_of(submit_under(pool, tell_stop, NULL, stop)), stop);
    cr_assert_eq(result_of(submit_under(pool, tell_stop_of_sub, NULL, stop)), stop);
    cr_assert_eq(result_of(submit(pool, tell_stop_of_sub, NULL)), filch_pool_stop(pool));
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

Test(pool, the_stop_given_to_a_pool_stops_it_and_not_the_reverse)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool, *other;
    struct event started = EVENT;
    options.stop = stop_under(NULL);
    options.workers = 1;
    must(filch_pool_create(&pool, &options) == 0);
    must(filch_pool_create(&other, &options) == 0);
    filch_stop_request(filch_pool_stop(other), 0);
    cr_assert_not(filch_stop_requested(options.stop));
    filch_future *future = submit(pool, run_until_stopped, &started);
    event_await(&started);
    filch_stop_request(options.stop, -EINTR);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    filch_stop_unref(options.stop);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}
