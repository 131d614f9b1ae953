/* SPDX-License-Identifier: MIT */
/*
 * One run of one program: its output through pipes, its peak memory from wait4().
 *
 * The kernel counts into a child's peak what the parent had resident when it was made, so the driver has to stay small:
 * a few MB are the least that it can see.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* The reading end of a pipe, and where what comes out of it goes. */
struct stream {
    int fd;
    char *text;
    size_t length;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int spawn(pid_t *out, char *const argv[], const int out_pipe[2], const int err_pipe[2])
{
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return -rc;
    rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, out_pipe[1], STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, err_pipe[1], STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawnp(out, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

/* False: the stream is at its end. */
static bool read_some(struct stream *stream)
{
    char rest[4096]; /* what does not fit is read all the same, so that the program can go on */
    size_t room = CHILD_OUTPUT - 1 - stream->length;
    ssize_t n =
        room > 0 ? read(stream->fd, stream->text + stream->length, room) : read(stream->fd, rest, sizeof rest);
    if (n < 0)
        return errno == EINTR;
    if (room > 0)
        stream->length += (size_t)n;
    stream->text[stream->length] = '\0';
    return n > 0;
}

/* Until both streams and the process have ended. False: that has taken too long. */
static bool read_all(struct stream streams[2], int process, double deadline)
{
    struct pollfd fds[3] = { { .fd = streams[0].fd, .events = POLLIN },
                             { .fd = streams[1].fd, .events = POLLIN },
                             { .fd = process, .events = POLLIN } };
    while (fds[0].fd >= 0 || fds[1].fd >= 0 || fds[2].fd >= 0) {
        double left = deadline - now();
        if (left <= 0)
            return false;
        if (poll(fds, 3, (int)(left * 1000) + 1) < 0)
            continue; /* a signal came; no other error can */
        for (int i = 0; i < 3; i++) {
            if (fds[i].fd >= 0 && fds[i].revents && (i == 2 || !read_some(&streams[i])))
                fds[i].fd = -1; /* poll() leaves it out */
        }
    }
    return true;
}

int child_run(struct child_result *out, char *const argv[], double timeout)
{
    struct stream streams[2];
    struct rusage usage;
    int out_pipe[2], err_pipe[2], process;
    pid_t pid;
    double start = now();
    int rc;
    out->out[0] = out->err[0] = '\0';
    if (pipe2(out_pipe, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(err_pipe, O_CLOEXEC) != 0) {
        rc = -errno;
        goto no_err;
    }
    rc = spawn(&pid, argv, out_pipe, err_pipe);
    close(out_pipe[1]);
    close(err_pipe[1]);
    if (rc)
        goto not_started;
    streams[0] = (struct stream) { .fd = out_pipe[0], .text = out->out };
    streams[1] = (struct stream) { .fd = err_pipe[0], .text = out->err };
    process = pidfd_open(pid, 0);
    out->timed_out = !read_all(streams, process, start + timeout);
    if (out->timed_out)
        kill(pid, SIGKILL);
    if (process >= 0)
        close(process);
    while (wait4(pid, &out->status, 0, &usage) < 0 && errno == EINTR)
        ;
    out->peak_kb = usage.ru_maxrss;
    out->seconds = now() - start;
not_started:
    close(err_pipe[0]);
    close(out_pipe[0]);
    return rc;
no_err:
    close(out_pipe[0]);
    close(out_pipe[1]);
    return rc;
}
