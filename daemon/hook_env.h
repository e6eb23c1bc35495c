/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook is told, as environment variables. Text of the peer can be anything, and hooks are mostly scripts. */
#ifndef DAEMON_HOOK_ENV_H
#define DAEMON_HOOK_ENV_H

#include "base/wire.h"
#include "ike/ike.h"

struct hook_env {
    const struct connection *connection;
    const struct ike_ends *ends;
    const char *interface;
};

/* "PLUTO_ME=192.0.2.1" NUL "PLUTO_PEER=..." NUL ..., without PLUTO_VERB. */
void hook_env_write(struct writer *w, const struct hook_env *e);

/* "PLUTO_VERB=up-client" NUL. */
void hook_env_verb(struct writer *w, bool up, bool ipv6);

/* Only letters, digits and . _ : @ , = / + - stay; all other bytes become %HH. */
void hook_env_text(struct writer *w, const void *text, size_t len);

/* Is that what these make? Variables of the right name and characters, each with its NUL. Counts them. */
bool hook_env_good(struct bytes environment, size_t *count);

#endif
