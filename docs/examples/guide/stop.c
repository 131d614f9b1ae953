/* SPDX-License-Identifier: MIT */
/* Stop: several tasks look for a factor of a number. The first to find one stops the others; so does Ctrl-C. */
#include <errno.h>
#include <stdlib.h>

#include <filch/filch.h>

enum { TASKS = 4 };

static uint64_t number;

static int search(filch_task *self, void *first)
{
    for (uint64_t divisor = (uintptr_t)first; divisor <= number / divisor; divisor += TASKS) {
        if (filch_task_stopped(self))
            return -ECANCELED; /* makes this task STOPPED: it neither failed nor found anything */
        if (number % divisor == 0) {
            filch_stop_request(filch_task_stop(self), -EALREADY);
            return filch_return(self, (void *)(uintptr_t)divisor);
        }
    }
    return filch_return(self, NULL);
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_stop_cleanup) filch_stop *stop = NULL;
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *futures[TASKS] = { NULL };
    void *factor = NULL, *found;
    number = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    if (filch_pool_create(&pool, NULL) || filch_stop_create(&stop, filch_pool_stop(pool)) ||
        filch_guard_begin(&guard, stop))
        return 1;
    printf("looking for a factor of %llu\n", (unsigned long long)number);
    fflush(stdout);
    options.stop = stop;
    for (int i = 0; i < TASKS; i++)
        if (filch_submit_with(pool, search, (void *)(intptr_t)(2 + i), &options, &futures[i]))
            filch_stop_request(stop, -EAGAIN);
    filch_join(futures, TASKS); /* not filch_wait(), which Ctrl-C ends: here it ends the tasks */
    for (int i = 0; i < TASKS; i++) {
        if (futures[i] && filch_future_result(futures[i], 0, &found) == 0 && found)
            factor = found;
        filch_future_unref(futures[i]);
    }
    if (factor)
        printf("it is %llu * %llu\n", (unsigned long long)(uintptr_t)factor,
               (unsigned long long)number / (uintptr_t)factor);
    else if (filch_stop_requested(stop))
        printf("%s\n", filch_stop_reason(stop) == -EINTR ? "interrupted by user" : "it cannot be searched");
    else
        printf("it is prime\n");
    return filch_stop_reason(stop) == -EINTR ? 130 : 0;
}
