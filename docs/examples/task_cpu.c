/* SPDX-License-Identifier: MIT */
/*
 * CPU time by task name, measured by the hooks of the pool. On one thread tasks are nested, as one that waits may run
 * others in place: what those use is theirs. While a task waits its thread uses none.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <filch/filch.h>

enum { MOST_NAMES = 32, DEEPEST = 256 };

struct account {
    char name[32];
    unsigned long attempts;
    int64_t ns;
};

static struct accounts {
    pthread_mutex_t lock;
    struct account of[MOST_NAMES];
    size_t n;
} accounts = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What runs on this thread: where the clock stood as each began, and what was used by those it ran in place. */
static _Thread_local struct {
    int64_t begun[DEEPEST], others[DEEPEST];
    unsigned depth;
} running;

static int64_t cpu_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return FILCH_SECONDS(now.tv_sec) + now.tv_nsec;
}

static void on_start(const filch_event *event, void *arg)
{
    (void)event;
    (void)arg;
    unsigned depth = running.depth++;
    if (depth < DEEPEST) {
        running.others[depth] = 0;
        running.begun[depth] = cpu_now();
    }
}

static void charge(struct accounts *to, const char *name, int64_t ns)
{
    size_t i = 0;
    pthread_mutex_lock(&to->lock);
    while (i < to->n && strncmp(to->of[i].name, name, sizeof to->of[i].name - 1) != 0)
        i++;
    if (i < MOST_NAMES) {
        if (i == to->n)
            snprintf(to->of[to->n++].name, sizeof to->of[i].name, "%s", name);
        to->of[i].attempts++;
        to->of[i].ns += ns;
    }
    pthread_mutex_unlock(&to->lock);
}

static void on_finish(const filch_event *event, void *arg)
{
    unsigned depth = --running.depth;
    if (depth >= DEEPEST)
        return;
    int64_t used = cpu_now() - running.begun[depth];
    if (depth > 0)
        running.others[depth - 1] += used;
    charge(arg, event->name ? event->name : "(no name)", used - running.others[depth]);
}

/* ---- Something to measure ---- */

static int compute(filch_task *self, void *ms)
{
    (void)self;
    for (int64_t end = cpu_now() + FILCH_MS((intptr_t)ms); cpu_now() < end;)
        continue;
    return 0;
}

static int gather(filch_task *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        FILCH_AUTO(filch_future_cleanup) filch_future *part = NULL;
        filch_task_options options = FILCH_TASK_OPTIONS;
        options.name = "part";
        int rc = filch_submit_with(filch_task_pool(self), compute, (void *)10, &options, &part);
        rc = rc ? rc : filch_future_wait(part, FILCH_FOREVER);
        if (rc)
            return rc;
    }
    return compute(self, (void *)20);
}

int main(void)
{
    filch_pool *pool = NULL;
    filch_hooks hooks = FILCH_HOOKS;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_task_options task = FILCH_TASK_OPTIONS;
    hooks.arg = &accounts;
    hooks.on_start = on_start;
    hooks.on_finish = on_finish;
    options.hooks = &hooks;
    options.workers = 2;
    if (filch_pool_create(&pool, &options))
        return 1;
    task.name = "gather";
    int rc = filch_submit_with(pool, gather, NULL, &task, NULL);
    filch_pool_destroy(pool);
    printf("%-20s %8s %8s\n", "task", "attempts", "CPU ms");
    for (size_t i = 0; i < accounts.n; i++)
        printf("%-20s %8lu %8lld\n", accounts.of[i].name, accounts.of[i].attempts,
               (long long)accounts.of[i].ns / 1000000);
    return rc != 0;
}
