/* SPDX-License-Identifier: MIT */
/* Pools on CPUs of the caller's choice, and workers that stay on theirs. */
#include "support.h"

SUITE(cpus);

/* ---- Helpers ---- */

static cpu_set_t mask_here(void)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    must(sched_getaffinity(0, sizeof mask, &mask) == 0);
    return mask;
}

/* The CPUs that there are. */
static size_t all_cpus(uint16_t *out, size_t most)
{
    cpu_set_t mask = mask_here();
    size_t n = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < most; cpu++)
        if (CPU_ISSET(cpu, &mask))
            out[n++] = (uint16_t)cpu;
    return n;
}

static int create(filch_pool **out, const uint16_t *cpus, size_t n, bool pin, unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.cpus = cpus;
    options.n_cpus = n;
    options.pin = pin;
    options.workers = workers;
    return filch_pool_create(out, &options);
}

static int see_mask(filch_task *self, void *out)
{
    (void)self;
    *(cpu_set_t *)out = mask_here();
    return 0;
}

static cpu_set_t mask_of_a_task(filch_pool *pool)
{
    cpu_set_t mask;
    filch_future *future = submit(pool, see_mask, &mask);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    filch_future_unref(future);
    return mask;
}

static bool is_only(const cpu_set_t *mask, unsigned cpu)
{
    return CPU_COUNT(mask) == 1 && CPU_ISSET(cpu, mask);
}

/* ---- The set ---- */

Test(cpus, tasks_run_on_the_chosen_one)
{
    uint16_t cpus[CPU_SETSIZE];
    size_t n = all_cpus(cpus, CPU_SETSIZE);
    filch_pool *pool = NULL;
    cpu_set_t before = mask_here(), inside;
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(create(&pool, &cpus[i], 1, false, 0), 0);
        cr_assert_eq(filch_pool_workers(pool), 1);
        inside = mask_of_a_task(pool);
        cr_assert(is_only(&inside, cpus[i]));
        cpu_set_t after = mask_here();
        cr_assert(CPU_EQUAL(&before, &after));
        filch_pool_destroy(pool);
    }
}

Test(cpus, cpus_that_the_process_may_not_use_are_invalid)
{
    uint16_t cpus[] = { 0, 65535 };
    filch_pool *pool = NULL;
    all_cpus(cpus, 1);
    cpu_set_t before = mask_here();
    cr_assert_eq(create(&pool, cpus, 2, false, 1), -EINVAL);
    cr_assert_eq(create(&pool, cpus + 1, 1, true, 1), -EINVAL);
    cr_assert_eq(create(&pool, NULL, 1, false, 1), -EINVAL);
    cr_assert_eq(create(&pool, cpus, 65537, false, 1), -EINVAL);
    cr_assert_null(pool);
    cpu_set_t after = mask_here();
    cr_assert(CPU_EQUAL(&before, &after));
}

Test(cpus, the_default_number_of_workers_is_that_of_different_cpus)
{
    uint16_t cpus[3];
    filch_pool *pool = NULL;
    all_cpus(cpus, 1);
    cpus[1] = cpus[2] = cpus[0];
    cr_assert_eq(create(&pool, cpus, 3, false, 0), 0);
    cr_assert_eq(filch_pool_workers(pool), 1);
    filch_pool_destroy(pool);
    cr_assert_eq(create(&pool, cpus, 3, false, 5), 0);
    cr_assert_eq(filch_pool_workers(pool), 5);
    filch_pool_destroy(pool);
}

static int see_sub_task(filch_task *self, void *out)
{
    filch_future *sub = NULL;
    must(filch_submit(filch_task_pool(self), see_mask, out, &sub) == 0);
    filch_blocking_begin(self);
    filch_blocking_end(self);
    must(filch_future_wait(sub, FILCH_SECONDS(1000)) ==
         0); /* on a spare thread: with a deadline it is not run here */
    filch_future_unref(sub);
    return 0;
}

