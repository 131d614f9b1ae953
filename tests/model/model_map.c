/* SPDX-License-Identifier: MIT */
/*
 * Maps and streams: pullers that claim chunks, and take them from each other, against the consumer that looks, sleeps,
 * fails and leaves early. Each element is handled at most once, and what the consumer is given was written before.
 */
#include "small.h"

#define MOST 14

static unsigned inputs[MOST], outputs[MOST]; /* plain */
static filch_stop *stop;

static void begin_map(unsigned workers, unsigned threads)
{
    stop = NULL;
    begin_with(workers, threads, true);
    for (unsigned i = 0; i < MOST; i++) {
        inputs[i] = i;
        outputs[i] = 0;
    }
}

static void begin_one(void)
{
    begin_map(1, 1);
}

static void begin_two(void)
{
    begin_map(2, 1);
}

/* An element adds to its output: twice would be seen. */
static int ten_more(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    linger(2);
    *(unsigned *)out += *(const unsigned *)in + 10;
    return 0;
}

static void check_outputs(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        model_check(outputs[i] == i + 10);
}

static int map(filch_map_fn *fn, unsigned n, filch_error **error)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    options.chunk = 1;
    options.stop = stop;
    return filch_map(pool, fn, NULL, inputs, sizeof inputs[0], outputs, sizeof outputs[0], n, &options, error);
}

static filch_mapping *begin_mapping(unsigned n)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping = NULL;
    options.chunk = 1;
    model_check(filch_mapping_begin(&mapping, pool, ten_more, NULL, inputs, sizeof inputs[0], outputs,
                                    sizeof outputs[0], n, &options) == 0);
    return mapping;
}

static void next_is(filch_mapping *mapping, unsigned i)
{
    void *item = NULL;
    model_check(filch_mapping_next(mapping, &item) == 1);
    model_check(item == &outputs[i] && outputs[i] == i + 10);
}

/* ---- All at once ---- */

static void map_all(unsigned i)
{
    (void)i;
    model_check(map(ten_more, 3, NULL) == 0);
    check_outputs(3);
    leave();
}

/* ---- One by one ---- */

static void map_each(unsigned i)
{
    (void)i;
    filch_mapping *mapping = begin_mapping(4);
    void *item = NULL;
    for (unsigned j = 0; j < 4; j++) {
        linger(30);
        next_is(mapping, j);
    }
    model_check(filch_mapping_next(mapping, &item) == 0);
    filch_mapping_end(mapping);
    leave();
}

/* ---- Left early: nothing runs after the end ---- */

static void map_some(unsigned i)
{
    (void)i;
    filch_mapping *mapping = begin_mapping(4);
    next_is(mapping, 0);
    linger(20);
    filch_mapping_end(mapping);
    for (unsigned j = 0; j < MOST; j++)
        outputs[j] = 0;
    leave();
}

/* ---- Failures and stops ---- */

static int second_fails(filch_task *self, const void *in, void *out, void *arg)
{
    (void)ten_more(self, in, out, arg);
    return *(const unsigned *)in == 1 ? -EIO : 0;
}

static void map_failing(unsigned i)
{
    (void)i;
    filch_error *error = NULL;
    model_check(map(second_fails, 4, &error) == -EIO);
    model_check(error && filch_error_code(error) == -EIO);
    filch_error_unref(error);
    check_outputs(2);
    for (unsigned j = 2; j < MOST; j++)
        model_check(outputs[j] == 0 || outputs[j] == j + 10);
    leave();
}

static void begin_stopped(void)
{
    begin_map(1, 2);
    model_check(filch_stop_create(&stop, NULL) == 0);
    filch_stop_ref(stop);
}

static void map_stopped(unsigned i)
{
    if (i == 1) {
        linger(60);
        filch_stop_request(stop, -EINTR);
        filch_stop_unref(stop);
        leave();
        return;
    }
    int rc = map(ten_more, 3, NULL);
    model_check(rc == 0 || rc == -ECANCELED);
    if (rc == 0)
        check_outputs(3);
    for (unsigned j = 0; j < MOST; j++)
        outputs[j] = 0;
    filch_stop_unref(stop);
    leave();
}

/* ---- The consumer is a task ---- */

static int consume(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    filch_mapping *mapping = begin_mapping(3);
    for (unsigned i = 0; i < 3; i++)
        next_is(mapping, i);
    filch_mapping_end(mapping);
    runs[0]++;
    return 0;
}

static void run_one(filch_fn *fn)
{
    filch_future *future = NULL;
    model_check(filch_submit(pool, fn, NULL, &future) == 0);
    model_check(filch_future_wait(future, FILCH_FOREVER) == 0);
    model_check(runs[0] == 1);
    settle(future, &runs[0]);
    leave();
}

static void map_inside(unsigned i)
{
    (void)i;
    run_one(consume);
}

/* ---- So many that a puller has several, and another one takes of them ---- */

static _Atomic unsigned begun, waits;

