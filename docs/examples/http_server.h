/* SPDX-License-Identifier: MIT */
/*
 * The parts of the server and what they tell each other. All of them run on the loop's thread; only a backend has others,
 * and what it does there touches nothing but the items of an exchange.
 *
 *     http_server.c             options, signals, the listener, shutdown
 *     http_server_connection.c  bytes in and out, timeouts
 *     http_server_sweep.c       timeouts
 *     http_server_request.c     the parser, and what a request asks for
 *     http_server_answer.c      status lines, chunks, errors
 *     http_server_work.c        the work
 *     http_server_filch.c       the backend: has filch do the work
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http_server_work.h"

#include <http_parser.h>
#include <uv.h>

struct server;

/* ---- An exchange: a request with work, and its answer ------------------------------------------------------ */

struct exchange {
    struct server *server;
    struct work_item items[WORK_MOST_ITEMS];
    size_t count;
    char *body; /* NULL: none */
    size_t body_size;
    uint64_t cost;    /* ns of CPU time, an estimate; see exchange_is_brief() */
    bool sleeps;      /* an item does */
    int64_t deadline; /* ns, CLOCK_MONOTONIC, as uv_hrtime() */
    void *backend;    /* the backend's own; NULL at first */
};

/* Who does the work. */
struct backend {
    const char *name;
    /* Returns 0, or a negative errno code after which close() is not called. */
    int (*open)(struct server *server);
    /*
     * Begins the work. From then on exchange_item() comes for each item that is finished, in that order, and at last
     * exchange_end(); neither comes before begin() has returned. -ENOBUFS: there is too much to do.
     */
    int (*begin)(struct exchange *exchange);
    /* Nobody waits for it any more: ends soon, with exchange_end() all the same. May come more than once. */
    void (*stop)(struct exchange *exchange);
    /* Frees exchange->backend. */
    void (*fini)(struct exchange *exchange);
    /* Writes its counters as lines of text; returns the length, at most size. */
    size_t (*stats)(struct server *server, char *out, size_t size);
    /* The metrics of its pools, as text that is the caller's to free. NULL: it has none, or no memory. */
    char *(*metrics)(struct server *server, size_t *length);
    /* No exchange is left. Takes its handles out of the loop, and ends its threads. */
    void (*close)(struct server *server);
};

extern const struct backend server_backend; /* of the one that is linked in */

/* So little work that nobody wants the first line before the last: one write, and one wake-up of the loop, will do. */
static inline bool exchange_is_brief(const struct exchange *exchange)
{
    return exchange->cost < 50000 && !exchange->sleeps;
}

/* What a backend tells, on the loop's thread. The text says why, and is not kept. */
void exchange_item(struct exchange *exchange, const struct work_item *item);
void exchange_end(struct exchange *exchange, int code, const char *text);

/* ---- The server -------------------------------------------------------------------------------------------- */

struct server_options {
    const char *address;
    int port, workers, queue, connections;
    int most_body;                                /* KiB */
    int most_bodies;                              /* MiB, of all connections */
    int64_t deadline, drain, idle, receive, send; /* ns */
};

struct server_counters {
    uint64_t connections; /* accepted */
    uint64_t requests;    /* whole ones, and those that were refused before they were whole */
    uint64_t answers;     /* given to the kernel to the last byte, or at least to the socket's queue */
    uint64_t hung_up;     /* exchanges whose client went away before their end */
    uint64_t rejected;    /* 503 for want of room */
    uint64_t timed_out;   /* 504 */
    uint64_t failed;      /* 422 */
    uint64_t dropped;     /* connections closed for being slow */
};

struct connection;

struct server {
    const struct server_options *options;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_signal_t terminate, interrupt;
    uv_timer_t sweep;   /* looks after all timeouts */
    uv_prepare_t flush; /* writes, once a round, what this round has put together */
    struct connection *connections, *dirty;
    int open, working;   /* connections; exchanges */
    size_t bodies;       /* bytes, of all of them */
    bool accept_waits;   /* one that is too many, or that there was no memory for */
    bool draining;       /* a signal came */
    bool cutting;        /* and the time to finish is over */
    int64_t drain_until; /* ns */
    uint64_t cut_at;     /* ms, uv_now() */
    struct server_counters counters;
    void *backend;     /* the backend's own */
    char input[65536]; /* one for all: what comes is parsed before anything else is read */
};

/* ---- Connections ------------------------------------------------------------------------------------------- */

#define CONNECTION_WORD 24 /* bytes kept of a header's name or value: more than of those that matter */

enum connection_state {
    CONNECTION_READING,   /* waits for a request, or has a part of one */
    CONNECTION_WORKING,   /* an exchange is under way */
    CONNECTION_LINGERING, /* everything was said; waits for the client's end */
    CONNECTION_CLOSED
};

struct bytes {
    char *data;
    size_t length, size;
};

struct connection {
    uv_tcp_t tcp;
    struct server *server;
    struct connection *next, **link; /* of all */
    struct connection *next_dirty;
    enum connection_state state;
    bool is_dirty, writing, read_stopped, is_shut, handle_closed;
    bool has_exchange; /* that uses this, be the client gone */
    bool close_after;  /* no further request */
    uint64_t since;    /* ms, uv_now(): the state, or a request's first byte */
    uint64_t write_since;
    struct bytes early;    /* what came after the request that is being answered */
    struct bytes out;      /* to write next */
    struct bytes in_write; /* the kernel would not take it at once */
    uv_write_t write;
    uv_shutdown_t shutdown;
    /* The request. */
    http_parser parser;
    bool has_begun, is_whole; /* of it: its first byte, all of it */
    bool in_value;            /* of a header */
    int refusal;              /* a status; 0: it is fine */
    int hosts;                /* headers of that name */
    char url[1024], name[CONNECTION_WORD], expect[CONNECTION_WORD];
    size_t url_length, name_length, expect_length;
    struct bytes body;
    /* The answer. */
    bool has_head;
    struct exchange exchange;
};

void connection_accept(struct server *server);
/* While draining: those that wait in the backlog, be they too many. Their clients may have sent a request. */
void connection_accept_last(struct server *server);
void connection_put(struct connection *connection, const char *data, size_t length);
void connection_answered(struct connection *connection); /* the last byte of an answer was put */
void connection_forget(struct connection *connection); /* closed, and perhaps its exchange was the last to use it */
void connection_end(struct connection *connection);    /* no further request, after what was put */
void connection_drop(struct connection *connection);   /* at once; what is under way is stopped */
size_t connection_unsent(const struct connection *connection); /* bytes that were put and not sent */
void connection_sweep(struct server *server);                  /* timeouts; while draining, those that can go */
void connection_flush_all(struct server *server);

/* Appends; false without memory. */
bool bytes_add(struct bytes *bytes, const char *data, size_t length);

/* ---- Requests and answers ---------------------------------------------------------------------------------- */

void request_init(struct connection *connection);
/* Parses up to the end of one request; returns how many bytes were used. Then is_whole, or it is not over yet. */
size_t request_parse(struct connection *connection, const char *data, size_t length);
void request_drop_body(struct connection *connection); /* it was used, or never will be */
/* Does what it asks for. */
void request_run(struct connection *connection);

/* A whole answer. */
void answer_text(struct connection *connection, int status, const char *type, const char *text, size_t length);
void answer_status(struct connection *connection, int status);

#endif
