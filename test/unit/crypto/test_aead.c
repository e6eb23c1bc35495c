/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/aead.h"
#include "crypto/aead_backend.h"
#include "test/libraries.h"

enum { SUITES_MAX = 160, PACKET_MAX = 2048, KEYMAT = 128 };

/* The tests run once with each library. */
static const struct aead_library *library;

struct rig {
    struct aead_suite suite;
    struct aead_shape shape;
    struct random_seeded seeded;
    struct random random;
    struct aead *aead;
};

static void rig_start(struct rig *rig, struct aead_suite suite, uint8_t key)
{
    uint8_t keymat[KEYMAT];
    for (size_t i = 0; i < sizeof keymat; i++)
        keymat[i] = (uint8_t)(key + i * 3);
    *rig = (struct rig){.suite = suite};
    rig->random = random_of_seed(&rig->seeded, key);
    assert_int_equal(aead_shape(&suite, &rig->shape), OK);
    size_t len = esp_keymat_len(suite.encr, suite.key_bits, suite.integ);
    assert_int_equal(aead_new(library, &suite, bytes_of(keymat, len), &rig->random, &rig->aead), OK);
}

static void rig_stop(struct rig *rig)
{
    aead_free(rig->aead);
}

static size_t all_suites(struct aead_suite out[SUITES_MAX])
{
    size_t n = 0;
    for (size_t e = 0; encr_at(e) != NULL; e++)
        for (size_t k = 0; k == 0 || (k < 3 && encr_at(e)->key_bits[k] != 0); k++)
            for (size_t i = 0; i == 0 || (!encr_at(e)->aead && integ_at(i) != NULL); i++)
                for (int esn = 0; esn < 2; esn++) {
                    assert_true(n < SUITES_MAX);
                    out[n++] = (struct aead_suite){encr_at(e)->id, encr_at(e)->key_bits[k],
                                                   encr_at(e)->aead ? INTEG_NONE : integ_at(i)->id, esn == 1};
                }
    assert_int_equal(n, 2 * (9 + 9 + 3 + 1 + 8 * 6)); /* GCM, CCM, GMAC, ChaCha20; CBC, CTR, 3DES and NULL by HMAC */
    return n;
}

static size_t packet_len(const struct rig *rig, size_t text_len)
{
    return (size_t)AEAD_HEADER + rig->shape.iv + text_len + rig->shape.icv;
}

/* A packet with a text that counts; everything else 0xee. */
static struct aead_job fresh_job(const struct rig *rig, uint8_t *packet, size_t text_len, uint32_t sequence)
{
    struct aead_job job = {.esp = packet, .text_len = (uint32_t)text_len, .sequence_high = rig->suite.esn ? 5 : 0};
    memset(packet, 0xee, PACKET_MAX);
    store_u32(packet, 0xc0ffee01);
    store_u32(packet + 4, sequence);
    for (size_t i = 0; i < text_len; i++)
        aead_text(&job, &rig->shape)[i] = (uint8_t)i;
    return job;
}

static bool text_counts(const struct rig *rig, const struct aead_job *job)
{
    for (size_t i = 0; i < job->text_len; i++)
        if (aead_text(job, &rig->shape)[i] != (uint8_t)i)
            return false;
    return true;
}

