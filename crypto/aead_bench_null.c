/* SPDX-License-Identifier: Apache-2.0 */
/* A measuring stick, no cipher: what a gateway costs without cryptography (ESPTUN_BENCH_NULL). Compiled only for
 * benchmarks; every other build has nothing of it but aead_danger(), which then has nothing to say. */
#include "crypto/aead_backend.h"

#ifdef ESPTUN_BENCH_NULL

#include <stdlib.h>

enum { CONSTANT_TAG = 0xb5 };

struct null_key {
    struct aead_shape shape;
};

/* One suite alone, so that the known answers of all others keep their meaning. */
static bool null_supports(const struct aead_suite *suite)
{
    return suite->encr == ENCR_AES_GCM_16 && suite->key_bits == 256;
}

static enum status null_make(const struct aead_key *key, void **state)
{
    struct null_key *k = calloc(1, sizeof *k);
    if (k == NULL)
        return ERR_MEMORY;
    k->shape = key->shape;
    *state = k;
    return OK;
}

static void null_seal(void *state, struct aead_job *jobs, size_t n)
{
    const struct null_key *k = state;
    for (size_t i = 0; i < n; i++)
        if (jobs[i].ok)
            memset(aead_icv(&jobs[i], &k->shape), CONSTANT_TAG, k->shape.icv);
}

/* The tag is compared, so that a peer which does encrypt is refused, not misread. */
static void null_open(void *state, struct aead_job *jobs, size_t n)
{
    const struct null_key *k = state;
    uint8_t tag[AEAD_ICV_MAX];
    memset(tag, CONSTANT_TAG, sizeof tag);
    for (size_t i = 0; i < n; i++)
        jobs[i].ok = jobs[i].ok && memcmp(aead_icv(&jobs[i], &k->shape), tag, k->shape.icv) == 0;
}

static void null_free(void *state)
{
    free(state);
}

const struct aead_backend aead_bench_null = {
    .name = "none (benchmark)",
    .supports = null_supports,
    .make = null_make,
    .seal = null_seal,
    .open = null_open,
    .free = null_free,
};

const char *aead_danger(void)
{
    return "BUILT FOR BENCHMARKS (ESPTUN_BENCH_NULL): aes256gcm16 ENCRYPTS NOTHING AND AUTHENTICATES NOTHING. Never "
           "carry real traffic with this binary; build without that option";
}

#else

const char *aead_danger(void)
{
    return NULL;
}

#endif
