/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/keys.h"

#include "ike/v1_proposal.h"

#include <string.h>

size_t v1_hash_len(const struct v1_keys *keys)
{
    return prf_info(keys->prf)->len;
}

size_t v1_block_len(const struct v1_keys *keys)
{
    return encr_info(keys->encr)->block;
}

/* SKEYID_d, _a and _e: prf(SKEYID, [the one before |] g^xy | CKY-I | CKY-R | number). */
static enum status derive_next(struct vault *vault, enum prf prf, const struct secret *skeyid, struct bytes before,
                               struct bytes shared, const struct v1_phase1_values *values, uint8_t number,
                               struct secret *out)
{
    uint8_t tail[17];
    struct writer w = writer_of(tail, sizeof tail);
    write_u64(&w, values->spi_i);
    write_u64(&w, values->spi_r);
    write_u8(&w, number);
    const struct bytes parts[] = {before, shared, writer_bytes(&w)};
    enum status status = secret_new(vault, prf_info(prf)->len, out);
    if (status == OK)
        status = prf_parts(prf, secret_bytes(skeyid), parts, 3, out->data);
    return status;
}

/* RFC 2409 App. B: a cipher key longer than SKEYID_e is K1 | K2 | ..., K1 = prf(SKEYID_e, 0), Kn = prf(SKEYID_e, Kn-1).
 */
static enum status expand_cipher_key(struct vault *vault, enum prf prf, const struct secret *skeyid_e, size_t len,
                                     struct secret *out)
{
    static const uint8_t zero = 0;
    size_t step = prf_info(prf)->len;
    enum status status = secret_new(vault, len, out);
    if (status != OK)
        return status;
    if (len <= step) {
        memcpy(out->data, skeyid_e->data, len);
        return OK;
    }
    uint8_t block[HASH_MAX];
    struct bytes before = bytes_of(&zero, 1);
    for (size_t at = 0; at < len && status == OK; at += step) {
        status = prf_parts(prf, secret_bytes(skeyid_e), &before, 1, block);
        memcpy(out->data + at, block, len - at < step ? len - at : step);
        before = bytes_of(block, step);
    }
    wipe(block, sizeof block);
    return status;
}

static size_t cipher_key_len(const struct proposal *suite)
{
    const struct encr_info *encr = encr_info(suite->encr);
    return (size_t)(encr->fixed_key ? encr->key_bits[0] : suite->key_bits) / 8;
}

/* All from SKEYID, which is prf(key, parts). */
static enum status derive(struct vault *vault, const struct proposal *suite, struct bytes key,
                          const struct bytes parts[], size_t count, const struct v1_phase1_values *values,
                          struct bytes shared, struct v1_keys *out)
{
    v1_keys_free(out); /* of a first try that a bad message 3 or 4 has spoiled */
    *out = (struct v1_keys){.prf = suite->prf, .encr = suite->encr};
    struct secret skeyid_e = {0};
    enum status status = secret_new(vault, prf_info(out->prf)->len, &out->skeyid);
    if (status == OK)
        status = prf_parts(out->prf, key, parts, count, out->skeyid.data);
    if (status == OK)
        status = derive_next(vault, out->prf, &out->skeyid, (struct bytes){0}, shared, values, 0, &out->skeyid_d);
    if (status == OK)
        status =
            derive_next(vault, out->prf, &out->skeyid, secret_bytes(&out->skeyid_d), shared, values, 1, &out->skeyid_a);
    if (status == OK)
        status = derive_next(vault, out->prf, &out->skeyid, secret_bytes(&out->skeyid_a), shared, values, 2, &skeyid_e);
    if (status == OK)
        status = expand_cipher_key(vault, out->prf, &skeyid_e, cipher_key_len(suite), &out->cipher);
    secret_free(&skeyid_e);
    if (status != OK)
        v1_keys_free(out);
    return status;
}

enum status v1_keys_derive(struct vault *vault, const struct proposal *suite, struct bytes psk,
                           const struct v1_phase1_values *values, struct bytes shared, struct v1_keys *out)
{
    const struct bytes nonces[] = {values->nonce_i, values->nonce_r};
    return derive(vault, suite, psk, nonces, 2, values, shared, out);
}

