/* SPDX-License-Identifier: MIT */
/* Lanes: shares by weight, limits of what runs at once, and who lives how long. */
#include "lanes.h"

SUITE(lanes);

static struct record record;
static struct letter a = { &record, 'a' }, b = { &record, 'b' }, c = { &record, 'c' }, plain = { &record, '-' };

static size_t count(const char *all, size_t n, char letter)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += all[i] == letter;
    return found;
}

/* ---- Shares ---- */

Test(lanes, starts_are_in_proportion_to_the_weights_at_every_moment)
{
    filch_pool *pool = pool_of(1);
    filch_lane *one = lane_of(pool, 1, 0), *two = lane_of(pool, 2, 0), *five = lane_of(pool, 5, 0);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, one, FILCH_NORMAL, &a, 400);
    write_letters(pool, two, FILCH_NORMAL, &b, 400);
    write_letters(pool, five, FILCH_NORMAL, &c, 400);
    let_go(&gate, holder);
    const char *all = letters(&record, 1200);
    for (size_t n = 8; n <= 640; n += 8) { /* then the third has none left */
        cr_assert_eq(count(all, n, 'a'), n / 8);
        cr_assert_eq(count(all, n, 'b'), n / 4);
        cr_assert_eq(count(all, n, 'c'), n / 8 * 5);
    }
    filch_lane_unref(one);
    filch_lane_unref(two);
    filch_lane_unref(five);
    filch_pool_destroy(pool);
}

Test(lanes, tasks_of_no_lane_are_a_lane_of_weight_one)
{
    filch_pool *pool = pool_of(1);
    filch_lane *lane = lane_of(pool, 3, 0);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(filch_submit(pool, write_letter, &plain, NULL), 0);
    write_letters(pool, lane, FILCH_NORMAL, &a, 300);
    let_go(&gate, holder);
    const char *all = letters(&record, 400);
    for (size_t n = 4; n <= 400; n += 4)
        cr_assert_eq(count(all, n, '-'), n / 4);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
}

Test(lanes, a_priority_is_one_within_the_lane)
{
    filch_pool *pool = pool_of(1);
    filch_lane *first = lane_of(pool, 1, 0), *second = lane_of(pool, 1, 0);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, first, FILCH_HIGH, &a, 6);
    write_letters(pool, second, FILCH_LOW, &b, 3);
    write_letters(pool, second, FILCH_HIGH, &c, 3);
    let_go(&gate, holder);
    const char *all = letters(&record, 12);
    for (size_t n = 2; n <= 12; n += 2)
        cr_assert_eq(count(all, n, 'a'), n / 2);
    cr_assert_eq(count(all, 6, 'c'), 3);
    filch_lane_unref(first);
    filch_lane_unref(second);
    filch_pool_destroy(pool);
}

/* While it was idle others had many turns; still it gets no more than its share from now on. */
Test(lanes, an_idle_lane_saves_nothing_up)
{
    filch_pool *pool = pool_of(1);
    filch_lane *busy = lane_of(pool, 1, 0), *idle = lane_of(pool, 1, 0);
    struct gate gate = GATE, again = GATE;
    write_letters(pool, busy, FILCH_NORMAL, &a, 100);
    letters(&record, 100);
    filch_future *holder = hold_worker(pool, &gate);
    write_letters(pool, busy, FILCH_NORMAL, &a, 20);
    filch_future *second = submit_to(pool, busy, FILCH_NORMAL, pass_gate, &again);
    let_go(&gate, holder);
    event_await(&again.started);
    write_letters(pool, busy, FILCH_NORMAL, &b, 20);
    write_letters(pool, idle, FILCH_NORMAL, &c, 20);
    let_go(&again, second);
    const char *all = letters(&record, 160);
    cr_assert_eq(all[120], 'c', "it is the next");
    for (size_t n = 2; n <= 40; n += 2)
        cr_assert(count(all + 120, n, 'c') - n / 2 <= 1);
    filch_lane_unref(busy);
    filch_lane_unref(idle);
    filch_pool_destroy(pool);
}

