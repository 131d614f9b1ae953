/* SPDX-License-Identifier: MIT */
/*
 * fork() of the process while a pool is busy, again and again, from threads and from tasks. In the child every call on
 * the pool fails and none hangs, what was final can be read, what was not never is, and new pools work, in which every
 * task runs once. The parent loses nothing: every task of its own runs once too.
 */
#include "stress_pool.h"

#include <signal.h>
#include <sys/wait.h>

#define BURST 40  /* tasks that a thread has under way */
#define BURSTS 10 /* a thread and a round */
#define CHILD_TASKS 60

/* The allocator of the address sanitizer keeps its locks in a forked process, where so now and then a thread hangs in it;
 * and the thread sanitizer starts no threads there. */
#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = true, CHILD_PATIENCE = 3 };
#else
enum { SANITIZED = false, CHILD_PATIENCE = STRESS_PATIENCE };
#endif

struct job {
    filch_future *future, *sub;
    _Atomic unsigned runs, sub_runs;
    uint64_t random;
    bool forks;
};

struct party {
    unsigned index;
    struct job jobs[BURST];
};

static filch_pool *pool;
static unsigned round_now;
static _Atomic uint64_t accepted, ran, children, killed;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- The child ---- */

/* Of each job what the parent knew at the moment of the fork, and no more. */
static void look_at(struct job *job)
{
    void *result = NULL;
    if (!job->future)
        return;
    if (filch_future_done(job->future)) {
        CHECK(filch_future_result(job->future, FILCH_FOREVER, &result) == 0 && result == job);
        CHECK_IS(atomic_load(&job->runs), 1);
        return;
    }
    CHECK_IS(filch_future_wait(job->future, FILCH_FOREVER), -EOWNERDEAD);
    CHECK_IS(filch_future_result(job->future, FILCH_FOREVER, &result), -EOWNERDEAD);
    CHECK(!filch_future_cancel(job->future));
    CHECK(!filch_future_done(job->future));
}

static int add_one(filch_task *self, void *arg)
{
    atomic_fetch_add_explicit((_Atomic unsigned *)arg, 1, memory_order_relaxed);
    return filch_return(self, arg);
}

static void use_the_pool_in_vain(void)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    filch_future *future = NULL;
    filch_scope *scope = NULL;
    CHECK_IS(filch_submit(pool, add_one, NULL, &future), -EOWNERDEAD);
    CHECK_IS(filch_submit_after(pool, 1, add_one, NULL, &future), -EOWNERDEAD);
    CHECK_IS(filch_scope_open(&scope, pool, NULL), -EOWNERDEAD);
    CHECK_IS(filch_pool_resize(pool, 2), -EOWNERDEAD);
    CHECK_IS(filch_pool_stats_get(pool, &stats), -EOWNERDEAD);
    CHECK_IS(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), -EOWNERDEAD);
    CHECK_IS(filch_pool_destroy(pool), -EOWNERDEAD);
    CHECK(!future && !scope);
}

static void use_a_new_pool(uint64_t *random)
{
#ifndef FILCH_TSAN
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_future *futures[CHILD_TASKS];
    _Atomic unsigned sum = 0;
    filch_pool *own;
    options.workers = 1 + stress_below(random, 8);
    CHECK_IS(filch_pool_create(&own, &options), 0);
    for (unsigned i = 0; i < CHILD_TASKS; i++)
        CHECK_IS(i % 8 ? filch_submit(own, add_one, (void *)&sum, &futures[i])
                       : filch_submit_after(own, 1000, add_one, (void *)&sum, &futures[i]),
                 0);
    CHECK_IS(filch_wait(futures, CHILD_TASKS, FILCH_ALL, FILCH_FOREVER, NULL), 0);
    CHECK_IS(atomic_load(&sum), CHILD_TASKS);
    for (unsigned i = 0; i < CHILD_TASKS; i++)
        filch_future_unref(futures[i]);
    CHECK_IS(filch_pool_destroy(own), 0);
#else
    (void)random;
#endif
}

