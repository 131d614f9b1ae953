/* SPDX-License-Identifier: MIT */
/* Finds waits that can never end. docs/design/await.md tells when a wait is one. */
#ifndef FILCHI_DEADLOCK_H
#define FILCHI_DEADLOCK_H

#include "worker.h"

/*
 * Under handoff's lock: a thread that is about to block, or goes on being blocked, on what `thread->awaited`
 * says. True: its wait must fail, for it would never end. If it may not fail (awaited.firm), another wait of
 * the cycle is told to (FILCHI_POKE_DEADLOCK), and this one goes ahead.
 */
bool filchi_deadlock_closed(struct filchi_thread *thread);

#endif
