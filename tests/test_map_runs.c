/* SPDX-License-Identifier: MIT */
/* Maps of many short chunks, which tasks run several at a time: that nobody can tell. */
#include "os.h"
#include "support.h"
#include "worker.h"

SUITE(map_runs);

enum { N = 20000 };

/* An element's input is its number; its output how often it ran. */
struct field {
    int in[N];
    _Atomic int ran[N];
    size_t n;
};

static struct field *field_of(size_t n)
{
    struct field *field = calloc(1, sizeof *field);
    must(field != NULL);
    field->n = n;
    for (size_t i = 0; i < n; i++)
        field->in[i] = (int)i;
    return field;
}

static int map_by_one(filch_pool *pool, filch_map_fn *fn, void *arg, struct field *field, filch_error **out_error)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    options.chunk = 1;
    return filch_map(pool, fn, arg, field->in, sizeof(int), (void *)field->ran, sizeof(int), field->n, &options,
                     out_error);
}

/* So many at the beginning ran once, and none after them. */
static void assert_ran(struct field *field, size_t n)
{
    for (size_t i = 0; i < field->n; i++)
        cr_assert_eq(atomic_load(&field->ran[i]), i < n, "element %zu ran %d times", i, field->ran[i]);
    free(field);
}

static int run_once(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)in;
    (void)arg;
    atomic_fetch_add((_Atomic int *)out, 1);
    return 0;
}

Test(map_runs, every_chunk_runs_once)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_pool *pool = pool_of(workers);
        for (int round = 0; round < 50; round++) {
            struct field *field = field_of(N);
            cr_assert_eq(map_by_one(pool, run_once, NULL, field, NULL), 0);
            assert_ran(field, N);
        }
        cr_assert_lt(stats_of(pool).submitted, 50 * N / 4, "short chunks share tasks");
        filch_pool_destroy(pool);
    }
}

/* ---- Those that block ---- */

enum { MEET = 60, SHORT = N - 2 * MEET };

/* After many short ones come some that wait until all of those have started. */
static int meet(filch_task *self, const void *in, void *out, void *arg)
{
    struct event *started = arg;
    int number = *(const int *)in;
    atomic_fetch_add((_Atomic int *)out, 1);
    if (number < SHORT || number >= SHORT + MEET)
        return 0;
    event_signal(started);
    filch_blocking_begin(self);
    event_await_count(started, MEET);
    filch_blocking_end(self);
    return 0;
}

Test(map_runs, chunks_that_block_hold_up_no_others)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_pool *pool = pool_of(workers);
        for (int round = 0; round < 20; round++) {
            struct event started = EVENT;
            struct field *field = field_of(N);
            cr_assert_eq(map_by_one(pool, meet, &started, field, NULL), 0);
            assert_ran(field, N);
        }
        filch_pool_destroy(pool);
    }
}

static int await_all_others(filch_task *self, const void *in, void *out, void *arg)
{
    _Atomic int *others = arg;
    (void)self;
    if (*(const int *)in == N / 2)
        UNTIL(atomic_load(others) == N - 1);
    atomic_fetch_add((_Atomic int *)out, 1);
    atomic_fetch_add(others, 1);
    return 0;
}

Test(map_runs, a_chunk_that_holds_its_worker_holds_up_no_other_chunk)
{
    filch_pool *pool = pool_of(2);
    for (int round = 0; round < 20; round++) {
        _Atomic int others = 0;
        struct field *field = field_of(N);
        cr_assert_eq(map_by_one(pool, await_all_others, (void *)&others, field, NULL), 0);
        assert_ran(field, N);
    }
    filch_pool_destroy(pool);
}

/* ---- What one leaves behind ---- */

static int leave_things(filch_task *self, const void *in, void *out, void *arg)
{
    filch_scope *scope;
    int number = *(const int *)in;
    atomic_fetch_add((_Atomic int *)out, 1);
    must(!filch_scope_current());
    must(!filchi_thread_here->regions);
    if (number % 100 == 10)
        filch_blocking_begin(self);
    if (number % 100 == 20)
        must(filch_scope_open(&scope, arg, NULL) == 0);
    if (number >= 1800 && number < 1900)
        filch_fail(self, -EIO, "but it did not");
    return number == 1900 ? -EPERM : 0;
}

