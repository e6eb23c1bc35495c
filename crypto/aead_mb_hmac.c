/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-CBC (RFC 3602), AES-CTR (RFC 3686) or NULL encryption (RFC 2410) with HMAC, by ipsec-mb. CBC encryption and
 * hashes cannot be made parallel inside a packet, so whole batches are handed over: one call enciphers the packets of a
 * batch side by side, another hashes them. A lane costs the same whether its neighbours work or idle, so that a few
 * packets are left to OpenSSL, which does them one by one in less time.
 */
#include <stdalign.h>

#include "crypto/aead_mb.h"
#include "crypto/secret.h"

enum {
    HASH_STATE = 64, /* SHA-512's */
    HASH_BLOCK = 128,
    HIGH = 4, /* bytes of the high half of an extended sequence number */
};

struct hash {
    enum integ integ;
    IMB_HASH_ALG alg;
    uint8_t block; /* bytes */
    uint8_t tag;   /* bytes that ipsec-mb gives at least: it knows only the truncations of the RFCs */
};

static const struct hash hashes[] = {
    {INTEG_HMAC_SHA1_96, IMB_AUTH_HMAC_SHA_1, 64, 12},
    {INTEG_HMAC_SHA2_256_128, IMB_AUTH_HMAC_SHA_256, 64, 16},
    {INTEG_HMAC_SHA2_256_96, IMB_AUTH_HMAC_SHA_256, 64, 16},
    {INTEG_HMAC_SHA2_384_192, IMB_AUTH_HMAC_SHA_384, 128, 24},
    {INTEG_HMAC_SHA2_512_256, IMB_AUTH_HMAC_SHA_512, 128, 32},
};

struct mb_hmac {
    alignas(MB_ALIGN) uint8_t encrypt[MB_ROUND_KEYS];
    alignas(MB_ALIGN) uint8_t decrypt[MB_ROUND_KEYS];
    alignas(MB_ALIGN) uint8_t inner[HASH_STATE]; /* the hash behind key ^ ipad, and behind key ^ opad */
    alignas(MB_ALIGN) uint8_t outer[HASH_STATE];
    struct mb_engine *engine;
    const struct hash *hash;
    void *portable; /* of aead_openssl_hmac, for less than `worth` packets */
    size_t worth;
    IMB_CIPHER_MODE mode;
    IMB_KEY_SIZE_BYTES key_len;
    struct aead_shape shape;
    bool esn;
    uint8_t nonce[AEAD_SALT];
};

static const struct hash *hash_of(enum integ integ)
{
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        if (hashes[i].integ == integ)
            return &hashes[i];
    return NULL;
}

static bool hmac_supports(const struct aead_suite *suite)
{
    return (suite->encr == ENCR_AES_CBC || suite->encr == ENCR_AES_CTR || suite->encr == ENCR_NULL) &&
           hash_of(suite->integ) != NULL;
}

static void hmac_free(void *state)
{
    struct mb_hmac *h = state;
    if (h != NULL)
        aead_openssl_hmac.free(h->portable);
    mb_key_free(h, sizeof *h);
}

/* Measured with bench_micro --batch N. With the SHA extensions OpenSSL hashes as fast as five lanes (SHA-1, SHA-256).
 */
static size_t worth(const struct mb_engine *engine, const struct hash *hash)
{
    bool sha_extensions = (engine->mgr->features & IMB_FEATURE_SHANI) != 0;
    return sha_extensions && hash->block == 64 ? 5 : 2;
}

static bool too_few(const struct mb_hmac *h, size_t n)
{
    return n < h->worth && !h->engine->eager;
}

/* RFC 2104 2: the key, which is no longer than a block, filled up with zeros and masked. */
static void hash_pad(const struct mb_hmac *h, struct bytes key, uint8_t mask, uint8_t out[HASH_STATE])
{
    alignas(MB_ALIGN) uint8_t block[HASH_BLOCK];
    memset(block, mask, sizeof block);
    for (size_t i = 0; i < key.len && i < sizeof block; i++)
        block[i] ^= key.data[i];
    const IMB_MGR *mgr = h->engine->mgr;
    switch (h->hash->alg) {
    case IMB_AUTH_HMAC_SHA_1: IMB_SHA1_ONE_BLOCK(mgr, block, out); break;
    case IMB_AUTH_HMAC_SHA_256: IMB_SHA256_ONE_BLOCK(mgr, block, out); break;
    case IMB_AUTH_HMAC_SHA_384: IMB_SHA384_ONE_BLOCK(mgr, block, out); break;
    default: IMB_SHA512_ONE_BLOCK(mgr, block, out); break;
    }
    wipe(block, sizeof block);
}

static enum status hmac_make(const struct aead_key *key, void **state)
{
    struct mb_hmac *h = mb_key_new(sizeof *h);
    if (h == NULL)
        return ERR_MEMORY;
    h->engine = key->engine;
    h->hash = hash_of(key->suite.integ);
    h->worth = worth(h->engine, h->hash);
    enum status status = aead_openssl_hmac.make(key, &h->portable);
    if (status != OK) {
        hmac_free(h);
        return status;
    }
    h->shape = key->shape;
    h->esn = key->suite.esn;
    h->key_len = (IMB_KEY_SIZE_BYTES)key->cipher.len;
    h->mode = key->suite.encr == ENCR_AES_CBC   ? IMB_CIPHER_CBC
              : key->suite.encr == ENCR_AES_CTR ? IMB_CIPHER_CNTR
                                                : IMB_CIPHER_NULL;
    if (h->mode == IMB_CIPHER_CNTR)
        memcpy(h->nonce, key->salt.data, sizeof h->nonce);
    if (h->mode != IMB_CIPHER_NULL)
        mb_aes_expand(h->engine, key->cipher, h->encrypt, h->decrypt);
    hash_pad(h, key->integ, 0x36, h->inner);
    hash_pad(h, key->integ, 0x5c, h->outer);
    *state = h;
    return OK;
}

