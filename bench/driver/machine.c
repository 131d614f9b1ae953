/* SPDX-License-Identifier: MIT */
/* Where and when it was measured: see machine.h. */
#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* The first line of a file that begins so, from its ':' on if there is one. */
static void read_line(const char *file, const char *begins, char *out, size_t size)
{
    char line[512];
    FILE *stream = fopen(file, "re");
    snprintf(out, size, "unknown");
    if (!stream)
        return;
    while (fgets(line, sizeof line, stream)) {
        if (strncmp(line, begins, strlen(begins)) != 0)
            continue;
        const char *value = strchr(line, ':');
        value = value ? value + 1 : line;
        value += strspn(value, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    fclose(stream);
}

void machine_look(struct machine *out)
{
    struct utsname name;
    cpu_set_t set;
    time_t now = time(NULL);
    struct tm utc;
    read_line("/proc/cpuinfo", "model name", out->cpu, sizeof out->cpu);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", out->governor, sizeof out->governor);
    read_line("/proc/loadavg", "", out->load, sizeof out->load);
    out->load[strcspn(out->load, " ")] = '\0'; /* of the last minute */
    if (uname(&name) == 0)
        snprintf(out->kernel, sizeof out->kernel, "%s %s", name.sysname, name.release);
    else
        snprintf(out->kernel, sizeof out->kernel, "unknown");
    snprintf(out->compiler, sizeof out->compiler, "%s -O3", COMPILER);
    strftime(out->date, sizeof out->date, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
    out->cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    out->memory_gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 30);
}

void machine_line(const struct machine *machine, char *line, size_t size)
{
    snprintf(line, size, "%s, %d CPUs, %.0f GiB, %s, %s, governor %s, load %s, %s", machine->cpu, machine->cores,
             machine->memory_gib, machine->kernel, machine->compiler, machine->governor, machine->load,
             machine->date);
}
