/* SPDX-License-Identifier: MIT */
/* What tasks inherit of who submits them, wherever and whenever they run. */
#include "support.h"

#include <filch/fork.h>

SUITE(context);

enum { TRACE, TENANT };

/* The values are numbers: nothing is to be destroyed. */
static filch_context_token *set(unsigned slot, intptr_t value)
{
    filch_context_token *token = NULL;
    must(filch_context_begin(&token, slot, (void *)value, NULL) == 0);
    return token;
}

static intptr_t get(unsigned slot)
{
    return (intptr_t)filch_context_get(slot);
}

static int tell_trace(filch_task *self, void *arg)
{
    (void)arg;
    return filch_return(self, filch_context_get(TRACE));
}

static intptr_t result_of(filch_future *future)
{
    void *result = NULL;
    must(filch_future_result(future, FILCH_FOREVER, &result) == 0);
    filch_future_unref(future);
    return (intptr_t)result;
}

/* ---- On one thread ---- */

Test(context, tokens_nest_and_each_end_brings_back_what_was_before)
{
    cr_assert_eq(get(TRACE), 0);
    filch_context_token *outer = set(TRACE, 1), *tenant = set(TENANT, 7), *inner = set(TRACE, 2),
                        *none = set(TRACE, 0);
    cr_assert_eq(get(TRACE), 0);
    cr_assert_eq(get(TENANT), 7);
    filch_context_end(none);
    cr_assert_eq(get(TRACE), 2);
    filch_context_end(inner);
    cr_assert_eq(get(TRACE), 1);
    cr_assert_eq(get(TENANT), 7);
    filch_context_end(tenant);
    cr_assert_eq(get(TENANT), 0);
    filch_context_end(outer);
    cr_assert_eq(get(TRACE), 0);
    filch_context_end(NULL);
}

Test(context, a_slot_that_is_none_is_refused)
{
    filch_context_token *token = NULL;
    cr_assert_eq(filch_context_begin(&token, FILCH_CONTEXT_SLOTS, &token, NULL), -EINVAL);
    cr_assert_eq(filch_context_begin(NULL, 0, &token, NULL), -EINVAL);
    cr_assert_eq(filch_context_enter(NULL, NULL), -EINVAL);
    cr_assert_null(token);
    cr_assert_null(filch_context_get(FILCH_CONTEXT_SLOTS));
    filch_context_token *last = set(FILCH_CONTEXT_SLOTS - 1, 5);
    cr_assert_eq(get(FILCH_CONTEXT_SLOTS - 1), 5);
    cr_assert_null(filch_context_get(FILCH_CONTEXT_SLOTS));
    filch_context_end(last);
}

Test(context, an_event_loop_takes_keeps_and_restores_a_whole_one)
{
    cr_assert_null(filch_context_capture());
    filch_context *requests[2];
    for (intptr_t i = 0; i < 2; i++) {
        filch_context_token *trace = set(TRACE, 1 + i), *tenant = set(TENANT, 10 + i);
        requests[i] = filch_context_capture();
        filch_context_end(tenant);
        filch_context_end(trace);
    }
    for (intptr_t turn = 0; turn < 6; turn++) {
        filch_context_token *token = NULL, *none = NULL;
        cr_assert_eq(filch_context_enter(&token, requests[turn % 2]), 0);
        cr_assert_eq(get(TRACE), 1 + turn % 2);
        cr_assert_eq(get(TENANT), 10 + turn % 2);
        cr_assert_eq(filch_context_enter(&none, NULL), 0);
        cr_assert_eq(get(TENANT), 0);
        filch_context_end(none);
        cr_assert_eq(get(TENANT), 10 + turn % 2);
        filch_context_end(token);
        cr_assert_eq(get(TRACE), 0);
    }
    filch_context_unref(filch_context_ref(requests[0]));
    filch_context_unref(requests[0]);
    filch_context_unref(requests[1]);
    filch_context_unref(NULL);
    cr_assert_null(filch_context_ref(NULL));
}

Test(context, blocks_that_end_bring_back_what_was_before)
{
    {
        FILCH_AUTO(filch_context_token_cleanup) filch_context_token *token = set(TRACE, 3);
        FILCH_AUTO(filch_context_cleanup) filch_context *context = filch_context_capture();
        cr_assert(token && context);
    }
    cr_assert_null(filch_context_capture());
}

/* ---- Tasks and sub tasks ---- */

