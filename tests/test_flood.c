/* SPDX-License-Identifier: MIT */
/*
 * One tenant fills the pool with a million tasks, another submits a single one, again and again: it starts when the task
 * that runs at that moment ends. Counted, where one worker makes the order certain; and timed, for what counting leaves
 * out. The times are the system's too: rounds in which it is known to have taken a core from the process tell nothing and
 * are left out, and a few more may be late for what is not known.
 */
#include "lanes.h"

#include <sys/resource.h>

SUITE(flood);

#define FLOOD 1000000
#define ROUNDS 300

static struct flood {
    filch_pool *pool;
    filch_lane *lane;             /* NULL: none */
    _Atomic int64_t begun;        /* tasks of it */
    int64_t (*length)(int64_t i); /* of the ith, ns */
} flood;

static int run_for_a_while(filch_task *self, void *arg)
{
    int64_t i = atomic_fetch_add_explicit(&flood.begun, 1, memory_order_relaxed), length = flood.length(i);
    (void)self;
    (void)arg;
    for (int64_t end = length ? filch_now() + length : 0; end && filch_now() < end;)
        continue;
    return 0;
}

static int64_t tiny(int64_t i)
{
    (void)i;
    return 0;
}

static int64_t some(int64_t i)
{
    (void)i;
    return FILCH_US(100);
}

/* Long enough tiny for a worker to take many along, then long ones. */
static int64_t abrupt(int64_t i)
{
    return i % 5000 < 4995 ? 0 : FILCH_MS(10);
}

/* ---- Counted ---- */

struct single {
    filch_lane *lane;
    filch_priority priority;
    int64_t submitted, started; /* how many of the flood had begun */
};

static int note_start(filch_task *self, void *arg)
{
    (void)self;
    ((struct single *)arg)->started = atomic_load(&flood.begun);
    return 0;
}

/* A task of the flood's: in the midst of it, before another can begin. */
static int submit_single(filch_task *self, void *arg)
{
    struct single *single = arg;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.lane = single->lane;
    options.priority = single->priority;
    single->submitted = atomic_load(&flood.begun);
    must(filch_submit_with(filch_task_pool(self), note_start, single, &options, NULL) == 0);
    return 0;
}

static void submit_flood(filch_pool *pool, int64_t n, filch_priority priority)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.lane = flood.lane;
    options.priority = priority;
    for (int64_t i = 0; i < n; i++)
        must((flood.lane ? filch_submit_with(pool, run_for_a_while, NULL, &options, NULL)
                         : filch_submit(pool, run_for_a_while, NULL, NULL)) == 0);
}

static void count_rounds(filch_pool *pool, struct single *single, filch_priority priority)
{
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    filch_task_options options = FILCH_TASK_OPTIONS;
    struct single rounds[50];
    atomic_store(&flood.begun, 0);
    options.lane = flood.lane;
    options.priority = priority;
    for (int i = 0; i < 50; i++) {
        rounds[i] = *single;
        submit_flood(pool, 997, priority);
        must(filch_submit_with(pool, submit_single, &rounds[i], &options, NULL) == 0);
    }
    submit_flood(pool, 1000, priority);
    let_go(&gate, holder);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(rounds[i].started, rounds[i].submitted, "%d began before it in round %d",
                     (int)(rounds[i].started - rounds[i].submitted), i);
    filch_pool_destroy(pool);
}

/* Who floods from no lane, and the single task is of one; and the reverse. */
static void count_with(bool flood_has_lane, bool single_has_lane, filch_priority priority)
{
    filch_pool *pool = pool_of(1);
    struct single single = { .lane = single_has_lane ? lane_of(pool, 1, 0) : NULL };
    flood = (struct flood) { .length = tiny, .lane = flood_has_lane ? lane_of(pool, 1, 0) : NULL };
    single.priority = single_has_lane ? FILCH_NORMAL : FILCH_HIGH; /* else it would be a sub task */
    count_rounds(pool, &single, priority);
    filch_lane_unref(flood.lane);
    filch_lane_unref(single.lane);
}

Test(flood, of_a_flood_of_no_lane_nothing_begins_before_a_task_of_another_lane)
{
    count_with(false, true, FILCH_NORMAL);
}

Test(flood, nor_of_a_flood_in_a_lane_of_its_own)
{
    count_with(true, true, FILCH_NORMAL);
}

Test(flood, nor_of_one_that_calls_itself_urgent)
{
    count_with(true, true, FILCH_HIGH);
}

Test(flood, nor_before_a_task_of_no_lane)
{
    count_with(true, false, FILCH_NORMAL);
    count_with(true, false, FILCH_HIGH);
}

static int spawn(filch_task *self, void *arg)
{
    for (intptr_t i = 0; i < (intptr_t)arg; i++)
        must(filch_submit(filch_task_pool(self), run_for_a_while, NULL, NULL) == 0);
    return 0;
}

static int spawn_with_single(filch_task *self, void *arg)
{
    spawn(self, (void *)1000);
    must(filch_submit(filch_task_pool(self), submit_single, arg, NULL) == 0);
    return spawn(self, (void *)1000);
}

