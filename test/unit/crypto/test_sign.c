/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto_test.h"

#include "crypto/hash.h"
#include "crypto/key_file.h"
#include "crypto/openssl.h"
#include "crypto/sign.h"
#include "test/pki.h"

#include <openssl/param_build.h>

static const struct {
    enum pki_kind kind;
    enum sign_method method;
    size_t len;
    enum prf prf;
} kinds[] = {
    {PKI_EC256, SIGN_ECDSA_256, 64, PRF_HMAC_SHA2_256},
    {PKI_EC384, SIGN_ECDSA_384, 96, PRF_HMAC_SHA2_384},
    {PKI_EC521, SIGN_ECDSA_521, 132, PRF_HMAC_SHA2_512},
    {PKI_RSA2048, SIGN_RSA, 256, PRF_NONE},
};

struct pair {
    struct pki *pki;
    struct sign_key *private, *public;
};

static char text[512];
static const struct why why = {text, sizeof text};

static struct pair pair_of(enum pki_kind kind)
{
    struct pair pair = {.pki = pki_ca("CN=x", kind, NULL)};
    struct cert_list none = {0};
    assert_int_equal(
        key_file_read(pki_key_pem(pair.pki, NULL), (struct bytes){0}, LEGACY_RSA1024, &pair.private, &none, &why), OK);
    assert_int_equal(sign_key_read_public(pki_public_der(pair.pki), LEGACY_RSA1024, &pair.public, &why), OK);
    return pair;
}

static void pair_free(struct pair *pair)
{
    sign_key_free(pair->private);
    sign_key_free(pair->public);
    pki_free(pair->pki);
}

static void test_names_and_hashes(void **state)
{
    (void)state;
    assert_string_equal(sign_method_name(SIGN_RSA), "RSA");
    assert_string_equal(sign_method_name(SIGN_ECDSA_384), "ECDSA P-384");
    assert_string_equal(sign_method_name(SIGN_NONE), "none");
    assert_int_equal(sign_method_prf(SIGN_NONE), PRF_NONE);
    for (size_t i = 0; i < COUNT(kinds); i++)
        assert_int_equal(sign_method_prf(kinds[i].method), kinds[i].prf);
}

/* Every bit of a signature and of what is signed, every length, and zeros (B17). */
static void test_b17_only_the_right_signature_is_right(void **state)
{
    (void)state;
    uint8_t value[HASH_MAX], sig[SIGNATURE_MAX], zero[SIGNATURE_MAX] = {0};
    size_t len;
    memset(value, 0x5a, sizeof value);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct pair p = pair_of(kinds[i].kind);
        assert_int_equal(sign_key_method(p.public), kinds[i].method);
        assert_int_equal(sign_make(p.private, bytes_of(value, 32), sig, &len), OK);
        assert_int_equal(len, kinds[i].len);
        assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, len)), OK);
        assert_int_equal(sign_check(p.private, bytes_of(value, 32), bytes_of(sig, len)), OK);
        for (size_t bit = 0; bit < len * 8; bit += 5) {
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, len)), ERR_AUTHENTICATION);
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t bit = 0; bit < 256; bit += 5) {
            value[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, len)), ERR_AUTHENTICATION);
            value[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t other = 0; other <= sizeof sig; other++)
            if (other != len) {
                assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, other)), ERR_AUTHENTICATION);
                assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(zero, other)), ERR_AUTHENTICATION);
            }
        assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(zero, len)), ERR_AUTHENTICATION);
        assert_int_equal(sign_check(p.public, (struct bytes){0}, bytes_of(sig, len)), ERR_AUTHENTICATION);
        assert_int_equal(sign_make(p.public, bytes_of(value, 32), sig, &len), ERR_CRYPTO); /* no private half */
        assert_int_equal(len, 0);
        pair_free(&p);
    }
}

