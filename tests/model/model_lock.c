/* SPDX-License-Identifier: MIT */
/* The lock: what it protects, who sleeps for it, and that giving it back is a full barrier. */
#include "engine.h"
#include "lock.h"

static struct filchi_lock lock;
static unsigned inside; /* under the lock */

static void begin(void)
{
    inside = 0;
    filchi_lock_init(&lock);
}

/* ---- Several want it ---- */

static void enter(unsigned i)
{
    (void)i;
    filchi_lock_take(&lock);
    inside++;
    filchi_lock_give(&lock);
}

static void enter_twice(unsigned i)
{
    enter(i);
    enter(i);
}

static void three_after(void)
{
    model_check(inside == 3);
}

static void six_after(void)
{
    model_check(inside == 6);
}

/* ---- A publisher that gives the lock back before it looks who sleeps, and one about to sleep ---- */

static _Atomic int published, sleeping;
static int saw[2];

static void begin_barrier(void)
{
    begin();
    atomic_init(&published, 0);
    atomic_init(&sleeping, 0);
}

static void barrier(unsigned i)
{
    if (i == 0) {
        filchi_lock_take(&lock);
        atomic_store_explicit(&published, 1, memory_order_relaxed);
        filchi_lock_give(&lock);
        saw[0] = atomic_load_explicit(&sleeping, memory_order_relaxed);
    } else {
        atomic_store_explicit(&sleeping, 1, memory_order_relaxed);
        filchi_fence_store_load();
        saw[1] = atomic_load_explicit(&published, memory_order_relaxed);
    }
}

static void barrier_after(void)
{
    model_check(saw[0] || saw[1]);
}

static const struct model models[] = {
    { .name = "lock barrier",
      .says = "a store before the lock is given back and a load after it do not change places",
      .threads = 2,
      .before = begin_barrier,
      .thread = barrier,
      .after = barrier_after,
      .bound = 8,
      .executions = 20000 },
    { .name = "lock two threads",
      .says = "of two that want the lock one has it at a time, and sees what the other did",
      .threads = 2,
      .before = begin,
      .thread = enter_twice,
      .executions = 50000 },
    { .name = "lock three threads",
      .says = "of three that want the lock nobody sleeps for ever",
      .threads = 3,
      .before = begin,
      .thread = enter,
      .after = three_after,
      .bound = 2,
      .executions = 50000 },
    { .name = "lock in turn",
      .says = "the same where each wants it twice",
      .threads = 3,
      .before = begin,
      .thread = enter_twice,
      .after = six_after,
      .executions = 50000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "lock.c", "lock.h", "atomic.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
