/* SPDX-License-Identifier: Apache-2.0 */
/* The cipher and nothing else: seal and open of `aead` by back end and suite, and bare loops over one library call,
 * under which no back end can come. */
#include <stdlib.h>
#include <string.h>

#include "crypto/aead_backend.h"
#include "crypto/openssl.h"
#include "test/bench/micro.h"
#ifdef ESPTUN_IPSEC_MB
#include "crypto/aead_mb.h"
#endif

enum { KEYMAT_MAX = 128, TRAILER = 2 };

const struct micro_suite micro_suites[] = {
    {"aes128gcm16", false, {ENCR_AES_GCM_16, 128, INTEG_NONE, true}},
    {"aes256gcm16", true, {ENCR_AES_GCM_16, 256, INTEG_NONE, true}},
    {"aes256gmac", false, {ENCR_NULL_AUTH_AES_GMAC, 256, INTEG_NONE, true}},
    {"aes256ccm16", false, {ENCR_AES_CCM_16, 256, INTEG_NONE, true}},
    {"chacha20poly1305", true, {ENCR_CHACHA20_POLY1305, 0, INTEG_NONE, true}},
    {"aes128-sha1", false, {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, true}},
    {"aes256-sha256", true, {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, true}},
    {"aes256-sha384", false, {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192, true}},
    {"aes256-sha512", false, {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, true}},
    {"aes256ctr-sha256", false, {ENCR_AES_CTR, 256, INTEG_HMAC_SHA2_256_128, true}},
    {"3des-sha1", false, {ENCR_3DES, 0, INTEG_HMAC_SHA1_96, true}},
};
const size_t micro_suite_count = sizeof micro_suites / sizeof *micro_suites;

static const size_t sizes[] = {MICRO_SMALL, MICRO_LARGE};

static uint8_t packets[MICRO_BATCH_MAX][MICRO_SLOT];
static struct aead_job jobs[MICRO_BATCH_MAX];

/* --- bare loops --- */

static const uint8_t bare_key[32] = {1, 2, 3}, bare_nonce[16] = {4}, bare_aad[16] = {5};
static EVP_CIPHER_CTX *evp;

static void bare_evp(uint8_t *text, size_t len)
{
    uint8_t tag[16];
    int n = 0;
    (void)EVP_EncryptInit_ex2(evp, NULL, NULL, bare_nonce, NULL);
    (void)EVP_EncryptUpdate(evp, NULL, &n, bare_aad, 12);
    (void)EVP_EncryptUpdate(evp, text, &n, text, (int)len);
    (void)EVP_EncryptFinal_ex(evp, tag, &n);
    (void)EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, 16, tag);
}

static void start_evp(void)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    evp = EVP_CIPHER_CTX_new();
    if (cipher == NULL || evp == NULL || EVP_EncryptInit_ex2(evp, cipher, bare_key, bare_nonce, NULL) != 1)
        micro_fail("OpenSSL has no AES-256-GCM");
    EVP_CIPHER_free(cipher);
}

#ifdef ESPTUN_IPSEC_MB

static struct mb_engine *mb;
static struct gcm_key_data *mb_key;
static struct gcm_context_data mb_ctx;

static void bare_mb(uint8_t *text, size_t len)
{
    uint8_t tag[16];
    IMB_AES256_GCM_ENC(mb->mgr, mb_key, &mb_ctx, text, text, len, bare_nonce, bare_aad, 12, tag, 16);
}

static bool start_mb(void)
{
    const char *why;
    mb = mb_engine_new(MB_BEST, &why);
    mb_key = aligned_alloc(MB_ALIGN, (sizeof *mb_key + MB_ALIGN - 1) / MB_ALIGN * MB_ALIGN);
    if (mb != NULL && mb_key != NULL)
        IMB_AES256_GCM_PRE(mb->mgr, bare_key, mb_key);
    return mb != NULL && mb_key != NULL;
}

#endif

struct bare {
    void (*call)(uint8_t *text, size_t len);
};