static void test_a_key_verifies_only_its_own(void **state)
{
    (void)state;
    uint8_t value[32] = {1}, sig[SIGNATURE_MAX];
    size_t len;
    struct pair a = pair_of(PKI_EC256), b = pair_of(PKI_EC256);
    assert_int_equal(sign_make(a.private, bytes_of(value, 32), sig, &len), OK);
    assert_int_equal(sign_check(b.public, bytes_of(value, 32), bytes_of(sig, len)), ERR_AUTHENTICATION);
    assert_true(sign_key_equal(a.private, a.public));
    assert_false(sign_key_equal(a.private, b.public));
    pair_free(&a);
    pair_free(&b);
}

/* RFC 2409 5.1: type 1 padding over the value itself, whatever its length; and not with a DigestInfo. */
static void test_rsa_without_digest_info(void **state)
{
    (void)state;
    static const uint8_t sha256_info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                            0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    struct pair p = pair_of(PKI_RSA2048);
    uint8_t sig[SIGNATURE_MAX], with_info[51], value[HASH_MAX];
    size_t len;
    memset(value, 7, sizeof value);
    memcpy(with_info, sha256_info, sizeof sha256_info);
    memcpy(with_info + 19, value, 32);
    static const size_t sizes[] = {16, 20, 32, 48, 64};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_int_equal(sign_make(p.private, bytes_of(value, sizes[i]), sig, &len), OK);
        assert_int_equal(sign_check(p.public, bytes_of(value, sizes[i]), bytes_of(sig, len)), OK);
        assert_int_equal(sign_check(p.public, bytes_of(value, sizes[i] - 1), bytes_of(sig, len)), ERR_AUTHENTICATION);
    }
    assert_int_equal(sign_make(p.private, bytes_of(with_info, 51), sig, &len), OK);
    assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, len)), ERR_AUTHENTICATION);
    assert_int_equal(sign_make(p.private, bytes_of(value, 32), sig, &len), OK);
    assert_int_equal(sign_check(p.public, bytes_of(with_info, 51), bytes_of(sig, len)), ERR_AUTHENTICATION);
    pair_free(&p);
}

/* --- keys of our own making: bad paddings are signed with the private key itself (B18) --- */

static EVP_PKEY *raw_key(struct pki *pki)
{
    struct bytes der = pki_key_der(pki, NULL);
    const unsigned char *at = der.data;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    assert_non_null(key);
    return key;
}

static void raw_rsa(EVP_PKEY *key, const uint8_t block[256], uint8_t sig[256])
{
    size_t len = 256;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, block, 256), 1);
    EVP_PKEY_CTX_free(ctx);
}

static void test_h2018_16151_b18_bad_rsa_padding(void **state)
{
    (void)state;
    struct pair p = pair_of(PKI_RSA2048);
    EVP_PKEY *raw = raw_key(p.pki);
    uint8_t value[32], good[256], block[256], sig[256];
    memset(value, 0x42, sizeof value);
    memset(good, 0xff, sizeof good);
    good[0] = 0;
    good[1] = 1;
    good[256 - 33] = 0;
    memcpy(good + 224, value, 32);
    raw_rsa(raw, good, sig);
    assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, 256)), OK); /* so the others can fail */
    static const struct {
        size_t at;
        uint8_t byte;
    } changes[] = {{1, 0}, {1, 2}, {2, 0}, {2, 0xfe}, {100, 0xfe}, {100, 0}, {222, 0}, {222, 0xfe}, {223, 1}, {255, 0}};
    for (size_t i = 0; i < COUNT(changes); i++) {
        memcpy(block, good, 256);
        block[changes[i].at] = changes[i].byte;
        raw_rsa(raw, block, sig);
        if (sign_check(p.public, bytes_of(value, 32), bytes_of(sig, 256)) == OK)
            fail_msg("padding with %02x at %zu verified", changes[i].byte, changes[i].at);
    }
    /* Bleichenbacher's: little padding, the value, and garbage behind it. */
    memset(block, 0xaa, sizeof block);
    memcpy(block, good, 10);
    block[10] = 0;
    memcpy(block + 11, value, 32);
    raw_rsa(raw, block, sig);
    assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, 256)), ERR_AUTHENTICATION);
    memset(sig, 0xff, sizeof sig); /* not below the modulus */
    assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(sig, 256)), ERR_AUTHENTICATION);
    EVP_PKEY_free(raw);
    pair_free(&p);
}

