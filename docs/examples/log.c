/* SPDX-License-Identifier: MIT */
/* Structured log lines: see log.h. A line is made in memory first and written by one call, so that lines stay whole. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put_time(FILE *line)
{
    struct timespec now;
    struct tm utc;
    char text[sizeof "2025-05-01T12:00:00"];
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
    fprintf(line, "time=%s.%06ldZ", text, now.tv_nsec / 1000);
}

/* Quotes the value if it would not be read back as one word. */
static void put_pair(FILE *line, const char *key, const char *value)
{
    fprintf(line, " %s=", key);
    if (value[0] != '\0' && value[strcspn(value, " \"=\\\n\t")] == '\0') {
        fputs(value, line);
        return;
    }
    fputc('"', line);
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            fputs("\\n", line);
            continue;
        }
        if (*value == '"' || *value == '\\')
            fputc('\\', line);
        fputc(*value, line);
    }
    fputc('"', line);
}

void log_event(enum log_level level, const char *event, ...)
{
    static const char *const levels[] = { [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error" };
    char *text = NULL;
    size_t size = 0;
    FILE *line = open_memstream(&text, &size);
    if (!line)
        return; /* without memory, the program matters more than its log */
    put_time(line);
    put_pair(line, "level", levels[level]);
    put_pair(line, "event", event);
    va_list pairs;
    va_start(pairs, event);
    for (const char *key; (key = va_arg(pairs, const char *)) != NULL;)
        put_pair(line, key, va_arg(pairs, const char *));
    va_end(pairs);
    fputc('\n', line);
    if (fclose(line) == 0)
        fwrite(text, 1, size, stderr);
    free(text);
}
