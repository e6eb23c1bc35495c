/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known answers that others published, opened and sealed again; then a round trip of every suite. A back end that is
 * not portable must also make of a whole batch of packets what the portable one makes of each.
 */
#include <sodium.h>
#include <stdlib.h>

#include "crypto/aead_backend.h"
#include "crypto/secret.h"

enum {
    PACKET_MAX = 192,
    KEYMAT_MAX = 128,
    ROUND_TRIP_TEXT = 48,
    BATCH = 20, /* more than any processor has lanes */
    BATCH_PACKET = 1536,
    BATCH_TEXT_MAX = 1400,
};

/* Who is examined. */
struct subject {
    const struct aead_backend *backend;
    struct mb_engine *engine;
};

static const struct answer {
    struct aead_suite suite;
    const char *keymat, *packet, *text; /* in hex */
} answers[] = {
    /* RFC 7634 A */
    {{ENCR_CHACHA20_POLY1305, 0, INTEG_NONE, false},
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3",
     "0102030400000005101112131415161724039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb"
     "61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7"
     "b11b369907e1ad43",
     "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b"
     "1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204"},
    /* draft-mcgrew-gcm-test-01 4 */
    {{ENCR_AES_GCM_16, 128, INTEG_NONE, false},
     "feffe9928665731c6d6a8f9467308308cafebabe",
     "0000a5f80000000afacedbaddecaf888deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f"
     "51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009637962657263697479"
     "02646b00000100010001"},
    /* RFC 3602 4, case 5, with an ICV of RFC 2404 behind it */
    {{ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},
     "90d382b410eeba7ad938c46cec1a82bf0102030405060708090a0b0c0d0e0f1011121314",
     "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856"
     "a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"
     "6ffe6c928cd19f695d057034",
     "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "30313233343536370102030405060708090a0b0c0d0e0e01"},
    /* RFC 3686 6, case 2, with an ICV of RFC 2404 behind it */
    {{ENCR_AES_CTR, 128, INTEG_HMAC_SHA1_96, false},
     "7e24067817fae0d743d6ce1f32539163006cb6db0102030405060708090a0b0c0d0e0f1011121314",
     "0000432100000002c0543b59da48d90b5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28"
     "721fdb0e76f264cb6359f276",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
    /* Project Wycheproof, AES-CCM, case 334 */
    {{ENCR_AES_CCM_16, 256, INTEG_NONE, false},
     "60d6841e9e6218a2c8605a7794e74fb215dcf3a70a0015d497ed16564f2a83a04c93f5",
     "7cb0eb9aa21fe85991af92f16596554e0c266113544d7a901ce721e1ead6d8f98a149eaa05c8722b2663c345a6a5418c",
     "c0d1e635586b0ef835c01479a32175a3"},
    /* draft-mcgrew-gcm-test-01, of GMAC */
    {{ENCR_NULL_AUTH_AES_GMAC, 128, INTEG_NONE, false},
     "4c80cdefbb5d10da906ac73c3613a63422433c64",
     "0000432100000007000000000000000045000030da3a00008001df3bc0a80005c0a800010800c6cd02000700616263646566676869"
     "6a6b6c6d6e6f707172737401020201f2a9a836e155106aa8dcd618e4099aaa",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd02000700616263646566676869"
     "6a6b6c6d6e6f707172737401020201"},
    /* RFC 4868 2.7.2.1, AUTH256-2: header and text are "what do ya want for nothing?" */
    {{ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, false},
     "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f167f928588c5cc2eef8e3093caa0e87c",
     "79612077616e7420666f72206e6f7468696e673f"},
};

static enum status seeded(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0x5a, len);
    return OK;
}

static const struct random fixed_random = {.fill = seeded};

static size_t unhex(const char *hex, uint8_t *out, size_t capacity)
{
    size_t len = 0;
    return sodium_hex2bin(out, capacity, hex, strlen(hex), NULL, &len, NULL) == 0 ? len : 0;
}

/* A flipped bit in the ICV must not pass. */
static bool refuses_change(struct aead *aead, const struct aead_job *like, size_t packet_len)
{
    uint8_t copy[PACKET_MAX];
    memcpy(copy, like->esp, packet_len);
    copy[packet_len - 1] ^= 1;
    struct aead_job job = *like;
    job.esp = copy;
    aead_open(aead, &job, 1);
    return !job.ok;
}

static bool answer_holds(const struct answer *answer, struct aead *aead, const struct aead_shape *shape)
{
    uint8_t want[PACKET_MAX], packet[PACKET_MAX], text[PACKET_MAX];
    size_t packet_len = unhex(answer->packet, want, sizeof want), text_len = unhex(answer->text, text, sizeof text);
    if (packet_len != (size_t)AEAD_HEADER + shape->iv + text_len + shape->icv)
        return false;
    memcpy(packet, want, packet_len);
    struct aead_job job = {.esp = packet, .text_len = (uint32_t)text_len};
    if (!refuses_change(aead, &job, packet_len))
        return false;
    aead_open(aead, &job, 1);
    if (!job.ok || memcmp(aead_text(&job, shape), text, text_len) != 0)
        return false;
    aead_seal_given_iv(aead, &job, 1);
    return job.ok && memcmp(packet, want, packet_len) == 0;
}

static enum status subject_key(const struct subject *subject, const struct aead_suite *suite, struct bytes keymat,
                               struct aead_shape *shape, struct aead **out)
{
    *out = NULL;
    enum status status = aead_shape(suite, shape);
    return status == OK ? aead_new_by(subject->backend, subject->engine, suite, keymat, &fixed_random, out) : status;
}

static enum status try_answer(const struct subject *subject, const struct answer *answer)
{
    uint8_t keymat[KEYMAT_MAX];
    size_t len = unhex(answer->keymat, keymat, sizeof keymat);
    struct aead_shape shape;
    struct aead *aead;
    if (!subject->backend->supports(&answer->suite))
        return OK;
    if (subject_key(subject, &answer->suite, bytes_of(keymat, len), &shape, &aead) != OK)
        return ERR_CRYPTO;
    bool ok = answer_holds(answer, aead, &shape);
    aead_free(aead);
    return ok ? OK : ERR_CRYPTO;
}

static bool round_trip_holds(struct aead *aead, const struct aead_shape *shape)
{
    uint8_t packet[PACKET_MAX] = {1, 2, 3, 4, 0, 0, 0, 9}, text[ROUND_TRIP_TEXT];
    struct aead_job job = {.esp = packet, .text_len = sizeof text, .sequence_high = 3};
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)i;
    memcpy(aead_text(&job, shape), text, sizeof text);
    aead_seal(aead, &job, 1);
    if (!job.ok || !refuses_change(aead, &job, (size_t)AEAD_HEADER + shape->iv + sizeof text + shape->icv))
        return false;
    aead_open(aead, &job, 1);
    return job.ok && memcmp(aead_text(&job, shape), text, sizeof text) == 0;
}

