/* SPDX-License-Identifier: MIT */
/* Shutting down: every combination of flags, from anywhere, and nothing that was submitted is lost. */
#include "os.h"
#include "support.h"

SUITE(shutdown);

#define WAIT FILCH_SHUTDOWN_WAIT
#define CANCEL FILCH_SHUTDOWN_CANCEL_PENDING
#define STOP FILCH_SHUTDOWN_STOP_RUNNING

/* ---- Flags ---- */

struct scene {
    filch_pool *pool;
    struct event started;
    filch_future *polite; /* runs until it is stopped */
    struct gate gate;
    filch_future *gated; /* runs until the gate opens */
    filch_future *pending[5];
    _Atomic int ran;
};

static void set(struct scene *scene)
{
    *scene = (struct scene) { .pool = pool_of(2), .started = EVENT, .gate = GATE };
    scene->polite = submit(scene->pool, run_until_stopped, &scene->started);
    event_await(&scene->started);
    scene->gated = hold_worker(scene->pool, &scene->gate);
    for (int i = 0; i < 5; i++)
        scene->pending[i] = submit(scene->pool, count_up, (void *)&scene->ran);
}

static void strike(struct scene *scene)
{
    filch_stop_request(filch_pool_stop(scene->pool), 0);
    gate_open(&scene->gate);
    must(filch_pool_destroy(scene->pool) == 0);
    filch_future_unref(scene->polite);
    filch_future_unref(scene->gated);
    unref_all(scene->pending, 5);
}

static void shut(struct scene *scene, unsigned flags, int rc)
{
    filch_future *late = NULL;
    cr_assert_eq(filch_pool_shutdown(scene->pool, flags, FILCH_MS(5), NULL), rc);
    cr_assert_eq(filch_submit(scene->pool, do_nothing, NULL, &late), -ESHUTDOWN);
    cr_assert_null(late);
}

Test(shutdown, without_flags_it_refuses_submits_and_touches_nothing)
{
    struct scene scene;
    set(&scene);
    shut(&scene, 0, 0);
    cr_assert_eq(filch_future_state(scene.polite), FILCH_RUNNING);
    cr_assert_eq(filch_future_state(scene.pending[0]), FILCH_PENDING);
    gate_open(&scene.gate);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(filch_future_result(scene.pending[i], FILCH_FOREVER, NULL), 0);
    cr_assert_eq(atomic_load(&scene.ran), 5);
    strike(&scene);
}

Test(shutdown, cancel_pending_cancels_at_once_what_has_not_started)
{
    struct scene scene;
    set(&scene);
    shut(&scene, CANCEL, 0);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(filch_future_state(scene.pending[i]), FILCH_CANCELLED);
    cr_assert_eq(filch_future_state(scene.polite), FILCH_RUNNING);
    cr_assert_eq(filch_future_state(scene.gated), FILCH_RUNNING);
    strike(&scene);
    cr_assert_eq(atomic_load(&scene.ran), 0);
}

Test(shutdown, stop_running_stops_what_runs_and_what_is_to_start)
{
    struct scene scene;
    set(&scene);
    shut(&scene, STOP, 0);
    cr_assert_eq(filch_future_result(scene.polite, FILCH_FOREVER, NULL), -ECANCELED);
    cr_assert_eq(filch_future_state(scene.polite), FILCH_STOPPED);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(filch_future_wait(scene.pending[i], FILCH_FOREVER), 0);
        cr_assert_eq(filch_future_state(scene.pending[i]), FILCH_STOPPED);
    }
    cr_assert_eq(filch_stop_reason(filch_pool_stop(scene.pool)), -ECANCELED);
    strike(&scene);
}

