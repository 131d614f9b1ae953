/* SPDX-License-Identifier: MIT */
/* Tasks that start later: when, in what order, at what cost, and what ends their wait. */
#include "os.h"
#include "support.h"
#include "worker.h"

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>

SUITE(timers);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static filch_future *submit_after(filch_pool *pool, int64_t delay_ns, filch_fn *fn, void *arg)
{
    filch_future *future = NULL;
    must(filch_submit_after(pool, delay_ns, fn, arg, &future) == 0);
    return future;
}

/* ---- The timer thread ---- */

struct flood {
    filch_pool *pool;
    _Atomic bool over;
};

/* Sends the timer thread a message all the time. */
static void *flood_main(void *arg)
{
    struct flood *flood = arg;
    while (!atomic_load(&flood->over)) {
        filch_future *future = submit_after(flood->pool, NEVER_DUE, do_nothing, NULL);
        must(filch_future_cancel(future));
        filch_future_unref(future);
    }
    return NULL;
}

Test(timers, messages_without_end_do_not_hold_up_an_armed_timer)
{
    enum { FLOODS = 6 };
    struct flood flood = { .pool = pool_of(1) };
    pthread_t threads[FLOODS];
    filch_future *armed = submit_after(flood.pool, FILCH_MS(300), do_nothing, NULL);
    UNTIL(atomic_load(&flood.pool->timers->n) == 1);
    for (int i = 0; i < FLOODS; i++)
        must(pthread_create(&threads[i], NULL, flood_main, &flood) == 0);
    int rc = filch_future_wait(armed, FILCH_SECONDS(5));
    atomic_store(&flood.over, true);
    for (int i = 0; i < FLOODS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(rc, 0);
    filch_future_unref(armed);
    cr_assert_eq(filch_pool_destroy(flood.pool), 0);
}

/* ---- Cancelling ---- */

static void shut_down_from_callback(filch_future *future, void *pool)
{
    must(filch_future_state(future) == FILCH_CANCELLED);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_SECONDS(10), NULL) == 0);
}

Test(timers, a_callback_of_a_cancel_may_wait_for_the_pools_end)
{
    filch_pool *pool = pool_of(1);
    filch_future *future = submit_after(pool, NEVER_DUE, do_nothing, NULL);
    cr_assert_eq(filch_future_on_done(future, shut_down_from_callback, pool), 0);
    cr_assert(filch_future_cancel(future));
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}
