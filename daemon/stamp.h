/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines on a stream: "2026-01-02T03:04:05.678Z info    text", UTC. */
#ifndef DAEMON_STAMP_H
#define DAEMON_STAMP_H

#include <stdio.h>
#include <time.h>

#include "base/log.h"

/* A sink for struct log; arg is the FILE. A line that holds line breaks becomes several stamped lines. */
void stamp_sink(void *arg, enum log_level level, const char *line);

/* The same with the time given. */
void stamp_write(FILE *out, const struct timespec *now, enum log_level level, const char *line);

#endif
