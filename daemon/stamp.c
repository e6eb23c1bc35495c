/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stamp.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

bool stamp_time(const struct timespec *at, char out[STAMP_TEXT])
{
    struct tm utc;
    if (gmtime_r(&at->tv_sec, &utc) == NULL)
        return false;
    size_t used = strftime(out, STAMP_TEXT, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out + used, STAMP_TEXT - used, ".%03ldZ", at->tv_nsec / 1000000);
    return true;
}

static void write_one(FILE *out, const struct timespec *now, enum log_level level, const char *text, size_t len)
{
    char line[LOG_LINE_MAX + 64], stamp[STAMP_TEXT];
    if (!stamp_time(now, stamp))
        return;
    int used = snprintf(line, sizeof line, "%s %-7s %.*s\n", stamp, log_level_name(level),
                        (int)(len < LOG_LINE_MAX ? len : LOG_LINE_MAX), text);
    if (used > 0)
        fwrite(line, 1, (size_t)used, out); /* one write, so that lines of two processes do not mix */
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

/* What is not UTF-8, say in the name of a file, cannot stand in JSON as it is. */
static json_t *text_of(const char *text)
{
    char escaped[4 * LOG_LINE_MAX + 8];
    json_t *value = json_string(text);
    return value != NULL ? value : json_string(log_escape(escaped, sizeof escaped, text, strlen(text)));
}

static bool add(json_t *object, const char *key, const char *text)
{
    return json_object_set_new(object, key, text_of(text)) == 0;
}

static bool add_spi(json_t *object, const char *key, uint32_t spi)
{
    char text[9];
    snprintf(text, sizeof text, "%08x", (unsigned)spi);
    return spi == 0 || add(object, key, text);
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
    bool whole = add(object, "ts", stamp) && add(object, "level", log_level_name(level)) &&
                 (about->name == NULL || add(object, "connection", about->name)) &&
                 add_spi(object, "spi_in", about->spi_in) && add_spi(object, "spi_out", about->spi_out) &&
                 add(object, "msg", line) &&
                 (about->reason == NULL || *about->reason == '\0' || add(object, "reason", about->reason));
    char *text = whole ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(object);
    if (text == NULL) /* memory is short: said in the same shape, without any */
        fprintf(out, "{\"ts\":\"%s\",\"level\":\"error\",\"msg\":\"out of memory for a log line\"}\n", stamp);
    else
        fprintf(out, "%s\n", text);
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
