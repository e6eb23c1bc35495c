/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/hash.h"

/* Of "abc"; of nothing under an empty key; of "abc" under a key longer than a block (200 times 'k'). Computed with
 * another implementation; the first also stands in RFC 1321 and FIPS 180. */
static const struct row {
    enum prf prf;
    const char *hash, *empty, *long_key;
} rows[] = {
    {PRF_HMAC_MD5, "900150983cd24fb0d6963f7d28e17f72", "74e6f7298a9c2d168935f58c001bad88",
     "7ef8227eb2b17dfa84429313f515c79c"},
    {PRF_HMAC_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d", "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d",
     "825ab55bf90c797c40d1063e4f7599f4540c7c11"},
    {PRF_HMAC_SHA2_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
     "ce632aa86d6a3fd3c79f06217c0a506599d055cd38eb385b16a2939f2488f686"},
    {PRF_HMAC_SHA2_384,
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
     "6c1f2ee938fad2e24bd91298474382ca218c75db3d83e114b3d4367776d14d3551289e75e8209cd4b792302840234adc",
     "88d48bad4ff0f4e74f8a79bf94bad626cd6cc6d462db5251698e519ddfde66b2f2c158f5140830a9fab4b588f0aca7dc"},
    {PRF_HMAC_SHA2_512,
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     "b936cee86c9f87aa5d3c6f2e84cb5a4239a5fe50480a6ec66b70ab5b1f4ac673"
     "0c6c515421b327ec1d69402e53dfb49ad7381eb067b338fd7b0cb22247225d47",
     "600057e6cba9ce3e078c0ae32f0ba3a786002d1da4853945c899aa7678f932f0"
     "3c77200044e668ac0ae89029a08cae59b9ed7f93ffed3b39371e4d4f08c3c376"},
};

static void test_unknown_prf(void **state)
{
    (void)state;
    uint8_t out[HASH_MAX];
    struct bytes part = bytes_of("abc", 3);
    const unsigned unknown[] = {0, 3, 4, 99};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_int_equal(hash_parts((enum prf)unknown[i], &part, 1, out), ERR_UNSUPPORTED);
        assert_int_equal(prf_parts((enum prf)unknown[i], part, &part, 1, out), ERR_UNSUPPORTED);
    }
}

static void test_known_answers(void **state)
{
    (void)state;
    uint8_t out[HASH_MAX], key[200];
    memset(key, 'k', sizeof key);
    struct bytes abc = bytes_of("abc", 3);
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = prf_info(rows[i].prf)->len;
        assert_int_equal(hash_parts(rows[i].prf, &abc, 1, out), OK);
        assert_hex(out, len, rows[i].hash);
        assert_int_equal(prf_parts(rows[i].prf, bytes_of(NULL, 0), NULL, 0, out), OK);
        assert_hex(out, len, rows[i].empty);
        assert_int_equal(prf_parts(rows[i].prf, bytes_of(key, sizeof key), &abc, 1, out), OK);
        assert_hex(out, len, rows[i].long_key);
    }
}

/* However the data is cut, the answer is the same; and exactly len bytes are written. */
static void test_parts_are_concatenated(void **state)
{
    (void)state;
    uint8_t data[150], whole[HASH_MAX + 1], cut[HASH_MAX + 1];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    struct bytes all = bytes_of(data, sizeof data), key = bytes_of(data, 20);
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = prf_info(rows[i].prf)->len;
        for (size_t at = 0; at <= sizeof data; at++) {
            struct bytes parts[] = {bytes_of(data, at), bytes_of(NULL, 0), bytes_of(data + at, sizeof data - at)};
            memset(whole, 0xee, sizeof whole);
            memset(cut, 0xee, sizeof cut);
            assert_int_equal(prf_parts(rows[i].prf, key, &all, 1, whole), OK);
            assert_int_equal(prf_parts(rows[i].prf, key, parts, 3, cut), OK);
            assert_memory_equal(whole, cut, sizeof cut);
            assert_int_equal(cut[len], 0xee);
            assert_int_equal(hash_parts(rows[i].prf, &all, 1, whole), OK);
            assert_int_equal(hash_parts(rows[i].prf, parts, 3, cut), OK);
            assert_memory_equal(whole, cut, sizeof cut);
            assert_int_equal(cut[len], 0xee);
        }
    }
}

/* The example of the SipHash paper, appendix A: key 00 to 0f, data 00 to 0e, 0xa129ca6149be45e5 little-endian. */
static void test_short_is_siphash(void **state)
{
    (void)state;
    uint8_t seed[HASH_SEED], data[15];
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)i;
    memcpy(data, seed, sizeof data);
    assert_true(hash_short(seed, data, sizeof data) == 0xe545be4961ca29a1);
    uint64_t first = hash_short(seed, data, sizeof data);
    seed[0] ^= 1;
    assert_true(hash_short(seed, data, sizeof data) != first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_prf),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_parts_are_concatenated),
        cmocka_unit_test(test_short_is_siphash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
