/* SPDX-License-Identifier: MIT */
/* Values of contexts: each is destroyed once, when nobody is left who could see it, whatever became of the tasks. */
#include "support.h"

#include <filch/fork.h>

#include <sys/wait.h>

SUITE(context_ends);

/* A value that counts how often it was destroyed. */
struct value {
    _Atomic int destroyed;
};

static void destroy(void *value)
{
    atomic_fetch_add(&((struct value *)value)->destroyed, 1);
}

static int destroyed(struct value *value)
{
    return atomic_load(&value->destroyed);
}

static filch_context_token *set(unsigned slot, struct value *value)
{
    filch_context_token *token = NULL;
    must(filch_context_begin(&token, slot, value, destroy) == 0);
    return token;
}

/* Whether the task sees the value it is given as its argument. */
static int see(filch_task *self, void *value)
{
    return filch_context_get(0) == value ? 0 : filch_fail(self, -EPROTO, "another one");
}

static int see_and_fail(filch_task *self, void *value)
{
    return see(self, value) ? -EPROTO : -EIO;
}

/* ---- Who has it ---- */

Test(context_ends, a_value_goes_with_the_last_context_that_has_it)
{
    struct value a = { 0 }, b = { 0 }, c = { 0 };
    filch_context_token *of_a = set(0, &a), *of_b = set(1, &b);
    filch_context *both = filch_context_capture();
    filch_context_token *of_c = set(0, &c);
    filch_context *later = filch_context_capture(); /* b and c */
    filch_context_end(of_c);
    filch_context_end(of_b);
    filch_context_end(of_a);
    cr_assert_eq(destroyed(&a) + destroyed(&b) + destroyed(&c), 0);
    filch_context_unref(both);
    cr_assert_eq(destroyed(&a), 1);
    cr_assert_eq(destroyed(&b), 0);
    filch_context_unref(later);
    cr_assert_eq(destroyed(&a) + destroyed(&b) + destroyed(&c), 3);
}

Test(context_ends, null_is_not_destroyed)
{
    filch_context_token *token = NULL;
    cr_assert_eq(filch_context_begin(&token, 0, NULL, destroy), 0);
    filch_context_end(token);
}

/* Tasks that each take the place of the one before, as a chain of messages does. */
struct link {
    struct value values[50];
    struct event over;
};

static int follow(filch_task *self, void *arg)
{
    struct link *link = arg;
    struct value *last = filch_context_get(0);
    if (last == &link->values[49]) {
        event_signal(&link->over);
        return 0;
    }
    set(0, last ? last + 1 : link->values);
    return filch_submit(filch_task_pool(self), follow, arg, NULL);
}

Test(context_ends, a_chain_of_contexts_keeps_only_the_last)
{
    filch_pool *pool = pool_of(2);
    struct link link = { .over = EVENT };
    must(filch_submit(pool, follow, &link, NULL) == 0);
    event_await(&link.over);
    for (int i = 0; i < 48; i++)
        UNTIL(destroyed(&link.values[i]) == 1); /* the two workers need not end for it, only go to sleep */
    filch_pool_destroy(pool);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(destroyed(&link.values[i]), 1);
}

Test(context_ends, workers_that_sleep_keep_none_back)
{
    filch_pool *pool = pool_of(4);
    for (int round = 0; round < 50; round++) {
        struct value value = { 0 };
        filch_future *futures[40];
        filch_context_token *token = set(0, &value);
        must(filch_submit_many(pool, see, &value, 0, 40, futures) == 0);
        filch_context_end(token);
        for (int i = 0; i < 40; i++)
            must(filch_future_result(futures[i], FILCH_FOREVER, NULL) == 0);
        UNTIL(destroyed(&value) == 1);
        unref_all(futures, 40); /* futures need it no more */
    }
    filch_pool_destroy(pool);
}

Test(context_ends, a_worker_that_turns_to_another_task_keeps_none_back)
{
    filch_pool *pool = pool_of(1);
    struct value value = { 0 };
    struct gate gate = GATE;
    filch_future *first = hold_worker(pool, &gate);
    filch_context_token *token = set(0, &value);
    filch_future *future = submit(pool, see, &value);
    filch_context_end(token);
    filch_future *next = submit(pool, pass_gate, &gate);
    gate_open(&gate);
    UNTIL(destroyed(&value) == 1); /* the next one runs, or has run */
    must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
    filch_future_unref(future);
    let_go(&gate, next);
    filch_future_unref(first);
    filch_pool_destroy(pool);
}

static int begin_and_end(filch_task *self, void *arg)
{
    struct value *value = arg;
    filch_context_token *token = set(0, value);
    filch_future *sub = NULL;
    must(filch_submit(filch_task_pool(self), see, value, &sub) == 0);
    must(filch_future_result(sub, FILCH_FOREVER, NULL) == 0); /* run here */
    filch_future_unref(sub);
    filch_context_end(token);
    return destroyed(value) == 1 ? 0 : -EIO;
}

