/* SPDX-License-Identifier: MIT */
/* The fetcher's command line. */
#ifndef FETCH_OPTIONS_H
#define FETCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "demo_server.h"

struct fetch_options {
    const char *file; /* "-": standard input; NULL: only serve */
    unsigned workers;
    unsigned tries; /* of each GET, at most; at least 1 */
    int64_t timeout_ns;
    int64_t interval_ns; /* between two tries */
    bool keep_going;
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
