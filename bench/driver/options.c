/* SPDX-License-Identifier: MIT */
/* The driver's command line, by argp. */
#include "options.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define MOST_REPEATS 1000
#define MOST_OF_WORKERS 1024
#define MOST_SECONDS 86400

static const char description[] =
    "Runs filch and its peers through the same workloads, in turn, and tells the medians as Markdown, JSON, plots "
    "and "
    "a page."
    "\vA peer that fails or is missing is left out with a line that says why.\n"
    "\n"
    "Exit status: 0 all is well; 1 filch's own program or the serial one failed, or a file cannot be read or "
    "written; 2 bad usage.";

enum key {
    KEY_PROGRAMS = 256,
    KEY_CATALOGUE,
    KEY_QUICK,
    KEY_SMOKE,
    KEY_FROM,
    KEY_TIMEOUT,
    KEY_LIST,
    KEY_SERVED_BY
};

static const struct argp_option argp_options[] = {
    { NULL, 0, NULL, 0, "What to measure:", 1 },
    { "workload", 'l', "NAME,...", 0, "these workloads only", 0 },
    { "served-by", KEY_SERVED_BY, "NAME,...", 0, "workloads of these programs only", 0 },
    { "peer", 'p', "NAME,...", 0, "these peers only", 0 },
    { "workers", 'w', "N,...", 0, "these numbers of workers", 0 },
    { "repeats", 'r', "N", 0, "run each program N times (default 5, quick 1)", 0 },
    { "timeout", KEY_TIMEOUT, "SECONDS", 0, "kill a program that takes longer (default 180, quick 20)", 0 },
    { "quick", KEY_QUICK, NULL, 0, "small sizes, mostly on 2 workers: a few minutes in all", 0 },
    { "smoke", KEY_SMOKE, NULL, 0, "tiny sizes: does it work at all?", 0 },
    { "list", KEY_LIST, NULL, 0, "list workloads and peers", 0 },
    { "programs", KEY_PROGRAMS, "DIR", 0, "where WORKLOAD/PEER are", 0 },
    { "catalogue", KEY_CATALOGUE, "FILE", 0, "what there is to measure", 0 },
    { NULL, 0, NULL, 0, "What to tell:", 2 },
    { "out", 'o', "DIR", 0, "write index.html and its plots to DIR, which is made if need be", 0 },
    { "json", 'j', "FILE", 0, "save all samples to FILE", 0 },
    { "compare", 'c', "FILE", 0, "compare with the run saved in FILE", 0 },
    { "from", KEY_FROM, "FILE", 0, "do not measure: tell the run saved in FILE", 0 },
    { NULL, 0, NULL, 0, "Help:", -1 },
    { 0 },
};

/* ---- Words: argp_error() does not return ------------------------------------------------------------------- */

static double parse_number(struct argp_state *state, const char *what, const char *text, double least, double most)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !(number >= least && number <= most))
        argp_error(state, "%s: '%s' is not a number from %g to %g", what, text, least, most);
    return number;
}

static unsigned parse_count(struct argp_state *state, const char *what, const char *text, unsigned most)
{
    double number = parse_number(state, what, text, 1, most);
    if (number != (unsigned)number)
        argp_error(state, "%s: '%s' is not a whole number", what, text);
    return (unsigned)number;
}

/* Cuts the text at its commas. */
static void parse_names(struct argp_state *state, struct names *names, char *text)
{
    char *rest;
    for (char *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (names->count == sizeof names->items / sizeof names->items[0])
            argp_error(state, "too many names");
        names->items[names->count++] = name;
    }
}

static void parse_workers(struct argp_state *state, struct plan *plan, char *text)
{
    char *rest;
    plan->worker_count = 0;
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        if (plan->worker_count == MOST_WORKERS)
            argp_error(state, "--workers: at most %d numbers", MOST_WORKERS);
        plan->workers[plan->worker_count++] = parse_count(state, "--workers", word, MOST_OF_WORKERS);
    }
}

/* What to measure. ARGP_ERR_UNKNOWN: it is not about that. */
static error_t parse_plan(int key, char *text, struct argp_state *state, struct plan *plan)
{
    switch (key) {
    case 'l':
        parse_names(state, &plan->workloads, text);
        return 0;
    case KEY_SERVED_BY:
        parse_names(state, &plan->served_by, text);
        return 0;
    case 'p':
        parse_names(state, &plan->peers, text);
        return 0;
    case 'w':
        parse_workers(state, plan, text);
        return 0;
    case 'r':
        plan->repeats = parse_count(state, "--repeats", text, MOST_REPEATS);
        return 0;
    case KEY_TIMEOUT:
        plan->timeout = parse_number(state, "--timeout", text, 0.01, MOST_SECONDS);
        return 0;
    case KEY_QUICK:
        plan->effort = EFFORT_QUICK;
        return 0;
    case KEY_SMOKE:
        plan->effort = EFFORT_SMOKE;
        return 0;
    case KEY_PROGRAMS:
        plan->programs = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case KEY_CATALOGUE:
        options->catalogue = text;
        return 0;
    case KEY_FROM:
        options->from = text;
        return 0;
    case KEY_LIST:
        options->list = true;
        return 0;
    case 'o':
        options->out = text;
        return 0;
    case 'j':
        options->json = text;
        return 0;
    case 'c':
        options->compare = text;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected word '%s'", text);
        return EINVAL;
    default:
        return parse_plan(key, text, state, &options->plan);
    }
}

void options_parse(struct options *out, int argc, char **argv)
{
    static const struct argp argp = { .options = argp_options, .parser = parse_option, .doc = description };
    *out = (struct options) { .plan = { .programs = BENCH_PROGRAMS }, .catalogue = BENCH_CATALOGUE };
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, out);
}
