/* SPDX-License-Identifier: MIT */
/*
 * Trees of stops that grow and wither while they are requested, from threads and from signal handlers, and
 * while tasks and threads wait on them. After a request the stop is requested and, at once or soon, all below
 * it; the reason is that of one of the requests above; nobody sleeps on; a stop that nobody requested is not
 * requested.
 */
#include "os.h"
#include "stress_pool.h"

#include <filch/filch.h>

#include <poll.h>
#include <signal.h>

#define ROOTS 4
#define BRANCH 12

/* The roots of a round; each has its own time of request. */
static filch_stop *roots[ROOTS];
static _Atomic unsigned firsts[ROOTS], asked[ROOTS]; /* requests that came first, requests begun */
static filch_pool *pool;
static unsigned round_now;
static _Atomic uint64_t stops, requests, waits, signals;
static _Atomic uint64_t called, ended; /* callbacks, before they ended or not */

/* Reasons tell which root they come from. */
static int reason_of(unsigned root)
{
    return -(100 + (int)root);
}

static void request_root(unsigned root)
{
    atomic_fetch_add(&asked[root], 1);
    if (filch_stop_request(roots[root], reason_of(root)))
        atomic_fetch_add(&firsts[root], 1);
    if (!filch_stop_requested(roots[root]) || filch_stop_reason(roots[root]) != reason_of(root))
        abort(); /* async-signal-safe, unlike CHECK */
}

static _Thread_local unsigned victim;

static void on_signal(int number)
{
    (void)number;
    int saved = errno;
    errno = 12345;
    request_root(victim);
    if (errno != 12345)
        abort();
    errno = saved;
    atomic_fetch_add_explicit(&signals, 1, memory_order_relaxed);
}

static void await_requested(const filch_stop *stop)
{
    for (unsigned spins = 0; !filch_stop_requested(stop); spins++)
        if (spins % 64 == 63)
            filchi_os_yield(); /* a hang is the watchdog's */
}

struct listener {
    filch_stop_callback *callback;
    const filch_stop *stop;
    _Atomic unsigned calls;
};

static void on_request(void *arg)
{
    struct listener *listener = arg;
    if (!filch_stop_requested(listener->stop))
        abort(); /* async-signal-safe, unlike CHECK */
    atomic_fetch_add(&listener->calls, 1);
}

static void listen_to(struct listener *listener, filch_stop *stop)
{
    listener->stop = stop;
    atomic_init(&listener->calls, 0);
    CHECK_IS(filch_stop_on_request(&listener->callback, stop, on_request, listener), 0);
}

/* Ended, it was called once or never will be. */
static void stop_listening(struct listener *listener)
{
    bool before = filch_stop_callback_end(listener->callback);
    CHECK_IS(atomic_load(&listener->calls), before ? 0 : 1);
    atomic_fetch_add_explicit(before ? &ended : &called, 1, memory_order_relaxed);
    listener->stop = NULL; /* a call after this crashes */
}

/* A chain and a bush below one root, looked at, taken down in random order. */
static void grow(unsigned root, uint64_t *random)
{
    filch_stop *branch[BRANCH];
    struct listener listeners[BRANCH];
    unsigned n = 1 + stress_below(random, BRANCH);
    bool asked_before = atomic_load(&firsts[root]) > 0;
    for (unsigned i = 0; i < n; i++) {
        filch_stop *parent = i && stress_below(random, 2) ? branch[stress_below(random, i)] : roots[root];
        CHECK_IS(filch_stop_create(&branch[i], parent), 0);
        CHECK(!asked_before || filch_stop_requested(branch[i]));
    }
    atomic_fetch_add_explicit(&stops, n, memory_order_relaxed);
    unsigned n_listeners = stress_below(random, n + 1);
    for (unsigned i = 0; i < n_listeners; i++)
        listen_to(&listeners[i], branch[stress_below(random, n)]);
    int fd = -1;
    if (stress_below(random, 4) == 0)
        CHECK_IS(filch_stop_fd(branch[n - 1], &fd), 0);
    if (stress_below(random, 8) == 0) { /* one of our own goes first: its reason stays, its parents are untouched */
        unsigned at = stress_below(random, n);
        bool won = filch_stop_request(branch[at], -77);
        CHECK(filch_stop_requested(branch[at]));
        CHECK(won ? filch_stop_reason(branch[at]) == -77 : filch_stop_reason(branch[at]) == reason_of(root));
    }
    if (stress_below(random, 4) == 0)
        request_root(root);
    if (atomic_load(&firsts[root])) {
        for (unsigned i = 0; i < n; i++) {
            await_requested(branch[i]);
            int reason = filch_stop_reason(branch[i]);
            CHECK(reason == reason_of(root) || reason == -77);
        }
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        CHECK(fd < 0 || poll(&poller, 1, STRESS_PATIENCE * 1000) == 1);
    }
    CHECK(!filch_stop_requested(roots[root]) || atomic_load(&asked[root]) > 0);
    while (n_listeners > n / 2) /* the rest hold their stops a little longer */
        stop_listening(&listeners[--n_listeners]);
    while (n) { /* parents may go before their children */
        unsigned at = stress_below(random, n);
        filch_stop_unref(branch[at]);
        branch[at] = branch[--n];
    }
    while (n_listeners)
        stop_listening(&listeners[--n_listeners]);
}

