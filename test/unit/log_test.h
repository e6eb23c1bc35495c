/* SPDX-License-Identifier: Apache-2.0 */
/* A log that is kept: its lines, each behind its level. */
#ifndef TEST_UNIT_LOG_TEST_H
#define TEST_UNIT_LOG_TEST_H

#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { LINES_KEPT = 4096 };

/* A sink. arg: char[LINES_KEPT], whose text goes on. */
static inline void keep_line(void *arg, enum log_level level, const char *line)
{
    static const char *const names[] = {
        [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    char *lines = arg;
    const size_t used = strlen(lines);
    (void)snprintf(lines + used, LINES_KEPT - used, "%s %s\n", names[level], line);
}

#endif
