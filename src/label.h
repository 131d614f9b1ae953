/* SPDX-License-Identifier: MIT */
/* The name of the task that a thread runs, readable by others at any time (a sequence lock). */
#ifndef FILCHI_LABEL_H
#define FILCHI_LABEL_H

#include "atomic.h"

#include <stdbool.h>

#define FILCHI_LABEL_WORDS 4
struct filchi_label {
    _Atomic uint32_t version; /* odd: being written */
    _Atomic uint64_t text[FILCHI_LABEL_WORDS];
};

/* The thread whose label it is. A long name is cut; NULL: none. */
void filchi_label_set(struct filchi_label *label, const char *name);
/* Anyone: copies it; false if there is none. The buffer holds at least FILCHI_LABEL_WORDS * 8 bytes. */
bool filchi_label_get(const struct filchi_label *label, char *buffer);

#endif
