/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket: one request, one answer, the connection closes. */
#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { CLIENT_ANSWER_MAX = 64 << 20, CLIENT_STATUS_SECONDS = 10, CLIENT_COMMAND_SECONDS = 300, CLIENT_WHY = 512 };

struct answer {
    char *text; /* owned, terminated: what followed "ok" or "error " */
    size_t len;
};

/*
 * Sends the request (a line without its end) to the socket at path and waits at most seconds for each part of the
 * answer. OK: the body of an "ok" answer. ERR_STATE: the daemon said "error TEXT", which is in *out. Otherwise *out is
 * empty and why says what is wrong and what would be right; ERR_NOT_FOUND: nobody listens there.
 */
MUST_USE enum status client_ask(const char *path, const char *request, unsigned seconds, struct answer *out,
                                char why[CLIENT_WHY]);

/*
 * The same for a request whose answer never ends: calls line for each of its lines, without its end, until the daemon
 * hangs up (OK) or line returns false (OK).
 */
MUST_USE enum status client_follow(const char *path, const char *request, unsigned seconds,
                                   bool (*line)(void *arg, const char *text, size_t len), void *arg, struct answer *out,
                                   char why[CLIENT_WHY]);
void answer_free(struct answer *answer);

#endif
