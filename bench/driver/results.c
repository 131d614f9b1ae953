/* SPDX-License-Identifier: MIT */
/* What has been measured: see results.h. */
#include "results.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void drop_samples(struct cell *cell)
{
    for (size_t i = 0; i < MOST_FIGURES; i++)
        samples_fini(&cell->figures[i]);
}

void cell_give_up(struct cell *cell, enum cell_state state, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(cell->reason, sizeof cell->reason, format, args);
    va_end(args);
    cell->state = state;
    drop_samples(cell);
}

size_t measured_ranking(struct measured *measured, size_t figure, struct cell *out[MOST_PEERS])
{
    double medians[MOST_PEERS];
    size_t count = 0;
    for (size_t i = 0; i < measured->cell_count; i++) {
        struct cell *cell = &measured->cells[i];
        if (cell->state != CELL_OK)
            continue;
        double median = samples_summary(&cell->figures[figure]).median;
        size_t place = count++;
        for (; place > 0 && medians[place - 1] > median; place--) {
            medians[place] = medians[place - 1];
            out[place] = out[place - 1];
        }
        medians[place] = median;
        out[place] = cell;
    }
    return count;
}

void measured_compare_checks(struct measured *measured, const struct setting *setting)
{
    bool known = setting->has_check;
    int64_t check = setting->check;
    const char *whose = "the catalogue";
    for (size_t i = 0; i < measured->cell_count; i++) {
        struct cell *cell = &measured->cells[i];
        if (cell->state != CELL_OK)
            continue;
        if (known && cell->check != check) {
            cell_give_up(cell, CELL_FAILED, "wrong result: %" PRId64 ", but %s says %" PRId64, cell->check, whose,
                         check);
        } else if (!known) {
            known = true;
            check = cell->check;
            whose = cell->peer->name;
        }
    }
}

struct measured *results_find(const struct results *results, const char *workload, unsigned workers)
{
    for (size_t i = 0; i < results->count; i++) {
        struct measured *measured = &results->cases[i];
        if (strcmp(measured->workload->name, workload) == 0 && measured->workers == workers)
            return measured;
    }
    return NULL;
}

struct cell *measured_find(struct measured *measured, const char *peer)
{
    for (size_t i = 0; i < measured->cell_count; i++) {
        if (strcmp(measured->cells[i].peer->name, peer) == 0)
            return &measured->cells[i];
    }
    return NULL;
}

/* Round numbers as powers. */
static void format_size(char *text, size_t room, int64_t size)
{
    int power = 0;
    int64_t rest = size;
    for (; rest > 0 && rest % 10 == 0; rest /= 10)
        power++;
    if (rest == 1 && power > 3)
        snprintf(text, room, "10^%d", power);
    else
        snprintf(text, room, "%" PRId64, size);
}

void measured_title(const struct measured *measured, char *title, size_t size)
{
    static const char mark[] = "{size}";
    const char *text = measured->workload->title, *found = strstr(text, mark);
    char number[24];
    format_size(number, sizeof number, measured->size);
    if (found)
        snprintf(title, size, "%.*s%s%s", (int)(found - text), text, number, found + strlen(mark));
    else
        snprintf(title, size, "%s", text);
}

void measured_name(const struct measured *measured, char *name, size_t size)
{
    snprintf(name, size, "%s on %u worker%s", measured->workload->name, measured->workers,
             measured->workers == 1 ? "" : "s");
}

void results_fini(struct results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        for (size_t j = 0; j < results->cases[i].cell_count; j++)
            drop_samples(&results->cases[i].cells[j]);
    }
    free(results->cases);
    samples_fini(&results->calibration);
    *results = (struct results) { 0 };
}
