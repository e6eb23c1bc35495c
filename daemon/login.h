/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords are looked at in threads of libuv's pool, for one costs tens of milliseconds. Few at once: each takes 64
 * MiB meanwhile; a few more wait in line. Unknown users cost the same.
 */
#ifndef DAEMON_LOGIN_H
#define DAEMON_LOGIN_H

#include <uv.h>

#include "crypto/secret.h"
#include "policy/users.h"

enum { LOGINS_AT_ONCE = 2, LOGINS_WAITING_MAX = 64 };

struct login;

struct logins {
    uv_loop_t *loop;     /* borrowed */
    struct vault *vault; /* borrowed; used by the thread of the loop alone */
    void (*answer)(void *arg, uint64_t ticket, bool right);
    void *arg;
    struct login *waiting; /* list, the oldest first; owned */
    size_t waiting_count, running;
    bool closed; /* what still runs is not answered any more */
};

/* ERR_LIMIT: too many wait. ERR_MEMORY. Else `answer` comes later, from the loop. */
MUST_USE enum status logins_add(struct logins *logins, uint64_t ticket, const struct users *users, struct bytes user,
                                struct bytes password);

/* Forgets what waits. What runs ends with the loop (loop_close waits for it). */
void logins_close(struct logins *logins);

#endif