static int sum_of_sub_tasks(filch_task *self, void *depth)
{
    intptr_t n = (intptr_t)depth;
    intptr_t sum = get(TRACE);
    for (int i = 0; i < 2 && n > 0; i++) {
        filch_future *sub = NULL;
        must(filch_submit(filch_task_pool(self), sum_of_sub_tasks, (void *)(n - 1), &sub) == 0);
        sum += result_of(sub);
        must(get(TRACE) == (intptr_t)filch_context_get(TRACE) && get(TRACE) != 0);
    }
    return filch_return(self, (void *)sum);
}

Test(context, sub_tasks_inherit_it_whichever_thread_runs_them)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_pool *pool = pool_of(workers);
        filch_future *mains[2];
        for (intptr_t i = 0; i < 2; i++) {
            filch_context_token *token = set(TRACE, 1 + i);
            mains[i] = submit(pool, sum_of_sub_tasks, (void *)6);
            filch_context_end(token);
        }
        cr_assert_eq(result_of(mains[0]), 127);
        cr_assert_eq(result_of(mains[1]), 254);
        cr_assert_eq(result_of(submit(pool, tell_trace, NULL)), 0);
        filch_pool_destroy(pool);
    }
}

struct in_place {
    filch_future *others[3]; /* without a context, of another one, without */
    intptr_t seen[3], between[3];
};

static int await_others(filch_task *self, void *arg)
{
    struct in_place *its = arg;
    (void)self;
    for (int i = 0; i < 3; i++) {
        its->seen[i] = result_of(its->others[i]);
        its->between[i] = get(TRACE);
    }
    return 0;
}

Test(context, a_task_that_runs_in_place_sees_its_own_and_the_awaiting_one_its_own_again)
{
    filch_pool *pool = pool_of(1);
    struct in_place its;
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    filch_context_token *outer = set(TRACE, 1);
    filch_future *main = submit(pool, await_others, &its);
    filch_context_token *inner = set(TRACE, 2);
    its.others[1] = submit(pool, tell_trace, NULL);
    filch_context_end(inner);
    filch_context_end(outer);
    its.others[0] = submit(pool, tell_trace, NULL);
    its.others[2] = submit(pool, tell_trace, NULL);
    let_go(&gate, holder);
    result_of(main);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(its.seen[i], i == 1 ? 2 : 0);
        cr_assert_eq(its.between[i], 1);
    }
    cr_assert_geq(stats_of(pool).ran_in_place, 3);
    filch_pool_destroy(pool);
}

static int wait_with_trace(filch_task *self, void *gate)
{
    intptr_t before = get(TRACE);
    filch_blocking_begin(self);
    pass_gate(self, gate);
    must(get(TRACE) == before);
    filch_blocking_end(self);
    must(filch_sleep(FILCH_US(10)) == 0);
    return filch_return(self, filch_context_get(TRACE));
}

Test(context, it_stays_over_waits_that_give_the_worker_away)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_context_token *token = set(TRACE, 4);
    filch_future *waits = submit(pool, wait_with_trace, &gate);
    event_await(&gate.started);
    filch_context_end(token);
    cr_assert_eq(result_of(submit(pool, tell_trace, NULL)), 0);
    gate_open(&gate);
    cr_assert_eq(result_of(waits), 4);
    filch_pool_destroy(pool);
}

/* ---- Every way to submit ---- */

Test(context, it_is_captured_by_submits_of_many)
{
    filch_pool *pool = pool_of(2);
    filch_future *futures[300];
    filch_context_token *token = set(TRACE, 6);
    cr_assert_eq(filch_submit_many(pool, tell_trace, NULL, 0, 300, futures), 0);
    filch_context_end(token);
    for (int i = 0; i < 300; i++)
        cr_assert_eq(result_of(futures[i]), 6);
    filch_pool_destroy(pool);
}

Test(context, it_is_captured_by_a_submit_with_options_of_a_scope_and_for_later)
{
    filch_pool *pool = pool_of(2);
    filch_scope *scope = NULL;
    filch_future *later = NULL, *named, *member = NULL;
    cr_assert_eq(filch_scope_open(&scope, pool, NULL), 0);
    filch_context_token *token = set(TRACE, 8);
    named = submit_named(pool, tell_trace, NULL, "with a name");
    cr_assert_eq(filch_submit_after(pool, FILCH_US(100), tell_trace, NULL, &later), 0);
    cr_assert_eq(filch_scope_submit(scope, tell_trace, NULL, &member), 0);
    filch_context_end(token);
    cr_assert_eq(result_of(named), 8);
    cr_assert_eq(result_of(later), 8);
    cr_assert_eq(filch_scope_join(scope, NULL), 0);
    cr_assert_eq(result_of(member), 8);
    filch_scope_close(scope);
    filch_pool_destroy(pool);
}

