/* SPDX-License-Identifier: MIT */
/*
 * Everything that tells of an end, all at once on the same futures: waits for one, for the first, for the first error
 * and for all, results, iterators, callbacks and joins, from threads and from tasks, with and without a timeout, while
 * tasks end, fail and are cancelled. Each iterator delivers each future once, each callback comes once and in its
 * order, no wait ends too early or never, and whoever was told sees what the task wrote.
 */
#include "stress_pool.h"

#define JOBS 120 /* a round */
#define SOME 24  /* most in one wait */
#define LISTS 60 /* callbacks of a party in a round */

enum fate { FATE_DONE, FATE_SLOW, FATE_FAILED, FATE_CANCELLED, FATES };

struct job {
    enum fate fate;
    filch_future *future;
    uint64_t in, out; /* plain: before the submit, by the task */
};

/* Callbacks of one party come in the order in which it registered them at the same future, but those that came late
 * and so were called at once, by the party. */
struct listener {
    struct party *party;
    const struct job *job;
    unsigned number;
    _Atomic unsigned calls;
};

struct party {
    pthread_t thread;
    unsigned listeners;
    uint64_t random;
    struct listener list[LISTS];
    _Atomic unsigned last[JOBS]; /* the number of the last one called, of each job */
};

static filch_pool *pool;
static struct job jobs[JOBS];
static unsigned round_now;
static _Atomic uint64_t waits, timeouts, deliveries, calls;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void check_final(const struct job *job)
{
    filch_state state = filch_future_state(job->future);
    switch (job->fate) {
    case FATE_DONE:
    case FATE_SLOW:
        CHECK_IS(state, FILCH_DONE);
        CHECK(job->out == job->in + 1);
        break;
    case FATE_FAILED:
        CHECK_IS(state, FILCH_FAILED);
        CHECK(job->out == job->in + 1);
        break;
    default:
        CHECK_IS(state, FILCH_CANCELLED);
        CHECK_IS(job->out, 0);
    }
}

/* A wait may have failed for want of stack or thread, in a task only. */
static bool waited(int rc, int64_t timeout)
{
    count(rc ? &timeouts : &waits);
    stress_progress();
    CHECK(rc == 0 || (rc == -ETIMEDOUT && timeout >= 0) || (rc == -EAGAIN && filch_task_current()));
    return rc == 0;
}

static int64_t some_timeout(uint64_t *random)
{
    return stress_below(random, 3) ? FILCH_FOREVER : FILCH_US(stress_below(random, 300));
}

/* How many; each at most once. */
static unsigned choose(struct job **chosen, filch_future **futures, uint64_t *random)
{
    unsigned n = 1 + stress_below(random, SOME), first = stress_below(random, JOBS);
    unsigned stride = 1 + stress_below(random, 4); /* times SOME it is less than JOBS */
    for (unsigned i = 0; i < n; i++) {
        chosen[i] = &jobs[(first + i * stride) % JOBS];
        futures[i] = chosen[i]->future;
    }
    return n;
}

/* ---- Ways to be told ---- */

static void wait_for_one(uint64_t *random)
{
    struct job *job = &jobs[stress_below(random, JOBS)];
    int64_t timeout = some_timeout(random);
    if (waited(filch_future_wait(job->future, timeout), timeout))
        check_final(job);
}

static void wait_for_result(uint64_t *random)
{
    struct job *job = &jobs[stress_below(random, JOBS)];
    void *result = NULL;
    int rc = filch_future_result(job->future, FILCH_FOREVER, &result);
    if (rc == -EAGAIN && filch_task_current())
        return;
    CHECK_IS(rc, job->fate == FATE_FAILED ? -EIO : job->fate == FATE_CANCELLED ? -ECANCELED : 0);
    CHECK(result == (rc ? NULL : job));
    check_final(job);
    count(&waits);
}

