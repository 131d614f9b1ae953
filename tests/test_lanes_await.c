/* SPDX-License-Identifier: MIT */
/* Tasks of lanes that wait, and tasks that somebody waits for. */
#include "lanes.h"

SUITE(lanes_await);

static struct record record;
static struct letter a = { &record, 'a' }, b = { &record, 'b' }, w = { &record, 'w' };
static filch_lane *first, *second; /* at most one at a time in each */

static void make_lanes(filch_pool *pool)
{
    first = lane_of(pool, 1, 1);
    second = lane_of(pool, 1, 1);
}

static void drop_lanes(void)
{
    UNTIL(lane_stats(first).running == 0 && lane_stats(second).running == 0);
    filch_lane_unref(first);
    filch_lane_unref(second);
}

/* ---- Waiting in a lane ---- */

/* How many levels of tasks are to come below, by turns in one lane and the other; and how they are waited for. */
struct depth {
    int left;
    bool timed, alternate;
    _Atomic int *running; /* of each lane */
};

static void count_in(const struct depth *depth, int change)
{
    int now = atomic_fetch_add(&depth->running[depth->alternate && depth->left % 2], change) + change;
    must(now >= 0 && now <= 1);
}

static int go_deeper(filch_task *self, void *arg)
{
    const struct depth *here = arg;
    struct depth below = { here->left - 1, here->timed, here->alternate, here->running };
    count_in(here, 1);
    if (here->left) {
        filch_lane *lane = here->alternate && below.left % 2 ? second : first;
        filch_future *future = submit_to(filch_task_pool(self), lane, FILCH_NORMAL, go_deeper, &below);
        count_in(here, -1);
        must(filch_future_wait(future, here->timed ? FILCH_SECONDS(100) : FILCH_FOREVER) == 0);
        count_in(here, 1);
        must(filch_future_state(future) == FILCH_DONE);
        filch_future_unref(future);
    }
    count_in(here, -1);
    return 0;
}

static void nest(unsigned workers, bool spare, bool timed, bool alternate, int tasks)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    _Atomic int running[2] = { 0, 0 };
    struct depth depth = { 20, timed, alternate, running };
    filch_future *futures[8];
    options.workers = workers;
    options.no_spare_threads = !spare;
    must(filch_pool_create(&pool, &options) == 0);
    make_lanes(pool);
    for (int i = 0; i < tasks; i++)
        futures[i] = submit_to(pool, first, FILCH_NORMAL, go_deeper, &depth);
    for (int i = 0; i < tasks; i++)
        cr_assert_eq(filch_future_wait(futures[i], FILCH_FOREVER), 0);
    for (int i = 0; i < tasks; i++)
        cr_assert_eq(filch_future_state(futures[i]), FILCH_DONE);
    unref_all(futures, (size_t)tasks);
    drop_lanes();
    filch_pool_destroy(pool);
}

Test(lanes_await, tasks_of_a_lane_for_one_await_their_own_kind)
{
    nest(1, true, false, false, 1);
    nest(3, true, false, false, 4);
}

Test(lanes_await, so_they_do_with_deadlines_which_run_nothing_in_place)
{
    nest(1, true, true, false, 1);
    nest(3, true, true, false, 4);
}

Test(lanes_await, so_they_do_across_two_lanes)
{
    nest(1, true, false, true, 1);
    nest(1, true, true, true, 3);
    nest(3, true, true, true, 4);
}

Test(lanes_await, so_they_do_where_no_thread_is_to_spare)
{
    nest(1, false, false, false, 1);
    nest(1, false, true, true, 2);
    nest(2, false, false, true, 4);
    nest(2, false, true, false, 4);
}

static int wait_for(filch_task *self, void *arg)
{
    (void)self;
    return filch_future_wait(arg, FILCH_SECONDS(100));
}

