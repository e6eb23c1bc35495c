/* SPDX-License-Identifier: Apache-2.0 */
/* ChaCha20-Poly1305 for ESP (RFC 7634), by libsodium. */
#include <sodium.h>
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/secret.h"

struct chacha {
    struct aead_shape shape;
    bool esn;
    uint8_t salt[AEAD_SALT];
    uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
};

static bool chacha_supports(const struct aead_suite *suite)
{
    return suite->encr == ENCR_CHACHA20_POLY1305;
}

static void chacha_free(void *state)
{
    if (state == NULL)
        return;
    wipe(state, sizeof(struct chacha));
    free(state);
}

static enum status chacha_make(const struct aead_key *key, void **state)
{
    if (sodium_init() < 0) /* it chooses the code for this processor */
        return ERR_CRYPTO;
    struct chacha *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_MEMORY;
    c->shape = key->shape;
    c->esn = key->suite.esn;
    memcpy(c->salt, key->salt.data, sizeof c->salt);
    memcpy(c->key, key->cipher.data, sizeof c->key);
    *state = c;
    return OK;
}

static bool seal_one(const struct chacha *c, const struct aead_job *job)
{
    uint8_t aad[AEAD_AAD_MAX], nonce[AEAD_NONCE];
    size_t aad_len = aead_aad(job, c->esn, aad);
    aead_nonce(job, c->salt, nonce);
    uint8_t *text = aead_text(job, &c->shape);
    return crypto_aead_chacha20poly1305_ietf_encrypt_detached(text, aead_icv(job, &c->shape), NULL, text, job->text_len,
                                                              aad, aad_len, NULL, nonce, c->key) == 0;
}

static bool open_one(const struct chacha *c, const struct aead_job *job)
{
    uint8_t aad[AEAD_AAD_MAX], nonce[AEAD_NONCE];
    size_t aad_len = aead_aad(job, c->esn, aad);
    aead_nonce(job, c->salt, nonce);
    uint8_t *text = aead_text(job, &c->shape);
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(text, NULL, text, job->text_len, aead_icv(job, &c->shape),
                                                              aad, aad_len, nonce, c->key) == 0;
}

static void chacha_seal(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && seal_one(state, &jobs[i]);
}

static void chacha_open(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && open_one(state, &jobs[i]);
}

const struct aead_backend aead_sodium_chacha = {
    .name = "libsodium",
    .supports = chacha_supports,
    .make = chacha_make,
    .seal = chacha_seal,
    .open = chacha_open,
    .free = chacha_free,
};
