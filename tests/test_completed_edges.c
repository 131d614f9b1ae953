/* SPDX-License-Identifier: MIT */
/* Iterators begun over the same futures at the same time, in regions and by guests. */
#include "future.h"
#include "os.h"
#include "support.h"

SUITE(completed_edges);

/* ---- At the same time ---- */

enum { N = 3000 };

struct rivals {
    filch_future *futures[N + 1]; /* the last one is listed twice */
    _Atomic bool over;
};

static int against_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (filch_future *const *)a, y = (uintptr_t) * (filch_future *const *)b;
    return (x < y) - (x > y);
}

/* Futures that are final, listed from the highest address down, and the first once more at the end. */
static struct rivals *rivals_of(filch_pool *pool)
{
    struct rivals *rivals = calloc(1, sizeof *rivals);
    for (int i = 0; i < N; i++)
        rivals->futures[i] = submit(pool, do_nothing, NULL);
    must(filch_join(rivals->futures, N) == 0);
    qsort(rivals->futures, N, sizeof rivals->futures[0], against_address);
    rivals->futures[N] = rivals->futures[0];
    return rivals;
}

/* Takes all of one iterator's, which come once each; whether it noticed the rival: they do not come as listed. */
static bool iterate(struct rivals *rivals)
{
    filch_completed *completed = NULL;
    filch_future *future = NULL, *before = NULL;
    bool up = true, down = true;
    must(filch_completed_begin(&completed, rivals->futures, N + 1, FILCH_FOREVER) == 0);
    must(filch_completed_total(completed) == N);
    for (; filch_completed_next(completed, &future) == 1; before = future) {
        up &= !before || future > before;
        down &= !before || future < before;
    }
    must(up != down); /* so none came twice */
    must(filch_completed_unfinished(completed) == 0);
    filch_completed_end(completed);
    return up;
}

static void *iterate_too(void *arg)
{
    struct rivals *rivals = arg;
    while (!atomic_load(&rivals->over))
        iterate(rivals);
    return NULL;
}

Test(completed_edges, iterators_begun_over_the_same_futures_at_the_same_time_deliver_each_once)
{
    filch_pool *pool = pool_of(1);
    struct rivals *rivals = rivals_of(pool);
    pthread_t rival;
    must(pthread_create(&rival, NULL, iterate_too, rivals) == 0);
    UNTIL(iterate(rivals));
    atomic_store(&rivals->over, true);
    pthread_join(rival, NULL);
    unref_all(rivals->futures, N);
    free(rivals);
    filch_pool_destroy(pool);
}

/* As a rival does it, but without memory. */
static void *overwrite_marks(void *arg)
{
    struct rivals *rivals = arg;
    for (uintptr_t mark = 1; !atomic_load(&rivals->over); mark += 2)
        atomic_store_explicit(&rivals->futures[N / 2]->mark, mark, memory_order_relaxed);
    return NULL;
}

static bool fails_for_want_of_memory(struct rivals *rivals)
{
    filch_completed *completed = NULL;
    atomic_store(&filchi_os_faults.allocations, 2);
    int rc = filch_completed_begin(&completed, rivals->futures, N + 1, FILCH_FOREVER);
    atomic_store(&filchi_os_faults.allocations, 0);
    must(rc == (completed ? 0 : -ENOMEM));
    filch_completed_end(completed);
    return rc != 0;
}

Test(completed_edges, an_iterator_that_cannot_tell_them_apart_without_memory_is_none)
{
    filch_pool *pool = pool_of(1);
    struct rivals *rivals = rivals_of(pool);
    pthread_t rival;
    must(pthread_create(&rival, NULL, overwrite_marks, rivals) == 0);
    UNTIL(fails_for_want_of_memory(rivals));
    atomic_store(&rivals->over, true);
    pthread_join(rival, NULL);
    unref_all(rivals->futures, N);
    free(rivals);
    filch_pool_destroy(pool);
}

Test(completed_edges, more_futures_than_there_can_be_are_too_many)
{
    filch_completed *completed = NULL;
    filch_future *none = NULL;
    cr_assert_eq(filch_completed_begin(&completed, &none, SIZE_MAX / 8, 0), -ENOMEM);
    cr_assert_null(completed);
}

/* ---- Where the task has no worker ---- */

enum { SUBS = 20 };

static int iterate_in_a_region(filch_task *self, void *runs)
{
    filch_future *futures[SUBS], *future = NULL;
    filch_completed *completed = NULL;
    size_t n = 0;
    for (int i = 0; i < SUBS; i++)
        futures[i] = submit(filch_task_pool(self), count_up, runs);
    filch_blocking_begin(self);
    must(filch_completed_begin(&completed, futures, SUBS, FILCH_FOREVER) == 0);
    while (filch_completed_next(completed, &future) == 1)
        n++;
    filch_completed_end(completed);
    filch_blocking_end(self);
    must(n == SUBS && atomic_load((_Atomic int *)runs) == SUBS);
    unref_all(futures, SUBS);
    return 0;
}

Test(completed_edges, a_task_in_a_blocking_region_gets_all_of_its_subs)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_pool *pool = pool_of(workers);
        _Atomic int runs = 0;
        filch_future *future = submit(pool, iterate_in_a_region, (void *)&runs);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
        filch_future_unref(future);
        filch_pool_destroy(pool);
    }
}

struct visit {
    filch_pool *host, *guest;
    _Atomic int runs;
};

/* A guest, on a worker of another pool that has the subs. */
static int iterate_as_a_guest(filch_task *self, void *arg)
{
    struct visit *visit = arg;
    filch_future *futures[SUBS], *future = NULL;
    filch_completed *completed = NULL;
    size_t n = 0;
    must(filch_task_pool(self) == visit->guest);
    for (int i = 0; i < SUBS; i++)
        futures[i] = submit(visit->host, count_up, (void *)&visit->runs);
    must(filch_completed_begin(&completed, futures, SUBS, FILCH_FOREVER) == 0);
    while (filch_completed_next(completed, &future) == 1)
        n++;
    filch_completed_end(completed);
    must(n == SUBS);
    unref_all(futures, SUBS);
    return 0;
}

static int have_a_guest(filch_task *self, void *arg)
{
    struct visit *visit = arg;
    (void)self;
    filch_future *future = submit(visit->guest, iterate_as_a_guest, visit); /* runs here: there is no place */
    must(filch_future_state(future) == FILCH_DONE);
    filch_future_unref(future);
    return 0;
}

Test(completed_edges, a_guest_may_iterate_over_tasks_of_its_host)
{
    struct visit visit = { .host = pool_of(1) };
    struct gate gate = GATE;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    must(filch_pool_create(&visit.guest, &options) == 0);
    filch_future *holder = hold_worker(visit.guest, &gate), *place = submit(visit.guest, do_nothing, NULL);
    filch_future *future = submit(visit.host, have_a_guest, &visit);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(atomic_load(&visit.runs), SUBS);
    filch_future_unref(future);
    filch_future_unref(place);
    let_go(&gate, holder);
    filch_pool_destroy(visit.host);
    filch_pool_destroy(visit.guest);
}
