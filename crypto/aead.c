/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"

#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/secret.h"

/* Random IVs are drawn for a whole batch of packets at once. */
enum { IV_POOL = AEAD_BATCH_MAX * AEAD_IV_MAX };

struct aead {
    const struct aead_backend *backend;
    void *state; /* of the back end */
    struct aead_shape shape;
    bool esn;
    bool counter_iv; /* else random */
    const struct random *random;
    uint32_t iv_used; /* bytes of the pool */
    uint8_t ivs[IV_POOL];
};

enum status aead_shape(const struct aead_suite *suite, struct aead_shape *out)
{
    *out = (struct aead_shape){0};
    if (esp_keymat_len(suite->encr, suite->key_bits, suite->integ) == 0)
        return ERR_UNSUPPORTED;
    const struct encr_info *encr = encr_info(suite->encr);
    const struct integ_info *integ = integ_info(suite->integ);
    out->iv = encr->iv;
    out->icv = encr->aead ? encr->icv : integ->icv;
    out->block = encr->block;
    return OK;
}

static enum status split_keymat(const struct aead_suite *suite, struct bytes keymat, struct aead_key *out)
{
    *out = (struct aead_key){.suite = *suite};
    enum status status = aead_shape(suite, &out->shape);
    if (status != OK)
        return status;
    if (keymat.len != esp_keymat_len(suite->encr, suite->key_bits, suite->integ))
        return ERR_MALFORMED;
    const struct encr_info *encr = encr_info(suite->encr);
    if (encr->fixed_key)
        out->suite.key_bits = encr->key_bits[0];
    struct reader r = reader_of_bytes(keymat);
    out->cipher = read_bytes(&r, out->suite.key_bits / 8u);
    out->salt = read_bytes(&r, encr->salt);
    out->integ = read_rest(&r);
    return reader_finish(&r);
}

enum status aead_new_by(const struct aead_backend *backend, struct mb_engine *engine, const struct aead_suite *suite,
                        struct bytes keymat, const struct random *random, struct aead **out)
{
    *out = NULL;
    struct aead_key key;
    enum status status = split_keymat(suite, keymat, &key);
    if (status != OK)
        return status;
    if (!backend->supports(&key.suite))
        return ERR_UNSUPPORTED;
    key.engine = engine;
    struct aead *aead = calloc(1, sizeof *aead);
    if (aead == NULL)
        return ERR_MEMORY;
    *aead = (struct aead){.backend = backend,
                          .shape = key.shape,
                          .esn = suite->esn,
                          .counter_iv = encr_info(suite->encr)->counter,
                          .random = random,
                          .iv_used = IV_POOL};
    status = backend->make(&key, &aead->state);
    if (status != OK) {
        free(aead);
        return status;
    }
    *out = aead;
    return OK;
}

enum status aead_new(const struct aead_library *library, const struct aead_suite *suite, struct bytes keymat,
                     const struct random *random, struct aead **out)
{
    *out = NULL;
    const struct aead_backend *backend = aead_backend_of(library, suite);
    if (backend == NULL)
        return ERR_UNSUPPORTED;
    return aead_new_by(backend, library != NULL ? library->engine : NULL, suite, keymat, random, out);
}

void aead_free(struct aead *aead)
{
    if (aead == NULL)
        return;
    aead->backend->free(aead->state);
    wipe(aead, sizeof *aead);
    free(aead);
}

/* The next IV of the pool: unpredictable, and used once. NULL: no randomness. */
static const uint8_t *fresh_iv(struct aead *aead)
{
    if (aead->iv_used + aead->shape.iv > sizeof aead->ivs) {
        if (random_fill(aead->random, aead->ivs, sizeof aead->ivs) != OK)
            return NULL;
        aead->iv_used = 0;
    }
    const uint8_t *iv = aead->ivs + aead->iv_used;
    aead->iv_used += aead->shape.iv;
    return iv;
}

static bool write_iv(struct aead *aead, const struct aead_job *job)
{
    uint8_t *iv = job->esp + AEAD_HEADER;
    if (aead->shape.iv == 0)
        return true;
    if (aead->counter_iv) {
        uint64_t high = aead->esn ? job->sequence_high : 0;
        store_u64(iv, high << 32 | load_u32(job->esp + 4)); /* one store: back ends load it whole at once */
        return true;
    }
    const uint8_t *fresh = fresh_iv(aead);
    if (fresh != NULL)
        memcpy(iv, fresh, aead->shape.iv);
    return fresh != NULL;
}

static bool fits(const struct aead *aead, const struct aead_job *job)
{
    uint32_t around = AEAD_HEADER + (uint32_t)aead->shape.iv + aead->shape.icv;
    return job->text_len % aead->shape.block == 0 && job->text_len <= AEAD_PACKET_MAX - around;
}

void aead_seal(struct aead *aead, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = fits(aead, &jobs[i]) && write_iv(aead, &jobs[i]);
    aead->backend->seal(aead->state, jobs, n);
}

void aead_seal_given_iv(struct aead *aead, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = fits(aead, &jobs[i]);
    aead->backend->seal(aead->state, jobs, n);
}

void aead_open(struct aead *aead, struct aead_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = fits(aead, &jobs[i]);
    aead->backend->open(aead->state, jobs, n);
}