/* What the cipher starts from: the IV itself, or RFC 3686 4: nonce | IV | 1. */
static const uint8_t *start_block(const struct mb_hmac *h, const struct aead_job *job, uint8_t counter[MB_BLOCK])
{
    const uint8_t *iv = job->esp + AEAD_HEADER;
    if (h->mode == IMB_CIPHER_CBC)
        return iv;
    memcpy(counter, h->nonce, AEAD_SALT);
    memcpy(counter + AEAD_SALT, iv, 8);
    store_u32(counter + AEAD_SALT + 8, 1);
    return counter;
}

static IMB_JOB cipher_job(const struct mb_hmac *h, const struct aead_job *job, uint8_t counter[MB_BLOCK])
{
    uint8_t *text = aead_text(job, &h->shape);
    return (IMB_JOB){
        .enc_keys = h->encrypt,
        .dec_keys = h->decrypt,
        .key_len_in_bytes = h->key_len,
        .src = text,
        .dst = text,
        .msg_len_to_cipher_in_bytes = job->text_len,
        .iv = start_block(h, job, counter),
        .iv_len_in_bytes = MB_BLOCK,
    };
}

/* What failed as a whole has done nothing that could be trusted. */
static void refuse(struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = false;
}

/* In place. An empty text is no job. */
static void cipher_all(struct mb_hmac *h, struct aead_job *jobs, size_t n, IMB_CIPHER_DIRECTION direction)
{
    struct mb_engine *e = h->engine;
    uint32_t count = 0;
    for (size_t i = 0; i < n && h->mode != IMB_CIPHER_NULL; i++)
        if (jobs[i].ok && jobs[i].text_len > 0) {
            e->jobs[count] = cipher_job(h, &jobs[i], e->blocks[i]);
            count++;
        }
    if (count > 0 && IMB_SUBMIT_CIPHER_BURST(e->mgr, e->jobs, count, h->mode, direction, h->key_len) != count)
        refuse(jobs, n);
}

static IMB_JOB hash_job(const struct mb_hmac *h, const struct aead_job *job, uint8_t tag[MB_TAG_MAX])
{
    return (IMB_JOB){
        .src = job->esp,
        .msg_len_to_hash_in_bytes = (uint64_t)AEAD_HEADER + h->shape.iv + job->text_len + (h->esn ? HIGH : 0),
        .auth_tag_output = tag,
        .auth_tag_output_len_in_bytes = h->hash->tag,
        .u.HMAC = {._hashed_auth_key_xor_ipad = h->inner, ._hashed_auth_key_xor_opad = h->outer},
    };
}

/* Over SPI | SN | IV | ciphertext, and with ESN the high half behind them (RFC 4303 2.2.1, 3.3.2.1): ipsec-mb hashes
 * one range of bytes, so the high half stands where the ICV belongs while it does. */
static void hash_all(struct mb_hmac *h, struct aead_job *jobs, size_t n)
{
    struct mb_engine *e = h->engine;
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (jobs[i].ok) {
            if (h->esn)
                store_u32(aead_icv(&jobs[i], &h->shape), jobs[i].sequence_high);
            e->jobs[count] = hash_job(h, &jobs[i], e->tags[i]);
            count++;
        }
    if (count > 0 && IMB_SUBMIT_HASH_BURST(e->mgr, e->jobs, count, h->hash->alg) != count)
        refuse(jobs, n);
}

static void hmac_seal(void *state, struct aead_job *jobs, size_t n)
{
    struct mb_hmac *h = state;
    if (too_few(h, n)) {
        aead_openssl_hmac.seal(h->portable, jobs, n);
        return;
    }
    cipher_all(h, jobs, n, IMB_DIR_ENCRYPT);
    hash_all(h, jobs, n);
    for (size_t i = 0; i < n; i++)
        if (jobs[i].ok)
            mb_copy_icv(aead_icv(&jobs[i], &h->shape), h->engine->tags[i], h->shape.icv);
}

/* The ICV first: nothing is decrypted that did not verify (RFC 4303 3.4.4.1). */
static void hmac_open(void *state, struct aead_job *jobs, size_t n)
{
    struct mb_hmac *h = state;
    struct mb_engine *e = h->engine;
    if (too_few(h, n)) {
        aead_openssl_hmac.open(h->portable, jobs, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (jobs[i].ok)
            mb_copy_icv(e->icvs[i], aead_icv(&jobs[i], &h->shape), h->shape.icv);
    hash_all(h, jobs, n);
    for (size_t i = 0; i < n; i++) {
        if (!jobs[i].ok)
            continue;
        mb_copy_icv(aead_icv(&jobs[i], &h->shape), e->icvs[i], h->shape.icv);
        jobs[i].ok = aead_icv_equal(e->tags[i], e->icvs[i], h->shape.icv);
    }
    cipher_all(h, jobs, n, IMB_DIR_DECRYPT);
}

const struct aead_backend aead_mb_hmac = {
    .name = "ipsec-mb",
    .supports = hmac_supports,
    .make = hmac_make,
    .seal = hmac_seal,
    .open = hmac_open,
    .free = hmac_free,
};
