/* SPDX-License-Identifier: MIT */
/* Scopes: are all files there that the lists name? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filch/filch.h>

static int check_file(filch_task *self, void *path)
{
    return access(path, R_OK) == 0 ? 0 : filch_fail(self, -errno, "cannot read %s", (const char *)path);
}

/* Each line becomes a task of its own, which owns its path. */
static int submit_lines(filch_scope *files, FILE *list)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    char *path = NULL;
    options.arg_dtor = free;
    for (size_t size = 0; getline(&path, &size, list) > 0; path = NULL, size = 0) {
        path[strcspn(path, "\n")] = '\0';
        int rc = filch_scope_submit_with(files, check_file, path, &options, NULL);
        if (rc != 0) {
            free(path);
            return rc;
        }
    }
    free(path);
    return 0;
}

static int check_list(filch_task *self, void *name)
{
    FILCH_AUTO(filch_scope_cleanup) filch_scope *files = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *error = NULL;
    FILE *list = fopen(name, "r");
    if (!list)
        return filch_fail(self, -errno, "there is no such list");
    int rc = filch_scope_open(&files, filch_task_pool(self), NULL); /* the first missing file ends this list */
    if (rc == 0)
        rc = submit_lines(files, list);
    fclose(list);
    if (rc == 0)
        rc = filch_scope_join(files, &error);
    return rc == 0 ? 0 : filch_fail_from(self, error, rc, "the list is not complete");
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_scope_cleanup) filch_scope *lists = NULL;
    FILCH_AUTO(filch_error_cleanup) filch_error *error = NULL;
    filch_pool_options pool_options = FILCH_POOL_OPTIONS;
    filch_scope_options scope_options = FILCH_SCOPE_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *list;
    pool_options.workers = 1;             /* enough, however deep scopes are nested */
    scope_options.policy = FILCH_COLLECT; /* but not the other lists */
    scope_options.timeout_ns = FILCH_SECONDS(60);
    if (filch_pool_create(&pool, &pool_options) || filch_scope_open(&lists, pool, &scope_options))
        return 2;
    for (int i = 1; i < argc; i++) {
        options.name = argv[i];
        if (filch_scope_submit_with(lists, check_list, argv[i], &options, NULL))
            return 2; /* closes the scope: what was submitted is stopped and awaited */
    }
    while (filch_scope_next(lists, FILCH_FOREVER, &list) > 0)
        printf("%s: %s\n", filch_future_name(list), filch_state_name(filch_future_state(list)));
    if (filch_scope_join(lists, &error) == 0)
        return 0;
    filch_error_print(error, stdout);
    return 1;
}
