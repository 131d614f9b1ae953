/* SPDX-License-Identifier: MIT */
/* Results as Markdown tables, for a terminal and for an issue alike. */
#include "report.h"

#include <math.h>
#include <string.h>

void format_value(char text[VALUE_SIZE], double value)
{
    double size = fabs(value);
    int decimals = size < 0.0005 ? 0 : size < 1 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
    snprintf(text, VALUE_SIZE, "%.*f", decimals, value);
}

struct standing measured_standing(struct measured *measured, size_t figure)
{
    struct cell *ranking[MOST_PEERS];
    struct standing standing = { 0 };
    size_t count = measured_ranking(measured, figure, ranking);
    for (size_t i = 0; i < count; i++) {
        bool is_ours = strcmp(ranking[i]->peer->name, OURS) == 0;
        struct cell **place = is_ours ? &standing.ours : &standing.best;
        if (*place || strcmp(ranking[i]->peer->name, SERIAL) == 0)
            continue;
        *place = ranking[i];
        *(is_ours ? &standing.ours_value : &standing.best_value) =
            samples_summary(&ranking[i]->figures[figure]).median;
    }
    return standing;
}

/* ---- One case --------------------------------------------------------------------------------------------------- */

static void print_header(const struct measured *measured, FILE *out)
{
    const struct workload *workload = measured->workload;
    char title[TITLE_SIZE];
    measured_title(measured, title, sizeof title);
    fprintf(out, "\n### %s, %u worker%s\n\n| peer |", title, measured->workers, measured->workers == 1 ? "" : "s");
    for (size_t i = 0; i < workload->figure_count; i++) {
        const struct figure *figure = &workload->figures[i];
        fprintf(out, " %s%s%s | min .. max | quartiles |", figure->label, *figure->label ? ", " : "", figure->unit);
    }
    fputs(" peak MiB |\n|---|", out);
    for (size_t i = 0; i < workload->figure_count; i++)
        fputs("--:|--:|--:|", out);
    fputs("--:|\n", out);
}

static void print_cell(struct cell *cell, size_t figure_count, FILE *out)
{
    char median[VALUE_SIZE], min[VALUE_SIZE], max[VALUE_SIZE], q1[VALUE_SIZE], q3[VALUE_SIZE];
    const char *mark = strcmp(cell->peer->name, OURS) == 0 ? "**" : "";
    fprintf(out, "| %s%s%s |", mark, cell->peer->name, mark);
    for (size_t i = 0; i < figure_count; i++) {
        struct summary summary = samples_summary(&cell->figures[i]);
        format_value(median, summary.median);
        format_value(min, summary.min);
        format_value(max, summary.max);
        format_value(q1, summary.q1);
        format_value(q3, summary.q3);
        fprintf(out, " %s%s%s | %s .. %s | %s .. %s |", mark, median, mark, min, max, q1, q3);
    }
    fprintf(out, " %.1f |\n", (double)cell->peak_kb / 1024);
}

static void print_case(struct measured *measured, FILE *out)
{
    struct cell *ranking[MOST_PEERS];
    size_t count = measured_ranking(measured, 0, ranking);
    struct standing standing = measured_standing(measured, 0);
    print_header(measured, out);
    for (size_t i = 0; i < count; i++)
        print_cell(ranking[i], measured->workload->figure_count, out);
    if (standing.ours && standing.best)
        fprintf(out, "\nfilch takes %.2f of what the best peer takes (%s).\n",
                standing.ours_value / standing.best_value, standing.best->peer->title);
    for (size_t i = 0; i < measured->cell_count; i++) {
        const struct cell *cell = &measured->cells[i];
        if (cell->state != CELL_OK)
            fprintf(out, "\n%s %s: %s.\n", cell->peer->name, cell->state == CELL_FAILED ? "failed" : "left out",
                    cell->reason);
    }
}

/* ---- All of it -------------------------------------------------------------------------------------------------- */

static void print_overview(struct results *results, FILE *out)
{
    char ours[VALUE_SIZE], best[VALUE_SIZE];
    fputs(
        "\n### filch beside the best peer\n\n| workload | workers | figure | filch | best peer | | filch / best |\n"
        "|---|--:|---|--:|--:|---|--:|\n",
        out);
    for (size_t i = 0; i < results->count; i++) {
        struct measured *measured = &results->cases[i];
        for (size_t j = 0; j < measured->workload->figure_count; j++) {
            const struct figure *figure = &measured->workload->figures[j];
            struct standing standing = measured_standing(measured, j);
            if (!standing.ours || !standing.best)
                continue;
            format_value(ours, standing.ours_value);
            format_value(best, standing.best_value);
            fprintf(out, "| %s | %u | %s%s%s | %s | %s | %s | %.2f |\n", measured->workload->name,
                    measured->workers, figure->label, *figure->label ? ", " : "", figure->unit, ours, best,
                    standing.best->peer->name, standing.ours_value / standing.best_value);
        }
    }
}

void report_markdown(struct results *results, FILE *out)
{
    char line[768];
    struct summary calibration = samples_summary(&results->calibration);
    machine_line(&results->machine, line, sizeof line);
    fprintf(out, "## filch beside its peers%s\n\n%s\n\n", results->quick ? " (quick)" : "", line);
    fprintf(out,
            "Serial fib(39) in the same run: %.0f ms (%.0f .. %.0f). Medians of all rounds of %u repeat%s, peers "
            "interleaved; lower is better.\n",
            calibration.median, calibration.min, calibration.max, results->repeats,
            results->repeats == 1 ? "" : "s");
    for (size_t i = 0; i < results->count; i++)
        print_case(&results->cases[i], out);
    print_overview(results, out);
}
