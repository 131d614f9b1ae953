/* SPDX-License-Identifier: MIT */
/* Threads that the program lends: they work as the pool's own, leave when they are told to, and nothing is lost. */
#include "initialised.h"
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

SUITE(lend);

/* ---- Helpers ---- */

static filch_pool *lent_only(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.lent_threads_only = true;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

/* A thread that is lent until its stop is requested, or the pool's end. */
struct lender {
    filch_pool *pool;
    filch_stop *until;
    pthread_t thread;
    int rc;
};

static void *lend(void *arg)
{
    struct lender *lender = arg;
    lender->rc = filch_pool_lend(lender->pool, lender->until);
    return NULL;
}

static void begin_lending(struct lender *lender, filch_pool *pool, filch_stop *until)
{
    *lender = (struct lender) { .pool = pool, .until = until, .rc = 1 };
    must(pthread_create(&lender->thread, NULL, lend, lender) == 0);
}

static int end_lending(struct lender *lender)
{
    if (lender->until)
        filch_stop_request(lender->until, 0);
    pthread_join(lender->thread, NULL);
    filch_stop_unref(lender->until);
    return lender->rc;
}

static int tell_thread(filch_task *self, void *out)
{
    (void)self;
    *(pthread_t *)out = pthread_self();
    return 0;
}

/* ---- What a lent thread does ---- */

Test(lend, a_lent_thread_runs_what_waits_and_returns_when_its_stop_is_requested)
{
    filch_pool *pool = lent_only(1);
    filch_stop *until = stop_under(NULL);
    pthread_t where;
    filch_future *future = submit(pool, tell_thread, &where);
    cr_assert_eq(filch_future_state(future), FILCH_PENDING);
    cr_assert_eq(stats_of(pool).threads, 0);
    struct lender lender;
    begin_lending(&lender, pool, until);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert(pthread_equal(where, lender.thread));
    cr_assert_eq(stats_of(pool).threads, 1);
    cr_assert_eq(stats_of(pool).threads_peak, 1);
    cr_assert_eq(end_lending(&lender), 0);
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(stats_of(pool).idle, 1);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int request(filch_task *self, void *until)
{
    (void)self;
    filch_stop_request(until, 0);
    return 0;
}

Test(lend, the_main_thread_ends_its_lending_by_a_task)
{
    filch_pool *pool = lent_only(1);
    filch_stop *until = stop_under(NULL);
    _Atomic int n = 0;
    cr_assert_eq(filch_submit(pool, count_up, (void *)&n, NULL), 0);
    cr_assert_eq(filch_submit(pool, request, until, NULL), 0);
    cr_assert_eq(filch_submit(pool, count_up, (void *)&n, NULL), 0);
    cr_assert_eq(filch_pool_lend(pool, until), 0);
    cr_assert_eq(n, 1, "what comes after the stop waits");
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(n, 2);
    filch_stop_unref(until);
}

Test(lend, a_stop_that_was_requested_before_ends_it_at_once)
{
    filch_pool *pool = lent_only(1);
    filch_stop *until = stop_under(NULL);
    filch_future *future = submit(pool, do_nothing, NULL);
    filch_stop_request(until, 0);
    cr_assert_eq(filch_pool_lend(pool, until), 0);
    cr_assert_eq(filch_future_state(future), FILCH_PENDING);
    filch_future_unref(future);
    filch_stop_unref(until);
    filch_pool_destroy(pool);
}

Test(lend, it_finishes_the_task_that_it_runs)
{
    filch_pool *pool = lent_only(1);
    struct gate gate = GATE;
    struct lender lender;
    begin_lending(&lender, pool, stop_under(NULL));
    filch_future *held = hold_worker(pool, &gate);
    filch_stop_request(lender.until, 0);
    cr_assert_eq(filch_future_state(held), FILCH_RUNNING);
    let_go(&gate, held);
    cr_assert_eq(end_lending(&lender), 0);
    filch_pool_destroy(pool);
}

Test(lend, no_more_tasks_run_at_once_than_there_are_workers)
{
    filch_pool *pool = lent_only(1);
    struct gate gate = GATE;
    struct lender lenders[3];
    for (int i = 0; i < 3; i++)
        begin_lending(&lenders[i], pool, stop_under(NULL));
    UNTIL(stats_of(pool).threads == 3);
    filch_future *first = hold_worker(pool, &gate);
    filch_future *second = submit(pool, pass_gate, &gate);
    cr_assert_eq(stats_of(pool).idle, 0);
    cr_assert_eq(event_count(&gate.started), 1);
    let_go(&gate, first);
    let_go(&gate, second);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(end_lending(&lenders[i]), 0);
    filch_pool_destroy(pool);
}

static int wait_for_a_sub_task(filch_task *self, void *gate)
{
    filch_future *sub = NULL;
    must(filch_submit(filch_task_pool(self), pass_gate, gate, &sub) == 0);
    must(filch_future_wait(sub, FILCH_SECONDS(1000)) == 0); /* with a deadline it hands its worker over */
    filch_future_unref(sub);
    return 0;
}

Test(lend, a_lent_thread_whose_task_waits_hands_its_worker_to_another)
{
    filch_pool *pool = lent_only(1);
    struct gate gate = GATE;
    struct lender lenders[2];
    for (int i = 0; i < 2; i++)
        begin_lending(&lenders[i], pool, NULL);
    UNTIL(stats_of(pool).threads == 2);
    filch_future *future = submit(pool, wait_for_a_sub_task, &gate);
    event_await(&gate.started);
    cr_assert_geq(stats_of(pool).handoffs, 1);
    gate_open(&gate);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(end_lending(&lenders[i]), 0);
}

Test(lend, a_single_lent_thread_runs_what_its_task_awaits_in_place)
{
    filch_pool *pool = lent_only(1);
    struct gate gate = GATE;
    struct lender lender;
    gate_open(&gate);
    filch_future *future = submit(pool, wait_for_a_sub_task, &gate);
    begin_lending(&lender, pool, NULL);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(end_lending(&lender), 0);
}

Test(lend, a_pool_with_threads_of_its_own_takes_lent_ones_beyond_them)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *own = hold_worker(pool, &gate);
    pthread_t where;
    struct lender lender;
    begin_lending(&lender, pool, stop_under(NULL));
    UNTIL(stats_of(pool).threads >= 2);
    filch_future *other = hold_worker(pool, &gate);
    cr_assert_eq(stats_of(pool).idle, 0);
    let_go(&gate, own);
    let_go(&gate, other);
    cr_assert_eq(end_lending(&lender), 0);
    filch_future *last = submit(pool, tell_thread, &where);
    cr_assert_eq(filch_future_wait(last, FILCH_FOREVER), 0);
    cr_assert(!pthread_equal(where, lender.thread));
    filch_future_unref(last);
    filch_pool_destroy(pool);
}

/* All workers are held by lent threads when the first submit has to start a thread of the pool's own. */
Test(lend, a_first_submit_while_lent_threads_hold_every_worker)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    struct lender lender;
    begin_lending(&lender, pool, stop_under(NULL));
    UNTIL(stats_of(pool).threads == 1);
    filch_future *held = hold_worker(pool, &gate);
    filch_future *next = submit(pool, do_nothing, NULL);
    cr_assert_eq(stats_of(pool).threads, 2);
    let_go(&gate, held);
    cr_assert_eq(filch_future_wait(next, FILCH_FOREVER), 0);
    filch_future_unref(next);
    cr_assert_eq(end_lending(&lender), 0);
    filch_pool_destroy(pool);
}