enum status v1_keys_derive_signed(struct vault *vault, const struct proposal *suite,
                                  const struct v1_phase1_values *values, struct bytes shared, struct v1_keys *out)
{
    uint8_t nonces[2 * NONCE_MAX];
    struct writer w = writer_of(nonces, sizeof nonces);
    write_bytes(&w, values->nonce_i.data, values->nonce_i.len);
    write_bytes(&w, values->nonce_r.data, values->nonce_r.len);
    enum status status = writer_finish(&w);
    return status == OK ? derive(vault, suite, writer_bytes(&w), &shared, 1, values, shared, out) : status;
}

void v1_keys_free(struct v1_keys *keys)
{
    secret_free(&keys->skeyid);
    secret_free(&keys->skeyid_d);
    secret_free(&keys->skeyid_a);
    secret_free(&keys->cipher);
}

enum status v1_auth_hash(const struct v1_keys *keys, const struct v1_phase1_values *values, bool of_initiator,
                         struct bytes id_body, uint8_t out[HASH_MAX])
{
    return v1_auth_hash_of(keys->prf, keys, values, of_initiator, id_body, out);
}

enum status v1_auth_hash_of(enum prf prf, const struct v1_keys *keys, const struct v1_phase1_values *v,
                            bool of_initiator, struct bytes id_body, uint8_t out[HASH_MAX])
{
    uint8_t cookies[16];
    store_u64(cookies + (of_initiator ? 0 : 8), v->spi_i);
    store_u64(cookies + (of_initiator ? 8 : 0), v->spi_r);
    const struct bytes parts[] = {of_initiator ? v->public_i : v->public_r, of_initiator ? v->public_r : v->public_i,
                                  bytes_of(cookies, sizeof cookies), v->sai_b, id_body};
    return prf_parts(prf, secret_bytes(&keys->skeyid), parts, 5, out);
}

enum status v1_phase1_iv(const struct v1_keys *keys, const struct v1_phase1_values *v, uint8_t iv[IV_MAX])
{
    uint8_t digest[HASH_MAX];
    const struct bytes parts[] = {v->public_i, v->public_r};
    enum status status = hash_parts(keys->prf, parts, 2, digest);
    memcpy(iv, digest, IV_MAX); /* every hash has 16 bytes; a shorter block uses the first of them */
    return status;
}

enum status v1_phase2_iv(const struct v1_keys *keys, const uint8_t last_block[IV_MAX], uint32_t message_id,
                         uint8_t iv[IV_MAX])
{
    uint8_t digest[HASH_MAX], id[4];
    store_u32(id, message_id);
    const struct bytes parts[] = {bytes_of(last_block, v1_block_len(keys)), bytes_of(id, sizeof id)};
    enum status status = hash_parts(keys->prf, parts, 2, digest);
    memcpy(iv, digest, IV_MAX);
    return status;
}

enum status v1_message_hash(const struct v1_keys *keys, const struct bytes *parts, size_t count, uint8_t out[HASH_MAX])
{
    return prf_parts(keys->prf, secret_bytes(&keys->skeyid_a), parts, count, out);
}

enum status v1_keymat(struct vault *vault, const struct v1_keys *keys, struct bytes shared, uint32_t spi,
                      struct bytes nonce_i, struct bytes nonce_r, size_t len, struct secret *out)
{
    uint8_t head[5] = {V1_PROTOCOL_ESP};
    store_u32(head + 1, spi);
    uint8_t block[HASH_MAX];
    size_t step = v1_hash_len(keys);
    struct bytes before = {0};
    enum status status = secret_new(vault, len, out);
    for (size_t at = 0; at < len && status == OK; at += step) {
        const struct bytes parts[] = {before, shared, bytes_of(head, sizeof head), nonce_i, nonce_r};
        status = prf_parts(keys->prf, secret_bytes(&keys->skeyid_d), parts, 5, block);
        memcpy(out->data + at, block, len - at < step ? len - at : step);
        before = bytes_of(block, step);
    }
    wipe(block, sizeof block);
    if (status != OK)
        secret_free(out);
    return status;
}
