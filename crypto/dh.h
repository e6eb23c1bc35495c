/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key exchange groups: MODP (RFC 3526; 1024: RFC 2409 6.2), ECP (RFC 5903: x|y on the wire, shared = x), X25519 (RFC
 * 8031). The private value comes from the injected randomness. The peer's value is checked as RFC 6989 2 asks.
 */
#ifndef CRYPTO_DH_H
#define CRYPTO_DH_H

#include "base/status.h"
#include "base/wire.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/suites.h"

enum { DH_PUBLIC_MAX = 1024 };

/* Our half of one exchange; owned, from dh_new to dh_free, which wipes it. */
struct dh;

MUST_USE enum status dh_new(enum group group, const struct random *random, struct vault *vault, struct dh **out);
void dh_free(struct dh *dh); /* NULL is fine */

/* Exactly group_info()->public_len bytes, borrowed until dh_free. */
struct bytes dh_public(const struct dh *dh);

/*
 * g^xy, exactly group_info()->shared_len bytes, left-padded with zeros. ERR_MALFORMED: the peer's value has the wrong
 * size, is 0, 1, p-1 or more, is not on the curve, or gives the all-zero X25519 secret.
 */
MUST_USE enum status dh_shared(const struct dh *dh, struct bytes peer_public, struct secret *out);

/* Tests with published vectors only: the private value is given (big-endian; X25519: as RFC 7748). */
MUST_USE enum status dh_new_from_private(enum group group, struct bytes private_value, struct vault *vault,
                                         struct dh **out);

#endif
