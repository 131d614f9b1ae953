/* SPDX-License-Identifier: MIT */
/* Map: input order, chunks, which error ends it, and that on return nothing of it runs. */
#include "support.h"

SUITE(map);

static const unsigned workers[] = { 1, 2, 3, 16 };
#define FOR_WORKERS(pool)                                                                    \
    for (size_t of_workers = 0; of_workers < sizeof workers / sizeof *workers; of_workers++) \
        for (filch_pool *pool = pool_of(workers[of_workers]); pool; filch_pool_destroy(pool), pool = NULL)

static int square(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    int number = *(const int *)in;
    *(int *)out = number * number;
    return 0;
}

#define N 100

struct numbers {
    int in[N], out[N];
};

static struct numbers numbers(void)
{
    struct numbers numbers;
    for (int i = 0; i < N; i++) {
        numbers.in[i] = i;
        numbers.out[i] = -1;
    }
    return numbers;
}

static int map_chunked(filch_pool *pool, filch_map_fn *fn, void *arg, struct numbers *numbers, size_t n,
                       size_t chunk, filch_error **out_error)
{
    filch_map_options options = FILCH_MAP_OPTIONS;
    options.chunk = chunk;
    options.name = "square";
    return filch_map(pool, fn, arg, numbers->in, sizeof(int), numbers->out, sizeof(int), n, &options, out_error);
}

/* ---- Order ---- */

Test(map, results_keep_the_order_of_the_input_whatever_the_chunk)
{
    static const size_t chunks[] = { 0, 1, 3, 7, N - 1, N, N + 1, SIZE_MAX };
    FOR_WORKERS(pool)
    {
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
            struct numbers all = numbers();
            filch_error *error = NULL;
            cr_assert_eq(map_chunked(pool, square, NULL, &all, N, chunks[i], &error), 0);
            cr_assert_null(error);
            for (int j = 0; j < N; j++)
                cr_assert_eq(all.out[j], j * j);
        }
    }
}

Test(map, only_the_first_n_are_touched)
{
    filch_pool *pool = pool_of(2);
    for (size_t n = 0; n <= 10; n++) {
        struct numbers all = numbers();
        cr_assert_eq(map_chunked(pool, square, NULL, &all, n, 3, NULL), 0);
        for (size_t i = 0; i < N; i++)
            cr_assert_eq(all.out[i], i < n ? (int)(i * i) : -1);
    }
    filch_pool_destroy(pool);
}

Test(map, of_nothing_it_is_over_and_submits_nothing)
{
    filch_pool *pool = pool_of(1);
    filch_mapping *mapping;
    void *item;
    cr_assert_eq(filch_map(pool, square, NULL, NULL, 4, NULL, 4, 0, NULL, NULL), 0);
    cr_assert_eq(filch_mapping_begin(&mapping, pool, square, NULL, NULL, 4, NULL, 4, 0, NULL), 0);
    cr_assert_eq(filch_mapping_next(mapping, &item), 0);
    cr_assert_null(filch_mapping_error(mapping));
    filch_mapping_end(mapping);
    filch_mapping_end(NULL);
    cr_assert_eq(stats_of(pool).submitted, 0);
    filch_pool_destroy(pool);
}

static int add_to_sum(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    must(in == arg);
    atomic_fetch_add((_Atomic int *)out, *(const int *)in);
    return 0;
}

Test(map, without_sizes_every_call_gets_the_same_in_and_out)
{
    filch_pool *pool = pool_of(2);
    int three = 3;
    _Atomic int sum = 0;
    cr_assert_eq(filch_map(pool, add_to_sum, &three, &three, 0, (void *)&sum, 0, N, NULL, NULL), 0);
    cr_assert_eq(atomic_load(&sum), 3 * N);
    filch_pool_destroy(pool);
}

Test(map, more_chunks_than_memory_can_hold_are_too_many)
{
    filch_pool *pool = pool_of(1);
    struct numbers all = numbers();
    cr_assert_eq(map_chunked(pool, square, NULL, &all, SIZE_MAX, 1, NULL), -ENOMEM);
    filch_pool_destroy(pool);
}

/* ---- Errors ---- */

struct trouble {
    int bad[3];          /* elements that fail with -(100 + element); 0: none */
    int late;            /* of these the one that waits for `others` first */
    struct event others; /* a bad one failed */
    _Atomic int ran[N];  /* how often each was called */
    _Atomic int running; /* now */
};

