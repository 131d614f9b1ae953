/* SPDX-License-Identifier: MIT */
/* Whether, when and with what last words a task is tried again. Knows options and errors; later.c does the rest. */
#ifndef FILCHI_RETRY_H
#define FILCHI_RETRY_H

#include "plan.h"

/* 0, or -EINVAL for options out of range. */
int filchi_retry_check(const filch_retry_options *options);
/* The runner, after an attempt that failed with `error`: whether there is another one. */
bool filchi_retry_decide(const struct filchi_plan *plan, const filch_error *error, bool stopped);
/* The wait before the next attempt, ns. */
int64_t filchi_retry_interval(const struct filchi_plan *plan);
/* What the task says in the end: the attempts made, caused by the last one's error. Never fails; a reference. */
filch_error *filchi_retry_error(const struct filchi_plan *plan, const char *task, const filch_error *last);

#endif
