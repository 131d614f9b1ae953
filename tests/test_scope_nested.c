/* SPDX-License-Identifier: MIT */
/* Scopes inside tasks and inside each other: the tree of stops, one worker, one thread, little stack, two pools. */
#include "scope_support.h"

SUITE(scope_nested);

/* ---- Trees of scopes, with few workers ---- */

/* arg: how many levels are below. Each level has a scope of its own with two tasks. */
static int descend(filch_task *self, void *levels)
{
    if (!levels)
        return 0;
    filch_scope *scope = scope_of(filch_task_pool(self));
    for (int i = 0; i < 2; i++)
        spawn(scope, descend, (void *)((intptr_t)levels - 1));
    return finish(scope);
}

static int go_deep(filch_task *self, void *levels)
{
    if (!levels)
        return filch_fail(self, -EIO, "the bottom");
    filch_scope *scope = scope_of(filch_task_pool(self));
    filch_error *error = NULL;
    spawn(scope, go_deep, (void *)((intptr_t)levels - 1));
    int rc = filch_scope_join(scope, &error);
    must(rc < 0);
    rc = filch_fail_from(self, error, rc, "at level %d", (int)(intptr_t)levels);
    filch_error_unref(error);
    filch_scope_close(scope);
    return rc;
}

Test(scope_nested, trees_of_scopes_complete_with_any_number_of_workers)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        for (int i = 0; i < 5; i++)
            cr_assert_eq(run_in(pool, descend, (void *)9), 0);
        filch_pool_destroy(pool);
    }
}

Test(scope_nested, trees_of_scopes_complete_with_one_thread)
{
    filch_pool *pool = lone_pool(0);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(run_in(pool, descend, (void *)9), 0);
    filch_pool_destroy(pool);
}

static void expect_error_from_the_bottom(filch_pool *pool)
{
    filch_future *future = submit(pool, go_deep, (void *)500);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -EIO);
    cr_assert_str_eq(filch_error_message(filch_future_error(future)), "at level 500");
    cr_assert_str_eq(filch_error_message(filch_error_root(filch_future_error(future))), "the bottom");
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(scope_nested, an_error_comes_up_through_hundreds_of_levels)
{
    expect_error_from_the_bottom(pool_of(1));
}

Test(scope_nested, an_error_comes_up_through_hundreds_of_levels_on_one_thread)
{
    expect_error_from_the_bottom(lone_pool(0));
}

Test(scope_nested, close_joins_when_no_stack_is_left_for_what_has_not_started)
{
    filch_pool *pool = lone_pool((size_t)64 << 10);
    filch_future *future = submit(pool, go_deep, (void *)5000);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -EAGAIN);
    filch_future_unref(future);
    cr_assert_eq(run_in(pool, do_nothing, NULL), 0);
    filch_pool_destroy(pool);
}

/* The same, each task under a stop of its own below its scope's. */
static int go_deep_under_stops(filch_task *self, void *levels)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_scope *scope = scope_of(filch_task_pool(self));
    options.stop = stop_under(filch_scope_stop(scope));
    spawn_with(scope, go_deep_under_stops, (void *)((intptr_t)levels - 1), &options);
    filch_stop_unref(options.stop);
    int rc = filch_scope_join(scope, NULL);
    filch_scope_close(scope);
    return rc;
}

Test(scope_nested, close_joins_tasks_under_stops_of_their_own_when_no_stack_is_left)
{
    filch_pool *pool = lone_pool((size_t)64 << 10);
    cr_assert_eq(run_in(pool, go_deep_under_stops, NULL), -EAGAIN);
    filch_pool_destroy(pool);
}

/* ---- One worker gives way ---- */

/* Its scope's tasks are behind other tasks, which nobody awaits. */
static int join_behind_others(filch_task *self, void *counter)
{
    filch_pool *pool = filch_task_pool(self);
    filch_scope *scope = scope_of(pool);
    for (int i = 0; i < 20; i++) {
        spawn(scope, count_up, counter);
        must(filch_submit(pool, count_up, counter, NULL) == 0);
    }
    return finish(scope);
}

