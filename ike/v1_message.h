/* SPDX-License-Identifier: Apache-2.0 */
/* Whole IKEv1 messages: built, encrypted, decrypted, and their phase 2 hashes (RFC 2409 5.5, 5.7, App. B). */
#ifndef IKE_V1_MESSAGE_H
#define IKE_V1_MESSAGE_H

#include "ike/engine.h"
#include "ike/payload.h"

/* A message under construction in ike->out. */
struct v1_message {
    struct writer w;
    struct chain chain;
    size_t hash_at;         /* of the body of the HASH payload, when v1_message_begin_hashed made one */
    uint8_t hash[HASH_MAX]; /* v1_message_seal_hashed: the value that it filled in */
    size_t hashed_from;
};

/* A random message id that is not zero. */
MUST_USE enum status v1_message_id(struct ike *ike, uint32_t *out);

struct v1_message v1_message_begin(struct ike *ike, const struct ike_sa *sa, enum exchange_type exchange,
                                   uint32_t message_id, bool encrypted);

/*
 * What repeats of a message are known by: all of it but version and flags, which nothing authenticates. Had they been
 * changed on the way in the copy that was answered, the right one would not be known again, and the answer, if that was
 * lost, never be repeated.
 */
uint64_t v1_message_digest(const struct ike *ike, struct bytes message);

/* As first payload a HASH whose value is filled in by v1_message_seal_hashed. */
struct v1_message v1_message_begin_hashed(struct ike *ike, const struct ike_sa *sa, enum exchange_type exchange,
                                          uint32_t message_id);

/* Sets the length of a clear message. */
MUST_USE enum status v1_message_finish(struct v1_message *m);

/* Pads and encrypts behind the header. iv: the one to use in, the next one out (unchanged on failure). */
MUST_USE enum status v1_message_encrypt(const struct v1_keys *keys, uint8_t iv[IV_MAX], struct v1_message *m);

/* What a phase 2 hash covers besides the message: HASH(1) and informational: nothing; HASH(2): Ni_b; HASH(3): see
 * v1_hash3. */
MUST_USE enum status v1_hash12(const struct v1_keys *keys, uint32_t message_id, struct bytes nonce_i, struct bytes rest,
                               uint8_t out[HASH_MAX]);
MUST_USE enum status v1_hash3(const struct v1_keys *keys, uint32_t message_id, struct bytes nonce_i,
                              struct bytes nonce_r, uint8_t out[HASH_MAX]);

/* Fills in HASH(1) or HASH(2) (nonce_i empty or not), then encrypts. */
MUST_USE enum status v1_message_seal_hashed(const struct v1_keys *keys, uint8_t iv[IV_MAX], uint32_t message_id,
                                            struct bytes nonce_i, struct v1_message *m);

/*
 * Decrypts into ike->in and walks the payloads (which point there). iv is not changed: next_iv gets the new one, to be
 * committed only after the hash has verified (B12, B19). ERR_MALFORMED: not encrypted, not a multiple of the block, or
 * rubbish behind the key.
 */
MUST_USE enum status v1_message_decrypt(struct ike *ike, const struct v1_keys *keys, const struct ike_header *header,
                                        const uint8_t iv[IV_MAX], struct bytes message, struct payloads *out,
                                        uint8_t next_iv[IV_MAX]);

/* The payloads of a decrypted message that stand behind its HASH payload, as bytes: what HASH(1) and HASH(2) cover. */
struct bytes v1_behind_hash(const struct payloads *p);

/* Constant time; a wrong length is wrong. */
bool v1_hash_equal(const struct v1_keys *keys, const struct payloads *p, const uint8_t expected[HASH_MAX]);

#endif
