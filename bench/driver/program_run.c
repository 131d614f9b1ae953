/* SPDX-License-Identifier: MIT */
/* A benchmark program, run once: its command line, and the lines that it prints (bench.h says what is in them). */
#include "program_run.h"

#include "child.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MOST_WORDS 16

struct command {
    char *words[MOST_WORDS + 1];
    char values[MOST_WORDS / 2][24];
    size_t count, value_count;
};

static void add_option(struct command *command, const char *option, const char *format, double value)
{
    char *text = command->values[command->value_count++];
    snprintf(text, sizeof command->values[0], format, value);
    command->words[command->count++] = (char *)(uintptr_t)option;
    command->words[command->count++] = text;
}

static void build_command(struct command *out, const char *file, const struct measured *measured,
                          const struct setting *setting, bool slow)
{
    const struct workload *workload = measured->workload;
    *out = (struct command) { .words = { (char *)(uintptr_t)file }, .count = 1 };
    add_option(out, "--workers", "%.0f", measured->workers);
    add_option(out, "--size", "%.0f", (double)setting->size);
    add_option(out, "--rounds", "%.0f", slow ? 1 : setting->rounds);
    add_option(out, "--warmup", "%.0f", slow ? 0 : setting->warmup);
    if (workload->producers > 0)
        add_option(out, "--producers", "%.0f", workload->producers);
    if (workload->chunk > 0)
        add_option(out, "--chunk", "%.0f", (double)workload->chunk);
    if (workload->load > 0)
        add_option(out, "--load", "%g", workload->load);
}

/* ---- What it printed ------------------------------------------------------------------------------------------- */

/* The integer after `key=` in a line of such pairs. False: there is none. */
static bool find_value(const char *line, const char *key, int64_t *out)
{
    size_t length = strlen(key);
    for (const char *pair = line; *pair; pair += strcspn(pair, " "), pair += strspn(pair, " ")) {
        if (strncmp(pair, key, length) != 0 || pair[length] != '=')
            continue;
        char *end;
        errno = 0;
        *out = strtoll(pair + length + 1, &end, 10);
        return errno == 0 && end > pair + length + 1 && (*end == '\0' || *end == ' ');
    }
    return false;
}

static double figure_value(const struct figure *figure, int64_t value, int64_t size)
{
    double elements = figure->size_counts > 0 ? (double)size * figure->size_counts : 1;
    return (double)value / figure->divide / elements;
}

/* False: the cell has been given up. */
static bool take_line(struct cell *cell, const struct workload *workload, int64_t size, const char *line)
{
    int64_t check, value;
    if (!find_value(line, "ns", &value) || !find_value(line, "check", &check)) {
        cell_give_up(cell, CELL_FAILED, "prints '%.60s' instead of ns=... check=...", line);
        return false;
    }
    if (cell->has_check && check != cell->check) {
        cell_give_up(cell, CELL_FAILED, "gives %" PRId64 " after %" PRId64, check, cell->check);
        return false;
    }
    cell->has_check = true;
    cell->check = check;
    for (size_t i = 0; i < workload->figure_count; i++) {
        const struct figure *figure = &workload->figures[i];
        if (!find_value(line, figure->key, &value)) {
            cell_give_up(cell, CELL_FAILED, "does not print %s", figure->key);
            return false;
        }
        if (samples_add(&cell->figures[i], figure_value(figure, value, size)) != 0) {
            cell_give_up(cell, CELL_FAILED, "the driver is out of memory");
            return false;
        }
    }
    return true;
}

static void take_output(struct cell *cell, const struct workload *workload, int64_t size, char *text,
                        unsigned rounds)
{
    unsigned lines = 0;
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!take_line(cell, workload, size, line))
            return;
        lines++;
    }
    if (lines != rounds)
        cell_give_up(cell, CELL_FAILED, "prints %u lines for %u rounds", lines, rounds);
}

/* The last line that is not empty. */
static const char *last_line(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

double program_run(struct cell *cell, const char *file, const struct measured *measured,
                   const struct setting *setting, bool slow, double timeout)
{
    static struct child_result result; /* too large for a stack, and there is one at a time */
    struct command command;
    build_command(&command, file, measured, setting, slow);
    int rc = child_run(&result, command.words, timeout);
    if (rc) {
        cell_give_up(cell, CELL_FAILED, "cannot be started: %s", strerror(-rc));
        return 0;
    }
    if (result.timed_out)
        cell_give_up(cell, CELL_FAILED, "killed after %g s", timeout);
    else if (WIFSIGNALED(result.status))
        cell_give_up(cell, CELL_FAILED, "ended by signal %d (%s)", WTERMSIG(result.status),
                     strsignal(WTERMSIG(result.status)));
    else if (WEXITSTATUS(result.status) != 0)
        cell_give_up(cell, CELL_FAILED, "exit status %d: %.120s", WEXITSTATUS(result.status),
                     last_line(result.err));
    else
        take_output(cell, measured->workload, setting->size, result.out, slow ? 1 : setting->rounds);
    if (result.peak_kb > cell->peak_kb)
        cell->peak_kb = result.peak_kb;
    return result.seconds;
}
