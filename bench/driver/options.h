/* SPDX-License-Identifier: MIT */
/* The driver's command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "measure.h"

struct options {
    struct plan plan;
    const char *catalogue;
    const char *from;    /* a saved run to be reported; NULL: measure */
    const char *json;    /* where results go; NULL: nowhere */
    const char *compare; /* a saved run; NULL: none */
    const char *out;     /* directory of the page and its plots; NULL: none */
    bool list;
};

/* Reads the command line, whose words it borrows. Bad usage and --help end the process here. */
void options_parse(struct options *out, int argc, char **argv);

#endif
