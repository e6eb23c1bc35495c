/* SPDX-License-Identifier: Apache-2.0 */
/* CBC (RFC 3602, RFC 2451), CTR (RFC 3686) or NULL encryption (RFC 2410) with HMAC, by OpenSSL. One set of contexts per
 * key. */
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"

struct hmac {
    EVP_CIPHER_CTX *encrypt, *decrypt; /* NULL with NULL encryption */
    EVP_MAC_CTX *mac;
    struct aead_shape shape;
    bool esn;
    bool counter; /* CTR: the IV of the packet is a part of the counter block only */
    uint8_t nonce[AEAD_SALT];
};

static const char *cipher_name(const struct aead_suite *suite)
{
    if (suite->encr == ENCR_3DES)
        return "DES-EDE3-CBC";
    bool counter = suite->encr == ENCR_AES_CTR;
    switch (suite->key_bits) {
    case 128: return counter ? "AES-128-CTR" : "AES-128-CBC";
    case 192: return counter ? "AES-192-CTR" : "AES-192-CBC";
    default: return counter ? "AES-256-CTR" : "AES-256-CBC";
    }
}

static const char *digest_name(enum integ integ)
{
    switch (integ) {
    case INTEG_HMAC_MD5_96: return "MD5";
    case INTEG_HMAC_SHA1_96: return "SHA1";
    case INTEG_HMAC_SHA2_256_96:
    case INTEG_HMAC_SHA2_256_128: return "SHA2-256";
    case INTEG_HMAC_SHA2_384_192: return "SHA2-384";
    case INTEG_HMAC_SHA2_512_256: return "SHA2-512";
    case INTEG_NONE: break;
    }
    return NULL;
}

static bool hmac_supports(const struct aead_suite *suite)
{
    return suite->encr == ENCR_AES_CBC || suite->encr == ENCR_AES_CTR || suite->encr == ENCR_3DES ||
           suite->encr == ENCR_NULL;
}

static void hmac_free(void *state)
{
    struct hmac *h = state;
    if (h == NULL)
        return;
    EVP_CIPHER_CTX_free(h->encrypt); /* these clear their keys */
    EVP_CIPHER_CTX_free(h->decrypt);
    EVP_MAC_CTX_free(h->mac);
    wipe(h, sizeof *h);
    free(h);
}

static bool cipher_start(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const uint8_t *key, int encrypt)
{
    return ctx != NULL && cipher != NULL && EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
}

static bool cipher_key(struct hmac *h, const struct aead_key *key)
{
    if (key->suite.encr == ENCR_NULL)
        return true;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_name(&key->suite), NULL);
    h->encrypt = EVP_CIPHER_CTX_new();
    h->decrypt = EVP_CIPHER_CTX_new();
    bool ok =
        cipher_start(h->encrypt, cipher, key->cipher.data, 1) && cipher_start(h->decrypt, cipher, key->cipher.data, 0);
    EVP_CIPHER_free(cipher);
    return ok;
}

static bool mac_key(struct hmac *h, const struct aead_key *key)
{
    char digest[16];
    (void)OPENSSL_strlcpy(digest, digest_name(key->suite.integ), sizeof digest);
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    h->mac = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    bool ok = h->mac != NULL && EVP_MAC_init(h->mac, key->integ.data, key->integ.len, params) == 1;
    EVP_MAC_free(mac);
    return ok;
}

static enum status hmac_make(const struct aead_key *key, void **state)
{
    struct hmac *h = calloc(1, sizeof *h);
    if (h == NULL)
        return ERR_MEMORY;
    h->shape = key->shape;
    h->esn = key->suite.esn;
    h->counter = key->suite.encr == ENCR_AES_CTR;
    if (h->counter)
        memcpy(h->nonce, key->salt.data, sizeof h->nonce);
    if (!cipher_key(h, key) || !mac_key(h, key)) {
        hmac_free(h);
        return ERR_CRYPTO;
    }
    *state = h;
    return OK;
}

/* What the cipher starts from: the IV itself, or RFC 3686 4: nonce | IV | 1. */
static const uint8_t *start_block(const struct hmac *h, const struct aead_job *job, uint8_t counter[AEAD_IV_MAX])
{
    const uint8_t *iv = job->esp + AEAD_HEADER;
    if (!h->counter)
        return iv;
    memcpy(counter, h->nonce, AEAD_SALT);
    memcpy(counter + AEAD_SALT, iv, 8);
    store_u32(counter + AEAD_SALT + 8, 1);
    return counter;
}

/* In place; the text is whole blocks, or the mode needs none, so nothing stays behind in the context. */
static bool cipher_run(EVP_CIPHER_CTX *ctx, const struct hmac *h, const struct aead_job *job)
{
    if (ctx == NULL || job->text_len == 0)
        return true;
    uint8_t *text = aead_text(job, &h->shape), counter[AEAD_IV_MAX];
    int n = 0;
    return EVP_CipherInit_ex2(ctx, NULL, NULL, start_block(h, job, counter), -1, NULL) == 1 &&
           EVP_CipherUpdate(ctx, text, &n, text, (int)job->text_len) == 1 && (uint32_t)n == job->text_len;
}

/* Over SPI | SN | IV | ciphertext, and with ESN the high half behind them (RFC 4303 2.2.1, 3.3.2.1). */
static bool icv(const struct hmac *h, const struct aead_job *job, uint8_t out[EVP_MAX_MD_SIZE])
{
    uint8_t high[4];
    store_u32(high, job->sequence_high);
    size_t covered = (size_t)AEAD_HEADER + h->shape.iv + job->text_len, len = 0;
    return EVP_MAC_init(h->mac, NULL, 0, NULL) == 1 && EVP_MAC_update(h->mac, job->esp, covered) == 1 &&
           (!h->esn || EVP_MAC_update(h->mac, high, sizeof high) == 1) &&
           EVP_MAC_final(h->mac, out, &len, EVP_MAX_MD_SIZE) == 1;
}

static bool seal_one(const struct hmac *h, const struct aead_job *job)
{
    uint8_t full[EVP_MAX_MD_SIZE];
    if (!cipher_run(h->encrypt, h, job) || !icv(h, job, full))
        return false;
    memcpy(aead_icv(job, &h->shape), full, h->shape.icv);
    return true;
}

/* The ICV first: nothing is decrypted that did not verify (RFC 4303 3.4.4.1). */
static bool open_one(const struct hmac *h, const struct aead_job *job)
{
    uint8_t full[EVP_MAX_MD_SIZE];
    return icv(h, job, full) && equal_constant_time(full, aead_icv(job, &h->shape), h->shape.icv) &&
           cipher_run(h->decrypt, h, job);
}

static void hmac_seal(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && seal_one(state, &jobs[i]);
}

static void hmac_open(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && open_one(state, &jobs[i]);
}

const struct aead_backend aead_openssl_hmac = {
    .name = "OpenSSL",
    .supports = hmac_supports,
    .make = hmac_make,
    .seal = hmac_seal,
    .open = hmac_open,
    .free = hmac_free,
};
