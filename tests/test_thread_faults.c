/* SPDX-License-Identifier: MIT */
/* The system refuses threads: without any a submit says so, with some the work is done by those there are. */
#include "os.h"
#include "support.h"

#include <dlfcn.h>

SUITE(thread_faults);

/* ---- A system that takes its time to refuse a thread ---- */

static struct gate refusal = GATE;
static _Atomic bool refuse_slowly;

/* In place of the C library's, for the library under test too. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *arg)
{
    int (*really)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (atomic_exchange(&refuse_slowly, false)) {
        event_signal(&refusal.started);
        event_await(&refusal.opened);
        return EAGAIN;
    }
    *(void **)&really = dlsym(RTLD_NEXT, "pthread_create");
    return really(thread, attributes, routine, arg);
}

struct submission {
    filch_pool *pool;
    filch_future *future;
};

static void *submit_elsewhere(void *arg)
{
    struct submission *submission = arg;
    atomic_store(&refuse_slowly, true);
    submission->future = submit(submission->pool, do_nothing, NULL);
    return NULL;
}

Test(thread_faults, a_task_submitted_while_a_thread_is_being_refused_is_not_forgotten)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    struct submission first = { pool, NULL };
    pthread_t submitter;
    pid_t tid = 0;
    filch_future *holder = hold_worker(pool, &gate);
    must(threads_named("filch-", &tid, 1) == 1);
    must(pthread_create(&submitter, NULL, submit_elsewhere, &first) == 0);
    event_await(&refusal.started);
    let_go(&gate, holder); /* its thread goes on with the first submission, and then to sleep */
    UNTIL(stats_of(pool).idle == 1);
    until_asleep(tid);
    filch_future *second = submit(pool, do_nothing, NULL);
    gate_open(&refusal);
    pthread_join(submitter, NULL);
    cr_assert_eq(filch_future_wait(first.future, FILCH_SECONDS(10)), 0);
    cr_assert_eq(filch_future_wait(second, FILCH_SECONDS(10)), 0);
    filch_future_unref(first.future);
    filch_future_unref(second);
    filch_pool_destroy(pool);
}

/* ---- A system that refuses one thread and has others later ---- */

struct dependent {
    struct event go;
    filch_future *awaited; /* of another pool, which waits for a task of this one */
};

static int await_when_told(filch_task *self, void *arg)
{
    struct dependent *dependent = arg;
    event_await(&dependent->go);
    return await_arg(self, dependent->awaited);
}

static int open_gate(filch_task *self, void *gate)
{
    (void)self;
    gate_open(gate);
    return 0;
}

Test(thread_faults, work_that_waits_for_a_refused_thread_gets_one_later)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct gate gate = GATE;
    struct dependent dependent = { EVENT, hold_worker(other, &gate) };
    filch_future *futures[2] = { submit(pool, await_when_told, &dependent), submit(pool, open_gate, &gate) };
    atomic_store(&filchi_os_faults.threads, 1);
    event_signal(
        &dependent.go); /* its worker is free for the second task, and the one thread that there is waits */
    cr_assert_eq(filch_wait(futures, 2, FILCH_ALL, FILCH_SECONDS(10), NULL), 0);
    unref_all(futures, 2);
    filch_future_unref(dependent.awaited);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

/* ---- Few threads or none ---- */

Test(thread_faults, without_a_first_thread_a_submit_fails_and_submits_nothing)
{
    filch_pool *pool = pool_of(2);
    filch_future *future = NULL;
    _Atomic int runs = 0;
    atomic_store(&filchi_os_faults.threads, -1);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, &future), -EAGAIN);
    cr_assert_null(future);
    filch_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.submitted, 0);
    cr_assert_eq(stats.threads, 0);
    cr_assert_eq(stats.threads_failed, 3);
    cr_assert_eq(stats.idle, 2);
    atomic_store(&filchi_os_faults.threads, 0);
    cr_assert_eq(filch_submit(pool, count_up, (void *)&runs, &future), 0, "as soon as there is one it works");
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&runs), 1);
}

Test(thread_faults, a_pool_that_never_got_a_thread_goes)
{
    filch_pool *pool = pool_of(2);
    atomic_store(&filchi_os_faults.threads, -1);
    cr_assert_eq(filch_submit(pool, do_nothing, NULL, NULL), -EAGAIN);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Work for many threads, done by few ---- */

static int main_of_subs(filch_task *self, void *runs)
{
    filch_future *futures[20], *future;
    filch_completed *completed;
    int rc, n = 0;
    for (int i = 0; i < 20; i++)
        futures[i] = submit(filch_task_pool(self), count_up, runs);
    must(filch_completed_begin(&completed, futures, 20, FILCH_FOREVER) == 0);
    while ((rc = filch_completed_next(completed, &future)) == 1)
        n++;
    filch_completed_end(completed);
    unref_all(futures, 20);
    must(rc == 0 && n == 20);
    return 0;
}

/* Like main_of_subs(), by waits with a deadline, for which a handoff is preferred. */
static int main_of_mains(filch_task *self, void *runs)
{
    for (int i = 0; i < 3; i++) {
        filch_future *future = submit(filch_task_pool(self), main_of_subs, runs);
        int rc = filch_future_result(future, FILCH_SECONDS(3600), NULL);
        must(rc == 0);
        filch_future_unref(future);
    }
    return 0;
}

static void run_all(filch_pool *pool)
{
    filch_future *futures[20];
    _Atomic int runs = 0;
    for (int i = 0; i < 20; i++)
        futures[i] = submit(pool, main_of_mains, (void *)&runs);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(filch_future_result(futures[i], FILCH_FOREVER, NULL), 0);
    cr_assert_eq(atomic_load(&runs), 20 * 3 * 20);
    unref_all(futures, 20);
}

Test(thread_faults, when_the_nth_thread_is_refused_everything_is_done_all_the_same)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        for (int nth = 2; nth <= 8; nth++) {
            filch_pool *pool = pool_of(workers);
            atomic_store(&filchi_os_faults.threads, nth);
            run_all(pool);
            filch_pool_destroy(pool);
        }
    }
}

Test(thread_faults, one_thread_does_it_all_when_no_other_can_be_had)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_pool *pool = pool_of(workers);
        struct gate gate = GATE;
        filch_future *holder = hold_worker(pool, &gate);
        atomic_store(&filchi_os_faults.threads, -1);
        let_go(&gate, holder);
        run_all(pool);
        filch_pool_stats stats = stats_of(pool);
        cr_assert_eq(stats.threads, 1);
        cr_assert_eq(stats.threads_peak, 1);
        atomic_store(&filchi_os_faults.threads, 0);
        filch_pool_destroy(pool);
    }
}

Test(thread_faults, memory_that_fails_for_a_thread_is_a_thread_less)
{
    for (int nth = 1; nth <= 6; nth++) {
        filch_pool *pool = pool_of(3);
        struct gate gate = GATE;
        filch_future *holder = hold_worker(pool, &gate), *futures[10];
        for (int i = 0; i < 10; i++)
            futures[i] = NULL;
        atomic_store(&filchi_os_faults.allocations, nth);
        for (int i = 0; i < 10; i++) {
            int rc = filch_submit(pool, do_nothing, NULL, &futures[i]);
            cr_assert(rc == 0 || (rc == -ENOMEM && !futures[i]));
        }
        atomic_store(&filchi_os_faults.allocations, 0);
        let_go(&gate, holder);
        cr_assert_eq(filch_join(futures, 10), 0);
        unref_all(futures, 10);
        filch_pool_destroy(pool);
    }
}
