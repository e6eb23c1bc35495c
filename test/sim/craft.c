/* SPDX-License-Identifier: Apache-2.0 */
#include "test/sim/craft.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "ike/v1_message.h"

static void must(bool condition)
{
    if (!condition)
        abort();
}

struct ike_sa *craft_sa(const struct ike *ike)
{
    struct ike_sa *sa, *next, *found = NULL;
    HASH_ITER(by_spi, ike->sas, sa, next)
    {
        if (found == NULL || sa->state == SA_ESTABLISHED)
            found = sa;
    }
    return found;
}

void craft_renew_phase1(struct ike *ike, uint64_t now_ms)
{
    struct ike_sa *sa = craft_sa(ike);
    if (sa != NULL && sa->state == SA_ESTABLISHED)
        deadline_set(&ike->deadlines, &sa->renew.deadline, now_ms);
}

void craft_first_iv(const struct ike_sa *sa, uint32_t message_id, uint8_t iv[IV_MAX])
{
    must(v1_phase2_iv(&sa->keys, sa->iv, message_id, iv) == OK);
}

static bool chain_of(const struct craft *c, struct payloads *p)
{
    return payloads_read(c->header.next_payload, bytes_of(c->text, c->len), true, p) == OK;
}

bool craft_open(const struct ike_sa *sa, uint8_t iv[IV_MAX], struct bytes message, struct craft *out)
{
    size_t block = v1_block_len(&sa->keys);
    if (sa->keys.cipher.data == NULL || header_read(message, &out->header) != OK ||
        !(out->header.flags & FLAG_ENCRYPTION))
        return false;
    out->len = message.len - IKE_HEADER_LEN;
    if (out->len == 0 || out->len > CRAFT_MAX || out->len % block != 0)
        return false;
    memcpy(out->text, message.data + IKE_HEADER_LEN, out->len);
    must(cbc_decrypt(sa->keys.encr, secret_bytes(&sa->keys.cipher), iv, out->text, out->len) == OK);
    memcpy(iv, message.data + message.len - block, block);
    struct payloads p;
    if (!chain_of(out, &p))
        return false;
    out->len = p.whole.len;
    return true;
}

void craft_rehash(const struct ike_sa *sa, struct bytes nonce_i, struct craft *c)
{
    struct payloads p;
    uint8_t hash[HASH_MAX];
    if (!chain_of(c, &p) || p.count == 0 || p.items[0].type != PAYLOAD_HASH ||
        p.items[0].body.len != v1_hash_len(&sa->keys))
        return;
    must(v1_hash12(&sa->keys, c->header.message_id, nonce_i, v1_behind_hash(&p), hash) == OK);
    memcpy(c->text + PAYLOAD_HEADER, hash, p.items[0].body.len);
}

size_t craft_seal(const struct ike_sa *sa, uint8_t iv[IV_MAX], struct craft *c, uint8_t out[CRAFT_MAX + 64])
{
    size_t block = v1_block_len(&sa->keys), padded = (c->len + block - 1) / block * block;
    struct writer w = writer_of(out, CRAFT_MAX + 64);
    header_write(&w, &c->header);
    write_bytes(&w, c->text, c->len);
    write_zeros(&w, padded - c->len);
    header_finish(&w);
    must(!w.failed);
    if (padded == 0)
        return w.len;
    must(cbc_encrypt(sa->keys.encr, secret_bytes(&sa->keys.cipher), iv, out + IKE_HEADER_LEN, padded) == OK);
    memcpy(iv, out + w.len - block, block);
    return w.len;
}

size_t craft_phase2(const struct ike_sa *sa, enum exchange_type exchange, uint32_t message_id, uint8_t type,
                    struct bytes body, uint8_t out[CRAFT_MAX + 64])
{
    static const uint8_t zeros[HASH_MAX];
    struct craft c = {.header = {.spi_i = sa->spi_i,
                                 .spi_r = sa->spi_r,
                                 .next_payload = PAYLOAD_HASH,
                                 .major = 1,
                                 .exchange = (uint8_t)exchange,
                                 .flags = FLAG_ENCRYPTION,
                                 .message_id = message_id}};
    uint8_t iv[IV_MAX];
    struct writer w = writer_of(c.text, sizeof c.text);
    size_t hash_len = v1_hash_len(&sa->keys);
    write_u8(&w, type);
    write_u8(&w, 0);
    write_u16(&w, (uint16_t)(PAYLOAD_HEADER + hash_len));
    write_bytes(&w, zeros, hash_len);
    struct chain chain = chain_begin(0);
    chain_add(&chain, &w, type, body);
    must(!w.failed);
    c.len = w.len;
    craft_rehash(sa, (struct bytes){0}, &c);
    craft_first_iv(sa, message_id, iv);
    return craft_seal(sa, iv, &c, out);
}

struct bytes craft_body(const struct craft *c, uint8_t type)
{
    static struct payloads p;
    return chain_of(c, &p) ? payload_body(&p, type) : (struct bytes){0};
}
