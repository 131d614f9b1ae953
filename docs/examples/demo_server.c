/* SPDX-License-Identifier: MIT */
/*
 * The demo server, on libmicrohttpd.
 *
 * Each connection has a thread, so a delayed answer simply waits and holds up no other. The wait ends early when
 * the server stops: demo_server_stop() joins those threads, and must not take as long as the longest delay.
 */
#include "demo_server.h"

#include "demo_files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_DELAY_MS 3600000u
#define IDLE_SECONDS 30u

struct demo_server {
    struct demo_options options;
    struct demo_files *files;
    struct MHD_Daemon *daemon;
    int refusing; /* socket bound to the port that refuses connections */
    uint16_t refusing_port;
    char url[sizeof "http://127.0.0.1:65535"];
    pthread_mutex_t lock;
    pthread_cond_t stopped; /* by CLOCK_MONOTONIC */
    bool stopping;          /* under lock */
    unsigned *applied;      /* under lock: how often each rule was, of those that end */
};

/* ---- What a path asks for ---------------------------------------------------------------------------------- */

enum form { FILE_FORM, TASK_FORM, STATUS_FORM, RESET_FORM, REFUSE_FORM };

struct plan {
    enum form form;
    unsigned delay_ms;
    unsigned value;   /* the status, or which small file */
    const char *path; /* what is left after the delays */
};