static int cause_trouble(filch_task *self, const void *in, void *out, void *arg)
{
    struct trouble *trouble = arg;
    int number = *(const int *)in, rc = 0;
    atomic_fetch_add(&trouble->running, 1);
    atomic_fetch_add(&trouble->ran[number], 1);
    if (number == trouble->late)
        event_await(&trouble->others);
    for (int i = 0; i < 3; i++)
        if (number && number == trouble->bad[i])
            rc = filch_fail(self, -(100 + number), "no square of %d", number);
    if (rc && number != trouble->late)
        event_signal(&trouble->others);
    *(int *)out = number * number;
    atomic_fetch_sub(&trouble->running, 1);
    return rc;
}

Test(map, the_first_error_by_index_ends_it_whatever_fails_first)
{
    for (int round = 0; round < 50; round++) {
        filch_pool *pool = pool_of(3);
        struct trouble trouble = { .bad = { 5, 6, 7 }, .late = 5, .others = EVENT };
        struct numbers all = numbers();
        filch_error *error = NULL;
        cr_assert_eq(map_chunked(pool, cause_trouble, &trouble, &all, N, 1, &error), -105);
        cr_assert_eq(atomic_load(&trouble.running), 0, "on return no task of the map runs");
        cr_assert_eq(filch_error_code(error), -105);
        cr_assert_str_eq(filch_error_message(error), "no square of 5");
        cr_assert_str_eq(filch_error_task(error), "square-5");
        for (int i = 0; i < 5; i++)
            cr_assert_eq(all.out[i], i * i, "what comes before the error ran");
        filch_error_unref(error);
        filch_pool_destroy(pool);
    }
}

Test(map, after_an_error_later_elements_do_not_start)
{
    FOR_WORKERS(pool)
    {
        struct trouble trouble = { .bad = { 10 }, .late = -1, .others = EVENT };
        struct numbers all = numbers();
        cr_assert_eq(map_chunked(pool, cause_trouble, &trouble, &all, N, 1, NULL), -110);
        for (int i = 0; i < 10; i++)
            cr_assert_eq(atomic_load(&trouble.ran[i]), 1);
        if (filch_pool_workers(pool) == 1)
            for (int i = 11; i < N; i++)
                cr_assert_eq(atomic_load(&trouble.ran[i]), 0);
    }
}

Test(map, in_a_chunk_the_elements_after_an_error_are_left_out)
{
    filch_pool *pool = pool_of(1);
    struct trouble trouble = { .bad = { 4 }, .late = -1, .others = EVENT };
    struct numbers all = numbers();
    cr_assert_eq(map_chunked(pool, cause_trouble, &trouble, &all, N, 10, NULL), -104);
    for (int i = 0; i < N; i++)
        cr_assert_eq(atomic_load(&trouble.ran[i]), i <= 4);
    filch_pool_destroy(pool);
}

static int fail_plainly(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)out;
    (void)arg;
    return *(const int *)in == 3 ? -EIO : 0;
}

Test(map, a_plain_code_becomes_an_error_that_tells_the_element)
{
    filch_pool *pool = pool_of(1);
    struct numbers all = numbers();
    filch_error *error = NULL;
    cr_assert_eq(map_chunked(pool, fail_plainly, NULL, &all, N, 2, &error), -EIO);
    cr_assert_not_null(strstr(filch_error_message(error), "3"));
    filch_error_unref(error);
    filch_pool_destroy(pool);
}

/* ---- Running ones are awaited ---- */

struct slow {
    struct gate gate;
    _Atomic bool over;
};

static int fail_while_another_runs(filch_task *self, const void *in, void *out, void *arg)
{
    struct slow *slow = arg;
    (void)out;
    if (*(const int *)in == 0) {
        event_await(&slow->gate.started);
        return filch_fail(self, -EIO, "at once");
    }
    if (*(const int *)in == 1) {
        pass_gate(self, &slow->gate);
        atomic_store(&slow->over, true);
    }
    return 0;
}

struct call {
    filch_pool *pool;
    struct slow slow;
    struct event returned;
    bool was_over;
    int rc;
};

static void *map_in_thread(void *arg)
{
    struct call *call = arg;
    struct numbers all = numbers();
    call->rc = map_chunked(call->pool, fail_while_another_runs, &call->slow, &all, N, 1, NULL);
    call->was_over = atomic_load(&call->slow.over);
    event_signal(&call->returned);
    return NULL;
}