Test(context_ends, the_end_of_a_token_destroys_what_only_it_has)
{
    filch_pool *pool = pool_of(1);
    struct value value = { 0 };
    filch_future *future = submit(pool, begin_and_end, &value);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int see_in_range(size_t begin, size_t end, void *value)
{
    return begin < end && filch_context_get(0) == value ? 0 : -EPROTO;
}

Test(context_ends, the_parts_of_a_loop_have_it_and_keep_none_back)
{
    filch_pool *pool = pool_of(4);
    struct value value = { 0 };
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    filch_context_token *token = set(0, &value);
    options.grain = 1;
    cr_assert_eq(filch_parallel_for(pool, 0, 5000, see_in_range, &value, &options), 0);
    filch_context_end(token);
    UNTIL(destroyed(&value) == 1);
    filch_pool_destroy(pool);
}

/* ---- Tasks that do not run ---- */

struct ends {
    filch_pool *pool;
    struct value value;
    filch_stop *stop;
    filch_context_token *token;
    struct gate gate;
    filch_future *holder;
};

/* The only worker is held, and what is submitted has the value. */
static void begin_ends(struct ends *ends)
{
    *ends = (struct ends) { .pool = pool_of(1), .stop = stop_under(NULL), .gate = GATE };
    ends->holder = hold_worker(ends->pool, &ends->gate);
    ends->token = set(0, &ends->value);
}

static void end_ends(struct ends *ends)
{
    let_go(&ends->gate, ends->holder);
    filch_stop_unref(ends->stop);
    filch_pool_destroy(ends->pool);
    cr_assert_eq(destroyed(&ends->value), 1);
}

static filch_future *submit_kind(struct ends *ends, bool delayed, bool retried)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    retry.max_attempts = 3;
    retry.interval_ns = delayed ? FILCH_SECONDS(1000) : 0;
    options.retry = retried ? &retry : NULL;
    options.start_at_ns = delayed ? filch_now() + FILCH_SECONDS(1000) : 0;
    options.stop = ends->stop;
    must(filch_submit_with(ends->pool, see_and_fail, &ends->value, &options, &future) == 0);
    return future;
}

Test(context_ends, a_cancelled_task_drops_it)
{
    for (int kind = 0; kind < 4; kind++) {
        struct ends ends;
        begin_ends(&ends);
        filch_future *future = submit_kind(&ends, kind & 1, kind & 2);
        filch_context_end(ends.token);
        cr_assert_eq(destroyed(&ends.value), 0);
        cr_assert(filch_future_cancel(future));
        UNTIL(destroyed(&ends.value) == 1); /* of one that is delayed by the timer thread */
        filch_future_unref(future);
        end_ends(&ends);
    }
}

Test(context_ends, a_stopped_task_drops_it)
{
    for (int kind = 0; kind < 4; kind++) {
        struct ends ends;
        begin_ends(&ends);
        filch_future *future = submit_kind(&ends, kind & 1, kind & 2);
        filch_context_end(ends.token);
        filch_stop_request(ends.stop, 0);
        gate_open(&ends.gate);
        UNTIL(destroyed(&ends.value) == 1);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
        cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -ECANCELED);
        filch_future_unref(future);
        end_ends(&ends);
    }
}

Test(context_ends, a_retried_task_that_fails_for_good_drops_it_while_it_is_held)
{
    struct ends ends;
    begin_ends(&ends);
    filch_future *future = submit_kind(&ends, false, true);
    filch_context_end(ends.token);
    gate_open(&ends.gate);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -EIO);
    cr_assert_eq(filch_future_attempts(future), 3);
    UNTIL(destroyed(&ends.value) == 1);
    filch_future_unref(future);
    end_ends(&ends);
}

Test(context_ends, tasks_of_a_scope_that_fails_drop_it)
{
    struct ends ends;
    begin_ends(&ends);
    filch_scope *scope = NULL;
    filch_future *first = NULL;
    must(filch_scope_open(&scope, ends.pool, NULL) == 0);
    must(filch_scope_submit(scope, see_and_fail, &ends.value, &first) == 0);
    for (int i = 0; i < 100; i++) /* stopped many at a time */
        must(filch_scope_submit(scope, see, &ends.value, NULL) == 0);
    filch_context_end(ends.token);
    gate_open(&ends.gate);
    cr_assert_eq(filch_scope_join(scope, NULL), -EIO);
    filch_scope_close(scope);
    UNTIL(destroyed(&ends.value) == 1);
    filch_future_unref(first);
    end_ends(&ends);
}

