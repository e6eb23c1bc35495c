/* SPDX-License-Identifier: Apache-2.0 */
/* AES-GCM (RFC 4106) and AES-GMAC (RFC 4543) for ESP, by OpenSSL. One context per key; a packet changes only the nonce.
 */
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"

struct gcm {
    EVP_CIPHER_CTX *ctx; /* counter mode: the same key schedule seals and opens */
    struct aead_shape shape;
    bool esn;
    bool mac_only; /* GMAC: what GCM would encrypt is additional data */
    uint8_t salt[AEAD_SALT];
};

static bool gcm_supports(const struct aead_suite *suite)
{
    return suite->encr == ENCR_AES_GCM_8 || suite->encr == ENCR_AES_GCM_12 || suite->encr == ENCR_AES_GCM_16 ||
           suite->encr == ENCR_NULL_AUTH_AES_GMAC;
}

static void gcm_free(void *state)
{
    struct gcm *g = state;
    if (g == NULL)
        return;
    EVP_CIPHER_CTX_free(g->ctx); /* clears the key schedule */
    wipe(g, sizeof *g);
    free(g);
}

static bool gcm_key(struct gcm *g, const struct aead_key *key)
{
    const char *name = key->suite.key_bits == 128   ? "AES-128-GCM"
                       : key->suite.key_bits == 192 ? "AES-192-GCM"
                                                    : "AES-256-GCM";
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    g->ctx = EVP_CIPHER_CTX_new();
    bool ok =
        cipher != NULL && g->ctx != NULL && EVP_CipherInit_ex2(g->ctx, cipher, key->cipher.data, NULL, 1, NULL) == 1;
    EVP_CIPHER_free(cipher);
    return ok;
}

static enum status gcm_make(const struct aead_key *key, void **state)
{
    struct gcm *g = calloc(1, sizeof *g);
    if (g == NULL)
        return ERR_MEMORY;
    g->shape = key->shape;
    g->esn = key->suite.esn;
    g->mac_only = key->suite.encr == ENCR_NULL_AUTH_AES_GMAC;
    memcpy(g->salt, key->salt.data, sizeof g->salt);
    if (!gcm_key(g, key)) {
        gcm_free(g);
        return ERR_CRYPTO;
    }
    *state = g;
    return OK;
}

/* RFC 4543 3: behind SPI and number, the IV and the text too are additional data. */
static bool gmac_text(const struct gcm *g, const struct aead_job *job)
{
    int n = 0;
    return EVP_CipherUpdate(g->ctx, NULL, &n, job->esp + AEAD_HEADER, (int)(g->shape.iv + job->text_len)) == 1;
}

static bool gcm_text(const struct gcm *g, const struct aead_job *job)
{
    uint8_t *text = aead_text(job, &g->shape);
    int n = 0;
    return job->text_len == 0 || EVP_CipherUpdate(g->ctx, text, &n, text, (int)job->text_len) == 1;
}

/* Nonce and AAD, then the text in place. */
static bool gcm_run(const struct gcm *g, const struct aead_job *job, int encrypt)
{
    uint8_t aad[AEAD_AAD_MAX], nonce[AEAD_NONCE];
    size_t aad_len = aead_aad(job, g->esn, aad);
    aead_nonce(job, g->salt, nonce);
    int n = 0;
    return EVP_CipherInit_ex2(g->ctx, NULL, NULL, nonce, encrypt, NULL) == 1 &&
           EVP_CipherUpdate(g->ctx, NULL, &n, aad, (int)aad_len) == 1 &&
           (g->mac_only ? gmac_text(g, job) : gcm_text(g, job));
}

static bool gcm_final(const struct gcm *g)
{
    uint8_t none[EVP_MAX_BLOCK_LENGTH];
    int n = 0;
    return EVP_CipherFinal_ex(g->ctx, none, &n) == 1;
}

static bool seal_one(const struct gcm *g, const struct aead_job *job)
{
    return gcm_run(g, job, 1) && gcm_final(g) &&
           EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_GET_TAG, g->shape.icv, aead_icv(job, &g->shape)) == 1;
}

static bool open_one(const struct gcm *g, const struct aead_job *job)
{
    return gcm_run(g, job, 0) &&
           EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_SET_TAG, g->shape.icv, aead_icv(job, &g->shape)) == 1 &&
           gcm_final(g); /* compares the tag, in constant time */
}

static void gcm_seal(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && seal_one(state, &jobs[i]);
}

static void gcm_open(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && open_one(state, &jobs[i]);
}

const struct aead_backend aead_openssl_gcm = {
    .name = "OpenSSL",
    .supports = gcm_supports,
    .make = gcm_make,
    .seal = gcm_seal,
    .open = gcm_open,
    .free = gcm_free,
};
