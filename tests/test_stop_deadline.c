/* SPDX-License-Identifier: MIT */
/* Stops with a deadline: that it comes, what it stops, and that they may be dropped at any moment. */
#include "os.h"
#include "support.h"
#include "worker.h"

#include <limits.h>
#include <poll.h>

SUITE(stop_deadline);

/* Longer than any test. */
#define NEVER_DUE FILCH_SECONDS(1000)

static filch_stop *stop_until(filch_pool *pool, filch_stop *parent, int64_t deadline_ns)
{
    filch_stop *stop = NULL;
    must(filch_stop_create_until(&stop, parent, pool, deadline_ns) == 0);
    return stop;
}

/* ---- Lifetimes ---- */

static void *drop_stop(void *stop)
{
    filch_stop_unref(stop);
    return NULL;
}

Test(stop_deadline, a_chain_of_any_length_may_go_after_the_pool)
{
    enum { LENGTH = 50000 };
    filch_pool *pool = pool_of(1);
    filch_stop *leaf = NULL;
    for (int i = 0; i < LENGTH; i++) {
        filch_stop *parent = leaf;
        leaf = stop_until(pool, parent, filch_now() + NEVER_DUE);
        filch_stop_unref(parent);
    }
    cr_assert_eq(filch_pool_destroy(pool), 0);
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, (size_t)256 << 10);
    cr_assert_eq(pthread_create(&thread, &small, drop_stop, leaf), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&small);
}
