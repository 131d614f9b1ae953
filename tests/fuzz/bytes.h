/* SPDX-License-Identifier: MIT */
/* The fuzzer's input, from which every choice is taken; and an assertion that never compiles away, for any thread. */
#ifndef FUZZ_BYTES_H
#define FUZZ_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct bytes {
    const uint8_t *next;
    size_t left;
};

/* 0 once there are no more. */
static inline unsigned bytes_take(struct bytes *bytes)
{
    if (!bytes->left)
        return 0;
    bytes->left--;
    return *bytes->next++;
}

/* Below n. */
static inline unsigned bytes_below(struct bytes *bytes, unsigned n)
{
    return bytes_take(bytes) % n;
}

#define must(condition)                                                                           \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

/* What libFuzzer calls, and replay.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
