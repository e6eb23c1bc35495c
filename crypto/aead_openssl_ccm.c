/* SPDX-License-Identifier: Apache-2.0 */
/* AES-CCM for ESP (RFC 4309), by OpenSSL. Two contexts per key; a packet changes only nonce and length. */
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"

enum { CCM_SALT = 3, CCM_NONCE = 11 }; /* RFC 4309 4: so the length field has 4 bytes */

struct ccm {
    EVP_CIPHER_CTX *encrypt, *decrypt; /* the direction is fixed when the key is set */
    struct aead_shape shape;
    bool esn;
    uint8_t salt[CCM_SALT];
};

static bool ccm_supports(const struct aead_suite *suite)
{
    return suite->encr == ENCR_AES_CCM_8 || suite->encr == ENCR_AES_CCM_12 || suite->encr == ENCR_AES_CCM_16;
}

static void ccm_free(void *state)
{
    struct ccm *c = state;
    if (c == NULL)
        return;
    EVP_CIPHER_CTX_free(c->encrypt); /* these clear their keys */
    EVP_CIPHER_CTX_free(c->decrypt);
    wipe(c, sizeof *c);
    free(c);
}

/* The sizes of nonce and tag have to be known before the key. */
static bool context_start(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const struct aead_key *key, int encrypt)
{
    return ctx != NULL && cipher != NULL && EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, encrypt, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, CCM_NONCE, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, key->shape.icv, NULL) == 1 &&
           EVP_CipherInit_ex2(ctx, NULL, key->cipher.data, NULL, encrypt, NULL) == 1;
}

static bool ccm_key(struct ccm *c, const struct aead_key *key)
{
    const char *name = key->suite.key_bits == 128   ? "AES-128-CCM"
                       : key->suite.key_bits == 192 ? "AES-192-CCM"
                                                    : "AES-256-CCM";
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    c->encrypt = EVP_CIPHER_CTX_new();
    c->decrypt = EVP_CIPHER_CTX_new();
    bool ok = context_start(c->encrypt, cipher, key, 1) && context_start(c->decrypt, cipher, key, 0);
    EVP_CIPHER_free(cipher);
    return ok;
}

static enum status ccm_make(const struct aead_key *key, void **state)
{
    struct ccm *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_MEMORY;
    c->shape = key->shape;
    c->esn = key->suite.esn;
    memcpy(c->salt, key->salt.data, sizeof c->salt);
    if (!ccm_key(c, key)) {
        ccm_free(c);
        return ERR_CRYPTO;
    }
    *state = c;
    return OK;
}

static bool set_nonce(const struct ccm *c, EVP_CIPHER_CTX *ctx, const struct aead_job *job)
{
    uint8_t nonce[CCM_NONCE];
    memcpy(nonce, c->salt, CCM_SALT);
    memcpy(nonce + CCM_SALT, job->esp + AEAD_HEADER, CCM_NONCE - CCM_SALT);
    return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1;
}

/* Length and AAD, then the text in place. To open is to verify, here. */
static bool ccm_run(const struct ccm *c, EVP_CIPHER_CTX *ctx, const struct aead_job *job)
{
    uint8_t aad[AEAD_AAD_MAX];
    size_t aad_len = aead_aad(job, c->esn, aad);
    uint8_t *text = aead_text(job, &c->shape);
    int n = 0;
    return EVP_CipherUpdate(ctx, NULL, &n, NULL, (int)job->text_len) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1 &&
           EVP_CipherUpdate(ctx, text, &n, text, (int)job->text_len) == 1;
}

static bool seal_one(const struct ccm *c, const struct aead_job *job)
{
    return set_nonce(c, c->encrypt, job) && ccm_run(c, c->encrypt, job) &&
           EVP_CIPHER_CTX_ctrl(c->encrypt, EVP_CTRL_AEAD_GET_TAG, c->shape.icv, aead_icv(job, &c->shape)) == 1;
}

static bool open_one(const struct ccm *c, const struct aead_job *job)
{
    return set_nonce(c, c->decrypt, job) &&
           EVP_CIPHER_CTX_ctrl(c->decrypt, EVP_CTRL_AEAD_SET_TAG, c->shape.icv, aead_icv(job, &c->shape)) == 1 &&
           ccm_run(c, c->decrypt, job);
}

static void ccm_seal(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && seal_one(state, &jobs[i]);
}

static void ccm_open(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && open_one(state, &jobs[i]);
}

const struct aead_backend aead_openssl_ccm = {
    .name = "OpenSSL",
    .supports = ccm_supports,
    .make = ccm_make,
    .seal = ccm_seal,
    .open = ccm_open,
    .free = ccm_free,
};
