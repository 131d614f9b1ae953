/* SPDX-License-Identifier: MIT */
/*
 * What many tests need: gates that make tasks wait so that a test decides what happens when, checks for any thread,
 * and short forms for pools and tasks. Nothing here sleeps.
 *
 * Invariant: cr_assert() is called by the test's own thread only; tasks and helper threads use must().
 */
#ifndef FILCH_TESTS_SUPPORT_H
#define FILCH_TESTS_SUPPORT_H

#include "must.h"
#include "os.h"
#include "watchdog.h"

#include <filch/filch.h>

#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* ---- Checks ---- */

/* How long a test may take, seconds; Criterion's own timeout, which tells nothing, comes later. */
#define PATIENCE 30
#define PATIENCE_OF_CRITERION (PATIENCE + 150)

static inline void begin_test(void)
{
    watchdog_begin(watchdog_patience(PATIENCE));
}

/* Tells which faults this process injected, for faults.sh to add up. That it lived through them is for the test to say. */
static inline void tell_faults(void)
{
    struct {
        const char *kind;
        long n;
    } const struck[] = {
        { "allocations", atomic_load(&filchi_os_faults.struck.allocations) },
        { "threads", atomic_load(&filchi_os_faults.struck.threads) },
        { "descriptors", atomic_load(&filchi_os_faults.struck.events) },
        { "wipes", atomic_load(&filchi_os_faults.struck.wipes) },
        { "waits", atomic_load(&filchi_os_faults.struck.waits) },
        { "wakes", atomic_load(&filchi_os_faults.struck.wakes) },
        { "writes", atomic_load(&filchi_os_faults.struck.signals) },
        { "late_waits", atomic_load(&filchi_os_faults.struck.late) },
    };
    for (size_t i = 0; i < sizeof struck / sizeof *struck; i++)
        if (struck[i].n)
            fprintf(stderr, "faults: %s=%ld\n", struck[i].kind, struck[i].n);
}

/* Criterion does not heed the exit status by which LeakSanitizer speaks, so every test of a SUITE ends here. */
static inline void end_test(void)
{
    watchdog_end();
    tell_faults();
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check())
        abort();
#endif
}

#define SUITE(name) TestSuite(name, .timeout = PATIENCE_OF_CRITERION, .init = begin_test, .fini = end_test)

/* Waits for what no event tells; the test's timeout ends it. */
#define UNTIL(condition)     \
    do {                     \
        while (!(condition)) \
            sched_yield();   \
    } while (0)

/* ---- Events ---- */

/* Counts signals; who waits for the nth blocks its OS thread, and so the worker if it is a task. */
struct event {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
};

#define EVENT                                                  \
    {                                                          \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 \
    }

static inline void event_signal(struct event *event)
{
    pthread_mutex_lock(&event->lock);
    event->count++;
    pthread_cond_broadcast(&event->changed);
    pthread_mutex_unlock(&event->lock);
}

static inline void event_await_count(struct event *event, unsigned n)
{
    pthread_mutex_lock(&event->lock);
    while (event->count < n)
        pthread_cond_wait(&event->changed, &event->lock);
    pthread_mutex_unlock(&event->lock);
}

static inline void event_await(struct event *event)
{
    event_await_count(event, 1);
}

static inline unsigned event_count(struct event *event)
{
    pthread_mutex_lock(&event->lock);
    unsigned count = event->count;
    pthread_mutex_unlock(&event->lock);
    return count;
}

/* ---- Pools and tasks ---- */

static inline filch_pool *pool_of(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = workers;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static inline filch_future *submit(filch_pool *pool, filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    must(filch_submit(pool, fn, arg, &future) == 0);
    return future;
}

static inline filch_future *submit_named(filch_pool *pool, filch_fn *fn, void *arg, const char *name)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.name = name;
    must(filch_submit_with(pool, fn, arg, &options, &future) == 0);
    return future;
}

