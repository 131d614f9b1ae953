/* SPDX-License-Identifier: MIT */
/* The fetcher's command line, by argp. */
#include "fetch_options.h"

#include "fetch_input.h"
#include "http_get.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define MOST_SECONDS 1e6

const char *argp_program_version = "filch_fetch " FILCH_VERSION_STRING;

static const char description[] =
    "Fetches URLs: main tasks, each with a GET for every one of its URLs, on one work-stealing pool."
    "\vEach line of FILE (- is standard input) is a main task's name and its URLs; # begins a comment. A URL that "
    "begins with / is a path on the demo server or under --base-url. Any HTTP status is a result; a refused or "
    "lost connection or a timeout is an error, which --retries tries again, and the first that stays stops "
    "everything unless --keep-going is given.\n"
    "\n"
    "--workers bounds the tasks that run at once. A GET that waits for its server does not count, so their number "
    "is bounded by --connections alone.\n"
    "\n"
    "The demo server knows /FILE, /taskN/M (a small file), /status/CODE, /delay/MS/PATH, /reset/PATH and "
    "/refuse/PATH (a redirect to a port that refuses connections).\n"
    "\n"
    "Exit status: 0 all is well; 1 a task failed, or the program could not run; 2 bad usage or input; 130 "
    "interrupted.";

enum key { KEY_BASE_URL = 256, KEY_PROGRESS, KEY_NO_PROGRESS, KEY_SERVE, KEY_PORT, KEY_ROOT, KEY_DELAY, KEY_FAIL };

static const struct argp_option argp_options[] = {
    { NULL, 0, NULL, 0, "Fetching:", 1 },
    { "workers", 'w', "N", 0, "tasks that run at once, 1 to 1024 (default 8)", 0 },
    { "connections", 'c', "N", 0, "GETs at once, at most, 1 to 4096 (default 64)", 0 },
    { "timeout", 't', "SECONDS", 0, "time for each try of a GET (default 3)", 0 },
    { "retries", 'r', "N", 0, "try each GET at most N times (default 1: no second try)", 0 },
    { "interval", 'i', "SECONDS", 0, "time between the first two tries (default 1)", 0 },
    { "backoff", 'b', "FACTOR", 0, "each further interval is so many times the one before (default 1)", 0 },
    { "keep-going", 'k', NULL, 0, "carry on after a failure, and report them all", 0 },
    { "ordered", 'o', NULL, 0, "results in input order (default: as they complete)", 0 },
    { "base-url", KEY_BASE_URL, "URL", 0, "server that paths in FILE are on", 0 },
    { NULL, 0, NULL, 0, "Output:", 2 },
    { "json", 'j', NULL, 0, "one JSON object a line: each main task, then a summary", 0 },
    { "quiet", 'q', NULL, 0, "only what failed", 0 },
    { "progress", KEY_PROGRESS, NULL, 0, "a progress bar on standard error (default: if it is a terminal)", 0 },
    { "no-progress", KEY_NO_PROGRESS, NULL, 0, "no progress bar", 0 },
    { NULL, 0, NULL, 0, "Demo server:", 3 },
    { "serve-demo", KEY_SERVE, NULL, 0, "serve on 127.0.0.1; without FILE until interrupted", 0 },
    { "port", KEY_PORT, "PORT", 0, "serve at this port (default: the system chooses)", 0 },
    { "root", KEY_ROOT, "DIR", 0, "serve the files under DIR (default docs)", 0 },
    { "demo-delay", KEY_DELAY, "PATH=MS", 0, "answer PATH after MS milliseconds; may be repeated", 0 },
    { "demo-fail", KEY_FAIL, "PATH=HOW[:N]", 0,
      "for the first N requests for PATH, or for all: a status such as 500, reset or refuse; may be repeated", 0 },
    { NULL, 0, NULL, 0, "Help:", -1 },
    { 0 },
};

struct parsing {
    struct fetch_options *options;
    struct demo_rule *rules;
    size_t rule_count;
    enum { PROGRESS_AUTO, PROGRESS_ON, PROGRESS_OFF } progress;
};

/* ---- Words: argp_error() does not return ------------------------------------------------------------------- */

static unsigned parse_number(struct argp_state *state, const char *what, const char *text, unsigned least,
                             unsigned most)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number < least || number > most)
        argp_error(state, "%s: '%s' is not a number from %u to %u", what, text, least, most);
    return (unsigned)number;
}

static int64_t parse_seconds(struct argp_state *state, const char *what, const char *text, bool positive)
{
    char *end;
    double seconds = strtod(text, &end);
    /* Written so that NaN fails. */
    if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= MOST_SECONDS) || (positive && seconds <= 0))
        argp_error(state, "%s: '%s' is not a number of seconds", what, text);
    return (int64_t)(seconds * 1e9);
}

static double parse_factor(struct argp_state *state, const char *what, const char *text)
{
    char *end;
    double factor = strtod(text, &end);
    if (end == text || *end != '\0' || !(factor >= 1 && factor <= 1000)) /* so is NaN caught */
        argp_error(state, "%s: '%s' is not a factor from 1 to 1000", what, text);
    return factor;
}

/* Splits PATH=VALUE into a new rule, whose path it is, and the value, which it returns. */
static char *parse_rule(struct argp_state *state, char *text, struct demo_rule **out)
{
    struct parsing *parsing = state->input;
    char *equals = strrchr(text, '=');
    if (text[0] != '/' || !equals)
        argp_error(state, "'%s' is not a path, '=' and a value", text);
    struct demo_rule *rules = reallocarray(parsing->rules, parsing->rule_count + 1, sizeof *rules);
    if (!rules)
        argp_failure(state, EXIT_FAILURE, 0, "out of memory");
    parsing->rules = rules;
    *out = &rules[parsing->rule_count++];
    *equals = '\0';
    **out = (struct demo_rule) { .path = text };
    return equals + 1;
}