static void be_child(struct party *party, uint64_t *random)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    alarm(watchdog_patience(CHILD_PATIENCE)); /* its watchdog */
    CHECK(!filch_task_current());
    for (unsigned i = 0; i < BURST; i++)
        look_at(&party->jobs[i]);
    use_the_pool_in_vain();
    use_a_new_pool(random);
    _exit(0);
}

/* ---- The parent ---- */

/* The child knows the futures that the party had at hand; NULL: none. */
static void fork_child(struct party *party, uint64_t *random)
{
    static struct party nobody;
    int status = -1;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        be_child(party ? party : &nobody, random);
    while (waitpid(child, &status, 0) != child)
        CHECK_IS(errno, EINTR);
    bool tolerated = SANITIZED && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    if (!tolerated)
        CHECK_IS(status, 0);
    count(tolerated ? &killed : &children);
    stress_progress();
}

static int run_sub(filch_task *self, void *arg)
{
    struct job *job = arg;
    count(&ran);
    CHECK_IS(atomic_fetch_add(&job->sub_runs, 1), 0);
    return filch_return(self, job);
}

static int work(filch_task *self, void *arg)
{
    struct job *job = arg;
    count(&ran);
    CHECK_IS(atomic_fetch_add(&job->runs, 1), 0);
    stress_progress();
    if (stress_below(&job->random, 2)) {
        filch_future *sub;
        CHECK_IS(filch_submit(pool, run_sub, job, &sub), 0);
        count(&accepted);
        stress_spin(stress_below(&job->random, 1000));
        if (job->forks)
            fork_child(NULL, &job->random);
        CHECK_IS(filch_future_wait(sub, FILCH_FOREVER), 0);
        CHECK_IS(atomic_load(&job->sub_runs), 1);
        filch_future_unref(sub);
    } else if (stress_below(&job->random, 4) == 0) {
        filch_sleep(FILCH_US(stress_below(&job->random, 100)));
    }
    return filch_return(self, job);
}

static void one_burst(struct party *party, uint64_t *random)
{
    memset(party->jobs, 0, sizeof party->jobs);
    unsigned when = stress_below(random, BURST * 2);
    for (unsigned i = 0; i < BURST; i++) {
        struct job *job = &party->jobs[i];
        job->random = stress_random(random);
        job->forks = stress_below(random, 200) == 0;
        CHECK_IS(stress_below(random, 4) ? filch_submit(pool, work, job, &job->future)
                                         : filch_submit_after(pool, 20000, work, job, &job->future),
                 0);
        count(&accepted);
        if (i == when)
            fork_child(party, random);
    }
    for (unsigned i = 0; i < BURST; i++) {
        struct job *job = &party->jobs[i];
        void *result = NULL;
        CHECK(filch_future_result(job->future, FILCH_FOREVER, &result) == 0 && result == job);
        CHECK_IS(atomic_load(&job->runs), 1);
    }
    for (unsigned i = 0; i < BURST; i++)
        filch_future_unref(party->jobs[i].future);
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(round_now, party->index);
    for (unsigned i = 0; i < BURSTS; i++)
        one_burst(party, &random);
    return NULL;
}

static void one_round(struct party *parties, uint64_t *random)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 4) == 0;
    accepted = ran = 0;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    for (unsigned i = 0; i < stress.threads; i++)
        parties[i].index = i;
    stress_phase("forking");
    stress_run(party_main, parties, sizeof *parties);
    stress_phase("ending the pool");
    stress_pool_end(pool);
    CHECK_IS(ran, accepted);
}

int main(int argc, char **argv)
{
    stress_begin("stress_process", 2, argc, argv);
    struct party *parties = calloc(stress.threads, sizeof *parties);
    CHECK(parties);
    uint64_t random = stress_stream(0, 41);
    for (; stress_goes_on_to(round_now); round_now++)
        one_round(parties, &random);
    free(parties);
    printf("%u pools, %llu processes that ended well, %llu that a sanitizer hung\n", round_now,
           (unsigned long long)children, (unsigned long long)killed);
    stress_total("processes", children);
    return stress_end();
}