static void begin_long(void)
{
    begin_map(2, 1);
    atomic_init(&begun, 0);
    atomic_init(&waits, 0);
}

/* One in the middle, perhaps the first of its run, goes on only when about all others have begun. */
static int one_takes_long(filch_task *self, const void *in, void *out, void *arg)
{
    unsigned i = *(const unsigned *)in;
    atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed);
    if (i >= 2 && i < 8 && model_choose(2) == 0 && !atomic_exchange_explicit(&waits, 1, memory_order_relaxed)) {
        for (unsigned n = 0; n < 400 && atomic_load_explicit(&begun, memory_order_relaxed) < MOST - 2; n++)
            model_yield();
        linger(60);
    }
    return ten_more(self, in, out, arg);
}

static void map_long(unsigned i)
{
    (void)i;
    model_check(map(one_takes_long, MOST, NULL) == 0);
    check_outputs(MOST);
    leave();
}

/* ---- Streams ---- */

#define ITEMS 3

static unsigned taken, dropped;

static int source(void *arg, void **item)
{
    (void)arg;
    if (taken == ITEMS)
        return 0;
    *item = &inputs[taken++];
    return 1;
}

static void drop(void *item)
{
    *(unsigned *)item = 0;
    dropped++;
}

static int one_more(filch_task *self, void *arg)
{
    unsigned *item = arg;
    ++*item;
    return filch_return(self, item);
}

static void stream(size_t window, unsigned until)
{
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    filch_stream *stream = NULL;
    void *result = NULL;
    options.window = window;
    options.item_dtor = drop;
    taken = dropped = 0;
    model_check(filch_stream_begin(&stream, pool, one_more, source, NULL, &options) == 0);
    for (unsigned i = 0; i < until; i++) {
        model_check(filch_stream_next(stream, &result) == 1);
        model_check(result == &inputs[i] && inputs[i] == i + 1);
        linger(4);
    }
    if (until == ITEMS)
        model_check(filch_stream_next(stream, &result) == 0);
    filch_stream_end(stream);
    model_check(dropped == taken);
}

static void stream_one(unsigned i)
{
    (void)i;
    stream(1, ITEMS);
    leave();
}

static void stream_some(unsigned i)
{
    (void)i;
    stream(2, 1);
    leave();
}

static int consume_stream(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    stream(2, ITEMS);
    runs[0]++;
    return 0;
}

static void stream_inside(unsigned i)
{
    (void)i;
    run_one(consume_stream);
}

static const struct model models[] = {
    { .name = "map",
      .says = "a map has handled each element once when it returns",
      .threads = 1,
      .hosts = 2,
      .before = begin_one,
      .thread = map_all,
      .executions = 10000 },
    { .name = "map by two workers",
      .says = "the same, with pullers at once",
      .threads = 1,
      .hosts = 3,
      .before = begin_two,
      .thread = map_all,
      .executions = 5000 },
    { .name = "map one by one",
      .says = "each result is there when the consumer gets it, and it sleeps through none",
      .threads = 1,
      .hosts = 2,
      .before = begin_one,
      .thread = map_each,
      .executions = 10000 },
    { .name = "map left early",
      .says = "nothing touches the elements once a map has ended",
      .threads = 1,
      .hosts = 3,
      .before = begin_two,
      .thread = map_some,
      .executions = 5000 },
    { .name = "map failing",
      .says = "the first failure in input order ends a map, and what is before it ran",
      .threads = 1,
      .hosts = 3,
      .before = begin_two,
      .thread = map_failing,
      .executions = 5000 },
    { .name = "map stopped",
      .says = "a stop ends a map at every moment, and nothing runs on",
      .threads = 2,
      .hosts = 2,
      .before = begin_stopped,
      .thread = map_stopped,
      .executions = 5000 },
    { .name = "map inside a task",
      .says = "a task that consumes a map runs its elements, or sleeps until another has",
      .threads = 1,
      .hosts = 3,
      .before = begin_two,
      .thread = map_inside,
      .executions = 5000 },
    { .name = "map with long runs",
      .says = "of a chunk that its puller starts and another takes exactly one gets it",
      .threads = 1,
      .hosts = 2,
      .before = begin_long,
      .thread = map_long,
      .executions = 4000 },
    { .name = "stream with a window of one",
      .says = "items come in order, one at a time, and each is dropped once",
      .threads = 1,
      .hosts = 2,
      .before = begin_one,
      .thread = stream_one,
      .executions = 5000 },
    { .name = "stream left early",
      .says = "no task uses an item that was dropped at the end",
      .threads = 1,
      .hosts = 2,
      .before = begin_one,
      .thread = stream_some,
      .executions = 5000 },
    { .name = "stream inside a task",
      .says = "a task that waits for the oldest item runs the newer ones",
      .threads = 1,
      .hosts = 2,
      .before = begin_one,
      .thread = stream_inside,
      .executions = 5000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "chunks.c", "chunks.h", "runs.c", "runs.h", "map.c", "stream.c", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
