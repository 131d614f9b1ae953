/* SPDX-License-Identifier: MIT */
/*
 * filch_fetch: main tasks, each of which fetches a few URLs, all on one pool. fetch_tasks.c has the tasks; here is
 * the caller, who submits them, reports them as they end and cleans up, whatever ended the run.
 *
 * Memory: the results are allocated before the first task and freed after the pool. No task ever owns what another
 * one writes to.
 */
#include "demo_server.h"
#include "fetch_input.h"
#include "fetch_options.h"
#include "fetch_progress.h"
#include "fetch_report.h"
#include "fetch_tasks.h"
#include "http_get.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <filch/filch.h>

#define EXIT_INPUT 2
#define EXIT_INTERRUPTED 130

struct fetcher {
    const struct fetch_options *options;
    struct fetch_run run;
    struct fetch_input input;
    struct fetch_result *results; /* one for each main task */
    struct fetch_get *gets;       /* of all results */
    struct fetch_report report;
    filch_pool *pool;
    struct fetch_result *next; /* in input order, the first that is not reported yet */
    double started;            /* by now() */
    double collected;          /* when collecting ended */
    double cleaned;            /* when no task was left */
};

static double now(void)
{
    return (double)filch_now() / 1e9;
}

static int complain(const char *about, int error)
{
    fprintf(stderr, "filch_fetch: %s: %s\n", about, strerror(-error));
    return error;
}

/* ---- Main tasks -------------------------------------------------------------------------------------------- */

static int submit_mains(struct fetcher *fetcher, filch_scope *scope)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < fetcher->input.count; i++) {
        filch_task_options options = FILCH_TASK_OPTIONS;
        options.name = fetcher->input.mains[i].name;
        error = filch_scope_submit_with(scope, fetch_main_task, &fetcher->results[i], &options, NULL);
    }
    return error;
}

/* Reports a main task that is over; if they are to come in input order, after those before it. */
static void tell(struct fetcher *fetcher, struct fetch_result *result)
{
    if (!fetcher->options->ordered) {
        fetch_report_result(&fetcher->report, result);
        return;
    }
    struct fetch_result *end = fetcher->results + fetcher->input.count;
    for (; fetcher->next < end && fetcher->next->state != FILCH_PENDING; fetcher->next++)
        fetch_report_result(&fetcher->report, fetcher->next);
}

/* Takes main tasks as they complete, until there are no more or an interrupt ends it. */
static void collect(struct fetcher *fetcher, filch_scope *scope)
{
    filch_future *future;
    while (filch_scope_next(scope, FILCH_FOREVER, &future) > 0) {
        struct fetch_result *result = filch_future_arg(future);
        result->state = filch_future_state(future);
        if (result->state == FILCH_FAILED)
            result->error = filch_error_ref(filch_future_error(future));
        tell(fetcher, result);
    }
}

/* Runs all main tasks. 0, or why it could not go on; *out_first is the first error of all, or NULL. */
static int run_mains(struct fetcher *fetcher, filch_error **out_first)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    options.policy = fetcher->options->policy;
    int error = filch_scope_open(&scope, fetcher->pool, &options);
    if (error != 0)
        return error;
    error = submit_mains(fetcher, scope);
    if (error != 0)
        filch_stop_request(filch_scope_stop(scope), error);
    collect(fetcher, scope);
    fetcher->collected = now();
    filch_scope_join(scope, out_first);
    fetcher->cleaned = now();
    collect(fetcher, scope);
    return error;
}

/* ---- A whole run ------------------------------------------------------------------------------------------- */

static int make_results(struct fetcher *fetcher)
{
    const struct fetch_input *input = &fetcher->input;
    fetcher->results = calloc(input->count, sizeof *fetcher->results);
    fetcher->gets = calloc(input->url_count, sizeof *fetcher->gets);
    if (!fetcher->results || !fetcher->gets)
        return -ENOMEM;
    fetcher->next = fetcher->results;
    struct fetch_get *next = fetcher->gets;
    for (size_t i = 0; i < input->count; i++) {
        const struct fetch_main *owner = &input->mains[i];
        fetcher->results[i] = (struct fetch_result) { .run = &fetcher->run, .input = owner, .gets = next };
        for (size_t j = 0; j < owner->url_count; j++)
            *next++ = (struct fetch_get) { .run = &fetcher->run, .url = owner->urls[j] };
    }
    return 0;
}

static void free_results(struct fetcher *fetcher)
{
    for (size_t i = 0; fetcher->results && i < fetcher->input.count; i++)
        filch_error_unref(fetcher->results[i].error);
    for (size_t i = 0; fetcher->gets && i < fetcher->input.url_count; i++)
        filch_error_unref(fetcher->gets[i].error);
    free(fetcher->results);
    free(fetcher->gets);
}