Test(lanes_await, a_task_that_waits_lets_the_next_of_its_lane_run)
{
    filch_pool *pool = pool_of(2);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    make_lanes(pool);
    filch_future *waiting = submit_to(pool, first, FILCH_NORMAL, wait_for, holder);
    UNTIL(filch_future_state(waiting) == FILCH_RUNNING);
    filch_future *next = submit_to(pool, first, FILCH_NORMAL, write_letter, &a);
    cr_assert_eq(filch_future_wait(next, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(waiting), FILCH_RUNNING);
    gate_open(&gate);
    cr_assert_eq(filch_future_wait(waiting, FILCH_FOREVER), 0);
    unref_all((filch_future *[]) { holder, waiting, next }, 3); /* not before: the one waits for the other */
    drop_lanes();
    filch_pool_destroy(pool);
}

static int wait_and_write(filch_task *self, void *arg)
{
    int rc = wait_for(self, arg);
    write_letter(self, &w);
    return rc;
}

Test(lanes_await, one_whose_wait_is_over_goes_on_before_others_of_its_lane_start)
{
    filch_pool *pool = pool_of(3);
    struct gate gate = GATE, inside = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    make_lanes(pool);
    filch_future *waiting = submit_to(pool, first, FILCH_NORMAL, wait_and_write, holder);
    filch_future *runs = submit_to(pool, first, FILCH_NORMAL, pass_gate, &inside);
    event_await(&inside.started);
    write_letters(pool, first, FILCH_HIGH, &a, 3);
    gate_open(&gate);
    UNTIL(lane_stats(first).resuming == 1);
    cr_assert_eq(lane_stats(first).running, 1);
    cr_assert_eq(lane_stats(first).queued, 3);
    let_go(&inside, runs);
    cr_assert_str_eq(letters(&record, 4), "waaa");
    filch_future_unref(holder);
    filch_future_unref(waiting);
    drop_lanes();
    filch_pool_destroy(pool);
}

/* ---- Joining ---- */

static int join_scope(filch_task *self, void *arg, bool discard)
{
    filch_scope *scope = NULL;
    filch_scope_options of_scope = FILCH_SCOPE_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    of_scope.discard = discard;
    must(filch_scope_open(&scope, filch_task_pool(self), &of_scope) == 0);
    for (int i = 0; i < 10; i++) {
        options.lane = i % 2 ? first : second;
        options.priority = (filch_priority)(i % 3 - 1);
        must(filch_scope_submit_with(scope, write_letter, arg, &options, NULL) == 0);
    }
    int rc = filch_scope_join(scope, NULL);
    filch_scope_close(scope);
    return rc;
}

static int join_members(filch_task *self, void *arg)
{
    return join_scope(self, arg, false);
}

static int join_unheld_members(filch_task *self, void *arg)
{
    return join_scope(self, arg, true);
}

static void join(filch_fn *joins, unsigned workers, bool spare)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    atomic_store(&record.n, 0);
    options.workers = workers;
    options.no_spare_threads = !spare;
    must(filch_pool_create(&pool, &options) == 0);
    make_lanes(pool);
    filch_future *joiner = submit_to(pool, first, FILCH_NORMAL, joins, &a);
    cr_assert_eq(filch_future_wait(joiner, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(joiner), FILCH_DONE);
    cr_assert_eq(atomic_load(&record.n), 10);
    filch_future_unref(joiner);
    drop_lanes();
    filch_pool_destroy(pool);
}

Test(lanes_await, a_scope_may_have_its_tasks_in_lanes)
{
    join(join_members, 1, true);
    join(join_members, 3, true);
}

Test(lanes_await, who_joins_a_scope_finds_its_tasks_in_lanes_where_no_thread_is_to_spare)
{
    join(join_members, 1, false);
    join(join_members, 2, false);
}

Test(lanes_await, so_does_who_joins_one_whose_tasks_nobody_holds)
{
    join(join_unheld_members, 1, true);
    join(join_unheld_members, 1, false);
    join(join_unheld_members, 2, false);
}

/* ---- Raising ---- */

static void *wait_outside(void *future)
{
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    return NULL;
}

/* Of the three the last is waited for, from outside; which levels they have is the caller's choice. */
static const char *raise_last(filch_pool *pool, filch_lane *lane, filch_priority priority)
{
    struct gate gate = GATE;
    pthread_t thread;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, lane, priority, &a, 2);
    filch_future *last = submit_to(pool, lane, priority, write_letter, &w);
    must(pthread_create(&thread, NULL, wait_outside, last) == 0);
    UNTIL(is_queued_high(pool, lane));
    let_go(&gate, holder);
    pthread_join(thread, NULL);
    filch_future_unref(last);
    return letters(&record, 3);
}

