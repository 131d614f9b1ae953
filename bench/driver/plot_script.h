/* SPDX-License-Identifier: MIT */
/* A picture of horizontal bars, as a script for gnuplot. */
#ifndef PLOT_SCRIPT_H
#define PLOT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#define MOST_BARS 48
#define MOST_PANELS 12

struct bar {
    double value, low, high;
    bool ours;  /* in colour */
    bool faint; /* a reference */
    char name[32], text[48];
};

struct panel {
    struct bar bars[MOST_BARS]; /* from top to bottom */
    size_t count;
    char title[96];
    const char *unit;
    bool ratio; /* bars begin at 1 */
};

struct picture {
    struct panel panels[MOST_PANELS]; /* row by row */
    size_t count, columns;
    char title[160];
};

/* Writes a script that draws DIR/NAME.svg and DIR/NAME.png. */
int plot_script_write(const struct picture *picture, const char *script, const char *dir, const char *name);

#endif