static void parse_delay(struct argp_state *state, char *text)
{
    struct demo_rule *rule;
    const char *ms = parse_rule(state, text, &rule);
    rule->action = DEMO_DELAY;
    rule->value = parse_number(state, "--demo-delay", ms, 0, 3600000);
}

static void parse_failure(struct argp_state *state, char *text)
{
    struct demo_rule *rule;
    char *how = parse_rule(state, text, &rule);
    char *times = strchr(how, ':');
    if (times) {
        *times++ = '\0';
        rule->times = parse_number(state, "--demo-fail", times, 1, 1000000);
    }
    if (strcmp(how, "reset") == 0) {
        rule->action = DEMO_RESET;
    } else if (strcmp(how, "refuse") == 0) {
        rule->action = DEMO_REFUSE;
    } else {
        rule->action = DEMO_STATUS;
        rule->value = parse_number(state, "--demo-fail", how, 200, 599);
    }
}

static void parse_base_url(struct argp_state *state, const char *text)
{
    struct parsing *parsing = state->input;
    if (fetch_input_check_url(text) != 0)
        argp_error(state, "--base-url: '%s' is not an http(s) URL", text);
    parsing->options->base_url = text;
}

/* ---- The command line -------------------------------------------------------------------------------------- */

static void finish(struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct fetch_options *options = parsing->options;
    if (!options->file && !options->serve_demo)
        argp_error(state, "no FILE");
    if (options->base_url && options->serve_demo)
        argp_error(state, "--base-url and --serve-demo exclude each other");
    options->progress = parsing->progress == PROGRESS_ON ||
                        (parsing->progress == PROGRESS_AUTO && !options->quiet && isatty(STDERR_FILENO));
    options->demo.rules = parsing->rules;
    options->demo.rule_count = parsing->rule_count;
}

static error_t parse_demo_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct fetch_options *options = parsing->options;
    switch (key) {
    case KEY_SERVE:
        options->serve_demo = true;
        return 0;
    case KEY_PORT:
        options->demo.port = (uint16_t)parse_number(state, "--port", arg, 0, UINT16_MAX);
        return 0;
    case KEY_ROOT:
        options->demo.root = arg;
        return 0;
    case KEY_DELAY:
        parse_delay(state, arg);
        return 0;
    case KEY_FAIL:
        parse_failure(state, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_output_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct fetch_options *options = parsing->options;
    switch (key) {
    case 'j':
        options->json = true;
        return 0;
    case 'q':
        options->quiet = true;
        return 0;
    case KEY_PROGRESS:
        parsing->progress = PROGRESS_ON;
        return 0;
    case KEY_NO_PROGRESS:
        parsing->progress = PROGRESS_OFF;
        return 0;
    default:
        return parse_demo_option(key, arg, state);
    }
}

static error_t parse_retry_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    filch_retry_options *retry = &parsing->options->retry;
    switch (key) {
    case 'r':
        retry->max_attempts = parse_number(state, "--retries", arg, 1, 1000000);
        return 0;
    case 'i':
        retry->interval_ns = parse_seconds(state, "--interval", arg, false);
        return 0;
    case 'b':
        retry->backoff = parse_factor(state, "--backoff", arg);
        return 0;
    default:
        return parse_output_option(key, arg, state);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct fetch_options *options = parsing->options;
    switch (key) {
    case 'w':
        options->workers = parse_number(state, "--workers", arg, 1, 1024);
        return 0;
    case 'c':
        options->connections = parse_number(state, "--connections", arg, 1, 4096);
        return 0;
    case 't':
        options->timeout_ns = parse_seconds(state, "--timeout", arg, true);
        return 0;
    case 'k':
        options->policy = FILCH_COLLECT;
        return 0;
    case 'o':
        options->ordered = true;
        return 0;
    case KEY_BASE_URL:
        parse_base_url(state, arg);
        return 0;
    case ARGP_KEY_ARG:
        if (options->file)
            argp_error(state, "more than one FILE");
        options->file = arg;
        return 0;
    case ARGP_KEY_END:
        finish(state);
        return 0;
    default:
        return parse_retry_option(key, arg, state);
    }
}

void fetch_options_parse(struct fetch_options *out, int argc, char **argv)
{
    static const struct argp parser = { argp_options, parse_option, "FILE\n--serve-demo", description, NULL,
                                        NULL,         NULL };
    *out = (struct fetch_options) {
        .workers = 8,
        .connections = 64,
        .retry = FILCH_RETRY_OPTIONS,
        .timeout_ns = FILCH_SECONDS(3),
        .policy = FILCH_FAIL_FAST,
        .demo = { .root = "docs" },
    };
    out->retry.max_attempts = 1;
    out->retry.should_retry = http_may_recover;
    struct parsing parsing = { .options = out };
    argp_err_exit_status = EXIT_USAGE;
    error_t error = argp_parse(&parser, argc, argv, 0, NULL, &parsing);
    if (error != 0) { /* mistakes have ended the process by now; this is want of memory */
        fprintf(stderr, "filch_fetch: %s\n", strerror(error));
        exit(EXIT_FAILURE);
    }
}

void fetch_options_fini(struct fetch_options *options)
{
    free((void *)(uintptr_t)options->demo.rules);
}
