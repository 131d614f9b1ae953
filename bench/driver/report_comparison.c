/* SPDX-License-Identifier: MIT */
/* Two runs side by side. A change counts only if it is outside of both spreads, from least to most. */
#include "report.h"

#include <string.h>

static const char *verdict(const struct summary *now, const struct summary *before)
{
    if (now->max < before->min)
        return "faster";
    if (now->min > before->max)
        return "slower";
    return "within the spread";
}

static void compare_cells(const struct measured *measured, struct cell *now, struct cell *before, FILE *out)
{
    char new_text[VALUE_SIZE], old_text[VALUE_SIZE];
    for (size_t i = 0; i < measured->workload->figure_count; i++) {
        const struct figure *figure = &measured->workload->figures[i];
        struct summary new_summary = samples_summary(&now->figures[i]);
        struct summary old_summary = samples_summary(&before->figures[i]);
        format_value(new_text, new_summary.median);
        format_value(old_text, old_summary.median);
        fprintf(out, "| %s | %u | %s | %s%s%s | %s | %s | ", measured->workload->name, measured->workers,
                now->peer->name, figure->label, *figure->label ? ", " : "", figure->unit, old_text, new_text);
        if (old_summary.median > 0)
            fprintf(out, "%.2f", new_summary.median / old_summary.median);
        fprintf(out, " | %s |\n", verdict(&new_summary, &old_summary));
    }
}

static void compare_cases(struct measured *now, struct measured *before, FILE *out)
{
    for (size_t i = 0; i < now->cell_count; i++) {
        struct cell *cell = &now->cells[i];
        struct cell *old = measured_find(before, cell->peer->name);
        if (old && cell->state == CELL_OK && old->state == CELL_OK)
            compare_cells(now, cell, old, out);
    }
}

void report_comparison(struct results *now, struct results *before, FILE *out)
{
    char line[768];
    machine_line(&before->machine, line, sizeof line);
    fprintf(
        out,
        "\n### Compared with a saved run\n\nThat was %s. Serial fib(39) took %.0f ms then and %.0f ms now.\n\n"
        "| workload | workers | peer | figure | then | now | now / then | |\n|---|--:|---|---|--:|--:|--:|---|\n",
        line, samples_summary(&before->calibration).median, samples_summary(&now->calibration).median);
    for (size_t i = 0; i < now->count; i++) {
        struct measured *measured = &now->cases[i];
        struct measured *old = results_find(before, measured->workload->name, measured->workers);
        if (old && old->size == measured->size)
            compare_cases(measured, old, out);
    }
    for (size_t i = 0; i < now->count; i++) {
        struct measured *measured = &now->cases[i];
        struct measured *old = results_find(before, measured->workload->name, measured->workers);
        measured_name(measured, line, sizeof line);
        if (!old)
            fprintf(out, "\n%s is not in the saved run.\n", line);
        else if (old->size != measured->size)
            fprintf(out, "\n%s was of another size.\n", line);
    }
}