Test(lanes_await, a_task_that_is_waited_for_goes_before_others)
{
    filch_pool *pool = pool_of(1);
    cr_assert_str_eq(raise_last(pool, NULL, FILCH_NORMAL), "waa");
    filch_pool_destroy(pool);
}

Test(lanes_await, so_does_one_of_a_lane)
{
    filch_pool *pool = pool_of(1);
    make_lanes(pool);
    cr_assert_str_eq(raise_last(pool, first, FILCH_LOW), "waa");
    drop_lanes();
    filch_pool_destroy(pool);
}

static int submit_subs(filch_task *self, void *arg)
{
    filch_pool *pool = filch_task_pool(self);
    filch_future **oldest = arg;
    must(filch_submit(pool, write_letter, &w, oldest) == 0);
    for (int i = 0; i < 3; i++)
        must(filch_submit(pool, write_letter, &a, NULL) == 0);
    return filch_future_wait(*oldest, FILCH_SECONDS(100)); /* with a deadline it is not run in place */
}

Test(lanes_await, so_does_a_sub_task)
{
    filch_pool *pool = pool_of(1);
    filch_future *oldest = NULL, *future = submit(pool, submit_subs, &oldest);
    UNTIL(filch_future_state(future) != FILCH_PENDING);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_str_eq(letters(&record, 4), "waaa");
    filch_future_unref(oldest);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

Test(lanes_await, it_goes_before_others_once_however_many_wait)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    pthread_t threads[4];
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, NULL, FILCH_NORMAL, &a, 2);
    filch_future *last = submit_to(pool, NULL, FILCH_NORMAL, write_letter, &w);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, wait_outside, last), 0);
    UNTIL(is_queued_high(pool, NULL));
    let_go(&gate, holder);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_str_eq(letters(&record, 3), "waa");
    filch_future_unref(last);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    filch_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.submitted, stats.finished);
    cr_assert_eq(stats.submitted, 4);
    filch_pool_destroy(pool);
}

Test(lanes_await, a_poll_raises_nothing)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, NULL, FILCH_NORMAL, &a, 2);
    filch_future *last = submit(pool, write_letter, &w);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(filch_future_wait(last, 0), -ETIMEDOUT);
    let_go(&gate, holder);
    cr_assert_str_eq(letters(&record, 3), "aaw");
    filch_future_unref(last);
    filch_pool_destroy(pool);
}

Test(lanes_await, one_that_is_waited_for_before_its_time_goes_before_others_when_it_comes)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    pthread_t thread;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *later = NULL;
    make_lanes(pool);
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, first, FILCH_NORMAL, &a, 2);
    options.lane = first;
    options.start_at_ns = filch_now() + FILCH_MS(100);
    cr_assert_eq(filch_submit_with(pool, write_letter, &w, &options, &later), 0);
    cr_assert_eq(pthread_create(&thread, NULL, wait_outside, later), 0);
    UNTIL(is_queued_high(pool, first));
    let_go(&gate, holder);
    pthread_join(thread, NULL);
    cr_assert_str_eq(letters(&record, 3), "waa");
    filch_future_unref(later);
    drop_lanes();
    filch_pool_destroy(pool);
}

/* The entry that made it go first is left behind, or the one it had. */
Test(lanes_await, a_raised_task_that_is_cancelled_leaves_nothing)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    pthread_t thread;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, NULL, FILCH_NORMAL, &a, 1);
    filch_future *last = submit(pool, write_letter, &w);
    cr_assert_eq(pthread_create(&thread, NULL, wait_outside, last), 0);
    UNTIL(is_queued_high(pool, NULL));
    cr_assert(filch_future_cancel(last));
    pthread_join(thread, NULL);
    filch_future_unref(last);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_str_eq(record.letters, "a");
}

Test(lanes_await, without_memory_it_keeps_its_turn)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, NULL, FILCH_LOW, &b, 1);
    write_letters(pool, NULL, FILCH_NORMAL, &a, 1);
    filch_future *last = submit(pool, write_letter, &w);
    atomic_store(&filchi_os_faults.allocations, -1);
    cr_assert_eq(filch_future_wait(last, FILCH_MS(20)), -ETIMEDOUT);
    atomic_store(&filchi_os_faults.allocations, 0);
    let_go(&gate, holder);
    cr_assert_str_eq(letters(&record, 3), "awb");
    filch_future_unref(last);
    filch_pool_destroy(pool);
}

