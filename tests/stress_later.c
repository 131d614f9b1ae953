/* SPDX-License-Identifier: MIT */
/*
 * Tasks that start later or again, while they are cancelled, stopped (from threads, signal handlers and by deadlines),
 * dropped, awaited, and their pool is shut down in every manner. An attempt never begins before its time, nor after
 * a cancel that won, nor while another one runs; attempts are counted without a gap; every future becomes final, every
 * callback comes once, every argument is dropped once; a delayed task is never seen to wait for a retry.
 */
#include "os.h"
#include "stress_pool.h"

#include <filch/filch.h>

#include <signal.h>

#define MOST 40 /* futures of a thread in one pool */
#define STOPS 4
#define NEVER_DUE FILCH_SECONDS(1000)

/* What a task is given. */
struct item {
    unsigned good, most;      /* succeeds in this attempt; attempts at most */
    bool retried;             /* more than one attempt is possible */
    int64_t interval;         /* 0 with jitter */
    _Atomic int64_t earliest; /* the next attempt must not begin before */
    _Atomic unsigned runs;    /* attempts begun */
    _Atomic bool inside;      /* an attempt runs */
    _Atomic bool closed;      /* it must never run again */
    uint64_t random;
};

struct party {
    unsigned index, n;
    filch_future *futures[MOST];
};

static filch_pool *pool;
static filch_stop *stops[STOPS];
static filch_stop *_Atomic stop_of_handler;
static unsigned round_now;
static bool long_waits; /* of this round: some wait for ever, as it ends by cancelling them */
static _Atomic uint64_t accepted, freed, registered, called;
static _Atomic uint64_t ends[FILCH_STOPPED + 1], attempts, deadlines;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void free_item(void *arg)
{
    struct item *item = arg;
    CHECK(!atomic_load(&item->inside));
    memset(arg, 0xEE, sizeof *item);
    free(arg);
    count(&freed);
}

static void count_call(filch_future *future, void *arg)
{
    (void)arg;
    CHECK(filch_future_done(future));
    count(&called);
}

/* ---- Tasks ---- */

static filch_future *submit(uint64_t *random, unsigned depth, bool hold);
static void check_end(filch_future *future);

/* A sub task of any kind, perhaps awaited. */
static void go_deeper(uint64_t *random)
{
    filch_future *sub = submit(random, 1, true);
    if (!sub)
        return;
    int rc = filch_future_wait(sub, stress_below(random, 2) ? FILCH_FOREVER : FILCH_US(stress_below(random, 200)));
    CHECK(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED);
    if (rc == 0)
        check_end(sub);
    filch_future_unref(sub);
}

static int run(filch_task *self, struct item *item, bool deep)
{
    CHECK(!atomic_exchange(&item->inside, true));
    CHECK(!atomic_load(&item->closed));
    CHECK(stress_now() >= atomic_load(&item->earliest));
    unsigned attempt = filch_task_attempt(self);
    CHECK_IS(atomic_fetch_add(&item->runs, 1) + 1, attempt);
    CHECK(attempt <= item->most && filch_task_error(self) == NULL);
    count(&attempts);
    stress_progress();
    if (deep && !long_waits && stress_below(&item->random, 4) == 0)
        go_deeper(&item->random);
    bool stopped = filch_task_stopped(self) && stress_below(&item->random, 2);
    atomic_store(&item->earliest, stress_now() + item->interval);
    atomic_store(&item->inside, false);
    if (stopped)
        return -ECANCELED;
    return attempt == item->good ? 0 : filch_fail(self, -EIO, "attempt %u", attempt);
}

static int run_deep(filch_task *self, void *arg)
{
    return run(self, arg, true);
}

static int run_flat(filch_task *self, void *arg)
{
    return run(self, arg, false);
}

/* ---- Submitting ---- */

static filch_retry_options choose_retry(struct item *item, uint64_t *random)
{
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    retry.max_attempts = item->most = 1 + stress_below(random, 4);
    retry.interval_ns = item->interval = FILCH_US(stress_below(random, 3) * stress_below(random, 60));
    retry.backoff = 1.0 + stress_below(random, 2);
    if (long_waits && stress_below(random, 8) == 0)
        retry.interval_ns = item->interval = NEVER_DUE;
    if (stress_below(random, 4) == 0) {
        retry.jitter = 1.0;
        item->interval = 0;
    }
    item->retried = true;
    return retry;
}

