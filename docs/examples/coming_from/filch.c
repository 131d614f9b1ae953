/* SPDX-License-Identifier: MIT */
/* How many steps each number takes to 1, as a task each; an unlucky one fails, and that ends the rest. */
#include <errno.h>
#include <stdlib.h>

#include <filch/filch.h>

static int unlucky;

static int steps(filch_task *self, void *arg)
{
    intptr_t number = (intptr_t)arg, n = 0;
    if (number == unlucky)
        return filch_fail(self, -EDOM, "%d is unlucky", unlucky);
    for (intptr_t x = number; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
        n++;
    return filch_return(self, (void *)n);
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_scope_cleanup) filch_scope *scope = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *error = NULL;
    int tasks = argc > 1 ? atoi(argv[1]) : 20, done = 0, failed = 0, cancelled = 0;
    intptr_t sum = 0;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_future *future;
    void *result;
    unlucky = argc > 2 ? atoi(argv[2]) : 0;
    options.workers = 2;
    if (filch_pool_create(&pool, &options) || filch_scope_open(&scope, pool, NULL))
        return 2;
    for (intptr_t i = 1; i <= tasks; i++)
        if (filch_scope_submit(scope, steps, (void *)i, NULL))
            return 2; /* what was submitted is stopped and awaited */
    while (filch_scope_next(scope, FILCH_FOREVER, &future) > 0) {
        if (filch_future_result(future, 0, &result) == 0) {
            printf("%d: %d\n", (int)(intptr_t)filch_future_arg(future), (int)(intptr_t)result);
            sum += (intptr_t)result;
            done++;
        } else if (filch_future_state(future) == FILCH_FAILED) {
            failed++; /* the scope has stopped the others already */
        } else {
            cancelled++;
        }
    }
    printf("%d tasks: %d done, %d failed, %d cancelled\n", tasks, done, failed, cancelled);
    if (filch_scope_join(scope, &error) == 0)
        printf("sum: %d\n", (int)sum);
    else
        printf("failed: %s\n", filch_error_message(error));
    return error != NULL;
}