Test(cpus, spare_threads_are_on_them_too)
{
    uint16_t cpu = 0;
    filch_pool *pool = NULL;
    cpu_set_t inside;
    all_cpus(&cpu, 1);
    cr_assert_eq(create(&pool, &cpu, 1, true, 1), 0);
    filch_future *future = submit(pool, see_sub_task, &inside);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert(is_only(&inside, cpu));
    cr_assert_geq(stats_of(pool).threads_peak, 2);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- Pinning ---- */

static int stay_pinned(filch_task *self, void *arg)
{
    cpu_set_t mask = mask_here();
    (void)self;
    must(CPU_COUNT(&mask) == 1 && CPU_ISSET((unsigned)sched_getcpu(), &mask));
    CPU_OR((cpu_set_t *)arg, (cpu_set_t *)arg, &mask);
    return 0;
}

/* Tasks that run at once, one per worker, are on different CPUs. */
struct meeting {
    struct gate gate;
    cpu_set_t masks[64];
    _Atomic unsigned n;
};

static int meet(filch_task *self, void *arg)
{
    struct meeting *meeting = arg;
    meeting->masks[atomic_fetch_add(&meeting->n, 1)] = mask_here();
    return pass_gate(self, &meeting->gate);
}

Test(cpus, pinned_workers_are_on_different_cpus)
{
    uint16_t cpus[64];
    size_t n = all_cpus(cpus, 64);
    struct meeting meeting = { .gate = GATE };
    filch_future *futures[64];
    filch_pool *pool = NULL;
    cpu_set_t all;
    CPU_ZERO(&all);
    cr_assert_eq(create(&pool, cpus, n, true, (unsigned)n), 0);
    for (size_t i = 0; i < n; i++)
        futures[i] = submit(pool, meet, &meeting);
    event_await_count(&meeting.gate.started, (unsigned)n);
    gate_open(&meeting.gate);
    cr_assert_eq(filch_join(futures, n), 0);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(CPU_COUNT(&meeting.masks[i]), 1);
        CPU_OR(&all, &all, &meeting.masks[i]);
    }
    cr_assert_eq((size_t)CPU_COUNT(&all), n);
    unref_all(futures, n);
    filch_pool_destroy(pool);
}

Test(cpus, without_a_list_pinning_is_to_those_of_the_creator)
{
    filch_pool *pool = NULL;
    cpu_set_t all;
    CPU_ZERO(&all);
    cr_assert_eq(create(&pool, NULL, 0, true, 1), 0);
    filch_future *future = submit(pool, stay_pinned, &all);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(CPU_COUNT(&all), 1);
    filch_future_unref(future);
    filch_pool_destroy(pool);
}

/* ---- Lent threads ---- */

Test(cpus, a_lent_thread_gets_its_mask_back)
{
    uint16_t cpus[2];
    all_cpus(cpus, 1);
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    cpu_set_t before = mask_here(), inside;
    options.cpus = cpus;
    options.n_cpus = 1;
    options.pin = options.lent_threads_only = options.waiters_help = true;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    inside = mask_of_a_task(pool); /* run by this thread, which waits */
    cr_assert(is_only(&inside, cpus[0]));
    cpu_set_t after = mask_here();
    cr_assert(CPU_EQUAL(&before, &after));
    CPU_ZERO(&inside);
    cr_assert_eq(filch_submit(pool, see_mask, &inside, NULL), 0);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    cr_assert(is_only(&inside, cpus[0]));
    after = mask_here();
    cr_assert(CPU_EQUAL(&before, &after));
    filch_pool_destroy(pool);
}

Test(cpus, without_memory_a_pool_with_cpus_fails_or_works)
{
    uint16_t cpu = 0;
    int rc;
    long nth = 0;
    all_cpus(&cpu, 1);
    do {
        filch_pool *pool = NULL;
        atomic_store(&filchi_os_faults.allocations, ++nth);
        rc = create(&pool, &cpu, 1, true, 1);
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert(rc == -ENOMEM || rc == 0);
        cr_assert_eq(pool == NULL, rc != 0);
        filch_pool_destroy(pool);
    } while (rc);
    cr_assert_gt(nth, 3);
}
