/* SPDX-License-Identifier: MIT */
/* Errors of the driver: see complain.h. */
#include "complain.h"

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
