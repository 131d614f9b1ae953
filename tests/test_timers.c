/* SPDX-License-Identifier: MIT */
/* Tasks that start later: when, in what order, and at what cost. test_later_ends.c has what ends their wait. */
#include "os.h"
#include "support.h"
#include "worker.h"

SUITE(timers);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static filch_future *submit_after(filch_pool *pool, int64_t delay_ns, filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    must(filch_submit_after(pool, delay_ns, fn, arg, &future) == 0);
    return future;
}

/* ---- When ---- */

/* arg: where to write down when it started. */
static int write_down_now(filch_task *self, void *arg)
{
    (void)self;
    atomic_store((_Atomic int64_t *)arg, filch_now());
    return 0;
}

static int64_t lateness_of_one(filch_pool *pool, int64_t delay_ns)
{
    _Atomic int64_t started = 0;
    filch_future *future = NULL;
    int64_t due = filch_now() + delay_ns;
    must(filch_submit_at(pool, due, write_down_now, &started, &future) == 0);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    must(started >= due);
    return started - due;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

Test(timers, a_timer_fires_no_earlier_than_asked_and_soon_after)
{
    enum { BATCHES = 10, BATCH = 41 };
    filch_pool *pool = pool_of(2);
    int64_t late[BATCH], best = INT64_MAX;
    unsigned random = 1;
    /* Others may keep the machine busy for a while: one good batch is enough. A poll each 10 ms would have none. */
    for (int batch = 0; batch < BATCHES && best > FILCH_MS(1); batch++) {
        for (int i = 0; i < BATCH; i++) {
            random = random * 1103515245u + 12345u;
            late[i] = lateness_of_one(pool, (random >> 8) % FILCH_MS(5));
        }
        qsort(late, BATCH, sizeof *late, by_value);
        best = late[BATCH / 2] < best ? late[BATCH / 2] : best;
    }
    fprintf(stderr, "timers: %lld us late at the median\n", (long long)best / 1000);
    cr_assert_lt(best, FILCH_MS(2));
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(timers, submit_after_counts_from_the_submit)
{
    filch_pool *pool = pool_of(1);
    _Atomic int64_t started = 0;
    int64_t before = filch_now();
    filch_future *future = submit_after(pool, FILCH_MS(20), write_down_now, (void *)&started);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_geq(started - before, FILCH_MS(20));
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(timers, a_time_that_has_passed_is_now)
{
    filch_pool *pool = pool_of(1);
    filch_future *futures[3];
    futures[0] = submit_after(pool, 0, do_nothing, NULL);
    cr_assert_eq(filch_submit_at(pool, 1, do_nothing, NULL, &futures[1]), 0);
    cr_assert_eq(filch_submit_at(pool, 0, do_nothing, NULL, &futures[2]), 0);
    cr_assert_eq(filch_wait(futures, 3, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    unref_all(futures, 3);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(timers, until_its_time_a_task_is_pending_and_no_attempt_was_made)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit_after(pool, NEVER_DUE, do_nothing, NULL);
    cr_assert_eq(filch_future_state(future), FILCH_PENDING);
    cr_assert_not(filch_future_done(future));
    cr_assert_eq(filch_future_attempts(future), 0);
    cr_assert_null(filch_future_error(future));
    cr_assert_eq(filch_future_wait(future, FILCH_MS(1)), -ETIMEDOUT);
    cr_assert_eq(filch_future_state(future), FILCH_PENDING);
    cr_assert(filch_future_cancel(future));
    cr_assert_eq(filch_future_attempts(future), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int expect_first_attempt(filch_task *self, void *arg)
{
    (void)arg;
    must(filch_task_attempt(self) == 1);
    must(filch_future_attempts(self) == 1);
    return 0;
}

Test(timers, a_delayed_task_is_in_its_first_attempt)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit_after(pool, FILCH_MS(1), expect_first_attempt, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(filch_future_attempts(future), 1);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static int submit_later_and_wait(filch_task *self, void *arg)
{
    (void)arg;
    _Atomic int64_t started = 0;
    filch_future *future = NULL;
    int64_t begun = filch_now();
    must(filch_submit_after(filch_task_pool(self), FILCH_MS(5), write_down_now, (void *)&started, &future) == 0);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    must(started - begun >= FILCH_MS(5));
    filch_future_unref(future);
    return 0;
}

Test(timers, a_task_submits_for_later_too)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit(pool, submit_later_and_wait, NULL);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Order ---- */

#define ORDERED 200

static int order[ORDERED];
static int n_ordered;

static int write_down_turn(filch_task *self, void *arg)
{
    (void)self;
    order[n_ordered++] = (int)(intptr_t)arg;
    return 0;
}

/* The first is due `ahead` from now: false if that was before all of them were submitted. */
static bool submit_in_another_order(filch_pool *pool, int64_t ahead, filch_future **futures)
{
    int64_t first = filch_now() + ahead;
    for (int i = 0; i < ORDERED; i++) {
        int turn = i * 77 % ORDERED; /* 77 and 200 have no common factor */
        must(filch_submit_at(pool, first + turn * FILCH_US(50), write_down_turn, (void *)(intptr_t)turn,
                             &futures[i]) == 0);
    }
    return filch_now() < first;
}

Test(timers, with_one_worker_tasks_start_in_the_order_of_their_times)
{
    filch_pool *pool = pool_of(1);
    bool in_time = false;
    for (int64_t ahead = FILCH_MS(30); !in_time; ahead *= 4) { /* a busy machine may need longer */
        struct gate gate = GATE;
        filch_future *holder = hold_worker(pool, &gate), *futures[ORDERED];
        n_ordered = 0;
        in_time = submit_in_another_order(pool, ahead, futures);
        let_go(&gate, holder);
        cr_assert_eq(filch_wait(futures, ORDERED, FILCH_ALL, FILCH_FOREVER, NULL), 0);
        unref_all(futures, ORDERED);
    }
    for (int i = 0; i < ORDERED; i++)
        cr_assert_eq(order[i], i);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(timers, an_earlier_timer_that_comes_later_goes_first)
{
    filch_pool *pool = pool_of(1);
    filch_future *late = submit_after(pool, NEVER_DUE, do_nothing, NULL);
    pid_t timer = 0;
    UNTIL(threads_named("filch-timer", &timer, 1) == 1);
    until_asleep(timer);
    filch_future *early = submit_after(pool, FILCH_MS(1), do_nothing, NULL);
    cr_assert_eq(filch_future_wait(early, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(late), FILCH_PENDING);
    cr_assert(filch_future_cancel(late));
    filch_future_unref(early);
    filch_future_unref(late);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- Cost ---- */

/* How often the thread went to sleep by itself. */
static long sleeps_of(pid_t tid)
{
    char line[64];
    must(read_of_thread(tid, "status", "voluntary_ctxt_switches:\t", line, sizeof line));
    return strtol(line, NULL, 10);
}

static int workers_of(pid_t *tids, int max)
{
    int n = threads_named("filch-", tids, max), kept = 0;
    for (int i = 0; i < n; i++) {
        char name[32];
        must(read_of_thread(tids[i], "comm", "", name, sizeof name));
        if (!strstr(name, "timer"))
            tids[kept++] = tids[i];
    }
    return kept;
}

/* All of its threads are there, and asleep. */
static void rest(filch_pool *pool, unsigned workers, pid_t *tids)
{
    struct gate gate = GATE;
    filch_future *holders[16];
    for (unsigned i = 0; i < workers; i++)
        holders[i] = hold_worker(pool, &gate);
    gate_open(&gate);
    must(filch_wait(holders, workers, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    unref_all(holders, workers);
    must(workers_of(tids, 16) == (int)workers);
    UNTIL(stats_of(pool).idle == workers);
    for (unsigned i = 0; i < workers; i++)
        until_asleep(tids[i]);
}

Test(timers, one_thread_sleeps_with_the_deadline_the_others_with_none)
{
    enum { WORKERS = 4, TIMERS = 20 };
    filch_pool *pool = pool_of(WORKERS);
    filch_stop *stops[TIMERS];
    pid_t tids[16], timer = 0;
    long before[WORKERS];
    rest(pool, WORKERS, tids);
    for (int i = 0; i < WORKERS; i++)
        before[i] = sleeps_of(tids[i]);
    /* Stops, since they fire without work for a worker. */
    for (int i = 0; i < TIMERS; i++)
        must(filch_stop_create_until(&stops[i], NULL, pool, filch_now() + (i + 1) * FILCH_MS(3)) == 0);
    for (int i = 0; i < TIMERS; i++)
        UNTIL(filch_stop_requested(stops[i]));
    for (int i = 0; i < WORKERS; i++)
        cr_assert_eq(sleeps_of(tids[i]), before[i], "worker %d woke for a timer", i);
    must(threads_named("filch-timer", &timer, 1) == 1);
    cr_assert_leq(sleeps_of(timer), 3 * TIMERS + 20);
    for (int i = 0; i < TIMERS; i++)
        filch_stop_unref(stops[i]);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(timers, armed_timers_use_no_cpu)
{
    enum { MANY = 10000, WORKERS = 2 };
    filch_pool *pool = pool_of(WORKERS);
    filch_future **futures = calloc(MANY, sizeof *futures);
    pid_t tids[16], timer = 0;
    for (int i = 0; i < MANY; i++)
        futures[i] = submit_after(pool, NEVER_DUE + i, do_nothing, NULL);
    rest(pool, WORKERS, tids);
    must(threads_named("filch-timer", &timer, 1) == 1);
    until_asleep(timer);
    long before = sleeps_of(timer);
    int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    struct timespec pause = { .tv_nsec = 300000000 };
    nanosleep(&pause, NULL); /* it is time itself that is tested */
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    cr_assert_lt(cpu, FILCH_MS(SANITIZED ? 30 : 5), "%lld us of CPU", (long long)cpu / 1000);
    cr_assert_eq(sleeps_of(timer), before);
    cr_assert_eq(filch_cancel_all(futures, MANY), MANY);
    unref_all(futures, MANY);
    free(futures);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(timers, a_pool_without_timers_has_no_timer_thread)
{
    filch_pool *pool = pool_of(2);
    filch_future *future = submit(pool, do_nothing, NULL);
    pid_t tid;
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(threads_named("filch-timer", &tid, 1), 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(timers, a_hundred_thousand_are_due_at_once_without_delay_or_threads)
{
    enum { MANY = 100000 };
    filch_pool *pool = pool_of(2);
    filch_future **futures = calloc(MANY, sizeof *futures);
    _Atomic int ran = 0;
    pid_t tids[64];
    int64_t due = filch_now() + FILCH_MS(200);
    for (int i = 0; i < MANY; i++)
        must(filch_submit_at(pool, due, count_up, (void *)&ran, &futures[i]) == 0);
    cr_assert_leq(threads_named("filch-", tids, 64), 3);
    cr_assert_eq(filch_wait(futures, MANY, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    int64_t took = filch_now() - due;
    fprintf(stderr, "timers: %d due at once ran within %lld ms\n", MANY, (long long)took / 1000000);
    cr_assert_eq(ran, MANY);
    cr_assert_lt(took, FILCH_SECONDS(SANITIZED ? 20 : 5));
    unref_all(futures, MANY);
    free(futures);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

/* ---- The timer thread ---- */

struct flood {
    filch_pool *pool;
    _Atomic bool over;
};

/* Sends the timer thread a message all the time. */
static void *flood_main(void *arg)
{
    struct flood *flood = arg;
    while (!atomic_load(&flood->over)) {
        filch_future *future = submit_after(flood->pool, NEVER_DUE, do_nothing, NULL);
        must(filch_future_cancel(future));
        filch_future_unref(future);
    }
    return NULL;
}

Test(timers, messages_without_end_do_not_hold_up_an_armed_timer)
{
    enum { FLOODS = 6 };
    struct flood flood = { .pool = pool_of(1) };
    pthread_t threads[FLOODS];
    filch_future *armed = submit_after(flood.pool, FILCH_MS(300), do_nothing, NULL);
    UNTIL(atomic_load(&flood.pool->timers->n) == 1);
    for (int i = 0; i < FLOODS; i++)
        must(pthread_create(&threads[i], NULL, flood_main, &flood) == 0);
    int rc = filch_future_wait(armed, FILCH_SECONDS(5));
    atomic_store(&flood.over, true);
    for (int i = 0; i < FLOODS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(rc, 0);
    filch_future_unref(armed);
    cr_assert_eq(filch_pool_destroy(flood.pool), 0);
}

/* ---- The end ---- */

Test(timers, a_thread_that_a_due_task_starts_ends_with_its_pool)
{
    for (int round = 0, n = SANITIZED ? 300 : 1000; round < n; round++) {
        filch_pool *pool = pool_of(8);
        int64_t due = filch_now() + FILCH_US(200);
        for (int i = 0; i < 6; i++) /* the last ones may be done while a thread is started for them */
            must(filch_submit_at(pool, due, do_nothing, NULL, NULL) == 0);
        cr_assert_eq(filch_pool_destroy(pool), 0);
    }
}