static void wait_for_some(uint64_t *random)
{
    struct job *chosen[SOME];
    filch_future *futures[SOME];
    unsigned n = choose(chosen, futures, random), final = 0, bad = 0;
    int64_t timeout = some_timeout(random);
    filch_wait_mode mode = (filch_wait_mode)stress_below(random, 3);
    size_t done = 0;
    if (!waited(filch_wait(futures, n, mode, timeout, &done), timeout))
        return;
    for (unsigned i = 0; i < n; i++) {
        if (!filch_future_done(futures[i]))
            continue;
        check_final(chosen[i]);
        final++;
        bad += chosen[i]->fate == FATE_FAILED || chosen[i]->fate == FATE_CANCELLED;
    }
    CHECK(done >= 1 && done <= final);
    CHECK(mode != FILCH_ALL || done == n);
    CHECK(mode != FILCH_FIRST_ERROR || final == n || bad > 0);
}

static void join_some(uint64_t *random)
{
    struct job *chosen[SOME];
    filch_future *futures[SOME];
    unsigned n = choose(chosen, futures, random);
    if (waited(filch_join(futures, n), FILCH_FOREVER))
        for (unsigned i = 0; i < n; i++)
            check_final(chosen[i]);
}

static void iterate(uint64_t *random)
{
    struct job *chosen[SOME];
    filch_future *futures[SOME + 1], *next = NULL;
    filch_completed *completed;
    unsigned n = choose(chosen, futures, random), got = 0, seen[SOME] = { 0 };
    int64_t timeout = some_timeout(random);
    int rc;
    futures[n] = futures[0]; /* listed twice */
    CHECK_IS(filch_completed_begin(&completed, futures, n + 1, timeout), 0);
    CHECK_IS(filch_completed_total(completed), n);
    while ((rc = filch_completed_next(completed, &next)) == 1) {
        unsigned at = 0;
        while (at < n && futures[at] != next)
            at++;
        CHECK(at < n);
        CHECK_IS(seen[at]++, 0);
        check_final(chosen[at]);
        CHECK_IS(filch_completed_unfinished(completed), n - ++got);
        count(&deliveries);
        if (stress_below(random, 64) == 0)
            break; /* ended early */
    }
    CHECK(rc == 1 || waited(rc, timeout) == (got == n));
    filch_completed_end(completed);
}

static void be_called(filch_future *future, void *arg)
{
    struct listener *listener = arg;
    struct party *party = listener->party;
    CHECK(future == listener->job->future);
    check_final(listener->job);
    CHECK_IS(atomic_fetch_add_explicit(&listener->calls, 1, memory_order_relaxed), 0);
    _Atomic unsigned *last = &party->last[listener->job - jobs];
    if (!pthread_equal(party->thread, pthread_self()))
        CHECK(atomic_exchange_explicit(last, listener->number, memory_order_relaxed) < listener->number);
    count(&calls);
}

/* Of threads only: a party's callbacks are registered by one thread. */
static void register_callback(struct party *party)
{
    if (party->listeners == LISTS)
        return;
    struct listener *listener = &party->list[party->listeners++];
    listener->party = party;
    listener->number = party->listeners;
    listener->job = &jobs[stress_below(&party->random, stress_below(&party->random, 2) ? 4 : JOBS)];
    CHECK_IS(filch_future_on_done(listener->job->future, be_called, listener), 0);
}

static void be_told(uint64_t *random)
{
    switch (stress_below(random, 6)) {
    case 0:
        wait_for_one(random);
        break;
    case 1:
        wait_for_result(random);
        break;
    case 2:
    case 3:
        wait_for_some(random);
        break;
    case 4:
        join_some(random);
        break;
    default:
        iterate(random);
    }
}

/* ---- Tasks ---- */

static int work(filch_task *self, void *arg)
{
    struct job *job = arg;
    uint64_t random = job->in;
    stress_progress();
    if (job->fate == FATE_SLOW)
        filch_sleep(FILCH_US(stress_below(&random, 100)));
    else
        stress_spin(stress_below(&random, 2000));
    job->out = job->in + 1;
    return job->fate == FATE_FAILED ? -EIO : filch_return(self, job);
}

