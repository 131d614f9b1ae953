/* SPDX-License-Identifier: MIT */
/*
 * The files of the demo server.
 *
 * A path is walked one component at a time from the root's descriptor, without following symbolic links and without
 * the names that begin with a dot, "." and ".." among them. So no path leads out of the root, whatever is moved
 * around meanwhile: there is no string to be clever about.
 */
#include "demo_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_BYTES (64 << 10)

struct demo_files {
    int root;
    char **small; /* names of the small files right under the root, sorted */
    size_t small_count;
};

/* ---- The small ones ---------------------------------------------------------------------------------------- */

static bool is_small_file(int root, const char *name)
{
    struct stat status;
    return name[0] != '.' && fstatat(root, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
           status.st_size <= SMALL_BYTES;
}

/* Lists them by name, so that the same path means the same file in every run. */
static int list_small(struct demo_files *files, const char *root)
{
    struct dirent **entries;
    int count = scandir(root, &entries, NULL, alphasort);
    if (count < 0)
        return -errno;
    files->small = calloc((size_t)count + 1, sizeof *files->small);
    int error = files->small ? 0 : -ENOMEM;
    for (int i = 0; i < count; i++) {
        if (error == 0 && is_small_file(files->root, entries[i]->d_name)) {
            char *name = strdup(entries[i]->d_name);
            error = name ? 0 : -ENOMEM;
            files->small[files->small_count] = name;
            files->small_count += name != NULL;
        }
        free(entries[i]);
    }
    free(entries);
    return error;
}

int demo_files_create(struct demo_files **out, const char *root)
{
    struct demo_files *files = calloc(1, sizeof *files);
    if (!files)
        return -ENOMEM;
    files->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = files->root >= 0 ? list_small(files, root) : -errno;
    if (error == 0)
        *out = files;
    else
        demo_files_destroy(files);
    return error;
}

void demo_files_destroy(struct demo_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->small_count; i++)
        free(files->small[i]);
    free(files->small);
    if (files->root >= 0)
        close(files->root);
    free(files);
}

/* ---- Opening ----------------------------------------------------------------------------------------------- */

/* Opens a file relative to `directory`. Without O_NONBLOCK a FIFO would wait for its writer. */
static int open_regular(int directory, const char *name, int *out_fd, uint64_t *out_size)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? -ENOENT : -errno;
    struct stat status;
    int error = fstat(fd, &status) == 0 ? 0 : -errno;
    if (error == 0 && !S_ISREG(status.st_mode))
        error = -ENOENT;
    if (error != 0) {
        close(fd);
        return error;
    }
    *out_fd = fd;
    *out_size = (uint64_t)status.st_size;
    return 0;
}

/* Copies the component that *path begins with to `name`, and moves *path behind it. */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
    size_t length = strcspn(*path, "/");
    if (length == 0 || length > NAME_MAX || (*path)[0] == '.')
        return -ENOENT;
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += length;
    return 0;
}

int demo_files_open(const struct demo_files *files, const char *path, int *out_fd, uint64_t *out_size)
{
    if (path[0] != '/')
        return -ENOENT;
    path++;
    char name[NAME_MAX + 1];
    int directory = files->root;
    int error = next_component(&path, name);
    while (error == 0 && path[0] == '/') {
        int next = openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        error = next >= 0 ? 0 : -ENOENT;
        if (directory != files->root)
            close(directory);
        directory = next;
        path++;
        if (error == 0)
            error = next_component(&path, name);
    }
    if (error == 0)
        error = open_regular(directory, name, out_fd, out_size);
    if (directory >= 0 && directory != files->root)
        close(directory);
    return error;
}

int demo_files_open_small(const struct demo_files *files, size_t n, int *out_fd, uint64_t *out_size)
{
    if (files->small_count == 0)
        return -ENOENT;
    return open_regular(files->root, files->small[n % files->small_count], out_fd, out_size);
}
