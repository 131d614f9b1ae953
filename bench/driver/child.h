/* SPDX-License-Identifier: MIT */
/* One run of one program. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>

#define CHILD_OUTPUT 65536 /* bytes of each stream that are kept */

struct child_result {
    int status; /* as wait() gives it */
    bool timed_out;
    double seconds;
    long peak_kb;
    char out[CHILD_OUTPUT], err[CHILD_OUTPUT]; /* strings; what is too long is cut */
};

/* Runs argv[0], searched for as a shell does, until it ends; after so many seconds it is killed. A negative code: it could not be started. */
int child_run(struct child_result *out, char *const argv[], double timeout);

#endif
