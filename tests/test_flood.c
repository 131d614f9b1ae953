/* SPDX-License-Identifier: MIT */
/*
 * One tenant fills the pool with a million tasks, another submits a single one, again and again: it starts when a task
 * that runs at that moment ends. Counted, which is certain: with one worker and tasks as they are, and with several whose
 * tasks end only when they are told to. And timed, for what counting leaves out. The times are the system's too: rounds in
 * which it is known to have taken a core from the process tell nothing and are left out; of the others 99 in 100 must be
 * in time. Where fewer than LEAST are left nothing is claimed, and it is said so.
 */
#include "lanes.h"

#include <sys/resource.h>

SUITE(flood);

#define FLOOD 1000000
#define ROUNDS 300
#define LEAST 100

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

/* ---- Counted, step by step ---- */

/* The ith task of the flood to begin ends once more than i may: so never more have begun than may end, and one for each
 * worker, and who is told to end is the only one that can look for the next. */
static struct {
    _Atomic int64_t begun, may_end;
    _Atomic int64_t
        seen; /* by the single one: 1 more than how many of the flood had begun; 0: it has not started */
} steps;

static int take_step(filch_task *self, void *arg)
{
    int64_t i = atomic_fetch_add(&steps.begun, 1);
    (void)self;
    (void)arg;
    while (atomic_load(&steps.may_end) <= i)
        sched_yield();
    return 0;
}

static int see_steps(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    atomic_store(&steps.seen, atomic_load(&steps.begun) + 1);
    return 0;
}

static int spawn_steps(filch_task *self, void *arg)
{
    for (int64_t i = 0; i < FLOOD; i++)
        must(filch_submit(filch_task_pool(self), take_step, arg, NULL) == 0);
    return 0;
}

enum how { PLAIN, LANE, URGENT, SUB_TASKS };

static void submit_steps(filch_pool *pool, enum how how, filch_lane *lane)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.lane = how == PLAIN ? NULL : lane;
    options.priority = how == URGENT ? FILCH_HIGH : FILCH_NORMAL;
    if (how == SUB_TASKS)
        must(filch_submit(pool, spawn_steps, NULL, NULL) == 0);
    for (int64_t i = 0; i < FLOOD && how != SUB_TASKS; i++)
        must(filch_submit_with(pool, take_step, NULL, &options, NULL) == 0);
}

/* One of them ends, and its worker takes what is next: the single one, or one of the flood. */
static void end_one(void)
{
    int64_t begun = atomic_load(&steps.begun);
    atomic_fetch_add(&steps.may_end, 1);
    UNTIL(atomic_load(&steps.seen) || atomic_load(&steps.begun) > begun);
}

/* How many of the flood begin after the submit of a single one and before it. `racing`: at the submit all of the tasks
 * that run are told to end, so that any worker may just have chosen its next one. */
static int64_t count_steps(filch_pool *pool, const filch_task_options *options, unsigned workers, bool racing)
{
    UNTIL(atomic_load(&steps.begun) == atomic_load(&steps.may_end) + workers);
    atomic_store(&steps.seen, 0);
    if (racing)
        atomic_fetch_add(&steps.may_end, workers);
    must(filch_submit_with(pool, see_steps, NULL, options, NULL) == 0);
    int64_t submitted =
        atomic_load(&steps.begun); /* or a few more, which began meanwhile and are not held against us */
    if (racing)
        UNTIL(atomic_load(&steps.seen) || atomic_load(&steps.begun) == atomic_load(&steps.may_end) + workers);
    for (unsigned i = 0; i <= workers && !atomic_load(&steps.seen); i++)
        end_one();
    must(atomic_load(&steps.seen));
    return atomic_load(&steps.seen) - 1 - submitted;
}

static void check_steps(enum how how, bool single_has_lane, unsigned workers)
{
    filch_pool *pool = pool_of(workers);
    filch_lane *crowd = lane_of(pool, 1, 0), *lane = single_has_lane ? lane_of(pool, 1, 0) : NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.lane = lane;
    options.priority = single_has_lane ? FILCH_NORMAL : FILCH_HIGH;
    atomic_store(&steps.begun, 0);
    atomic_store(&steps.may_end, 0);
    submit_steps(pool, how, crowd);
    for (int round = 0; round < 200; round++) {
        bool racing = round % 2;
        int64_t n = count_steps(pool, &options, workers, racing);
        cr_assert_leq(n, racing ? workers : 0, "%d began before it in round %d, of %u workers", (int)n, round,
                      workers);
    }
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    atomic_store(&steps.may_end, INT64_MAX / 2);
    filch_pool_destroy(pool);
    filch_lane_unref(crowd);
    filch_lane_unref(lane);
}

static void check_steps_with(enum how how, bool single_has_lane)
{
    check_steps(how, single_has_lane, 1);
    check_steps(how, single_has_lane, 2);
}

Test(flood, no_worker_begins_more_than_one_of_a_million_of_no_lane_before_a_task_of_another_lane)
{
    check_steps_with(PLAIN, true);
}

Test(flood, nor_of_a_million_in_a_lane)
{
    check_steps_with(LANE, true);
    check_steps_with(LANE, false);
}

Test(flood, nor_of_a_million_that_call_themselves_urgent)
{
    check_steps_with(URGENT, true);
    check_steps_with(URGENT, false);
}

Test(flood, nor_of_a_million_sub_tasks)
{
    check_steps_with(SUB_TASKS, true);
    check_steps_with(SUB_TASKS, false);
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

/* p50, p99 and the longest are told. The bound holds for p99: more is not to be known of a machine that is not ours. */
static void judge(const char *what, int64_t *delays, size_t n, size_t disturbed, int64_t bound)
{
    qsort(delays, n, sizeof delays[0], compare);
    fprintf(stderr, "flood: %s: %zu rounds, %zu disturbed", what, n, disturbed);
    if (n)
        fprintf(stderr, ", p50 %.1f us, p99 %.1f us, max %.1f us", (double)delays[n / 2] / 1e3,
                (double)delays[n * 99 / 100] / 1e3, (double)delays[n - 1] / 1e3);
    fprintf(stderr, "\n");
    size_t late = 0;
    while (late < n && delays[n - 1 - late] > bound)
        late++;
    if (n < LEAST)
        fprintf(stderr, "flood: %s: SKIPPED: the system left less than %d rounds undisturbed\n", what, LEAST);
    else
        cr_assert_leq(late, n / 100, "%s: %zu of %zu rounds", what, late, n);
}

/* `longest`: of the flood's tasks, ns. */
static void time_rounds(const char *what, enum how how, int64_t (*length)(int64_t i), int64_t longest)
{
    static int64_t delays[ROUNDS];
    size_t n = 0, disturbed = 0;
    if (filch_default_workers() < 2) {
        fprintf(stderr, "flood: %s: SKIPPED: one core for who submits and for the flood\n", what);
        return;
    }
    flood.length = length;
    begin_flood(how);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.lane = lane_of(flood.pool, 1, 0);
    int64_t end = filch_now() + FILCH_MS(1200);
    for (int round = 0; n < ROUNDS && filch_now() < end; round++) {
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
    judge(what, delays, n, disturbed, longest + FILCH_MS(1));
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
