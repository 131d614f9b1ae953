/* SPDX-License-Identifier: MIT */
/* How far it is: see progress.h. Drawn between two runs only, so that it takes no time from what is measured. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define ERASE "\r\033[K" /* carriage return, and "erase to the end of the line" */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void progress_begin(struct progress *out, size_t total, size_t cases)
{
    const char *kind = getenv("TERM");
    *out = (struct progress) { .total = total, .cases = cases, .start = now(), .case_start = now() };
    out->terminal = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0;
}

void progress_erase(struct progress *progress)
{
    if (progress->drawn)
        fputs(ERASE, stderr);
    progress->drawn = false;
}

void progress_draw(struct progress *progress, const char *what, double left)
{
    char bar[BAR_WIDTH + 1];
    if (!progress->terminal)
        return;
    size_t filled = progress->total ? progress->done * BAR_WIDTH / progress->total : BAR_WIDTH;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, ERASE "[%s] %zu/%zu  %d:%02d left  %.40s", bar, progress->done, progress->total, (int)left / 60,
            (int)left % 60, what);
    progress->drawn = true;
}

void progress_advance(struct progress *progress)
{
    progress->done++;
}

void progress_case(struct progress *progress, const char *name, size_t ok, size_t failed)
{
    double time = now();
    progress_erase(progress);
    fprintf(stderr, "[%zu/%zu] %s: %zu programs", ++progress->case_done, progress->cases, name, ok);
    if (failed > 0)
        fprintf(stderr, ", %zu failed", failed);
    fprintf(stderr, ", %.1f s\n", time - progress->case_start);
    progress->case_start = time;
}
