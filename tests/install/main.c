/* SPDX-License-Identifier: MIT */
/* The smallest program that needs both headers, library and threads: prints 42. */
#include <filch/fork.h>

static intptr_t same(filch_forker *forker, intptr_t number);
FILCH_FORKABLE_1(intptr_t, same, intptr_t)

static intptr_t same(filch_forker *forker, intptr_t number)
{
    return filch_fork_stopped(forker) ? 0 : number;
}

static int twice(filch_task *self, void *arg)
{
    filch_forker *forker;
    struct same_forked other;
    int rc = filch_fork_begin(self, &forker);
    if (rc)
        return rc;
    same_fork(forker, &other, (intptr_t)arg);
    intptr_t number = same(forker, (intptr_t)arg);
    return filch_return(self, (void *)(number + same_join(forker, &other)));
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
