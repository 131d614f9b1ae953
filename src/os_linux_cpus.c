/* SPDX-License-Identifier: MIT */
/* CPUs, on Linux: how many there are for us, by affinity and by cgroup quota, and which of them a thread runs on. */
#include "os.h"
#include "os_cpus.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned filchi_os_affinity(void)
{
    int n = 1;
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set)
            break;
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        int rc = sched_getaffinity(0, size, set);
        int error = errno;
        if (rc == 0)
            n = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (rc == 0 || error != EINVAL) /* EINVAL: more CPUs than the set has room for */
            break;
    }
    return n < 1 ? 1 : (unsigned)n;
}

struct filchi_os_cpus {
    char set[FILCHI_OS_CPUS / CHAR_BIT]; /* a cpu_set_t of that size */
};

static cpu_set_t *set_of(const struct filchi_os_cpus *cpus)
{
    return (cpu_set_t *)(void *)(uintptr_t)cpus->set;
}

/* Whether the kernel lets this thread, and so every other one, have all of them: it keeps quiet about those left out. */
static int probe(const struct filchi_os_cpus *wanted)
{
    struct filchi_os_cpus before = { 0 }, got = { 0 };
    if (sched_getaffinity(0, sizeof before.set, set_of(&before)) < 0)
        return -EINVAL;
    int rc = -EINVAL;
    if (sched_setaffinity(0, sizeof wanted->set, set_of(wanted)) == 0 &&
        sched_getaffinity(0, sizeof got.set, set_of(&got)) == 0 && memcmp(&got, wanted, sizeof got) == 0)
        rc = 0;
    sched_setaffinity(0, sizeof before.set, set_of(&before));
    return rc;
}

int filchi_os_cpus_create(struct filchi_os_cpus **out, const uint16_t *list, size_t n)
{
    struct filchi_os_cpus *cpus = filchi_os_alloc(sizeof *cpus);
    if (!cpus)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        CPU_SET_S(list[i], sizeof cpus->set, set_of(cpus));
    int rc = n ? probe(cpus) : sched_getaffinity(0, sizeof cpus->set, set_of(cpus)) == 0 ? 0 : -EINVAL;
    if (rc)
        filchi_os_free(cpus);
    else
        *out = cpus;
    return rc;
}

void filchi_os_cpus_free(struct filchi_os_cpus *cpus)
{
    filchi_os_free(cpus);
}

unsigned filchi_os_cpus_count(const struct filchi_os_cpus *cpus)
{
    return (unsigned)CPU_COUNT_S(sizeof cpus->set, set_of(cpus));
}

size_t filchi_os_cpus_list(const struct filchi_os_cpus *cpus, uint16_t *list)
{
    size_t n = 0;
    for (unsigned cpu = 0; cpu < FILCHI_OS_CPUS; cpu++)
        if (CPU_ISSET_S(cpu, sizeof cpus->set, set_of(cpus)))
            list[n++] = (uint16_t)cpu;
    return n;
}

void filchi_os_affinity_set(const struct filchi_os_cpus *cpus)
{
    sched_setaffinity(0, sizeof cpus->set, set_of(cpus));
}

void filchi_os_affinity_set_one(unsigned cpu)
{
    struct filchi_os_cpus one;
    memset(&one, 0, sizeof one);
    CPU_SET_S(cpu, sizeof one.set, set_of(&one));
    filchi_os_affinity_set(&one);
}

/* Reads the first line of root/path into the buffer, without its newline. */
static bool read_line(const char *root, const char *path, char *line, size_t size)
{
    char full[PATH_MAX];
    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return false;
    FILE *file = fopen(full, "re");
    if (!file)
        return false;
    bool ok = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (ok)
        line[strcspn(line, "\n")] = '\0';
    return ok;
}

static unsigned round_up(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus > 1 << 20 ? 0 : (unsigned)cpus;
}

/* The quota written in one group's directory, 0 if none. */
static unsigned group_quota(const char *root, const char *directory, bool v2)
{
    char path[PATH_MAX], line[128];
    long long quota = 0, period = 0;
    if (v2) {
        if (snprintf(path, sizeof path, "%s/cpu.max", directory) >= (int)sizeof path)
            return 0;
        if (!read_line(root, path, line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2)
            return 0; /* "max 100000" is no quota */
        return round_up(quota, period);
    }
    if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory) >= (int)sizeof path ||
        !read_line(root, path, line, sizeof line) || sscanf(line, "%lld", &quota) != 1)
        return 0;
    if (snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory) >= (int)sizeof path ||
        !read_line(root, path, line, sizeof line) || sscanf(line, "%lld", &period) != 1)
        return 0;
    return round_up(quota, period);
}

/* The least quota from `group` up to the mount point. In a container the group's own path may not be mounted. */
static unsigned least_quota(const char *root, const char *mount, const char *group, bool v2)
{
    char directory[PATH_MAX];
    if (snprintf(directory, sizeof directory, "%s%s", mount, group) >= (int)sizeof directory)
        return 0;
    unsigned least = 0;
    for (;;) {
        unsigned quota = group_quota(root, directory, v2);
        if (quota && (!least || quota < least))
            least = quota;
        char *slash = strrchr(directory, '/');
        if (!slash || slash < directory + strlen(mount))
            return least;
        *slash = '\0';
    }
}

/* Whether a comma-separated list of controllers has "cpu". */
static bool has_cpu(const char *controllers, size_t length)
{
    for (const char *at = controllers, *end = controllers + length; at < end;) {
        size_t word = strcspn(at, ",:");
        if (word == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
        at += word + 1;
    }
    return false;
}

unsigned filchi_os_cpu_quota(const char *root)
{
    static const char *const v1_mounts[] = { "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct" };
    char path[PATH_MAX], line[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    unsigned least = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        size_t length = (size_t)(group - controllers - 1);
        unsigned found = 0;
        if (length == 0)
            found = least_quota(root, "/sys/fs/cgroup", group + 1, true);
        else if (has_cpu(controllers + 1, length))
            for (size_t i = 0; i < sizeof v1_mounts / sizeof *v1_mounts && !found; i++)
                found = least_quota(root, v1_mounts[i], group + 1, false);
        if (found && (!least || found < least))
            least = found;
    }
    fclose(file);
    return least;
}
