/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stamp.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/json_line.h"

bool stamp_time(const struct timespec *at, char out[STAMP_TEXT])
{
    struct tm utc;
    if (gmtime_r(&at->tv_sec, &utc) == NULL)
        return false;
    size_t used = strftime(out, STAMP_TEXT, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out + used, STAMP_TEXT - used, ".%03ldZ", at->tv_nsec / 1000000);
    return true;
}

/* --- the stream --- */

/* Whoever reads the log may stop reading: that must not stop the gateway. A pipe, a socket or a terminal takes a line
 * when it has room for PIPE_BUF; without room the line is lost, which the next one that finds room tells. Not
 * O_NONBLOCK: the description is shared with whoever has started us. */
static struct {
    uint64_t lost;
    bool torn; /* the last line was not written to its end */
} stream;

static bool has_room(FILE *out)
{
    struct pollfd polled = {.fd = fileno(out), .events = POLLOUT};
    return polled.fd < 0 || poll(&polled, 1, 0) != 0; /* a stream in memory; an error shows when it is written */
}

static bool write_pieces(FILE *out, const char *text, size_t len)
{
    for (size_t at = 0; at < len; at += PIPE_BUF) {
        if (!has_room(out)) {
            stream.torn |= at > 0;
            return false;
        }
        (void)fwrite(text + at, 1, len - at < PIPE_BUF ? len - at : PIPE_BUF, out);
    }
    return true;
}

static void tell_lost(FILE *out, const char *stamp, bool json)
{
    char text[192];
    int len =
        snprintf(text, sizeof text,
                 json ? "{\"ts\":\"%s\",\"level\":\"warning\",\"msg\":\"%llu log lines were lost: whoever reads this "
                        "log did not keep up\"}\n"
                      : "%s warning %llu log lines were lost: whoever reads this log did not keep up\n",
                 stamp, (unsigned long long)stream.lost);
    if (len > 0 && write_pieces(out, text, (size_t)len))
        stream.lost = 0;
}

static void emit(FILE *out, const char *stamp, bool json, const char *line, size_t len)
{
    if (stream.torn && write_pieces(out, "\n", 1))
        stream.torn = false;
    if (stream.lost > 0 && !stream.torn)
        tell_lost(out, stamp, json);
    if (stream.torn || stream.lost > 0 || !write_pieces(out, line, len))
        stream.lost++;
}

static void write_one(FILE *out, const struct timespec *now, enum log_level level, const char *text, size_t len)
{
    char line[LOG_LINE_MAX + 64], stamp[STAMP_TEXT];
    if (!stamp_time(now, stamp))
        return;
    int used = snprintf(line, sizeof line, "%s %-7s %.*s\n", stamp, log_level_name(level),
                        (int)(len < LOG_LINE_MAX ? len : LOG_LINE_MAX), text);
    if (used > 0)
        emit(out, stamp, false, line, (size_t)used); /* one write, so that lines of two processes do not mix */
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

void stamp_json(FILE *out, const struct timespec *now, enum log_level level, const struct log_subject *subject,
                const char *line)
{
    static const struct log_subject none = {0};
    const struct log_subject *about = subject != NULL ? subject : &none;
    char stamp[STAMP_TEXT];
    if (!stamp_time(now, stamp))
        return;
    json_t *object = json_object();
    bool whole =
        json_line_add_text(object, "ts", stamp) && json_line_add_text(object, "level", log_level_name(level)) &&
        json_line_add_text(object, "connection", about->name) && json_line_add_spi(object, "spi_in", about->spi_in) &&
        json_line_add_spi(object, "spi_out", about->spi_out) && json_line_add(object, "msg", json_line_text(line)) &&
        json_line_add_text(object, "reason", about->reason);
    char *text = json_line_print(object, whole), short_of_memory[128];
    if (text == NULL) /* said in the same shape, without any */
        (void)snprintf(short_of_memory, sizeof short_of_memory,
                       "{\"ts\":\"%s\",\"level\":\"error\",\"msg\":\"out of memory for a log line\"}\n", stamp);
    const char *said = text != NULL ? text : short_of_memory;
    emit(out, stamp, true, said, strlen(said));
    free(text);
}

void stamp_json_about(void *arg, enum log_level level, const struct log_subject *subject, const char *line)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0)
        stamp_json(arg, &now, level, subject, line);
}

void stamp_json_sink(void *arg, enum log_level level, const char *line)
{
    stamp_json_about(arg, level, NULL, line);
}
