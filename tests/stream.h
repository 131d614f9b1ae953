/* SPDX-License-Identifier: MIT */
/* What the tests of streams share: a source that keeps account of its items, and tasks that do as told. */
#ifndef FILCH_TESTS_STREAM_H
#define FILCH_TESTS_STREAM_H

#include "support.h"

#define MOST 400 /* items of a feed */
/* Time to fill a window, on a busy machine too; a wait that is in vain takes it all. */
#define A_WHILE FILCH_MS(100)

/* Numbers from 0 on. */
struct feed {
    int n;                     /* items; MOST at most */
    int code;                  /* what the source returns after them: 0, or negative */
    int bad;                   /* the item whose task fails with -EIO; none: negative */
    struct event *gates[MOST]; /* items whose tasks wait */
    int given, given_away;     /* by the source; item_dtor calls */
    int delivered, most_out;   /* results taken; most items ever given and not delivered */
    bool ended;                /* the source returned no item */
    pthread_t thread;          /* that may call source and item_dtor */
    int freed[MOST];
    _Atomic int started[MOST], results; /* owned results alive */
};

/* Where the source, the tasks and item_dtor find the feed; only one test runs in a process. */
static struct feed feed;

static inline void feed_of(int n)
{
    memset(&feed, 0, sizeof feed);
    feed.n = n;
    feed.bad = -1;
    feed.thread = pthread_self();
}

static inline void *item_of(int number)
{
    return &feed.freed[number];
}

static inline int number_of(const void *item)
{
    return (int)((const int *)item - feed.freed);
}

static inline int give(void *arg, void **item)
{
    must(arg == &feed);
    must(pthread_equal(pthread_self(), feed.thread));
    must(!feed.ended);
    if (feed.given == feed.n) {
        feed.ended = true;
        return feed.code;
    }
    *item = item_of(feed.given++);
    if (feed.given - feed.delivered > feed.most_out)
        feed.most_out = feed.given - feed.delivered;
    return 1;
}

static inline void take_back(void *item)
{
    must(pthread_equal(pthread_self(), feed.thread));
    must(feed.freed[number_of(item)]++ == 0);
    feed.given_away++;
}

/* Squares its number, or fails. */
static inline int square(filch_task *self, void *item)
{
    int number = number_of(item);
    must(feed.freed[number] == 0);
    atomic_fetch_add(&feed.started[number], 1);
    if (feed.gates[number])
        event_await(feed.gates[number]);
    if (number == feed.bad)
        return filch_fail(self, -EIO, "no square of %d", number);
    return filch_return(self, (void *)((intptr_t)number * number));
}

static inline filch_stream_options stream_options(size_t window)
{
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    options.window = window;
    options.item_dtor = take_back;
    return options;
}

static inline filch_stream *begin_with(filch_pool *pool, filch_fn *fn, const filch_stream_options *options)
{
    filch_stream *stream = NULL;
    must(filch_stream_begin(&stream, pool, fn, give, &feed, options) == 0);
    return stream;
}

static inline filch_stream *begin(filch_pool *pool, filch_fn *fn, size_t window)
{
    filch_stream_options options = stream_options(window);
    return begin_with(pool, fn, &options);
}

/* Takes results while there are, which must be the right ones. Returns what came instead of one. */
static inline int take_squares(filch_stream *stream, int most)
{
    int rc = 1;
    for (void *result; most > 0 && (rc = filch_stream_next(stream, &result)) == 1; most--) {
        must((intptr_t)result == (intptr_t)feed.delivered * feed.delivered);
        feed.delivered++;
    }
    return rc;
}

/* Ends it; then each item that was given was given back, once. */
static inline void end(filch_stream *stream)
{
    filch_stream_end(stream);
    must(feed.given_away == feed.given);
    for (int i = 0; i < feed.given; i++)
        must(feed.freed[i] == 1);
    must(atomic_load(&feed.results) == 0);
}

#endif
