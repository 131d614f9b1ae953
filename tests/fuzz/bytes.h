/* SPDX-License-Identifier: MIT */
/* The fuzzer's input, from which every choice is taken. */
#ifndef FUZZ_BYTES_H
#define FUZZ_BYTES_H

#include "must.h"

#include <stddef.h>
#include <stdint.h>

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

/* What libFuzzer calls, and replay.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
