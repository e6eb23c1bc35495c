/* SPDX-License-Identifier: Apache-2.0 */
/* Key derivation and hashes of IKEv1 (RFC 2409 5, 5.5, Appendix B). */
#ifndef IKE_KEYS_H
#define IKE_KEYS_H

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "policy/proposal.h"

enum { IV_MAX = 16 };

struct v1_keys {
    enum prf prf;
    enum encr encr;
    struct secret skeyid;   /* for HASH_I and HASH_R; freed when phase 1 is complete */
    struct secret skeyid_d; /* KEYMAT comes from it */
    struct secret skeyid_a; /* authenticates phase 2 */
    struct secret cipher;   /* from SKEYID_e, in the size of the cipher */
};

/* The values of one phase 1 that go into keys and hashes. */
struct v1_phase1_values {
    uint64_t spi_i, spi_r;
    struct bytes nonce_i, nonce_r;
    struct bytes public_i, public_r; /* g^xi, g^xr */
    struct bytes sai_b;              /* body of the initiator's SA payload, as sent */
};

/* Pre-shared key: SKEYID = prf(psk, Ni_b | Nr_b). *out must be zero or earlier keys,
 * which are freed. On failure it holds no secret. */
MUST_USE enum status v1_keys_derive(struct vault *vault, const struct proposal *suite, struct bytes psk,
                                    const struct v1_phase1_values *values, struct bytes shared, struct v1_keys *out);
/* Signatures: SKEYID = prf(Ni_b | Nr_b, g^xy). Never with a pre-shared key: here anyone who takes part has SKEYID. */
MUST_USE enum status v1_keys_derive_signed(struct vault *vault, const struct proposal *suite,
                                           const struct v1_phase1_values *values, struct bytes shared,
                                           struct v1_keys *out);
void v1_keys_free(struct v1_keys *keys);

/* HASH_I (of_initiator) or HASH_R over the ID body exactly as it stands in the message (RFC 2409 5). */
MUST_USE enum status v1_auth_hash(const struct v1_keys *keys, const struct v1_phase1_values *values, bool of_initiator,
                                  struct bytes id_body, uint8_t out[HASH_MAX]);

/* The same with another hash than the negotiated one, for a signature that is bound to it (RFC 2409 5, RFC 4754 5). */
MUST_USE enum status v1_auth_hash_of(enum prf prf, const struct v1_keys *keys, const struct v1_phase1_values *values,
                                     bool of_initiator, struct bytes id_body, uint8_t out[HASH_MAX]);

/* hash(g^xi | g^xr), truncated to the cipher's block; and hash(last phase 1 block | message id). */
MUST_USE enum status v1_phase1_iv(const struct v1_keys *keys, const struct v1_phase1_values *values,
                                  uint8_t iv[IV_MAX]);
MUST_USE enum status v1_phase2_iv(const struct v1_keys *keys, const uint8_t last_block[IV_MAX], uint32_t message_id,
                                  uint8_t iv[IV_MAX]);

/* prf(SKEYID_a, parts): HASH(1) to HASH(3) and the hash of an informational message are this with different parts. */
MUST_USE enum status v1_message_hash(const struct v1_keys *keys, const struct bytes *parts, size_t count,
                                     uint8_t out[HASH_MAX]);

/* KEYMAT of one SA of a pair: prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b), iterated to len bytes. shared:
 * empty without PFS. */
MUST_USE enum status v1_keymat(struct vault *vault, const struct v1_keys *keys, struct bytes shared, uint32_t spi,
                               struct bytes nonce_i, struct bytes nonce_r, size_t len, struct secret *out);

/* Bytes of the negotiated hash, and of the cipher's block. */
size_t v1_hash_len(const struct v1_keys *keys);
size_t v1_block_len(const struct v1_keys *keys);

#endif
