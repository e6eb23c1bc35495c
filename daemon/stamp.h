/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on a stream, stamped in UTC. As text: "2026-01-02T03:04:05.678Z info    text"; as JSON, one object a line:
 * {"ts":"2026-01-02T03:04:05.678Z","level":"info","connection":"branch","spi_in":"0000beef","spi_out":"0000cafe",
 * "msg":"text: why","reason":"why"}, without what the line is not about. JSON is plain ASCII.
 *
 * Nobody here waits for who reads the log: lines for which a pipe, a socket or a terminal has no room are lost, and the
 * next one that finds room says how many were. That count is the process's, as its log is.
 */
#ifndef DAEMON_STAMP_H
#define DAEMON_STAMP_H

#include <stdio.h>
#include <time.h>

#include "base/log.h"

enum { STAMP_TEXT = 48 };

/* "2026-01-02T03:04:05.678Z"; false when the calendar has no such time. */
bool stamp_time(const struct timespec *at, char out[STAMP_TEXT]);

/* A sink for struct log; arg is the FILE. A line that holds line breaks becomes several stamped lines. */
void stamp_sink(void *arg, enum log_level level, const char *line);

/* The same with the time given. */
void stamp_write(FILE *out, const struct timespec *now, enum log_level level, const char *line);

/* Sinks for JSON: a line that holds line breaks stays one object. */
void stamp_json_sink(void *arg, enum log_level level, const char *line);
void stamp_json_about(void *arg, enum log_level level, const struct log_subject *subject, const char *line);

/* The same with the time given. subject: NULL for none. */
void stamp_json(FILE *out, const struct timespec *now, enum log_level level, const struct log_subject *subject,
                const char *line);

#endif
