/* SPDX-License-Identifier: MIT */
/*
 * Measuring. Within a case each repeat runs every peer once, and the next repeat begins one peer later: what drifts on the
 * machine, or is left behind by a neighbour, strikes all of them alike. Serial fib(39) before each case tells how much
 * there was of it.
 */
#include "measure.h"

#include "complain.h"
#include "program_run.h"
#include "progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALIBRATION_N 39
#define CALIBRATION_FIB 63245986
#define SLOW_REPEATS 2
#define FIRST_GUESS_S 1.0 /* of how long a run takes, before there has been one */

static const struct {
    unsigned repeats;
    double timeout;
} by_effort[EFFORT_COUNT] = {
    [EFFORT_FULL] = { 5, 180 },
    [EFFORT_QUICK] = { 1, 20 },
    [EFFORT_SMOKE] = { 1, 60 },
};

struct measuring {
    const struct plan *plan;
    struct results *results;
    struct progress progress;
    double spent; /* seconds, by runs so far */
    size_t runs;
};

bool names_have(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0)
            return true;
    }
    return names->count == 0;
}

/* ---- Calibration ----------------------------------------------------------------------------------------------- */

static int64_t fib(int n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static int calibrate(struct results *results)
{
    struct timespec start, end;
    volatile int n = CALIBRATION_N; /* the compiler does not know it */
    clock_gettime(CLOCK_MONOTONIC, &start);
    int64_t value = fib(n);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (value != CALIBRATION_FIB)
        return complain(-EIO, "serial fib(%d) is wrong", CALIBRATION_N);
    double ms = (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
    return samples_add(&results->calibration, ms);
}

/* ---- What there is to measure ---------------------------------------------------------------------------------- */

static void file_of(char *file, size_t size, const struct plan *plan, const struct workload *workload,
                    const struct peer *peer)
{
    snprintf(file, size, "%s/%s/%s", plan->programs, workload->program, peer->name);
}

/* Why there is no program, as the build says in lacking.txt, in lines of a peer and its reason. */
static void tell_missing(struct cell *cell, const struct plan *plan)
{
    char line[256];
    size_t length = strlen(cell->peer->name);
    snprintf(line, sizeof line, "%s/lacking.txt", plan->programs);
    FILE *stream = fopen(line, "re");
    cell_give_up(cell, CELL_MISSING, "was not built");
    while (stream && fgets(line, sizeof line, stream)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, cell->peer->name, length) == 0 && line[length] == ' ')
            cell_give_up(cell, CELL_MISSING, "%.150s", line + length + 1);
    }
    if (stream)
        fclose(stream);
}

static void plan_case(struct measured *out, const struct plan *plan, const struct workload *workload,
                      unsigned workers)
{
    char file[4096];
    *out = (struct measured) { .workload = workload, .workers = workers };
    out->size = workload->settings[plan->effort].size;
    for (size_t i = 0; i < workload->peer_count; i++) {
        if (!names_have(&plan->peers, workload->peers[i]->name))
            continue;
        struct cell *cell = &out->cells[out->cell_count++];
        cell->peer = workload->peers[i];
        file_of(file, sizeof file, plan, workload, cell->peer);
        if (access(file, X_OK) != 0)
            tell_missing(cell, plan);
    }
}

static int plan_cases(struct results *out, const struct catalogue *catalogue, const struct plan *plan)
{
    out->cases = calloc(catalogue->count * MOST_WORKERS + 1, sizeof *out->cases);
    if (!out->cases)
        return complain(-ENOMEM, "out of memory");
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct workload *workload = &catalogue->workloads[i];
        const struct setting *setting = &workload->settings[plan->effort];
        const unsigned *workers = plan->worker_count ? plan->workers : setting->workers;
        size_t count = plan->worker_count ? plan->worker_count : setting->worker_count;
        bool wanted =
            names_have(&plan->workloads, workload->name) && names_have(&plan->served_by, workload->program);
        for (size_t j = 0; wanted && j < count; j++)
            plan_case(&out->cases[out->count++], plan, workload, workers[j]);
    }
    return 0;
}

/* ---- Running it ------------------------------------------------------------------------------------------------ */

static bool is_slow(const struct workload *workload, const struct peer *peer)
{
    for (size_t i = 0; i < workload->peer_count; i++) {
        if (workload->peers[i] == peer)
            return workload->slow[i];
    }
    return false;
}

static void run_one(struct measuring *measuring, struct measured *measured, struct cell *cell, unsigned repeat)
{
    const struct plan *plan = measuring->plan;
    const struct workload *workload = measured->workload;
    char file[4096], what[128];
    double each = measuring->runs ? measuring->spent / (double)measuring->runs : FIRST_GUESS_S;
    bool slow = is_slow(workload, cell->peer);
    if (cell->state != CELL_OK || (slow && repeat >= SLOW_REPEATS))
        return;
    snprintf(what, sizeof what, "%s %s", workload->name, cell->peer->name);
    progress_draw(&measuring->progress, what,
                  each * (double)(measuring->progress.total - measuring->progress.done));
    file_of(file, sizeof file, plan, workload, cell->peer);
    measuring->spent += program_run(cell, file, measured, &workload->settings[plan->effort], slow, plan->timeout);
    measuring->runs++;
}

static void tell_case(struct measuring *measuring, struct measured *measured)
{
    char name[128];
    size_t ok = 0, failed = 0;
    measured_name(measured, name, sizeof name);
    for (size_t i = 0; i < measured->cell_count; i++) {
        struct cell *cell = &measured->cells[i];
        ok += cell->state == CELL_OK;
        failed += cell->state == CELL_FAILED;
        if (cell->state != CELL_FAILED)
            continue;
        progress_erase(&measuring->progress);
        complain(0, "%s: %s: %s", name, cell->peer->name, cell->reason);
    }
    progress_case(&measuring->progress, name, ok, failed);
}

static int run_case(struct measuring *measuring, struct measured *measured)
{
    const struct plan *plan = measuring->plan;
    int rc =
        plan->effort == EFFORT_SMOKE && measuring->results->calibration.count ? 0 : calibrate(measuring->results);
    if (rc)
        return rc;
    for (unsigned repeat = 0; repeat < plan->repeats; repeat++) {
        for (size_t i = 0; i < measured->cell_count; i++) {
            run_one(measuring, measured, &measured->cells[(repeat + i) % measured->cell_count], repeat);
            progress_advance(&measuring->progress);
        }
    }
    measured_compare_checks(measured, &measured->workload->settings[plan->effort]);
    tell_case(measuring, measured);
    return 0;
}

int measure(struct results *out, const struct catalogue *catalogue, const struct plan *wanted)
{
    struct plan plan = *wanted;
    struct results results = { .quick = plan.effort != EFFORT_FULL };
    struct measuring measuring = { .plan = &plan, .results = &results };
    size_t runs = 0;
    plan.repeats = plan.repeats ? plan.repeats : by_effort[plan.effort].repeats;
    plan.timeout = plan.timeout > 0 ? plan.timeout : by_effort[plan.effort].timeout;
    results.repeats = plan.repeats;
    machine_look(&results.machine);
    int rc = plan_cases(&results, catalogue, &plan);
    for (size_t i = 0; i < results.count; i++)
        runs += results.cases[i].cell_count * plan.repeats;
    progress_begin(&measuring.progress, runs, results.count);
    for (size_t i = 0; rc == 0 && i < results.count; i++)
        rc = run_case(&measuring, &results.cases[i]);
    progress_erase(&measuring.progress);
    if (rc)
        results_fini(&results);
    else
        *out = results;
    return rc;
}
