/* SPDX-License-Identifier: MIT */
/* What a task has that not all have: where it comes from, and what becomes of the task when there is no memory for it. */
#include "error.h"
#include "future.h"
#include "os.h"
#include "support.h"

SUITE(cold);

#define IN_A_CHUNK 1023 /* objects of the slab's first chunk */

static void withhold(long nth)
{
    atomic_store(&filchi_os_faults.allocations, nth);
}

/* Whether the fault has struck. */
static bool withheld(void)
{
    return atomic_exchange(&filchi_os_faults.allocations, 0) <= 0;
}

static bool is_out_of_memory(const filch_error *error)
{
    return error == &filchi_error_out_of_memory;
}

static void count_dropped(void *count)
{
    atomic_fetch_add((_Atomic int *)count, 1);
}

/* The error stays what it is, whatever memory there is later. */
static void expect_lost_error(filch_future *future, int code)
{
    must(filch_future_result(future, FILCH_FOREVER, NULL) == code);
    must(is_out_of_memory(filch_future_error(future)));
    must(is_out_of_memory(filch_future_error(future)));
    must(filch_error_code(filch_future_error(future)) == -ENOMEM);
    must(!filch_future_name(future) && filch_future_attempts(future) <= 1);
}

/* ---- At the submit ---- */

/* All objects of the chunk but one are in use: there is room for the task, and none for its cold part. */
static void submit_into_the_last_place(filch_pool *pool)
{
    static filch_future *futures[IN_A_CHUNK];
    _Atomic int dropped = 0;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *untouched = (filch_future *)(void *)&options, *future = untouched;
    for (int i = 0; i < IN_A_CHUNK - 1; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    options.name = "short";
    options.arg_dtor = count_dropped;
    withhold(1);
    must(filch_submit_with(pool, do_nothing, &dropped, &options, &future) == -ENOMEM);
    must(withheld() && future == untouched);
    withhold(1);
    futures[IN_A_CHUNK - 1] = submit(pool, do_nothing, NULL); /* the place was given back */
    must(!withheld());
    must(filch_submit_with(pool, do_nothing, &dropped, &options, &future) == 0);
    must(filch_future_result(future, FILCH_FOREVER, NULL) == 0 && atomic_load(&dropped) == 0);
    filch_future_unref(future);
    must(atomic_load(&dropped) == 1);
    must(filch_join(futures, IN_A_CHUNK) == 0);
    unref_all(futures, IN_A_CHUNK);
}

Test(cold, a_named_task_from_outside_for_which_half_the_memory_is_there_is_refused_whole)
{
    filch_pool *pool = pool_of(1);
    filch_future *first = submit(pool, do_nothing, NULL); /* the pool's thread is there */
    cr_assert_eq(filch_join(&first, 1), 0);
    filch_future_unref(first);
    submit_into_the_last_place(pool);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int submit_inside(filch_task *self, void *arg)
{
    (void)arg;
    submit_into_the_last_place(filch_task_pool(self));
    return 0;
}

Test(cold, a_named_sub_task_for_which_half_the_memory_is_there_is_refused_whole)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, submit_inside, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- In the task ---- */

/* Runs the function as the first task of a new worker, whose slab has no memory so far. */
static void run_alone(filch_fn *fn, void *arg, void (*check)(filch_future *))
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fn, arg);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    check(future);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static void expect_lost_io(filch_future *future)
{
    expect_lost_error(future, -EIO);
}

/* The allocations of a failure are the error's, then the slab's. */
static int fail_without(filch_task *self, void *nth)
{
    withhold(*(long *)nth);
    int rc = filch_fail(self, -EIO, "lost");
    must(withheld() && is_out_of_memory(filch_task_error(self)));
    return rc;
}

Test(cold, a_failure_for_whose_error_there_is_no_memory_keeps_its_code)
{
    long all = -1, second = 2;
    run_alone(fail_without, &all, expect_lost_io);
    run_alone(fail_without, &second, expect_lost_io);
}

static int fail_again(filch_task *self, void *nth)
{
    (void)fail_without(self, nth);
    return filch_fail(self, -EPIPE, "told");
}

static void expect_told(filch_future *future)
{
    must(filch_future_result(future, 0, NULL) == -EPIPE);
    must(strcmp(filch_error_message(filch_future_error(future)), "told") == 0);
}

Test(cold, a_later_error_takes_the_place_of_the_one_that_was_lost)
{
    long all = -1;
    run_alone(fail_again, &all, expect_told);
}

/* Only the place to keep it in is lacking: without a worker that is one block, the second. */
static int fail_again_with_a_worker(filch_task *self, void *arg)
{
    (void)arg;
    long second = 2;
    filch_blocking_begin(self);
    (void)fail_without(self, &second);
    filch_blocking_end(self);
    return filch_fail(self, -EPIPE, "told");
}

Test(cold, an_error_that_was_lost_without_a_worker_may_be_replaced_with_one)
{
    run_alone(fail_again_with_a_worker, NULL, expect_told);
}

static int fail_in_a_region(filch_task *self, void *arg)
{
    (void)arg;
    filch_blocking_begin(self);
    return filch_fail(self, -EPIPE, "told");
}

Test(cold, a_task_without_a_worker_may_fail)
{
    run_alone(fail_in_a_region, NULL, expect_told);
}

struct results {
    _Atomic int first, second;
};

static int return_without_memory(filch_task *self, void *arg)
{
    struct results *results = arg;
    must(filch_return(self, NULL) == 0);
    withhold(-1);
    int rc = filch_return_owned(self, &results->first, count_dropped);
    must(withheld() && rc == -ENOMEM && atomic_load(&results->first) == 1);
    return rc;
}

static void expect_no_memory(filch_future *future)
{
    must(filch_future_state(future) == FILCH_FAILED);
    expect_lost_error(future, -ENOMEM);
}

Test(cold, a_result_whose_destructor_finds_no_place_is_destroyed_and_the_task_fails)
{
    struct results results = { 0, 0 };
    run_alone(return_without_memory, &results, expect_no_memory);
    cr_assert_eq(atomic_load(&results.first), 1, "once");
}

static int return_after_all(filch_task *self, void *arg)
{
    struct results *results = arg;
    must(return_without_memory(self, arg) == -ENOMEM);
    return filch_return_owned(self, &results->second, count_dropped);
}

static void expect_second(filch_future *future)
{
    void *result = NULL;
    struct results *results = filch_future_arg(future);
    must(filch_future_result(future, 0, &result) == 0 && result == &results->second);
    must(!filch_future_error(future) && atomic_load(&results->second) == 0);
}

Test(cold, a_later_result_takes_the_place_of_the_one_that_was_destroyed)
{
    struct results results = { 0, 0 };
    run_alone(return_after_all, &results, expect_second);
    cr_assert_eq(atomic_load(&results.second), 1);
}

static int return_twice_without_memory(filch_task *self, void *arg)
{
    struct results *results = arg;
    must(filch_return_owned(self, &results->first, count_dropped) == 0);
    withhold(1);
    must(filch_return_owned(self, &results->second, count_dropped) == 0);
    must(!withheld() && atomic_load(&results->first) == 1);
    return 0;
}

Test(cold, a_second_result_needs_no_memory)
{
    struct results results = { 0, 0 };
    run_alone(return_twice_without_memory, &results, expect_second);
    cr_assert_eq(atomic_load(&results.second), 1);
}

/* ---- Who asks ---- */

/* A task that was cancelled before it started. */
static filch_future *cancelled(filch_pool *pool)
{
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *future = submit(pool, do_nothing, NULL);
    must(filch_future_cancel(future));
    let_go(&gate, holder);
    return future;
}

Test(cold, an_error_that_is_first_asked_for_without_memory_is_lost_for_good)
{
    filch_pool *pool = pool_of(1);
    for (int nth = 1; nth <= 2; nth++) { /* no place for it; a place, and no error */
        filch_future *future = cancelled(pool);
        withhold(nth);
        cr_assert(is_out_of_memory(filch_future_error(future)));
        cr_assert(withheld());
        expect_lost_error(future, -ECANCELED);
        filch_future_unref(future);
    }
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int ask(filch_task *self, void *future)
{
    (void)self;
    const filch_error *error = filch_future_error(future);
    must(filch_error_code(error) == -ECANCELED && error == filch_future_error(future));
    return 0;
}

Test(cold, a_task_of_the_pool_and_one_of_another_may_be_who_asks_first)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    filch_future *futures[2] = { cancelled(pool), cancelled(pool) };
    filch_future *asking[2] = { submit(pool, ask, futures[0]), submit(other, ask, futures[1]) };
    cr_assert_eq(filch_join(asking, 2), 0);
    unref_all(asking, 2);
    cr_assert_eq(filch_pool_destroy(other), 0);
    cr_assert_eq(filch_error_code(filch_future_error(futures[1])), -ECANCELED);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(filch_error_code(filch_future_error(futures[0])), -ECANCELED);
    unref_all(futures, 2);
}

Test(cold, an_error_may_be_asked_for_first_when_the_pool_is_gone)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = cancelled(pool);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(filch_error_code(filch_future_error(future)), -ECANCELED);
    filch_future_unref(future);
}

