/* SPDX-License-Identifier: MIT */
/* Futures: every state, cancel, results, errors and lifetimes. Callbacks and destructors: test_callbacks.c. */
#include "os.h"
#include "support.h"

SUITE(future);

/* ---- States ---- */

Test(future, a_task_that_returns_0_is_done_with_its_result)
{
    filch_pool *pool = pool_of(1);
    void *result = NULL;
    filch_future *future = submit(pool, return_arg, &pool);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
    cr_assert_eq(result, &pool);
    cr_assert_eq(filch_future_state(future), FILCH_DONE);
    cr_assert(filch_future_done(future));
    cr_assert_null(filch_future_error(future));
    cr_assert_eq(filch_future_result(future, 0, NULL), 0, "the result may be left where it is");
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(future, it_is_pending_then_running_then_done)
{
    filch_pool *pool = pool_of(1);
    struct gate first = GATE, second = GATE;
    filch_future *holder = hold_worker(pool, &first), *future = submit(pool, pass_gate, &second);
    cr_assert_eq(filch_future_state(future), FILCH_PENDING);
    let_go(&first, holder);
    event_await(&second.started);
    cr_assert_eq(filch_future_state(future), FILCH_RUNNING);
    cr_assert_not(filch_future_done(future));
    cr_assert_null(filch_future_error(future));
    let_go(&second, future);
    filch_pool_destroy(pool);
}

static int return_code(filch_task *self, void *arg)
{
    (void)self;
    return (int)(intptr_t)arg;
}

/* Runs fn(arg) and expects it to fail with `code`. */
static filch_future *expect_failure(filch_pool *pool, filch_fn *fn, void *arg, int code)
{
    void *result = pool;
    filch_future *future = submit(pool, fn, arg);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), code);
    cr_assert_eq(result, pool, "an output is untouched on failure");
    cr_assert_eq(filch_future_state(future), FILCH_FAILED);
    cr_assert_eq(filch_error_code(filch_future_error(future)), code);
    return future;
}

Test(future, a_negative_return_is_a_failure_with_that_code)
{
    filch_pool *pool = pool_of(1);
    filch_future_unref(expect_failure(pool, return_code, (void *)-EIO, -EIO));
    filch_pool_destroy(pool);
}

Test(future, a_positive_return_is_an_invalid_failure)
{
    filch_pool *pool = pool_of(1);
    filch_future_unref(expect_failure(pool, return_code, (void *)1, -EINVAL));
    filch_pool_destroy(pool);
}

Test(future, canceled_without_a_stop_is_a_failure)
{
    filch_pool *pool = pool_of(1);
    filch_future_unref(expect_failure(pool, return_code, (void *)-ECANCELED, -ECANCELED));
    filch_pool_destroy(pool);
}

