/* SPDX-License-Identifier: MIT */
/* The benchmark's driver: measures, or takes a saved run, and tells it. */
#include "complain.h"
#include "options.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_USAGE 2

static void list(const struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct workload *workload = &catalogue->workloads[i];
        printf("%-14s %s\n%14s peers:", workload->name, workload->title, "");
        for (size_t j = 0; j < workload->peer_count; j++)
            printf(" %s", workload->peers[j]->name);
        putchar('\n');
    }
}

/* Names on the command line that mean nothing. */
static int check_names(const struct catalogue *catalogue, const struct plan *plan)
{
    for (size_t i = 0; i < plan->workloads.count; i++) {
        if (!catalogue_workload(catalogue, plan->workloads.items[i]))
            return complain(-EINVAL, "unknown workload '%s'; --list lists them", plan->workloads.items[i]);
    }
    for (size_t i = 0; i < plan->served_by.count; i++) {
        if (!catalogue_served_by(catalogue, plan->served_by.items[i]))
            return complain(-EINVAL, "no workload has the program '%s'", plan->served_by.items[i]);
    }
    for (size_t i = 0; i < plan->peers.count; i++) {
        if (!catalogue_peer(catalogue, plan->peers.items[i]))
            return complain(-EINVAL, "unknown peer '%s'; --list lists them", plan->peers.items[i]);
    }
    return 0;
}

static int tell_comparison(struct results *results, const char *file, const struct catalogue *catalogue)
{
    struct results before;
    int rc = results_load(&before, file, catalogue);
    if (rc)
        return rc;
    report_comparison(results, &before, stdout);
    results_fini(&before);
    return 0;
}

static int tell_page(struct results *results, const char *dir)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return complain(-errno, "%s: %s", dir, strerror(errno));
    int rc = report_page(results, dir, report_plots(results, dir));
    if (rc == 0)
        fprintf(stderr, "the report is %s/index.html\n", dir);
    return rc;
}

/* Before anything is measured, which takes long: what will be read and written then. */
static int check_files(const struct options *options)
{
    if (options->compare && access(options->compare, R_OK) != 0)
        return complain(-errno, "%s: %s", options->compare, strerror(errno));
    FILE *json = options->json ? fopen(options->json, "ae") : NULL;
    if (options->json && !json)
        return complain(-errno, "%s: %s", options->json, strerror(errno));
    if (json)
        fclose(json);
    return 0;
}

/* Each of them, even if another fails: measuring took long. */
static int tell(struct results *results, const struct options *options, const struct catalogue *catalogue)
{
    int rc = options->json ? results_save(results, options->json) : 0;
    report_markdown(results, stdout);
    if (options->compare) {
        int failed = tell_comparison(results, options->compare, catalogue);
        rc = rc ? rc : failed;
    }
    if (options->out) {
        int failed = tell_page(results, options->out);
        rc = rc ? rc : failed;
    }
    return rc;
}

static bool ours_failed(const struct results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        const struct cell *cell = measured_find(&results->cases[i], OURS);
        const struct cell *serial = measured_find(&results->cases[i], SERIAL);
        if ((cell && cell->state == CELL_FAILED) || (serial && serial->state == CELL_FAILED))
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct options options;
    struct catalogue catalogue;
    struct results results;
    options_parse(&options, argc, argv);
    if (catalogue_load(&catalogue, options.catalogue) != 0)
        return EXIT_FAILURE;
    int status = EXIT_FAILURE;
    if (check_names(&catalogue, &options.plan) != 0) {
        status = EXIT_USAGE;
        goto no_results;
    }
    if (options.list) {
        list(&catalogue);
        status = EXIT_SUCCESS;
        goto no_results;
    }
    if (check_files(&options) != 0)
        goto no_results;
    int rc = options.from ? results_load(&results, options.from, &catalogue)
                          : measure(&results, &catalogue, &options.plan);
    if (rc)
        goto no_results;
    if (tell(&results, &options, &catalogue) == 0 && !ours_failed(&results))
        status = EXIT_SUCCESS;
    results_fini(&results);
no_results:
    catalogue_fini(&catalogue);
    return status;
}
