/* SPDX-License-Identifier: MIT */
/* All of it in one page that opens from disk: tables, and the plots beside it. */
#include "report.h"

#include "complain.h"

#include <errno.h>
#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>filch beside its peers</title>\n<style>\n"
    ":root { color-scheme: light dark; --text: #24292f; --faint: #6e7781; --page: #fff; --line: #dee2e6; "
    "--ours: #e8590c; }\n"
    "@media (prefers-color-scheme: dark) { :root { --text: #d0d7de; --faint: #8b949e; --page: #0d1117; "
    "--line: #3d444d; --ours: #ff8c42; } }\n"
    "body { font: 15px/1.5 'DejaVu Sans', Verdana, sans-serif; color: var(--text); background: var(--page); "
    "max-width: 960px; margin: 2em auto; padding: 0 1em; }\n"
    "h2 { margin-top: 2.5em; border-top: 1px solid var(--line); padding-top: 1em; }\n"
    "img { width: 100%; max-width: 900px; }\n"
    "table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: .5em 0 1em; "
    "}\n"
    "th, td { padding: .2em .8em; text-align: right; border-bottom: 1px solid var(--line); }\n"
    "th { font-weight: 600; } th:first-child, td:first-child, td.left, th.left { text-align: left; }\n"
    "tr.ours td { color: var(--ours); font-weight: 600; }\n"
    ".faint { color: var(--faint); font-size: 13px; } pre { overflow-x: auto; }\n"
    "summary { cursor: pointer; color: var(--faint); }\n"
    "</style>\n";

/* Text that is not ours: a message of a program may hold anything. */
static void escaped(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '&')
            fputs(*text == '<' ? "&lt;" : "&amp;", out);
        else
            fputc(*text, out);
    }
}

static void write_value(double value, FILE *out)
{
    char text[VALUE_SIZE];
    format_value(text, value);
    fprintf(out, "<td>%s", text);
}

static void write_picture(const char *name, const char *title, FILE *out)
{
    fprintf(out, "<p><img src=\"%s.svg\" alt=\"%s\"><br><a class=\"faint\" href=\"%s.png\">PNG</a>\n", name, title,
            name);
}

/* ---- Overview --------------------------------------------------------------------------------------------------- */

static void write_standings(struct measured *measured, FILE *out)
{
    for (size_t i = 0; i < measured->workload->figure_count; i++) {
        const struct figure *figure = &measured->workload->figures[i];
        struct standing standing = measured_standing(measured, i);
        if (!standing.ours || !standing.best)
            continue;
        double ratio = standing.ours_value / standing.best_value;
        fprintf(out, "<tr%s><td><a href=\"#%s\">%s</a><td>%u<td class=\"left\">%s%s%s",
                ratio <= 1 ? " class=\"ours\"" : "", measured->workload->name, measured->workload->name,
                measured->workers, figure->label, *figure->label ? ", " : "", figure->unit);
        write_value(standing.ours_value, out);
        write_value(standing.best_value, out);
        fprintf(out, "<td class=\"left\">%s<td>%.2f\n", standing.best->peer->title, ratio);
    }
}

static void write_overview(struct results *results, bool plots, FILE *out)
{
    char line[768];
    struct summary calibration = samples_summary(&results->calibration);
    machine_line(&results->machine, line, sizeof line);
    fprintf(out, "<h1>filch beside its peers</h1>\n<p>");
    escaped(line, out);
    fprintf(
        out,
        "\n<p>Serial fib(39) in the same run took %.0f ms (%.0f to %.0f). Figures are medians of all rounds of %u "
        "repeat%s%s; the peers were run in turn, and each result was checked. Lower is better. The thin lines go "
        "from the least to the most.\n<p>To reproduce: <code>./dev bench%s</code>\n",
        calibration.median, calibration.min, calibration.max, results->repeats, results->repeats == 1 ? "" : "s",
        results->quick ? ", with small sizes (quick)" : "", results->quick ? " --quick" : "");
    if (plots)
        write_picture("overview", "filch beside the best peer", out);
    fprintf(out, "<details%s><summary>As a table</summary>\n", plots ? "" : " open");
    fputs("<table><tr><th>workload<th>workers<th class=\"left\">figure<th>filch"
          "<th>best peer<th class=\"left\"><th>filch / best\n",
          out);
    for (size_t i = 0; i < results->count; i++)
        write_standings(&results->cases[i], out);
    fputs("</table></details>\n", out);
}

/* ---- One case --------------------------------------------------------------------------------------------------- */

static void write_cell(struct cell *cell, size_t figure_count, FILE *out)
{
    fprintf(out, "<tr%s><td>%s", strcmp(cell->peer->name, OURS) == 0 ? " class=\"ours\"" : "", cell->peer->title);
    for (size_t i = 0; i < figure_count; i++) {
        struct summary summary = samples_summary(&cell->figures[i]);
        write_value(summary.median, out);
        write_value(summary.min, out);
        write_value(summary.max, out);
    }
    fprintf(out, "<td>%.1f\n", (double)cell->peak_kb / 1024);
}

static void write_case(struct measured *measured, FILE *out)
{
    const struct workload *workload = measured->workload;
    struct cell *ranking[MOST_PEERS];
    size_t count = measured_ranking(measured, 0, ranking);
    fprintf(out, "<table><tr><th>%u worker%s", measured->workers, measured->workers == 1 ? "" : "s");
    for (size_t i = 0; i < workload->figure_count; i++)
        fprintf(out, "<th>%s%s%s<th>min<th>max", workload->figures[i].label,
                *workload->figures[i].label ? ", " : "", workload->figures[i].unit);
    fputs("<th>peak MiB\n", out);
    for (size_t i = 0; i < count; i++)
        write_cell(ranking[i], workload->figure_count, out);
    fputs("</table>\n", out);
    for (size_t i = 0; i < measured->cell_count; i++) {
        const struct cell *cell = &measured->cells[i];
        if (cell->state == CELL_OK)
            continue;
        fprintf(out, "<p class=\"faint\">%s %s: ", cell->peer->title,
                cell->state == CELL_FAILED ? "failed" : "left out");
        escaped(cell->reason, out);
        fputs("\n", out);
    }
}

static void write_workloads(struct results *results, bool plots, FILE *out)
{
    const struct workload *last = NULL;
    char title[TITLE_SIZE];
    for (size_t i = 0; i < results->count; i++) {
        const struct workload *workload = results->cases[i].workload;
        if (workload != last) {
            measured_title(&results->cases[i], title, sizeof title);
            fprintf(out, "%s<h2 id=\"%s\">%s</h2>\n<p>%s\n", last ? "</details>\n" : "", workload->name, title,
                    workload->stresses);
            if (plots)
                write_picture(workload->name, title, out);
            fprintf(out, "<details%s><summary>Tables</summary>\n", plots ? "" : " open");
        }
        last = workload;
        write_case(&results->cases[i], out);
    }
    if (last)
        fputs("</details>\n", out);
}

int report_page(struct results *results, const char *dir, bool plots)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/index.html", dir);
    FILE *out = fopen(file, "we");
    if (!out)
        return complain(-errno, "%s: %s", file, strerror(errno));
    fputs(head, out);
    write_overview(results, plots, out);
    write_workloads(results, plots, out);
    fputs("</html>\n", out);
    return fclose(out) == 0 ? 0 : complain(-EIO, "%s: cannot be written", file);
}
