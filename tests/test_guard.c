/* SPDX-License-Identifier: MIT */
/* The interrupt guard: the first SIGINT stops and wakes, the second kills, and afterwards all is as it was. */
#include "os.h"
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

SUITE(guard);

static filch_guard *guard_of(filch_stop *stop)
{
    filch_guard *guard = NULL;
    must(filch_guard_begin(&guard, stop) == 0);
    return guard;
}

/* Waits until the main thread sleeps, then interrupts the process as Ctrl-C does. */
static void *interrupt_the_sleeper(void *arg)
{
    (void)arg;
    sigset_t none;
    sigfillset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    until_asleep(getpid());
    kill(getpid(), SIGINT);
    return NULL;
}

static pthread_t interrupter(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, interrupt_the_sleeper, NULL) == 0);
    return thread;
}

/* ---- The first one ---- */

Test(guard, the_first_interrupt_requests_the_stop)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = guard_of(stop);
    cr_assert_not(filch_guard_interrupted(guard));
    raise(SIGINT);
    cr_assert(filch_guard_interrupted(guard));
    cr_assert_eq(filch_stop_reason(stop), -EINTR);
    filch_guard_end(guard);
    filch_stop_unref(stop);
}

typedef int wait_function(filch_future *future);

static int by_wait(filch_future *future)
{
    return filch_future_wait(future, FILCH_FOREVER);
}

static int by_result(filch_future *future)
{
    return filch_future_result(future, FILCH_SECONDS(3600), NULL);
}

static int by_wait_all(filch_future *future)
{
    return filch_wait(&future, 1, FILCH_ALL, FILCH_FOREVER, NULL);
}

static int by_first(filch_future *future)
{
    return filch_wait(&future, 1, FILCH_FIRST_COMPLETED, FILCH_FOREVER, NULL);
}

static int by_completed(filch_future *future)
{
    filch_completed *completed;
    must(filch_completed_begin(&completed, &future, 1, FILCH_FOREVER) == 0);
    int rc = filch_completed_next(completed, &future);
    must(rc != -EINTR || filch_completed_unfinished(completed) == 1);
    filch_completed_end(completed);
    return rc;
}

static int by_sleep(filch_future *future)
{
    (void)future;
    return filch_sleep(FILCH_SECONDS(3600));
}

Test(guard, an_interrupt_ends_every_kind_of_wait_of_its_thread)
{
    static wait_function *const waits[] = { by_wait, by_result, by_wait_all, by_first, by_completed, by_sleep };
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *future = hold_worker(pool, &gate);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        filch_stop *stop = stop_under(NULL);
        filch_guard *guard = guard_of(stop);
        pthread_t thread = interrupter();
        cr_assert_eq(waits[i](future), -EINTR);
        pthread_join(thread, NULL);
        cr_assert_eq(waits[i](future), -EINTR, "and the waits that come after it");
        filch_guard_end(guard);
        filch_stop_unref(stop);
    }
    cr_assert_eq(filch_future_wait(future, FILCH_MS(1)), -ETIMEDOUT, "after the guard's end waits wait again");
    let_go(&gate, future);
    filch_pool_destroy(pool);
}

static int tidy_up_slowly(filch_task *self, void *gate)
{
    pass_gate(self, gate);
    return filch_task_stopped(self) ? -ECANCELED : 0;
}

Test(guard, an_interrupt_stops_the_tasks_and_the_clean_up_runs_to_its_end)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    struct gate gate = GATE;
    _Atomic int runs = 0;
    options.stop = stop_under(NULL);
    options.workers = 1;
    must(filch_pool_create(&pool, &options) == 0);
    filch_guard *guard = guard_of(options.stop);
    filch_future *futures[10] = { submit(pool, tidy_up_slowly, &gate) };
    for (int i = 1; i < 10; i++)
        futures[i] = submit(pool, count_up, (void *)&runs);
    event_await(&gate.started);
    pthread_t thread = interrupter();
    cr_assert_eq(filch_wait(futures, 10, FILCH_ALL, FILCH_FOREVER, NULL), -EINTR);
    pthread_join(thread, NULL);
    gate_open(&gate);
    cr_assert_eq(filch_join(futures, 10), 0, "joins are not interrupted");
    for (int i = 0; i < 10; i++)
        cr_assert_eq(filch_future_state(futures[i]), FILCH_STOPPED);
    unref_all(futures, 10);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(atomic_load(&runs), 0);
    filch_guard_end(guard);
    filch_stop_unref(options.stop);
}

Test(guard, an_interrupt_after_everything_is_done_does_not_hide_results)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_under(NULL);
    filch_future *future = submit(pool, do_nothing, NULL), *out;
    filch_completed *completed;
    filch_future_wait(future, FILCH_FOREVER);
    filch_guard *guard = guard_of(stop);
    must(filch_completed_begin(&completed, &future, 1, FILCH_FOREVER) == 0);
    raise(SIGINT);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_completed_next(completed, &out), 1);
    filch_completed_end(completed);
    filch_guard_end(guard);
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

/* ---- Whom it concerns ---- */

struct other {
    filch_future *future;
    _Atomic pid_t tid;
    int rc;
};

static void *wait_elsewhere(void *arg)
{
    struct other *other = arg;
    atomic_store(&other->tid, gettid());
    other->rc = filch_future_wait(other->future, FILCH_FOREVER);
    return NULL;
}