static void test_unsupported_suites(void **state)
{
    (void)state;
    const struct aead_suite bad[] = {
        {ENCR_NONE, 0, INTEG_NONE, false},
        {ENCR_NULL, 0, INTEG_NONE, false},
        {ENCR_AES_CBC, 128, INTEG_NONE, false},
        {ENCR_AES_CBC, 0, INTEG_HMAC_SHA1_96, false},
        {ENCR_AES_CBC, 160, INTEG_HMAC_SHA1_96, false},
        {ENCR_AES_GCM_16, 128, INTEG_HMAC_SHA1_96, false},
        {ENCR_AES_GCM_16, 0, INTEG_NONE, false},
        {ENCR_AES_CTR, 128, INTEG_NONE, false}, /* malleable: RFC 3686 7 */
        {ENCR_AES_CTR, 160, INTEG_HMAC_SHA1_96, false},
        {ENCR_AES_CCM_8, 128, INTEG_HMAC_SHA2_256_128, false},
        {ENCR_AES_CCM_16, 512, INTEG_NONE, false},
        {ENCR_NULL_AUTH_AES_GMAC, 0, INTEG_NONE, false},
        {ENCR_NULL_AUTH_AES_GMAC, 128, INTEG_HMAC_SHA1_96, false},
        {ENCR_CHACHA20_POLY1305, 128, INTEG_NONE, false},
        {(enum encr)99, 128, INTEG_NONE, false},
    };
    struct random random = random_system();
    uint8_t keymat[KEYMAT] = {0};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct aead_shape shape = {9, 9, 9};
        struct aead *aead = (struct aead *)1;
        assert_int_equal(aead_shape(&bad[i], &shape), ERR_UNSUPPORTED);
        assert_int_equal(shape.iv | shape.icv | shape.block, 0);
        assert_int_equal(aead_new(library, &bad[i], bytes_of(keymat, 36), &random, &aead), ERR_UNSUPPORTED);
        assert_null(aead);
    }
    aead_free(NULL);
}

static void test_keymat_of_wrong_length(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    struct random random = random_system();
    uint8_t keymat[KEYMAT] = {0};
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        size_t right = esp_keymat_len(suites[i].encr, suites[i].key_bits, suites[i].integ);
        for (size_t len = 0; len <= sizeof keymat; len++) {
            struct aead *aead = (struct aead *)1;
            if (len == right)
                continue;
            assert_int_equal(aead_new(library, &suites[i], bytes_of(keymat, len), &random, &aead), ERR_MALFORMED);
            assert_null(aead);
        }
    }
}

static void test_b31_unaligned_text(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    uint8_t packet[PACKET_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig rig;
        rig_start(&rig, suites[i], 1);
        for (size_t len = 0; len < 40; len++) {
            struct aead_job job = fresh_job(&rig, packet, len, 1);
            bool aligned = len % rig.shape.block == 0;
            aead_seal(rig.aead, &job, 1);
            assert_int_equal(job.ok, aligned);
            job.ok = !aligned;
            aead_open(rig.aead, &job, 1);
            assert_int_equal(job.ok, aligned);
        }
        rig_stop(&rig);
    }
}

/* Any bit of any part, and the hidden high half. */
static void test_every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    uint8_t sealed[PACKET_MAX], packet[PACKET_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig rig;
        rig_start(&rig, suites[i], 2);
        struct aead_job job = fresh_job(&rig, sealed, 48, 77);
        size_t len = packet_len(&rig, 48);
        aead_seal(rig.aead, &job, 1);
        assert_true(job.ok);
        job.esp = packet;
        for (size_t bit = 0; bit < len * 8; bit++) {
            memcpy(packet, sealed, len);
            packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
            aead_open(rig.aead, &job, 1);
            if (job.ok)
                fail_msg("suite %zu: bit %zu was not seen", i, bit);
        }
        memcpy(packet, sealed, len);
        job.sequence_high ^= 1;
        aead_open(rig.aead, &job, 1);
        assert_int_equal(job.ok, !suites[i].esn); /* without ESN the high half is not looked at */
        job.sequence_high ^= 1;
        memcpy(packet, sealed, len);
        aead_open(rig.aead, &job, 1);
        assert_true(job.ok); /* a refusal leaves no trace in the key */
        assert_true(text_counts(&rig, &job));
        rig_stop(&rig);
    }
}

static void test_another_key_is_refused(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    uint8_t packet[PACKET_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig a, b;
        rig_start(&a, suites[i], 3);
        rig_start(&b, suites[i], 4);
        struct aead_job job = fresh_job(&a, packet, 16, 1);
        aead_seal(a.aead, &job, 1);
        aead_open(b.aead, &job, 1);
        assert_false(job.ok);
        rig_stop(&a);
        rig_stop(&b);
    }
}