Test(lanes, many_lanes_go_round_and_round)
{
    enum { LANES = 20, EACH = 5 };
    static struct letter own[LANES];
    filch_pool *pool = pool_of(1);
    filch_lane *lanes[LANES];
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate);
    for (int i = 0; i < LANES; i++) {
        lanes[i] = lane_of(pool, 0, 0); /* as 1 */
        own[i] = (struct letter) { &record, (char)('A' + i) };
        write_letters(pool, lanes[i], FILCH_NORMAL, &own[i], EACH);
        filch_lane_unref(lanes[i]); /* its tasks keep it */
    }
    let_go(&gate, holder);
    const char *all = letters(&record, LANES * EACH);
    for (int round = 0; round < EACH; round++)
        for (int i = 0; i < LANES; i++)
            cr_assert_eq(count(all + round * LANES, LANES, (char)('A' + i)), 1);
    filch_pool_destroy(pool);
}

/* ---- Limits ---- */

struct busy {
    _Atomic int now, most, ended;
    struct event started, opened;
};

static int be_busy(filch_task *self, void *arg)
{
    struct busy *busy = arg;
    (void)self;
    int now = atomic_fetch_add(&busy->now, 1) + 1, most = atomic_load(&busy->most);
    while (now > most && !atomic_compare_exchange_weak(&busy->most, &most, now))
        continue;
    event_signal(&busy->started);
    event_await(&busy->opened);
    atomic_fetch_sub(&busy->now, 1);
    atomic_fetch_add(&busy->ended, 1);
    return 0;
}

Test(lanes, no_more_run_at_once_than_the_lane_allows_and_other_workers_are_free)
{
    static struct busy busy = { .started = EVENT, .opened = EVENT };
    filch_pool *pool = pool_of(3);
    filch_lane *lane = lane_of(pool, 1, 2);
    for (int i = 0; i < 10; i++)
        filch_future_unref(submit_to(pool, lane, FILCH_NORMAL, be_busy, &busy));
    event_await_count(&busy.started, 2);
    filch_future *other = submit(pool, write_letter, &plain);
    cr_assert_eq(filch_future_wait(other, FILCH_FOREVER), 0);
    filch_lane_stats stats = lane_stats(lane);
    cr_assert_eq(stats.running, 2);
    cr_assert_eq(stats.queued, 8);
    cr_assert_eq(stats.started, 2);
    event_signal(&busy.opened);
    UNTIL(atomic_load(&busy.ended) == 10);
    cr_assert_eq(atomic_load(&busy.most), 2);
    UNTIL(lane_stats(lane).running == 0);
    cr_assert_eq(lane_stats(lane).started, 10);
    filch_future_unref(other);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
}

Test(lanes, a_lane_that_is_full_lets_the_workers_sleep)
{
    static struct busy busy = { .started = EVENT, .opened = EVENT };
    filch_pool *pool = pool_of(2);
    filch_lane *lane = lane_of(pool, 1, 1);
    for (int i = 0; i < 3; i++)
        filch_future_unref(submit_to(pool, lane, FILCH_NORMAL, be_busy, &busy));
    event_await(&busy.started);
    UNTIL(stats_of(pool).idle == 1);
    uint64_t parks = stats_of(pool).parks;
    for (int i = 0; i < 1000; i++)
        sched_yield();
    cr_assert_eq(stats_of(pool).parks, parks, "the other one does not look again and again");
    event_signal(&busy.opened);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&busy.ended), 3);
    cr_assert_eq(atomic_load(&busy.most), 1);
}

static int end_in_region(filch_task *self, void *arg)
{
    filch_blocking_begin(self);
    return be_busy(self, arg);
}

Test(lanes, a_blocking_region_keeps_the_place)
{
    static struct busy busy = { .started = EVENT, .opened = EVENT };
    filch_pool *pool = pool_of(2);
    filch_lane *lane = lane_of(pool, 1, 1);
    for (int i = 0; i < 4; i++)
        filch_future_unref(submit_to(pool, lane, FILCH_NORMAL, end_in_region, &busy));
    event_await(&busy.started);
    UNTIL(stats_of(pool).idle == 2);
    cr_assert_eq(atomic_load(&busy.most), 1);
    event_signal(&busy.opened);
    filch_pool_destroy(pool);
    cr_assert_eq(atomic_load(&busy.ended), 4);
    cr_assert_eq(atomic_load(&busy.most), 1);
    filch_lane_unref(lane);
}

static int fail_twice(filch_task *self, void *arg)
{
    write_letter(self, arg);
    return filch_task_attempt(self) < 3 ? -EIO : 0;
}

