/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target, built without libFuzzer, on files or on all files of directories: the committed corpus. */
#include "bytes.h"
#include "watchdog.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>

/* How long an input may take, seconds. */
#define PATIENCE 30

static unsigned replayed;

static bool replay_file(const char *path)
{
    static uint8_t data[1 << 16];
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return false;
    size_t size = fread(data, 1, sizeof data, stream);
    bool readable = !ferror(stream);
    fclose(stream);
    if (!readable) /* a directory */
        return false;
    fprintf(stderr, "%s\n", path); /* the last one is the one that failed */
    watchdog_begin(watchdog_patience(PATIENCE));
    LLVMFuzzerTestOneInput(data, size);
    watchdog_end();
    replayed++;
    return true;
}

static void replay_directory(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    must(n >= 0);
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            must(replay_file(file));
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!replay_file(argv[i]))
            replay_directory(argv[i]);
    printf("%u inputs\n", replayed);
    return replayed ? 0 : 1;
}
