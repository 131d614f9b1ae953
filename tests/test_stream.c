/* SPDX-License-Identifier: MIT */
/* Stream: input order, the window, who owns what, and how it ends. */
#include "stream.h"

SUITE(stream);

static const unsigned workers[] = { 1, 2, 3, 16 };
#define FOR_WORKERS(pool)                                                                    \
    for (size_t of_workers = 0; of_workers < sizeof workers / sizeof *workers; of_workers++) \
        for (filch_pool *pool = pool_of(workers[of_workers]); pool; filch_pool_destroy(pool), pool = NULL)

/* ---- Order ---- */

Test(stream, results_keep_the_order_of_the_input_whatever_the_window)
{
    static const size_t windows[] = { 0, 1, 2, 7, MOST - 1, MOST, MOST + 1, 10000 };
    FOR_WORKERS(pool)
    {
        for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
            feed_of(MOST);
            filch_stream *stream = begin(pool, square, windows[i]);
            cr_assert_eq(take_squares(stream, MOST + 1), 0);
            cr_assert_eq(feed.delivered, MOST);
            cr_assert_null(filch_stream_error(stream));
            end(stream);
        }
    }
}

Test(stream, a_later_result_that_is_there_first_waits_its_turn)
{
    filch_pool *pool = pool_of(2);
    struct event first = EVENT;
    feed_of(10);
    feed.gates[0] = &first;
    filch_stream_options options = stream_options(10);
    options.timeout_ns = A_WHILE;
    filch_stream *stream = begin_with(pool, square, &options);
    cr_assert_eq(take_squares(stream, 1), -ETIMEDOUT);
    UNTIL(stats_of(pool).finished == 9);
    event_signal(&first);
    UNTIL(stats_of(pool).finished == 10);
    cr_assert_eq(take_squares(stream, 10), 1);
    end(stream);
    filch_pool_destroy(pool);
}

Test(stream, of_nothing_it_is_over_and_submits_nothing)
{
    filch_pool *pool = pool_of(1);
    void *result = &feed;
    feed_of(0);
    filch_stream *stream = begin(pool, square, 3);
    cr_assert_eq(filch_stream_next(stream, &result), 0);
    cr_assert_eq(filch_stream_next(stream, &result), 0, "the end stays the end");
    cr_assert_eq(result, &feed);
    cr_assert_null(filch_stream_error(stream));
    end(stream);
    filch_stream_end(NULL);
    cr_assert_eq(stats_of(pool).submitted, 0);
    filch_pool_destroy(pool);
}

/* ---- The window ---- */

Test(stream, the_window_is_filled_before_the_wait_and_never_exceeded)
{
    FOR_WORKERS(pool)
    {
        for (int window = 1; window < 6; window++) {
            feed_of(100);
            filch_stream *stream = begin(pool, square, (size_t)window);
            cr_assert_eq(feed.given, 0, "nothing is taken at the beginning");
            for (int i = 0; i < 100; i++) {
                cr_assert_eq(take_squares(stream, 1), 1);
                cr_assert_eq(feed.given, i + window < 100 ? i + window : 100);
            }
            cr_assert_eq(feed.most_out, window);
            end(stream);
        }
    }
}

Test(stream, by_default_the_window_is_four_a_worker)
{
    filch_pool *pool = pool_of(3);
    feed_of(100);
    filch_stream *stream = begin(pool, square, 0);
    cr_assert_eq(take_squares(stream, 1), 1);
    cr_assert_eq(feed.given, 12);
    end(stream);
    filch_pool_destroy(pool);
}

/* ---- Ownership ---- */

static void free_result(void *result)
{
    atomic_fetch_sub(&feed.results, 1);
    free(result);
}

/* Its result is a block that refers to the item. */
static int return_block(filch_task *self, void *item)
{
    void **block = malloc(sizeof *block);
    must(block);
    *block = item;
    atomic_fetch_add(&feed.results, 1);
    return filch_return_owned(self, block, free_result);
}

