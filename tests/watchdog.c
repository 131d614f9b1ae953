/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: see watchdog.h. It knows the pools since the linker gives it the tests' calls that create and destroy
 * one (--wrap), so neither the library nor a test has to tell it.
 *
 * Invariant: up to the dumps nothing here allocates or takes a lock that a thread of a hanging test may hold. A dump
 * does, so the stacks are printed first, and an alarm ends a dump that hangs.
 */
#include "watchdog.h"

#include <filch/filch.h>

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long gdb may take, seconds: under a sanitizer it has much to read. */
#define GDB_PATIENCE 100
/* How long the dumps may take, seconds. */
#define DUMP_PATIENCE 10
/* No test has as many pools at once. */
#define POOLS 1024

static _Atomic(filch_pool *) pools[POOLS];

/* ---- Which pools live ---- */

int __real_filch_pool_create(filch_pool **out, const filch_pool_options *options);
int __wrap_filch_pool_create(filch_pool **out, const filch_pool_options *options);
int __real_filch_pool_destroy(filch_pool *pool);
int __wrap_filch_pool_destroy(filch_pool *pool);
void __wrap_filch_pool_cleanup(filch_pool **pool);

/* Puts `new` where `old` is, if it is anywhere. */
static void replace(filch_pool *old, filch_pool *new)
{
    for (int i = 0; i < POOLS; i++) {
        filch_pool *expected = old;
        if (atomic_compare_exchange_strong(&pools[i], &expected, new))
            return;
    }
}

int __wrap_filch_pool_create(filch_pool **out, const filch_pool_options *options)
{
    int rc = __real_filch_pool_create(out, options);
    if (rc == 0)
        replace(NULL, *out);
    return rc;
}

/* A destroy that hangs is to be told of, so the pool is known to its end. */
int __wrap_filch_pool_destroy(filch_pool *pool)
{
    int rc = __real_filch_pool_destroy(pool);
    if (rc == 0 && pool)
        replace(pool, NULL);
    return rc;
}

void __wrap_filch_pool_cleanup(filch_pool **pool)
{
    __wrap_filch_pool_destroy(*pool);
}

/* ---- The report ---- */

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* nobody to tell */
}

/* Not by fork(), which takes locks of the C library; and with a shell to redirect, as the actions of a spawn are allocated.
 * All threads stand still meanwhile, this one too: so it is for another program to end a gdb that hangs. */
static void print_stacks(void)
{
    char command[160];
    char *const arguments[] = { "sh", "-c", command, NULL };
    char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "DEBUGINFOD_URLS=", "LC_ALL=C", NULL };
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    int status = 0;
    snprintf(command, sizeof command,
             "exec timeout -s KILL %d gdb -nx -q -batch -p %d -ex 'thread apply all bt' </dev/null >&2",
             GDB_PATIENCE, (int)getpid());
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none); /* gdb waits for signals, and this thread has all of them blocked */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int rc = posix_spawn(&child, "/bin/sh", NULL, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    if (rc || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
        say("watchdog: gdb is not installed, may not attach, or failed\n");
}

static void give_up(int signal)
{
    (void)signal;
    say("watchdog: a dump hangs\n");
    abort();
}

/* On this thread, whatever the test does with the signal. */
static void limit_patience_with_dumps(void)
{
    struct sigaction action;
    sigset_t alarms;
    memset(&action, 0, sizeof action);
    action.sa_handler = give_up;
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(watchdog_patience(DUMP_PATIENCE));
}

static void dump_pools(void)
{
    char line[64];
    for (int i = 0; i < POOLS; i++) {
        filch_pool *pool = atomic_load(&pools[i]);
        int rc = pool ? filch_pool_dump(pool, STDERR_FILENO) : 0;
        if (!rc)
            continue;
        snprintf(line, sizeof line, "watchdog: the dump of a pool ended with %d\n", rc);
        say(line);
    }
}

void watchdog_report(void)
{
    say("watchdog: the stacks of all threads\n");
    print_stacks();
    say("watchdog: the pools that live\n");
    limit_patience_with_dumps();
    dump_pools();
    alarm(0);
}

/* ---- The watch ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    pthread_t thread;
    unsigned seconds;
    bool over;
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *keep_watch(void *arg)
{
    struct timespec end;
    int rc = 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)watch.seconds;
    pthread_mutex_lock(&watch.lock);
    while (!watch.over && !rc)
        rc = pthread_cond_timedwait(&watch.ended, &watch.lock, &end);
    bool over = watch.over;
    pthread_mutex_unlock(&watch.lock);
    if (over)
        return arg;
    char line[64];
    snprintf(line, sizeof line, "watchdog: a test hangs: it is not done after %u s\n", watch.seconds);
    say(line);
    watchdog_report();
    abort();
}

void watchdog_begin(unsigned seconds)
{
    pthread_condattr_t attributes;
    sigset_t all, before;
    watch.seconds = seconds;
    watch.over = false;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.ended, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all); /* those that the test gets are its own */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&watch.thread, NULL, keep_watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        say("watchdog: no thread to watch with\n");
        abort();
    }
    pthread_setname_np(watch.thread, "watchdog");
}

void watchdog_end(void)
{
    pthread_mutex_lock(&watch.lock);
    watch.over = true;
    pthread_cond_signal(&watch.ended);
    pthread_mutex_unlock(&watch.lock);
    pthread_join(watch.thread, NULL);
    pthread_cond_destroy(&watch.ended);
}
