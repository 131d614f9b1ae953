/* SPDX-License-Identifier: MIT */
/* Many tasks submitted by one call. */
#include "os.h"
#include "support.h"

#include <sys/wait.h>
#include <unistd.h>

SUITE(submit_many);

enum { MANY = 100 };

static int twice(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(intptr_t)(2 * *(int *)arg));
}

/* Each future gives twice its number, and goes. */
static void check_results(filch_future **futures, int n)
{
    for (int i = 0; i < n; i++) {
        void *result = NULL;
        must(filch_future_result(futures[i], -1, &result) == 0);
        must((intptr_t)result == 2 * i);
        filch_future_unref(futures[i]);
    }
}

Test(submit_many, each_task_gets_its_argument_and_has_its_future)
{
    filch_pool *pool = pool_of(2);
    int args[MANY];
    filch_future *futures[MANY];
    for (int i = 0; i < MANY; i++)
        args[i] = i;
    cr_assert_eq(filch_submit_many(pool, twice, args, sizeof args[0], MANY, futures), 0);
    check_results(futures, MANY);
    filch_pool_destroy(pool);
}

static int submit_sub_tasks(filch_task *self, void *arg)
{
    int *args = arg;
    filch_future *futures[MANY];
    must(filch_submit_many(filch_task_pool(self), twice, args, sizeof args[0], MANY, futures) == 0);
    check_results(futures, MANY);
    return 0;
}

Test(submit_many, sub_tasks_run_with_one_worker)
{
    filch_pool *pool = pool_of(1);
    int args[MANY];
    filch_future *main_task;
    for (int i = 0; i < MANY; i++)
        args[i] = i;
    cr_assert_eq(filch_submit(pool, submit_sub_tasks, args, &main_task), 0);
    cr_assert_eq(filch_future_result(main_task, -1, NULL), 0);
    filch_future_unref(main_task);
    filch_pool_destroy(pool);
}

static int order[2 * MANY + 2];
static int n_ordered;

static int note_order(filch_task *self, void *arg)
{
    (void)self;
    order[n_ordered++] = (int)(intptr_t)arg;
    return 0;
}

Test(submit_many, tasks_from_outside_start_in_their_order_with_one_worker)
{
    filch_pool *pool = pool_of(1);
    cr_assert_eq(filch_submit(pool, note_order, (void *)0, NULL), 0);
    cr_assert_eq(filch_submit_many(pool, note_order, (void *)1, 1, 2 * MANY, NULL), 0, "numbers as arguments");
    cr_assert_eq(filch_submit(pool, note_order, (void *)(2 * MANY + 1), NULL), 0);
    filch_pool_destroy(pool);
    cr_assert_eq(n_ordered, 2 * MANY + 2);
    for (int i = 0; i < n_ordered; i++)
        cr_assert_eq(order[i], i);
}

/* Producers that take turns: each submits the next numbers, singly or together, and hands the turn on. */
enum { PRODUCERS = 3, TURNS = 300 };

struct relay {
    filch_pool *pool;
    _Atomic unsigned turn, arrived;
    uintptr_t next; /* who has the turn */
};

static int next_expected;
static bool out_of_order;

static int expect_next(filch_task *self, void *arg)
{
    (void)self;
    out_of_order |= (int)(intptr_t)arg != next_expected++;
    return 0;
}

static void *take_turns(void *arg)
{
    struct relay *relay = arg;
    unsigned me = atomic_fetch_add(&relay->arrived, 1);
    for (unsigned i = 0; i < TURNS; i++) {
        while (atomic_load(&relay->turn) % PRODUCERS != me)
            sched_yield();
        size_t n = (i + me) % 4 ? 1 : 1 + i % 30;
        void *first = (void *)relay->next;
        must((n == 1 ? filch_submit(relay->pool, expect_next, first, NULL)
                     : filch_submit_many(relay->pool, expect_next, first, 1, n, NULL)) == 0);
        relay->next += n;
        atomic_fetch_add(&relay->turn, 1);
    }
    return NULL;
}

Test(submit_many, what_one_producer_submits_after_another_starts_after_it)
{
    struct relay relay = { .pool = pool_of(1) };
    pthread_t producers[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++)
        must(pthread_create(&producers[i], NULL, take_turns, &relay) == 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    filch_pool_destroy(relay.pool);
    cr_assert_not(out_of_order);
    cr_assert_eq((uintptr_t)next_expected, relay.next);
}

Test(submit_many, none_is_no_error)
{
    filch_pool *pool = pool_of(1);
    cr_assert_eq(filch_submit_many(pool, twice, NULL, 0, 0, NULL), 0);
    cr_assert_eq(filch_submit_many(NULL, twice, NULL, 0, 1, NULL), -EINVAL);
    cr_assert_eq(filch_submit_many(pool, NULL, NULL, 0, 1, NULL), -EINVAL);
    cr_assert_eq(filch_submit_many(pool, twice, NULL, 0, SIZE_MAX / 2, NULL), -ENOMEM);
    filch_pool_destroy(pool);
}

static void expect_refusal(filch_pool *pool, int code)
{
    int arg = 0;
    filch_future *const something = (filch_future *)(void *)&arg;
    filch_future *futures[3] = { something, something, something };
    must(filch_submit_many(pool, twice, &arg, 0, 3, futures) == code);
    for (int i = 0; i < 3; i++)
        must(!futures[i]);
}

Test(submit_many, no_pool_takes_none)
{
    expect_refusal(NULL, -EINVAL);
}

Test(submit_many, in_a_forked_child_the_old_pool_takes_none)
{
    filch_pool *pool = pool_of(1);
    pid_t child = fork();
    if (child == 0) {
        expect_refusal(pool, -EOWNERDEAD);
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    filch_pool_destroy(pool);
}

Test(submit_many, a_closed_pool_takes_none)
{
    filch_pool *pool = pool_of(1);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, -1, NULL), 0);
    expect_refusal(pool, -ESHUTDOWN);
    filch_pool_destroy(pool);
}