enum { ASKERS = 4, QUESTIONS = 500 };

struct question {
    filch_future **futures;
    const filch_error *answers[QUESTIONS];
    pthread_barrier_t *start;
};

static void *ask_all(void *arg)
{
    struct question *question = arg;
    pthread_barrier_wait(question->start);
    for (int i = 0; i < QUESTIONS; i++)
        question->answers[i] = filch_future_error(question->futures[i]);
    return NULL;
}

/* From some moment on there is no memory, or for one moment there is none. */
static void ask_at_once(filch_pool *pool, long fault)
{
    static filch_future *futures[QUESTIONS];
    static struct question questions[ASKERS];
    struct gate gate = GATE;
    pthread_barrier_t start;
    pthread_t threads[ASKERS];
    filch_future *holder = hold_worker(pool, &gate);
    for (int i = 0; i < QUESTIONS; i++)
        futures[i] = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_cancel_all(futures, QUESTIONS), QUESTIONS);
    let_go(&gate, holder);
    pthread_barrier_init(&start, NULL, ASKERS);
    withhold(fault);
    for (int i = 0; i < ASKERS; i++) {
        questions[i] = (struct question) { .futures = futures, .start = &start };
        cr_assert_eq(pthread_create(&threads[i], NULL, ask_all, &questions[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++)
        pthread_join(threads[i], NULL);
    withhold(0);
    for (int i = 0; i < QUESTIONS; i++) {
        cr_assert_eq(questions[0].answers[i], filch_future_error(futures[i]));
        for (int k = 1; k < ASKERS; k++)
            cr_assert_eq(questions[k].answers[i], questions[0].answers[i], "all have the same answer");
    }
    pthread_barrier_destroy(&start);
    unref_all(futures, QUESTIONS);
}

Test(cold, all_who_ask_at_once_have_the_same_error)
{
    filch_pool *pool = pool_of(1);
    ask_at_once(pool, 0);
    ask_at_once(pool, 1);
    ask_at_once(pool, -QUESTIONS);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}
