/* SPDX-License-Identifier: MIT */
/*
 * Errors: immutable once made, counted references, the texts in the same block. Without memory a static error
 * stands in, so that making one never fails; it is not counted.
 */
#ifndef FILCHI_ERROR_H
#define FILCHI_ERROR_H

#include <filch/filch.h>

#include <stdarg.h>

/* What stands in without memory. Shared by every pool; read only. */
extern struct filch_error filchi_error_out_of_memory;

/* Any thread. Takes a reference to `cause`; `task` (NULL: none) and the text are copied. Code 0: the cause's. */
filch_error *filchi_error_make(const char *task, const filch_error *cause, int code, const char *format,
                               va_list args) FILCH_PRINTF(4, 0);
/* The same with the arguments in line. */
filch_error *filchi_error_makef(const char *task, const filch_error *cause, int code, const char *format, ...)
    FILCH_PRINTF(4, 5);
/* The same for a task that was tried `attempt` times, the last of which failed with `cause`: the code is its. */
filch_error *filchi_error_with_attempt(const char *task, const filch_error *cause, unsigned attempt,
                                       const char *format, ...) FILCH_PRINTF(4, 5);
/*
 * Any thread. A copy of `error` that came before n_all others, of which it holds the first n_kept (not NULL);
 * those that `error` itself suppressed stay in front of them. Without memory a reference to `error`.
 */
filch_error *filchi_error_with_suppressed(const filch_error *error, const filch_error *const *kept, size_t n_kept,
                                          size_t n_all);

#endif
