/* SPDX-License-Identifier: MIT */
/* What the server can be asked to do: its requests, and the work itself, which knows neither sockets nor thread pools. */
#ifndef HTTP_SERVER_WORK_H
#define HTTP_SERVER_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum work_kind { WORK_HASH, WORK_GUNZIP, WORK_SLEEP };

#define WORK_MOST_ITEMS 64          /* of one request: so an answer has a bound as well */
#define WORK_MOST_HASH (64u << 20)  /* bytes, of one item */
#define WORK_MOST_SLEEP 60000u      /* milliseconds */
#define WORK_MOST_GUNZIP (1u << 30) /* bytes that a body may grow to */
#define WORK_LINE 128               /* bytes that a line takes at most */

struct exchange;

/* One piece of work of a request. */
struct work_item {
    enum work_kind kind;
    uint64_t amount;           /* bytes to hash, or milliseconds to sleep */
    struct exchange *exchange; /* for the backend; not used here */
    /* What came out. */
    uint64_t bytes, lines, words;
    uint32_t checksum;
    const char *why; /* a failure; static */
};

/* What the work needs of the thread pool that runs it. */
struct work_host {
    bool (*stopped)(void *self);
    int (*sleep)(void *self, uint64_t milliseconds); /* 0, or -ECANCELED as soon as it is stopped */
    void *self;
};

/*
 * Reads ITEM&ITEM..., where an ITEM is hash=BYTES, sleep=MILLISECONDS or gunzip, into items[*count] and on.
 * Returns 0, -EINVAL (not of this form) or -E2BIG (more than WORK_MOST_ITEMS).
 */
int work_parse(const char *query, size_t length, struct work_item *items, size_t *count);

/* An estimate of the CPU time that the item takes, in nanoseconds. */
uint64_t work_cost(const struct work_item *item, size_t body_size);

/*
 * Does it. Returns 0; -ECANCELED once the host says so; or a negative code, with item->why: -EFBIG (over a limit), -EBADMSG
 * (the body is not gzip), -ENOMEM. Context: any thread.
 */
int work_run(struct work_item *item, const char *body, size_t body_size, const struct work_host *host);

/* Writes what came of an item as a line, "INDEX hash BYTES CHECKSUM" for example; returns its length. */
size_t work_line(const struct work_item *item, size_t index, char out[WORK_LINE]);

#endif
