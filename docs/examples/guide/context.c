/* SPDX-License-Identifier: MIT */
/* Context: two requests at a time; each line that a sub task of one of them logs has the trace id of its request. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <filch/filch.h>

enum { TRACE_ID, PARTS = 3 };

/* What knows nothing of requests, perhaps deep in a library. */
static void log_line(const char *text, long number)
{
    const char *trace = filch_context_get(TRACE_ID);
    printf("[%s] %s %ld\n", trace ? trace : "-", text, number);
}

static int look_up(filch_task *self, void *number)
{
    log_line("looks up", (long)(intptr_t)number);
    return filch_return(self, number);
}

static int handle(filch_task *self, void *number)
{
    long first = 10 * (long)(intptr_t)number, found = 0;
    filch_future *parts[PARTS] = { NULL };
    void *result;
    for (long i = 0; i < PARTS; i++) /* they have what this task has */
        if (filch_submit(filch_task_pool(self), look_up, (void *)(intptr_t)(first + i), &parts[i]))
            break;
    for (long i = 0; i < PARTS; i++) {
        found += parts[i] && filch_future_result(parts[i], FILCH_FOREVER, &result) == 0;
        filch_future_unref(parts[i]);
    }
    log_line("found", found);
    return found == PARTS ? 0 : -EIO;
}

/* From here on everything that is submitted belongs to the request, until the token ends with the block. */
static int accept_request(filch_pool *pool, long number, filch_future **out)
{
    FILCH_AUTO(filch_context_token_cleanup) filch_context_token *token = NULL;
    char trace[32];
    snprintf(trace, sizeof trace, "request-%ld", number);
    char *id = strdup(trace); /* freed when the last task of the request is over */
    if (!id || filch_context_begin(&token, TRACE_ID, id, free)) {
        free(id);
        return -ENOMEM;
    }
    log_line("accepted", number);
    return filch_submit(pool, handle, (void *)(intptr_t)number, out);
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    filch_future *requests[2] = { NULL };
    int failures = 0;
    if (filch_pool_create(&pool, NULL))
        return 1;
    for (long i = 0; i < 2; i++)
        failures += accept_request(pool, i + 1, &requests[i]) != 0;
    for (long i = 0; i < 2; i++) {
        failures += requests[i] && filch_future_result(requests[i], FILCH_FOREVER, NULL) != 0;
        filch_future_unref(requests[i]);
    }
    log_line("failures:", failures);
    return failures != 0;
}