Test(flood, nor_of_one_of_sub_tasks)
{
    filch_pool *pool = pool_of(1);
    struct single single = { .lane = lane_of(pool, 1, 0) };
    flood = (struct flood) { .length = tiny };
    filch_future *main = submit(pool, spawn_with_single, &single);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    cr_assert_eq(single.submitted, 1000);
    cr_assert_eq(single.started, single.submitted);
    filch_future_unref(main);
    filch_lane_unref(single.lane);
    filch_pool_destroy(pool);
}

/* ---- Timed ---- */

static int note_time(filch_task *self, void *arg)
{
    (void)self;
    atomic_store((_Atomic int64_t *)arg, filch_now());
    return 0;
}

static long preemptions(void)
{
    struct rusage usage;
    must(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_nivcsw;
}

/* From the submit to the start, ns; -1 if the process was disturbed meanwhile. */
static int64_t time_one(const filch_task_options *options)
{
    _Atomic int64_t started = 0;
    long before = preemptions();
    int64_t submitted = filch_now();
    must(filch_submit_with(flood.pool, note_time, (void *)&started, options, NULL) == 0);
    while (!atomic_load(&started))
        continue;
    return preemptions() == before ? atomic_load(&started) - submitted : -1;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Some time goes by between two rounds, of another length each. */
static void linger(int round)
{
    for (int64_t end = filch_now() + FILCH_US(round * 7919 % 97); filch_now() < end;)
        continue;
}

enum how { PLAIN, LANE, URGENT, SUB_TASKS };

static void begin_flood(enum how how)
{
    unsigned cpus = filch_default_workers();
    flood.pool = pool_of(cpus > 1 ? cpus - 1 : 1); /* who submits the single task has a core */
    flood.lane = how == LANE || how == URGENT ? lane_of(flood.pool, 1, 0) : NULL;
    atomic_store(&flood.begun, 0);
    static struct gate gate;
    filch_future *holders[64];
    unsigned n = filch_pool_workers(flood.pool) < 64 ? filch_pool_workers(flood.pool) : 64;
    gate = (struct gate)GATE;
    if (how == SUB_TASKS) {
        filch_future *main = submit(flood.pool, spawn, (void *)(intptr_t)FLOOD);
        UNTIL(filch_future_state(main) != FILCH_PENDING);
        filch_future_unref(main);
        UNTIL(atomic_load(&flood.begun));
        return;
    }
    for (unsigned i = 0; i < n; i++)
        holders[i] = hold_worker(flood.pool, &gate);
    submit_flood(flood.pool, FLOOD, how == URGENT ? FILCH_HIGH : FILCH_NORMAL);
    gate_open(&gate);
    unref_all(holders, n);
}

static void end_flood(filch_lane *single)
{
    must(filch_pool_shutdown(flood.pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    filch_pool_destroy(flood.pool);
    filch_lane_unref(flood.lane);
    filch_lane_unref(single);
}

/* `longest`: of the flood's tasks, ns. */
static void time_rounds(const char *what, enum how how, int64_t (*length)(int64_t i), int64_t longest)
{
    static int64_t delays[ROUNDS];
    size_t n = 0, disturbed = 0;
    flood.length = length;
    begin_flood(how);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.lane = lane_of(flood.pool, 1, 0);
    int64_t end = filch_now() + FILCH_SECONDS(2);
    for (int round = 0; round < ROUNDS && filch_now() < end; round++) {
        linger(round);
        int64_t delay = time_one(&options);
        if (atomic_load(&flood.begun) == FLOOD)
            break;
        if (delay >= 0)
            delays[n++] = delay;
        else
            disturbed++;
    }
    end_flood(options.lane);
    qsort(delays, n, sizeof delays[0], compare);
    fprintf(stderr, "flood: %s: %zu rounds, %zu disturbed", what, n, disturbed);
    if (n) {
        int64_t median = delays[n / 2], most = delays[n * 99 / 100];
        fprintf(stderr, ", p50 %.1f us, p99 %.1f us, max %.1f us", (double)median / 1e3, (double)most / 1e3,
                (double)delays[n - 1] / 1e3);
    }
    fprintf(stderr, "\n");
    size_t late = 0;
    while (late < n && delays[n - 1 - late] > longest + FILCH_MS(1))
        late++;
    cr_assert_leq(late, 1 + n / 20, "%s: %zu of %zu rounds", what, late, n);
}

Test(flood, a_single_task_is_delayed_by_a_running_task_and_little_more_by_a_flood_of_no_lane)
{
    time_rounds("no lane, tiny tasks", PLAIN, tiny, 0);
    time_rounds("no lane, 100 us", PLAIN, some, FILCH_US(100));
    time_rounds("no lane, tiny and at times 10 ms", PLAIN, abrupt, FILCH_MS(10));
}

Test(flood, nor_by_more_in_a_lane)
{
    time_rounds("in a lane, tiny tasks", LANE, tiny, 0);
    time_rounds("in a lane, 100 us", LANE, some, FILCH_US(100));
    time_rounds("in a lane, tiny and at times 10 ms", LANE, abrupt, FILCH_MS(10));
    time_rounds("in a lane, urgent, 100 us", URGENT, some, FILCH_US(100));
}

Test(flood, nor_by_more_of_sub_tasks)
{
    time_rounds("sub tasks, tiny", SUB_TASKS, tiny, 0);
    time_rounds("sub tasks, 100 us", SUB_TASKS, some, FILCH_US(100));
}
