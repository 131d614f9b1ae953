/* SPDX-License-Identifier: MIT */
/* The short lock. */
#include "lock.h"

#include "support.h"

SUITE(lock);

#define THREADS 4
#define EACH 50000

static struct filchi_lock lock;
static int counted;

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        filchi_lock_take(&lock);
        counted++;
        if (i % 1000 == 0)
            sched_yield(); /* the others come to wait */
        filchi_lock_give(&lock);
    }
    return NULL;
}

Test(lock, one_thread_at_a_time_holds_it)
{
    pthread_t threads[THREADS];
    filchi_lock_init(&lock);
    for (int i = 0; i < THREADS; i++)
        must(pthread_create(&threads[i], NULL, count, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(counted, THREADS * EACH);
    cr_assert_eq(atomic_load(&lock.word), FILCHI_LOCK_FREE);
}

static void *take_and_give(void *arg)
{
    filchi_lock_take(arg);
    filchi_lock_give(arg);
    return NULL;
}

Test(lock, who_waits_sleeps_and_is_woken)
{
    pthread_t thread;
    filchi_lock_init(&lock);
    filchi_lock_take(&lock);
    must(pthread_create(&thread, NULL, take_and_give, &lock) == 0);
    UNTIL(atomic_load(&lock.word) == FILCHI_LOCK_AWAITED);
    filchi_lock_give(&lock);
    pthread_join(thread, NULL);
    cr_assert_eq(atomic_load(&lock.word), FILCHI_LOCK_FREE);
}
