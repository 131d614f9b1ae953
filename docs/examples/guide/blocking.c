/* SPDX-License-Identifier: MIT */
/* Blocking: runs shell commands all at once, on a pool with one worker, and prints their exit codes in order. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <filch/filch.h>

enum { MOST_COMMANDS = 100 };

extern char **environ;

static int run_command(filch_task *self, void *command)
{
    char *argv[] = { "sh", "-c", command, NULL };
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    int status = 0;
    sigemptyset(&none); /* the pool's threads block signals, which the child must not inherit */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int rc = posix_spawnp(&child, "sh", NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (rc != 0)
        return filch_fail(self, -rc, "cannot start a shell");

    filch_blocking_begin(self); /* from here on the worker runs other tasks */
    waitpid(child, &status, 0);
    filch_blocking_end(self); /* here this task takes one again */

    return filch_return(self, (void *)(intptr_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_future *futures[MOST_COMMANDS];
    void *code;
    int n = 0, failures = 0;
    options.workers = 1;
    if (filch_pool_create(&pool, &options))
        return 1;
    while (n < MOST_COMMANDS && n + 1 < argc && filch_submit(pool, run_command, argv[n + 1], &futures[n]) == 0)
        n++;
    for (int i = 0; i < n; i++) {
        if (filch_future_result(futures[i], FILCH_FOREVER, &code) == 0)
            printf("%d: %s\n", (int)(intptr_t)code, argv[i + 1]);
        else
            failures += filch_error_print(filch_future_error(futures[i]), stderr) == 0;
        filch_future_unref(futures[i]);
    }
    return failures != 0;
}