/* A batch of packets of all lengths, numbered. */
struct trial {
    struct aead_job jobs[BATCH];
    uint8_t packets[BATCH][BATCH_PACKET];
};

static size_t trial_text_len(const struct aead_shape *shape, size_t i)
{
    return i * 577 % (BATCH_TEXT_MAX + 1) / shape->block * shape->block;
}

static void trial_fill(struct trial *t, const struct aead_shape *shape)
{
    for (size_t i = 0; i < BATCH; i++) {
        for (size_t k = 0; k < BATCH_PACKET; k++)
            t->packets[i][k] = (uint8_t)(i * 31 + k * 7);
        store_u32(t->packets[i], 0x1234);
        store_u32(t->packets[i] + 4, (uint32_t)i + 1);
        t->jobs[i] = (struct aead_job){
            .esp = t->packets[i], .text_len = (uint32_t)trial_text_len(shape, i), .sequence_high = (uint32_t)i / 3};
    }
}

/* Every third is forged. */
static bool trial_opens(struct trial *t, const struct trial *plain, const struct aead_shape *shape, struct aead *aead)
{
    for (size_t i = 2; i < BATCH; i += 3)
        aead_icv(&t->jobs[i], shape)[i % shape->icv] ^= 0x10;
    aead_open(aead, t->jobs, BATCH);
    bool ok = true;
    for (size_t i = 0; i < BATCH; i++) {
        const uint8_t *text = aead_text(&plain->jobs[i], shape);
        ok = ok && t->jobs[i].ok == (i % 3 != 2) &&
             (i % 3 == 2 || memcmp(aead_text(&t->jobs[i], shape), text, plain->jobs[i].text_len) == 0);
    }
    return ok;
}

