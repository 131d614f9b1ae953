/* SPDX-License-Identifier: MIT */
/* Callbacks and destructors: each exactly once, whatever becomes of the task. */
#include "os.h"
#include "support.h"

SUITE(callbacks);

/* ---- Callbacks ---- */

static struct {
    int n;
    intptr_t order[64];
    filch_state states[64];
    pthread_t thread;
} heard; /* by one thread at a time */

static void hear(filch_future *future, void *arg)
{
    heard.thread = pthread_self();
    heard.states[heard.n] = filch_future_state(future);
    heard.order[heard.n++] = (intptr_t)arg;
}

Test(callbacks, they_run_once_each_in_the_order_of_registration_on_the_completing_thread)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    for (intptr_t i = 0; i < 50; i++)
        cr_assert_eq(filch_future_on_done(future, hear, (void *)i), 0);
    cr_assert_eq(heard.n, 0);
    let_go(&gate, future);
    filch_pool_destroy(pool);
    cr_assert_eq(heard.n, 50);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(heard.order[i], i);
        cr_assert_eq(heard.states[i], FILCH_DONE);
    }
    cr_assert_not(pthread_equal(heard.thread, pthread_self()));
}

Test(callbacks, on_a_final_future_they_run_here_at_once)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fail_with_io, NULL);
    filch_future_wait(future, FILCH_FOREVER);
    cr_assert_eq(filch_future_on_done(future, hear, (void *)1), 0);
    cr_assert_eq(heard.n, 1);
    cr_assert_eq(heard.states[0], FILCH_FAILED);
    cr_assert(pthread_equal(heard.thread, pthread_self()));
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(callbacks, of_a_cancelled_task_they_run_on_the_cancelling_thread)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *future = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_future_on_done(future, hear, NULL), 0);
    cr_assert(filch_future_cancel(future));
    cr_assert_eq(heard.n, 1);
    cr_assert_eq(heard.states[0], FILCH_CANCELLED);
    cr_assert(pthread_equal(heard.thread, pthread_self()));
    cr_assert(filch_future_cancel(future));
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(heard.n, 1);
    filch_future_unref(future);
}

Test(callbacks, of_a_stopped_task_they_run_too)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_stop *stop = stop_under(NULL);
    filch_future *holder = hold_worker(pool, &gate), *future = submit_under(pool, do_nothing, NULL, stop);
    cr_assert_eq(filch_future_on_done(future, hear, NULL), 0);
    filch_stop_request(stop, 0);
    filch_stop_unref(stop);
    let_go(&gate, holder);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    cr_assert_eq(heard.n, 1);
    cr_assert_eq(heard.states[0], FILCH_STOPPED);
}

Test(callbacks, they_keep_a_future_that_everybody_else_let_go)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    cr_assert_eq(filch_future_on_done(future, hear, (void *)7), 0);
    filch_future_unref(future);
    gate_open(&gate);
    filch_pool_destroy(pool);
    cr_assert_eq(heard.n, 1);
    cr_assert_eq(heard.order[0], 7);
}

static void register_another(filch_future *future, void *arg)
{
    hear(future, arg);
    must(filch_future_on_done(future, hear, (void *)99) == 0);
}

Test(callbacks, a_callback_may_register_another_which_runs_at_once)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    filch_future_on_done(future, register_another, (void *)1);
    filch_future_on_done(future, hear, (void *)2);
    let_go(&gate, future);
    filch_pool_destroy(pool);
    cr_assert_eq(heard.n, 3);
    cr_assert_eq(heard.order[0], 1);
    cr_assert_eq(heard.order[1], 99);
    cr_assert_eq(heard.order[2], 2);
}

Test(callbacks, without_memory_none_is_registered)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filch_future_on_done(future, hear, NULL), -ENOMEM);
    let_go(&gate, future);
    filch_pool_destroy(pool);
    cr_assert_eq(heard.n, 0);
}

static _Atomic int runs;

static void submit_more(filch_future *future, void *arg)
{
    (void)future;
    must(filch_submit(arg, count_up, (void *)&runs, NULL) == 0);
}

Test(callbacks, a_callback_may_submit)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    cr_assert_eq(filch_future_on_done(future, submit_more, pool), 0);
    let_go(&gate, future);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 1);
}

struct tally {
    _Atomic int called;
};

static void tally(filch_future *future, void *arg)
{
    must(filch_future_done(future));
    atomic_fetch_add(&((struct tally *)arg)->called, 1);
}

