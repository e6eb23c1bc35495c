/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-CCM (RFC 4309) and ChaCha20-Poly1305 (RFC 7634) for ESP, by jobs of ipsec-mb: a whole batch is submitted, and
 * then flushed, so that nothing of it stays in the manager. A lone packet under CCM is left to OpenSSL.
 */
#include <stdalign.h>

#include "crypto/aead_mb.h"

struct mb_aead {
    alignas(MB_ALIGN) uint8_t key[MB_ROUND_KEYS]; /* of AES-CCM the round keys, which also decrypt */
    uint8_t unused[MB_ROUND_KEYS];                /* those of the inverse cipher: CCM runs AES forwards only */
    struct mb_engine *engine;
    IMB_CIPHER_MODE mode;
    IMB_HASH_ALG hash;
    void *portable; /* of aead_openssl_ccm; NULL with ChaCha20-Poly1305, which has no lanes to fill */
    uint8_t key_len, salt_len;
    struct aead_shape shape;
    bool esn;
    uint8_t salt[AEAD_SALT];
};

static void job_free(void *state)
{
    struct mb_aead *a = state;
    if (a != NULL)
        aead_openssl_ccm.free(a->portable);
    mb_key_free(a, sizeof *a);
}

static bool too_few(const struct mb_aead *a, size_t n)
{
    return n == 1 && a->portable != NULL && !a->engine->eager;
}

static struct mb_aead *job_new(const struct aead_key *key, IMB_CIPHER_MODE mode, IMB_HASH_ALG hash)
{
    struct mb_aead *a = mb_key_new(sizeof *a);
    if (a == NULL)
        return NULL;
    a->engine = key->engine;
    a->mode = mode;
    a->hash = hash;
    a->shape = key->shape;
    a->esn = key->suite.esn;
    a->key_len = (uint8_t)key->cipher.len;
    a->salt_len = (uint8_t)key->salt.len;
    memcpy(a->salt, key->salt.data, a->salt_len);
    return a;
}

/* Without 192 bits: ipsec-mb does not have them. */
static bool ccm_supports(const struct aead_suite *suite)
{
    return (suite->encr == ENCR_AES_CCM_8 || suite->encr == ENCR_AES_CCM_12 || suite->encr == ENCR_AES_CCM_16) &&
           suite->key_bits != 192;
}

static enum status ccm_make(const struct aead_key *key, void **state)
{
    struct mb_aead *a = job_new(key, IMB_CIPHER_CCM, IMB_AUTH_AES_CCM);
    if (a == NULL)
        return ERR_MEMORY;
    enum status status = aead_openssl_ccm.make(key, &a->portable);
    if (status != OK) {
        job_free(a);
        return status;
    }
    mb_aes_expand(a->engine, key->cipher, a->key, a->unused);
    *state = a;
    return OK;
}

static bool chacha_supports(const struct aead_suite *suite)
{
    return suite->encr == ENCR_CHACHA20_POLY1305;
}

static enum status chacha_make(const struct aead_key *key, void **state)
{
    struct mb_aead *a = job_new(key, IMB_CIPHER_CHACHA20_POLY1305, IMB_AUTH_CHACHA20_POLY1305);
    if (a == NULL)
        return ERR_MEMORY;
    memcpy(a->key, key->cipher.data, key->cipher.len);
    *state = a;
    return OK;
}

/* CCM hashes the text before it is encrypted, ChaCha20-Poly1305 after. */
static IMB_CHAIN_ORDER order(const struct mb_aead *a, IMB_CIPHER_DIRECTION direction)
{
    return (a->mode == IMB_CIPHER_CCM) == (direction == IMB_DIR_ENCRYPT) ? IMB_ORDER_HASH_CIPHER
                                                                         : IMB_ORDER_CIPHER_HASH;
}