Test(lanes, a_task_that_waits_for_its_next_attempt_leaves_its_place)
{
    filch_pool *pool = pool_of(1);
    filch_lane *lane = lane_of(pool, 1, 1);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_future *tried = NULL;
    retry.interval_ns = FILCH_MS(20);
    options.retry = &retry;
    options.lane = lane;
    cr_assert_eq(filch_submit_with(pool, fail_twice, &a, &options, &tried), 0);
    filch_future *other = submit_to(pool, lane, FILCH_NORMAL, write_letter, &b);
    cr_assert_eq(filch_future_wait(tried, FILCH_FOREVER), 0);
    cr_assert_str_eq(letters(&record, 4), "abaa");
    UNTIL(lane_stats(lane).running == 0);
    cr_assert_eq(lane_stats(lane).started, 4);
    filch_future_unref(tried);
    filch_future_unref(other);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
}

/* ---- Ends ---- */

Test(lanes, cancelled_and_stopped_tasks_leave_the_place_that_they_were_given)
{
    filch_pool *pool = pool_of(1);
    filch_lane *lane = lane_of(pool, 1, 1);
    filch_stop *stop = stop_under(NULL);
    filch_task_options options = FILCH_TASK_OPTIONS;
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *stopped = NULL;
    filch_future *cancelled = submit_to(pool, lane, FILCH_NORMAL, write_letter, &a);
    options.lane = lane;
    options.stop = stop;
    cr_assert_eq(filch_submit_with(pool, write_letter, &b, &options, &stopped), 0);
    filch_future *last = submit_to(pool, lane, FILCH_NORMAL, write_letter, &c);
    cr_assert(filch_future_cancel(cancelled));
    filch_stop_request(stop, 0);
    let_go(&gate, holder);
    cr_assert_eq(filch_future_wait(last, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_wait(stopped, FILCH_FOREVER), 0);
    cr_assert_eq(filch_future_state(stopped), FILCH_STOPPED);
    cr_assert_str_eq(record.letters, "c");
    UNTIL(lane_stats(lane).running == 0);
    cr_assert_eq(lane_stats(lane).queued, 0);
    unref_all((filch_future *[]) { cancelled, stopped, last }, 3);
    filch_stop_unref(stop);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
}

Test(lanes, a_shutdown_cancels_what_waits_in_them_be_they_full_or_not)
{
    static struct busy busy = { .started = EVENT, .opened = EVENT };
    filch_pool *pool = pool_of(2);
    filch_lane *full = lane_of(pool, 1, 1), *other = lane_of(pool, 1, 0);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *waiting[6];
    filch_future *runs = submit_to(pool, full, FILCH_NORMAL, be_busy, &busy);
    event_await(&busy.started);
    for (int i = 0; i < 6; i++)
        waiting[i] = submit_to(pool, i % 2 ? full : other, (filch_priority)(i / 2 - 1), write_letter, &a);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL), 0);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(filch_future_state(waiting[i]), FILCH_CANCELLED);
    event_signal(&busy.opened);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
    cr_assert_eq(filch_future_state(runs), FILCH_DONE);
    cr_assert_eq(record.n, 0);
    unref_all(waiting, 6);
    filch_future_unref(runs);
    filch_lane_unref(full);
    filch_lane_unref(other);
}

Test(lanes, a_shutdown_that_cancels_nothing_runs_what_waits_in_them)
{
    filch_pool *pool = pool_of(2);
    filch_lane *lane = lane_of(pool, 1, 1);
    write_letters(pool, lane, FILCH_NORMAL, &a, 50);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
    cr_assert_eq(record.n, 50);
}

Test(lanes, a_lane_outlives_its_pool)
{
    filch_pool *pool = pool_of(1);
    filch_lane *lane = lane_of(pool, 1, 1);
    filch_future *future = submit_to(pool, lane, FILCH_NORMAL, write_letter, &a);
    filch_pool_destroy(pool);
    cr_assert_eq(lane_stats(lane).started, 1);
    filch_lane_unref(lane);
    cr_assert_eq(filch_future_state(future), FILCH_DONE);
    filch_future_unref(future);
}

Test(lanes, more_references_keep_it)
{
    filch_pool *pool = pool_of(1);
    filch_lane *lane = lane_of(pool, 1, 0);
    cr_assert_eq(filch_lane_ref(lane), lane);
    filch_lane_unref(lane);
    cr_assert_eq(lane_stats(lane).queued, 0);
    filch_lane_cleanup(&lane);
    cr_assert_null(filch_lane_ref(NULL));
    filch_lane_unref(NULL);
    filch_pool_destroy(pool);
}