/* Reads digits at *cursor and moves it behind them; false if there are none or the number is above `most`. */
static bool read_number(const char **cursor, unsigned most, unsigned *out)
{
    const char *digits = *cursor;
    unsigned number = 0;
    for (; **cursor >= '0' && **cursor <= '9'; (*cursor)++) {
        unsigned digit = (unsigned)(**cursor - '0');
        if (number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return *cursor != digits;
}

/* If *cursor begins with `prefix`, moves it behind that. */
static bool skip(const char **cursor, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(*cursor, prefix, length) != 0)
        return false;
    *cursor += length;
    return true;
}

/* Whether rule i, whose path is asked for, still holds. */
static bool holds(struct demo_server *server, size_t i)
{
    unsigned times = server->options.rules[i].times;
    if (times == 0)
        return true;
    pthread_mutex_lock(&server->lock);
    bool holds = server->applied[i] < times;
    server->applied[i] += holds;
    pthread_mutex_unlock(&server->lock);
    return holds;
}

static void apply_rules(struct demo_server *server, const char *path, struct plan *plan)
{
    static const enum form forms[] = {
        [DEMO_STATUS] = STATUS_FORM,
        [DEMO_RESET] = RESET_FORM,
        [DEMO_REFUSE] = REFUSE_FORM,
    };
    for (size_t i = 0; i < server->options.rule_count; i++) {
        const struct demo_rule *rule = &server->options.rules[i];
        if (strcmp(rule->path, path) != 0 || !holds(server, i))
            continue;
        if (rule->action == DEMO_DELAY) {
            plan->delay_ms += rule->value;
            continue;
        }
        plan->form = forms[rule->action];
        plan->value = rule->value;
    }
}

/* Takes the leading /delay/MS off the path. */
static void take_delays(struct plan *plan)
{
    unsigned ms;
    for (const char *cursor = plan->path;
         skip(&cursor, "/delay/") && read_number(&cursor, MAX_DELAY_MS, &ms) && cursor[0] == '/';) {
        plan->delay_ms += ms;
        plan->path = cursor;
    }
}

static enum form form_of(const char *path, unsigned *value)
{
    unsigned task, i;
    const char *cursor = path;
    if (skip(&cursor, "/reset/"))
        return RESET_FORM;
    if (skip(&cursor, "/refuse/"))
        return REFUSE_FORM;
    if (skip(&cursor, "/status/") && read_number(&cursor, 599, value) && cursor[0] == '\0' && *value >= 200)
        return STATUS_FORM;
    cursor = path;
    if (skip(&cursor, "/task") && read_number(&cursor, 1000000, &task) && skip(&cursor, "/") &&
        read_number(&cursor, 1000000, &i) && cursor[0] == '\0') {
        *value = task + i;
        return TASK_FORM;
    }
    return FILE_FORM;
}

static struct plan make_plan(struct demo_server *server, const char *path)
{
    struct plan plan = { .form = FILE_FORM, .path = path };
    apply_rules(server, path, &plan);
    take_delays(&plan);
    if (plan.form == FILE_FORM)
        plan.form = form_of(plan.path, &plan.value);
    return plan;
}

/* ---- Answers ----------------------------------------------------------------------------------------------- */

/* Waits; false if the server stops meanwhile. */
static bool delay(struct demo_server *server, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;

    pthread_mutex_lock(&server->lock);
    int rc = 0;
    while (!server->stopping && rc == 0)
        rc = pthread_cond_timedwait(&server->stopped, &server->lock, &until);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return !stopping;
}

static enum MHD_Result answer_with(struct MHD_Connection *connection, unsigned status,
                                   struct MHD_Response *response)
{
    if (!response)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_status(struct MHD_Connection *connection, unsigned status)
{
    char body[64];
    int length = snprintf(body, sizeof body, "%u %s\n", status, MHD_get_reason_phrase_for(status));
    return answer_with(connection, status,
                       MHD_create_response_from_buffer((size_t)length, body, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result answer_file(struct demo_server *server, struct MHD_Connection *connection,
                                   const struct plan *plan)
{
    int fd;
    uint64_t size;
    int error = plan->form == TASK_FORM ? demo_files_open_small(server->files, plan->value, &fd, &size)
                                        : demo_files_open(server->files, plan->path, &fd, &size);
    if (error != 0)
        return answer_status(connection, error == -ENOENT ? MHD_HTTP_NOT_FOUND : MHD_HTTP_FORBIDDEN);
    struct MHD_Response *response = MHD_create_response_from_fd64(size, fd);
    if (!response)
        close(fd);
    return answer_with(connection, MHD_HTTP_OK, response);
}

/*
 * Ends the connection as a crashed peer would: with a RST, and without a word. Dissolving the association does that
 * here and now; SO_LINGER would not do, for libmicrohttpd shuts the socket down first, and the FIN goes out alone.
 */
static enum MHD_Result reset(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct sockaddr nobody = { .sa_family = AF_UNSPEC };
    if (info)
        (void)connect(info->connect_fd, &nobody, sizeof nobody); /* else MHD_NO closes it, without the RST */
    return MHD_NO;
}

static enum MHD_Result refuse(const struct demo_server *server, struct MHD_Connection *connection)
{
    char location[64];
    snprintf(location, sizeof location, "http://127.0.0.1:%u/", server->refusing_port);
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response && MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, location) != MHD_YES) {
        MHD_destroy_response(response);
        response = NULL;
    }
    return answer_with(connection, MHD_HTTP_TEMPORARY_REDIRECT, response);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)version, (void)upload, (void)upload_size, (void)state;
    struct demo_server *server = arg;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_status(connection, MHD_HTTP_METHOD_NOT_ALLOWED);
    struct plan plan = make_plan(server, path);
    if (plan.delay_ms > 0 && !delay(server, plan.delay_ms))
        return MHD_NO;
    switch (plan.form) {
    case STATUS_FORM:
        return answer_status(connection, plan.value);
    case RESET_FORM:
        return reset(connection);
    case REFUSE_FORM:
        return refuse(server, connection);
    default:
        return answer_file(server, connection, &plan);
    }
}

/* ---- Starting and stopping --------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in) {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static int bind_refusing(struct demo_server *server)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    server->refusing = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->refusing < 0 || bind(server->refusing, (struct sockaddr *)&address, length) != 0 ||
        getsockname(server->refusing, (struct sockaddr *)&address, &length) != 0)
        return -errno;
    server->refusing_port = ntohs(address.sin_port);
    return 0;
}

static int start_daemon(struct demo_server *server)
{
    struct sockaddr_in address = loopback(server->options.port);
    /* The threads inherit the mask: Ctrl-C belongs to the main thread, and a closed pipe is a return value. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = 0;
    server->daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL,
                                      answer, server, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_TIMEOUT,
                                      IDLE_SECONDS, MHD_OPTION_END);
    int error = server->daemon ? 0 : errno != 0 ? -errno : -EIO;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return error;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (!info)
        return -EIO;
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", info->port);
    return 0;
}

int demo_server_start(struct demo_server **out, const struct demo_options *options)
{
    struct demo_server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->options = *options;
    server->refusing = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&server->lock, NULL);

    server->applied = calloc(options->rule_count + 1, sizeof *server->applied);
    int error = server->applied ? demo_files_create(&server->files, options->root) : -ENOMEM;
    if (error == 0)
        error = bind_refusing(server);
    if (error == 0)
        error = start_daemon(server);
    if (error == 0)
        *out = server;
    else
        demo_server_stop(server);
    return error;
}

const char *demo_server_url(const struct demo_server *server)
{
    return server->url;
}

void demo_server_stop(struct demo_server *server)
{
    if (!server)
        return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->stopped);
    pthread_mutex_unlock(&server->lock);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    if (server->refusing >= 0)
        close(server->refusing);
    demo_files_destroy(server->files);
    pthread_cond_destroy(&server->stopped);
    pthread_mutex_destroy(&server->lock);
    free(server->applied);
    free(server);
}
