/* SPDX-License-Identifier: MIT */
/*
 * Threads submit one or many, cancel, wait, drop, iterate and register callbacks at random, on their own and on each
 * other's futures, while the pool is shut down at some moment in some manner. In the end every task ran
 * exactly once, or its future says why not; destructors and callbacks ran exactly once each; results are
 * those of the task.
 */
#include "stress_pool.h"

#include <filch/filch.h>

#define JOBS 600 /* a thread and a round */
#define SLOTS 32
#define MANY 40 /* most that are submitted at once; several segments of the queue */

enum kind { KIND_QUICK, KIND_BUSY, KIND_SLEEP, KIND_FAIL, KIND_NEST, KIND_STOPPABLE, KINDS };

struct job {
    enum kind kind;
    bool accepted;
    bool orphan;          /* submitted without a future */
    bool bare;            /* without a name or a destructor: what it needs of a cold part comes later */
    bool in_slots;        /* others may have cancelled it */
    uint64_t in, out;     /* plain: before the submit, by the task */
    filch_future *future; /* this program's last handle */
    filch_stop *stop;     /* of KIND_STOPPABLE */
    _Atomic uint32_t runs, subs, freed, callbacks, callbacks_due, cancelled, cancel_refused;
};

/* Futures that all may use: who takes one out of a slot takes a reference. */
struct slot {
    pthread_mutex_t lock;
    filch_future *future;
};

struct party {
    unsigned index;
    struct job jobs[JOBS];
    uint64_t submitted, refused;
};

static struct slot slots[SLOTS];
static filch_pool *pool;
static filch_stop *some_stop; /* of this round; requested at some moment */
static unsigned round_now;
static bool round_stops; /* this round some_stop is requested */
static _Atomic uint64_t total, total_done, total_failed, total_cancelled, total_stopped, total_refused;