/* One of those who wait inside the pool. */
static int wait_inside(filch_task *self, void *arg)
{
    uint64_t random = (uintptr_t)arg;
    (void)self;
    for (unsigned n = 1 + stress_below(&random, 4); n; n--)
        be_told(&random);
    return 0;
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    party->thread = pthread_self();
    filch_future *inside[8];
    unsigned n = 0;
    for (unsigned i = 0; i < 40; i++) {
        if (stress_below(&party->random, 2))
            register_callback(party);
        else
            be_told(&party->random);
        if (n < 8 && stress_below(&party->random, 8) == 0) {
            void *seed = (void *)(uintptr_t)stress_random(&party->random);
            CHECK_IS(filch_submit(pool, wait_inside, seed, &inside[n++]), 0);
        }
    }
    CHECK_IS(filch_join(inside, n), 0);
    for (unsigned i = 0; i < n; i++) {
        CHECK_IS(filch_future_state(inside[i]), FILCH_DONE);
        filch_future_unref(inside[i]);
    }
    return NULL;
}

/* ---- Rounds ---- */

/* Those to be cancelled are submitted for never, and so wait for their cancel. */
static void submit_jobs(uint64_t *random)
{
    for (unsigned i = 0; i < JOBS; i++) {
        struct job *job = &jobs[i];
        bool common = stress_below(random, 2);
        job->fate = common ? FATE_DONE : (enum fate)stress_below(random, FATES);
        job->in = stress_random(random);
        job->out = 0;
        int64_t delay = job->fate == FATE_CANCELLED ? FILCH_SECONDS(1000)
                        : stress_below(random, 3)   ? 0
                                                    : FILCH_US(stress_below(random, 1000));
        CHECK_IS(delay ? filch_submit_after(pool, delay, work, job, &job->future)
                       : filch_submit(pool, work, job, &job->future),
                 0);
    }
}

static void cancel_jobs(uint64_t *random)
{
    unsigned first = stress_below(random, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        const struct job *job = &jobs[(first + i) % JOBS];
        if (job->fate == FATE_CANCELLED)
            CHECK(filch_future_cancel(job->future));
        if (stress_below(random, 8) == 0)
            stress_nap(stress_below(random, 50000));
    }
}

static void one_round(struct party *parties, uint64_t *random)
{
    pthread_t threads[64];
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 4) == 0;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    submit_jobs(random);
    memset(parties, 0, stress.threads * sizeof *parties);
    stress_phase("waiting");
    for (unsigned i = 0; i < stress.threads; i++) {
        parties[i].random = stress_stream(round_now, i);
        CHECK_IS(pthread_create(&threads[i], NULL, party_main, &parties[i]), 0);
    }
    cancel_jobs(random);
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    stress_phase("ending the pool");
    stress_pool_end(pool);
    for (unsigned i = 0; i < stress.threads; i++)
        for (unsigned k = 0; k < parties[i].listeners; k++)
            CHECK_IS(atomic_load(&parties[i].list[k].calls), 1);
    for (unsigned i = 0; i < JOBS; i++) {
        check_final(&jobs[i]);
        filch_future_unref(jobs[i].future);
    }
}

int main(int argc, char **argv)
{
    stress_begin("stress_wait", 4, argc, argv);
    struct party *parties = calloc(stress.threads, sizeof *parties);
    CHECK(parties);
    uint64_t random = stress_stream(0, 31);
    for (; stress_goes_on_to(round_now); round_now++)
        one_round(parties, &random);
    free(parties);
    printf("%u pools; %llu waits, %llu that ran out of time, %llu futures delivered, %llu callbacks\n", round_now,
           (unsigned long long)waits, (unsigned long long)timeouts, (unsigned long long)deliveries,
           (unsigned long long)calls);
    stress_total("waits", waits);
    stress_total("timeouts", timeouts);
    stress_total("deliveries", deliveries);
    stress_total("callbacks", calls);
    return stress_end();
}
