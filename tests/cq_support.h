/* SPDX-License-Identifier: MIT */
/* What the tests of completion queues share: what the descriptor says, without changing that. */
#ifndef FILCH_TESTS_CQ_SUPPORT_H
#define FILCH_TESTS_CQ_SUPPORT_H

#include "support.h"

#include <poll.h>

static inline filch_cq *new_cq(void)
{
    filch_cq *cq = NULL;
    must(filch_cq_create(&cq) == 0);
    return cq;
}

static inline bool poll_cq(const filch_cq *cq, int timeout_ms)
{
    struct pollfd fd = { .fd = filch_cq_fd(cq), .events = POLLIN };
    int n;
    while ((n = poll(&fd, 1, timeout_ms)) < 0)
        must(errno == EINTR);
    return n > 0 && (fd.revents & POLLIN);
}

static inline bool is_readable(const filch_cq *cq)
{
    return poll_cq(cq, 0);
}

static inline bool is_readable_soon(const filch_cq *cq)
{
    return poll_cq(cq, -1);
}

/* How often it was signalled since it was read last. */
static inline long signals_of(const filch_cq *cq)
{
    char path[64], line[128];
    long count = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", filch_cq_fd(cq));
    FILE *stream = fopen(path, "r");
    must(stream);
    while (fgets(line, sizeof line, stream))
        if (strncmp(line, "eventfd-count:", strlen("eventfd-count:")) == 0)
            count = (long)strtoul(line + strlen("eventfd-count:"), NULL, 16);
    fclose(stream);
    must(count >= 0);
    return count;
}

/* Exactly one is there. */
static inline filch_cq_entry drain_one(filch_cq *cq)
{
    filch_cq_entry entry = { NULL, NULL };
    must(filch_cq_drain(cq, &entry, 1) == 1);
    return entry;
}

/* The next, as it comes. It may be readable once more for those that were drained before. */
static inline filch_cq_entry await_one(filch_cq *cq)
{
    filch_cq_entry entry = { NULL, NULL };
    do
        must(is_readable_soon(cq));
    while (filch_cq_drain(cq, &entry, 1) == 0);
    return entry;
}

static inline void unref_entries(filch_cq_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filch_future_unref(entries[i].future);
}

/* Who completed what was drained may signal it only now. */
static inline void await_quiet(filch_cq *cq)
{
    filch_cq_entry none;
    UNTIL(filch_cq_drain(cq, &none, 1) == 0 && !is_readable(cq));
}

/* n futures that are all final when this returns. */
static inline void add_burst(filch_cq *cq, filch_pool *pool, int n)
{
    filch_future *future = submit(pool, do_nothing, NULL);
    must(filch_join(&future, 1) == 0);
    for (int i = 0; i < n; i++)
        must(filch_cq_add(cq, future, NULL) == 0);
    filch_future_unref(future);
}

#endif