static void test_round_trips_of_every_size(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    uint8_t packet[PACKET_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig a, b;
        rig_start(&a, suites[i], 5);
        rig_start(&b, suites[i], 5);
        for (size_t len = 0; len <= 1536; len += a.shape.block * (len < 320 ? 1u : 19u)) {
            struct aead_job job = fresh_job(&a, packet, len, (uint32_t)len + 1);
            aead_seal(a.aead, &job, 1);
            assert_true(job.ok);
            assert_int_equal(load_u32(packet), 0xc0ffee01);
            assert_int_equal(load_u32(packet + 4), len + 1);
            if (len >= 16)
                assert_int_equal(text_counts(&a, &job), encr_info(suites[i].encr)->clear);
            for (size_t k = packet_len(&a, len); k < packet_len(&a, len) + 32; k++)
                assert_int_equal(packet[k], 0xee);
            job.ok = false;
            aead_open(b.aead, &job, 1);
            assert_true(job.ok);
            assert_true(text_counts(&a, &job));
        }
        rig_stop(&a);
        rig_stop(&b);
    }
}

static void test_batch_with_bad_ones(void **state)
{
    (void)state;
    static uint8_t packets[AEAD_BATCH_MAX][PACKET_MAX];
    struct aead_suite suites[SUITES_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig rig;
        struct aead_job jobs[AEAD_BATCH_MAX];
        rig_start(&rig, suites[i], 6);
        aead_seal(rig.aead, NULL, 0);
        for (size_t k = 0; k < AEAD_BATCH_MAX; k++) {
            jobs[k] = fresh_job(&rig, packets[k], 16 * (k % 7 + 1), (uint32_t)k + 1);
            if (k % 5 == 4)
                jobs[k].text_len--;
        }
        aead_seal(rig.aead, jobs, AEAD_BATCH_MAX);
        for (size_t k = 0; k < AEAD_BATCH_MAX; k++) {
            assert_int_equal(jobs[k].ok, k % 5 != 4);
            if (k % 3 == 2)
                packets[k][7] ^= 0x40;
        }
        aead_open(rig.aead, jobs, AEAD_BATCH_MAX);
        for (size_t k = 0; k < AEAD_BATCH_MAX; k++) {
            assert_int_equal(jobs[k].ok, k % 5 != 4 && k % 3 != 2);
            assert_true(!jobs[k].ok || text_counts(&rig, &jobs[k]));
        }
        rig_stop(&rig);
    }
}

/* The IV of counter modes is the sequence number, all 64 bits with ESN. */
static void test_counter_ivs(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    uint8_t packet[PACKET_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        if (!encr_info(suites[i].encr)->counter)
            continue;
        struct rig rig;
        rig_start(&rig, suites[i], 7);
        struct aead_job job = fresh_job(&rig, packet, 16, 0xfffffffe);
        aead_seal(rig.aead, &job, 1);
        assert_hex(packet + 8, 8, suites[i].esn ? "00000005fffffffe" : "00000000fffffffe");
        rig_stop(&rig);
    }
}

static void test_random_ivs_differ(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static uint8_t ivs[MANY][AEAD_IV_MAX];
    struct aead_suite suites[SUITES_MAX];
    uint8_t packet[PACKET_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig rig;
        rig_start(&rig, suites[i], 8);
        bool random_iv = rig.shape.iv > 0 && !encr_info(suites[i].encr)->counter;
        for (size_t k = 0; random_iv && k < MANY; k++) {
            struct aead_job job = fresh_job(&rig, packet, 16, 1);
            aead_seal(rig.aead, &job, 1);
            memcpy(ivs[k], packet + AEAD_HEADER, rig.shape.iv);
            for (size_t m = 0; m < k; m++)
                assert_memory_not_equal(ivs[m], ivs[k], rig.shape.iv);
        }
        rig_stop(&rig);
    }
}

static enum status broken(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0, len);
    return ERR_CRYPTO;
}

/* CBC without randomness sends nothing; who needs none goes on. */
static void test_b45_no_randomness(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    uint8_t packet[PACKET_MAX];
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig rig;
        rig_start(&rig, suites[i], 9);
        rig.random.fill = broken;
        bool needs = suites[i].encr == ENCR_AES_CBC || suites[i].encr == ENCR_3DES;
        for (int k = 0; k < 3; k++) {
            struct aead_job job = fresh_job(&rig, packet, 16, 1);
            job.ok = true;
            aead_seal(rig.aead, &job, 1);
            assert_int_equal(job.ok, !needs);
        }
        rig_stop(&rig);
    }
}

