/* SPDX-License-Identifier: MIT */
/* What the example programs share, so that each shows nothing but filch: its flags, and its exit code. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdint.h>

#include <filch/filch.h>

/* --name VALUE. Exactly one of text, count and duration is set: where the value goes, and the default is found. */
struct flag {
    const char *name;
    const char *help;
    const char **text;
    int *count;
    int64_t *duration; /* nanoseconds; on the command line seconds, as in 0.5 */
    int least, most;   /* of a count; most 0: no limit */
};

/*
 * Reads the command line into `flags`, which end with { 0 }; on --help and on a mistake (code 2) exits. From then on
 * stdout is written line by line, so that who reads it through a pipe sees each line when it happens.
 */
void program_flags(int argc, char **argv, const char *about, const struct flag *flags);

/*
 * The exit code that tells how a program ended: 0 without an error; 130 for -EINTR, after "interrupted by user" on
 * stdout; otherwise 1, after the whole chain of the error on stderr. Takes over the caller's reference.
 */
int program_exit_code(filch_error *error);

/*
 * The same for a run under a guard that returned rc, with its error or NULL. Who was interrupted is told so, whatever
 * else the stop has led to. Both stay the caller's; `guard` may be NULL.
 */
int program_ended(int rc, const filch_error *error, const filch_guard *guard);

#endif
