/* SPDX-License-Identifier: MIT */
/* Threads that the program lends: a stop that ends it and leaves the lender's frame, and the end of a pool that waits
 * for those who are still there. */
#include "small.h"

static filch_stop *stop;

static void begin_with_help(unsigned threads, bool help)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 1;
    options.lent_threads_only = true;
    options.waiters_help = help;
    for (unsigned i = 0; i < RUNS; i++)
        runs[i] = 0;
    atomic_init(&staying, threads);
    model_check(filch_pool_create(&pool, &options) == 0);
}

static void begin(unsigned threads)
{
    begin_with_help(threads, false);
}

static void submit(unsigned *ran)
{
    model_check(filch_submit(pool, count, ran, NULL) == 0);
}

/* ---- A stop ---- */

static void begin_stopped(void)
{
    begin(2);
    model_check(filch_stop_create(&stop, NULL) == 0);
    filch_stop_ref(stop);
}

/* Lends once more: that frame lies where the first was. */
static void lend_until_stopped(unsigned i)
{
    if (i == 0) {
        submit(&runs[0]);
        linger(40);
        filch_stop_request(stop, 0);
    } else {
        model_check(filch_pool_lend(pool, stop) == 0);
        model_check(filch_stop_requested(stop));
        model_check(filch_pool_lend(pool, stop) == 0);
    }
    filch_stop_unref(stop);
    if (atomic_fetch_sub_explicit(&staying, 1, memory_order_acq_rel) != 1)
        return;
    model_check(filch_pool_destroy(pool) == 0); /* which runs the task if nobody has */
    model_check(runs[0] == 1 && model_allocated() == 0);
}

/* ---- The end of the pool ---- */

static void begin_drained(void)
{
    begin(3);
}

static void lend_until_drained(unsigned i)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    if (i) {
        model_check(filch_pool_lend(pool, NULL) == 0);
        return;
    }
    submit(&runs[0]);
    while (stats.threads < 2) {
        model_yield();
        model_check(filch_pool_stats_get(pool, &stats) == 0);
    }
    submit(&runs[1]);
    model_check(filch_pool_destroy(pool) == 0);
    model_check(runs[0] == 1 && runs[1] == 1 && model_allocated() == 0);
}

/* ---- Waits that help ---- */

/* Each waits for the other's task too, and nobody but the two can run any. */
static filch_future *_Atomic handed[2];

static void begin_handed(void)
{
    begin_with_help(2, true);
    atomic_init(&handed[0], NULL);
    atomic_init(&handed[1], NULL);
}

static void wait_helping(unsigned i)
{
    filch_future *own = NULL, *other;
    model_check(filch_submit(pool, count, &runs[i], &own) == 0);
    atomic_store_explicit(&handed[i], filch_future_ref(own), memory_order_release);
    while (!(other = atomic_load_explicit(&handed[1 - i], memory_order_acquire)))
        model_yield();
    filch_future *both[] = { own, other };
    model_check((i ? filch_join(both, 2) : filch_future_wait(other, FILCH_FOREVER)) == 0);
    model_check(filch_future_wait(own, FILCH_FOREVER) == 0);
    settle(own, &runs[i]);
    settle(other, &runs[1 - i]);
    leave();
}

static const struct model models[] = {
    { .name = "lend until a stop",
      .says =
          "a stop ends the lending and has left its frame then; the task is run there or by who destroys the pool",
      .threads = 2,
      .hosts = 0,
      .before = begin_stopped,
      .thread = lend_until_stopped,
      .executions = 20000 },
    { .name = "lend until the end",
      .says = "a pool goes when the threads that are lent to it have left, and each task ran once",
      .threads = 3,
      .hosts = 0,
      .before = begin_drained,
      .thread = lend_until_drained,
      .executions = 10000 },
    { .name = "lend while waiting",
      .says = "two threads that wait run each other's tasks: none is lost, and the pool goes when both have left",
      .threads = 2,
      .hosts = 0,
      .before = begin_handed,
      .thread = wait_helping,
      .executions = 20000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "lend.c", "help.c", NULL };
    return model_main(argc, argv, files, models, COUNT_OF(models));
}
