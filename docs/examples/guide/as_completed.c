/* SPDX-License-Identifier: MIT */
/* As completed: counts the lines of the files given, and tells of each as soon as it was read. */
#include <errno.h>

#include <filch/filch.h>

enum { MOST_FILES = 1000 };

static int count_lines(filch_task *self, void *path)
{
    FILE *file = fopen(path, "r");
    intptr_t lines = 0;
    if (!file)
        return filch_fail(self, -errno, "cannot open %s", (const char *)path);
    for (int c; (c = getc(file)) != EOF;)
        lines += c == '\n';
    int rc = ferror(file) ? filch_fail(self, -EIO, "cannot read %s", (const char *)path) : 0;
    fclose(file);
    return rc != 0 ? rc : filch_return(self, (void *)lines);
}

static int report(filch_future *const *futures, size_t n)
{
    FILCH_AUTO(filch_completed_cleanup) filch_completed *completed = NULL;
    filch_future *future;
    void *lines;
    int failures = 0;
    int rc = filch_completed_begin(&completed, futures, n, FILCH_SECONDS(60));
    while (rc >= 0 && (rc = filch_completed_next(completed, &future)) > 0) {
        if (filch_future_result(future, 0, &lines) == 0)
            printf("%7d %s\n", (int)(intptr_t)lines, (const char *)filch_future_arg(future));
        else
            failures += filch_error_print(filch_future_error(future), stderr) == 0;
        fflush(stdout);
    }
    if (rc == -ETIMEDOUT)
        fprintf(stderr, "%zu of %zu are missing\n", filch_completed_unfinished(completed), n);
    return rc == 0 ? failures : rc;
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_future *futures[MOST_FILES];
    size_t n = 0;
    options.workers = 8; /* of which most wait for the disk */
    int rc = filch_pool_create(&pool, &options);
    while (rc == 0 && n < MOST_FILES && (int)n + 1 < argc &&
           (rc = filch_submit(pool, count_lines, argv[n + 1], &futures[n])) == 0)
        n++;
    if (rc == 0)
        rc = report(futures, n);
    for (size_t i = 0; i < n; i++)
        filch_future_unref(futures[i]);
    return rc == 0 ? 0 : 1;
}
