/* SPDX-License-Identifier: MIT */
/* Completion queues: refusals, ends while tasks run, forks, and what happens without memory or descriptors. */
#include "cq_support.h"

#include <fcntl.h>
#include <sys/wait.h>

SUITE(cq_edges);

static _Atomic int freed;

static void count_freed(void *arg)
{
    (void)arg;
    atomic_fetch_add(&freed, 1);
}

/* Whose argument's end is counted: that of the future. */
static void submit_counted(filch_cq *cq, filch_pool *pool, filch_fn *fn, void *arg)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.arg_dtor = count_freed;
    must(filch_cq_submit(cq, pool, fn, arg, &options, NULL) == 0);
}

/* ---- Refusals ---- */

Test(cq_edges, what_is_missing_is_an_error)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_cq_add(cq, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_cq_add(NULL, future, NULL), -EINVAL);
    cr_assert_eq(filch_cq_submit(NULL, pool, do_nothing, NULL, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_cq_submit(cq, NULL, do_nothing, NULL, NULL, NULL), -EINVAL);
    cr_assert_eq(filch_cq_submit(cq, pool, NULL, NULL, NULL, NULL), -EINVAL);
    options.size = 0;
    cr_assert_eq(filch_cq_submit(cq, pool, do_nothing, NULL, &options, NULL), -EINVAL);
    cr_assert_eq(filch_cq_pending(cq), 0);
    filch_future_unref(future);
    filch_cq_destroy(cq);
    filch_cq_destroy(NULL);
    filch_cq *none = NULL;
    filch_cq_cleanup(&none);
    filch_pool_destroy(pool);
}

Test(cq_edges, of_a_submit_that_is_refused_nothing_comes)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    submit_counted(cq, pool, do_nothing, NULL);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    cr_assert_eq(filch_cq_submit(cq, pool, do_nothing, NULL, NULL, NULL), -ESHUTDOWN);
    cr_assert_eq(filch_cq_pending(cq), 1);
    filch_cq_entry entry = drain_one(cq);
    filch_future_unref(entry.future);
    filch_pool_destroy(pool);
    filch_cq_destroy(cq);
    cr_assert_eq(atomic_load(&freed), 1);
}

static filch_pool *full_pool(filch_overflow overflow)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.capacity = 1;
    options.overflow = overflow;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

Test(cq_edges, a_full_pool_says_so)
{
    filch_pool *pool = full_pool(FILCH_REJECT);
    filch_cq *cq = new_cq();
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    must(filch_cq_submit(cq, pool, do_nothing, NULL, NULL, NULL) == 0);
    cr_assert_eq(filch_cq_submit(cq, pool, do_nothing, NULL, NULL, NULL), -ENOBUFS);
    cr_assert_eq(filch_cq_pending(cq), 1);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    filch_cq_entry entry = drain_one(cq);
    filch_future_unref(entry.future);
    filch_cq_destroy(cq);
}

Test(cq_edges, what_the_caller_has_run_is_there_at_once)
{
    filch_pool *pool = full_pool(FILCH_CALLER_RUNS);
    filch_cq *cq = new_cq();
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *waiting = submit(pool, do_nothing, NULL);
    must(filch_cq_submit(cq, pool, return_arg, cq, NULL, &gate) == 0);
    cr_assert(is_readable(cq));
    filch_cq_entry entry = drain_one(cq);
    void *result = NULL;
    cr_assert_eq(filch_future_result(entry.future, 0, &result), 0);
    cr_assert_eq(result, cq);
    filch_future_unref(entry.future);
    filch_future_unref(waiting);
    let_go(&gate, holder);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

/* ---- Ends ---- */

Test(cq_edges, what_was_not_drained_is_let_go)
{
    filch_pool *pool = pool_of(2);
    filch_cq *cq = new_cq();
    for (int i = 0; i < 10; i++)
        submit_counted(cq, pool, do_nothing, NULL);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    cr_assert_eq(atomic_load(&freed), 0);
    filch_cq_destroy(cq);
    cr_assert_eq(atomic_load(&freed), 10);
    filch_pool_destroy(pool);
}

Test(cq_edges, tasks_that_run_at_its_end_run_on_and_are_let_go)
{
    enum { N = 3 };
    filch_pool *pool = pool_of(N);
    filch_cq *cq = new_cq();
    struct gate gates[N];
    for (int i = 0; i < N; i++) {
        gates[i] = (struct gate)GATE;
        submit_counted(cq, pool, pass_gate, &gates[i]);
        event_await(&gates[i].started);
    }
    submit_counted(cq, pool, do_nothing, NULL);
    int fd = filch_cq_fd(cq);
    filch_cq_destroy(cq);
    cr_assert_eq(fcntl(fd, F_GETFD), -1, "it is closed");
    cr_assert_eq(atomic_load(&freed), 0);
    for (int i = 0; i < N; i++)
        gate_open(&gates[i]);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(atomic_load(&freed), N + 1);
}

Test(cq_edges, a_descriptor_that_takes_the_place_of_the_closed_one_is_not_written_to)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    struct gate gate = GATE;
    must(filch_cq_submit(cq, pool, pass_gate, &gate, NULL, NULL) == 0);
    event_await(&gate.started);
    int fd = filch_cq_fd(cq);
    filch_cq_destroy(cq);
    filch_cq *next = new_cq();
    cr_assert_eq(filch_cq_fd(next), fd);
    gate_open(&gate);
    filch_pool_destroy(pool);
    cr_assert_eq(signals_of(next), 0);
    filch_cq_destroy(next);
}