Test(future, canceled_while_the_stop_is_set_is_stopped)
{
    filch_pool *pool = pool_of(1);
    struct event started = EVENT;
    filch_stop *stop = stop_under(NULL);
    filch_future *future = submit_under(pool, run_until_stopped, &started, stop);
    event_await(&started);
    filch_stop_request(stop, -EINTR);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    const filch_error *error = filch_future_error(future);
    cr_assert_eq(filch_error_code(error), -ECANCELED);
    cr_assert_not_null(strstr(filch_error_message(error), "stopped"));
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

static int succeed_when_stopped(filch_task *self, void *started)
{
    run_until_stopped(self, started);
    return filch_return(self, started);
}

static int fail_when_stopped(filch_task *self, void *started)
{
    run_until_stopped(self, started);
    return filch_fail(self, -EIO, "could not tidy up");
}

Test(future, what_a_task_makes_of_its_stop_decides_its_state)
{
    filch_pool *pool = pool_of(2);
    struct event started = EVENT;
    filch_stop *stop = stop_under(NULL);
    filch_future *done = submit_under(pool, succeed_when_stopped, &started, stop);
    filch_future *failed = submit_under(pool, fail_when_stopped, &started, stop);
    void *result = NULL;
    event_await_count(&started, 2);
    filch_stop_request(stop, 0);
    cr_assert_eq(filch_future_result(done, FILCH_FOREVER, &result), 0);
    cr_assert_eq(result, &started);
    cr_assert_eq(filch_future_result(failed, FILCH_FOREVER, NULL), -EIO);
    cr_assert_eq(filch_future_state(failed), FILCH_FAILED);
    filch_future_unref(done);
    filch_future_unref(failed);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

Test(future, a_task_whose_stop_is_set_never_starts)
{
    filch_pool *pool = pool_of(1);
    _Atomic int runs = 0;
    filch_stop *stop = stop_under(NULL);
    filch_stop_request(stop, -EINTR);
    filch_future *future = submit_under(pool, count_up, (void *)&runs, stop);
    filch_stop_unref(stop);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    cr_assert_not_null(strstr(filch_error_message(filch_future_error(future)), "Interrupted"),
                       "the error tells the reason");
    cr_assert_eq(atomic_load(&runs), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(future, every_state_has_a_name)
{
    static const char *const names[] = { "pending", "running", NULL, "done", "failed", "cancelled", "stopped" };
    for (unsigned state = FILCH_PENDING; state <= FILCH_STOPPED; state++)
        if (names[state])
            cr_assert_str_eq(filch_state_name((filch_state)state), names[state]);
    cr_assert_str_eq(filch_state_name((filch_state)99), "unknown");
}

/* ---- Cancel ---- */

Test(future, a_cancelled_task_never_runs_and_says_so)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = hold_worker(pool, &gate);
    filch_future *future = submit_named(pool, count_up, (void *)&runs, "victim");
    cr_assert(filch_future_cancel(future));
    cr_assert_eq(filch_future_state(future), FILCH_CANCELLED);
    cr_assert(filch_future_cancel(future), "twice is as good as once");
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
    const filch_error *error = filch_future_error(future);
    cr_assert_eq(filch_error_code(error), -ECANCELED);
    cr_assert_not_null(strstr(filch_error_message(error), "cancelled"));
    cr_assert_str_eq(filch_error_task(error), "victim");
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 0);
    filch_future_unref(future);
}

Test(future, a_running_task_cannot_be_cancelled)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    cr_assert_not(filch_future_cancel(future));
    cr_assert_eq(filch_future_state(future), FILCH_RUNNING);
    gate_open(&gate);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(future, a_final_task_cannot_be_cancelled)
{
    filch_pool *pool = pool_of(1);
    filch_future *done = submit(pool, do_nothing, NULL), *failed = submit(pool, fail_with_io, NULL);
    cr_assert_eq(filch_wait((filch_future *[]) { done, failed }, 2, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    cr_assert_not(filch_future_cancel(done));
    cr_assert_not(filch_future_cancel(failed));
    cr_assert_eq(filch_future_state(done), FILCH_DONE);
    filch_future_unref(done);
    filch_future_unref(failed);
    filch_pool_destroy(pool);
}

Test(future, cancel_and_start_race_and_one_wins)
{
    filch_pool *pool = pool_of(2);
    for (int i = 0; i < 20000; i++) {
        _Atomic int runs = 0;
        filch_future *future = submit(pool, count_up, (void *)&runs);
        bool cancelled = filch_future_cancel(future);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        cr_assert_eq(atomic_load(&runs), !cancelled);
        cr_assert_eq(filch_future_state(future), cancelled ? FILCH_CANCELLED : FILCH_DONE);
        filch_future_unref(future);
    }
    filch_pool_destroy(pool);
}

/* ---- Timeouts ---- */

Test(future, a_wait_that_times_out_leaves_the_future_as_it_was)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    void *result = pool;
    filch_future *future = hold_worker(pool, &gate);
    cr_assert_eq(filch_future_wait(future, 0), -ETIMEDOUT);
    cr_assert_eq(filch_future_result(future, FILCH_MS(2), &result), -ETIMEDOUT);
    cr_assert_eq(result, pool);
    cr_assert_eq(filch_future_state(future), FILCH_RUNNING);
    gate_open(&gate);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
    cr_assert_null(result);
    cr_assert_eq(filch_future_wait(future, 0), 0, "a final one is there at once");
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(future, a_timed_wait_takes_as_long_as_it_says)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    int64_t begun = filchi_os_now();
    cr_assert_eq(filch_future_wait(future, FILCH_MS(30)), -ETIMEDOUT);
    int64_t took = filchi_os_now() - begun;
    cr_assert_geq(took, FILCH_MS(30));
    cr_assert_lt(took, FILCH_SECONDS(10));
    let_go(&gate, future);
    filch_pool_destroy(pool);
}

Test(future, the_state_tells_a_task_s_own_timeout_from_that_of_the_wait)
{
    filch_pool *pool = pool_of(1);
    filch_future_unref(expect_failure(pool, return_code, (void *)-ETIMEDOUT, -ETIMEDOUT));
    filch_pool_destroy(pool);
}

/* ---- Errors ---- */

static int fail_twice(filch_task *self, void *arg)
{
    (void)arg;
    must(filch_task_error(self) == NULL);
    must(filch_fail(self, -EIO, "first %d", 1) == -EIO);
    must(strcmp(filch_error_message(filch_task_error(self)), "first 1") == 0);
    return filch_fail(self, -ENOENT, "second %s", "one");
}

Test(future, the_last_error_that_a_task_attached_is_its_error)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit_named(pool, fail_twice, NULL, "a task with a name that needs its own block");
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ENOENT);
    const filch_error *error = filch_future_error(future);
    cr_assert_str_eq(filch_error_message(error), "second one");
    cr_assert_str_eq(filch_error_task(error), "a task with a name that needs its own block");
    cr_assert_eq(filch_future_error(future), error, "it is the same each time");
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int fail_from_sub(filch_task *self, void *code)
{
    filch_future *sub = submit_named(filch_task_pool(self), fail_with_io, NULL, "sub");
    must(filch_future_result(sub, FILCH_FOREVER, NULL) == -EIO);
    int rc = filch_fail_from(self, filch_future_error(sub), (int)(intptr_t)code, "a sub task failed");
    filch_future_unref(sub);
    return rc;
}

Test(future, an_error_has_the_cause_it_was_made_from)
{
    filch_pool *pool = pool_of(1);
    filch_future *own = expect_failure(pool, fail_from_sub, (void *)-EPIPE, -EPIPE);
    filch_future *of_cause = expect_failure(pool, fail_from_sub, (void *)0, -EIO);
    const filch_error *cause = filch_error_cause(filch_future_error(own));
    cr_assert_eq(filch_error_code(cause), -EIO);
    cr_assert_str_eq(filch_error_task(cause), "sub");
    cr_assert_str_eq(filch_error_message(cause), "the disk is gone");
    filch_future_unref(own);
    filch_future_unref(of_cause);
    filch_pool_destroy(pool);
}

static int fail_oddly(filch_task *self, void *arg)
{
    (void)arg;
    must(filch_fail_from(self, NULL, 0, "no code, no cause") == -EINVAL);
    return filch_fail(self, 7, "a code that is no error");
}

Test(future, a_failure_without_a_negative_code_is_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_future_unref(expect_failure(pool, fail_oddly, NULL, -EINVAL));
    filch_pool_destroy(pool);
}

static int fail_without_memory(filch_task *self, void *arg)
{
    (void)arg;
    atomic_store(&filchi_os_faults.allocations, -1);
    int rc = filch_fail(self, -EIO, "never told");
    atomic_store(&filchi_os_faults.allocations, 0);
    return rc;
}

Test(future, without_memory_for_its_error_a_task_keeps_its_code)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fail_without_memory, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -EIO);
    cr_assert_eq(filch_future_state(future), FILCH_FAILED);
    cr_assert_eq(filch_error_code(filch_future_error(future)), -ENOMEM, "the static error");
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static void *ask_for_error(void *future)
{
    return (void *)(uintptr_t)filch_future_error(future);
}

Test(future, many_who_ask_for_an_error_at_once_get_the_same)
{
    enum { ASKERS = 4 };
    filch_pool *pool = pool_of(1);
    for (int round = 0; round < 200; round++) {
        pthread_t askers[ASKERS];
        void *errors[ASKERS];
        filch_future *future = submit(pool, return_code, (void *)-EIO); /* its error is made when it is asked for */
        must(filch_future_wait(future, FILCH_FOREVER) == 0);
        for (int i = 0; i < ASKERS; i++)
            must(pthread_create(&askers[i], NULL, ask_for_error, future) == 0);
        for (int i = 0; i < ASKERS; i++)
            pthread_join(askers[i], &errors[i]);
        for (int i = 0; i < ASKERS; i++)
            cr_assert(errors[i] && errors[i] == errors[0]);
        filch_future_unref(future);
    }
    filch_pool_destroy(pool);
}

static int fail_then_succeed(filch_task *self, void *arg)
{
    filch_fail(self, -EIO, "got over it");
    return filch_return(self, arg);
}

Test(future, a_task_that_returns_0_is_done_whatever_it_attached_before)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fail_then_succeed, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_future_state(future), FILCH_DONE);
    cr_assert_null(filch_future_error(future));
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- Lifetime ---- */

