/* SPDX-License-Identifier: MIT */
/* The fetcher's input: main tasks, one a line, each with its URLs. */
#ifndef FETCH_INPUT_H
#define FETCH_INPUT_H

#include <stddef.h>

#include <filch/filch.h>

struct fetch_main {
    char *name;
    char **urls;
    size_t url_count; /* at least 1 */
};

struct fetch_input {
    struct fetch_main *mains;
    size_t count;
    size_t url_count; /* of all mains */
};

/*
 * Reads `file` ("-": standard input). A line is a name and one or more URLs, separated by blanks; what follows a
 * word that begins with # is a comment, and lines without a word are skipped. A URL that begins with / is a path on
 * the server at `base`, such as "http://127.0.0.1:8080" (NULL: there is none, and a path is an error). A UTF-8 byte
 * order mark before the first line is skipped.
 * Ownership: the caller owns *out, for fetch_input_fini(); on failure *out_error, to unref.
 * Errors: -EINVAL with a message that begins "FILE:LINE: ", -ENOMEM, those of fopen(3) and read(2).
 */
int fetch_input_read(struct fetch_input *out, const char *file, const char *base, filch_error **out_error);
void fetch_input_fini(struct fetch_input *input);

/* 0 if `text` is a URL that curl understands, of scheme http or https. Errors: -EINVAL, -ENOMEM. */
int fetch_input_check_url(const char *text);

#endif
