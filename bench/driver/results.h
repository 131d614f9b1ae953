/* SPDX-License-Identifier: MIT */
/* What has been measured: a case for each workload and number of workers, in it a cell for each peer. */
#ifndef RESULTS_H
#define RESULTS_H

#include <stdio.h>

#include "catalogue.h"
#include "machine.h"
#include "statistics.h"

enum cell_state { CELL_OK, CELL_MISSING, CELL_FAILED };

struct cell {
    const struct peer *peer;
    enum cell_state state;
    char reason[200];                     /* unless OK */
    struct samples figures[MOST_FIGURES]; /* of the workload; each has one sample at least if OK */
    long peak_kb;
    bool has_check;
    int64_t check;
};

struct measured {
    const struct workload *workload;
    unsigned workers;
    int64_t size;
    struct cell cells[MOST_PEERS]; /* in the workload's order of peers */
    size_t cell_count;
};

struct results {
    struct machine machine;
    bool quick;
    unsigned repeats;
    struct samples calibration; /* serial fib(39), in ms */
    struct measured *cases;
    size_t count;
};

/* A cell that has no samples any more, and why. */
void cell_give_up(struct cell *cell, enum cell_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Cells that are OK, best median of the figure first. Returns how many. */
size_t measured_ranking(struct measured *measured, size_t figure, struct cell *out[MOST_PEERS]);

/* Cells whose check is wrong, or is not that of the first that has one, fail. */
void measured_compare_checks(struct measured *measured, const struct setting *setting);

/* NULL: not there. */
struct measured *results_find(const struct results *results, const char *workload, unsigned workers);
struct cell *measured_find(struct measured *measured, const char *peer);

void results_fini(struct results *results);

/* The workload's, with the size in the place of {size}. */
void measured_title(const struct measured *measured, char *title, size_t size);

/* "fib on 2 workers". */
void measured_name(const struct measured *measured, char *name, size_t size);

/* ---- results_json.c; both complain themselves ------------------------------------------------------------------ */

int results_save(const struct results *results, const char *file);
/* What the catalogue does not know is left out, with a line that says so. */
int results_load(struct results *out, const char *file, const struct catalogue *catalogue);

#endif
