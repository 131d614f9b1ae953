/* SPDX-License-Identifier: MIT */
/* Structured log lines on stderr, as logfmt: time=2025-05-01T12:00:00.123456Z level=info event=start task=task_20 */
#ifndef LOG_H
#define LOG_H

enum log_level { LOG_INFO, LOG_WARNING, LOG_ERROR };

/*
 * Writes one line: the time, the level, the event, then pairs of a key and its value, all strings, up to a NULL.
 * Context: any thread; lines of different threads do not mix.
 */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

#endif
