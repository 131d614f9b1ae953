/* SPDX-License-Identifier: MIT */
/* The same as filch.c, by uv_queue_work(). */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct job {
    uv_work_t request;
    int number, steps;
    char error[64];
};

static struct job *jobs;
static int unlucky, tasks, done, failed, cancelled, sum;
static char first_error[64];

static void steps(uv_work_t *request)
{
    struct job *job = request->data;
    if (job->number == unlucky)
        snprintf(job->error, sizeof job->error, "%d is unlucky", job->number);
    else
        for (long x = job->number; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
            job->steps++;
}

/* On the thread of the loop. */
static void after(uv_work_t *request, int status)
{
    struct job *job = request->data;
    if (status == UV_ECANCELED) {
        cancelled++;
    } else if (*job->error) {
        snprintf(first_error, sizeof first_error, "%s", job->error);
        failed++;
        for (int i = 0; i < tasks; i++)
            uv_cancel((uv_req_t *)&jobs[i].request); /* UV_EBUSY for those that have started */
    } else {
        printf("%d: %d\n", job->number, job->steps);
        sum += job->steps;
        done++;
    }
}

int main(int argc, char **argv)
{
    tasks = argc > 1 ? atoi(argv[1]) : 20;
    unlucky = argc > 2 ? atoi(argv[2]) : 0;
    setenv("UV_THREADPOOL_SIZE", "2", 1);
    jobs = calloc((size_t)tasks + 1, sizeof *jobs);
    if (!jobs)
        return 2;
    for (int i = 0; i < tasks; i++) {
        jobs[i].request.data = &jobs[i];
        jobs[i].number = i + 1;
        if (uv_queue_work(uv_default_loop(), &jobs[i].request, steps, after))
            return 2;
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    free(jobs);
    printf("%d tasks: %d done, %d failed, %d cancelled\n", tasks, done, failed, cancelled);
    if (failed)
        printf("failed: %s\n", first_error);
    else
        printf("sum: %d\n", sum);
    return failed;
}