Test(context_ends, tasks_that_nobody_holds_and_a_shutdown_cancels_drop_it)
{
    struct ends ends;
    begin_ends(&ends);
    for (int i = 0; i < 20; i++) {
        must(filch_submit(ends.pool, see, &ends.value, NULL) == 0);
        must(filch_submit_after(ends.pool, FILCH_SECONDS(1000), see, &ends.value, NULL) == 0);
    }
    filch_context_end(ends.token);
    must(filch_pool_shutdown(ends.pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    end_ends(&ends);
}

static void leave_alone(filch_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

Test(context_ends, callbacks_drop_it_with_their_future)
{
    struct ends ends;
    begin_ends(&ends);
    must(filch_future_on_done(ends.holder, leave_alone, NULL) == 0);
    filch_context_end(ends.token);
    cr_assert_eq(destroyed(&ends.value), 0);
    end_ends(&ends);
}

static void submit_another(void *arg)
{
    filch_pool *pool = arg;
    must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
}

Test(context_ends, a_destructor_may_submit)
{
    filch_pool *pool = pool_of(2);
    for (int i = 0; i < 100; i++) {
        filch_context_token *token = NULL;
        must(filch_context_begin(&token, 0, pool, submit_another) == 0);
        filch_future *future = submit(pool, see, pool);
        filch_context_end(token);
        must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
        filch_future_unref(future);
        UNTIL(stats_of(pool).submitted == 2 * (uint64_t)(i + 1));
    }
    filch_pool_destroy(pool);
}

/* ---- Faults ---- */

static void withhold(long allocations)
{
    atomic_store(&filchi_os_faults.allocations, allocations);
}

Test(context_ends, without_memory_the_value_stays_the_callers)
{
    struct value value = { 0 };
    filch_context_token *token = NULL;
    for (long nth = 1; nth <= 2; nth++) {
        withhold(nth);
        cr_assert_eq(filch_context_begin(&token, 0, &value, destroy), -ENOMEM);
        cr_assert_null(token);
        cr_assert_null(filch_context_get(0));
    }
    withhold(1);
    cr_assert_eq(filch_context_enter(&token, NULL), -ENOMEM);
    cr_assert_null(token);
    withhold(0);
    cr_assert_eq(destroyed(&value), 0);
}

Test(context_ends, a_submit_that_fails_drops_it)
{
    filch_pool *pool = pool_of(1);
    struct value value = { 0 };
    filch_context_token *token = set(0, &value);
    must(filch_submit(pool, see, &value, NULL) == 0); /* the pool has its thread */
    filch_future *futures[1000];
    int refused = 0;
    for (long nth = 1; nth < 20; nth++) {
        withhold(-nth); /* from the nth on */
        int rc = filch_submit_many(pool, see, &value, 0, 1000, futures);
        withhold(0);
        refused += rc == -ENOMEM;
        if (rc)
            continue;
        for (int i = 0; i < 1000; i++)
            must(filch_future_result(futures[i], FILCH_FOREVER, NULL) == 0);
        unref_all(futures, 1000);
    }
    cr_assert_geq(refused, 1);
    filch_pool_shutdown(pool, 0, 0, NULL);
    cr_assert_eq(filch_submit(pool, see, &value, NULL), -ESHUTDOWN);
    filch_context_end(token);
    filch_pool_destroy(pool);
    cr_assert_eq(destroyed(&value), 1);
}

/* ---- fork() ---- */

/* The child has what its thread had in force, in a pool of its own too, and ends it as ever. */
static void go_on_in_child(struct value *value, filch_context_token *token, filch_pool *old)
{
    struct value own = { 0 };
    must(filch_context_get(0) == value);
    must(filch_submit(old, see, value, NULL) == -EOWNERDEAD);
    filch_context_token *inner = set(1, &own);
    filch_pool *pool = pool_of(2);
    filch_future *future = submit(pool, see, value);
    must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
    filch_future_unref(future);
    filch_context_end(inner);
    filch_pool_destroy(pool);
    must(destroyed(&own) == 1);
    filch_context_end(token);
    must(!filch_context_get(0));
    must(destroyed(value) == 0); /* tasks of the parent's pool have it for ever */
    _exit(0);
}

static void fork_once(struct value *value, filch_context_token *token, filch_pool *pool)
{
    int status;
    pid_t child = fork();
    must(child >= 0);
    if (child == 0)
        go_on_in_child(value, token, pool);
    must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(context_ends, a_child_of_fork_has_that_of_the_thread_that_forked)
{
    struct ends ends;
    begin_ends(&ends);
    filch_future *future = submit(ends.pool, see, &ends.value);
    fork_once(&ends.value, ends.token, ends.pool);
    filch_context_end(ends.token);
    gate_open(&ends.gate);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    end_ends(&ends);
}

static int fork_inside(filch_task *self, void *value)
{
    filch_context_token *token = NULL;
    must(filch_context_enter(&token, NULL) == 0);
    filch_context_end(token);
    int status;
    pid_t child = fork();
    must(child >= 0);
    if (child == 0 && SANITIZED)
        _exit(see(self, value) ? 1 : 0); /* what is the parent's would count as leaked */
    if (child == 0)
        return see(self, value); /* which ends it */
    must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return see(self, value);
}

Test(context_ends, a_task_that_forks_keeps_it_and_its_child_ends_with_it)
{
    struct ends ends;
    begin_ends(&ends);
    filch_future *future = submit(ends.pool, fork_inside, &ends.value);
    filch_context_end(ends.token);
    gate_open(&ends.gate);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    end_ends(&ends);
}