Test(callbacks, registration_and_completion_race_and_each_is_called_once)
{
    enum { ROUNDS = 20000, EACH = 3 };
    filch_pool *pool = pool_of(2);
    struct tally *tallies = calloc(ROUNDS, sizeof *tallies);
    for (int i = 0; i < ROUNDS; i++) {
        filch_future *future = submit(pool, do_nothing, NULL);
        for (int j = 0; j < EACH; j++)
            must(filch_future_on_done(future, tally, &tallies[i]) == 0);
        filch_future_unref(future);
    }
    filch_pool_destroy(pool);
    for (int i = 0; i < ROUNDS; i++)
        cr_assert_eq(atomic_load(&tallies[i].called), EACH);
    free(tallies);
}

/* ---- Destructors ---- */

static _Atomic int args_freed, results_freed;

static void free_arg(void *arg)
{
    atomic_fetch_add(&args_freed, 1);
    free(arg);
}

static void free_result(void *result)
{
    atomic_fetch_add(&results_freed, 1);
    free(result);
}

static filch_future *submit_owning(filch_pool *pool, filch_fn *fn, filch_stop *stop)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future;
    options.arg_dtor = free_arg;
    options.stop = stop;
    must(filch_submit_with(pool, fn, malloc(16), &options, &future) == 0);
    return future;
}

static int return_owned(filch_task *self, void *arg)
{
    (void)arg;
    return filch_return_owned(self, malloc(32), free_result);
}

static int return_owned_twice(filch_task *self, void *arg)
{
    filch_return_owned(self, malloc(8), free_result);
    must(atomic_load(&results_freed) == 0);
    return_owned(self, arg);
    must(atomic_load(&results_freed) == 1);
    return 0;
}

static int return_owned_then_fail(filch_task *self, void *arg)
{
    return_owned(self, arg);
    return filch_fail(self, -EIO, "after all");
}

static int return_owned_then_unowned(filch_task *self, void *arg)
{
    return_owned(self, arg);
    return filch_return(self, NULL);
}

/* Runs fn to its end and lets it go; expects that many results freed in all. */
static void expect_freed(filch_fn *fn, int results)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit_owning(pool, fn, NULL);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(atomic_load(&args_freed), 0, "not before the future is freed");
    filch_future_unref(future);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&args_freed), 1);
    cr_assert_eq(atomic_load(&results_freed), results);
}

Test(callbacks, an_owned_result_and_the_argument_are_freed_once_with_their_future)
{
    expect_freed(return_owned, 1);
}

Test(callbacks, a_result_set_twice_is_freed_twice)
{
    expect_freed(return_owned_twice, 2);
}

Test(callbacks, the_result_of_a_task_that_fails_is_freed)
{
    expect_freed(return_owned_then_fail, 1);
}

Test(callbacks, a_result_replaced_by_one_that_nobody_owns_is_freed)
{
    expect_freed(return_owned_then_unowned, 1);
}

Test(callbacks, the_argument_of_a_failed_task_is_freed)
{
    expect_freed(fail_with_io, 0);
}

Test(callbacks, arguments_of_cancelled_and_stopped_tasks_are_freed_once)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_stop *stop = stop_under(NULL);
    filch_future *holder = hold_worker(pool, &gate);
    filch_future *cancelled = submit_owning(pool, return_owned, NULL);
    filch_future *stopped = submit_owning(pool, return_owned, stop);
    filch_future *both = submit_owning(pool, return_owned, stop);
    cr_assert(filch_future_cancel(cancelled));
    cr_assert(filch_future_cancel(both));
    filch_stop_request(stop, 0);
    filch_stop_unref(stop);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(filch_future_state(stopped), FILCH_STOPPED);
    cr_assert_eq(atomic_load(&args_freed), 0);
    filch_future_unref(cancelled);
    filch_future_unref(stopped);
    filch_future_unref(both);
    cr_assert_eq(atomic_load(&args_freed), 3);
    cr_assert_eq(atomic_load(&results_freed), 0);
}

Test(callbacks, what_nobody_holds_is_freed_when_it_is_final)
{
    filch_pool *pool = pool_of(2);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.arg_dtor = free_arg;
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(filch_submit_with(pool, return_owned, malloc(16), &options, NULL), 0);
    for (int i = 0; i < 1000; i++)
        filch_future_unref(submit_owning(pool, return_owned, NULL));
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&args_freed), 2000);
    cr_assert_eq(atomic_load(&results_freed), 2000);
}

Test(callbacks, a_refused_submit_leaves_the_argument_alone)
{
    filch_pool *pool = pool_of(1);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    int arg = 1;
    options.arg_dtor = free_arg;
    cr_assert_eq(filch_pool_shutdown(pool, 0, 0, NULL), 0);
    cr_assert_eq(filch_submit_with(pool, do_nothing, &arg, &options, &future), -ESHUTDOWN);
    cr_assert_null(future);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&args_freed), 0);
}