Test(map_runs, what_an_element_leaves_behind_is_none_of_the_next_one_s)
{
    filch_pool *pool = pool_of(1);
    struct field *field = field_of(N);
    filch_error *error = NULL;
    cr_assert_eq(map_by_one(pool, leave_things, pool, field, &error), -EPERM);
    cr_assert_str_eq(filch_error_message(error), "element 1900 failed");
    filch_error_unref(error);
    for (int i = 0; i < N; i++) /* in the regions others may have gone ahead */
        cr_assert(i <= 1900 ? atomic_load(&field->ran[i]) == 1 : atomic_load(&field->ran[i]) <= 1);
    free(field);
    filch_pool_destroy(pool);
}

/* ---- Errors, stop, shutdown ---- */

static int fail_at_the_half(filch_task *self, const void *in, void *out, void *arg)
{
    (void)arg;
    atomic_fetch_add((_Atomic int *)out, 1);
    return *(const int *)in == N / 2 ? filch_fail(self, -EIO, "half") : 0;
}

Test(map_runs, what_comes_before_an_error_ran_and_with_one_worker_nothing_after_it)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_pool *pool = pool_of(workers);
        struct field *field = field_of(N);
        cr_assert_eq(map_by_one(pool, fail_at_the_half, NULL, field, NULL), -EIO);
        for (int i = 0; i <= N / 2; i++)
            cr_assert_eq(atomic_load(&field->ran[i]), 1);
        for (int i = N / 2 + 1; i < N; i++)
            cr_assert_leq(atomic_load(&field->ran[i]), workers > 1);
        free(field);
        filch_pool_destroy(pool);
    }
}

