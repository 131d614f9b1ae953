/* SPDX-License-Identifier: MIT */
/* Stream: stops, want of memory and threads, options out of range, and that endless input takes no memory. */
#include "os.h"
#include "stream.h"
#include "worker.h"

SUITE(stream_limits);

/* ---- Stops ---- */

static void expect_stopped(filch_stream *stream, const char *message)
{
    int rc = 1;
    for (int i = 0; rc == 1 && i < MOST; i++)
        rc = take_squares(stream, 1);
    cr_assert_eq(rc, -ECANCELED);
    cr_assert_eq(filch_error_code(filch_stream_error(stream)), -ECANCELED);
    cr_assert_str_eq(filch_error_message(filch_stream_error(stream)), message);
}

Test(stream_limits, once_the_stop_is_requested_nothing_more_is_taken)
{
    filch_pool *pool = pool_of(1);
    feed_of(MOST);
    filch_stream_options options = stream_options(3);
    options.stop = stop_under(NULL);
    filch_stream *stream = begin_with(pool, square, &options);
    cr_assert_eq(take_squares(stream, 5), 1);
    UNTIL(stats_of(pool).finished == 7); /* what was taken is done: the stop comes too late for it */
    filch_error *reason = filch_error_create(-EPIPE, "nobody reads it");
    filch_stop_request_error(options.stop, reason);
    filch_stop_unref(options.stop); /* the stream has its own reference */
    expect_stopped(stream, "stopped after 7 items: Broken pipe");
    cr_assert_eq(filch_error_cause(filch_stream_error(stream)), reason);
    cr_assert_eq(feed.given, 7);
    end(stream);
    filch_error_unref(reason);
    filch_pool_destroy(pool);
}

Test(stream_limits, a_stop_ends_the_tasks_that_were_taken)
{
    filch_pool *pool = pool_of(1);
    struct event gate = EVENT;
    feed_of(MOST);
    feed.gates[2] = &gate;
    filch_stream *stream = begin(pool, square, 5);
    cr_assert_eq(take_squares(stream, 2), 1);
    UNTIL(atomic_load(&feed.started[2]));
    filch_stop_request(filch_pool_stop(pool), -EINTR); /* the pool's, as none was given */
    event_signal(&gate);
    cr_assert_eq(take_squares(stream, 1), 1, "what ran ends as it likes");
    expect_stopped(stream, "stopped: Interrupted system call");
    end(stream);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&feed.started[3]), 0);
}

struct inside {
    filch_stop *stop;
    struct event waiting;
    struct event *gate;
};

/* A task that is stopped while it waits for items that are not. */
static int wait_though_stopped(filch_task *self, void *arg)
{
    struct inside *inside = arg;
    feed.thread = pthread_self();
    filch_stream_options options = stream_options(2);
    options.stop = inside->stop;
    options.timeout_ns = FILCH_SECONDS(1000); /* with a deadline nothing is run in place of the wait */
    filch_stream *stream = begin_with(filch_task_pool(self), square, &options);
    event_signal(&inside->waiting);
    must(take_squares(stream, 1) == -ECANCELED);
    must(filch_stream_error(stream) == NULL);
    event_signal(inside->gate);
    end(stream);
    return -ECANCELED;
}

Test(stream_limits, a_stop_of_the_consumer_ends_its_wait_and_not_the_stream)
{
    filch_pool *pool = pool_of(2);
    struct event gate = EVENT;
    struct inside inside = { .stop = stop_under(NULL), .waiting = EVENT, .gate = &gate };
    filch_stop *of_task = stop_under(NULL);
    feed_of(MOST);
    feed.gates[0] = &gate;
    filch_future *future = submit_under(pool, wait_though_stopped, &inside, of_task);
    event_await(&inside.waiting);
    UNTIL(atomic_load(&feed.started[0]));
    filch_stop_request(of_task, 0);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    filch_future_unref(future);
    filch_stop_unref(of_task);
    filch_stop_unref(inside.stop);
    filch_pool_destroy(pool);
}

static int stream_until_stopped(filch_task *self, void *arg)
{
    (void)arg;
    feed.thread = pthread_self();
    filch_stream *stream = begin(filch_task_pool(self), square, 2);
    must(take_squares(stream, 5) == 1);
    filch_stop_request(filch_task_stop(self), 0);
    int rc;
    while ((rc = take_squares(stream, 1)) == 1)
        continue;
    must(rc == -ECANCELED);
    must(feed.given == 6);
    end(stream);
    return rc;
}

