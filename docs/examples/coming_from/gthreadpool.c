/* SPDX-License-Identifier: MIT */
/* The same as filch.c, by GThreadPool. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

struct shared {
    int unlucky;
    gint stopped; /* atomic */
    GAsyncQueue *completed;
};

struct job {
    int number, steps;
    gboolean cancelled;
    GError *error;
};

static void steps(gpointer data, gpointer user_data)
{
    struct job *job = data;
    struct shared *shared = user_data;
    if (g_atomic_int_get(&shared->stopped))
        job->cancelled = TRUE;
    else if (job->number == shared->unlucky)
        job->error = g_error_new(G_FILE_ERROR, G_FILE_ERROR_INVAL, "%d is unlucky", job->number);
    else
        for (long x = job->number; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
            job->steps++;
    g_async_queue_push(shared->completed, job);
}

int main(int argc, char **argv)
{
    int tasks = argc > 1 ? atoi(argv[1]) : 20, done = 0, failed = 0, cancelled = 0, sum = 0;
    struct shared shared = { argc > 2 ? atoi(argv[2]) : 0, 0, g_async_queue_new() };
    g_autoptr(GError) error = NULL;
    GThreadPool *pool = g_thread_pool_new(steps, &shared, 2, FALSE, NULL);
    struct job *jobs = g_new0(struct job, (gsize)tasks);
    for (int i = 0; i < tasks; i++) {
        jobs[i].number = i + 1;
        g_thread_pool_push(pool, &jobs[i], NULL);
    }
    for (int i = 0; i < tasks; i++) {
        struct job *job = g_async_queue_pop(shared.completed);
        if (job->error) {
            g_atomic_int_set(&shared.stopped, TRUE);
            error = job->error;
            failed++;
        } else if (job->cancelled) {
            cancelled++;
        } else {
            printf("%d: %d\n", job->number, job->steps);
            sum += job->steps;
            done++;
        }
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    g_async_queue_unref(shared.completed);
    g_free(jobs);
    printf("%d tasks: %d done, %d failed, %d cancelled\n", tasks, done, failed, cancelled);
    if (error)
        printf("failed: %s\n", error->message);
    else
        printf("sum: %d\n", sum);
    return error != NULL;
}