/* ---- Looking ---- */

Test(lanes, a_dump_shows_each_with_what_runs_and_what_waits)
{
    filch_pool *pool = pool_of(1);
    filch_lane_options options = FILCH_LANE_OPTIONS;
    filch_lane *named = NULL, *unnamed = lane_of(pool, 7, 0);
    struct gate gate = GATE;
    char text[4096] = "", line[64];
    options.name = "bulk";
    options.max_running = 2;
    cr_assert_eq(filch_lane_create(&named, pool, &options), 0);
    filch_future *holder = submit_to(pool, named, FILCH_NORMAL, pass_gate, &gate);
    event_await(&gate.started);
    write_letters(pool, named, FILCH_LOW, &a, 3);
    write_letters(pool, NULL, FILCH_HIGH, &b, 2);
    FILE *file = tmpfile();
    cr_assert_eq(filch_pool_dump(pool, fileno(file)), 0);
    rewind(file);
    must(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    snprintf(line, sizeof line, "lane %p: weight 7, 0 running, 0 high, ", (void *)unnamed);
    cr_assert(strstr(text, line), "%s", text);
    cr_assert(strstr(text, "lane \"bulk\": weight 1, 1 running of at most 2, 0 waiting to go on, "
                           "0 high, 0 normal, 3 low waiting\n"),
              "%s", text);
    cr_assert(strstr(text, "tasks from outside with a priority: 2 high, 0 normal, 0 low waiting\n"), "%s", text);
    let_go(&gate, holder);
    filch_lane_unref(named);
    filch_lane_unref(unnamed);
    filch_pool_destroy(pool);
}

/* ---- Errors ---- */

Test(lanes, options_out_of_range_are_invalid)
{
    filch_pool *pool = pool_of(1);
    filch_lane_options options = FILCH_LANE_OPTIONS;
    filch_lane *lane = NULL;
    cr_assert_eq(filch_lane_create(&lane, NULL, &options), -EINVAL);
    options.weight = 65537;
    cr_assert_eq(filch_lane_create(&lane, pool, &options), -EINVAL);
    options.weight = 65536;
    options.size = 0;
    cr_assert_eq(filch_lane_create(&lane, pool, &options), -EINVAL);
    cr_assert_null(lane);
    cr_assert_eq(filch_lane_create(&lane, pool, NULL), 0);
    filch_lane_stats stats = FILCH_LANE_STATS;
    stats.size = 0;
    cr_assert_eq(filch_lane_stats_get(lane, &stats), -EINVAL);
    stats.size = sizeof stats;
    cr_assert_eq(filch_lane_stats_get(NULL, &stats), -EINVAL);
    filch_lane_unref(lane);
    filch_pool_destroy(pool);
}

Test(lanes, a_lane_of_another_pool_is_invalid)
{
    filch_pool *pool = pool_of(1), *other = pool_of(1);
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.lane = lane_of(other, 1, 0);
    cr_assert_eq(filch_submit_with(pool, write_letter, &a, &options, NULL), -EINVAL);
    filch_lane_unref(options.lane);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

Test(lanes, without_memory_nothing_is_left_half_done)
{
    for (long nth = 1, failed = 1; failed; nth++) {
        filch_pool *pool = pool_of(1);
        filch_lane_options options = FILCH_LANE_OPTIONS;
        filch_task_options chosen = FILCH_TASK_OPTIONS;
        struct gate gate = GATE;
        filch_future *holder = hold_worker(pool, &gate), *futures[8] = { NULL };
        options.name = "a tenant";
        chosen.name = "a name that does not fit into the task";
        failed = 0;
        atomic_store(&filchi_os_faults.allocations, nth);
        int rc = filch_lane_create(&chosen.lane, pool, &options);
        cr_assert(rc == 0 || rc == -ENOMEM);
        failed += rc != 0;
        for (int i = 0; i < 8 && !rc; i++) {
            int submitted = filch_submit_with(pool, write_letter, &a, &chosen, &futures[i]);
            cr_assert(submitted == 0 || submitted == -ENOMEM);
            failed += submitted != 0;
        }
        atomic_store(&filchi_os_faults.allocations, 0);
        let_go(&gate, holder);
        filch_lane_unref(chosen.lane);
        filch_pool_destroy(pool);
        for (int i = 0; i < 8; i++)
            cr_assert(!futures[i] || filch_future_state(futures[i]) == FILCH_DONE);
        unref_all(futures, 8);
    }
}
