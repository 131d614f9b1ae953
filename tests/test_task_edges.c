/* SPDX-License-Identifier: MIT */
/* What a task may call although there is nothing for it to do; and a code that comes a moment after the state. */
#include "future.h"
#include "support.h"
#include "transition.h"

SUITE(task_edges);

static void run_here(filch_fn *fn, void *arg)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, fn, arg);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int own_nothing(filch_task *self, void *arg)
{
    return filch_return_owned(self, arg, NULL);
}

Test(task_edges, a_result_without_a_destructor_is_not_owned)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, own_nothing, pool);
    void *result = NULL;
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
    cr_assert_eq(result, (void *)pool);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int end_what_did_not_begin(filch_task *self, void *arg)
{
    (void)arg;
    filch_blocking_end(self);
    filch_blocking_begin(self);
    filch_blocking_end(self);
    filch_blocking_end(self);
    filch_future *future = submit(filch_task_pool(self), do_nothing, NULL); /* it still has its worker */
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    return 0;
}

Test(task_edges, the_end_of_a_region_that_was_not_begun_is_none)
{
    run_here(end_what_did_not_begin, NULL);
}

Test(task_edges, options_of_an_impossible_size_are_refused_by_a_scope)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = NULL;
    filch_future *out = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    must(filch_scope_open(&scope, pool, NULL) == 0);
    options.size = 0;
    cr_assert_eq(filch_scope_submit_with(scope, do_nothing, NULL, &options, &out), -EINVAL);
    cr_assert_null(out);
    cr_assert_eq(filch_scope_join(scope, NULL), 0);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

struct asker {
    filch_future *future;
    struct event begun;
};

static void *ask_for_code(void *arg)
{
    struct asker *asker = arg;
    event_signal(&asker->begun);
    return (void *)(intptr_t)filchi_future_code(asker->future);
}

Test(task_edges, a_code_that_comes_a_moment_after_the_state_is_waited_for)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    struct asker asker = { submit(pool, do_nothing, NULL), EVENT };
    pthread_t thread;
    void *code = NULL;
    must(pthread_create(&thread, NULL, ask_for_code, &asker) == 0);
    event_await(&asker.begun);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    filchi_future_set_code(asker.future, -EPIPE); /* as who stops it does */
    must(pthread_join(thread, &code) == 0);
    cr_assert_eq((intptr_t)code, -EPIPE);
    filchi_future_set_code(asker.future, 0);
    let_go(&gate, holder);
    cr_assert_eq(filch_future_wait(asker.future, FILCH_FOREVER), 0);
    filch_future_unref(asker.future);
    filch_pool_destroy(pool);
}
