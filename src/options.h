/* SPDX-License-Identifier: MIT */
/* Option structures that carry their size, so that programs built with an older or a newer header are
 * understood. */
#ifndef FILCHI_OPTIONS_H
#define FILCHI_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/*
 * Copies the caller's options, whose first member is their size, over the defaults in `out`. 0; -EINVAL for
 * size 0; -E2BIG if something is set in the part that only newer headers know.
 */
static inline int filchi_options_copy(void *out, size_t known, const void *options)
{
    if (!options)
        return 0;
    size_t size = *(const size_t *)options;
    if (size < sizeof size)
        return -EINVAL;
    for (size_t i = known; i < size; i++)
        if (((const char *)options)[i])
            return -E2BIG;
    memcpy(out, options, size < known ? size : known);
    return 0;
}

#endif