Test(scope_nested, tasks_behind_those_of_others_are_found)
{
    for (int lone = 0; lone < 2; lone++) {
        filch_pool *pool = lone ? lone_pool(0) : pool_of(1);
        _Atomic int ran = 0;
        filch_future *tasks[10];
        for (int i = 0; i < 10; i++)
            tasks[i] = submit(pool, join_behind_others, &ran);
        cr_assert_eq(filch_join(tasks, 10), 0);
        for (int i = 0; i < 10; i++)
            cr_assert_eq(filch_future_state(tasks[i]), FILCH_DONE);
        unref_all(tasks, 10);
        filch_pool_destroy(pool);
        cr_assert_eq(atomic_load(&ran), 400);
    }
}

/* ---- The tree of stops ---- */

static int check_stop_tree(filch_task *self, void *arg)
{
    filch_pool *pool = filch_task_pool(self);
    filch_stop *stop = arg;
    filch_scope *outer = scope_of(pool), *inner = scope_of(pool),
                *beside = scope_under(pool, filch_task_stop(self));
    must(filch_task_stop(self) == stop);
    filch_stop_request(filch_scope_stop(inner), -EPERM);
    must(!filch_stop_requested(filch_scope_stop(outer)) && !filch_task_stopped(self));
    filch_scope_close(beside);
    filch_scope_close(inner);
    inner = scope_of(pool);
    beside = scope_under(pool, filch_task_stop(self));
    filch_stop_request(filch_scope_stop(outer), -EPERM);
    must(filch_stop_reason(filch_scope_stop(inner)) == -EPERM);
    must(!filch_stop_requested(filch_scope_stop(beside)) && !filch_task_stopped(self));
    filch_stop_request(stop, -EXDEV);
    must(filch_stop_reason(filch_scope_stop(beside)) == -EXDEV);
    filch_scope_close(beside);
    filch_scope_close(inner);
    filch_scope_close(outer);
    return 0;
}

Test(scope_nested, stops_go_down_the_tree_of_scopes_and_not_up)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_under(NULL);
    filch_future *task = submit_under(pool, check_stop_tree, stop, stop);
    cr_assert_eq(filch_future_result(task, FILCH_FOREVER, NULL), 0);
    filch_future_unref(task);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

Test(scope_nested, a_scope_outside_of_tasks_is_below_the_pool_or_the_scope_around_it)
{
    filch_pool *pool = pool_of(1);
    filch_scope *outer = scope_of(pool), *inner = scope_of(pool);
    filch_stop_request(filch_scope_stop(outer), -EPERM);
    cr_assert_eq(filch_stop_reason(filch_scope_stop(inner)), -EPERM);
    filch_scope_close(inner);
    filch_scope_close(outer);
    outer = scope_of(pool);
    filch_stop_request(filch_pool_stop(pool), -EXDEV);
    cr_assert_eq(filch_stop_reason(filch_scope_stop(outer)), -EXDEV);
    filch_scope_close(outer);
    filch_pool_destroy(pool);
}

static int open_inside_and_wait(filch_task *self, void *started)
{
    filch_scope *inner = scope_of(filch_task_pool(self));
    for (int i = 0; i < 3; i++)
        spawn(inner, run_until_stopped, started);
    return finish(inner);
}

Test(scope_nested, close_of_the_outer_scope_ends_all_below)
{
    filch_pool *pool = pool_of(2);
    struct event started = EVENT;
    filch_scope *outer = scope_of(pool);
    filch_future *mains[3];
    for (int i = 0; i < 3; i++)
        mains[i] = spawn_held(outer, open_inside_and_wait, &started);
    event_await(&started);
    filch_scope_close(outer);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(filch_future_state(mains[i]), FILCH_STOPPED);
    unref_all(mains, 3);
    filch_pool_destroy(pool);
}

/* ---- Who is current ---- */

static int expect_group(filch_task *self, void *scope)
{
    must(filch_scope_current() == scope);
    filch_scope *own = scope_of(filch_task_pool(self));
    must(filch_scope_current() == own && own != scope);
    spawn(own, do_nothing, NULL);
    must(filch_scope_join(own, NULL) == 0);
    must(filch_scope_current() == own);
    filch_scope_close(own);
    must(filch_scope_current() == scope);
    return 0;
}

