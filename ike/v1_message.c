/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_message.h"

#include <string.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"

enum status v1_message_id(struct ike *ike, uint32_t *out)
{
    do {
        enum status status = random_u32(&ike->setup.random, out);
        if (status != OK)
            return status;
    } while (*out == 0);
    return OK;
}

uint64_t v1_message_digest(const struct ike *ike, struct bytes message)
{
    uint8_t parts[IKE_HEADER_LEN + 8];
    memcpy(parts, message.data, IKE_HEADER_LEN);
    parts[IKE_HEADER_VERSION_AT] = parts[IKE_HEADER_FLAGS_AT] = 0;
    store_u64(parts + IKE_HEADER_LEN,
              hash_short(ike->seed, message.data + IKE_HEADER_LEN, message.len - IKE_HEADER_LEN));
    return hash_short(ike->seed, parts, sizeof parts);
}

struct v1_message v1_message_begin(struct ike *ike, const struct ike_sa *sa, enum exchange_type exchange,
                                   uint32_t message_id, bool encrypted)
{
    const struct ike_header header = {.spi_i = sa->spi_i,
                                      .spi_r = sa->spi_r,
                                      .major = 1,
                                      .exchange = (uint8_t)exchange,
                                      .flags = encrypted ? FLAG_ENCRYPTION : 0,
                                      .message_id = message_id};
    struct v1_message m = {.w = writer_of(ike->out, sizeof ike->out)};
    header_write(&m.w, &header);
    m.chain = chain_begin(IKE_HEADER_NEXT_AT);
    return m;
}

struct v1_message v1_message_begin_hashed(struct ike *ike, const struct ike_sa *sa, enum exchange_type exchange,
                                          uint32_t message_id)
{
    struct v1_message m = v1_message_begin(ike, sa, exchange, message_id, true);
    chain_open(&m.chain, &m.w, PAYLOAD_HASH);
    m.hash_at = m.w.len;
    write_zeros(&m.w, v1_hash_len(&sa->keys));
    chain_close(&m.chain, &m.w);
    m.hashed_from = m.w.len;
    return m;
}

enum status v1_message_finish(struct v1_message *m)
{
    header_finish(&m->w);
    return writer_finish(&m->w);
}

enum status v1_message_encrypt(const struct v1_keys *keys, uint8_t iv[IV_MAX], struct v1_message *m)
{
    size_t block = v1_block_len(keys);
    size_t text = m->w.len - IKE_HEADER_LEN;
    write_zeros(&m->w, (block - text % block) % block);
    header_finish(&m->w);
    if (m->w.failed)
        return ERR_LIMIT;
    text = m->w.len - IKE_HEADER_LEN;
    enum status status = cbc_encrypt(keys->encr, secret_bytes(&keys->cipher), iv, m->w.data + IKE_HEADER_LEN, text);
    if (status == OK)
        memcpy(iv, m->w.data + m->w.len - block, block);
    return status;
}

enum status v1_hash12(const struct v1_keys *keys, uint32_t message_id, struct bytes nonce_i, struct bytes rest,
                      uint8_t out[HASH_MAX])
{
    uint8_t id[4];
    store_u32(id, message_id);
    const struct bytes parts[] = {bytes_of(id, sizeof id), nonce_i, rest};
    return v1_message_hash(keys, parts, 3, out);
}

enum status v1_hash3(const struct v1_keys *keys, uint32_t message_id, struct bytes nonce_i, struct bytes nonce_r,
                     uint8_t out[HASH_MAX])
{
    uint8_t head[5] = {0};
    store_u32(head + 1, message_id);
    const struct bytes parts[] = {bytes_of(head, sizeof head), nonce_i, nonce_r};
    return v1_message_hash(keys, parts, 3, out);
}

enum status v1_message_seal_hashed(const struct v1_keys *keys, uint8_t iv[IV_MAX], uint32_t message_id,
                                   struct bytes nonce_i, struct v1_message *m)
{
    if (m->w.failed)
        return ERR_LIMIT;
    struct bytes rest = bytes_of(m->w.data + m->hashed_from, m->w.len - m->hashed_from);
    enum status status = v1_hash12(keys, message_id, nonce_i, rest, m->hash);
    if (status != OK)
        return status;
    memcpy(m->w.data + m->hash_at, m->hash, v1_hash_len(keys));
    return v1_message_encrypt(keys, iv, m);
}

/*
 * No hash covers the padding, but the IV of the next message is the last block: who could append any block to a message
 * on the way would break the exchange. Less than a block is normal. A whole one is accepted as peers write it: all
 * zeros (strongSwan), or with its length at the end (racoon and its heirs).
 */
static bool padding_is_sound(struct bytes padding, size_t block)
{
    if (padding.len < block)
        return true;
    uint8_t all = 0, last = padding.data[padding.len - 1];
    for (size_t i = 0; i < padding.len; i++)
        all |= padding.data[i];
    return padding.len == block && (all == 0 || last == block || last == block - 1);
}

enum status v1_message_decrypt(struct ike *ike, const struct v1_keys *keys, const struct ike_header *header,
                               const uint8_t iv[IV_MAX], struct bytes message, struct payloads *out,
                               uint8_t next_iv[IV_MAX])
{
    size_t len = message.len - IKE_HEADER_LEN, block = v1_block_len(keys);
    if (!(header->flags & FLAG_ENCRYPTION) || len == 0 || len % block != 0)
        return ERR_MALFORMED;
    memcpy(ike->in, message.data + IKE_HEADER_LEN, len);
    memcpy(next_iv, ike->in + len - block, block);
    enum status status = cbc_decrypt(keys->encr, secret_bytes(&keys->cipher), iv, ike->in, len);
    if (status != OK)
        return status;
    status = payloads_read(header->next_payload, bytes_of(ike->in, len), true, out);
    if (status == OK && !padding_is_sound(bytes_of(ike->in + out->whole.len, len - out->whole.len), block))
        status = ERR_MALFORMED;
    return status;
}

struct bytes v1_behind_hash(const struct payloads *p)
{
    size_t skip = p->items[0].whole.len;
    return bytes_of(p->whole.data + skip, p->whole.len - skip);
}

bool v1_hash_equal(const struct v1_keys *keys, const struct payloads *p, const uint8_t expected[HASH_MAX])
{
    struct bytes got = payload_body(p, PAYLOAD_HASH);
    return got.len == v1_hash_len(keys) && equal_constant_time(got.data, expected, got.len);
}
