/* SPDX-License-Identifier: MIT */
/* Errors of the driver: see complain.h. */
#include "complain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int complain(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("filch_bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

int complain_of_json(const char *file, const json_error_t *error)
{
    if (error->line < 0) /* it was not opened: the text has the name */
        return complain(-ENOENT, "%s", error->text);
    return complain(-EINVAL, "%s: line %d: %s", file, error->line, error->text);
}
