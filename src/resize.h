/* SPDX-License-Identifier: MIT */
/* How many workers a pool has: making them, and changing how many are in circulation. */
#ifndef FILCHI_RESIZE_H
#define FILCHI_RESIZE_H

#include "worker.h"

/* One caller at a time: there are that many workers at least, new ones out of circulation. 0 or -ENOMEM. */
int filchi_resize_make(filch_pool *pool, unsigned workers);
/* Anyone: so many are to be in circulation; they are made. */
void filchi_resize_set(filch_pool *pool, unsigned workers);
/* Nobody uses the pool any more: all workers and their queues. */
void filchi_resize_free(filch_pool *pool);

#endif
