/* SPDX-License-Identifier: MIT */
/* docs/guide/threads.md: a pool without a thread of its own, worked by the program's. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <filch/filch.h>

enum { MOST = 64 };

struct lender {
    filch_pool *pool;
    filch_stop *until;
};

static int is_prime(filch_task *self, void *number)
{
    long n = *(long *)number;
    long divisor = 2;
    while (divisor * divisor <= n && n % divisor)
        divisor++;
    return filch_return(self, n > 1 && divisor * divisor > n ? "prime" : "not prime");
}

static void *work_for_a_while(void *arg)
{
    struct lender *lender = arg;
    filch_pool_lend(lender->pool, lender->until); /* returns when the stop is requested */
    return NULL;
}

int main(int argc, char **argv)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_future *futures[MOST];
    static long numbers[MOST];
    struct lender lender;
    pthread_t thread;
    int n = 0;
    options.workers = 2;
    options.lent_threads_only = true; /* tasks wait for threads that the program lends */
    options.waiters_help = true;      /* and who waits for them is one */
    if (filch_pool_create(&lender.pool, &options) || filch_stop_create(&lender.until, NULL))
        return 1;

    for (; n < MOST && n < argc - 1; n++) {
        numbers[n] = atol(argv[n + 1]);
        if (filch_submit(lender.pool, is_prime, &numbers[n], &futures[n]))
            return 1;
    }
    if (pthread_create(&thread, NULL, work_for_a_while, &lender))
        return 1;
    for (int i = 0; i < n; i++) {
        void *answer = "unknown";
        filch_future_result(futures[i], FILCH_FOREVER, &answer); /* runs some of them */
        printf("%ld: %s\n", numbers[i], (char *)answer);
        filch_future_unref(futures[i]);
    }

    filch_stop_request(lender.until, 0); /* the thread is the program's again */
    pthread_join(thread, NULL);
    filch_stop_unref(lender.until);
    return filch_pool_destroy(lender.pool) != 0;
}
