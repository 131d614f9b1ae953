/* SPDX-License-Identifier: MIT */
/* What there is to measure: bench/workloads.json, read. */
#ifndef CATALOGUE_H
#define CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_FIGURES 4
#define MOST_WORKERS 4 /* numbers of workers to try */
#define MOST_PEERS 24

enum effort { EFFORT_FULL, EFFORT_QUICK, EFFORT_SMOKE, EFFORT_COUNT };

/* What a program prints as `key`, made comprehensible: value / divide, and per element if size_counts is not 0. */
struct figure {
    const char *key, *label, *unit;
    double divide;
    double size_counts; /* elements that 1 of --size stands for */
};

struct setting {
    int64_t size;
    unsigned rounds, warmup;
    unsigned workers[MOST_WORKERS];
    size_t worker_count;
    bool has_check; /* else the peers must agree */
    int64_t check;
};

struct peer {
    const char *name, *title;
};

struct workload {
    const char *name;
    const char *title; /* with {size} in it */
    const char *stresses;
    const char *program; /* the directory of its programs */
    struct figure figures[MOST_FIGURES];
    size_t figure_count;
    unsigned producers; /* 0: as the programs choose, as are these two */
    int64_t chunk;
    double load;
    struct setting settings[EFFORT_COUNT];
    const struct peer *peers[MOST_PEERS]; /* of which a program is to be expected */
    bool slow[MOST_PEERS];                /* that one gets one round and no warm-up, twice at most */
    size_t peer_count;
};

struct catalogue {
    struct peer *peers;
    size_t peer_count;
    struct workload *workloads; /* which point to the peers */
    size_t count;
    void *json; /* whose strings these are */
};

/* Complains itself. -EINVAL: not a catalogue. */
int catalogue_load(struct catalogue *out, const char *file);
void catalogue_fini(struct catalogue *catalogue);

/* NULL: unknown. */
const struct workload *catalogue_workload(const struct catalogue *catalogue, const char *name);
/* The first with this program. */
const struct workload *catalogue_served_by(const struct catalogue *catalogue, const char *program);
const struct peer *catalogue_peer(const struct catalogue *catalogue, const char *name);

#endif
