/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of IKE: RSA, and ECDSA on the curves that have a method in RFC 4754. What is signed is a value that the
 * caller has computed (HASH_I, HASH_R); nothing is hashed here.
 *
 * RSA is PKCS#1 v1.5 over the value itself, without a DigestInfo (RFC 2409 5.1). ECDSA takes the value as the digest,
 * and writes r and s side by side, each in the size of the curve (RFC 4754 7).
 */
#ifndef CRYPTO_SIGN_H
#define CRYPTO_SIGN_H

#include <stdbool.h>

#include "base/why.h"
#include "base/wire.h"
#include "crypto/suites.h"

enum sign_method { SIGN_NONE, SIGN_RSA, SIGN_ECDSA_256, SIGN_ECDSA_384, SIGN_ECDSA_521 };

enum {
    RSA_BITS_MIN = 2048,    /* below: only with LEGACY_RSA1024 */
    RSA_BITS_LEGACY = 1024, /* below: never */
    RSA_BITS_MAX = 8192,
    SIGNATURE_MAX = RSA_BITS_MAX / 8,
};

/* "RSA", "ECDSA P-256", ... Never NULL. */
const char *sign_method_name(enum sign_method method);

/* The hash that a method is bound to: HASH_I and HASH_R are made with its HMAC (RFC 4754 5, RFC 2409 5). PRF_NONE: the
 * negotiated one. */
enum prf sign_method_prf(enum sign_method method);

/* A private key, or the public one of a certificate. */
struct sign_key;

/* A SubjectPublicKeyInfo in DER. ERR_MALFORMED: not one; ERR_UNSUPPORTED: another algorithm or curve, or too weak a
 * key. `allow`: mask of enum legacy. */
MUST_USE enum status sign_key_read_public(struct bytes der, uint32_t allow, struct sign_key **out,
                                          const struct why *why);

/* Wipes a private key. Harmless with NULL. */
void sign_key_free(struct sign_key *key);

enum sign_method sign_key_method(const struct sign_key *key);
unsigned sign_key_bits(const struct sign_key *key);

/* Whether the two are halves of one pair. */
bool sign_key_equal(const struct sign_key *a, const struct sign_key *b);

/* ERR_CRYPTO also when key has no private half; *len is then 0. */
MUST_USE enum status sign_make(const struct sign_key *key, struct bytes value, uint8_t out[SIGNATURE_MAX], size_t *len);

/* OK, or ERR_AUTHENTICATION for whatever is wrong: a length, a range, the padding, the library (B17, B18). */
MUST_USE enum status sign_check(const struct sign_key *key, struct bytes value, struct bytes signature);

#endif
