/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/cipher.h"

static void test_refusals(void **state)
{
    (void)state;
    const struct {
        unsigned encr;
        size_t key, len;
        enum status want;
    } rows[] = {
        {ENCR_NULL, 0, 16, ERR_UNSUPPORTED},
        {ENCR_AES_GCM_16, 16, 16, ERR_UNSUPPORTED},
        {ENCR_NONE, 16, 16, ERR_UNSUPPORTED},
        {ENCR_CHACHA20_POLY1305, 32, 16, ERR_UNSUPPORTED},
        {ENCR_AES_CBC, 0, 16, ERR_MALFORMED},
        {ENCR_AES_CBC, 15, 16, ERR_MALFORMED},
        {ENCR_AES_CBC, 17, 16, ERR_MALFORMED},
        {ENCR_AES_CBC, 33, 16, ERR_MALFORMED},
        {ENCR_3DES, 16, 16, ERR_MALFORMED},
        {ENCR_3DES, 32, 16, ERR_MALFORMED},
        {ENCR_AES_CBC, 16, 1, ERR_MALFORMED},
        {ENCR_AES_CBC, 16, 15, ERR_MALFORMED},
        {ENCR_AES_CBC, 16, 24, ERR_MALFORMED},
        {ENCR_3DES, 24, 4, ERR_MALFORMED},
        {ENCR_AES_CBC, 16, 0, OK},
        {ENCR_AES_CBC, 24, 48, OK},
        {ENCR_AES_CBC, 32, 16, OK},
        {ENCR_3DES, 24, 8, OK},
    };
    uint8_t key[64], iv[16] = {0}, data[64] = {0};
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 2);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes k = bytes_of(key, rows[i].key);
        enum encr encr = (enum encr)rows[i].encr;
        if (cbc_encrypt(encr, k, iv, data, rows[i].len) != rows[i].want ||
            cbc_decrypt(encr, k, iv, data, rows[i].len) != rows[i].want)
            fail_msg("row %zu", i);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    const struct {
        enum encr encr;
        size_t key, block;
    } rows[] = {{ENCR_AES_CBC, 16, 16}, {ENCR_AES_CBC, 24, 16}, {ENCR_AES_CBC, 32, 16}, {ENCR_3DES, 24, 8}};
    uint8_t key[32], iv[16], plain[512], data[512 + 1];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 4 + 1);
    memset(iv, 9, sizeof iv);
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i / 3);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t len = rows[i].block; len <= sizeof plain; len += rows[i].block) {
            memcpy(data, plain, len);
            data[len] = 0xee;
            assert_int_equal(cbc_encrypt(rows[i].encr, bytes_of(key, rows[i].key), iv, data, len), OK);
            assert_memory_not_equal(data, plain, len);
            assert_int_equal(data[len], 0xee);
            assert_int_equal(cbc_decrypt(rows[i].encr, bytes_of(key, rows[i].key), iv, data, len), OK);
            assert_memory_equal(data, plain, len);
            assert_int_equal(data[len], 0xee);
        }
    }
}

/* RFC 3602 4, case 1 and case 4. */
static void test_rfc3602(void **state)
{
    (void)state;
    const struct {
        const char *key, *iv, *plain, *cipher;
    } rows[] = {
        {"06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41", "53696e676c6520626c6f636b206d7367",
         "e353779c1079aeb82708942dbe77181a"},
        {"56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9",
         "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
         "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
         "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e"
         "35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t key[16], iv[16], data[64];
        struct bytes k = bytes_of(key, unhex(rows[i].key, key, sizeof key));
        (void)unhex(rows[i].iv, iv, sizeof iv);
        size_t len = unhex(rows[i].plain, data, sizeof data);
        assert_int_equal(cbc_encrypt(ENCR_AES_CBC, k, iv, data, len), OK);
        assert_hex(data, len, rows[i].cipher);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_rfc3602),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
