/* SPDX-License-Identifier: MIT */
/* The files that the demo server may show: those under one directory, and nothing that leads out of it. */
#ifndef DEMO_FILES_H
#define DEMO_FILES_H

#include <stddef.h>
#include <stdint.h>

struct demo_files;

/* Ownership: the caller owns *out. Errors: -ENOMEM, those of open(2) for `root`. */
int demo_files_create(struct demo_files **out, const char *root);
/* NULL is allowed. */
void demo_files_destroy(struct demo_files *files);

/*
 * Opens the regular file at `path`, which begins with a slash, for reading. Any thread.
 * Ownership: the caller closes *out_fd. Errors: -ENOENT for whatever must not be shown, those of open(2).
 */
int demo_files_open(const struct demo_files *files, const char *path, int *out_fd, uint64_t *out_size);

/* The same for one of the small files right under the root: the n-th of them, counted round and round. */
int demo_files_open_small(const struct demo_files *files, size_t n, int *out_fd, uint64_t *out_size);

#endif
