/* SPDX-License-Identifier: Apache-2.0 */
/* AES-GCM (RFC 4106) and AES-GMAC (RFC 4543) for ESP, by ipsec-mb's direct calls: one packet is parallel enough. */
#include <stdalign.h>

#include "crypto/aead_mb.h"

/* What the manager offers for one size of key. */
struct gcm_calls {
    aes_gcm_enc_dec_t encrypt, decrypt;
    aes_gmac_init_t mac_init;
    aes_gmac_update_t mac_update;
    aes_gmac_finalize_t mac_final;
};

struct mb_gcm {
    alignas(MB_ALIGN) struct gcm_key_data key;
    struct gcm_context_data ctx;
    struct gcm_calls calls;
    struct aead_shape shape;
    bool esn;
    bool mac_only; /* GMAC */
    uint8_t salt[AEAD_SALT];
};

static bool gcm_supports(const struct aead_suite *suite)
{
    return suite->encr == ENCR_AES_GCM_8 || suite->encr == ENCR_AES_GCM_12 || suite->encr == ENCR_AES_GCM_16 ||
           suite->encr == ENCR_NULL_AUTH_AES_GMAC;
}

static void gcm_free(void *state)
{
    mb_key_free(state, sizeof(struct mb_gcm));
}

static void gcm_key(struct mb_gcm *g, const IMB_MGR *mgr, struct bytes key)
{
    switch (key.len) {
    case IMB_KEY_128_BYTES:
        IMB_AES128_GCM_PRE(mgr, key.data, &g->key);
        g->calls = (struct gcm_calls){mgr->gcm128_enc, mgr->gcm128_dec, mgr->gmac128_init, mgr->gmac128_update,
                                      mgr->gmac128_finalize};
        break;
    case IMB_KEY_192_BYTES:
        IMB_AES192_GCM_PRE(mgr, key.data, &g->key);
        g->calls = (struct gcm_calls){mgr->gcm192_enc, mgr->gcm192_dec, mgr->gmac192_init, mgr->gmac192_update,
                                      mgr->gmac192_finalize};
        break;
    default:
        IMB_AES256_GCM_PRE(mgr, key.data, &g->key);
        g->calls = (struct gcm_calls){mgr->gcm256_enc, mgr->gcm256_dec, mgr->gmac256_init, mgr->gmac256_update,
                                      mgr->gmac256_finalize};
        break;
    }
}

static enum status gcm_make(const struct aead_key *key, void **state)
{
    struct mb_gcm *g = mb_key_new(sizeof *g);
    if (g == NULL)
        return ERR_MEMORY;
    g->shape = key->shape;
    g->esn = key->suite.esn;
    g->mac_only = key->suite.encr == ENCR_NULL_AUTH_AES_GMAC;
    memcpy(g->salt, key->salt.data, sizeof g->salt);
    gcm_key(g, key->engine->mgr, key->cipher);
    *state = g;
    return OK;
}

/*
 * Nonce and additional data of one packet. The library loads them whole right after they are made: each is written by
 * one store, for a load that spans several stores has to wait until they have left the core.
 */
struct start {
    alignas(MB_BLOCK) uint8_t nonce[MB_BLOCK], aad[MB_BLOCK];
    uint64_t aad_len;
};

typedef uint64_t whole __attribute__((vector_size(MB_BLOCK)));

static uint64_t load32(const uint8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* As aead_nonce and aead_aad. */
static void start_of(const struct mb_gcm *g, const struct aead_job *job, struct start *out)
{
    const uint8_t *iv = job->esp + AEAD_HEADER;
    whole nonce = {load32(g->salt) | load32(iv) << 32, load32(iv + 4)};
    whole aad = {load32(job->esp) | load32(job->esp + 4) << 32, 0};
    if (g->esn)
        aad = (whole){load32(job->esp) | (uint64_t)__builtin_bswap32(job->sequence_high) << 32, load32(job->esp + 4)};
    memcpy(out->nonce, &nonce, MB_BLOCK);
    memcpy(out->aad, &aad, MB_BLOCK);
    out->aad_len = g->esn ? AEAD_AAD_MAX : AEAD_HEADER;
}

static void gcm_run(struct mb_gcm *g, const struct aead_job *job, aes_gcm_enc_dec_t call, uint8_t tag[MB_BLOCK])
{
    struct start start;
    uint8_t *text = aead_text(job, &g->shape);
    start_of(g, job, &start);
    call(&g->key, &g->ctx, text, text, job->text_len, start.nonce, start.aad, start.aad_len, tag, MB_BLOCK);
}

/* RFC 4543 3: behind SPI and number, the IV and the text too are additional data. */
static void gmac_run(struct mb_gcm *g, const struct aead_job *job, uint8_t tag[MB_BLOCK])
{
    struct start start;
    start_of(g, job, &start);
    g->calls.mac_init(&g->key, &g->ctx, start.nonce, AEAD_NONCE);
    g->calls.mac_update(&g->key, &g->ctx, start.aad, start.aad_len);
    g->calls.mac_update(&g->key, &g->ctx, job->esp + AEAD_HEADER, (uint64_t)g->shape.iv + job->text_len);
    g->calls.mac_final(&g->key, &g->ctx, tag, MB_BLOCK);
}

static void tag_of(struct mb_gcm *g, const struct aead_job *job, aes_gcm_enc_dec_t call, uint8_t tag[MB_BLOCK])
{
    if (g->mac_only)
        gmac_run(g, job, tag);
    else
        gcm_run(g, job, call, tag);
}

static void gcm_seal(void *state, struct aead_job *jobs, size_t n)
{
    struct mb_gcm *g = state;
    uint8_t tag[MB_TAG_MAX];
    for (size_t i = 0; i < n; i++) {
        if (!jobs[i].ok)
            continue;
        tag_of(g, &jobs[i], g->calls.encrypt, tag);
        mb_copy_icv(aead_icv(&jobs[i], &g->shape), tag, g->shape.icv);
    }
}

/* Direct calls do not tell when they refuse their arguments. They have no reason to; should one ever, then the tag is
 * what stands here beforehand, and that never passes. */
static bool open_one(struct mb_gcm *g, const struct aead_job *job)
{
    const uint8_t *icv = aead_icv(job, &g->shape);
    uint8_t tag[MB_TAG_MAX] = {(uint8_t)~icv[0]};
    tag_of(g, job, g->calls.decrypt, tag);
    return aead_icv_equal(tag, icv, g->shape.icv);
}

static void gcm_open(void *state, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && open_one(state, &jobs[i]);
}

const struct aead_backend aead_mb_gcm = {
    .name = "ipsec-mb",
    .supports = gcm_supports,
    .make = gcm_make,
    .seal = gcm_seal,
    .open = gcm_open,
    .free = gcm_free,
};
