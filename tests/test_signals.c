/* SPDX-License-Identifier: MIT */
/*
 * Signals rain on every thread of the process, the pool's too, with and without SA_RESTART, while a pool works, sleeps,
 * waits and keeps deadlines: nothing is lost, nothing fails, and no deadline is early.
 */
#include "timed_scenes.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>

SUITE(signals);

/* ---- The rain ---- */

static _Atomic long drops;           /* handlers that ran */
static _Atomic(filch_stop *) wanted; /* which a handler requests */
static _Atomic bool over;

static void get_wet(int signal)
{
    (void)signal;
    int saved = errno;
    filch_stop *stop = atomic_exchange(&wanted, NULL);
    atomic_fetch_add(&drops, 1);
    if (stop)
        filch_stop_request(stop, -EINTR);
    errno = saved;
}

static void handle(int signal, int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = get_wet;
    action.sa_flags = flags;
    must(sigaction(signal, &action, NULL) == 0);
}

/* To each thread of this process but itself and the test framework's, again and again. */
static void *rain(void *arg)
{
    const pid_t self = (pid_t)filchi_os_thread_id();
    while (!atomic_load(&over)) {
        pid_t tids[64];
        int n = threads_named("filch-", tids, 63);
        tids[n++] = getpid();
        for (int i = 0; i < 20 * n; i++) {
            if (tids[i % n] != self) /* who has left meanwhile is not there: no error */
                tgkill(getpid(), tids[i % n], i % 2 ? SIGUSR1 : SIGUSR2);
            sched_yield();
        }
    }
    return arg;
}

struct weather {
    pthread_t thread;
    struct itimerval dry;
};

static void begin_rain(struct weather *weather, int flags)
{
    const struct itimerval often = { .it_interval = { .tv_usec = 50 }, .it_value = { .tv_usec = 50 } };
    handle(SIGUSR1, flags);
    handle(SIGUSR2, flags ^ SA_RESTART);
    handle(SIGALRM, flags);
    atomic_store(&over, false);
    must(pthread_create(&weather->thread, NULL, rain, NULL) == 0);
    must(setitimer(ITIMER_REAL, &often, &weather->dry) == 0);
}

static void end_rain(struct weather *weather)
{
    const struct itimerval never = { .it_value = { .tv_usec = 0 } };
    must(setitimer(ITIMER_REAL, &never, NULL) == 0);
    atomic_store(&over, true);
    pthread_join(weather->thread, NULL);
}

/* ---- A pool whose threads do not block them ---- */

static int stand_in_the_rain(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    must(arg == NULL && pthread_sigmask(SIG_UNBLOCK, &all, NULL) == 0);
    return 0;
}

static filch_pool *pool_in_the_rain(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.worker_init = stand_in_the_rain;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

/* ---- What goes on ---- */

enum { MAINS = 8, SUBS = 10, ITEMS = 40 };

static int sleep_and_count(filch_task *self, void *runs)
{
    must(filch_sleep(FILCH_US(50)) == 0);
    filch_blocking_begin(self);
    filch_blocking_end(self);
    return count_up(self, runs);
}

static int await_subs(filch_task *self, void *runs)
{
    filch_future *subs[SUBS];
    for (int i = 0; i < SUBS; i++)
        subs[i] = submit(filch_task_pool(self), i % 4 ? count_up : sleep_and_count, runs);
    must(filch_wait(subs, SUBS, FILCH_ALL, FILCH_SECONDS(3600), NULL) == 0);
    unref_all(subs, SUBS);
    return 0;
}

static int negate(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int *)out = -*(const int *)in;
    return 0;
}

static void work(filch_pool *pool)
{
    filch_future *mains[MAINS], *future;
    filch_completed *completed;
    _Atomic int runs = 0;
    int in[ITEMS], out[ITEMS] = { 0 }, n = 0;
    for (int i = 0; i < MAINS; i++)
        must(filch_submit_after(pool, FILCH_US(i * 20), await_subs, (void *)&runs, &mains[i]) == 0);
    for (int i = 0; i < ITEMS; i++)
        in[i] = i;
    must(filch_map(pool, negate, NULL, in, sizeof *in, out, sizeof *out, ITEMS, NULL, NULL) == 0);
    for (int i = 0; i < ITEMS; i++)
        must(out[i] == -i);
    must(filch_completed_begin(&completed, mains, MAINS, FILCH_FOREVER) == 0);
    while (filch_completed_next(completed, &future) == 1)
        n += filch_future_result(future, 0, NULL) == 0;
    filch_completed_end(completed);
    unref_all(mains, MAINS);
    must(n == MAINS && atomic_load(&runs) == MAINS * SUBS);
}

/* A stop that a handler requests: it wakes, its descriptor too, with that reason. */
static void be_stopped_by_a_handler(filch_pool *pool)
{
    filch_stop *stop = stop_under(NULL);
    struct pollfd poll_for = { .events = POLLIN };
    must(filch_stop_fd(stop, &poll_for.fd) == 0);
    filch_future *future = submit_under(pool, run_until_stopped, NULL, stop);
    atomic_store(&wanted, stop);
    while (poll(&poll_for, 1, -1) < 0)
        must(errno == EINTR);
    must(filch_stop_reason(stop) == -EINTR);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    must(filch_future_state(future) != FILCH_DONE);
    filch_future_unref(future);
    filch_stop_unref(stop);
}

static void work_in_the_rain(int flags)
{
    enum { ROUNDS = 6 };
    struct weather weather;
    begin_rain(&weather, flags);
    for (unsigned round = 0; round < ROUNDS; round++) {
        filch_pool *pool = pool_in_the_rain(1 + round % 3);
        work(pool);
        cr_assert_eq(keep_deadlines(pool), DEADLINES);
        be_stopped_by_a_handler(pool);
        must(filch_pool_resize(pool, 2) == 0);
        must(filch_pool_destroy(pool) == 0);
    }
    end_rain(&weather);
    cr_assert_gt(atomic_load(&drops), 10 * ROUNDS);
    fprintf(stderr, "signals: %ld handled, %d pools went on\n", atomic_load(&drops), ROUNDS);
}

Test(signals, calls_that_restart_do_their_work)
{
    work_in_the_rain(SA_RESTART);
}

Test(signals, calls_that_are_interrupted_do_their_work)
{
    work_in_the_rain(0);
}

/* ---- With a guard ---- */

static void *interrupt(void *arg)
{
    until_asleep(getpid());
    must(tgkill(getpid(), getpid(), SIGINT) == 0);
    return arg;
}

Test(signals, an_interrupt_is_not_lost_among_other_signals)
{
    enum { ROUNDS = 30 };
    struct weather weather;
    filch_pool *pool = pool_in_the_rain(2);
    begin_rain(&weather, 0);
    for (int round = 0; round < ROUNDS; round++) {
        filch_stop *stop = stop_under(NULL);
        filch_guard *guard;
        pthread_t thread;
        must(filch_guard_begin(&guard, stop) == 0);
        filch_future *future = NULL; /* which only the cancel ends: one that is done would not be waited for */
        must(filch_submit_at(pool, INT64_MAX, do_nothing, NULL, &future) == 0);
        must(pthread_create(&thread, NULL, interrupt, NULL) == 0);
        cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), -EINTR);
        cr_assert_eq(filch_stop_reason(stop), -EINTR);
        filch_guard_end(guard);
        must(filch_future_cancel(future));
        pthread_join(thread, NULL);
        filch_future_unref(future);
        filch_stop_unref(stop);
    }
    end_rain(&weather);
    filch_pool_destroy(pool);
}