static bool batch_holds(struct trial trials[3], struct aead *aead, struct aead *portable,
                        const struct aead_shape *shape)
{
    struct trial *plain = &trials[0], *want = &trials[1], *got = &trials[2];
    for (size_t i = 0; i < 3; i++)
        trial_fill(&trials[i], shape);
    aead_seal_given_iv(portable, want->jobs, BATCH);
    aead_seal_given_iv(aead, got->jobs, BATCH);
    bool ok = memcmp(want->packets, got->packets, sizeof want->packets) == 0;
    for (size_t i = 0; i < BATCH; i++)
        ok = ok && want->jobs[i].ok && got->jobs[i].ok;
    return ok && trial_opens(got, plain, shape, aead);
}

static bool batches_agree(const struct aead_suite *suite, struct bytes keymat, struct aead *aead,
                          const struct aead_shape *shape)
{
    struct aead *portable = NULL;
    struct trial *trials = calloc(3, sizeof *trials);
    bool ok = trials != NULL && aead_new(NULL, suite, keymat, &fixed_random, &portable) == OK &&
              batch_holds(trials, aead, portable, shape);
    aead_free(portable);
    free(trials);
    return ok;
}

static enum status try_suite(const struct subject *subject, const struct aead_suite *suite)
{
    uint8_t keymat[KEYMAT_MAX];
    for (size_t i = 0; i < sizeof keymat; i++)
        keymat[i] = (uint8_t)(i * 7 + 1);
    struct bytes bytes = bytes_of(keymat, esp_keymat_len(suite->encr, suite->key_bits, suite->integ));
    struct aead_shape shape;
    struct aead *aead;
    if (subject_key(subject, suite, bytes, &shape, &aead) != OK)
        return ERR_CRYPTO;
    bool ok = round_trip_holds(aead, &shape) &&
              (aead_backend_of(NULL, suite) == subject->backend || batches_agree(suite, bytes, aead, &shape));
    aead_free(aead);
    return ok ? OK : ERR_CRYPTO;
}

static enum status try_both(const struct subject *subject, enum encr encr, uint16_t key_bits, enum integ integ)
{
    struct aead_suite suite = {.encr = encr, .key_bits = key_bits, .integ = integ, .esn = false};
    if (!subject->backend->supports(&suite))
        return OK;
    enum status status = try_suite(subject, &suite);
    suite.esn = true;
    return status == OK ? try_suite(subject, &suite) : status;
}

static enum status try_cipher(const struct subject *subject, const struct encr_info *encr, uint16_t key_bits)
{
    if (encr->aead)
        return try_both(subject, encr->id, key_bits, INTEG_NONE);
    enum status status = OK;
    for (size_t i = 0; status == OK && integ_at(i) != NULL; i++)
        status = try_both(subject, encr->id, key_bits, integ_at(i)->id);
    return status;
}

enum status aead_backend_test(const struct aead_backend *backend, struct mb_engine *engine)
{
    const struct subject subject = {backend, engine};
    if (sodium_init() < 0)
        return ERR_CRYPTO;
    enum status status = OK;
    for (size_t i = 0; status == OK && i < sizeof answers / sizeof *answers; i++)
        status = try_answer(&subject, &answers[i]);
    for (size_t i = 0; status == OK && encr_at(i) != NULL; i++) {
        const struct encr_info *encr = encr_at(i);
        status = try_cipher(&subject, encr, encr->key_bits[0]);
        for (size_t k = 1; status == OK && k < 3 && encr->key_bits[k] != 0; k++)
            status = try_cipher(&subject, encr, encr->key_bits[k]);
    }
    return status;
}