/* NULL if it was refused, or if nobody is to hold it. */
static filch_future *submit(uint64_t *random, unsigned depth, bool hold)
{
    struct item *item = calloc(1, sizeof *item);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry;
    filch_future *future = NULL;
    CHECK(item);
    item->most = 1;
    item->random = stress_random(random);
    options.arg_dtor = free_item;
    if (stress_below(random, 4)) {
        retry = choose_retry(item, random);
        options.retry = &retry;
    }
    item->good = 1 + stress_below(random, item->most + 1);
    if (stress_below(random, 3) == 0) {
        int64_t delay =
            long_waits && stress_below(random, 8) == 0 ? NEVER_DUE : FILCH_US(stress_below(random, 400));
        options.start_at_ns = stress_now() + delay;
        atomic_store(&item->earliest, options.start_at_ns);
    }
    unsigned under = stress_below(random, 2 * STOPS);
    options.stop = under < STOPS ? stops[under] : NULL;
    int rc = filch_submit_with(pool, depth ? run_flat : run_deep, item, &options, hold ? &future : NULL);
    if (rc) {
        CHECK_IS(rc, -ESHUTDOWN);
        free(item);
        return NULL;
    }
    count(&accepted);
    return future;
}

/* ---- What comes of them ---- */

static void check_end(filch_future *future)
{
    struct item *item = filch_future_arg(future);
    filch_state state = filch_future_state(future);
    const filch_error *error = filch_future_error(future);
    unsigned runs = atomic_load(&item->runs);
    CHECK(state >= FILCH_DONE && !atomic_load(&item->inside));
    CHECK_IS(filch_future_attempts(future), runs);
    CHECK((state == FILCH_DONE) == (error == NULL));
    if (state == FILCH_DONE)
        CHECK_IS(runs, item->good);
    if (state == FILCH_FAILED)
        CHECK_IS(filch_error_code(error), -EIO);
    if (item->retried && runs && state >= FILCH_FAILED && state != FILCH_STOPPED)
        CHECK_IS(filch_error_code(filch_error_root(error)), -EIO);
    count(&ends[state]);
}

static void look(filch_future *future)
{
    const struct item *item = filch_future_arg(future);
    CHECK(filch_future_state(future) != FILCH_RETRY_WAIT || item->retried);
    CHECK(filch_future_attempts(future) <= item->most);
}

static void cancel(filch_future *future)
{
    struct item *item = filch_future_arg(future);
    if (!filch_future_cancel(future))
        return;
    atomic_store(&item->closed, true);
    CHECK(!atomic_load(&item->inside));
    CHECK_IS(filch_future_state(future), FILCH_CANCELLED);
}

/* A stop with a deadline, under one of the round's, dropped before or after. */
static void make_deadline(uint64_t *random)
{
    filch_stop *stop, *parent = stops[stress_below(random, STOPS)];
    CHECK_IS(filch_stop_create_until(&stop, parent, pool, stress_now() + FILCH_US(stress_below(random, 100))), 0);
    stress_spin(stress_below(random, 40000));
    if (filch_stop_requested(stop))
        count(&deadlines);
    filch_stop_unref(stop);
}

static void do_something(struct party *party, uint64_t *random)
{
    filch_future *future = party->futures[stress_below(random, party->n)];
    switch (stress_below(random, 12)) {
    case 0:
        cancel(future);
        break;
    case 1:
        CHECK_IS(filch_future_on_done(future, count_call, NULL), 0);
        count(&registered);
        break;
    case 2: {
        int rc = filch_future_wait(future, FILCH_US(stress_below(random, 300)));
        CHECK(rc == 0 || rc == -ETIMEDOUT);
        break;
    }
    case 3:
        if (stress_below(random, 8) == 0)
            filch_stop_request(stops[stress_below(random, STOPS)], -EPIPE);
        break;
    case 4:
        if (stress_below(random, 16) == 0)
            raise(SIGUSR1);
        break;
    case 5:
        make_deadline(random);
        break;
    case 6: /* one that is dropped while it waits, or nobody ever held */
        filch_future_unref(submit(random, 0, stress_below(random, 2)));
        break;
    default:
        look(future);
    }
}

static void iterate(const struct party *party)
{
    filch_completed *completed;
    filch_future *next;
    size_t got = 0;
    CHECK_IS(filch_completed_begin(&completed, party->futures, party->n, FILCH_FOREVER), 0);
    while (filch_completed_next(completed, &next) == 1) {
        CHECK(filch_future_done(next));
        got++;
    }
    CHECK_IS(got, party->n);
    filch_completed_end(completed);
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(round_now, party->index);
    while (party->n < MOST) {
        filch_future *future = submit(&random, 0, true);
        if (!future)
            break;
        party->futures[party->n++] = future;
        for (unsigned i = stress_below(&random, 4); i > 0; i--)
            do_something(party, &random);
        stress_progress();
    }
    while (party->n && stress_below(&random, 20))
        do_something(party, &random);
    if (!long_waits || stress_below(&random, 2)) /* they end, if not before, by the shutdown */
        iterate(party);
    return NULL;
}

