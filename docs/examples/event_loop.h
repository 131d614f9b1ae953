/* SPDX-License-Identifier: MIT */
/*
 * What the event-loop examples share, so that each shows nothing but its loop: requests that are submitted as tasks, and
 * their answers, printed as they come. A loop watches two descriptors, and calls work_answer() when the first is readable,
 * work_stopping() when the second is; work_is_over() tells it when to end.
 */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H

#include <filch/filch.h>

struct work {
    filch_pool *pool;
    filch_cq *cq;
    filch_stop *stop; /* requested by Ctrl-C, or once everything is answered */
    filch_guard *guard;
    int answers, stop_fd; /* descriptors to watch for reading */
    bool stopping;        /* the loop was told */
};

/* Reads the flags and submits the requests. 0 or a negative code; what was begun is ended by work_end(). */
int work_begin(struct work *work, int argc, char **argv, const char *about);
/* Prints the answers that are there. Does not block. */
void work_answer(struct work *work);
/* The stop was requested: the loop need not look at its descriptor again. */
void work_stopping(struct work *work);
/* The loop was told to stop, and every request was answered, one way or the other: none is lost. */
bool work_is_over(const struct work *work);
/* Frees everything; the program's exit code. */
int work_end(struct work *work, int rc);

#endif