static void add(_Atomic uint32_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static uint32_t get(_Atomic uint32_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* ---- Tasks ---- */

static int sub(filch_task *self, void *arg)
{
    (void)self;
    add(&((struct job *)arg)->subs);
    return 0;
}

static void nest(filch_task *self, struct job *job)
{
    filch_future *subs[3] = { NULL };
    unsigned n = 0;
    if (job->in % 2)
        n = filch_submit_many(filch_task_pool(self), sub, job, 0, 3, subs) == 0 ? 3 : 0;
    while (n < 3 && filch_submit(filch_task_pool(self), sub, job, &subs[n]) == 0)
        n++;
    CHECK_IS(filch_join(subs, n), 0);
    uint32_t done = 0;
    for (unsigned i = 0; i < n; i++) {
        filch_state state = filch_future_state(subs[i]);
        CHECK(state == FILCH_DONE || state == FILCH_CANCELLED || state == FILCH_STOPPED);
        done += state == FILCH_DONE;
        filch_future_unref(subs[i]);
    }
    CHECK_IS(get(&job->subs), done);
}

static int work(filch_task *self, void *arg)
{
    struct job *job = arg;
    add(&job->runs);
    stress_progress();
    job->out = job->in + 1;
    switch (job->kind) {
    case KIND_BUSY:
        stress_spin(3000);
        break;
    case KIND_SLEEP:
        filch_sleep(FILCH_US(50));
        break;
    case KIND_FAIL:
        return filch_fail(self, -EIO, "job %llu fails", (unsigned long long)job->in);
    case KIND_NEST:
        nest(self, job);
        break;
    case KIND_STOPPABLE:
        for (int i = 0; i < 20 && !filch_task_stopped(self); i++)
            filch_sleep(FILCH_US(20));
        if (filch_task_stopped(self))
            return -ECANCELED;
        break;
    default:
        break;
    }
    return filch_return(self, job);
}

static void job_freed(void *arg)
{
    add(&((struct job *)arg)->freed);
}

static void job_done(filch_future *future, void *arg)
{
    struct job *job = arg;
    CHECK(filch_future_done(future));
    CHECK(filch_future_arg(future) == job);
    add(&job->callbacks);
}

/* ---- What threads do ---- */

static filch_future *take(uint64_t *random)
{
    struct slot *slot = &slots[stress_below(random, SLOTS)];
    pthread_mutex_lock(&slot->lock);
    filch_future *future = slot->future ? filch_future_ref(slot->future) : NULL;
    pthread_mutex_unlock(&slot->lock);
    return future;
}

static void put(filch_future *future, uint64_t *random)
{
    struct slot *slot = &slots[stress_below(random, SLOTS)];
    pthread_mutex_lock(&slot->lock);
    filch_future *before = slot->future;
    slot->future = future;
    pthread_mutex_unlock(&slot->lock);
    filch_future_unref(before);
}

/* It was submitted, with a future unless it is an orphan. */
static void accepted(struct party *party, struct job *job, uint64_t *random)
{
    job->accepted = true;
    party->submitted++;
    if (!job->orphan && stress_below(random, 2)) {
        job->in_slots = true;
        put(filch_future_ref(job->future), random);
    }
}

/* Several with one call; all of them or none. How many there were. */
static unsigned submit_many(struct party *party, unsigned at, uint64_t *random)
{
    unsigned n = 1 + stress_below(random, MANY);
    struct job *jobs = &party->jobs[at];
    filch_future *futures[MANY];
    if (n > JOBS - at)
        n = JOBS - at;
    bool orphans = stress_below(random, 3) == 0;
    for (unsigned i = 0; i < n; i++) {
        do
            jobs[i].kind = (enum kind)stress_below(random, KINDS);
        while (jobs[i].kind == KIND_STOPPABLE);
        jobs[i].in = stress_random(random);
        jobs[i].orphan = orphans;
        jobs[i].bare = true;
    }
    int rc = filch_submit_many(pool, work, jobs, sizeof *jobs, n, orphans ? NULL : futures);
    for (unsigned i = 0; i < n; i++) {
        jobs[i].future = orphans ? NULL : futures[i];
        if (!rc)
            accepted(party, &jobs[i], random);
        else
            CHECK(!jobs[i].future);
    }
    if (rc) {
        CHECK_IS(rc, -ESHUTDOWN);
        party->refused += n;
    }
    return n;
}

static void submit(struct party *party, struct job *job, uint64_t *random)
{
    job->kind = (enum kind)stress_below(random, KINDS);
    job->in = stress_random(random);
    job->orphan = stress_below(random, 4) == 0;
    filch_task_options options = FILCH_TASK_OPTIONS;
    job->bare = stress_below(random, 3) == 0;
    options.arg_dtor = job->bare ? NULL : job_freed;
    if (!job->bare && stress_below(random, 3) == 0)
        options.name = stress_below(random, 2) ? "short" : "a name that does not fit the object itself";
    if (job->kind == KIND_STOPPABLE) {
        if (stress_below(random, 2))
            job->stop = filch_stop_ref(some_stop);
        else
            CHECK_IS(filch_stop_create(&job->stop, some_stop), 0);
        options.stop = job->stop;
    }
    int rc = filch_submit_with(pool, work, job, &options, job->orphan ? NULL : &job->future);
    if (rc) {
        CHECK_IS(rc, -ESHUTDOWN);
        party->refused++;
        return;
    }
    accepted(party, job, random);
}

static void check_result(filch_future *future, int rc, const void *result)
{
    const struct job *job = filch_future_arg(future);
    switch (filch_future_state(future)) {
    case FILCH_DONE:
        CHECK_IS(rc, 0);
        CHECK(result == job);
        CHECK_IS(job->out, job->in + 1);
        break;
    case FILCH_FAILED:
        CHECK_IS(rc, -EIO);
        CHECK_IS(filch_error_code(filch_future_error(future)), -EIO);
        break;
    case FILCH_CANCELLED:
    case FILCH_STOPPED:
        CHECK_IS(rc, -ECANCELED);
        CHECK_IS(filch_error_code(filch_future_error(future)), -ECANCELED);
        break;
    default:
        CHECK_IS(rc, -ETIMEDOUT);
    }
}

static void iterate(struct party *party, unsigned upto, uint64_t *random)
{
    filch_future *futures[16];
    unsigned n = 0;
    for (unsigned i = 0; i < 16 && upto; i++) {
        struct job *job = &party->jobs[stress_below(random, upto)];
        if (job->accepted && job->future)
            futures[n++] = job->future;
    }
    filch_completed *completed;
    CHECK_IS(filch_completed_begin(&completed, futures, n, stress_below(random, 3) ? FILCH_FOREVER : FILCH_US(100)),
             0);
    unsigned most = stress_below(random, 20), got = 0;
    filch_future *seen[16];
    while (got < most) {
        filch_future *next;
        int rc = filch_completed_next(completed, &next);
        if (rc != 1) {
            CHECK(rc == 0 || rc == -ETIMEDOUT);
            break;
        }
        CHECK(filch_future_done(next));
        for (unsigned i = 0; i < got; i++)
            CHECK(seen[i] != next);
        seen[got++] = next;
        stress_progress();
    }
    CHECK_IS(filch_completed_unfinished(completed), filch_completed_total(completed) - got);
    filch_completed_end(completed);
}

static void cancel(filch_future *future)
{
    struct job *job = filch_future_arg(future);
    if (filch_future_cancel(future)) {
        CHECK_IS(filch_future_state(future), FILCH_CANCELLED);
        add(&job->cancelled);
    } else {
        CHECK(filch_future_state(future) != FILCH_PENDING);
    }
}

static void act_on_other(uint64_t *random)
{
    filch_future *future = take(random);
    if (!future)
        return;
    struct job *job = filch_future_arg(future);
    void *result = NULL;
    const char *name = filch_future_name(future); /* while others ask for its error, or it fails */
    CHECK(!name || (name[0] && !job->bare));
    switch (stress_below(random, 5)) {
    case 0:
    case 1:
        cancel(future);
        break;
    case 2: {
        int64_t timeout = stress_below(random, 2) ? FILCH_FOREVER : (int64_t)stress_below(random, 100000);
        int rc = filch_future_result(future, timeout, &result);
        if (rc != -ETIMEDOUT)
            check_result(future, rc, result);
        else
            CHECK(timeout != FILCH_FOREVER);
        break;
    }
    case 3:
        add(&job->callbacks_due);
        CHECK_IS(filch_future_on_done(future, job_done, job), 0);
        break;
    default: {
        size_t done = 9;
        filch_future *twice[2] = { future, future };
        int rc = filch_wait(twice, 2, (filch_wait_mode)stress_below(random, 3), FILCH_US(stress_below(random, 50)),
                            &done);
        /* After a timeout it may become final between the two looks at it. */
        CHECK(rc == -ETIMEDOUT ? done <= 2 : rc == 0 && done == 2);
    }
    }
    filch_future_unref(future);
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(round_now, party->index);
    unsigned n = 0;
    while (n < JOBS) {
        switch (stress_below(&random, 8)) {
        case 0:
        case 1:
        case 2:
            act_on_other(&random);
            break;
        case 3:
            if (stress_below(&random, 8) == 0)
                iterate(party, n, &random);
            else if (stress_below(&random, 4) == 0)
                n += submit_many(party, n, &random);
            break;
        default:
            submit(party, &party->jobs[n++], &random);
        }
        stress_progress();
    }
    return NULL;
}

/* ---- The end of a round ---- */

static void check_job(struct job *job, bool cancelling, bool stopping)
{
    bool gone = get(&job->cancelled) > 0;
    if (!job->orphan) {
        void *result = NULL;
        filch_state state = filch_future_state(job->future);
        CHECK(state >= FILCH_DONE);
        int rc = filch_future_result(job->future, 0, &result);
        check_result(job->future, rc, result);
        CHECK_IS(get(&job->runs), state == FILCH_DONE || state == FILCH_FAILED ? 1 : get(&job->runs));
        CHECK_IS(state == FILCH_FAILED,
                 job->kind == KIND_FAIL && state != FILCH_CANCELLED && state != FILCH_STOPPED);
        CHECK(state != FILCH_CANCELLED || (get(&job->runs) == 0 && (gone || cancelling)));
        CHECK(state != FILCH_STOPPED || (job->kind == KIND_STOPPABLE && round_stops) || stopping);
        CHECK(!gone || state == FILCH_CANCELLED);
        atomic_fetch_add(state == FILCH_DONE        ? &total_done
                         : state == FILCH_FAILED    ? &total_failed
                         : state == FILCH_CANCELLED ? &total_cancelled
                                                    : &total_stopped,
                         1);
        CHECK_IS(get(&job->freed), 0);
        filch_future_unref(job->future);
    }
    CHECK(get(&job->runs) == 1 ||
          (get(&job->runs) == 0 && (gone || cancelling || stopping || job->kind == KIND_STOPPABLE)));
    CHECK_IS(get(&job->freed), !job->bare);
    CHECK_IS(get(&job->callbacks), get(&job->callbacks_due));
    filch_stop_unref(job->stop);
}

static void end_of_round(struct party *parties, bool cancelling, bool stopping)
{
    uint64_t submitted = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        filch_future_unref(slots[i].future);
        slots[i].future = NULL;
    }
    for (unsigned i = 0; i < stress.threads; i++) {
        uint64_t accepted = 0;
        for (unsigned k = 0; k < JOBS; k++) {
            struct job *job = &parties[i].jobs[k];
            accepted += job->accepted;
            if (job->accepted)
                check_job(job, cancelling, stopping);
            else
                filch_stop_unref(job->stop);
        }
        CHECK_IS(accepted, parties[i].submitted);
        submitted += accepted;
        total_refused += parties[i].refused;
    }
    total += submitted;
}

static void one_round(uint64_t *random)
{
    struct party *parties = calloc(stress.threads, sizeof *parties);
    pthread_t threads[64];
    CHECK(parties);
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 3) == 0;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    CHECK_IS(filch_stop_create(&some_stop, filch_pool_stop(pool)), 0);
    round_stops = stress_below(random, 2);
    unsigned flags = stress_below(random, 8), early = stress_below(random, 4);
    for (unsigned i = 0; i < stress.threads; i++) {
        parties[i].index = i;
        CHECK_IS(pthread_create(&threads[i], NULL, party_main, &parties[i]), 0);
    }
    stress_phase("submitting");
    if (round_stops) {
        stress_nap(stress_below(random, 5000000));
        CHECK(filch_stop_request(some_stop, -EPIPE));
    }
    if (early == 0) {
        stress_nap(stress_below(random, 20000000));
        int rc = filch_pool_shutdown(pool, flags, stress_below(random, 2) ? FILCH_FOREVER : FILCH_US(100), NULL);
        CHECK(rc == 0 || (rc == -ETIMEDOUT && flags & FILCH_SHUTDOWN_WAIT));
    }
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    stress_phase("shutting down");
    CHECK_IS(filch_pool_shutdown(pool, flags | FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    CHECK_IS(filch_submit(pool, work, NULL, NULL), -ESHUTDOWN);
    filch_pool_stats stats = FILCH_POOL_STATS;
    CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
    CHECK_IS(stats.submitted, stats.finished);
    bool before = stress_below(random, 2); /* futures outlive their pool, or not */
    bool cancelling = flags & FILCH_SHUTDOWN_CANCEL_PENDING, stopping = flags & FILCH_SHUTDOWN_STOP_RUNNING;
    if (before)
        stress_pool_drop(pool);
    end_of_round(parties, cancelling, stopping);
    filch_stop_unref(some_stop);
    if (!before)
        stress_pool_drop(pool);
    free(parties);
}

int main(int argc, char **argv)
{
    stress_begin("stress_submit", 8, argc, argv);
    for (unsigned i = 0; i < SLOTS; i++)
        pthread_mutex_init(&slots[i].lock, NULL);
    uint64_t random = stress_stream(0, 77);
    for (; stress_goes_on(); round_now++)
        one_round(&random);
    printf("%u pools, %llu tasks: those with a future %llu done, %llu failed, %llu cancelled, %llu stopped; %llu "
           "refused\n",
           round_now, (unsigned long long)total, (unsigned long long)total_done, (unsigned long long)total_failed,
           (unsigned long long)total_cancelled, (unsigned long long)total_stopped,
           (unsigned long long)total_refused);
    stress_total("cancels", total_cancelled);
    stress_total("stops", total_stopped);
    stress_total("refused", total_refused);
    return stress_end();
}
