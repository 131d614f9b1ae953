/* SPDX-License-Identifier: MIT */
/* Tasks that submit and await sub tasks on their own pool: they always finish, and a worker runs one at a time. */
#include "support.h"
#include "worker.h"

SUITE(nested);

static filch_pool *pool_with(unsigned workers, unsigned spare_threads, size_t stack_size)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    options.spare_threads = spare_threads;
    options.no_spare_threads = spare_threads == 0;
    options.stack_size = stack_size;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

/* ---- Mains and subs ---- */

struct load {
    int subs;
    unsigned bound;       /* most that may run at once */
    _Atomic unsigned now; /* running, those that wait left out */
    _Atomic long subs_run;
};

static void enter(struct load *load)
{
    must(atomic_fetch_add(&load->now, 1) < load->bound);
}

static void leave(struct load *load)
{
    atomic_fetch_sub(&load->now, 1);
}

static int sub(filch_task *self, void *arg)
{
    (void)self;
    struct load *load = arg;
    enter(load);
    atomic_fetch_add(&load->subs_run, 1);
    leave(load);
    return 0;
}

static int main_by_completed(filch_task *self, void *arg)
{
    struct load *load = arg;
    filch_future *futures[100], *future;
    filch_completed *completed;
    enter(load);
    for (int i = 0; i < load->subs; i++)
        futures[i] = submit(filch_task_pool(self), sub, load);
    must(filch_completed_begin(&completed, futures, (size_t)load->subs, FILCH_FOREVER) == 0);
    int n = 0, rc;
    for (;;) {
        leave(load);
        rc = filch_completed_next(completed, &future);
        enter(load);
        if (rc != 1)
            break;
        must(filch_future_state(future) == FILCH_DONE);
        n++;
    }
    filch_completed_end(completed);
    unref_all(futures, (size_t)load->subs);
    leave(load);
    must(rc == 0 && n == load->subs);
    return 0;
}

static int main_by_wait(filch_task *self, void *arg)
{
    struct load *load = arg;
    filch_future *futures[100];
    enter(load);
    for (int i = 0; i < load->subs; i++)
        futures[i] = submit(filch_task_pool(self), sub, load);
    for (int i = 0; i < load->subs; i++) { /* oldest first, against the deque's order */
        leave(load);
        int rc = filch_future_wait(futures[i], FILCH_FOREVER);
        enter(load);
        must(rc == 0);
    }
    unref_all(futures, (size_t)load->subs);
    leave(load);
    return 0;
}

static void run_mains(filch_pool *pool, filch_fn *fn, int mains, int subs)
{
    struct load load = { .subs = subs, .bound = filch_pool_workers(pool) };
    filch_future **futures = calloc((size_t)mains, sizeof *futures);
    for (int i = 0; i < mains; i++)
        futures[i] = submit(pool, fn, &load);
    for (int i = 0; i < mains; i++)
        cr_assert_eq(filch_future_result(futures[i], FILCH_FOREVER, NULL), 0);
    cr_assert_eq(atomic_load(&load.subs_run), (long)mains * subs);
    unref_all(futures, (size_t)mains);
    free(futures);
}

Test(nested, ten_mains_of_three_subs_finish_on_one_worker)
{
    filch_pool *pool = pool_of(1);
    run_mains(pool, main_by_completed, 10, 3);
    run_mains(pool, main_by_wait, 10, 3);
    filch_pool_destroy(pool);
}

Test(nested, ten_thousand_mains_of_a_hundred_subs_finish_on_a_single_thread)
{
    filch_pool *pool = pool_with(1, 0, 0);
    run_mains(pool, main_by_completed, SANITIZED ? 1000 : 10000, 100);
    cr_assert_eq(stats_of(pool).threads_peak, 1);
    filch_pool_destroy(pool);
}

Test(nested, mains_finish_and_keep_to_the_workers_however_many_threads_there_are)
{
    static const unsigned workers[] = { 1, 2, 3, 16 }, spares[] = { 0, 1, 2, 256 };
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            filch_pool *pool = pool_with(workers[i], spares[j], 0);
            run_mains(pool, main_by_completed, 100, 20);
            run_mains(pool, main_by_wait, 100, 20);
            cr_assert_leq(stats_of(pool).threads_peak, workers[i] + spares[j]);
            filch_pool_destroy(pool);
        }
    }
}

/* Waits in turn for subs that wait for their subs, with a timeout, which forces a handoff instead of a run in place. */
static int wait_by_handoff(filch_task *self, void *arg)
{
    struct load *load = arg;
    enter(load);
    filch_future *future = submit(filch_task_pool(self), main_by_completed, load);
    leave(load);
    int rc = filch_future_wait(future, FILCH_SECONDS(3600));
    enter(load);
    must(rc == 0);
    filch_future_unref(future);
    leave(load);
    return 0;
}

Test(nested, with_one_worker_two_tasks_never_run_at_once_though_they_hand_it_over)
{
    filch_pool *pool = pool_of(1);
    run_mains(pool, wait_by_handoff, 2000, 5);
    cr_assert_geq(stats_of(pool).handoffs, 1);
    filch_pool_destroy(pool);
}

/* ---- Order ---- */

struct order {
    _Atomic int n;
    int begun[10000];
};

struct entry {
    struct order *order;
    int number;
};

static int note(filch_task *self, void *arg)
{
    const struct entry *entry = arg;
    (void)self;
    entry->order->begun[atomic_fetch_add(&entry->order->n, 1)] = entry->number;
    return 0;
}

