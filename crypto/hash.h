/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and PRFs of IKE, over data given in parts so that nobody concatenates secrets on the heap. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <stdint.h>

#include "base/status.h"
#include "base/wire.h"
#include "crypto/suites.h"

enum { HASH_MAX = 64, HASH_SEED = 16 };

/* IKEv1's "negotiated hash" is the hash inside the HMAC of the PRF: hence one enum for both. out: prf_info()->len
 * bytes. */
MUST_USE enum status hash_parts(enum prf prf, const struct bytes *parts, size_t count, uint8_t *out);

/* prf(key, part1 | part2 | ...). Any key length, also zero. out: prf_info()->len bytes; zeroed on failure. */
MUST_USE enum status prf_parts(enum prf prf, struct bytes key, const struct bytes *parts, size_t count, uint8_t *out);

/* SipHash-2-4 under a secret seed: for tables whose keys a peer can choose. */
uint64_t hash_short(const uint8_t seed[HASH_SEED], const void *data, size_t len);

#endif