static int fail_twice(filch_task *self, void *traces)
{
    unsigned attempt = filch_task_attempt(self);
    ((intptr_t *)traces)[attempt - 1] = get(TRACE);
    filch_return(self, "none of a context");
    return attempt < 3 ? -EIO : 0;
}

static bool decide_by_trace(const filch_error *error, unsigned attempt, void *arg)
{
    (void)error;
    (void)attempt;
    *(intptr_t *)arg += get(TRACE);
    return true;
}

Test(context, every_attempt_has_it_and_so_has_who_decides_on_the_next)
{
    filch_pool *pool = pool_of(1);
    intptr_t traces[3] = { 0 }, decided = 0;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    retry.max_attempts = 3;
    retry.interval_ns = FILCH_US(10);
    retry.should_retry = decide_by_trace;
    retry.should_retry_arg = &decided;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.retry = &retry;
    filch_future *future = NULL;
    filch_context_token *token = set(TRACE, 9);
    cr_assert_eq(filch_submit_with(pool, fail_twice, traces, &options, &future), 0);
    filch_context_end(token);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(future), FILCH_DONE);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(traces[i], 9);
    cr_assert_eq(decided, 18);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

static int map_trace(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(intptr_t *)out = *(const intptr_t *)in + get(TRACE);
    set(TRACE, 100); /* left open: no other chunk sees it */
    return 0;
}

Test(context, the_elements_of_a_map_have_that_of_its_begin)
{
    filch_pool *pool = pool_of(2);
    intptr_t in[100], out[100];
    filch_map_options options = FILCH_MAP_OPTIONS;
    options.chunk = 1;
    for (intptr_t i = 0; i < 100; i++)
        in[i] = i;
    filch_context_token *token = set(TRACE, 1000);
    cr_assert_eq(filch_map(pool, map_trace, NULL, in, sizeof *in, out, sizeof *out, 100, &options, NULL), 0);
    cr_assert_eq(get(TRACE), 1000);
    filch_context_end(token);
    for (intptr_t i = 0; i < 100; i++)
        cr_assert_eq(out[i], 1000 + i);
    filch_pool_destroy(pool);
}

static int give_few(void *left, void **item)
{
    *item = left;
    must(get(TRACE) == 2); /* the source is called by the consumer, as ever */
    return (*(int *)left)-- > 0;
}

Test(context, the_tasks_of_a_stream_have_that_of_its_begin)
{
    filch_pool *pool = pool_of(2);
    filch_stream *stream = NULL;
    int left = 20, n = 0;
    void *result;
    filch_context_token *token = set(TRACE, 3);
    cr_assert_eq(filch_stream_begin(&stream, pool, tell_trace, give_few, &left, NULL), 0);
    filch_context_end(token);
    token = set(TRACE, 2);
    for (; filch_stream_next(stream, &result) == 1; n++)
        cr_assert_eq((intptr_t)result, 3);
    cr_assert_eq(n, 20);
    filch_stream_end(stream);
    filch_context_end(token);
    filch_pool_destroy(pool);
}

Test(context, a_task_that_its_submitter_runs_has_it_too)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    filch_pool *pool = NULL;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    filch_context_token *token = set(TRACE, 5);
    filch_future *waits = submit(pool, tell_trace, NULL), *here = submit(pool, tell_trace, NULL);
    cr_assert(filch_future_done(here));
    cr_assert_eq(get(TRACE), 5);
    filch_context_end(token);
    cr_assert_eq(result_of(here), 5);
    let_go(&gate, holder);
    cr_assert_eq(result_of(waits), 5);
    filch_pool_destroy(pool);
}

/* ---- Within a task ---- */

static int leave_open(filch_task *self, void *arg)
{
    (void)arg;
    set(TENANT, 1);
    set(TRACE, get(TRACE) + 1);
    filch_future *sub = NULL;
    must(filch_submit(filch_task_pool(self), tell_trace, NULL, &sub) == 0);
    return filch_return(self, (void *)result_of(sub));
}

