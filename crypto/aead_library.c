/* SPDX-License-Identifier: Apache-2.0 */
/* Which back ends serve: those of ipsec-mb where build, processor and choice allow, then the portable ones. */
#include <stdio.h>
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/secret.h"
#ifdef ESPTUN_IPSEC_MB
#include "crypto/aead_mb.h"
#endif

const struct aead_library aead_portable = {
    .backends = {&aead_openssl_gcm, &aead_openssl_ccm, &aead_sodium_chacha, &aead_openssl_hmac},
    .count = 4,
};

static const struct {
    const char *name;
    struct aead_suite like; /* one of its suites: the others have the same back end */
} kinds[] = {
    {"aes-gcm", {ENCR_AES_GCM_16, 256, INTEG_NONE, false}},
    {"aes-gmac", {ENCR_NULL_AUTH_AES_GMAC, 256, INTEG_NONE, false}},
    {"aes-ccm", {ENCR_AES_CCM_16, 256, INTEG_NONE, false}},
    {"aes192-ccm", {ENCR_AES_CCM_16, 192, INTEG_NONE, false}},
    {"chacha20-poly1305", {ENCR_CHACHA20_POLY1305, 0, INTEG_NONE, false}},
    {"aes-cbc-sha1", {ENCR_AES_CBC, 256, INTEG_HMAC_SHA1_96, false}},
    {"aes-cbc-sha2", {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false}},
    {"aes-cbc-md5", {ENCR_AES_CBC, 256, INTEG_HMAC_MD5_96, false}},
    {"aes-ctr-sha1", {ENCR_AES_CTR, 256, INTEG_HMAC_SHA1_96, false}},
    {"aes-ctr-sha2", {ENCR_AES_CTR, 256, INTEG_HMAC_SHA2_256_128, false}},
    {"aes-ctr-md5", {ENCR_AES_CTR, 256, INTEG_HMAC_MD5_96, false}},
    {"3des", {ENCR_3DES, 0, INTEG_HMAC_SHA1_96, false}},
    {"null-sha1", {ENCR_NULL, 0, INTEG_HMAC_SHA1_96, false}},
    {"null-sha2", {ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, false}},
    {"null-md5", {ENCR_NULL, 0, INTEG_HMAC_MD5_96, false}},
};

const struct aead_backend *aead_backend_of(const struct aead_library *library, const struct aead_suite *suite)
{
    const struct aead_library *from = library != NULL ? library : &aead_portable;
    for (size_t i = 0; i < from->count; i++)
        if (from->backends[i]->supports(suite))
            return from->backends[i];
    return NULL;
}

bool aead_library_use(const struct aead_library *library, size_t i, struct aead_use *out)
{
    if (i >= sizeof kinds / sizeof *kinds)
        return false;
    const struct aead_backend *backend = aead_backend_of(library, &kinds[i].like);
    *out = (struct aead_use){kinds[i].name, backend != NULL ? backend->name : "none"};
    return true;
}

const char *aead_library_note(const struct aead_library *library)
{
    return library != NULL ? library->note : "";
}

bool aead_library_failed(const struct aead_library *library)
{
    return library != NULL && library->failed;
}

static const char *first_kind(const struct aead_backend *backend)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (backend->supports(&kinds[i].like))
            return kinds[i].name;
    return "some suites";
}

void aead_library_add(struct aead_library *library, const struct aead_backend *backend)
{
    if (library->count < AEAD_BACKENDS_MAX && aead_backend_test(backend, library->engine) == OK) {
        library->backends[library->count++] = backend;
        return;
    }
    library->failed = true;
    (void)snprintf(library->note, sizeof library->note, "%s failed its self-test with %s, and is not used there",
                   backend->name, first_kind(backend));
}

#ifdef ESPTUN_IPSEC_MB

static void add_ipsec_mb(struct aead_library *library)
{
    static const struct aead_backend *const all[] = {&aead_mb_gcm, &aead_mb_hmac, &aead_mb_ccm, &aead_mb_chacha};
    const char *why;
    library->engine = mb_engine_new(MB_BEST, &why);
    if (library->engine == NULL) {
        (void)snprintf(library->note, sizeof library->note, "ipsec-mb is not used: %s", why);
        return;
    }
    (void)snprintf(library->note, sizeof library->note, "%s", library->engine->name);
    library->engine->eager = true; /* the tests mean the lanes, not what stands in for them */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        aead_library_add(library, all[i]);
    library->engine->eager = false;
}

static void free_ipsec_mb(struct aead_library *library)
{
    mb_engine_free(library->engine);
}

#else

static void add_ipsec_mb(struct aead_library *library)
{
    (void)snprintf(library->note, sizeof library->note, "ipsec-mb is not used: this build has none");
}

static void free_ipsec_mb(struct aead_library *library)
{
    (void)library;
}

#endif

static enum status fill(struct aead_library *library, enum aead_choice choice, char why[AEAD_WHY])
{
#ifdef ESPTUN_BENCH_NULL
    library->backends[library->count++] = &aead_bench_null; /* it has no known answer */
#endif
    if (choice == AEAD_OPENSSL)
        (void)snprintf(library->note, sizeof library->note, "ipsec-mb is not used: turned off by crypto = openssl");
    else
        add_ipsec_mb(library);
    if (choice == AEAD_IPSEC_MB && library->count == 0) {
        (void)snprintf(why, AEAD_WHY, "crypto = ipsec-mb, but %s; write crypto = auto", library->note);
        return ERR_UNSUPPORTED;
    }
    size_t before = library->count;
    for (size_t i = 0; i < aead_portable.count; i++)
        aead_library_add(library, aead_portable.backends[i]);
    if (library->count == before + aead_portable.count)
        return OK;
    (void)snprintf(why, AEAD_WHY, "the cryptographic self-test failed; OpenSSL or libsodium is not to be trusted");
    return ERR_CRYPTO;
}

enum status aead_library_new(enum aead_choice choice, struct aead_library **out, char why[AEAD_WHY])
{
    *out = NULL;
    why[0] = '\0';
    struct aead_library *library = calloc(1, sizeof *library);
    if (library == NULL) {
        (void)snprintf(why, AEAD_WHY, "out of memory");
        return ERR_MEMORY;
    }
    enum status status = fill(library, choice, why);
    if (status != OK) {
        aead_library_free(library);
        return status;
    }
    *out = library;
    return OK;
}

void aead_library_free(struct aead_library *library)
{
    if (library == NULL)
        return;
    free_ipsec_mb(library);
    free(library);
}