/* Tells what collecting has not told: how it ended, and the sums. Returns the exit status. */
static int report(struct fetcher *fetcher, int error, const filch_error *first, bool interrupted)
{
    bool failed = error != 0 || first;
    bool stopped = first && filch_error_code(first) != -ECANCELED && fetcher->options->policy == FILCH_FAIL_FAST;
    if (interrupted)
        fprintf(stderr, "filch_fetch: interrupted by user, cleaned up in %.1f ms\n",
                (fetcher->cleaned - fetcher->collected) * 1e3);
    else if (error != 0)
        complain("the run ended early", error);
    struct fetch_summary summary = {
        .results = fetcher->results,
        .count = fetcher->input.count,
        .seconds = fetcher->cleaned - fetcher->started,
        .interrupted = interrupted,
        .root = stopped ? filch_error_root(first) : NULL,
    };
    fetch_report_summary(&fetcher->report, &summary);
    error = fetch_report_end(&fetcher->report);
    if (error != 0)
        complain("standard output", error);
    if (interrupted)
        return EXIT_INTERRUPTED;
    return failed || error != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A bar, if one is wanted; without it nothing else is missing. */
static void begin_progress(struct fetcher *fetcher)
{
    struct fetch_progress *progress = NULL;
    int error = fetcher->options->progress ? fetch_progress_begin(&progress, fetcher->input.url_count) : 0;
    if (error != 0)
        complain("no progress bar", error);
    fetcher->run.progress = fetcher->report.progress = progress;
}

static void end_progress(struct fetcher *fetcher)
{
    fetch_progress_end(fetcher->report.progress);
    fetcher->run.progress = fetcher->report.progress = NULL;
}

/* Runs and reports it all under an interrupt guard. Returns the exit status. */
static int run_guarded(struct fetcher *fetcher)
{
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *first = NULL;
    int error = filch_guard_begin(&guard, filch_pool_stop(fetcher->pool));
    if (error != 0) {
        complain("interrupt guard", error);
        return EXIT_FAILURE;
    }
    begin_progress(fetcher);
    fetcher->started = fetcher->collected = fetcher->cleaned = now();
    error = run_mains(fetcher, &first);
    end_progress(fetcher);
    return report(fetcher, error, first, filch_guard_interrupted(guard));
}

/* A GET that waits for its server gives its worker away, but keeps its thread: so the threads bound the GETs. */
static int run_input(struct fetcher *fetcher)
{
    unsigned workers = fetcher->options->workers, threads = fetcher->options->connections;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.name = "fetch";
    options.workers = workers < threads ? workers : threads;
    options.spare_threads = threads - options.workers;
    options.no_spare_threads = options.spare_threads == 0;
    int status = EXIT_FAILURE;
    int error = make_results(fetcher);
    if (error == 0)
        error = filch_pool_create(&fetcher->pool, &options);
    if (error == 0)
        status = run_guarded(fetcher);
    else
        complain("pool", error);
    filch_pool_destroy(fetcher->pool);
    free_results(fetcher);
    return status;
}

/* Reads the input and runs it. Returns the exit status. */
static int fetch_from(const struct fetch_options *options, const char *base)
{
    struct fetcher fetcher = {
        .options = options,
        .run = { .options = options },
        .report = { .json = options->json, .quiet = options->quiet },
    };
    filch_error *wrong;
    int error = fetch_input_read(&fetcher.input, options->file, base, &wrong);
    if (error != 0) {
        fprintf(stderr, "filch_fetch: %s\n", filch_error_message(wrong));
        filch_error_unref(wrong);
        return error == -ENOMEM ? EXIT_FAILURE : EXIT_INPUT;
    }
    int status = run_input(&fetcher);
    fetch_input_fini(&fetcher.input);
    return status;
}

/* ---- The program ------------------------------------------------------------------------------------------- */

static int start_server(struct demo_server **out, const struct fetch_options *options)
{
    int error = demo_server_start(out, &options->demo);
    if (error != 0)
        fprintf(stderr, "filch_fetch: cannot serve %s: %s\n", options->demo.root, strerror(-error));
    return error;
}

/* Serves until SIGINT or SIGTERM. */
static int serve(const struct fetch_options *options)
{
    sigset_t quit;
    sigemptyset(&quit);
    sigaddset(&quit, SIGINT);
    sigaddset(&quit, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &quit, NULL); /* before there is a thread that one of them could kill */

    struct demo_server *server;
    if (start_server(&server, options) != 0)
        return EXIT_FAILURE;
    printf("serving %s/\n", demo_server_url(server));
    int error = fflush(stdout) == 0 ? 0 : complain("standard output", -errno);
    int signal;
    if (error == 0)
        sigwait(&quit, &signal);
    demo_server_stop(server);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int fetch(const struct fetch_options *options)
{
    struct demo_server *server = NULL;
    int status = EXIT_FAILURE;
    int error = http_init();
    if (error != 0) {
        complain("libcurl", error);
        return status;
    }
    if (!options->serve_demo || start_server(&server, options) == 0)
        status = fetch_from(options, server ? demo_server_url(server) : options->base_url);
    demo_server_stop(server);
    http_fini();
    return status;
}

int main(int argc, char **argv)
{
    struct fetch_options options;
    fetch_options_parse(&options, argc, argv);
    int status = options.file ? fetch(&options) : serve(&options);
    fetch_options_fini(&options);
    return status;
}
