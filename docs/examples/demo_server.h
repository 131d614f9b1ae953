/* SPDX-License-Identifier: MIT */
/*
 * A small HTTP server on 127.0.0.1 that serves real files and misbehaves where it is told to, so that the examples
 * run without a network.
 *
 *     /index.md            the file of that name under the root
 *     /task7/2             one of the small files right under the root, always the same one, for any two numbers
 *     /status/500          an answer with that status, 200 to 599
 *     /delay/250/REST      what /REST would answer, 250 ms later
 *     /reset/ANYTHING      no answer: the connection is reset
 *     /refuse/ANYTHING     a redirect to a port that refuses connections, see below
 *
 * A port on which a server listens cannot refuse. So the server also holds a port on which it never listens:
 * nobody else can take it, and the kernel refuses whoever connects to it. /refuse redirects there, and a client
 * that follows redirects meets a refused connection that is real.
 */
#ifndef DEMO_SERVER_H
#define DEMO_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct demo_server;

enum demo_action {
    DEMO_DELAY,  /* by `value` milliseconds, besides what other rules say */
    DEMO_STATUS, /* answer with status `value` */
    DEMO_RESET,
    DEMO_REFUSE
};

/* Misbehaviour at one path. The path is compared as a whole, before its own form is looked at. */
struct demo_rule {
    const char *path;
    enum demo_action action;
    unsigned value;
    unsigned times; /* for the first so many requests; 0: for all */
};

struct demo_options {
    const char *root; /* directory of the files served */
    uint16_t port;    /* 0: the kernel chooses */
    const struct demo_rule *rules;
    size_t rule_count;
};

/*
 * Starts to serve, on threads that block every signal. `options->rules` must live until demo_server_stop().
 * Ownership: the caller owns *out. Errors: -ENOMEM, -EADDRINUSE and others of bind(2), those of opendir(3).
 */
int demo_server_start(struct demo_server **out, const struct demo_options *options);

/* "http://127.0.0.1:PORT". Borrowed: valid until demo_server_stop(). */
const char *demo_server_url(const struct demo_server *server);

/* Ends every delay, closes every connection and frees the server. Blocks for that long. NULL is allowed. */
void demo_server_stop(struct demo_server *server);

#endif
