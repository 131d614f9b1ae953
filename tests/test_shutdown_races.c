/* SPDX-License-Identifier: MIT */
/* Shutdowns while others submit, wait, iterate and shut down: everything submitted becomes final, once. */
#include "support.h"

SUITE(shutdown_races);

#define PRODUCERS 3
#define EACH 2000

/* ---- Submitting against shutting down ---- */

struct producer {
    filch_pool *pool;
    pthread_t thread;
    filch_future *futures[EACH];
    _Atomic int n; /* accepted */
    _Atomic int ran;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;
    for (int i = 0; i < EACH; i++) {
        int rc = filch_submit(producer->pool, count_up, (void *)&producer->ran, &producer->futures[i]);
        if (rc) {
            must(rc == -ESHUTDOWN);
            break;
        }
        atomic_store(&producer->n, i + 1);
    }
    return NULL;
}

static void shut_down_while_submitting(unsigned workers, unsigned flags, int after)
{
    filch_pool *pool = pool_of(workers);
    struct producer *producers = calloc(PRODUCERS, sizeof *producers);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i].pool = pool;
        must(pthread_create(&producers[i].thread, NULL, produce, &producers[i]) == 0);
    }
    UNTIL(atomic_load(&producers[0].n) >= after);
    cr_assert_eq(filch_pool_shutdown(pool, flags | FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        int n = atomic_load(&producers[i].n), done = 0;
        for (int j = 0; j < n; j++) {
            filch_state state = filch_future_state(producers[i].futures[j]);
            cr_assert_geq(state, FILCH_DONE, "everything submitted is final");
            cr_assert_neq(state, FILCH_FAILED);
            done += state == FILCH_DONE;
        }
        cr_assert_eq(atomic_load(&producers[i].ran), done);
        if (!flags)
            cr_assert_eq(done, n);
        unref_all(producers[i].futures, (size_t)n);
    }
    filch_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.submitted, stats.finished);
    filch_pool_destroy(pool);
    free(producers);
}

Test(shutdown_races, nothing_submitted_is_lost_whatever_the_flags)
{
    for (unsigned workers = 1; workers <= 3; workers++)
        for (unsigned flags = 0; flags <= 6; flags += 2) /* cancel, stop, both, neither */
            for (int after = 0; after <= EACH; after += EACH / 4)
                shut_down_while_submitting(workers, flags, after);
}

/* ---- Tasks that submit against shutting down ---- */

struct family {
    _Atomic int born, refused, freed;
};

static void count_freed(void *arg)
{
    atomic_fetch_add(&((struct family *)arg)->freed, 1);
}

static int beget(filch_task *self, void *arg)
{
    struct family *family = arg;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.arg_dtor = count_freed;
    for (int i = 0; i < 2; i++) {
        int rc = filch_submit_with(filch_task_pool(self), beget, family, &options, NULL);
        if (rc == 0)
            atomic_fetch_add(&family->born, 1);
        else
            must(rc == -ESHUTDOWN && atomic_fetch_add(&family->refused, 1) >= 0);
    }
    return 0;
}

Test(shutdown_races, an_endless_family_of_tasks_ends_with_a_shutdown_that_cancels)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        for (int born = 10; born <= 10000; born *= 10) {
            filch_pool *pool = pool_of(workers);
            struct family family = { 0 };
            must(filch_submit(pool, beget, &family, NULL) == 0);
            UNTIL(atomic_load(&family.born) >= born);
            unsigned flags = FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING;
            cr_assert_eq(filch_pool_shutdown(pool, flags, FILCH_FOREVER, NULL), 0);
            cr_assert_eq(atomic_load(&family.freed), atomic_load(&family.born), "each one is dealt with");
            filch_pool_destroy(pool);
        }
    }
}

/* ---- Iterating and waiting elsewhere ---- */

#define N 200

struct watcher {
    filch_future *const *futures;
    pthread_t thread;
    size_t seen;
    struct event begun;
};

static void *watch(void *arg)
{
    struct watcher *watcher = arg;
    filch_completed *completed;
    filch_future *future;
    must(filch_completed_begin(&completed, watcher->futures, N, FILCH_FOREVER) == 0);
    event_signal(&watcher->begun);
    while (filch_completed_next(completed, &future) == 1)
        watcher->seen++;
    filch_completed_end(completed);
    return NULL;
}

