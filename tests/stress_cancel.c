/* SPDX-License-Identifier: MIT */
/*
 * Cancels against starts and ends: threads and tasks submit in every way and cancel each other's newest tasks, one at a
 * time or many at once, from callbacks too, about when these start. A task ran once and is DONE, or never and is
 * CANCELLED; every cancel of it was told the same; its callbacks came once each, its argument was dropped once.
 */
#include "stress_pool.h"

#define JOBS 3000 /* a round, of all threads and tasks */
#define NEAR 6    /* how far back the newest go */
#define MANY 8    /* most submitted at once */

struct job {
    _Atomic(filch_future *) future; /* NULL: not yet, or not accepted */
    _Atomic unsigned runs, freed, due, called, yes, no;
    bool dropped; /* its argument has a destructor */
    uint64_t random, in, out;
};

static filch_pool *pool;
static struct job jobs[JOBS];
static _Atomic unsigned n_jobs;
static unsigned round_now;
static _Atomic uint64_t cancels, refusals, submitted, cancelled;

static void submit(uint64_t *random);

static void count(_Atomic unsigned *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static unsigned get(_Atomic unsigned *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* One of the newest, or NULL. */
static struct job *newest(uint64_t *random)
{
    unsigned n = get(&n_jobs), back = 1 + stress_below(random, NEAR);
    n = n < JOBS ? n : JOBS;
    return n < back ? NULL : &jobs[n - back];
}

/* Its future, as soon as there is one: the main thread holds it until the end of the round. */
static filch_future *future_of(struct job *job)
{
    return job ? atomic_load_explicit(&job->future, memory_order_acquire) : NULL;
}

static void cancel(struct job *job)
{
    filch_future *future = future_of(job);
    if (!future)
        return;
    bool yes = filch_future_cancel(future);
    filch_state state = filch_future_state(future);
    CHECK(yes ? state == FILCH_CANCELLED : state != FILCH_CANCELLED && state != FILCH_PENDING);
    count(yes ? &job->yes : &job->no);
}

static void cancel_many(uint64_t *random)
{
    filch_future *futures[NEAR];
    struct job *chosen[NEAR];
    for (unsigned i = 0; i < NEAR; i++)
        futures[i] = future_of(chosen[i] = newest(random));
    size_t done = filch_cancel_all(futures, NEAR), found = 0;
    for (unsigned i = 0; i < NEAR; i++) {
        bool yes = futures[i] && filch_future_state(futures[i]) == FILCH_CANCELLED;
        if (yes)
            count(&chosen[i]->yes);
        found += yes;
    }
    CHECK_IS(done, found);
}

static void cancel_next(filch_future *future, void *arg)
{
    struct job *job = arg;
    CHECK(filch_future_done(future));
    count(&job->called);
    if (job + 1 < jobs + JOBS)
        cancel(job + 1);
}

static void listen_to(struct job *job)
{
    filch_future *future = future_of(job);
    if (!future)
        return;
    count(&job->due);
    CHECK_IS(filch_future_on_done(future, cancel_next, job), 0);
}

static void wait_for(struct job *job, uint64_t *random)
{
    filch_future *future = future_of(job);
    if (!future || future == filch_task_current())
        return;
    int rc = filch_future_wait(future, FILCH_US(stress_below(random, 100)));
    if (rc == -EAGAIN || rc == -EDEADLK) /* neither stack nor thread is left, or it is below us on the stack */
        CHECK(filch_task_current());
    else
        CHECK(rc == -ETIMEDOUT || (rc == 0 && filch_future_done(future)));
}

static void act(uint64_t *random)
{
    switch (stress_below(random, 8)) {
    case 0:
        cancel_many(random);
        break;
    case 1:
        listen_to(newest(random));
        break;
    case 2:
        wait_for(newest(random), random);
        break;
    case 3:
        stress_spin(stress_below(random, 2000));
        break;
    default:
        cancel(newest(random));
    }
}

/* ---- Tasks ---- */

static int work(filch_task *self, void *arg)
{
    struct job *job = arg;
    CHECK_IS(atomic_fetch_add_explicit(&job->runs, 1, memory_order_relaxed), 0);
    CHECK(!filch_future_cancel(self));
    job->out = job->in + 1;
    stress_progress();
    for (unsigned n = stress_below(&job->random, 4); n; n--)
        act(&job->random);
    if (stress_below(&job->random, 4) == 0)
        submit(&job->random);
    return filch_return(self, job);
}

static void drop(void *arg)
{
    count(&((struct job *)arg)->freed);
}

/* Places for n jobs that come one after the other, or NULL: there are enough in this round. */
static struct job *new_jobs(unsigned n, uint64_t *random)
{
    unsigned at = atomic_fetch_add_explicit(&n_jobs, n, memory_order_relaxed);
    if (at + n > JOBS)
        return NULL;
    for (unsigned i = at; i < at + n; i++) {
        jobs[i].random = stress_random(random);
        jobs[i].in = stress_random(random);
    }
    return &jobs[at];
}

static void publish(struct job *first, filch_future **futures, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        atomic_store_explicit(&first[i].future, futures[i], memory_order_release);
    atomic_fetch_add_explicit(&submitted, n, memory_order_relaxed);
}

static void submit(uint64_t *random)
{
    filch_future *futures[MANY];
    unsigned how = stress_below(random, 5), n = how ? 1 : 1 + stress_below(random, MANY);
    filch_task_options options = FILCH_TASK_OPTIONS;
    struct job *job = new_jobs(n, random);
    if (!job)
        return;
    if (how == 0) {
        CHECK_IS(filch_submit_many(pool, work, job, sizeof *job, n, futures), 0);
    } else if (how == 1) {
        CHECK_IS(filch_submit_after(pool, FILCH_US(stress_below(random, 60)), work, job, futures), 0);
    } else if (how == 2) {
        CHECK_IS(filch_submit(pool, work, job, futures), 0);
    } else {
        job->dropped = true;
        options.arg_dtor = drop;
        options.name = how == 3 ? "some" : NULL;
        CHECK_IS(filch_submit_with(pool, work, job, &options, futures), 0);
    }
    publish(job, futures, n);
}

/* ---- Rounds ---- */

static void *party_main(void *arg)
{
    uint64_t random = stress_stream(round_now, *(unsigned *)arg);
    while (get(&n_jobs) < JOBS) {
        submit(&random);
        for (unsigned n = stress_below(&random, 4); n; n--)
            act(&random);
        stress_progress();
    }
    return NULL;
}

static void check_job(struct job *job)
{
    filch_future *future = future_of(job);
    if (!future)
        return;
    filch_state state = filch_future_state(future);
    void *result = NULL;
    if (state == FILCH_CANCELLED) {
        CHECK_IS(get(&job->runs), 0);
        CHECK(get(&job->yes) > 0 && get(&job->no) == 0);
        CHECK_IS(filch_future_result(future, 0, NULL), -ECANCELED);
        cancelled++;
    } else {
        CHECK_IS(state, FILCH_DONE);
        CHECK_IS(get(&job->runs), 1);
        CHECK_IS(get(&job->yes), 0);
        CHECK(filch_future_result(future, 0, &result) == 0 && result == job);
        CHECK(job->out == job->in + 1);
    }
    cancels += get(&job->yes);
    refusals += get(&job->no);
    CHECK_IS(get(&job->called), get(&job->due));
    CHECK_IS(get(&job->freed), 0);
    filch_future_unref(future);
    CHECK_IS(get(&job->freed), job->dropped);
}

static void one_round(uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    unsigned parties[64];
    for (unsigned i = 0; i < stress.threads; i++)
        parties[i] = i;
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 3) == 0;
    memset(jobs, 0, sizeof jobs);
    atomic_store(&n_jobs, 0);
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    stress_phase("cancelling");
    stress_run(party_main, parties, sizeof *parties);
    stress_phase("ending the pool");
    stress_pool_end(pool);
    for (unsigned i = 0; i < JOBS; i++)
        check_job(&jobs[i]);
}

int main(int argc, char **argv)
{
    stress_begin("stress_cancel", 3, argc, argv);
    uint64_t random = stress_stream(0, 21);
    for (; stress_goes_on_to(round_now); round_now++)
        one_round(&random);
    printf("%u pools, %llu tasks, %llu of them cancelled; %llu cancels came in time, %llu too late\n", round_now,
           (unsigned long long)submitted, (unsigned long long)cancelled, (unsigned long long)cancels,
           (unsigned long long)refusals);
    stress_total("cancels", cancelled);
    stress_total("late_cancels", refusals);
    return stress_end();
}