static int expect_refusal_inside(filch_task *self, void *arg)
{
    (void)arg;
    filch_pool *pool = filch_task_pool(self);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    expect_refusal(pool, -ESHUTDOWN);
    return 0;
}

Test(submit_many, a_closed_pool_starts_no_thread_for_any)
{
    filch_pool *pool = pool_of(1);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, -1, NULL), 0);
    expect_refusal(pool, -ESHUTDOWN);
    cr_assert_eq(filch_submit(pool, do_nothing, NULL, NULL), -ESHUTDOWN);
    cr_assert_eq(stats_of(pool).threads_peak, 0);
    filch_pool_destroy(pool);
}

Test(submit_many, a_task_of_a_pool_that_cancels_submits_none)
{
    filch_pool *pool = pool_of(1);
    cr_assert_eq(filch_submit(pool, expect_refusal_inside, NULL, NULL), 0);
    filch_pool_destroy(pool);
}

/* Fails as long as the nth allocation fails; then all run. How many there were. */
static long submit_with_faults(filch_pool *pool, atomic_int *runs, size_t n)
{
    for (long nth = 1;; nth++) {
        atomic_store(&filchi_os_faults.allocations, nth);
        int rc = filch_submit_many(pool, count_up, runs, 0, n, NULL);
        bool failed = atomic_exchange(&filchi_os_faults.allocations, 0) == 0;
        must(rc == (failed ? -ENOMEM : 0));
        if (!failed)
            return nth - 1;
    }
}

Test(submit_many, without_memory_none_is_submitted)
{
    filch_pool *pool = pool_of(1);
    atomic_int runs = 0;
    const size_t n = 5000;                                /* arenas and segments are needed */
    filch_future *first = submit(pool, do_nothing, NULL); /* there is a thread from now on */
    cr_assert_eq(filch_future_wait(first, -1), 0);
    filch_future_unref(first);
    cr_assert_gt(submit_with_faults(pool, &runs, n), 3);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), (int)n);
}

static int submit_with_faults_inside(filch_task *self, void *arg)
{
    return submit_with_faults(filch_task_pool(self), arg, 5000) > 2 ? 0 : -EINVAL;
}

Test(submit_many, inside_a_task_without_memory_none_is_submitted)
{
    filch_pool *pool = pool_of(1);
    atomic_int runs = 0;
    filch_future *main_task;
    cr_assert_eq(filch_submit(pool, submit_with_faults_inside, &runs, &main_task), 0);
    cr_assert_eq(filch_future_result(main_task, -1, NULL), 0);
    filch_future_unref(main_task);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 5000);
}

Test(submit_many, a_full_pool_says_which_it_took)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    options.capacity = 3;
    options.overflow = FILCH_REJECT;
    filch_pool *pool;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    struct gate gate = GATE;
    filch_future *held = hold_worker(pool, &gate);
    filch_future *futures[5];
    int arg = 0;
    cr_assert_eq(filch_submit_many(pool, twice, &arg, 0, 5, futures), -ENOBUFS);
    let_go(&gate, held);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(futures[i] != NULL, i < 3);
        if (futures[i])
            cr_assert_eq(filch_future_result(futures[i], -1, NULL), 0);
        filch_future_unref(futures[i]);
    }
    filch_pool_destroy(pool);
}

static int submit_under_stop(filch_task *self, void *arg)
{
    atomic_int *runs = arg;
    filch_future *futures[MANY];
    must(filch_submit_many(filch_task_pool(self), count_up, runs, 0, MANY, futures) == 0);
    filch_stop_request(filch_task_stop(self), -ECANCELED);
    for (int i = 0; i < MANY; i++) {
        must(filch_join(&futures[i], 1) == 0);
        must(filch_future_state(futures[i]) == FILCH_STOPPED);
        filch_future_unref(futures[i]);
    }
    return 0;
}

Test(submit_many, sub_tasks_have_the_stop_of_their_task)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop;
    cr_assert_eq(filch_stop_create(&stop, NULL), 0);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.stop = stop;
    atomic_int runs = 0;
    filch_future *main_task;
    cr_assert_eq(filch_submit_with(pool, submit_under_stop, &runs, &options, &main_task), 0);
    cr_assert_eq(filch_future_result(main_task, -1, NULL), 0);
    cr_assert_eq(atomic_load(&runs), 0);
    filch_future_unref(main_task);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}