Test(guard, waits_of_other_threads_and_of_tasks_go_on)
{
    filch_pool *pool = pool_of(1), *second = pool_of(1);
    struct gate gate = GATE;
    filch_stop *stop = stop_under(NULL);
    struct other other = { hold_worker(pool, &gate), 0, 77 };
    pthread_t thread;
    must(pthread_create(&thread, NULL, wait_elsewhere, &other) == 0);
    UNTIL(atomic_load(&other.tid));
    until_asleep(atomic_load(&other.tid));
    filch_future *task = submit(second, await_arg, other.future);
    UNTIL(stats_of(second).handoffs == 1);
    filch_guard *guard = guard_of(stop);
    raise(SIGINT);
    cr_assert_eq(filch_future_wait(other.future, FILCH_FOREVER), -EINTR);
    gate_open(&gate);
    pthread_join(thread, NULL);
    cr_assert_eq(other.rc, 0);
    filch_guard_end(guard);
    cr_assert_eq(filch_future_result(task, FILCH_FOREVER, NULL), 0);
    filch_future_unref(task);
    filch_future_unref(other.future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
    filch_pool_destroy(second);
}

static void *interrupt_from_here(void *arg)
{
    (void)arg;
    raise(SIGINT); /* this thread handles it, on behalf of the guard's */
    return NULL;
}

Test(guard, it_does_not_matter_which_thread_handles_the_signal)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_stop *stop = stop_under(NULL);
    filch_future *future = hold_worker(pool, &gate);
    filch_guard *guard = guard_of(stop);
    pthread_t thread;
    must(pthread_create(&thread, NULL, interrupt_from_here, NULL) == 0);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), -EINTR);
    pthread_join(thread, NULL);
    filch_guard_end(guard);
    let_go(&gate, future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

/* ---- Begin and end ---- */

static _Atomic int own_interrupts;

static void on_own_interrupt(int number)
{
    (void)number;
    atomic_fetch_add(&own_interrupts, 1);
}

Test(guard, the_handler_before_it_is_restored)
{
    filch_stop *stop = stop_under(NULL);
    struct sigaction own = { .sa_handler = on_own_interrupt, .sa_flags = SA_NODEFER }, after;
    sigaddset(&own.sa_mask, SIGUSR2);
    must(sigaction(SIGINT, &own, NULL) == 0);
    filch_guard *guard = guard_of(stop);
    raise(SIGINT);
    cr_assert_eq(atomic_load(&own_interrupts), 0);
    filch_guard_cleanup(&guard);
    must(sigaction(SIGINT, NULL, &after) == 0);
    cr_assert_eq(after.sa_handler, on_own_interrupt);
    cr_assert(after.sa_flags & SA_NODEFER);
    cr_assert(sigismember(&after.sa_mask, SIGUSR2));
    raise(SIGINT);
    cr_assert_eq(atomic_load(&own_interrupts), 1);
    filch_stop_unref(stop);
}

Test(guard, there_is_one_at_a_time)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = guard_of(stop), *second = NULL;
    cr_assert_eq(filch_guard_begin(&second, stop), -EBUSY);
    cr_assert_null(second);
    raise(SIGINT);
    cr_assert(filch_guard_interrupted(guard), "the first one is as it was");
    filch_guard_end(guard);
    guard = guard_of(stop);
    cr_assert_not(filch_guard_interrupted(guard), "each begins anew");
    filch_guard_end(guard);
    filch_guard_end(NULL);
    filch_stop_unref(stop);
}

static int begin_guard(filch_task *self, void *arg)
{
    filch_guard *guard;
    (void)arg;
    return filch_guard_begin(&guard, filch_task_stop(self));
}

Test(guard, it_needs_a_stop_and_is_not_for_tasks)
{
    filch_pool *pool = pool_of(1);
    filch_guard *guard = NULL;
    filch_future *future = submit(pool, begin_guard, NULL);
    cr_assert_eq(filch_guard_begin(&guard, NULL), -EINVAL);
    cr_assert_null(guard);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), -EINVAL);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(guard, without_memory_none_begins_and_the_handler_stays)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = NULL;
    signal(SIGINT, on_own_interrupt);
    for (int nth = 1; nth <= 2; nth++) {
        atomic_store(&filchi_os_faults.allocations, nth);
        cr_assert_eq(filch_guard_begin(&guard, stop), -ENOMEM);
        cr_assert_null(guard);
    }
    raise(SIGINT);
    cr_assert_eq(atomic_load(&own_interrupts), 1);
    cr_assert_not(filch_stop_requested(stop));
    filch_guard_end(guard_of(stop));
    filch_stop_unref(stop);
}

/* ---- The second one ---- */

/* Forks a child that is killed by what it does; returns the signal. */
static int death_of(void (*life)(void))
{
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        life();
        _exit(0);
    }
    int status;
    must(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void interrupt_twice(void)
{
    filch_stop *stop = stop_under(NULL);
    guard_of(stop);
    raise(SIGINT);
    raise(SIGINT);
}

static void interrupt_once(void)
{
    filch_stop *stop = stop_under(NULL);
    guard_of(stop);
    raise(SIGINT);
}

static void interrupt_twice_over_a_handler(void)
{
    signal(SIGINT, on_own_interrupt);
    interrupt_twice();
}

static void interrupt_a_hanging_join(void)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_stop *stop = stop_under(NULL);
    filch_future *future = hold_worker(pool, &gate);
    guard_of(stop);
    raise(SIGINT);
    interrupter();
    filch_join(&future, 1); /* only a second interrupt ends it */
}

Test(guard, a_second_interrupt_kills)
{
    cr_assert_eq(death_of(interrupt_once), 0);
    cr_assert_eq(death_of(interrupt_twice), SIGINT);
    cr_assert_eq(death_of(interrupt_twice_over_a_handler), SIGINT);
    cr_assert_eq(death_of(interrupt_a_hanging_join), SIGINT);
}