Test(lend, a_lent_thread_with_nothing_to_do_uses_no_cpu)
{
    filch_pool *pool = lent_only(2);
    struct lender lender;
    clockid_t clock;
    begin_lending(&lender, pool, stop_under(NULL));
    UNTIL(stats_of(pool).threads == 1);
    UNTIL(stats_of(pool).idle == 2);
    must(pthread_getcpuclockid(lender.thread, &clock) == 0);
    struct timespec nap = { .tv_nsec = 100000000 };
    nanosleep(&nap, NULL); /* the span that is measured; it sleeps soon after its park */
    int64_t before = clock_ns(clock);
    nanosleep(&nap, NULL);
    cr_assert_eq(clock_ns(clock), before);
    cr_assert_eq(end_lending(&lender), 0);
    filch_pool_destroy(pool);
}

Test(lend, a_dump_shows_which_threads_are_lent)
{
    filch_pool *pool = lent_only(1);
    struct lender lender;
    char text[4096] = "";
    int ends[2];
    begin_lending(&lender, pool, stop_under(NULL));
    UNTIL(stats_of(pool).threads == 1 && stats_of(pool).idle == 1);
    must(pipe(ends) == 0);
    cr_assert_eq(filch_pool_dump(pool, ends[1]), 0);
    close(ends[1]);
    must(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    cr_assert(strstr(text, "0 threads of at most 0, 1 lent, "), "%s", text);
    cr_assert(strstr(text, ", lent): spare"), "%s", text);
    cr_assert_eq(end_lending(&lender), 0);
    filch_pool_destroy(pool);
}

/* ---- The end of a pool ---- */

Test(lend, shutdown_ends_the_lending_and_destroy_waits_for_it)
{
    filch_pool *pool = lent_only(2);
    struct lender lenders[3];
    _Atomic int n = 0;
    for (int i = 0; i < 3; i++)
        begin_lending(&lenders[i], pool, i ? stop_under(NULL) : NULL);
    UNTIL(stats_of(pool).threads == 3);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(filch_submit(pool, count_up, (void *)&n, NULL), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(n, 100);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(end_lending(&lenders[i]), 0);
}

Test(lend, a_shut_pool_without_threads_is_drained_by_who_waits)
{
    filch_pool *pool = lent_only(3);
    _Atomic int n = 0;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(filch_submit(pool, count_up, (void *)&n, NULL), 0);
    filch_future *later = NULL;
    cr_assert_eq(filch_submit_after(pool, FILCH_MS(20), count_up, (void *)&n, &later), 0);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, 0, NULL), -ETIMEDOUT);
    cr_assert_eq(n, 0, "a poll runs nothing");
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(n, 101);
    cr_assert_eq(filch_pool_lend(pool, NULL), 0, "at once");
    filch_future_unref(later);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(lend, a_timeout_of_the_shutdown_ends_its_work_between_two_tasks)
{
    filch_pool *pool = lent_only(1);
    filch_future *late = NULL;
    filch_error *error = NULL;
    cr_assert_eq(filch_submit_at(pool, INT64_MAX, do_nothing, NULL, &late), 0);
    filch_future *now = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_MS(5), &error), -ETIMEDOUT);
    cr_assert_eq(filch_future_state(now), FILCH_DONE);
    filch_error_unref(error);
    filch_future_cancel(late);
    filch_future_unref(late);
    filch_future_unref(now);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int destroy_arg(filch_task *self, void *pool)
{
    must(filch_pool_destroy(pool) == 0);
    must(filch_task_current() == self);
    return 0;
}