Test(context, what_a_task_leaves_open_is_ended_when_it_returns)
{
    filch_pool *pool = pool_of(1);
    for (intptr_t trace = 0; trace < 2; trace++) {
        filch_context_token *token = set(TRACE, trace);
        cr_assert_eq(result_of(submit(pool, leave_open, NULL)), trace + 1);
        cr_assert_eq(result_of(submit(pool, tell_trace, NULL)), trace);
        filch_context_end(token);
        cr_assert_eq(result_of(submit(pool, leave_open, NULL)), 1);
        cr_assert_eq(result_of(submit(pool, tell_trace, NULL)), 0);
    }
    filch_pool_destroy(pool);
}

static void note_trace(filch_future *future, void *arg)
{
    (void)future;
    *(intptr_t *)arg = get(TRACE);
    set(TRACE, 77); /* left open: the next one does not see it */
}

Test(context, a_callback_has_that_of_its_registration)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    intptr_t traces[3] = { -1, -1, -1 };
    filch_context_token *token = set(TRACE, 1);
    filch_future *future = hold_worker(pool, &gate);
    filch_future_on_done(future, note_trace, &traces[0]);
    filch_context_token *inner = set(TRACE, 2);
    filch_future_on_done(future, note_trace, &traces[1]);
    filch_context_end(inner);
    filch_context_end(token);
    filch_future_on_done(future, note_trace, &traces[2]);
    filch_future_ref(future);
    let_go(&gate, future);
    filch_pool_destroy(pool);
    cr_assert_eq(traces[0], 1);
    cr_assert_eq(traces[1], 2);
    cr_assert_eq(traces[2], 0);
    token = set(TRACE, 3);
    filch_future_on_done(future, note_trace, &traces[0]);
    cr_assert_eq(traces[0], 3);
    cr_assert_eq(get(TRACE), 3);
    filch_context_end(token);
    filch_future_unref(future);
}

/* ---- Forked calls ---- */

struct forked_note {
    filch_forked forked;
    struct event *ran;
    intptr_t trace, of_sub;
};

static void note_forked(filch_forker *forker, filch_forked *forked)
{
    struct forked_note *note = (struct forked_note *)forked;
    (void)forker;
    note->trace = get(TRACE);
    filch_future *sub = NULL;
    must(filch_submit(filch_task_pool(filch_task_current()), tell_trace, NULL, &sub) == 0);
    note->of_sub = result_of(sub);
    event_signal(note->ran);
}

struct forks {
    struct forked_note notes[3];
    struct event ran;
    bool stolen;
};

/* One of the task's, one of a token, one of a token that is ended before the join. */
static int fork_three(filch_task *self, void *arg)
{
    struct forks *forks = arg;
    filch_forker *forker = NULL;
    must(filch_fork_begin(self, &forker) == 0);
    for (int i = 0; i < 3; i++)
        forks->notes[i].ran = &forks->ran;
    filch_fork(forker, &forks->notes[0].forked, note_forked);
    filch_context_token *token = set(TRACE, 2);
    filch_fork(forker, &forks->notes[1].forked, note_forked);
    filch_context_token *inner = set(TRACE, 3);
    filch_fork(forker, &forks->notes[2].forked, note_forked);
    filch_context_end(inner);
    if (forks->stolen)
        event_await_count(&forks->ran, 3); /* this task has the other worker */
    filch_fork_join(forker, &forks->notes[2].forked);
    filch_fork_join(forker, &forks->notes[1].forked);
    must(get(TRACE) == 2);
    filch_context_end(token);
    filch_fork_join(forker, &forks->notes[0].forked);
    return filch_return(self, filch_context_get(TRACE));
}

static void expect_of_forks(unsigned workers, bool stolen)
{
    filch_pool *pool = pool_of(workers);
    struct forks forks = { .ran = EVENT, .stolen = stolen };
    filch_context_token *token = set(TRACE, 1);
    filch_future *task = submit(pool, fork_three, &forks);
    filch_context_end(token);
    cr_assert_eq(result_of(task), 1);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(forks.notes[i].trace, i + 1);
        cr_assert_eq(forks.notes[i].of_sub, i + 1);
    }
    cr_assert_eq(result_of(submit(pool, tell_trace, NULL)), 0);
    filch_pool_destroy(pool);
}

Test(context, forked_calls_have_that_of_their_fork_when_thieves_run_them)
{
    expect_of_forks(2, true);
}

Test(context, forked_calls_have_that_of_their_fork_when_their_task_runs_them)
{
    expect_of_forks(1, false);
}
