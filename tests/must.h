/* SPDX-License-Identifier: MIT */
/* An assertion for any thread, which never compiles away. */
#ifndef FILCH_TESTS_MUST_H
#define FILCH_TESTS_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define must(condition)                                                                           \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

#endif
