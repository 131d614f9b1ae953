/* SPDX-License-Identifier: MIT */
/* What a child of fork() may go on with: forks of the task that it came from, stops, elements that return. */
#include "fork_fib.h"
#include "fork_support.h"

SUITE(fork_children);

/* In a child, as it exits: nothing that the parent's threads would be needed for. */
static void exit_at_once(void)
{
    _exit(0);
}

static void become_a_child(void)
{
    limit_patience();
    must(atexit(exit_at_once) == 0);
}

/* ---- Fork-join ---- */

static int never_called(size_t begin, size_t end, void *arg)
{
    (void)begin;
    (void)end;
    (void)arg;
    abort();
}

static void fork_and_join(filch_pool *pool, filch_forker *forker)
{
    must(filch_fork_wanted(forker)); /* as the parent's other worker wants work */
    must(!filch_fork_stopped(forker));
    must(fib(forker, 12) == 144);
    must(filch_parallel_for(pool, 0, 9, never_called, NULL, NULL) == -EOWNERDEAD);
}

static int fork_with_a_forker(filch_task *self, void *well)
{
    filch_forker *forker = NULL;
    must(filch_fork_begin(self, &forker) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        become_a_child();
        fork_and_join(filch_task_pool(self), forker);
        _exit(0);
    }
    *(bool *)well = ended_well(child);
    must(fib(forker, 12) == 144);
    return 0;
}

Test(fork_children, a_child_forks_and_joins_alone)
{
    filch_pool *pool = pool_of(2);
    bool well = false;
    filch_future *future = submit(pool, fork_with_a_forker, &well);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert(well);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- Elements of a map ---- */

static int fork_an_element(filch_task *self, const void *in, void *out, void *children)
{
    (void)self;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become_a_child();
    else
        ((pid_t *)children)[*(const int *)in] = child;
    *(int *)out = *(const int *)in + 1;
    return 0;
}

Test(fork_children, a_child_of_an_element_ends_when_the_element_returns)
{
    enum { N = 6 };
    filch_pool *pool = pool_of(2);
    pid_t children[N];
    int in[N], out[N];
    for (int i = 0; i < N; i++)
        in[i] = i;
    cr_assert_eq(filch_map(pool, fork_an_element, children, in, sizeof in[0], out, sizeof out[0], N, NULL, NULL),
                 0);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(out[i], i + 1);
        cr_assert(ended_well(children[i]));
    }
    filch_pool_destroy(pool);
}

/* ---- What else it has copies of ---- */

struct copies {
    filch_pool *pool;
    filch_stop *stop;
    filch_scope *scope;
};

static void let_go_of_copies(struct copies *copies)
{
    filch_future *out = NULL;
    must(filch_scope_next(copies->scope, FILCH_FOREVER, &out) == -EOWNERDEAD && !out);
    filch_scope_close(copies->scope);
    must(!filch_stop_requested(copies->stop));
    filch_stop_unref(copies->stop);
    must(filch_pool_destroy(copies->pool) == -EOWNERDEAD);
}

Test(fork_children, a_stop_with_a_deadline_and_a_scope_are_let_go_of_without_their_threads)
{
    struct gate gate = GATE;
    struct copies copies = { .pool = pool_of(1) };
    must(filch_stop_create_until(&copies.stop, NULL, copies.pool, filch_now() + FILCH_SECONDS(1000)) == 0);
    must(filch_scope_open(&copies.scope, copies.pool, NULL) == 0);
    must(filch_scope_submit(copies.scope, pass_gate, &gate, NULL) == 0);
    event_await(&gate.started);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        become_a_child();
        let_go_of_copies(&copies);
        _exit(0);
    }
    cr_assert(ended_well(child));
    gate_open(&gate);
    filch_scope_close(copies.scope);
    filch_stop_unref(copies.stop);
    cr_assert_eq(filch_pool_destroy(copies.pool), 0);
}
