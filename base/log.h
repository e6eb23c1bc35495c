/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: a level, a sink that the daemon provides, no secret ever. Text that came from a peer goes through
 * log_escape first. Lines that the network can provoke go through a struct log_rate, which counts what it
 * suppressed and says so later.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { LOG_LINE_MAX = 1024 }; /* longer lines are cut, visibly, with "..." */

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* What a line is about. */
struct log_subject {
    uint32_t connection; /* its number */
    const char *name;
    uint32_t spi_in, spi_out; /* of a pair of IPsec SAs; 0: none, or not known yet */
    const char *reason;       /* escaped, maybe several lines; NULL or "": none */
};

struct log {
    enum log_level level;                                            /* lines above it are not formatted */
    void (*sink)(void *arg, enum log_level level, const char *line); /* NULL: nobody listens */
    void *arg;
    /* For lines about a connection; NULL: they go to sink, as "NAME: line". */
    void (*about)(void *arg, enum log_level level, const struct log_subject *subject, const char *line);
    /* One per connection, by its number, where one of them may be heard more or less than all else; NULL: none may. */
    const enum log_level *connection_levels;
    size_t connection_level_count;
};

void log_write(const struct log *log, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same for a line about the connection of that number and name. */
void log_about(const struct log *log, enum log_level level, uint32_t connection, const char *name, const char *format,
               ...) PRINTF_LIKE(5, 6);

/* The same for a line about that subject, with ": REASON" behind it. One call of log->about, whose line has "; " in
 * place of the line breaks of the reason; or, where there is no such sink, a line for each line of the reason. */
void log_event(const struct log *log, enum log_level level, const struct log_subject *subject, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Whether such a line would be heard: to spare the work of making it. */
bool log_wants(const struct log *log, enum log_level level, uint32_t connection);

const char *log_level_name(enum log_level level);
/* False, with *out as it was, when no level has that name. */
bool log_level_parse(const char *name, enum log_level *out);

/* Printable ASCII stays; all else, quotes and the backslash become \xHH. Ends with "..." when cut. Returns out. */
const char *log_escape(char *out, size_t capacity, const void *text, size_t len);

/* A token bucket: up to `burst` lines at once, one more per `every_ms`. Zero-initialised is full. */
struct log_rate {
    uint64_t refilled_ms;
    uint32_t used;
    uint32_t suppressed;
};

enum { LOG_RATE_BURST = 10, LOG_RATE_EVERY_MS = 1000 };

/* True when a line may go out now; *suppressed then tells how many were held back since the last one. */
bool log_rate_allow(struct log_rate *rate, uint64_t now_ms, uint32_t *suppressed);

enum { LOG_RATE_TEXT = 64 };

/* " (3 more lines like this were held back)" for the end of such a line; "" when none was. Returns out. */
const char *log_rate_note(char out[LOG_RATE_TEXT], uint32_t suppressed);

#endif
