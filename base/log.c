/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        if (strcmp(name, level_names[i]) != 0)
            continue;
        *out = (enum log_level)i;
        return true;
    }
    return false;
}

/* False: there is nothing to say. */
static bool format_line(char line[LOG_LINE_MAX], const char *prefix, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static bool format_line(char line[LOG_LINE_MAX], const char *prefix, const char *format, va_list args)
{
    int before = snprintf(line, LOG_LINE_MAX, "%s", prefix);
    if (before < 0)
        return false;
    size_t used = (size_t)before < LOG_LINE_MAX ? (size_t)before : LOG_LINE_MAX - 1;
    int len = vsnprintf(line + used, LOG_LINE_MAX - used, format, args);
    if (len < 0)
        return false;
    if ((size_t)before + (size_t)len >= LOG_LINE_MAX)
        memcpy(line + LOG_LINE_MAX - 4, "...", 4);
    return true;
}

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
    if (log == NULL || log->sink == NULL || level > log->level)
        return;
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    bool made = format_line(line, "", format, args);
    va_end(args);
    if (made)
        log->sink(log->arg, level, line);
}

bool log_wants(const struct log *log, enum log_level level, uint32_t connection)
{
    if (log == NULL || log->sink == NULL)
        return false;
    bool own = log->connection_levels != NULL && connection < log->connection_level_count;
    return level <= (own ? log->connection_levels[connection] : log->level);
}

void log_about(const struct log *log, enum log_level level, uint32_t connection, const char *name, const char *format,
               ...)
{
    if (!log_wants(log, level, connection))
        return;
    char line[LOG_LINE_MAX], prefix[LOG_LINE_MAX / 2] = "";
    if (log->about == NULL)
        (void)snprintf(prefix, sizeof prefix, "%s: ", name);
    va_list args;
    va_start(args, format);
    bool made = format_line(line, prefix, format, args);
    va_end(args);
    if (made && log->about != NULL)
        log->about(log->arg, level, name, line);
    else if (made)
        log->sink(log->arg, level, line);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '\\' && c != '"' && c != '\'';
}

const char *log_escape(char *out, size_t capacity, const void *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *in = text;
    size_t used = 0;
    if (capacity == 0)
        return "";
    out[0] = '\0';
    if (capacity < sizeof "...")
        return out;
    for (size_t i = 0; i < len; i++) {
        size_t need = is_plain(in[i]) ? 1 : 4;
        /* Room for this, and for "..." and the terminator behind it. */
        if (need + 4 > capacity - used) {
            memcpy(out + used, "...", 4);
            return out;
        }
        if (need == 1) {
            out[used++] = (char)in[i];
            continue;
        }
        out[used++] = '\\';
        out[used++] = 'x';
        out[used++] = hex[in[i] >> 4];
        out[used++] = hex[in[i] & 15];
    }
    out[used] = '\0';
    return out;
}

bool log_rate_allow(struct log_rate *rate, uint64_t now_ms, uint32_t *suppressed)
{
    uint64_t earned = now_ms > rate->refilled_ms ? (now_ms - rate->refilled_ms) / LOG_RATE_EVERY_MS : 0;
    if (earned >= rate->used) {
        rate->used = 0; /* full: the next interval starts with the line that is asked for now */
        rate->refilled_ms = now_ms > rate->refilled_ms ? now_ms : rate->refilled_ms;
    } else {
        rate->used -= (uint32_t)earned;
        rate->refilled_ms += earned * LOG_RATE_EVERY_MS; /* a part of an interval stays earned */
    }
    if (rate->used >= LOG_RATE_BURST) {
        if (rate->suppressed < UINT32_MAX)
            rate->suppressed++;
        return false;
    }
    rate->used++;
    *suppressed = rate->suppressed;
    rate->suppressed = 0;
    return true;
}