/* r and s of 0 and of the order; and DER instead of the plain halves. */
static void test_b18_ecdsa_ranges(void **state)
{
    (void)state;
    static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    struct pair p = pair_of(PKI_EC256);
    uint8_t value[32] = {9}, sig[SIGNATURE_MAX], bad[64], n[32];
    size_t len;
    unhex(order, n, sizeof n);
    assert_int_equal(sign_make(p.private, bytes_of(value, 32), sig, &len), OK);
    for (unsigned half = 0; half < 2; half++)
        for (unsigned what = 0; what < 3; what++) {
            memcpy(bad, sig, 64);
            if (what == 0)
                memset(bad + half * 32, 0, 32);
            else if (what == 1)
                memcpy(bad + half * 32, n, 32);
            else
                memset(bad + half * 32, 0xff, 32);
            assert_int_equal(sign_check(p.public, bytes_of(value, 32), bytes_of(bad, 64)), ERR_AUTHENTICATION);
        }
    pair_free(&p);
}

/* RFC 4754 8.1: the signature of "abc". */
static void test_rfc4754_example(void **state)
{
    (void)state;
    static const char spki[] = "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
                               "2442a5cc0ecd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e970"
                               "6fc98bd7e50211a4a27102fa3549df79ebcb4bf246b80945cddfe7d509bbfd7d";
    static const char sig_hex[] = "cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c"
                                  "86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315";
    uint8_t der[128], sig[64], hash[HASH_MAX];
    struct sign_key *key;
    const struct bytes abc = bytes_of("abc", 3);
    assert_int_equal(hash_parts(PRF_HMAC_SHA2_256, &abc, 1, hash), OK);
    size_t len = unhex(spki, der, sizeof der);
    assert_int_equal(sign_key_read_public(bytes_of(der, len), 0, &key, &why), OK);
    unhex(sig_hex, sig, sizeof sig);
    assert_int_equal(sign_check(key, bytes_of(hash, 32), bytes_of(sig, 64)), OK);
    hash[0] ^= 1;
    assert_int_equal(sign_check(key, bytes_of(hash, 32), bytes_of(sig, 64)), ERR_AUTHENTICATION);
    sign_key_free(key);
    for (size_t i = 0; i < len; i++) /* every prefix */
        assert_int_equal(sign_key_read_public(bytes_of(der, i), 0, &key, &why), ERR_MALFORMED);
    der[len] = 0;
    assert_int_equal(sign_key_read_public(bytes_of(der, len + 1), 0, &key, &why), ERR_MALFORMED);
}

static void refused(struct bytes der, uint32_t allow, const char *word)
{
    struct sign_key *key;
    assert_int_equal(sign_key_read_public(der, allow, &key, &why), ERR_UNSUPPORTED);
    assert_null(key);
    if (strstr(text, word) == NULL)
        fail_msg("'%s' does not say '%s'", text, word);
}

static void test_weak_and_foreign_keys(void **state)
{
    (void)state;
    struct pki *weak = pki_ca("CN=x", PKI_RSA1024, NULL), *curve = pki_ca("CN=x", PKI_EC224, NULL);
    struct pki *other = pki_ca("CN=x", PKI_ED25519, NULL);
    struct sign_key *key;
    refused(pki_public_der(weak), 0, "allow = rsa1024");
    refused(pki_public_der(weak), ~(uint32_t)LEGACY_RSA1024, "allow = rsa1024");
    assert_int_equal(sign_key_read_public(pki_public_der(weak), LEGACY_RSA1024, &key, &why), OK);
    assert_int_equal(sign_key_bits(key), 1024);
    sign_key_free(key);
    refused(pki_public_der(curve), ~0u, "P-256");
    refused(pki_public_der(other), ~0u, "ED25519");
    pki_free(weak);
    pki_free(curve);
    pki_free(other);
    sign_key_free(NULL);
}