static int sleeper(filch_task *self, void *arg)
{
    const filch_stop *root = arg;
    int rc = filch_sleep(FILCH_SECONDS(100)); /* only a stop ends it */
    CHECK_IS(rc, -ECANCELED);
    CHECK(filch_task_stopped(self));
    await_requested(root);
    stress_progress();
    return rc;
}

static int waiter(filch_task *self, void *arg)
{
    filch_future *below[2];
    for (unsigned i = 0; i < 2; i++)
        CHECK_IS(filch_submit(filch_task_pool(self), sleeper, arg, &below[i]), 0);
    filch_completed *completed;
    filch_future *next;
    CHECK_IS(filch_completed_begin(&completed, below, 2, FILCH_FOREVER), 0);
    int rc = filch_completed_next(completed, &next);
    CHECK(rc == -ECANCELED || rc == 1);
    rc = filch_completed_next(completed, &next);
    CHECK(rc == -ECANCELED || rc == 1);
    filch_completed_end(completed);
    rc = filch_future_wait(below[0], FILCH_SECONDS(100));
    CHECK(rc == -ECANCELED || (rc == 0 && filch_future_done(below[0])));
    CHECK_IS(filch_join(below, 2), 0);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_IS(filch_future_state(below[i]), FILCH_STOPPED);
        filch_future_unref(below[i]);
    }
    return -ECANCELED;
}

/* Tasks under a stop of their own below the root, which is dropped while they run. */
static void run_tasks(unsigned root, uint64_t *random)
{
    filch_future *futures[3];
    filch_stop *stop;
    CHECK_IS(filch_stop_create(&stop, roots[root]), 0);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.stop = stop;
    for (unsigned i = 0; i < 3; i++)
        CHECK_IS(filch_submit_with(pool, i ? sleeper : waiter, roots[root], &options, &futures[i]), 0);
    filch_stop_unref(stop);
    stress_spin(stress_below(random, 100000));
    request_root(root);
    CHECK_IS(filch_wait(futures, 3, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_IS(filch_future_state(futures[i]), FILCH_STOPPED);
        filch_future_unref(futures[i]);
    }
    atomic_fetch_add_explicit(&waits, 3, memory_order_relaxed);
}

struct party {
    unsigned index;
    pthread_t thread;
    _Atomic bool there, gone;
};

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(round_now, party->index);
    victim = stress_below(&random, ROOTS);
    atomic_store(&party->there, true);
    for (unsigned i = 0; i < 60; i++) {
        unsigned root = stress_below(&random, ROOTS);
        if (stress_below(&random, 40) == 0)
            run_tasks(root, &random);
        else
            grow(root, &random);
        if (stress_below(&random, 50) == 0) {
            victim = stress_below(&random, ROOTS);
            raise(SIGUSR1);
        }
        stress_progress();
    }
    atomic_store(&party->gone, true);
    return NULL;
}

/* Interrupts the parties wherever they are. */
static void interrupt(struct party *parties, uint64_t *random)
{
    for (unsigned left = stress.threads, sent = 0; left;) {
        left = 0;
        for (unsigned i = 0; i < stress.threads; i++) {
            bool gone = atomic_load(&parties[i].gone);
            left += !gone;
            if (!gone && atomic_load(&parties[i].there) && sent < 20 && stress_below(random, 4) == 0) {
                pthread_kill(parties[i].thread, SIGUSR1); /* not joined yet: at worst it has ended */
                sent++;
            }
        }
        stress_nap(stress_below(random, 200000));
    }
}

static void one_round(uint64_t *random)
{
    struct party parties[64];
    memset(parties, 0, sizeof parties);
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 16; /* sleepers keep theirs */
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    for (unsigned i = 0; i < ROOTS; i++) {
        CHECK_IS(filch_stop_create(&roots[i], NULL), 0);
        atomic_store(&firsts[i], 0);
        atomic_store(&asked[i], 0);
    }
    for (unsigned i = 0; i < stress.threads; i++) {
        parties[i].index = i;
        CHECK_IS(pthread_create(&parties[i].thread, NULL, party_main, &parties[i]), 0);
    }
    interrupt(parties, random);
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(parties[i].thread, NULL);
    stress_pool_drop(pool);
    for (unsigned i = 0; i < ROOTS; i++) {
        CHECK_IS(atomic_load(&firsts[i]), filch_stop_requested(roots[i]));
        CHECK_IS(filch_stop_requested(roots[i]), atomic_load(&asked[i]) > 0);
        atomic_fetch_add(&requests, atomic_load(&asked[i]));
        filch_stop_unref(roots[i]);
    }
}

int main(int argc, char **argv)
{
    stress_begin("stress_stop", 4, argc, argv);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    uint64_t random = stress_stream(0, 33);
    for (; stress_goes_on(); round_now++)
        one_round(&random);
    printf(
        "%u rounds, %llu stops, %llu requests, %llu of them in signal handlers, %llu tasks stopped, %llu callbacks "
        "called, %llu ended before\n",
        round_now, (unsigned long long)stops, (unsigned long long)requests, (unsigned long long)signals,
        (unsigned long long)waits, (unsigned long long)called, (unsigned long long)ended);
    stress_total("stop_requests", requests);
    stress_total("signals", signals);
    stress_total("stops", waits);
    return stress_end();
}
