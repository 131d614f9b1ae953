/* SPDX-License-Identifier: MIT */
/* Results made readable. Lower is better in every figure. */
#ifndef REPORT_H
#define REPORT_H

#include "results.h"

#define OURS "filch"
#define SERIAL "seq" /* no peer: a reference, which is never the best of them */
#define VALUE_SIZE 24
#define TITLE_SIZE 160

/* Three digits that count, as 7.03, 118 or 24600. */
void format_value(char text[VALUE_SIZE], double value);

/* filch's cell and the best of its peers by a figure; NULL: there is none. */
struct standing {
    struct cell *ours, *best;
    double ours_value, best_value; /* medians */
};
struct standing measured_standing(struct measured *measured, size_t figure);

/* ---- report_markdown.c ------------------------------------------------------------------------------------------ */

void report_markdown(struct results *results, FILE *out);

/* Medians beside those of another run, with ratios and whether they are outside of both spreads. */
void report_comparison(struct results *now, struct results *before, FILE *out);

/* ---- report_plots.c, report_page.c; both complain themselves ----------------------------------------------------- */

/* DIR/overview and DIR/<workload>, as .svg and .png. False: there are none, because gnuplot is missing, or failed. */
bool report_plots(struct results *results, const char *dir);

/* DIR/index.html. */
int report_page(struct results *results, const char *dir, bool plots);

#endif
