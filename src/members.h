/* SPDX-License-Identifier: MIT */
/* How a thread that waits for the tasks of a group finds one that has not started. */
#ifndef FILCHI_MEMBERS_H
#define FILCHI_MEMBERS_H

#include "worker.h"

enum filchi_members {
    FILCHI_MEMBERS_NEWEST, /* the newest entry of the own deque, if it is one */
    FILCHI_MEMBERS_ANY,    /* that one, or one in any queue */
    FILCHI_MEMBERS_STOPPED /* the same, and it is not run: the group's stop is requested */
};
/* T's own: takes a task of the group from a queue and runs it here; false if there is none. */
bool filchi_worker_run_member(struct filchi_thread *thread, const struct filchi_group *group,
                              enum filchi_members which);

#endif
