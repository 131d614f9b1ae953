/* SPDX-License-Identifier: MIT */
/* Quickstart: tasks that submit sub tasks to their own pool and wait for them, however few its workers are. */
#include <errno.h>
#include <filch/filch.h>

static int fib(filch_task *self, void *arg)
{
    FILCH_AUTO(filch_future_cleanup) filch_future *left = NULL, *right = NULL;
    filch_pool *pool = filch_task_pool(self);
    intptr_t n = (intptr_t)arg;
    void *a, *b;
    if (n < 2)
        return filch_return(self, arg);
    if (filch_submit(pool, fib, (void *)(n - 1), &left) || filch_submit(pool, fib, (void *)(n - 2), &right) ||
        filch_future_result(left, FILCH_FOREVER, &a) || filch_future_result(right, FILCH_FOREVER, &b))
        return filch_fail(self, -EAGAIN, "fib(%d) lost a sub task", (int)n);
    return filch_return(self, (void *)((intptr_t)a + (intptr_t)b));
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    void *result;
    if (filch_pool_create(&pool, NULL) || filch_submit(pool, fib, (void *)20, &future) ||
        filch_future_result(future, FILCH_FOREVER, &result))
        return 1;
    printf("fib(20) = %d\n", (int)(intptr_t)result);
    return 0;
}