Test(cq_edges, one_with_some_final_some_running_and_some_added_by_hand_ends)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *first = submit(pool, do_nothing, NULL);
    for (int i = 0; i < 3; i++) {
        must(filch_cq_add(cq, holder, NULL) == 0);
        must(filch_cq_add(cq, first, NULL) == 0);
    }
    must(filch_future_cancel(first));
    filch_cq_entry entry = drain_one(cq);
    cr_assert_eq(entry.future, first);
    filch_future_unref(entry.future);
    filch_cq_destroy(cq);
    filch_future_unref(first);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
}

static int fail_loudly(filch_task *self, void *arg)
{
    (void)arg;
    return filch_fail(self, -EIO, "on the way to nobody");
}

static void count_unobserved(const filch_error *error, void *arg)
{
    must(filch_error_code(error) == -EIO);
    atomic_fetch_add((_Atomic int *)arg, 1);
}

Test(cq_edges, a_failure_that_was_let_go_is_unobserved_and_one_that_was_asked_for_is_not)
{
    _Atomic int unobserved = 0;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.on_unobserved = count_unobserved;
    options.unobserved_arg = (void *)&unobserved;
    must(filch_pool_create(&pool, &options) == 0);
    filch_cq *cq = new_cq();
    for (int i = 0; i < 2; i++)
        must(filch_cq_submit(cq, pool, fail_loudly, NULL, NULL, NULL) == 0);
    filch_pool_destroy(pool);
    filch_cq_entry entry = drain_one(cq);
    cr_assert_eq(filch_future_result(entry.future, 0, NULL), -EIO);
    filch_future_unref(entry.future);
    cr_assert_eq(atomic_load(&unobserved), 0);
    filch_cq_destroy(cq);
    cr_assert_eq(atomic_load(&unobserved), 1);
}

/* ---- Forks ---- */

static void expect_child_to_end_well(void (*play)(filch_cq *, filch_pool *, filch_future *), filch_cq *cq,
                                     filch_pool *pool, filch_future *future)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        play(cq, pool, future);
        _exit(0);
    }
    must(child > 0 && waitpid(child, &status, 0) == child);
    cr_assert_eq(status, 0);
}

static void use_copy(filch_cq *cq, filch_pool *pool, filch_future *running)
{
    filch_cq_entry entry;
    must(filch_cq_drain(cq, &entry, 1) == 0);
    must(filch_cq_submit(cq, pool, do_nothing, NULL, NULL, NULL) == -EOWNERDEAD);
    must(filch_cq_add(cq, running, NULL) == -EOWNERDEAD);
    filch_cq *own = new_cq();
    must(filch_cq_add(own, running, NULL) == -EOWNERDEAD);
    must(filch_cq_submit(own, pool, do_nothing, NULL, NULL, NULL) == -EOWNERDEAD);
    must(filch_cq_pending(own) == 0);
    filch_cq_destroy(own);
    filch_cq_destroy(cq);
}

