/* SPDX-License-Identifier: MIT */
/* Event loops: one thread polls its input, the answers of tasks, and Ctrl-C; it waits for nothing else. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <filch/filch.h>

enum { ANSWERS, STOP, INPUT, WATCHED, BATCH = 64 };

static int find_factor(filch_task *self, void *number)
{
    uintptr_t n = (uintptr_t)number, divisor = 2;
    while (divisor <= n / divisor && n % divisor != 0)
        if (++divisor % 1024 == 0 && filch_task_stopped(self))
            return -ECANCELED;
    return filch_return(self, (void *)(n % divisor == 0 ? divisor : n));
}

static void answer(filch_cq *cq)
{
    filch_cq_entry done[BATCH];
    size_t n = filch_cq_drain(cq, done, BATCH);
    for (size_t i = 0; i < n; i++) {
        void *factor;
        printf("%lu: ", (unsigned long)(uintptr_t)done[i].tag);
        if (filch_future_result(done[i].future, 0, &factor) == 0)
            printf("%lu\n", (unsigned long)(uintptr_t)factor);
        else
            printf("%s\n", filch_state_name(filch_future_state(done[i].future)));
        filch_future_unref(done[i].future);
    }
}

/* False at the end. */
static bool ask(filch_cq *cq, filch_pool *pool)
{
    char line[64];
    if (!fgets(line, sizeof line, stdin))
        return false;
    void *number = (void *)(uintptr_t)strtoul(line, NULL, 10);
    return filch_cq_submit(cq, pool, find_factor, number, NULL, number) == 0;
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_cq_cleanup) filch_cq *cq = NULL;
    FILCH_AUTO(filch_guard_cleanup) filch_guard *guard = NULL;
    struct pollfd fds[WATCHED] = { [INPUT] = { .fd = STDIN_FILENO, .events = POLLIN } };
    if (filch_pool_create(&pool, NULL) || filch_cq_create(&cq) ||
        filch_guard_begin(&guard, filch_pool_stop(pool)) || filch_stop_fd(filch_pool_stop(pool), &fds[STOP].fd))
        return 1;
    fds[ANSWERS].fd = filch_cq_fd(cq);
    fds[ANSWERS].events = fds[STOP].events = POLLIN;
    setvbuf(stdin, NULL, _IONBF, 0); /* what the program has read poll() does not see */
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fds[INPUT].fd >= 0 || filch_cq_pending(cq) > 0) {
        if (poll(fds, WATCHED, -1) < 0)
            continue; /* EINTR: the descriptor of the stop will tell */
        if (fds[ANSWERS].revents)
            answer(cq);
        if (fds[STOP].revents) /* to wait for what is left, and for nothing new */
            fds[STOP].fd = fds[INPUT].fd = -1;
        else if (fds[INPUT].revents && !ask(cq, pool))
            fds[INPUT].fd = -1;
    }
    if (filch_guard_interrupted(guard))
        printf("interrupted by user\n");
    return filch_guard_interrupted(guard) ? 130 : 0;
}