Test(map, an_error_waits_for_the_elements_that_run)
{
    struct call call = { .pool = pool_of(2), .slow = { GATE, false }, .returned = EVENT };
    pthread_t thread;
    must(pthread_create(&thread, NULL, map_in_thread, &call) == 0);
    event_await(&call.slow.gate.started);
    UNTIL(stats_of(call.pool).finished >= 2); /* the failed one, and those that are skipped for it */
    cr_assert_eq(event_count(&call.returned), 0);
    gate_open(&call.slow.gate);
    pthread_join(thread, NULL);
    cr_assert_eq(call.rc, -EIO);
    cr_assert(call.was_over);
    filch_pool_destroy(call.pool);
}

/* ---- Stop and timeout ---- */

static int stop_then_wait(filch_task *self, const void *in, void *out, void *arg)
{
    (void)in;
    (void)out;
    atomic_fetch_add((_Atomic int *)arg, 1);
    while (!filch_task_stopped(self))
        sched_yield();
    return -ECANCELED;
}

struct stopper {
    filch_stop *stop;
    _Atomic int started;
};

static void *stop_it(void *arg)
{
    struct stopper *stopper = arg;
    UNTIL(atomic_load(&stopper->started) > 0);
    filch_stop_request(stopper->stop, -EINTR);
    return NULL;
}

Test(map, a_stop_ends_it)
{
    FOR_WORKERS(pool)
    {
        struct stopper stopper = { .stop = stop_under(NULL) };
        struct numbers all = numbers();
        filch_map_options options = FILCH_MAP_OPTIONS;
        filch_error *error = NULL;
        pthread_t thread;
        options.stop = stopper.stop;
        must(pthread_create(&thread, NULL, stop_it, &stopper) == 0);
        cr_assert_eq(filch_map(pool, stop_then_wait, (void *)&stopper.started, all.in, sizeof(int), all.out,
                               sizeof(int), N, &options, &error),
                     -ECANCELED);
        cr_assert_eq(filch_error_code(error), -ECANCELED);
        cr_assert_leq(atomic_load(&stopper.started), (int)filch_pool_workers(pool));
        pthread_join(thread, NULL);
        filch_error_unref(error);
        filch_stop_unref(stopper.stop);
    }
}

static int stop_at_the_fourth(filch_task *self, const void *in, void *out, void *arg)
{
    (void)out;
    atomic_fetch_add((_Atomic int *)arg, 1);
    if (*(const int *)in == 3)
        filch_stop_request(filch_task_stop(self), 0);
    return 0;
}

Test(map, a_stop_in_the_middle_of_a_chunk_leaves_out_the_rest_of_it)
{
    filch_pool *pool = pool_of(1);
    struct numbers all = numbers();
    _Atomic int ran = 0;
    cr_assert_eq(map_chunked(pool, stop_at_the_fourth, (void *)&ran, &all, N, N, NULL), -ECANCELED);
    cr_assert_eq(atomic_load(&ran), 4);
    filch_pool_destroy(pool);
}

static int run_past_the_timeout(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)in;
    (void)out;
    atomic_fetch_add((_Atomic int *)arg, 1);
    must(filch_sleep(FILCH_MS(30)) == 0);
    return 0;
}

Test(map, a_timeout_ends_it_when_the_running_elements_have_ended)
{
    filch_pool *pool = pool_of(2);
    struct numbers all = numbers();
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_error *error = NULL;
    _Atomic int started = 0;
    options.timeout_ns = FILCH_MS(10);
    options.chunk = 1;
    cr_assert_eq(
        filch_map(pool, run_past_the_timeout, (void *)&started, all.in, 4, all.out, 4, N, &options, &error),
        -ETIMEDOUT);
    cr_assert_eq(filch_error_code(error), -ETIMEDOUT);
    cr_assert_lt(atomic_load(&started), N);
    filch_error_unref(error);
    filch_pool_destroy(pool);
}

/* ---- Inside a task ---- */

static int map_inside(filch_task *self, void *arg)
{
    struct numbers all = numbers();
    (void)arg;
    int rc = map_chunked(filch_task_pool(self), square, NULL, &all, N, 1, NULL);
    for (int i = 0; i < N && !rc; i++)
        must(all.out[i] == i * i);
    return rc;
}

Test(map, tasks_may_map_on_their_own_pool)
{
    FOR_WORKERS(pool)
    {
        filch_future *mains[20];
        for (int i = 0; i < 20; i++)
            mains[i] = submit(pool, map_inside, NULL);
        for (int i = 0; i < 20; i++)
            cr_assert_eq(filch_future_result(mains[i], FILCH_FOREVER, NULL), 0);
        unref_all(mains, 20);
    }
}