static size_t run_bare(struct trial *t, size_t batch)
{
    const struct bare *bare = t->state;
    for (size_t i = 0; i < batch; i++)
        bare->call(packets[i] + 16, t->bytes);
    return batch;
}

bool is_bare(const struct trial *t)
{
    return t->run == run_bare;
}

static void add_bare_call(void (*call)(uint8_t *, size_t), const char *by)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct trial *t = trial_new("control:aes256gcm", by, "bare", sizes[i]);
        struct bare *bare = malloc(sizeof *bare);
        if (bare == NULL)
            micro_fail("out of memory");
        bare->call = call;
        t->state = bare;
        t->run = run_bare;
        t->free = free;
    }
}

void add_bare(void)
{
    start_evp();
    add_bare_call(bare_evp, "OpenSSL");
#ifdef ESPTUN_IPSEC_MB
    if (start_mb())
        add_bare_call(bare_mb, "ipsec-mb");
#endif
}

/* --- aead --- */

struct cipher {
    struct aead *aead;
    struct aead_shape shape;
};

static void cipher_free(void *state)
{
    struct cipher *c = state;
    aead_free(c->aead);
    free(c);
}

static size_t text_of_inner(const struct aead_shape *shape, size_t inner)
{
    return (inner + TRAILER + shape->block - 1) / shape->block * shape->block;
}

/* The text need not be anew each time: ciphers do not look at it. */
static void prepare_seal(struct trial *t, size_t batch)
{
    const struct cipher *c = t->state;
    for (size_t i = 0; i < batch; i++) {
        store_u32(packets[i], 0x1000);
        store_u32(packets[i] + 4, (uint32_t)i + 1);
        jobs[i] = (struct aead_job){.esp = packets[i], .text_len = (uint32_t)text_of_inner(&c->shape, t->bytes)};
    }
}

static size_t run_seal(struct trial *t, size_t batch)
{
    const struct cipher *c = t->state;
    aead_seal(c->aead, jobs, batch);
    return batch;
}

static void prepare_open(struct trial *t, size_t batch)
{
    prepare_seal(t, batch);
    (void)run_seal(t, batch);
}

static size_t run_open(struct trial *t, size_t batch)
{
    const struct cipher *c = t->state;
    aead_open(c->aead, jobs, batch);
    for (size_t i = 0; i < batch; i++)
        if (!jobs[i].ok)
            micro_fail("a back end does not open what it sealed");
    return batch;
}

static void add_suite(const struct micro_library *m, size_t s)
{
    uint8_t keymat[KEYMAT_MAX];
    const struct aead_suite *suite = &micro_suites[s].suite;
    memset(keymat, 0x42, sizeof keymat);
    struct bytes key = bytes_of(keymat, esp_keymat_len(suite->encr, suite->key_bits, suite->integ));
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        bool open = i % 2 != 0;
        struct trial *t = trial_new(micro_suites[s].name, aead_backend_of(m->library, suite)->name,
                                    open ? "open" : "seal", sizes[i / 2]);
        struct cipher *c = malloc(sizeof *c);
        if (c == NULL || aead_shape(suite, &c->shape) != OK ||
            aead_new(m->library, suite, key, m->random, &c->aead) != OK)
            micro_fail("a key cannot be made");
        t->state = c;
        t->prepare = open ? prepare_open : prepare_seal;
        t->run = open ? run_open : run_seal;
        t->free = cipher_free;
    }
}

bool micro_shown_before(const struct micro_library *m, const struct aead_suite *suite)
{
    return m->library != NULL && aead_backend_of(m->library, suite) == aead_backend_of(NULL, suite);
}

void add_ciphers(const struct micro_library *m, const char *filter)
{
    for (size_t s = 0; s < micro_suite_count; s++)
        if (strstr(micro_suites[s].name, filter) != NULL && !micro_shown_before(m, &micro_suites[s].suite))
            add_suite(m, s);
}
