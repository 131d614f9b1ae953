/* SPDX-License-Identifier: MIT */
/* Who comes for work that lies: a spare thread, a new one, or, when none can be had, one that waits. */
#ifndef FILCHI_STARTING_H
#define FILCHI_STARTING_H

#include "handoff.h"

/* How long no thread is started after one was refused. */
#define FILCHI_RETRY_NS INT64_C(1000000000)

/* Anyone, when there is work: sends somebody for it, unless somebody searches or no worker is idle. */
void filchi_starting_wake(filch_pool *pool);

#endif
