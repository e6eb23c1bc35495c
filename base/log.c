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
static bool format_line(char line[LOG_LINE_MAX], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static bool format_line(char line[LOG_LINE_MAX], const char *format, va_list args)
{
    int len = vsnprintf(line, LOG_LINE_MAX, format, args);
    if (len < 0)
        return false;
    if (len >= LOG_LINE_MAX)
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
    bool made = format_line(line, format, args);
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

/* A line that is cut, visibly, where it gets too long. */
struct growing {
    char text[LOG_LINE_MAX];
    size_t used;
};

static void add(struct growing *line, const char *text, size_t len)
{
    size_t room = LOG_LINE_MAX - 1 - line->used;
    memcpy(line->text + line->used, text, len < room ? len : room);
    line->used += len < room ? len : room;
    line->text[line->used] = '\0';
    if (len > room)
        memcpy(line->text + LOG_LINE_MAX - 4, "...", 4);
}

static void add_text(struct growing *line, const char *text)
{
    add(line, text, strlen(text));
}

/* The lists of an explanation are indented below their titles, which end in a colon: "we accept: one; two". */
static void tell_in_one_line(const struct log *log, enum log_level level, const struct log_subject *subject,
                             const char *head)
{
    struct growing line = {.used = 0};
    const char *text = subject->reason, *before = ": ";
    add_text(&line, head);
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "\n"), indent = strspn(text, " ");
        if (len > indent) {
            add_text(&line, before);
            add(&line, text + indent, len - indent);
            before = text[len - 1] == ':' ? " " : "; ";
        }
        text += len + (text[len] == '\n');
    }
    log->about(log->arg, level, subject, line.text);
}

static void tell_in_lines(const struct log *log, enum log_level level, const struct log_subject *subject,
                          const char *head)
{
    const char *text = subject->reason != NULL ? subject->reason : "", *before = *text != '\0' ? ": " : "";
    do {
        struct growing line = {.used = 0};
        size_t len = strcspn(text, "\n");
        add_text(&line, subject->name);
        add_text(&line, ": ");
        add_text(&line, head);
        add_text(&line, before);
        add(&line, text, len);
        log->sink(log->arg, level, line.text);
        head = before = "";
        text += len + (text[len] == '\n');
    } while (*text != '\0');
}

static void tell(const struct log *log, enum log_level level, const struct log_subject *subject, const char *format,
                 va_list args) __attribute__((format(printf, 4, 0)));

static void tell(const struct log *log, enum log_level level, const struct log_subject *subject, const char *format,
                 va_list args)
{
    char head[LOG_LINE_MAX];
    if (!format_line(head, format, args))
        return;
    if (log->about != NULL)
        tell_in_one_line(log, level, subject, head);
    else
        tell_in_lines(log, level, subject, head);
}

void log_event(const struct log *log, enum log_level level, const struct log_subject *subject, const char *format, ...)
{
    va_list args;
    if (!log_wants(log, level, subject->connection))
        return;
    va_start(args, format);
    tell(log, level, subject, format, args);
    va_end(args);
}

void log_about(const struct log *log, enum log_level level, uint32_t connection, const char *name, const char *format,
               ...)
{
    const struct log_subject subject = {.connection = connection, .name = name};
    va_list args;
    if (!log_wants(log, level, connection))
        return;
    va_start(args, format);
    tell(log, level, &subject, format, args);
    va_end(args);
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

const char *log_rate_note(char out[LOG_RATE_TEXT], uint32_t suppressed)
{
    out[0] = '\0';
    if (suppressed > 0)
        (void)snprintf(out, LOG_RATE_TEXT, " (%u more %s like this %s held back)", (unsigned)suppressed,
                       suppressed == 1 ? "line" : "lines", suppressed == 1 ? "was" : "were");
    return out;
}