/* ---- Guests ---- */

/* In each of two pools a task that has the only place of a lane, and runs a task of the other pool's within a submit. */
struct visit {
    filch_pool *to;
    filch_lane *lane;
    _Atomic int *there;
};

static int submit_as_guest(filch_task *self, void *arg)
{
    const struct visit *visit = arg;
    filch_task_options options = FILCH_TASK_OPTIONS;
    (void)self;
    atomic_fetch_add(visit->there, 1);
    UNTIL(atomic_load(visit->there) == 3); /* once both queues are full */
    options.lane = visit->lane;
    return filch_submit_with(visit->to, write_letter, &a, &options, NULL);
}

/* Its worker is held, and its queue full: who submits from elsewhere runs the task. */
static filch_pool *full_pool(struct gate *gate, filch_future **holder)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 2;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    must(filch_pool_create(&pool, &options) == 0);
    *holder = hold_worker(pool, gate);
    return pool;
}

Test(lanes_await, two_that_have_a_place_and_want_each_others_as_guests_get_them)
{
    struct gate gates[2] = { GATE, GATE };
    filch_future *holders[2], *visitors[2], *fill[2];
    filch_lane *lanes[2];
    struct visit visits[2];
    _Atomic int there = 0;
    filch_pool *pools[2];
    for (int i = 0; i < 2; i++) {
        pools[i] = full_pool(&gates[i], &holders[i]);
        lanes[i] = lane_of(pools[i], 1, 1);
    }
    for (int i = 0; i < 2; i++) {
        visits[i] = (struct visit) { pools[!i], lanes[!i], &there };
        visitors[i] = submit_to(pools[i], lanes[i], FILCH_NORMAL, submit_as_guest, &visits[i]);
        UNTIL(filch_future_state(visitors[i]) == FILCH_RUNNING);
        fill[i] = submit_to(pools[i], lanes[i], FILCH_NORMAL, do_nothing, NULL);
    }
    atomic_fetch_add(&there, 1);
    cr_assert_str_eq(letters(&record, 2), "aa");
    for (int i = 0; i < 2; i++) {
        let_go(&gates[i], holders[i]);
        cr_assert_eq(filch_future_wait(visitors[i], FILCH_FOREVER), 0);
        unref_all((filch_future *[]) { visitors[i], fill[i] }, 2);
        UNTIL(lane_stats(lanes[i]).running == 0);
        filch_lane_unref(lanes[i]);
    }
    for (int i = 0; i < 2; i++)
        filch_pool_destroy(pools[i]);
}

static int await_idleness(filch_task *self, void *arg)
{
    filch_pool *pool = filch_task_pool(self);
    UNTIL(stats_of(pool).idle == 2);
    return write_letter(self, arg);
}

static struct gate runner = GATE;

/* Once a guest waits for the place. */
static void *let_guest_in(void *lane)
{
    UNTIL(lane_stats(lane).resuming == 1);
    gate_open(&runner);
    return NULL;
}

/* Nobody of the pool's looks for work as it ends: it is the place that calls one. */
Test(lanes_await, a_place_that_a_guest_leaves_wakes_a_worker_for_what_waits_in_the_lane)
{
    pthread_t thread;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_task_options of_lane = FILCH_TASK_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 2;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    must(filch_pool_create(&pool, &options) == 0);
    filch_lane *lane = of_lane.lane = lane_of(pool, 1, 1);
    filch_future *runs = submit_to(pool, lane, FILCH_NORMAL, pass_gate, &runner);
    event_await(&runner.started);
    filch_future *waits = submit_to(pool, lane, FILCH_NORMAL, write_letter, &w);
    must(pthread_create(&thread, NULL, let_guest_in, lane) == 0);
    cr_assert_eq(filch_submit_with(pool, await_idleness, &a, &of_lane, NULL), 0);
    cr_assert_eq(filch_future_wait(waits, FILCH_FOREVER), 0);
    pthread_join(thread, NULL);
    cr_assert_str_eq(letters(&record, 2), "aw");
    unref_all((filch_future *[]) { runs, waits }, 2);
    UNTIL(lane_stats(lane).running == 0);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
}