static void describe(const struct mb_aead *a, const struct aead_job *job, size_t at, IMB_CIPHER_DIRECTION direction,
                     IMB_JOB *out)
{
    struct mb_engine *e = a->engine;
    uint8_t *text = aead_text(job, &a->shape), *nonce = e->blocks[at], *aad = e->aads[at];
    uint64_t aad_len = aead_aad(job, a->esn, aad);
    memcpy(nonce, a->salt, sizeof a->salt);
    memcpy(nonce + a->salt_len, job->esp + AEAD_HEADER, 8); /* CCM's salt is one byte shorter */
    out->cipher_mode = a->mode;
    out->hash_alg = a->hash;
    out->cipher_direction = direction;
    out->chain_order = order(a, direction);
    out->enc_keys = out->dec_keys = a->key;
    out->key_len_in_bytes = a->key_len;
    out->src = out->dst = text;
    out->cipher_start_src_offset_in_bytes = out->hash_start_src_offset_in_bytes = 0;
    out->msg_len_to_cipher_in_bytes = out->msg_len_to_hash_in_bytes = job->text_len;
    out->iv = nonce;
    out->iv_len_in_bytes = (uint64_t)a->salt_len + a->shape.iv;
    out->auth_tag_output = e->tags[at];
    out->auth_tag_output_len_in_bytes = a->shape.icv;
    if (a->mode == IMB_CIPHER_CCM) {
        out->u.CCM.aad = aad;
        out->u.CCM.aad_len_in_bytes = aad_len;
    } else {
        out->u.CHACHA20_POLY1305.aad = aad;
        out->u.CHACHA20_POLY1305.aad_len_in_bytes = aad_len;
    }
}

static size_t count_done(struct mb_engine *e, uint32_t finished)
{
    size_t done = 0;
    for (uint32_t i = 0; i < finished; i++)
        done += e->queue[i]->status == IMB_STATUS_COMPLETED;
    return done;
}

/* All or nothing: what failed as a whole has done nothing that could be trusted. */
static void run(struct mb_aead *a, struct aead_job *jobs, size_t n, IMB_CIPHER_DIRECTION direction)
{
    struct mb_engine *e = a->engine;
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += jobs[i].ok;
    if (count == 0)
        return;
    uint32_t k = IMB_GET_NEXT_BURST(e->mgr, count, e->queue) == count ? 0 : count;
    for (size_t i = 0; i < n && k < count; i++)
        if (jobs[i].ok)
            describe(a, &jobs[i], i, direction, e->queue[k++]);
    size_t done = count_done(e, IMB_SUBMIT_BURST(e->mgr, count, e->queue));
    for (uint32_t more; (more = IMB_FLUSH_BURST(e->mgr, count, e->queue)) > 0;)
        done += count_done(e, more);
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && done == count;
}

static void job_seal(void *state, struct aead_job *jobs, size_t n)
{
    struct mb_aead *a = state;
    if (too_few(a, n)) {
        aead_openssl_ccm.seal(a->portable, jobs, n);
        return;
    }
    run(a, jobs, n, IMB_DIR_ENCRYPT);
    for (size_t i = 0; i < n; i++)
        if (jobs[i].ok)
            mb_copy_icv(aead_icv(&jobs[i], &a->shape), a->engine->tags[i], a->shape.icv);
}

static void job_open(void *state, struct aead_job *jobs, size_t n)
{
    struct mb_aead *a = state;
    if (too_few(a, n)) {
        aead_openssl_ccm.open(a->portable, jobs, n);
        return;
    }
    run(a, jobs, n, IMB_DIR_DECRYPT);
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && aead_icv_equal(a->engine->tags[i], aead_icv(&jobs[i], &a->shape), a->shape.icv);
}

const struct aead_backend aead_mb_ccm = {
    .name = "ipsec-mb",
    .supports = ccm_supports,
    .make = ccm_make,
    .seal = job_seal,
    .open = job_open,
    .free = job_free,
};

const struct aead_backend aead_mb_chacha = {
    .name = "ipsec-mb",
    .supports = chacha_supports,
    .make = chacha_make,
    .seal = job_seal,
    .open = job_open,
    .free = job_free,
};
