/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/suites.h"

static void test_unknown_ids(void **state)
{
    (void)state;
    const unsigned unknown[] = {0, 4, 9, 99, 0xffff, 0x10000 + 12, UINT32_MAX};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_null(encr_info(unknown[i]));
        assert_null(group_info(unknown[i]));
    }
    assert_null(integ_info(0));
    assert_null(integ_info(11));
    assert_null(prf_info(0));
    assert_null(prf_info(4));
}

static void test_tables_agree_with_lookups(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; encr_at(i) != NULL; i++, n++)
        assert_ptr_equal(encr_info(encr_at(i)->id), encr_at(i));
    for (size_t i = 0; integ_at(i) != NULL; i++, n++)
        assert_ptr_equal(integ_info(integ_at(i)->id), integ_at(i));
    for (size_t i = 0; prf_at(i) != NULL; i++, n++)
        assert_ptr_equal(prf_info(prf_at(i)->id), prf_at(i));
    for (size_t i = 0; group_at(i) != NULL; i++, n++)
        assert_ptr_equal(group_info(group_at(i)->id), group_at(i));
    assert_int_equal(n, 12 + 6 + 5 + 12);
    assert_null(encr_at(SIZE_MAX));
}

static void test_key_sizes(void **state)
{
    (void)state;
    const struct {
        unsigned encr, bits;
        bool allowed;
    } rows[] = {
        {ENCR_AES_CBC, 0, false},
        {ENCR_AES_CBC, 7, false},
        {ENCR_AES_CBC, 127, false},
        {ENCR_AES_CBC, 128, true},
        {ENCR_AES_CBC, 192, true},
        {ENCR_AES_CBC, 256, true},
        {ENCR_AES_CBC, 512, false},
        {ENCR_AES_CBC, 65535, false},
        {ENCR_AES_GCM_8, 0, false},
        {ENCR_AES_GCM_8, 128, true},
        {ENCR_AES_GCM_16, 257, false},
        {ENCR_3DES, 0, true},
        {ENCR_3DES, 192, true},
        {ENCR_3DES, 168, false},
        {ENCR_CHACHA20_POLY1305, 0, true},
        {ENCR_CHACHA20_POLY1305, 256, true},
        {ENCR_CHACHA20_POLY1305, 128, false},
        {ENCR_AES_CTR, 0, false},
        {ENCR_AES_CTR, 192, true},
        {ENCR_AES_CTR, 160, false}, /* its nonce is not counted (RFC 3686 8.4) */
        {ENCR_AES_CCM_8, 256, true},
        {ENCR_AES_CCM_12, 152, false},
        {ENCR_AES_CCM_16, 128, true},
        {ENCR_NULL_AUTH_AES_GMAC, 128, true},
        {ENCR_NULL_AUTH_AES_GMAC, 160, false},
        {ENCR_NULL, 0, true},
        {ENCR_NULL, 128, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (encr_allows_key(encr_info(rows[i].encr), rows[i].bits) != rows[i].allowed)
            fail_msg("row %zu: cipher %u with %u bits", i, rows[i].encr, rows[i].bits);
}

static void test_keymat_lengths(void **state)
{
    (void)state;
    const struct {
        unsigned encr, bits, integ;
        size_t len;
    } rows[] = {
        {0, 0, 0, 0},
        {ENCR_AES_CBC, 128, INTEG_NONE, 0}, /* a cipher needs integrity (RFC 8221 4) */
        {ENCR_NULL, 0, INTEG_NONE, 0},
        {ENCR_AES_GCM_16, 128, INTEG_HMAC_SHA1_96, 0},
        {ENCR_CHACHA20_POLY1305, 256, INTEG_HMAC_SHA2_256_128, 0},
        {ENCR_AES_CBC, 0, INTEG_HMAC_SHA1_96, 0},
        {ENCR_AES_CBC, 128, 99, 0},
        {99, 128, INTEG_HMAC_SHA1_96, 0},
        {ENCR_AES_CBC, 128, INTEG_HMAC_MD5_96, 32},
        {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, 36},
        {ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_256_128, 56},
        {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192, 80},
        {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, 96},
        {ENCR_3DES, 0, INTEG_HMAC_SHA1_96, 44},
        {ENCR_3DES, 192, INTEG_HMAC_SHA1_96, 44},
        {ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, 32},
        {ENCR_AES_GCM_8, 128, INTEG_NONE, 20},
        {ENCR_AES_GCM_12, 192, INTEG_NONE, 28},
        {ENCR_AES_GCM_16, 256, INTEG_NONE, 36},
        {ENCR_AES_CTR, 128, INTEG_NONE, 0},
        {ENCR_AES_CTR, 128, INTEG_HMAC_SHA1_96, 20 + 20}, /* RFC 3686 5.1: 160, 224 and 288 bits of cipher */
        {ENCR_AES_CTR, 192, INTEG_HMAC_SHA2_256_128, 28 + 32},
        {ENCR_AES_CTR, 256, INTEG_HMAC_SHA2_512_256, 36 + 64},
        {ENCR_AES_CCM_8, 128, INTEG_NONE, 19}, /* RFC 4309 7.1 */
        {ENCR_AES_CCM_12, 192, INTEG_NONE, 27},
        {ENCR_AES_CCM_16, 256, INTEG_NONE, 35},
        {ENCR_AES_CCM_16, 256, INTEG_HMAC_SHA1_96, 0},
        {ENCR_NULL_AUTH_AES_GMAC, 128, INTEG_NONE, 20},
        {ENCR_NULL_AUTH_AES_GMAC, 192, INTEG_NONE, 28},
        {ENCR_NULL_AUTH_AES_GMAC, 256, INTEG_NONE, 36},
        {ENCR_NULL_AUTH_AES_GMAC, 128, INTEG_HMAC_SHA1_96, 0},
        {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_96, 48}, /* the ICV is shorter, the key is not */
        {ENCR_CHACHA20_POLY1305, 0, INTEG_NONE, 36},
        {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, 36},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (esp_keymat_len(rows[i].encr, rows[i].bits, rows[i].integ) != rows[i].len)
            fail_msg("row %zu: %u/%u/%u is not %zu", i, rows[i].encr, rows[i].bits, rows[i].integ, rows[i].len);
}

static void test_legacy(void **state)
{
    (void)state;
    assert_int_equal(legacy_bit("sha256"), 0);
    assert_int_equal(legacy_bit(""), 0);
    assert_int_equal(legacy_bit("modp768"), 0);
    assert_int_equal(legacy_bit("SHA1"), 0);
    const char *const names[] = {"modp1024", "modp1536",  "sha1",    "md5",      "3des",
                                 "null",     "sha256_96", "rsa1024", "sha1_cert"};
    uint32_t all = 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        uint32_t bit = legacy_bit(names[i]);
        assert_int_not_equal(bit, 0);
        assert_int_equal(all & bit, 0);
        assert_string_equal(legacy_name(bit), names[i]);
        all |= bit;
        assert_int_equal(legacy_at(i), bit);
    }
    assert_int_equal(legacy_at(COUNT(names)), 0);
    assert_int_equal(legacy_at(SIZE_MAX), 0);
    assert_int_equal(encr_info(ENCR_NULL)->legacy, LEGACY_NULL);
    assert_int_equal(encr_info(ENCR_NULL_AUTH_AES_GMAC)->legacy, 0);
    assert_int_equal(integ_info(INTEG_HMAC_SHA2_256_96)->legacy, LEGACY_SHA256_96);
    assert_int_equal(encr_info(ENCR_3DES)->legacy, LEGACY_3DES);
    assert_int_equal(integ_info(INTEG_HMAC_MD5_96)->legacy, LEGACY_MD5);
    assert_int_equal(integ_info(INTEG_HMAC_SHA1_96)->legacy, LEGACY_SHA1);
    assert_int_equal(prf_info(PRF_HMAC_MD5)->legacy, LEGACY_MD5);
    assert_int_equal(prf_info(PRF_HMAC_SHA1)->legacy, LEGACY_SHA1);
    assert_int_equal(group_info(GROUP_MODP1024)->legacy, LEGACY_MODP1024);
    assert_int_equal(group_info(GROUP_MODP1536)->legacy, LEGACY_MODP1536);
    for (size_t i = 0; group_at(i) != NULL; i++)
        assert_int_equal(group_at(i)->never, group_at(i)->id == GROUP_MODP768);
}

static void test_lists_of_legacy(void **state)
{
    (void)state;
    static const struct {
        uint32_t mask;
        size_t room;
        const char *list;
    } rows[] = {
        {0, 64, ""},
        {LEGACY_3DES, 64, "3des"},
        {LEGACY_SHA256_96 | LEGACY_MODP1024 | LEGACY_NULL, 64, "modp1024, null, sha256_96"},
        {~0u, 80, "modp1024, modp1536, sha1, md5, 3des, null, sha256_96, rsa1024, sha1_cert"},
        {LEGACY_SHA1 | LEGACY_MD5 | LEGACY_NULL, 10, "sha1, md5"}, /* what has no room is left out */
        {LEGACY_SHA1, 4, ""},
        {LEGACY_SHA1, 1, ""},
    };
    char out[80];
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_ptr_equal(legacy_list(rows[i].mask, ", ", out, rows[i].room), out);
        assert_string_equal(out, rows[i].list);
    }
    out[0] = 'x';
    (void)legacy_list(~0u, " ", out, 0);
    assert_int_equal(out[0], 'x');
}

/* What the IV is, and what stays readable: the padding and the warnings of the configuration follow from these. */
static void test_kinds_of_ciphers(void **state)
{
    (void)state;
    for (size_t i = 0; encr_at(i) != NULL; i++) {
        const struct encr_info *info = encr_at(i);
        bool blocks = info->id == ENCR_AES_CBC || info->id == ENCR_3DES;
        assert_int_equal(info->counter, !blocks && info->id != ENCR_NULL);
        assert_int_equal(info->clear, info->id == ENCR_NULL || info->id == ENCR_NULL_AUTH_AES_GMAC);
        assert_int_equal(info->block, info->id == ENCR_AES_CBC ? 16 : info->id == ENCR_3DES ? 8 : 4);
        assert_int_equal(info->icv != 0, info->aead);
        assert_int_equal(info->iv, info->counter ? 8 : info->id == ENCR_NULL ? 0 : info->block);
    }
}

static void test_versions(void **state)
{
    (void)state;
    assert_non_null(strstr(crypto_versions(), "OpenSSL 3"));
    assert_non_null(strstr(crypto_versions(), ", libsodium 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_ids),      cmocka_unit_test(test_tables_agree_with_lookups),
        cmocka_unit_test(test_key_sizes),        cmocka_unit_test(test_keymat_lengths),
        cmocka_unit_test(test_legacy),           cmocka_unit_test(test_lists_of_legacy),
        cmocka_unit_test(test_kinds_of_ciphers), cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