static void *expect_none(void *arg)
{
    must(filch_scope_current() == NULL);
    return arg;
}

Test(scope_nested, current_is_the_innermost_open_or_the_tasks_own)
{
    filch_pool *pool = pool_of(1);
    pthread_t other;
    cr_assert_null(filch_scope_current());
    filch_scope *outer = scope_of(pool), *inner = scope_of(pool);
    cr_assert_eq(filch_scope_current(), inner);
    pthread_create(&other, NULL, expect_none, NULL);
    pthread_join(other, NULL);
    spawn(outer, expect_group, outer);
    spawn(inner, expect_group, inner);
    cr_assert_eq(filch_scope_join(inner, NULL), 0);
    filch_scope_close(inner);
    cr_assert_eq(filch_scope_current(), outer);
    cr_assert_eq(finish(outer), 0);
    cr_assert_null(filch_scope_current());
    cr_assert_eq(run_in(pool, expect_group, NULL), 0);
    filch_pool_destroy(pool);
}

Test(scope_nested, scopes_may_be_closed_in_any_order)
{
    static const int orders[][3] = { { 0, 1, 2 }, { 1, 0, 2 }, { 2, 0, 1 }, { 1, 2, 0 }, { 2, 1, 0 } };
    filch_pool *pool = pool_of(3);
    for (int i = 0; i < 5; i++) {
        filch_scope *scopes[3];
        for (int j = 0; j < 3; j++) {
            scopes[j] = scope_of(pool);
            spawn(scopes[j], run_until_stopped, NULL);
        }
        for (int j = 0; j < 3; j++)
            filch_scope_close(scopes[orders[i][j]]);
        cr_assert_null(filch_scope_current());
    }
    filch_pool_destroy(pool);
}

/* ---- Those who have not opened it ---- */

static int join_own_scope(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    filch_future *next = NULL;
    filch_error *error = NULL;
    must(filch_scope_next(filch_scope_current(), FILCH_FOREVER, &next) == -EDEADLK && !next);
    must(filch_scope_join(filch_scope_current(), &error) == -EDEADLK);
    must(filch_error_code(error) == -EDEADLK);
    filch_error_unref(error);
    return 0;
}

Test(scope_nested, a_task_cannot_join_the_scope_it_belongs_to)
{
    filch_pool *pool = pool_of(1);
    filch_scope *scope = scope_of(pool);
    spawn(scope, join_own_scope, NULL);
    cr_assert_eq(finish(scope), 0);
    filch_pool_destroy(pool);
}

/* ---- Two pools ---- */

struct two_pools {
    filch_pool *other;
    struct event started;
    _Atomic int ran;
};

static int use_other_pool(filch_task *self, void *arg)
{
    struct two_pools *two = arg;
    (void)self;
    filch_scope *scope = scope_of(two->other);
    for (int i = 0; i < 10; i++)
        spawn(scope, count_up, &two->ran);
    must(filch_scope_join(scope, NULL) == 0);
    spawn(scope, run_until_stopped, &two->started);
    return finish(scope);
}

Test(scope_nested, a_scope_on_another_pool_is_stopped_with_the_task_that_opened_it)
{
    for (int lone = 0; lone < 2; lone++) {
        struct two_pools two = { .other = pool_of(1), .started = EVENT };
        filch_pool *pool = lone ? lone_pool(0) : pool_of(1);
        filch_stop *stop = stop_under(NULL);
        filch_future *task = submit_under(pool, use_other_pool, &two, stop);
        _Atomic int others = 0;
        for (int i = 0; i < 10; i++) /* reasons to ask the waiting task whether it can run something */
            cr_assert_eq(filch_submit(pool, count_up, &others, NULL), 0);
        event_await(&two.started);
        filch_stop_request(stop, 0);
        cr_assert_eq(filch_future_wait(task, FILCH_FOREVER), 0);
        cr_assert_eq(filch_future_state(task), FILCH_STOPPED);
        cr_assert_eq(atomic_load(&two.ran), 10);
        filch_future_unref(task);
        filch_stop_unref(stop);
        filch_pool_destroy(pool);
        cr_assert_eq(atomic_load(&others), 10);
        filch_pool_destroy(two.other);
    }
}
