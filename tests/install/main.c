/* SPDX-License-Identifier: MIT */
/* The smallest program that needs headers, library and threads: prints 42. */
#include <filch/filch.h>

static int twice(filch_task *self, void *arg)
{
    return filch_return(self, (void *)(2 * (intptr_t)arg));
}

int main(void)
{
    filch_pool *pool = NULL;
    filch_future *future = NULL;
    void *result = NULL;

    if (filch_pool_create(&pool, NULL) == 0 && filch_submit(pool, twice, (void *)21, &future) == 0)
        filch_future_result(future, FILCH_FOREVER, &result);
    filch_future_unref(future);
    filch_pool_destroy(pool);
    printf("%d\n", (int)(intptr_t)result);
    return (intptr_t)result == 42 ? 0 : 1;
}