static void *wait_for_all(void *arg)
{
    struct watcher *watcher = arg;
    event_signal(&watcher->begun);
    must(filch_wait(watcher->futures, N, FILCH_ALL, FILCH_FOREVER, &watcher->seen) == 0);
    return NULL;
}

Test(shutdown_races, iterators_and_waits_elsewhere_end_when_a_shutdown_cancels)
{
    for (int round = 0; round < 20; round++) {
        filch_pool *pool = pool_of(2);
        struct gate gate = GATE;
        struct watcher watchers[4];
        filch_future *futures[N];
        for (int i = 0; i < N; i++)
            futures[i] = submit(pool, i % 10 == 7 ? pass_gate : do_nothing, &gate);
        for (int i = 0; i < 4; i++) {
            watchers[i] = (struct watcher) { .futures = futures, .begun = EVENT };
            must(pthread_create(&watchers[i].thread, NULL, i % 2 ? watch : wait_for_all, &watchers[i]) == 0);
            event_await(&watchers[i].begun);
        }
        cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL), 0);
        gate_open(&gate);
        for (int i = 0; i < 4; i++) {
            pthread_join(watchers[i].thread, NULL);
            cr_assert_eq(watchers[i].seen, N);
        }
        unref_all(futures, N);
        filch_pool_destroy(pool);
    }
}

/* ---- Shutdowns at once ---- */

struct shutter {
    filch_pool *pool;
    pthread_t thread;
    unsigned flags;
};

static void *shut(void *arg)
{
    struct shutter *shutter = arg;
    must(filch_pool_shutdown(shutter->pool, shutter->flags, FILCH_FOREVER, NULL) == 0);
    return NULL;
}

Test(shutdown_races, shutdowns_with_all_flags_may_run_at_once)
{
    for (int round = 0; round < 100; round++) {
        filch_pool *pool = pool_of(2);
        struct shutter shutters[8];
        filch_future *futures[N];
        for (int i = 0; i < N; i++)
            futures[i] = submit(pool, do_nothing, NULL);
        for (unsigned i = 0; i < 8; i++) {
            shutters[i] = (struct shutter) { .pool = pool, .flags = i };
            must(pthread_create(&shutters[i].thread, NULL, shut, &shutters[i]) == 0);
        }
        for (int i = 0; i < 8; i++)
            pthread_join(shutters[i].thread, NULL);
        for (int i = 0; i < N; i++)
            cr_assert(filch_future_done(futures[i]));
        unref_all(futures, N);
        filch_pool_destroy(pool);
    }
}

/* ---- A task that awaits subs which the shutdown cancels ---- */

static int await_subs(filch_task *self, void *arg)
{
    filch_future *futures[20];
    int n = 0, rc = 0;
    (void)arg;
    while (n < 20 && (rc = filch_submit(filch_task_pool(self), do_nothing, NULL, &futures[n])) == 0)
        n++;
    must(rc == 0 || rc == -ESHUTDOWN);
    must(filch_wait(futures, (size_t)n, FILCH_ALL, FILCH_FOREVER, NULL) == 0);
    for (int i = 0; i < n; i++)
        must(filch_future_done(futures[i]));
    unref_all(futures, (size_t)n);
    return 0;
}

Test(shutdown_races, tasks_that_await_subs_get_on_when_these_are_cancelled)
{
    for (int round = 0; round < 200; round++) {
        filch_pool *pool = pool_of(1 + (unsigned)round % 3);
        filch_future *mains[50];
        for (int i = 0; i < 50; i++)
            mains[i] = submit(pool, await_subs, NULL);
        UNTIL(stats_of(pool).finished > (uint64_t)round);
        unsigned flags = FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING;
        cr_assert_eq(filch_pool_shutdown(pool, flags, FILCH_FOREVER, NULL), 0);
        for (int i = 0; i < 50; i++)
            cr_assert(filch_future_done(mains[i]));
        unref_all(mains, 50);
        filch_pool_destroy(pool);
    }
}