Test(future, it_knows_its_name_and_argument)
{
    filch_pool *pool = pool_of(1);
    char inside[] = "23 characters are inline", outside[] = "one more character is not";
    filch_future *futures[3] = { submit_named(pool, do_nothing, inside, inside),
                                 submit_named(pool, do_nothing, outside, outside), submit(pool, do_nothing, NULL) };
    inside[0] = outside[0] = 'X';
    cr_assert_str_eq(filch_future_name(futures[0]), "23 characters are inline");
    cr_assert_str_eq(filch_future_name(futures[1]), "one more character is not");
    cr_assert_null(filch_future_name(futures[2]));
    cr_assert_eq(filch_future_arg(futures[1]), outside);
    unref_all(futures, 3);
    filch_pool_destroy(pool);
}

Test(future, futures_outlive_their_pool)
{
    filch_pool *pool = pool_of(2);
    filch_future *done = submit(pool, return_arg, &pool),
                 *failed = submit_named(pool, return_code, (void *)-EIO, "x");
    filch_pool_destroy(pool);
    void *result = NULL;
    cr_assert_eq(filch_future_result(done, FILCH_FOREVER, &result), 0);
    cr_assert_eq(result, &pool);
    cr_assert_str_eq(filch_error_task(filch_future_error(failed)), "x",
                     "even an error that is first asked for now");
    cr_assert_not(filch_future_cancel(done));
    filch_future_unref(filch_future_ref(done));
    filch_future_unref(done);
    filch_future_cleanup(&failed);
}

Test(future, a_future_may_be_let_go_at_any_time_and_its_task_runs)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    filch_future *holder = hold_worker(pool, &gate);
    for (int i = 0; i < 100; i++)
        filch_future_unref(submit(pool, count_up, (void *)&runs));
    cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, NULL), 0);
    gate_open(&gate);
    filch_future_unref(holder);
    filch_future_unref(NULL);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 101);
}