Test(stream, an_owned_result_and_its_item_are_valid_until_the_next_call)
{
    filch_pool *pool = pool_of(2);
    feed_of(50);
    filch_stream *stream = begin(pool, return_block, 5);
    void *result = NULL;
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(filch_stream_next(stream, &result), 1);
        cr_assert_eq(number_of(*(void **)result), i);
        cr_assert_eq(feed.freed[i], 0);
        cr_assert_eq(feed.given_away, i);
    }
    cr_assert_eq(filch_stream_next(stream, &result), 0);
    cr_assert_eq(feed.given_away, 50);
    end(stream);
    filch_pool_destroy(pool);
}

Test(stream, it_may_end_at_any_point_and_frees_what_was_not_delivered)
{
    filch_pool *pool = pool_of(2);
    for (int taken = 0; taken <= 20; taken++) {
        feed_of(20);
        filch_stream *stream = begin(pool, return_block, 6);
        for (int i = 0; i < taken; i++)
            cr_assert_eq(filch_stream_next(stream, NULL), 1);
        end(stream);
        memset(&feed, 0xFF, sizeof feed); /* nothing may use it any more */
    }
    filch_pool_destroy(pool);
}

struct ending {
    filch_stream *stream;
    _Atomic pid_t tid;
};

static void *end_elsewhere(void *arg)
{
    struct ending *ending = arg;
    feed.thread = pthread_self();
    atomic_store(&ending->tid, gettid());
    end(ending->stream);
    return NULL;
}

Test(stream, the_end_cancels_what_has_not_started_and_awaits_what_runs)
{
    filch_pool *pool = pool_of(1);
    struct event gate = EVENT;
    pthread_t thread;
    feed_of(5);
    feed.gates[0] = &gate;
    filch_stream_options options = stream_options(5);
    options.timeout_ns = A_WHILE;
    struct ending ending = { .stream = begin_with(pool, square, &options) };
    cr_assert_eq(filch_stream_next(ending.stream, NULL), -ETIMEDOUT);
    UNTIL(atomic_load(&feed.started[0]));
    must(pthread_create(&thread, NULL, end_elsewhere, &ending) == 0);
    UNTIL(atomic_load(&ending.tid));
    until_asleep(atomic_load(&ending.tid));
    event_signal(&gate); /* square() looks at its item again */
    pthread_join(thread, NULL);
    filch_pool_destroy(pool);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(atomic_load(&feed.started[i]), i == 0);
}

/* ---- Errors ---- */

static void expect_failure(filch_stream *stream, int code, const char *message)
{
    void *result = &feed;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(filch_stream_next(stream, &result), code);
        cr_assert_eq(result, &feed, "an output is untouched on failure");
        cr_assert_eq(filch_error_code(filch_stream_error(stream)), code);
        cr_assert_str_eq(filch_error_message(filch_stream_error(stream)), message);
    }
}

Test(stream, results_before_an_error_are_delivered_then_the_error_each_time)
{
    FOR_WORKERS(pool)
    {
        feed_of(50);
        feed.bad = 30;
        filch_stream_options options = stream_options(8);
        char name[] = "square";
        options.name = name;
        filch_stream *stream = begin_with(pool, square, &options);
        memset(name, '-', sizeof name); /* it was copied */
        cr_assert_eq(take_squares(stream, 30), 1);
        cr_assert_null(filch_stream_error(stream));
        expect_failure(stream, -EIO, "no square of 30");
        cr_assert_str_eq(filch_error_task(filch_stream_error(stream)), "square-30");
        cr_assert_eq(feed.given, 38);
        end(stream);
    }
}

static int fail_all(filch_task *self, void *item)
{
    int number = number_of(item);
    if (number == 0)
        event_await(feed.gates[0]);
    int rc = filch_fail(self, -(100 + number), "item %d", number);
    if (number == 3)
        event_signal(feed.gates[0]);
    return rc;
}

Test(stream, the_first_error_by_index_ends_it_whatever_fails_first)
{
    filch_pool *pool = pool_of(2);
    struct event last = EVENT;
    feed_of(4);
    feed.gates[0] = &last;
    feed.code = -EPIPE;
    filch_stream *stream = begin(pool, fail_all, 8);
    expect_failure(stream, -100, "item 0");
    end(stream);
    filch_pool_destroy(pool);
}

