/* SPDX-License-Identifier: MIT */
/* Errors of the driver, said where they are found. */
#ifndef COMPLAIN_H
#define COMPLAIN_H

#include <jansson.h>

/* Prints a line on standard error, and gives the code back. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* That a file could not be read, or is no JSON. */
int complain_of_json(const char *file, const json_error_t *error);

#endif
