/* SPDX-License-Identifier: MIT */
/* A root directory of a test's own, with made-up files below it. */
#ifndef FILCH_TESTS_ROOT_H
#define FILCH_TESTS_ROOT_H

#include "must.h"

#include <string.h>
#include <sys/stat.h>

static char root[64];

static inline void make_root(void)
{
    strcpy(root, "/tmp/filch-test-XXXXXX");
    must(mkdtemp(root));
}

static inline void remove_root(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    must(system(command) == 0);
}

/* Writes a file below the root, making its directories. */
static inline void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    must(file);
    fputs(text, file);
    fclose(file);
}

#endif
