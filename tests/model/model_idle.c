/* SPDX-License-Identifier: MIT */
/*
 * The idle word and the parker by themselves: publishers and threads that go to sleep, by the steps at the head of
 * idle.h, over a source of work that is only a number. A wake-up that is lost leaves a thread asleep for ever, which the
 * checker calls a deadlock.
 */
#include "engine.h"
#include "idle.h"
#include "parker.h"

#define THREADS 4

static struct filchi_idle idle;
static _Atomic unsigned work; /* the only source */
static pthread_mutex_t lock;
static bool listed[THREADS]; /* under the lock: asleep, or about to be */
static struct filchi_parker parkers[THREADS];

static void begin(void)
{
    atomic_init(&idle.word, 0);
    atomic_init(&work, 0);
    pthread_mutex_init(&lock, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        listed[i] = false;
        filchi_parker_init(&parkers[i]);
    }
}

static void all_went_on(void)
{
    model_check(atomic_load_explicit(&work, memory_order_relaxed) == 0);
    model_check(filchi_idle_load(&idle) == 0);
}

static bool any_work(void)
{
    return atomic_load_explicit(&work, memory_order_relaxed) > 0;
}

static bool take_work(void)
{
    unsigned n = atomic_load_explicit(&work, memory_order_relaxed);
    while (n > 0)
        if (atomic_compare_exchange_strong_explicit(&work, &n, n - 1, memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

static void wake_one(void)
{
    unsigned i = 0;
    pthread_mutex_lock(&lock);
    while (i < THREADS && !listed[i])
        i++;
    if (i < THREADS) {
        listed[i] = false;
        filchi_idle_take(&idle, true);
    }
    pthread_mutex_unlock(&lock);
    if (i < THREADS)
        filchi_parker_signal(&parkers[i]);
}

static void publish(void)
{
    atomic_fetch_add_explicit(&work, 1, memory_order_relaxed); /* P1 */
    if (filchi_idle_must_wake(&idle))
        wake_one();
}

/* It looked once more and saw something: whether it is still among the sleepers, and is so no more. */
static bool unlist(unsigned i)
{
    pthread_mutex_lock(&lock);
    bool was = listed[i];
    listed[i] = false;
    if (was)
        filchi_idle_take(&idle, true);
    pthread_mutex_unlock(&lock);
    return was;
}

/* Until it has found one piece of work. */
static void find_work(unsigned i)
{
    bool searching = filchi_idle_begin_search(&idle, 2 * THREADS);
    while (!take_work()) {
        uint32_t seen = filchi_parker_count(&parkers[i]);
        pthread_mutex_lock(&lock);
        listed[i] = true;
        filchi_idle_add(&idle, searching); /* S1 */
        pthread_mutex_unlock(&lock);
        filchi_idle_look_again();      /* S2 */
        if (!any_work() || !unlist(i)) /* S3 */
            filchi_parker_wait(&parkers[i], seen, FILCHI_NEVER);
        searching = true;
    }
    if (searching && filchi_idle_end_search(&idle) && any_work())
        wake_one();
}

/* ---- A publisher and a sleeper ---- */

static void one_task(unsigned i)
{
    if (i == 0)
        publish();
    else
        find_work(i);
}

/* ---- Two tasks, each of which keeps its thread ---- */

static void two_tasks(unsigned i)
{
    if (i == 0) {
        publish();
        publish();
    } else {
        find_work(i);
    }
}

/* ---- Two publishers ---- */

static void two_publishers(unsigned i)
{
    if (i < 2)
        publish();
    else
        find_work(i);
}

/* ---- A searcher, to which publishers leave their work, leaves ---- */

static void leaving(unsigned i)
{
    if (i != 1) {
        one_task(i);
        return;
    }
    if (!filchi_idle_begin_search(&idle, 2 * THREADS))
        return;
    filchi_idle_leave(&idle);
    filchi_idle_look_again();
    if (any_work())
        wake_one();
}

/* ---- The parker ---- */

struct place {
    struct filchi_parker parker;
    int said[3];
};
static struct place *place; /* of thread 0 */

static void begin_parker(void)
{
    place = filchi_os_alloc(sizeof *place);
    filchi_parker_init(&place->parker);
}

static void say(unsigned i)
{
    place->said[i] = 1;
    filchi_parker_signal(&place->parker);
}

static void leave_place(uint32_t signals)
{
    filchi_parker_settle(&place->parker, signals);
    for (uint32_t i = 1; i <= signals; i++)
        model_check(place->said[i] == 1);
    filchi_os_free(place);
}

/* One signal ends one sleep; the other is waited for as one that is on its way. */
static void two_signals(unsigned i)
{
    if (i > 0) {
        say(i);
        return;
    }
    model_check(filchi_parker_wait(&place->parker, 0, FILCHI_NEVER) == 0);
    uint32_t seen = filchi_parker_count(&place->parker);
    model_check(seen == 1 || seen == 2);
    if (seen == 1)
        model_check(filchi_parker_wait(&place->parker, 1, FILCHI_NEVER) == 0);
    leave_place(2);
}

static void settled(unsigned i)
{
    if (i > 0)
        say(i);
    else
        leave_place(2);
}

static void in_time(unsigned i)
{
    if (i > 0) {
        say(i);
        return;
    }
    int rc = filchi_parker_wait(&place->parker, 0, filchi_os_deadline(1000));
    model_check(rc == 0 || rc == -ETIMEDOUT);
    if (rc == 0)
        model_check(place->said[1] == 1);
    leave_place(1);
}

static void nothing_left(void)
{
    model_check(model_allocated() == 0);
}

static const struct model models[] = {
    { .name = "idle one task",
      .says = "work published while a thread goes to sleep is found or wakes it",
      .threads = 2,
      .before = begin,
      .thread = one_task,
      .after = all_went_on,
      .bound = 5,
      .executions = 20000 },
    { .name = "idle two tasks",
      .says = "a searcher that finds one of two tasks sees to it that a sleeper comes for the other",
      .threads = 3,
      .before = begin,
      .thread = two_tasks,
      .after = all_went_on,
      .bound = 2,
      .executions = 50000 },
    { .name = "idle leaving",
      .says = "work left to a searcher that leaves wakes another",
      .threads = 3,
      .before = begin,
      .thread = leaving,
      .after = all_went_on,
      .bound = 2,
      .executions = 50000 },
    { .name = "idle two publishers",
      .says = "no wake-up is lost between two publishers and two sleepers",
      .threads = 4,
      .before = begin,
      .thread = two_publishers,
      .after = all_went_on,
      .executions = 50000 },
    { .name = "parker two signals",
      .says = "each signal is counted and ends a sleep; the parker may go after the last",
      .threads = 3,
      .before = begin_parker,
      .thread = two_signals,
      .after = nothing_left,
      .bound = 3,
      .executions = 50000 },
    { .name = "parker settle",
      .says = "once all signals that are due have come nobody touches the parker any more",
      .threads = 3,
      .before = begin_parker,
      .thread = settled,
      .after = nothing_left,
      .executions = 20000 },
    { .name = "parker in time",
      .says = "a signal that comes with the end of the time counts, and is lost in no case",
      .threads = 2,
      .before = begin_parker,
      .thread = in_time,
      .after = nothing_left,
      .executions = 50000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "idle.h", "parker.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