Test(nested, with_one_worker_outside_tasks_start_exactly_in_submission_order)
{
    enum { N = 10000 };
    filch_pool *pool = pool_of(1);
    static struct order order;
    static struct entry entries[N];
    for (int i = 0; i < N; i++) {
        entries[i] = (struct entry) { &order, i };
        must(filch_submit(pool, note, &entries[i], NULL) == 0);
    }
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&order.n), N);
    for (int i = 0; i < N; i++)
        cr_assert_eq(order.begun[i], i);
}

static int submit_ten(filch_task *self, void *arg)
{
    struct entry *entries = arg;
    for (int i = 0; i < 10; i++)
        must(filch_submit(filch_task_pool(self), note, &entries[i], NULL) == 0);
    return 0;
}

Test(nested, own_sub_tasks_start_newest_first_and_before_new_mains)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    static struct order order;
    struct entry entries[11];
    for (int i = 0; i < 11; i++)
        entries[i] = (struct entry) { &order, i };
    filch_future *holder = hold_worker(pool, &gate);
    must(filch_submit(pool, submit_ten, entries, NULL) == 0);
    must(filch_submit(pool, note, &entries[10], NULL) == 0);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(order.begun[i], 9 - i);
    cr_assert_eq(order.begun[10], 10);
}

struct resumed {
    filch_future *awaited;
    struct entry entry;
};

static int await_then_note(filch_task *self, void *arg)
{
    const struct resumed *resumed = arg;
    must(filch_future_wait(resumed->awaited, FILCH_FOREVER) == 0);
    return note(self, (void *)&resumed->entry);
}

Test(nested, a_task_whose_wait_is_over_goes_before_new_mains)
{
    enum { N = 20 };
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    struct gate awaited = GATE, busy = GATE;
    static struct order order;
    struct entry entries[N];
    struct resumed resumed = { hold_worker(other, &awaited), { &order, -1 } };
    filch_future *waiter = submit(pool, await_then_note, &resumed);
    UNTIL(stats_of(pool).handoffs == 1);
    filch_future *holder = hold_worker(pool, &busy);
    for (int i = 0; i < N; i++) {
        entries[i] = (struct entry) { &order, i };
        must(filch_submit(pool, note, &entries[i], NULL) == 0);
    }
    gate_open(&awaited);
    UNTIL(atomic_load(&pool->handoff.wanted) == 1);
    let_go(&busy, holder);
    cr_assert_eq(filch_future_wait(waiter, FILCH_FOREVER), 0);
    filch_future_unref(waiter);
    filch_future_unref(resumed.awaited);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
    cr_assert_eq(order.begun[0], -1);
    for (int i = 0; i < N; i++)
        cr_assert_eq(order.begun[1 + i], i);
}

/* ---- A task and its thread ---- */

static _Thread_local int of_this_thread;

static int stay_on_one_thread(filch_task *self, void *arg)
{
    static _Atomic int numbers;
    int me = 1 + atomic_fetch_add(&numbers, 1);
    pthread_t thread = pthread_self();
    int *own_errno = &errno, saved = of_this_thread;
    pthread_mutex_t held;
    pthread_mutexattr_t checking;
    pthread_mutexattr_init(&checking);
    pthread_mutexattr_settype(&checking, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&held, &checking);
    pthread_mutex_lock(&held);
    of_this_thread = me;
    int rc = wait_by_handoff(self, arg);
    must(of_this_thread == me && own_errno == &errno);
    must(pthread_equal(thread, pthread_self()));
    must(pthread_mutex_unlock(&held) == 0); /* EPERM on another thread */
    must(filch_task_current() == self);
    of_this_thread = saved;
    pthread_mutex_destroy(&held);
    pthread_mutexattr_destroy(&checking);
    return rc;
}

Test(nested, a_task_stays_on_its_thread_across_waits)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        run_mains(pool, stay_on_one_thread, 300, 3);
        filch_pool_destroy(pool);
    }
}

/* ---- Awaiting oneself ---- */

static int await_itself(filch_task *self, void *out)
{
    (void)self;
    event_await(out); /* the future is known */
    filch_future *future = *(filch_future **)((struct event *)out + 1);
    must(filch_future_wait(future, FILCH_FOREVER) == -EDEADLK);
    must(filch_future_wait(future, 0) == -EDEADLK);
    must(filch_join(&future, 1) == -EDEADLK);
    must(filch_future_state(future) == FILCH_RUNNING);
    return filch_wait(&future, 1, FILCH_ALL, FILCH_FOREVER, NULL);
}

Test(nested, a_task_that_awaits_itself_is_told_so)
{
    struct {
        struct event known;
        filch_future *future;
    } itself = { EVENT, NULL };
    filch_pool *pool = pool_of(1);
    itself.future = submit(pool, await_itself, &itself);
    event_signal(&itself.known);
    cr_assert_eq(filch_future_result(itself.future, FILCH_FOREVER, NULL), -EDEADLK);
    filch_future_unref(itself.future);
    filch_pool_destroy(pool);
}

static int await_first(filch_task *self, void *arg)
{
    (void)self;
    filch_future *future = *(filch_future **)arg;
    return filch_wait(&future, 1, FILCH_FIRST_COMPLETED, FILCH_MS(1), NULL);
}

Test(nested, a_task_that_awaits_itself_among_others_does_not_hang_past_its_timeout)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *future = NULL;
    must(filch_submit(pool, await_first, &future, &future) == 0);
    gate_open(&gate);
    int rc = filch_future_result(future, FILCH_FOREVER, NULL);
    cr_assert(rc == -ETIMEDOUT || rc == -EDEADLK);
    filch_future_unref(holder);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}
