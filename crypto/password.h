/* SPDX-License-Identifier: Apache-2.0 */
/* Hashed passwords (libsodium's Argon2id), as text that holds its own salt and cost. */
#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include <stdbool.h>

#include "base/wire.h"

enum { PASSWORD_HASH = 128, PASSWORD_MAX = 256 };

/* Costs 64 MiB and tens of milliseconds, by design; not for the event loop. ERR_LIMIT: empty, or over PASSWORD_MAX. */
MUST_USE enum status password_hash(struct bytes password, char out[PASSWORD_HASH]);

/* Is it the password of this hash? As costly. May be called by any thread. */
MUST_USE bool password_verify(const char *hash, struct bytes password);

/* A hash like those of password_hash, never the right one of anything that verifies. For names that nobody has: so that
 * the answer takes as long as for the others. */
const char *password_hash_of_nobody(void);

/* Can password_verify read it, and is it as costly as those of password_hash? Another cost would tell by the time that
 * the answer takes that this name exists, or keep a thread busy for minutes. */
MUST_USE bool password_hash_is_sound(const char *text);

#endif