Test(shutdown, cancel_and_stop_do_both)
{
    struct scene scene;
    set(&scene);
    shut(&scene, CANCEL | STOP, 0);
    cr_assert_eq(filch_future_wait(scene.polite, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(scene.polite), FILCH_STOPPED);
    for (int i = 0; i < 5; i++) {
        filch_state state = filch_future_state(scene.pending[i]);
        cr_assert(state == FILCH_CANCELLED || state == FILCH_STOPPED);
    }
    cr_assert_eq(atomic_load(&scene.ran), 0);
    strike(&scene);
}

Test(shutdown, wait_times_out_while_tasks_run_with_any_other_flag)
{
    static const unsigned flags[] = { WAIT, WAIT | CANCEL, WAIT | STOP, WAIT | CANCEL | STOP };
    for (int i = 0; i < 4; i++) {
        struct scene scene;
        set(&scene);
        shut(&scene, flags[i], -ETIMEDOUT);
        shut(&scene, flags[i], -ETIMEDOUT);
        gate_open(&scene.gate);
        cr_assert_eq(filch_pool_shutdown(scene.pool, WAIT | STOP, FILCH_FOREVER, NULL), 0);
        cr_assert(filch_future_done(scene.gated) && filch_future_done(scene.polite));
        for (int j = 0; j < 5; j++)
            cr_assert(filch_future_done(scene.pending[j]));
        shut(&scene, flags[i], 0);
        strike(&scene);
    }
}

Test(shutdown, a_pool_that_was_never_used_shuts_down_and_goes_at_once)
{
    filch_pool *pool = pool_of(4);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    pool = pool_of(4);
    cr_assert_eq(filch_pool_shutdown(pool, WAIT | CANCEL | STOP, 0, NULL), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(filch_pool_destroy(NULL), 0);
    pool = NULL;
    filch_pool_cleanup(&pool);
}

/* ---- Stragglers ---- */

Test(shutdown, a_timeout_counts_and_names_the_stragglers)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *futures[3] = { submit_named(pool, pass_gate, &gate, "slow one"),
                                 submit_named(pool, pass_gate, &gate, "another"),
                                 submit_named(pool, pass_gate, &gate, "not started") };
    filch_error *error = NULL;
    event_await_count(&gate.started, 2);
    cr_assert_eq(filch_pool_shutdown(pool, WAIT, FILCH_MS(2), &error), -ETIMEDOUT);
    cr_assert_eq(filch_error_code(error), -ETIMEDOUT);
    const char *message = filch_error_message(error);
    cr_assert_not_null(strstr(message, "3 tasks"), "%s", message);
    cr_assert_not_null(strstr(message, "slow one"), "%s", message);
    cr_assert_not_null(strstr(message, "another"), "%s", message);
    filch_error_unref(error);
    gate_open(&gate);
    error = NULL;
    cr_assert_eq(filch_pool_shutdown(pool, WAIT, FILCH_FOREVER, &error), 0);
    cr_assert_null(error);
    unref_all(futures, 3);
    filch_pool_destroy(pool);
}

Test(shutdown, many_stragglers_with_long_names_are_cut_and_counted)
{
    enum { N = 40 };
    filch_pool *pool = pool_of(N);
    struct gate gate = GATE;
    filch_future *futures[N];
    filch_error *error = NULL;
    for (int i = 0; i < N; i++)
        futures[i] = submit_named(pool, pass_gate, &gate, "a name that is longer than what a label can hold of it");
    event_await_count(&gate.started, N);
    cr_assert_eq(filch_pool_shutdown(pool, WAIT, 0, &error), -ETIMEDOUT);
    cr_assert_not_null(strstr(filch_error_message(error), "40 tasks"));
    cr_assert_not_null(strstr(filch_error_message(error), "a name that is longer"));
    filch_error_unref(error);
    gate_open(&gate);
    unref_all(futures, N);
    filch_pool_destroy(pool);
}

Test(shutdown, a_straggler_that_waits_inside_is_named_too)
{
    struct gate gate = GATE;
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    filch_future *held = hold_worker(other, &gate);
    filch_error *error = NULL;
    filch_future *waiter = submit_named(pool, await_arg, held, "patient");
    UNTIL(stats_of(pool).handoffs == 1);
    cr_assert_eq(filch_pool_shutdown(pool, WAIT, 0, &error), -ETIMEDOUT);
    cr_assert_not_null(strstr(filch_error_message(error), "patient"), "%s", filch_error_message(error));
    filch_error_unref(error);
    gate_open(&gate);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
    filch_future_unref(held);
    filch_future_unref(waiter);
}

/* ---- From inside ---- */

static int shut_down_inside(filch_task *self, void *ran)
{
    filch_pool *pool = filch_task_pool(self);
    must(filch_pool_shutdown(pool, WAIT | CANCEL | STOP, FILCH_FOREVER, NULL) == -EDEADLK);
    must(!filch_task_stopped(self)); /* nothing was done */
    must(filch_submit(pool, count_up, ran, NULL) == 0);
    must(filch_pool_destroy(pool) == -EDEADLK);
    must(filch_pool_shutdown(pool, 0, FILCH_FOREVER, NULL) == 0);
    must(filch_submit(pool, count_up, ran, NULL) == 0); /* a sub task of one that runs */
    must(filch_pool_shutdown(pool, CANCEL, FILCH_FOREVER, NULL) == 0);
    must(filch_submit(pool, count_up, ran, NULL) == -ESHUTDOWN);
    return 0;
}

Test(shutdown, a_task_may_shut_its_pool_down_but_not_wait_for_it)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    _Atomic int ran = 0;
    filch_future *holder = hold_worker(pool, &gate);
    filch_future *inside = submit(pool, shut_down_inside, (void *)&ran), *pending = submit(pool, do_nothing, NULL);
    let_go(&gate, holder);
    cr_assert_eq(filch_future_result(inside, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_future_state(pending), FILCH_CANCELLED);
    filch_future_unref(inside);
    filch_future_unref(pending);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(atomic_load(&ran), 0, "its sub tasks were cancelled too");
}

struct tree {
    int depth;
    _Atomic int *ran;
};

static int submit_two(filch_task *self, void *arg)
{
    struct tree *tree = arg;
    atomic_fetch_add(tree->ran, 1);
    for (int i = 0; i < 2 && tree->depth; i++) {
        struct tree *below = malloc(sizeof *below);
        *below = (struct tree) { tree->depth - 1, tree->ran };
        must(filch_submit(filch_task_pool(self), submit_two, below, NULL) == 0);
    }
    free(tree);
    return 0;
}

Test(shutdown, sub_tasks_submitted_during_a_graceful_shutdown_still_run)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        _Atomic int ran = 0;
        struct tree *tree = malloc(sizeof *tree);
        *tree = (struct tree) { 10, &ran };
        must(filch_submit(pool, submit_two, tree, NULL) == 0);
        cr_assert_eq(filch_pool_shutdown(pool, WAIT, FILCH_FOREVER, NULL), 0);
        cr_assert_eq(atomic_load(&ran), 2047);
        filch_pool_destroy(pool);
    }
}
