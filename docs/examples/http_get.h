/* SPDX-License-Identifier: MIT */
/* A real HTTP GET for the examples: libcurl inside a task, ended within milliseconds by the task's stop. */
#ifndef HTTP_GET_H
#define HTTP_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <filch/filch.h>

struct http_reply {
    long status;    /* 200, 404, 500: whatever the server said is a result */
    size_t bytes;   /* of the body, as transferred; the body itself is dropped */
    double seconds; /* from start to end */
};

/*
 * Once in the process, before its first GET, and after the last one when no pool that made any is left.
 * Context: one thread. Errors: -ENOMEM, -EIO.
 */
int http_init(void);
void http_fini(void);

/*
 * GETs url and follows redirects; 0 with *out, or a negative code with the error attached by filch_fail().
 * No answer is a failure: -ECONNREFUSED and others of socket(2) and connect(2), -ECONNRESET, -ETIMEDOUT after
 * timeout_ns in all (negative: never), -ENOMEM, otherwise -EIO. When the task's stop ends it, -ECANCELED with no
 * error attached: whoever requested the stop knows why.
 * Context: inside the task function of `self`; blocks, and so keeps its worker but in a blocking region.
 */
int http_get(filch_task *self, const char *url, int64_t timeout_ns, struct http_reply *out);

/* For filch_retry_options: true if the server could not be reached, was lost or took too long, which may pass. */
bool http_may_recover(const filch_error *error, unsigned attempt, void *unused);

#endif
