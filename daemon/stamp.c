/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stamp.h"

#include <string.h>

static void write_one(FILE *out, const struct timespec *now, enum log_level level, const char *text, size_t len)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char line[LOG_LINE_MAX + 64];
    struct tm utc;
    if (gmtime_r(&now->tv_sec, &utc) == NULL)
        return;
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    int rest = snprintf(line + used, sizeof line - used, ".%03ldZ %-7s %.*s\n", now->tv_nsec / 1000000, names[level],
                        (int)(len < LOG_LINE_MAX ? len : LOG_LINE_MAX), text);
    if (rest > 0)
        fwrite(line, 1, used + (size_t)rest, out); /* one write, so that lines of two processes do not mix */
}

void stamp_write(FILE *out, const struct timespec *now, enum log_level level, const char *line)
{
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");
        write_one(out, now, level, line, len);
        line += len;
        line += *line == '\n';
    }
}

void stamp_sink(void *arg, enum log_level level, const char *line)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0)
        stamp_write(arg, &now, level, line);
}