/* RFC 3602 4, case 5, as it stands on the wire before the ICV. */
#define CBC_KEY "90d382b410eeba7ad938c46cec1a82bf"
#define CBC_PACKET                                                                                                     \
    "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc8"   \
    "56a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"
#define INTEG_KEY                                                                                                      \
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"   \
    "38393a3b3c3d3e3f40"

/* What another implementation makes of the same bytes: the order of SPI, numbers, IV, text and high half. */
static void test_cbc_framing(void **state)
{
    (void)state;
    static const struct {
        enum integ integ;
        const char *icv, *icv_esn; /* with ESN: the high half is 7 */
    } rows[] = {
        {INTEG_HMAC_MD5_96, "f374282dc2f81f85e3639daf", "b63dd3d8b0bdac3ab4456cb7"},
        {INTEG_HMAC_SHA1_96, "6ffe6c928cd19f695d057034", "e0f1b4df36f6fc744fa20320"},
        {INTEG_HMAC_SHA2_256_128, "a4de5ff4f4cf744b89129c5b5e3efa4b", "5e2e8e25c950cf4949e23650892bd1f2"},
        {INTEG_HMAC_SHA2_256_96, "a4de5ff4f4cf744b89129c5b", "5e2e8e25c950cf4949e23650"},
        {INTEG_HMAC_SHA2_384_192, "640e2ec8078f4ad63990230d856bb6f458ba73d9ad854f3c",
         "462a5ddd64ad27761349b95cc1df427492a13c94726e1449"},
        {INTEG_HMAC_SHA2_512_256, "5a03496de23c2dd69916cdb9915ed68f596df936dc340dda109a954159f5ca3f",
         "3386dccf2180a5848d01b6a592ddee8ea375e241e01eb87d9195a0df5342b28a"},
    };
    struct random random = random_system();
    for (size_t i = 0; i < COUNT(rows) * 2; i++) {
        bool esn = i % 2 == 1;
        struct aead_suite suite = {ENCR_AES_CBC, 128, rows[i / 2].integ, esn};
        uint8_t keymat[KEYMAT], want[256], packet[256];
        size_t key_len = unhex(CBC_KEY INTEG_KEY, keymat, sizeof keymat) - 64 + integ_info(suite.integ)->key;
        size_t len = unhex(CBC_PACKET, want, sizeof want);
        size_t full = len + unhex(esn ? rows[i / 2].icv_esn : rows[i / 2].icv, want + len, sizeof want - len);
        memcpy(packet, want, full);
        struct aead *aead;
        assert_int_equal(aead_new(library, &suite, bytes_of(keymat, key_len), &random, &aead), OK);
        struct aead_job job = {.esp = packet, .text_len = (uint32_t)len - 24, .sequence_high = 7};
        aead_open(aead, &job, 1);
        assert_true(job.ok);
        assert_hex(packet + 24, 16, "08000ebda70a00008e9c083db95b0700");
        aead_seal_given_iv(aead, &job, 1);
        assert_true(job.ok);
        assert_memory_equal(packet, want, full);
        aead_free(aead);
    }
}

