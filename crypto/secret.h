/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owned key material. Secrets live in guarded, locked, undumpable memory of libsodium and are wiped when freed.
 *
 * A vault cuts large sodium_malloc chunks into slots: one sodium_malloc per secret would cost several
 * pages and memory maps each, too much for 10,000 tunnels. The vault is not thread-safe: it belongs to the
 * control thread.
 */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/wire.h"

enum { SECRET_SLOT = 128, SECRET_MAX = 4096 };

struct vault;

/* NULL when libsodium cannot start or memory is short. */
MUST_USE struct vault *vault_new(void);

/* Wipes and frees everything; secrets still held become dangling, so free them first. */
void vault_free(struct vault *vault);

/* How many secrets are alive: tests assert 0 at the end. */
size_t vault_live(const struct vault *vault);

/* Owned. Zero-initialised is "no secret" and may be freed any number of times. Move by plain assignment and
 * then zero the source; never free two copies. */
struct secret {
    uint8_t *data;
    size_t len;
    struct vault *vault;
};

/* Zeroed memory of len bytes (1 to SECRET_MAX). On failure *out is "no secret". */
MUST_USE enum status secret_new(struct vault *vault, size_t len, struct secret *out);
MUST_USE enum status secret_copy(struct vault *vault, const void *data, size_t len, struct secret *out);

/* Wipes, frees, and makes *secret "no secret". */
void secret_free(struct secret *secret);

static inline struct bytes secret_bytes(const struct secret *secret)
{
    return bytes_of(secret->data, secret->len);
}

/* For secrets on the stack: a memset that is not optimised away. */
void wipe(void *data, size_t len);

/* Constant time in the contents (not in the length). */
bool equal_constant_time(const void *a, const void *b, size_t len);
bool secret_equal(const struct secret *a, const struct secret *b); /* likewise */

#endif