Test(lend, a_task_of_another_pool_drains_the_pool_that_it_destroys)
{
    filch_pool *pool = pool_of(1), *other = lent_only(1);
    _Atomic int n = 0;
    for (int i = 0; i < 10; i++)
        cr_assert_eq(filch_submit(other, count_up, (void *)&n, NULL), 0);
    filch_future *future = submit(pool, destroy_arg, other);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(n, 10);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(lend, cancelling_what_waits_needs_no_thread)
{
    filch_pool *pool = lent_only(1);
    filch_future *future = submit(pool, do_nothing, NULL);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_WAIT, 0, NULL), 0);
    cr_assert_eq(filch_future_state(future), FILCH_CANCELLED);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Who may ---- */

static int lend_inside(filch_task *self, void *pool)
{
    must(filch_pool_lend(pool ? pool : filch_task_pool(self), NULL) == -EDEADLK);
    return 0;
}

Test(lend, a_task_may_not_lend_its_thread)
{
    filch_pool *pool = pool_of(1), *other = lent_only(1);
    filch_future *futures[2] = { submit(pool, lend_inside, NULL), submit(pool, lend_inside, other) };
    cr_assert_eq(filch_join(futures, 2), 0);
    cr_assert_eq(filch_future_state(futures[0]), FILCH_DONE);
    cr_assert_eq(filch_pool_lend(NULL, NULL), -EINVAL);
    unref_all(futures, 2);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

struct callback {
    filch_pool *pool;
    struct event over;
    int rc;
};

static void lend_timer_thread(void *arg)
{
    struct callback *callback = arg;
    callback->rc = filch_pool_lend(callback->pool, NULL);
    event_signal(&callback->over);
}

Test(lend, nor_may_a_callback_on_a_timer_thread)
{
    filch_pool *pool = pool_of(1);
    struct callback callback = { .pool = pool, .over = EVENT };
    filch_stop *stop = NULL;
    filch_stop_callback *registered = NULL;
    must(filch_stop_create_until(&stop, NULL, pool, filch_now() + FILCH_MS(1)) == 0);
    must(filch_stop_on_request(&registered, stop, lend_timer_thread, &callback) == 0);
    event_await(&callback.over);
    cr_assert_eq(callback.rc, -EDEADLK);
    filch_stop_callback_end(registered);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

/* ---- Hooks, signals, fork ---- */

Test(lend, the_hooks_run_on_a_lent_thread)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    int rc = -EACCES;
    options.lent_threads_only = true;
    options.worker_init = enter;
    options.worker_exit = leave;
    options.worker_arg = &rc;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_stop *until = stop_under(NULL);
    cr_assert_eq(filch_submit(pool, check_initialised, NULL, NULL), 0);
    cr_assert_eq(filch_pool_lend(pool, until), -EACCES);
    cr_assert_eq(initialised, 1, "no exit where init has failed");
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(filch_pool_destroy(pool), -EACCES, "nobody is left to run the task");
    initialised = 0;
    rc = 7;
    cr_assert_eq(filch_pool_lend(pool, until), -EINVAL);
    initialised = rc = 0;
    cr_assert_eq(filch_submit(pool, request, until, NULL), -ESHUTDOWN);
    cr_assert_eq(filch_pool_lend(pool, NULL), 0);
    cr_assert_eq(initialised, 0);
    filch_stop_unref(until);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(lend, an_interrupt_ends_the_lending_of_the_guarded_thread)
{
    filch_pool *pool = lent_only(1);
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = NULL;
    cr_assert_eq(filch_guard_begin(&guard, stop), 0);
    raise(SIGINT);
    cr_assert_eq(filch_pool_lend(pool, stop), 0);
    cr_assert_eq(filch_pool_lend(pool, NULL), -EINTR);
    filch_guard_end(guard);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

static int interrupt(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    raise(SIGINT);
    return 0;
}

Test(lend, an_interrupt_comes_to_a_lent_thread)
{
    filch_pool *pool = lent_only(1);
    filch_guard *guard = NULL;
    cr_assert_eq(filch_guard_begin(&guard, filch_pool_stop(pool)), 0);
    cr_assert_eq(filch_submit(pool, interrupt, NULL, NULL), 0);
    cr_assert_eq(filch_pool_lend(pool, NULL), -EINTR);
    cr_assert(filch_stop_requested(filch_pool_stop(pool)));
    filch_guard_end(guard);
    filch_pool_destroy(pool);
}

static int see_signals(filch_task *self, void *out)
{
    (void)self;
    pthread_sigmask(SIG_SETMASK, NULL, out);
    return 0;
}

Test(lend, a_lent_thread_keeps_its_name_and_signal_mask)
{
    filch_pool *pool = lent_only(1);
    filch_stop *until = stop_under(NULL);
    sigset_t inside;
    char name[16], before[16];
    pthread_getname_np(pthread_self(), before, sizeof before);
    cr_assert_eq(filch_submit(pool, see_signals, &inside, NULL), 0);
    cr_assert_eq(filch_submit(pool, request, until, NULL), 0);
    cr_assert_eq(filch_pool_lend(pool, until), 0);
    pthread_getname_np(pthread_self(), name, sizeof name);
    cr_assert_str_eq(name, before);
    cr_assert(!sigismember(&inside, SIGINT));
    filch_stop_unref(until);
    filch_pool_destroy(pool);
}

static int fork_once(filch_task *self, void *out)
{
    filch_pool *pool = filch_task_pool(self);
    pid_t child = fork();
    if (child == 0)
        _exit(filch_pool_lend(pool, NULL) == -EOWNERDEAD && !filch_task_current() ? 3 : 4);
    *(pid_t *)out = child;
    return 0;
}

Test(lend, a_child_of_fork_cannot_lend_to_the_pool_of_its_parent)
{
    filch_pool *pool = lent_only(1);
    pid_t child = 0;
    int status = 0;
    cr_assert_eq(filch_submit(pool, fork_once, &child, NULL), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    must(waitpid(child, &status, 0) == child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

/* ---- Failures ---- */

Test(lend, a_shutdown_drains_without_memory)
{
    filch_pool *pool = lent_only(1);
    _Atomic int n = 0;
    cr_assert_eq(filch_submit(pool, count_up, (void *)&n, NULL), 0);
    atomic_store(&filchi_os_faults.allocations, -1);
    int rc = filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL);
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_eq(rc, 0);
    cr_assert_eq(n, 1);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(lend, a_pool_of_lent_threads_starts_none)
{
    filch_pool *pool = lent_only(2);
    atomic_store(&filchi_os_faults.threads, -1);
    filch_future *future = submit(pool, do_nothing, NULL);
    struct lender lender;
    begin_lending(&lender, pool, NULL);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_pool_resize(pool, 8), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    atomic_store(&filchi_os_faults.threads, 0);
    cr_assert_eq(end_lending(&lender), 0);
    filch_future_unref(future);
}
