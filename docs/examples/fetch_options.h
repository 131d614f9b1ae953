/* SPDX-License-Identifier: MIT */
/* The fetcher's command line. */
#ifndef FETCH_OPTIONS_H
#define FETCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <filch/filch.h>

#include "demo_server.h"

struct fetch_options {
    const char *file; /* "-": standard input; NULL: only serve */
    unsigned workers;
    unsigned connections;      /* GETs at once, at most; at least 1 */
    filch_retry_options retry; /* of each GET */
    int64_t timeout_ns;        /* of each try */
    filch_scope_policy policy; /* what the first failure does */
    bool ordered;
    bool json;
    bool progress;
    bool quiet;
    const char *base_url; /* NULL: none */
    bool serve_demo;
    struct demo_options demo;
};

/* Reads the command line, whose words it borrows. Bad usage, --help and --version end the process here. */
void fetch_options_parse(struct fetch_options *out, int argc, char **argv);
void fetch_options_fini(struct fetch_options *options);

#endif
