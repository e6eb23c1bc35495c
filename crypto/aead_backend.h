/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to crypto/aead*.c (and its tests): what a back end of the ESP ciphers must offer. The face in aead.c checks
 * alignment and writes IVs; a back end gets whole batches and treats only the jobs whose ok is true, setting it to
 * false where something fails.
 */
#ifndef CRYPTO_AEAD_BACKEND_H
#define CRYPTO_AEAD_BACKEND_H

#include <string.h>

#include "crypto/aead.h"

enum { AEAD_AAD_MAX = 12, AEAD_SALT = 4, AEAD_NONCE = 12 };

struct mb_engine; /* see crypto/aead_mb.h */

/* KEYMAT cut into its parts; borrowed. */
struct aead_key {
    struct aead_suite suite;
    struct aead_shape shape;
    struct bytes cipher, salt, integ;
    struct mb_engine *engine; /* of the library; NULL with the portable back ends. Outlives the key's state */
};

struct aead_backend {
    const char *name;
    bool (*supports)(const struct aead_suite *suite);
    enum status (*make)(const struct aead_key *key, void **state); /* state: owned by the face, until free */
    void (*seal)(void *state, struct aead_job *jobs, size_t n);
    void (*open)(void *state, struct aead_job *jobs, size_t n);
    void (*free)(void *state); /* wipes; NULL is fine */
};

extern const struct aead_backend aead_openssl_gcm; /* and GMAC */
extern const struct aead_backend aead_openssl_ccm;
extern const struct aead_backend aead_openssl_hmac; /* CBC, CTR or nothing, with HMAC */
extern const struct aead_backend aead_sodium_chacha;
#ifdef ESPTUN_BENCH_NULL
extern const struct aead_backend aead_bench_null; /* see aead_danger() */
#endif
#ifdef ESPTUN_IPSEC_MB
extern const struct aead_backend aead_mb_gcm; /* and GMAC */
extern const struct aead_backend aead_mb_hmac;
extern const struct aead_backend aead_mb_ccm;
extern const struct aead_backend aead_mb_chacha;
#endif

/* Four of ipsec-mb, four portable ones, the null cipher of benchmarks. */
enum { AEAD_BACKENDS_MAX = 9, AEAD_NOTE = 160 };

struct aead_library {
    struct mb_engine *engine;                               /* owned; NULL: none */
    const struct aead_backend *backends[AEAD_BACKENDS_MAX]; /* the first that supports a suite serves it */
    size_t count;
    bool failed; /* a back end was left out because of its self-test */
    char note[AEAD_NOTE];
};

/* Those that every build has. */
extern const struct aead_library aead_portable;

const struct aead_backend *aead_backend_of(const struct aead_library *library, const struct aead_suite *suite);

/* As aead_new, by this back end. */
MUST_USE enum status aead_new_by(const struct aead_backend *backend, struct mb_engine *engine,
                                 const struct aead_suite *suite, struct bytes keymat, const struct random *random,
                                 struct aead **out);

/*
 * Known answers, round trips, and, but for the portable back ends, the same bytes as those, with every suite that the
 * back end supports. ERR_CRYPTO: it is not to be used.
 */
MUST_USE enum status aead_backend_test(const struct aead_backend *backend, struct mb_engine *engine);

/* Appends the back end, unless it fails its test: then the note says so. At most AEAD_BACKENDS_MAX. */
void aead_library_add(struct aead_library *library, const struct aead_backend *backend);

/* As aead_seal, but the IV stands in the packet already: for known answers. */
void aead_seal_given_iv(struct aead *aead, struct aead_job *jobs, size_t n);

static inline uint8_t *aead_text(const struct aead_job *job, const struct aead_shape *shape)
{
    return job->esp + AEAD_HEADER + shape->iv;
}

static inline uint8_t *aead_icv(const struct aead_job *job, const struct aead_shape *shape)
{
    return aead_text(job, shape) + job->text_len;
}

/* Constant time, as equal_constant_time, but by words, the last two of which may overlap: ICVs are 8 to 32 bytes, and
 * this runs for every packet. The barrier keeps the compiler from leaving early. */
static inline bool aead_icv_equal(const uint8_t *a, const uint8_t *b, uint8_t len)
{
    uint64_t difference = 0, x, y;
    for (size_t at = 0; at < len; at += sizeof x) {
        size_t from = at + sizeof x <= len ? at : len - sizeof x;
        memcpy(&x, a + from, sizeof x);
        memcpy(&y, b + from, sizeof y);
        difference |= x ^ y;
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}

/* RFC 4106 5, RFC 4309 5, RFC 7634 2.1: SPI | SN, or with ESN SPI | high half | low half. Returns the length. */
static inline size_t aead_aad(const struct aead_job *job, bool esn, uint8_t aad[AEAD_AAD_MAX])
{
    memcpy(aad, job->esp, AEAD_HEADER);
    if (!esn)
        return AEAD_HEADER;
    store_u32(aad + 4, job->sequence_high);
    memcpy(aad + 8, job->esp + 4, 4);
    return AEAD_AAD_MAX;
}

/* RFC 4106 4, RFC 7634 2: salt | IV. */
static inline void aead_nonce(const struct aead_job *job, const uint8_t salt[AEAD_SALT], uint8_t nonce[AEAD_NONCE])
{
    memcpy(nonce, salt, AEAD_SALT);
    memcpy(nonce + AEAD_SALT, job->esp + AEAD_HEADER, AEAD_NONCE - AEAD_SALT);
}

#endif