/* A public key of 2048 bits with this exponent. */
static struct bytes with_exponent(unsigned exponent, uint8_t out[600])
{
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_new(), *e = BN_new();
    EVP_PKEY *key = NULL;
    assert_true(BN_set_bit(n, 2047) == 1 && BN_set_bit(n, 0) == 1 && BN_set_word(e, exponent) == 1);
    assert_true(OSSL_PARAM_BLD_push_BN(b, "n", n) == 1 && OSSL_PARAM_BLD_push_BN(b, "e", e) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_true(EVP_PKEY_fromdata_init(ctx) == 1);
    assert_true(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    unsigned char *at = out;
    int len = i2d_PUBKEY(key, &at);
    assert_true(len > 0 && len <= 600);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_free(n);
    BN_free(e);
    return bytes_of(out, (size_t)len);
}

static void test_h2017_9022_exponents(void **state)
{
    (void)state;
    uint8_t der[600];
    struct sign_key *key;
    refused(with_exponent(1, der), ~0u, "exponent"); /* CVE-2017-9022 */
    refused(with_exponent(2, der), ~0u, "exponent");
    refused(with_exponent(65536, der), ~0u, "exponent");
    assert_int_equal(sign_key_read_public(with_exponent(3, der), 0, &key, &why), OK);
    sign_key_free(key);
    assert_int_equal(sign_key_read_public(with_exponent(65537, der), 0, &key, &why), OK);
    sign_key_free(key);
}

/* The largest s with s^3 <= the number that these bytes are. */
static void cube_root(const uint8_t block[256], uint8_t sig[256])
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *want = BN_bin2bn(block, 256, NULL), *s = BN_new(), *cube = BN_new();
    for (int bit = 700; bit >= 0; bit--) {
        assert_int_equal(BN_set_bit(s, bit), 1);
        assert_true(BN_sqr(cube, s, ctx) == 1 && BN_mul(cube, cube, s, ctx) == 1);
        if (BN_cmp(cube, want) > 0)
            assert_int_equal(BN_clear_bit(s, bit), 1);
    }
    assert_int_equal(BN_bn2binpad(s, sig, 256), 256);
    BN_free(want);
    BN_free(s);
    BN_free(cube);
    BN_CTX_free(ctx);
}

/* Without any private key: with exponent 3 the cube root of a block that begins rightly is a signature for a verifier
 * that does not look at what stands behind the value. */
static void test_h2018_16151_b18_exponent_3_forged_by_a_cube_root(void **state)
{
    (void)state;
    uint8_t der[600], value[32], block[256], sig[256];
    struct sign_key *key;
    memset(value, 0x42, sizeof value);
    assert_int_equal(sign_key_read_public(with_exponent(3, der), 0, &key, &why), OK);
    for (size_t padding = 0; padding <= 40; padding += 8) {
        memset(block, 0xff, sizeof block);
        block[0] = 0;
        block[1] = 1;
        block[2 + padding] = 0;
        memcpy(block + 3 + padding, value, sizeof value);
        cube_root(block, sig);
        assert_int_equal(sign_check(key, bytes_of(value, 32), bytes_of(sig, 256)), ERR_AUTHENTICATION);
    }
    sign_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_hashes),
        cmocka_unit_test(test_b17_only_the_right_signature_is_right),
        cmocka_unit_test(test_a_key_verifies_only_its_own),
        cmocka_unit_test(test_rsa_without_digest_info),
        cmocka_unit_test(test_h2018_16151_b18_bad_rsa_padding),
        cmocka_unit_test(test_b18_ecdsa_ranges),
        cmocka_unit_test(test_rfc4754_example),
        cmocka_unit_test(test_weak_and_foreign_keys),
        cmocka_unit_test(test_h2017_9022_exponents),
        cmocka_unit_test(test_h2018_16151_b18_exponent_3_forged_by_a_cube_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
