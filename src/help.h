/* SPDX-License-Identifier: MIT */
/* A thread outside of tasks that works for the pool whose tasks it waits for. */
#ifndef FILCHI_HELP_H
#define FILCHI_HELP_H

#include "await.h"

/* Instead of sleeping: works until the parker's count is not `seen`, the deadline has passed or there is no work; then
 * sleeps. The caller looks again. */
void filchi_help_pause(struct filchi_await *await, uint32_t seen);
/* Runs what is awaited, as filchi_await_run(), if a worker is free. */
enum filchi_await_run filchi_help_run(struct filchi_await *await, filch_future *future);
/* The end of a wait that has helped: the pool may go then. */
void filchi_help_end(struct filchi_await *await);

#endif
