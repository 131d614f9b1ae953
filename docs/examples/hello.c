/* SPDX-License-Identifier: MIT */
/* Hello: one task and its result. */
#include <filch/filch.h>

static int square(filch_task *self, void *n)
{
    return filch_return(self, (void *)((intptr_t)n * (intptr_t)n));
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    void *result;
    if (filch_pool_create(&pool, NULL) || filch_submit(pool, square, (void *)7, &future) ||
        filch_future_result(future, FILCH_FOREVER, &result))
        return 1;
    printf("7 * 7 = %d\n", (int)(intptr_t)result);
}
