/* SPDX-License-Identifier: MIT */
/*
 * Plots by gnuplot: a picture for each workload with a panel for each number of workers or figure, and one for all.
 *
 * Every panel has its bars in its own order, best on top, so that no legend is needed. Panels of one unit share their
 * range.
 */
#include "report.h"

#include "child.h"
#include "complain.h"
#include "plot_script.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GNUPLOT_SECONDS 60
#define OVERVIEW_WORKERS 2

/* Lets the reader's choice of light or dark reach a picture that gnuplot has made for light. */
static const char dark_style[] = "\n<style>@media (prefers-color-scheme: dark) {"
                                 " text { fill: #d0d7de !important }"
                                 " [stroke='rgb(222, 226, 230)'] { stroke: #3d444d }"
                                 " [stroke='rgb( 73,  80,  87)'] { stroke: #d0d7de } }</style>\n";

static int restyle(const char *file)
{
    char name[4200], chunk[65536];
    FILE *in = fopen(file, "re"), *out = NULL;
    int rc = in ? 0 : -errno;
    snprintf(name, sizeof name, "%s.tmp", file);
    if (rc == 0 && !(out = fopen(name, "we")))
        rc = -errno;
    bool styled = false;
    while (rc == 0 && fgets(chunk, sizeof chunk, in)) {
        fputs(chunk, out);
        if (!styled && strstr(chunk, "<desc>")) {
            fputs(dark_style, out);
            styled = true;
        }
    }
    if (in)
        fclose(in);
    if (out && fclose(out) != 0)
        rc = -EIO;
    if (rc == 0 && rename(name, file) != 0)
        rc = -errno;
    return rc;
}

/* ---- One workload ----------------------------------------------------------------------------------------------- */

static void add_bars(struct panel *panel, struct measured *measured, size_t figure)
{
    struct cell *ranking[MOST_PEERS];
    size_t count = measured_ranking(measured, figure, ranking);
    for (size_t i = 0; i < count; i++) {
        struct bar *bar = &panel->bars[panel->count++];
        struct summary summary = samples_summary(&ranking[i]->figures[figure]);
        *bar = (struct bar) { .value = summary.median, .low = summary.min, .high = summary.max };
        bar->ours = strcmp(ranking[i]->peer->name, OURS) == 0;
        bar->faint = strcmp(ranking[i]->peer->name, SERIAL) == 0;
        snprintf(bar->name, sizeof bar->name, "%s", ranking[i]->peer->name);
        format_value(bar->text, summary.median);
    }
}

static void add_panel(struct picture *picture, struct measured *measured, size_t figure, bool alone)
{
    const struct figure *shown = &measured->workload->figures[figure];
    struct panel *panel = &picture->panels[picture->count];
    *panel = (struct panel) { .unit = shown->unit };
    add_bars(panel, measured, figure);
    if (panel->count == 0)
        return;
    snprintf(panel->title, sizeof panel->title, "%s%s%u worker%s", shown->label, *shown->label ? ", " : "",
             measured->workers, measured->workers == 1 ? "" : "s");
    if (alone && *shown->label)
        snprintf(panel->title, sizeof panel->title, "%s", shown->label);
    picture->count++;
}

/* Columns are numbers of workers and rows figures; if there is one number only, figures stand side by side. */
static void fill_picture(struct picture *out, struct results *results, const struct workload *workload)
{
    size_t cases = 0;
    for (size_t i = 0; i < results->count; i++) {
        if (results->cases[i].workload == workload && cases++ == 0)
            measured_title(&results->cases[i], out->title, sizeof out->title);
    }
    out->count = 0;
    out->columns = cases > 1 ? cases : workload->figure_count;
    for (size_t figure = 0; figure < workload->figure_count; figure++) {
        for (size_t i = 0; i < results->count; i++) {
            if (results->cases[i].workload == workload && out->count < MOST_PANELS)
                add_panel(out, &results->cases[i], figure, cases == 1);
        }
    }
}

/* ---- All workloads in one --------------------------------------------------------------------------------------- */

static bool in_overview(const struct results *results, const struct measured *measured)
{
    return measured->workers == OVERVIEW_WORKERS ||
           !results_find(results, measured->workload->name, OVERVIEW_WORKERS);
}

static void fill_overview(struct picture *out, struct results *results)
{
    struct panel *panel = &out->panels[0];
    *panel = (struct panel) { .unit = "times as fast as the best peer", .ratio = true };
    out->count = out->columns = 1;
    snprintf(out->title, sizeof out->title, "filch beside the best peer of each workload, %d workers",
             OVERVIEW_WORKERS);
    for (size_t i = 0; i < results->count && panel->count < MOST_BARS; i++) {
        struct measured *measured = &results->cases[i];
        struct standing standing = measured_standing(measured, 0);
        if (!in_overview(results, measured) || !standing.ours || !standing.best || !(standing.ours_value > 0) ||
            !(standing.best_value > 0))
            continue;
        struct bar *bar = &panel->bars[panel->count++];
        double ratio = standing.best_value / standing.ours_value;
        *bar = (struct bar) { .value = ratio, .low = ratio, .high = ratio, .ours = ratio >= 1 };
        snprintf(bar->name, sizeof bar->name, "%s", measured->workload->name);
        snprintf(bar->text, sizeof bar->text, "%.2f × %s", ratio, standing.best->peer->name);
    }
    out->count = panel->count > 0;
}

/* ---- Drawing ---------------------------------------------------------------------------------------------------- */

/* 0: drawn; -ENOENT: there is no gnuplot. */
static int draw(const struct picture *picture, const char *dir, const char *name)
{
    static struct child_result result;
    char script[4096], file[4096];
    snprintf(script, sizeof script, "%s/%s.gp", dir, name);
    int rc = plot_script_write(picture, script, dir, name);
    if (rc)
        return complain(rc, "%s: %s", script, strerror(-rc));
    rc = child_run(&result, (char *[]) { (char *)"gnuplot", script, NULL }, GNUPLOT_SECONDS);
    unlink(script);
    if (rc == -ENOENT)
        return complain(rc, "no plots: gnuplot is not installed");
    if (rc || result.timed_out || result.status != 0)
        return complain(-EIO, "gnuplot fails on %s: %.400s", name, result.err);
    snprintf(file, sizeof file, "%s/%s.svg", dir, name);
    return restyle(file);
}

bool report_plots(struct results *results, const char *dir)
{
    static struct picture picture; /* too large for a stack */
    fill_overview(&picture, results);
    int rc = picture.count > 0 ? draw(&picture, dir, "overview") : 0;
    const struct workload *last = NULL;
    for (size_t i = 0; rc == 0 && i < results->count; i++) {
        const struct workload *workload = results->cases[i].workload;
        if (workload == last)
            continue;
        last = workload;
        fill_picture(&picture, results, workload);
        if (picture.count > 0)
            rc = draw(&picture, dir, workload->name);
    }
    return rc == 0;
}