static int cancel_the_rest(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    atomic_fetch_add((_Atomic int *)out, 1);
    if (*(const int *)in == N / 2)
        must(filch_pool_shutdown(arg, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    return 0;
}

Test(map_runs, a_shutdown_that_cancels_leaves_out_the_rest_of_a_run)
{
    filch_pool *pool = pool_of(1);
    struct field *field = field_of(N);
    filch_error *error = NULL;
    cr_assert_eq(map_by_one(pool, cancel_the_rest, pool, field, &error), -ECANCELED);
    cr_assert_str_eq(filch_error_message(error), "cancelled before it started");
    filch_error_unref(error);
    assert_ran(field, N / 2 + 1);
    filch_pool_destroy(pool);
}

static int stop_the_rest(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    atomic_fetch_add((_Atomic int *)out, 1);
    if (*(const int *)in == N / 2)
        filch_stop_request(arg, -EINTR);
    return 0;
}

Test(map_runs, a_chunk_that_never_started_bears_its_name)
{
    filch_pool *pool = pool_of(1);
    struct field *field = field_of(10);
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping;
    struct gate gate = GATE;
    void *item;
    options.name = "part";
    options.chunk = 2;
    filch_future *holder = hold_worker(pool, &gate);
    must(filch_mapping_begin(&mapping, pool, run_once, NULL, field->in, sizeof(int), (void *)field->ran,
                             sizeof(int), field->n, &options) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    cr_assert_eq(filch_mapping_next(mapping, &item), -ECANCELED);
    cr_assert_str_eq(filch_error_task(filch_mapping_error(mapping)), "part-0");
    filch_mapping_end(mapping);
    let_go(&gate, holder);
    assert_ran(field, 0);
    filch_pool_destroy(pool);
}

Test(map_runs, a_stop_leaves_out_the_rest_of_a_run)
{
    filch_pool *pool = pool_of(1);
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping;
    void *item;
    int n = 0;
    struct field *field = field_of(N);
    options.chunk = 1;
    options.stop = stop_under(NULL);
    must(filch_mapping_begin(&mapping, pool, stop_the_rest, options.stop, field->in, sizeof(int),
                             (void *)field->ran, sizeof(int), N, &options) == 0);
    filch_stop_unref(options.stop); /* the map's tasks hold it */
    while (filch_mapping_next(mapping, &item) == 1)
        n++;
    cr_assert_eq(n, N / 2 + 1);
    cr_assert_not_null(strstr(filch_error_message(filch_mapping_error(mapping)), "stopped: "));
    filch_mapping_end(mapping);
    assert_ran(field, N / 2 + 1);
    filch_pool_destroy(pool);
}

/* ---- Within a task ---- */

struct reader {
    struct field *field;
    _Atomic int taken;
};

static int await_the_reader(filch_task *self, const void *in, void *out, void *arg)
{
    struct reader *reader = arg;
    (void)self;
    UNTIL(atomic_load(&reader->taken) == *(const int *)in);
    atomic_fetch_add((_Atomic int *)out, 1);
    return 0;
}

static int read_one_by_one(filch_task *self, void *arg)
{
    struct reader *reader = arg;
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping;
    void *item;
    int rc;
    options.chunk = 1;
    must(filch_mapping_begin(&mapping, filch_task_pool(self), await_the_reader, reader, reader->field->in,
                             sizeof(int), (void *)reader->field->ran, sizeof(int), reader->field->n,
                             &options) == 0);
    while ((rc = filch_mapping_next(mapping, &item)) == 1)
        atomic_fetch_add(&reader->taken, 1);
    filch_mapping_end(mapping);
    return rc;
}

Test(map_runs, a_task_has_each_result_before_it_runs_the_next_chunk_in_place)
{
    filch_pool *pool = pool_of(1);
    struct reader reader = { .field = field_of(1000) };
    filch_future *future = submit(pool, read_one_by_one, &reader);
    cr_assert_eq(filch_future_result(future, FILCH_SECONDS(20), NULL), 0);
    filch_future_unref(future);
    assert_ran(reader.field, 1000);
    filch_pool_destroy(pool);
}

/* ---- Pools with a capacity ---- */

Test(map_runs, a_map_from_outside_takes_one_place_until_it_begins)
{
    for (int reject = 0; reject < 2; reject++) {
        filch_pool_options options = FILCH_POOL_OPTIONS;
        filch_pool *pool;
        filch_mapping *first, *second = NULL;
        filch_map_options by_one = FILCH_MAP_OPTIONS;
        struct field *field = field_of(100), *other = field_of(100);
        struct gate gate = GATE;
        void *item;
        by_one.chunk = 1;
        options.workers = 1;
        options.capacity = 1;
        options.overflow = reject ? FILCH_REJECT : FILCH_CALLER_RUNS;
        must(filch_pool_create(&pool, &options) == 0);
        filch_future *holder = hold_worker(pool, &gate);
        cr_assert_eq(filch_mapping_begin(&first, pool, run_once, NULL, field->in, sizeof(int), (void *)field->ran,
                                         sizeof(int), 100, &by_one),
                     0);
        int rc = filch_mapping_begin(&second, pool, run_once, NULL, other->in, sizeof(int), (void *)other->ran,
                                     sizeof(int), 100, &by_one);
        cr_assert_eq(rc, reject ? -ENOBUFS : 0);
        cr_assert_eq(atomic_load(&other->ran[0]), !reject, "the caller runs what finds no place");
        let_go(&gate, holder);
        while (filch_mapping_next(first, &item) == 1 && (reject || filch_mapping_next(second, &item) == 1))
            continue;
        filch_mapping_end(first);
        filch_mapping_end(second);
        assert_ran(field, 100);
        assert_ran(other, reject ? 0 : 100);
        filch_pool_destroy(pool);
    }
}

/* ---- Faults ---- */

static int pause_at_times(filch_task *self, const void *in, void *out, void *arg)
{
    (void)arg;
    atomic_fetch_add((_Atomic int *)out, 1);
    if (*(const int *)in % 100 == 50) {
        filch_blocking_begin(self);
        sched_yield();
        filch_blocking_end(self);
    }
    return 0;
}

/* Whether the nth allocation was made, which failed. */
static bool map_without(long nth)
{
    filch_pool *pool = pool_of(2);
    struct field *field = field_of(2000);
    filch_error *error = NULL;
    atomic_store(&filchi_os_faults.allocations, nth);
    int rc = map_by_one(pool, pause_at_times, NULL, field, &error);
    bool struck = atomic_exchange(&filchi_os_faults.allocations, 0) <= 0;
    cr_assert(rc == 0 || (struck && (rc == -ENOMEM || rc == -EAGAIN)), "%d", rc);
    cr_assert_eq(rc != 0, error != NULL);
    for (size_t i = 0; i < field->n; i++)
        cr_assert(rc ? atomic_load(&field->ran[i]) <= 1 : atomic_load(&field->ran[i]) == 1);
    filch_error_unref(error);
    free(field);
    filch_pool_destroy(pool);
    return struck;
}

Test(map_runs, without_memory_it_ends_with_an_error_or_does_without)
{
    long nth = 1;
    while (map_without(nth))
        nth++;
    cr_assert_gt(nth, 5);
}