static inline filch_future *submit_under(filch_pool *pool, filch_fn *fn, void *arg, filch_stop *stop)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    options.stop = stop;
    must(filch_submit_with(pool, fn, arg, &options, &future) == 0);
    return future;
}

static inline filch_stop *stop_under(filch_stop *parent)
{
    filch_stop *stop = NULL;
    must(filch_stop_create(&stop, parent) == 0);
    return stop;
}

static inline void unref_all(filch_future **futures, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filch_future_unref(futures[i]);
}

static inline filch_pool_stats stats_of(filch_pool *pool)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    must(filch_pool_stats_get(pool, &stats) == 0);
    return stats;
}

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return FILCH_SECONDS((int64_t)now.tv_sec) + now.tv_nsec;
}

/* A task that tells it started, then waits to be let go on. */
struct gate {
    struct event started, opened;
};

#define GATE         \
    {                \
        EVENT, EVENT \
    }

static inline int pass_gate(filch_task *self, void *gate)
{
    (void)self;
    event_signal(&((struct gate *)gate)->started);
    event_await(&((struct gate *)gate)->opened);
    return 0;
}

static inline void gate_open(struct gate *gate)
{
    event_signal(&gate->opened);
}

/* Submits one and waits until it runs: from now on it holds a worker. */
static inline filch_future *hold_worker(filch_pool *pool, struct gate *gate)
{
    unsigned before = event_count(&gate->started);
    filch_future *future = submit(pool, pass_gate, gate);
    event_await_count(&gate->started, before + 1);
    return future;
}

/* Opens it and lets the future go. */
static inline void let_go(struct gate *gate, filch_future *future)
{
    gate_open(gate);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
}

/* ---- Threads of this process ---- */

/* Reads the first line of a thread's file in /proc that begins with `prefix`, less prefix and newline. */
static inline bool read_of_thread(pid_t tid, const char *file, const char *prefix, char *line, int size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)tid, file);
    FILE *stream = fopen(path, "r");
    if (!stream)
        return false;
    bool found = false;
    while (!found && fgets(line, size, stream))
        found = strncmp(line, prefix, strlen(prefix)) == 0;
    fclose(stream);
    if (found) {
        memmove(line, line + strlen(prefix), strlen(line) - strlen(prefix) + 1);
        line[strcspn(line, "\n")] = '\0';
    }
    return found;
}

/* Finds up to `max` threads whose names begin with `prefix`. */
static inline int threads_named(const char *prefix, pid_t *tids, int max)
{
    int n = 0;
    DIR *directory = opendir("/proc/self/task");
    for (const struct dirent *entry; (entry = readdir(directory)) && n < max;) {
        char name[32];
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid && read_of_thread(tid, "comm", prefix, name, sizeof name))
            tids[n++] = tid;
    }
    closedir(directory);
    return n;
}

/* Waits until the thread sleeps in the kernel. */
static inline void until_asleep(pid_t tid)
{
    char state[64] = "";
    UNTIL(read_of_thread(tid, "status", "State:\t", state, sizeof state) && state[0] == 'S');
}

/* ---- Small task functions ---- */

static inline int do_nothing(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static inline int return_arg(filch_task *self, void *arg)
{
    return filch_return(self, arg);
}

/* arg: an _Atomic int. */
static inline int count_up(filch_task *self, void *arg)
{
    (void)self;
    atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

static inline int fail_with_io(filch_task *self, void *arg)
{
    (void)arg;
    return filch_fail(self, -EIO, "the disk is gone");
}

static inline int pass_event(filch_task *self, void *event)
{
    (void)self;
    event_await(event);
    return 0;
}

static inline int await_arg(filch_task *self, void *future)
{
    (void)self;
    return filch_future_wait(future, FILCH_FOREVER);
}

/* Runs until it is stopped. */
static inline int run_until_stopped(filch_task *self, void *started)
{
    if (started)
        event_signal(started);
    while (!filch_task_stopped(self))
        sched_yield();
    return -ECANCELED;
}

#endif
