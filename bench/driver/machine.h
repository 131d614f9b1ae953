/* SPDX-License-Identifier: MIT */
/* Where and when it was measured. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>

struct machine {
    char cpu[128], kernel[144], compiler[96], governor[32], load[32], date[32];
    int cores; /* that this process may use */
    double memory_gib;
};

/* What cannot be found out is "unknown". */
void machine_look(struct machine *out);

/* All of it in one line. */
void machine_line(const struct machine *machine, char *line, size_t size);

#endif