/* With ESN the nonce ends in all 64 bits, and the AAD is SPI, high, low. */
static void test_counter_mode_framing_with_esn(void **state)
{
    (void)state;
    static const struct {
        enum encr encr;
        size_t icv;
        const char *sealed;
    } rows[] = {
        {ENCR_AES_GCM_16, 16, "79e4191110cec8e19c2446905c8bfb66871431b0f8aef8d52c930458be532fcb567d3d1fac3bf15c"},
        {ENCR_AES_GCM_12, 12, "79e4191110cec8e19c2446905c8bfb66871431b0f8aef8d52c930458be532fcb567d3d1f"},
        {ENCR_AES_GCM_8, 8, "79e4191110cec8e19c2446905c8bfb66871431b0f8aef8d52c930458be532fcb"},
        {ENCR_CHACHA20_POLY1305, 16,
         "9ee02f20a2f5538b3f92aa85674cbf620597508f293c7f9b6cf100a30c37469fb3161b3dccd52f46"},
        {ENCR_AES_CCM_16, 16, "529ff62ea0ca0b05b919c195d05afa3b43f7c76798707bbf763096fdc1f4181806718d8c1b30c3bc"},
        {ENCR_AES_CCM_12, 12, "529ff62ea0ca0b05b919c195d05afa3b43f7c76798707bbf743e4a09af1296b05407471e"},
        {ENCR_AES_CCM_8, 8, "529ff62ea0ca0b05b919c195d05afa3b43f7c76798707bbff26424a6b1cd7167"},
        {ENCR_NULL_AUTH_AES_GMAC, 16,
         "404142434445464748494a4b4c4d4e4f50515253545556574cd3aa8eee89319d830ee79fc381ebb7"},
    };
    uint8_t keymat[36] = {0};
    for (size_t i = 0; i < 32; i++)
        keymat[i] = (uint8_t)i;
    (void)unhex("a0a1a2a3", keymat + 32, 4);
    struct random random = random_system();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct aead_suite suite = {rows[i].encr, 256, INTEG_NONE, true};
        struct aead *aead;
        uint8_t packet[64] = {0};
        (void)unhex("01020304fffffffe", packet, 8);
        for (size_t k = 0; k < 24; k++)
            packet[16 + k] = (uint8_t)(0x40 + k);
        size_t keymat_len = esp_keymat_len(suite.encr, suite.key_bits, suite.integ); /* the salt of CCM is shorter */
        assert_int_equal(aead_new(library, &suite, bytes_of(keymat, keymat_len), &random, &aead), OK);
        struct aead_job job = {.esp = packet, .text_len = 24, .sequence_high = 7};
        aead_seal(aead, &job, 1);
        assert_true(job.ok);
        assert_hex(packet + 8, 8, "00000007fffffffe");
        assert_hex(packet + 16, 24 + rows[i].icv, rows[i].sealed);
        aead_free(aead);
    }
}

/* No IP packet is longer, and ipsec-mb's lanes count in 16 bits. */
static void test_h2022_27666_longest_packet(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t room = (size_t)AEAD_PACKET_MAX + 64;
    uint8_t *packet = malloc(room);
    assert_non_null(packet);
    for (size_t i = 0, n = all_suites(suites); i < n; i++) {
        struct rig rig;
        rig_start(&rig, suites[i], 10);
        size_t longest = (AEAD_PACKET_MAX - packet_len(&rig, 0)) / rig.shape.block * rig.shape.block;
        struct aead_job job = {.esp = packet, .text_len = (uint32_t)(longest + rig.shape.block)};
        memset(packet, 0x77, room);
        aead_seal(rig.aead, &job, 1);
        assert_false(job.ok);
        job.ok = true;
        aead_open(rig.aead, &job, 1);
        assert_false(job.ok);
        job.text_len = UINT32_MAX / rig.shape.block * rig.shape.block;
        aead_seal(rig.aead, &job, 1);
        assert_false(job.ok);
        job.text_len = (uint32_t)longest;
        aead_seal(rig.aead, &job, 1);
        assert_true(job.ok);
        aead_open(rig.aead, &job, 1);
        assert_true(job.ok);
        for (size_t k = 0; k < longest; k++)
            assert_int_equal(aead_text(&job, &rig.shape)[k], 0x77);
        rig_stop(&rig);
    }
    free(packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsupported_suites),
        cmocka_unit_test(test_keymat_of_wrong_length),
        cmocka_unit_test(test_b31_unaligned_text),
        cmocka_unit_test(test_every_flipped_bit_is_refused),
        cmocka_unit_test(test_another_key_is_refused),
        cmocka_unit_test(test_round_trips_of_every_size),
        cmocka_unit_test(test_batch_with_bad_ones),
        cmocka_unit_test(test_counter_ivs),
        cmocka_unit_test(test_random_ivs_differ),
        cmocka_unit_test(test_b45_no_randomness),
        cmocka_unit_test(test_cbc_framing),
        cmocka_unit_test(test_counter_mode_framing_with_esn),
        cmocka_unit_test(test_h2022_27666_longest_packet),
    };
    struct libraries libraries;
    libraries_make(&libraries);
    int failed = 0;
    for (size_t i = 0; i < libraries.count; i++) {
        printf("library: %s\n", libraries.names[i]);
        library = libraries.all[i];
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    libraries_free(&libraries);
    return failed;
}