/* ---- Rounds ---- */

static void on_signal(int number)
{
    (void)number;
    filch_stop_request(atomic_load(&stop_of_handler), -EINTR);
}

static int shut_down_inside(filch_task *self, void *flags)
{
    return filch_pool_shutdown(filch_task_pool(self), (unsigned)(uintptr_t)flags, 0, NULL);
}

static void shut_down(uint64_t *random)
{
    unsigned flags = long_waits ? FILCH_SHUTDOWN_CANCEL_PENDING : 0;
    if (stress_below(random, 3) == 0)
        flags |= FILCH_SHUTDOWN_STOP_RUNNING;
    if (stress_below(random, 4) == 0)
        CHECK_IS(filch_submit(pool, shut_down_inside, (void *)(uintptr_t)flags, NULL), 0);
    else if (stress_below(random, 2))
        CHECK_IS(filch_pool_shutdown(pool, flags | FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    CHECK_IS(filch_pool_shutdown(pool, flags, 0, NULL), 0);
}

static void begin_round(uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    long_waits = stress_below(random, 2);
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    CHECK_IS(filch_stop_create(&stops[0], filch_pool_stop(pool)), 0);
    CHECK_IS(filch_stop_create(&stops[1], NULL), 0);
    int64_t deadline = stress_now() + FILCH_US(stress_below(random, 4000));
    CHECK_IS(filch_stop_create_until(&stops[2], stops[1], pool, deadline), 0);
    CHECK_IS(filch_stop_create(&stops[3], stops[2]), 0);
    atomic_store(&stop_of_handler, stops[stress_below(random, STOPS)]);
}

static void end_round(struct party *parties)
{
    stress_pool_drop(pool);
    for (unsigned i = 0; i < stress.threads; i++)
        for (unsigned j = 0; j < parties[i].n; j++) {
            check_end(parties[i].futures[j]);
            filch_future_unref(parties[i].futures[j]);
        }
    for (unsigned i = 0; i < STOPS; i++)
        filch_stop_unref(stops[i]);
    CHECK_IS(atomic_load(&freed), atomic_load(&accepted));
    CHECK_IS(atomic_load(&called), atomic_load(&registered));
}

static void one_round(uint64_t *random)
{
    struct party parties[64];
    pthread_t threads[64];
    memset(parties, 0, sizeof parties);
    begin_round(random);
    for (unsigned i = 0; i < stress.threads; i++) {
        parties[i].index = i;
        CHECK_IS(pthread_create(&threads[i], NULL, party_main, &parties[i]), 0);
    }
    stress_nap(stress_below(random, 3000000));
    stress_phase("shutdown");
    shut_down(random);
    stress_phase("the parties' end");
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    stress_phase("destroy");
    end_round(parties);
}

static int do_nothing(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

/* The last of those that are due may be done while a thread is started for them; then the pool goes. */
static void burst(void)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 8;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    int64_t due = stress_now() + FILCH_US(200);
    for (int i = 0; i < 6; i++)
        CHECK_IS(filch_submit_at(pool, due, do_nothing, NULL, NULL), 0);
    stress_pool_drop(pool);
}

int main(int argc, char **argv)
{
    stress_begin("stress_later", 3, argc, argv);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    uint64_t random = stress_stream(0, 44);
    for (; stress_goes_on(); round_now++) {
        one_round(&random);
        for (int i = 0; i < 4; i++)
            burst();
    }
    printf("%u pools, %llu tasks, %llu attempts, %llu deadlines; %llu done, %llu failed, %llu cancelled, %llu "
           "stopped\n",
           round_now, (unsigned long long)accepted, (unsigned long long)attempts, (unsigned long long)deadlines,
           (unsigned long long)ends[FILCH_DONE], (unsigned long long)ends[FILCH_FAILED],
           (unsigned long long)ends[FILCH_CANCELLED], (unsigned long long)ends[FILCH_STOPPED]);
    stress_total("attempts", attempts);
    stress_total("cancels", ends[FILCH_CANCELLED]);
    stress_total("stops", ends[FILCH_STOPPED]);
    return stress_end();
}