Test(stream, after_an_error_items_that_have_not_started_do_not)
{
    filch_pool *pool = pool_of(1);
    struct event gate = EVENT;
    feed_of(20);
    feed.bad = 0;
    feed.gates[1] = &gate;
    filch_stream *stream = begin(pool, square, 8);
    expect_failure(stream, -EIO, "no square of 0");
    event_signal(&gate);
    UNTIL(stats_of(pool).finished == 8);
    end(stream);
    filch_pool_destroy(pool);
    cr_assert_eq(feed.given, 8);
    for (int i = 2; i < 8; i++)
        cr_assert_eq(atomic_load(&feed.started[i]), 0);
}

static int fail_plainly(filch_task *self, void *item)
{
    return number_of(item) == 7 ? -EIO : square(self, item);
}

Test(stream, a_plain_code_becomes_an_error_that_tells_the_item)
{
    filch_pool *pool = pool_of(2);
    feed_of(10);
    filch_stream *stream = begin(pool, fail_plainly, 3);
    cr_assert_eq(take_squares(stream, 7), 1);
    expect_failure(stream, -EIO, "item 7 failed");
    end(stream);
    filch_pool_destroy(pool);
}

Test(stream, an_error_of_the_source_comes_after_the_results_before_it)
{
    FOR_WORKERS(pool)
    {
        feed_of(10);
        feed.code = -EPIPE;
        filch_stream *stream = begin(pool, square, 4);
        cr_assert_eq(take_squares(stream, 10), 1);
        expect_failure(stream, -EPIPE, "the source failed after 10 items");
        end(stream);
    }
}

Test(stream, on_a_pool_that_is_shut_it_ends_after_what_was_taken)
{
    filch_pool *pool = pool_of(1);
    feed_of(10);
    filch_stream *stream = begin(pool, square, 3);
    cr_assert_eq(take_squares(stream, 2), 1);
    must(filch_pool_shutdown(pool, 0, 0, NULL) == 0);
    cr_assert_eq(take_squares(stream, 2), 1);
    expect_failure(stream, -ESHUTDOWN, "item 4 could not be submitted");
    end(stream);
    filch_pool_destroy(pool);
}

Test(stream, a_shutdown_that_cancels_ends_it)
{
    filch_pool *pool = pool_of(1);
    struct event gate = EVENT;
    feed_of(10);
    feed.gates[0] = &gate;
    filch_stream_options options = stream_options(3);
    options.timeout_ns = A_WHILE;
    filch_stream *stream = begin_with(pool, square, &options);
    cr_assert_eq(filch_stream_next(stream, NULL), -ETIMEDOUT);
    UNTIL(atomic_load(&feed.started[0]));
    filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL);
    event_signal(&gate);
    UNTIL(stats_of(pool).finished == 3);
    cr_assert_eq(take_squares(stream, 1), 1);
    expect_failure(stream, -ECANCELED, "cancelled before it started");
    end(stream);
    filch_pool_destroy(pool);
}

/* ---- Time ---- */

Test(stream, after_a_timeout_what_was_taken_is_delivered_but_no_more)
{
    filch_pool *pool = pool_of(1);
    struct event gate = EVENT;
    void *result = &feed;
    feed_of(10);
    feed.gates[0] = &gate;
    filch_stream_options options = stream_options(4);
    options.timeout_ns = A_WHILE;
    filch_stream *stream = begin_with(pool, square, &options);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(filch_stream_next(stream, &result), -ETIMEDOUT);
        cr_assert_eq(result, &feed);
        cr_assert_null(filch_stream_error(stream), "the wait ended, the stream did not");
    }
    event_signal(&gate);
    UNTIL(stats_of(pool).finished == 4);
    cr_assert_eq(take_squares(stream, 4), 1);
    expect_failure(stream, -ETIMEDOUT, "out of time after 4 items");
    end(stream);
    filch_pool_destroy(pool);
}

Test(stream, when_the_time_is_over_before_it_began_nothing_is_taken)
{
    filch_pool *pool = pool_of(1);
    feed_of(10);
    filch_stream_options options = stream_options(3);
    options.timeout_ns = 0;
    filch_stream *stream = begin_with(pool, square, &options);
    expect_failure(stream, -ETIMEDOUT, "out of time after 0 items");
    end(stream);
    cr_assert_eq(feed.given, 0);
    filch_pool_destroy(pool);
}
