/* SPDX-License-Identifier: MIT */
/* Submit: sorts the lines of stdin, one half in a sub task and the other meanwhile. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <filch/filch.h>

struct part {
    char **lines;
    size_t n;
};

static char *lines[1 << 20];

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int merge(struct part left, struct part right)
{
    char **copy = malloc(left.n * sizeof *copy), **out = left.lines, **end = right.lines + right.n;
    if (!copy)
        return -ENOMEM;
    memcpy(copy, left.lines, left.n * sizeof *copy);
    for (size_t taken = 0; taken < left.n;)
        *out++ = right.lines < end && compare(right.lines, &copy[taken]) < 0 ? *right.lines++ : copy[taken++];
    free(copy);
    return 0;
}

static int sort(filch_task *self, void *arg)
{
    FILCH_AUTO(filch_future_cleanup) filch_future *sub = NULL;
    struct part all = *(struct part *)arg;
    struct part left = { all.lines, all.n / 2 }, right = { all.lines + left.n, all.n - left.n };
    if (all.n < 1000) {
        qsort(all.lines, all.n, sizeof *all.lines, compare);
        return 0;
    }
    int rc = filch_submit(filch_task_pool(self), sort, &left, &sub);
    if (rc != 0)
        return rc;
    rc = sort(self, &right);
    filch_join(&sub, 1); /* whatever happened: the sub task uses what lies on this stack */
    if (rc == 0)
        rc = filch_future_result(sub, FILCH_FOREVER, NULL);
    return rc == 0 ? merge(left, right) : rc;
}

int main(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_future_cleanup) filch_future *future = NULL;
    struct part all = { lines, 0 };
    for (size_t size = 0; all.n < sizeof lines / sizeof *lines && getline(&lines[all.n], &size, stdin) > 0;
         size = 0)
        all.n++;
    if (filch_pool_create(&pool, NULL) || filch_submit(pool, sort, &all, &future) ||
        filch_future_result(future, FILCH_FOREVER, NULL))
        return 1;
    for (size_t i = 0; i < all.n; i++)
        fputs(lines[i], stdout);
    return 0;
}