Test(cq_edges, a_forked_child_takes_nothing_from_its_parent)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    struct gate gate = GATE;
    filch_future *running = hold_worker(pool, &gate), *cancelled = submit(pool, do_nothing, NULL);
    must(filch_cq_add(cq, running, NULL) == 0 && filch_cq_add(cq, cancelled, NULL) == 0);
    must(filch_future_cancel(cancelled));
    expect_child_to_end_well(use_copy, cq, pool, running);
    cr_assert_eq(signals_of(cq), 1);
    filch_cq_entry entry = drain_one(cq);
    cr_assert_eq(entry.future, cancelled);
    filch_future_unref(entry.future);
    filch_future_unref(cancelled);
    gate_open(&gate);
    entry = await_one(cq);
    cr_assert_eq(entry.future, running);
    filch_future_unref(entry.future);
    filch_future_unref(running);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

static void add_what_is_final(filch_cq *cq, filch_pool *pool, filch_future *future)
{
    filch_cq *own = new_cq();
    (void)cq;
    (void)pool;
    must(filch_cq_add(own, future, NULL) == 0);
    filch_cq_entry entry = drain_one(own);
    must(entry.future == future && filch_future_state(future) == FILCH_DONE);
    filch_future_unref(entry.future);
    filch_pool *another = pool_of(1);
    must(filch_cq_submit(own, another, return_arg, own, NULL, NULL) == 0);
    entry = await_one(own);
    filch_future_unref(entry.future);
    filch_cq_destroy(own);
    filch_pool_destroy(another);
}

Test(cq_edges, a_new_queue_works_in_a_forked_child)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_future *future = submit(pool, do_nothing, NULL);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    expect_child_to_end_well(add_what_is_final, cq, pool, future);
    filch_future_unref(future);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

/* ---- Without memory, or descriptors ---- */

Test(cq_edges, without_memory_or_descriptors_none_is_created)
{
    filch_cq *cq = NULL;
    int n = 0;
    for (long nth = 1; !cq; nth++, n++) {
        atomic_store(&filchi_os_faults.allocations, nth);
        int rc = filch_cq_create(&cq);
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert_eq(rc, cq ? 0 : -ENOMEM);
    }
    cr_assert_eq(n, 3, "the queue, and what tells processes apart");
    filch_cq_destroy(cq);
    cq = NULL;
    atomic_store(&filchi_os_faults.events, 1);
    cr_assert_eq(filch_cq_create(&cq), -EMFILE);
    cr_assert_null(cq);
}

/* Submits until nothing more is withheld: of those that were refused nothing comes, and nothing is half there. */
static void submit_without(long nth, filch_cq *cq, filch_pool *pool, filch_task_options *options)
{
    atomic_store(&filchi_os_faults.allocations, nth);
    int rc = filch_cq_submit(cq, pool, do_nothing, NULL, options, NULL);
    bool struck = atomic_load(&filchi_os_faults.allocations) == 0;
    atomic_store(&filchi_os_faults.allocations, 0);
    must(rc == 0 || (struck && rc == -ENOMEM));
    must(filch_cq_pending(cq) == (rc == 0));
    if (rc)
        return;
    filch_cq_entry entry = await_one(cq);
    must(filch_future_state(entry.future) == FILCH_DONE);
    filch_future_unref(entry.future);
}

Test(cq_edges, without_memory_nothing_is_submitted_and_nothing_added)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.name = "a name that is too long to be kept inside";
    for (long nth = 1; nth < 20; nth++) {
        filch_pool *pool = pool_of(1); /* which has no memory of earlier tasks */
        filch_cq *cq = new_cq();
        submit_without(nth, cq, pool, nth % 2 ? &options : NULL);
        filch_cq_destroy(cq);
        filch_pool_destroy(pool);
    }
}

Test(cq_edges, without_memory_no_future_is_added)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    filch_future *future = submit(pool, do_nothing, NULL);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filch_cq_add(cq, future, NULL), -ENOMEM);
    cr_assert_eq(filch_cq_pending(cq), 0);
    cr_assert_not(is_readable(cq));
    cr_assert_eq(filch_cq_add(cq, future, NULL), 0, "the next one works");
    filch_cq_entry entry = drain_one(cq);
    filch_future_unref(entry.future);
    filch_future_unref(future);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}

Test(cq_edges, a_signal_that_is_interrupted_is_made_all_the_same)
{
    filch_pool *pool = pool_of(1);
    filch_cq *cq = new_cq();
    atomic_store(&filchi_os_faults.signals, 1);
    add_burst(cq, pool, 1);
    cr_assert_eq(signals_of(cq), 1);
    filch_cq_entry entry = drain_one(cq);
    filch_future_unref(entry.future);
    filch_cq_destroy(cq);
    filch_pool_destroy(pool);
}
