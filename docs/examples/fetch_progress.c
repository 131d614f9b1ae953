/* SPDX-License-Identifier: MIT */
/*
 * The progress bar: counters that the tasks advance, and one thread that draws them ten times a second.
 *
 * Rejected: drawing from the thread that collects results. It would have to cut its one wait into slices of
 * 100 ms, once for the completed iterator and once more for the mapping. This way it waits as the library means
 * it to, and the bar keeps its own time.
 */
#include "fetch_progress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define REDRAW_NS 100000000L
#define NS_PER_S 1000000000L
/* Carriage return, and "erase to the end of the line". */
#define ERASE "\r\033[K"

struct fetch_progress {
    size_t total;
    struct timespec start;
    /* Counted by the tasks. relaxed throughout: the bar is a picture, it orders nothing. */
    atomic_size_t running;
    atomic_size_t done;
    atomic_size_t failed;
    pthread_t thread;
    pthread_mutex_t lock; /* who holds it may write to the terminal */
    pthread_cond_t ended; /* by CLOCK_MONOTONIC */
    bool ending;          /* under lock */
    bool drawn;           /* under lock: a bar is on the terminal */
};

static size_t count_of(const atomic_size_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- Drawing, under the lock ------------------------------------------------------------------------------- */

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* A line that wraps could not be erased again. */
static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

static void draw(struct fetch_progress *progress)
{
    size_t total = progress->total, done = count_of(&progress->done), failed = count_of(&progress->failed);
    size_t over = done + failed, running = count_of(&progress->running);
    double seconds = seconds_since(&progress->start);
    double rate = seconds > 0 ? (double)over / seconds : 0;

    char bar[BAR_WIDTH + 1], left[48] = "", line[256];
    size_t filled = over < total ? over * BAR_WIDTH / total : BAR_WIDTH;
    memset(bar, '#', filled);
    memset(bar + filled, '.', BAR_WIDTH - filled);
    bar[BAR_WIDTH] = '\0';
    if (over > 0 && over < total)
        snprintf(left, sizeof left, ", %.1f s left", (double)(total - over) / rate);
    snprintf(line, sizeof line, "[%s] %zu/%zu done, %zu failed, %zu running, %.0f/s%s", bar, done, total, failed,
             running, rate, left);
    fprintf(stderr, ERASE "%.*s", (int)terminal_width() - 1, line);
    fflush(stderr);
    progress->drawn = true;
}

static void erase(struct fetch_progress *progress)
{
    if (progress->drawn)
        fputs(ERASE, stderr);
    fflush(stderr);
    progress->drawn = false;
}

static void *draw_until_ended(void *arg)
{
    struct fetch_progress *progress = arg;
    struct timespec next = progress->start;
    pthread_mutex_lock(&progress->lock);
    while (!progress->ending) {
        draw(progress);
        next.tv_nsec += REDRAW_NS;
        next.tv_sec += next.tv_nsec / NS_PER_S;
        next.tv_nsec %= NS_PER_S;
        int rc = 0;
        while (!progress->ending && rc == 0)
            rc = pthread_cond_timedwait(&progress->ended, &progress->lock, &next);
    }
    draw(progress); /* how it ended, for those who keep what was drawn */
    erase(progress);
    pthread_mutex_unlock(&progress->lock);
    return NULL;
}

/* ---- Life -------------------------------------------------------------------------------------------------- */

static int start_thread(struct fetch_progress *progress)
{
    /* The thread inherits the mask: Ctrl-C belongs to the thread that waits for results. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = -pthread_create(&progress->thread, NULL, draw_until_ended, progress);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void progress_free(struct fetch_progress *progress)
{
    pthread_cond_destroy(&progress->ended);
    pthread_mutex_destroy(&progress->lock);
    free(progress);
}

int fetch_progress_begin(struct fetch_progress **out, size_t total)
{
    struct fetch_progress *progress = calloc(1, sizeof *progress);
    if (!progress)
        return -ENOMEM;
    progress->total = total;
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&progress->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&progress->lock, NULL);

    int error = start_thread(progress);
    if (error == 0)
        *out = progress;
    else
        progress_free(progress);
    return error;
}

void fetch_progress_end(struct fetch_progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->lock);
    progress->ending = true;
    pthread_cond_signal(&progress->ended);
    pthread_mutex_unlock(&progress->lock);
    pthread_join(progress->thread, NULL);
    progress_free(progress);
}

void fetch_progress_started(struct fetch_progress *progress)
{
    if (progress)
        atomic_fetch_add_explicit(&progress->running, 1, memory_order_relaxed);
}

void fetch_progress_finished(struct fetch_progress *progress, filch_state outcome)
{
    if (!progress)
        return;
    atomic_fetch_sub_explicit(&progress->running, 1, memory_order_relaxed);
    if (outcome == FILCH_DONE)
        atomic_fetch_add_explicit(&progress->done, 1, memory_order_relaxed);
    else if (outcome == FILCH_FAILED)
        atomic_fetch_add_explicit(&progress->failed, 1, memory_order_relaxed);
}

void fetch_progress_hide(struct fetch_progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->lock);
    erase(progress);
}

void fetch_progress_show(struct fetch_progress *progress)
{
    if (progress)
        pthread_mutex_unlock(&progress->lock);
}
