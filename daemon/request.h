/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of the control socket asks: one line. */
#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

#include "base/log.h"
#include "base/wire.h"
#include "policy/connection.h"

enum { REQUEST_LINE_MAX = 1024, REQUEST_TEXT_MAX = 256 };

enum request_verb {
    REQUEST_STATUS,
    REQUEST_UP,
    REQUEST_DOWN,
    REQUEST_REKEY,
    REQUEST_EXPLAIN,
    REQUEST_RELOAD,
    REQUEST_LOG,
    REQUEST_MONITOR
};

struct request {
    enum request_verb verb;
    char name[CONNECTION_NAME_MAX + 1]; /* of the connection: up, down, rekey, log (there "": all); else "" */
    char text[REQUEST_TEXT_MAX + 1];    /* explain: the rest of the line, printable but else as it came; else "" */
    enum log_level level;               /* log */
};

/* The line without its '\n' (a '\r' before it is taken off). On failure *why is a constant text for the client. */
MUST_USE enum status request_parse(struct bytes line, struct request *out, const char **why);

#endif
