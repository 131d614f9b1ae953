/* SPDX-License-Identifier: MIT */
/* Threads that the program lends to a pool. */
#ifndef FILCHI_LEND_H
#define FILCHI_LEND_H

#include "worker.h"

/*
 * The calling thread, which runs no task of the pool, is one of its threads until `until` (NULL: nothing) is requested,
 * the deadline has passed or the pool is drained. 0, -ENOMEM, or what the init hook returned.
 */
int filchi_lend(filch_pool *pool, filch_stop *until, int64_t deadline);

#endif
