/* SPDX-License-Identifier: MIT */
/* A benchmark program, run once, and what it printed. */
#ifndef PROGRAM_RUN_H
#define PROGRAM_RUN_H

#include "results.h"

/* Adds its rounds to the cell, or gives the cell up. Returns how many seconds it took. */
double program_run(struct cell *cell, const char *file, const struct measured *measured,
                   const struct setting *setting, bool slow, double timeout);

#endif
