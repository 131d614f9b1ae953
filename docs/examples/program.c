/* SPDX-License-Identifier: MIT */
/* Flags and exit codes of the example programs: see program.h. */
#include "program.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_FLAGS 16
#define FIRST_KEY 0x100 /* above every character, so that no flag has a short form */
#define LONGEST_SECONDS 1e9

static int parse_count(const struct flag *flag, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    long most = flag->most > 0 ? flag->most : INT_MAX;
    if (errno != 0 || end == text || *end != '\0' || value < flag->least || value > most)
        return -EINVAL;
    *flag->count = (int)value;
    return 0;
}

static int parse_duration(const struct flag *flag, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= LONGEST_SECONDS)) /* so is NaN caught */
        return -EINVAL;
    *flag->duration = (int64_t)(seconds * 1e9);
    return 0;
}

static error_t parse_flag(int key, char *text, struct argp_state *state)
{
    const struct flag *flags = state->input;
    if (key < FIRST_KEY || key >= FIRST_KEY + MOST_FLAGS)
        return ARGP_ERR_UNKNOWN;
    const struct flag *flag = &flags[key - FIRST_KEY];
    int rc = 0;
    if (flag->count)
        rc = parse_count(flag, text);
    else if (flag->duration)
        rc = parse_duration(flag, text);
    else
        *flag->text = text;
    if (rc != 0)
        argp_error(state, "--%s cannot be %s", flag->name, text);
    return 0;
}

/* The option as argp wants it; `doc` holds its help with the default. */
static struct argp_option option_of(const struct flag *flag, int key, char *doc, size_t size)
{
    const char *value = flag->count ? "N" : flag->duration ? "SECONDS" : "TEXT";
    if (flag->count)
        snprintf(doc, size, "%s (default %d)", flag->help, *flag->count);
    else if (flag->duration)
        snprintf(doc, size, "%s (default %g)", flag->help, (double)*flag->duration / 1e9);
    else
        snprintf(doc, size, "%s (default %s)", flag->help, *flag->text);
    return (struct argp_option) { .name = flag->name, .key = key, .arg = value, .doc = doc };
}

void program_flags(int argc, char **argv, const char *about, const struct flag *flags)
{
    char docs[MOST_FLAGS][120];
    struct argp_option options[MOST_FLAGS + 1] = { { 0 } };
    for (int i = 0; flags[i].name; i++) {
        assert(i < MOST_FLAGS);
        options[i] = option_of(&flags[i], FIRST_KEY + i, docs[i], sizeof docs[i]);
    }
    struct argp argp = { .options = options, .parser = parse_flag, .doc = about };
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, (void *)(uintptr_t)flags);
    setlinebuf(stdout);
}

int program_exit_code(filch_error *error)
{
    int code = 0;
    if (error && filch_error_code(error) == -EINTR) {
        puts("interrupted by user");
        code = 130; /* 128 + SIGINT, as shells count */
    } else if (error) {
        filch_error_print(error, stderr);
        code = 1;
    }
    filch_error_unref(error);
    return code;
}

int program_ended(int rc, const filch_error *error, const filch_guard *guard)
{
    if (rc == 0)
        return 0;
    if (guard && filch_guard_interrupted(guard))
        return program_exit_code(filch_error_create(-EINTR, "interrupted"));
    return program_exit_code(error ? filch_error_ref(error) : filch_error_create(rc, "cannot run"));
}