Test(stream_limits, inside_a_task_it_has_the_stop_of_the_task)
{
    filch_pool *pool = pool_of(1);
    filch_stop *stop = stop_under(NULL);
    feed_of(MOST);
    filch_future *future = submit_under(pool, stream_until_stopped, NULL, stop);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(future), FILCH_STOPPED);
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

/* ---- Want ---- */

static bool play(filch_pool *pool, bool named)
{
    filch_stream_options options = stream_options(4);
    filch_stream *stream = NULL;
    options.name = named ? "a prefix that makes names which need a block" : NULL;
    int rc = filch_stream_begin(&stream, pool, square, give, &feed, &options);
    must(rc == 0 || rc == -ENOMEM);
    must((rc == 0) == (stream != NULL));
    if (!stream) {
        must(feed.given == 0);
        return false;
    }
    rc = take_squares(stream, MOST);
    must(rc == 0 || rc == -ENOMEM);
    if (rc) {
        must(feed.delivered == feed.given - 1);
        must(filch_error_code(filch_stream_error(stream)) == -ENOMEM);
    }
    end(stream);
    return rc == 0;
}

Test(stream_limits, whichever_allocation_fails_it_ends_after_the_results_before)
{
    for (int named = 0; named < 2; named++) {
        int failed = 0;
        for (long nth = 1, left = 0; left <= 0; nth++) {
            filch_pool *pool = pool_of(2);
            feed_of(20);
            atomic_store(&filchi_os_faults.allocations, nth);
            failed += !play(pool, named);
            left = atomic_exchange(&filchi_os_faults.allocations, 0);
            filch_pool_destroy(pool);
        }
        cr_assert_geq(failed, named ? 20 : 2, "the stream, the slab and each name: %d", failed);
    }
}

Test(stream_limits, without_a_thread_it_ends_at_the_first_item)
{
    filch_pool *pool = pool_of(2);
    feed_of(20);
    filch_stream *stream = begin(pool, square, 4);
    atomic_store(&filchi_os_faults.threads, -1);
    cr_assert_eq(take_squares(stream, 1), -EAGAIN);
    atomic_store(&filchi_os_faults.threads, 0);
    cr_assert_eq(filch_error_code(filch_stream_error(stream)), -EAGAIN);
    cr_assert_eq(feed.given, 1);
    end(stream);
    filch_pool_destroy(pool);
}

Test(stream_limits, arguments_out_of_range_are_refused_and_nothing_is_taken)
{
    filch_pool *pool = pool_of(1);
    filch_stream *stream = NULL;
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    struct {
        filch_stream_options known;
        size_t later;
    } newer = { FILCH_STREAM_OPTIONS, 1 };
    newer.known.size = sizeof newer;
    feed_of(1);
    cr_assert_eq(filch_stream_begin(&stream, NULL, square, give, &feed, NULL), -EINVAL);
    cr_assert_eq(filch_stream_begin(&stream, pool, NULL, give, &feed, NULL), -EINVAL);
    cr_assert_eq(filch_stream_begin(&stream, pool, square, NULL, &feed, NULL), -EINVAL);
    cr_assert_eq(filch_stream_begin(&stream, pool, square, give, &feed, &newer.known), -E2BIG);
    options.window = SIZE_MAX;
    cr_assert_eq(filch_stream_begin(&stream, pool, square, give, &feed, &options), -ENOMEM);
    options.size = 0;
    cr_assert_eq(filch_stream_begin(&stream, pool, square, give, &feed, &options), -EINVAL);
    cr_assert_null(stream);
    cr_assert_eq(feed.given, 0);
    filch_pool_destroy(pool);
}

static int give_numbers(void *arg, void **item)
{
    *item = arg;
    return 1;
}

Test(stream_limits, items_that_nobody_wants_back_are_forgotten_by_a_stream_that_cannot_go_on)
{
    filch_pool *pool = pool_of(1);
    filch_stream *stream = NULL;
    void *result = NULL;
    int rc = 1;
    must(filch_stream_begin(&stream, pool, return_arg, give_numbers, pool, NULL) == 0);
    cr_assert_eq(filch_stream_next(stream, &result), 1);
    filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL);
    for (int i = 0; rc == 1 && i < MOST; i++)
        rc = filch_stream_next(stream, &result);
    cr_assert_eq(rc, -ESHUTDOWN);
    filch_stream_cleanup(&stream);
    filch_pool_destroy(pool);
}
