/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Project Wycheproof: what our interfaces can express of it. ESP fixes the additional data (8 bytes, or 12 with ESN),
 * the nonce (12 bytes, 11 of CCM) and the alignment (4); MACs are truncated by the caller; points are x|y. Nothing of
 * AES-GMAC can be expressed: in ESP the nonce is a part of what is authenticated, and in no case of that file is it.
 * What is ESP runs with every library.
 */
#include "test/vectors/vectors.h"

#include <jansson.h>

#include "crypto/aead.h"
#include "crypto/aead_backend.h"
#include "crypto/cipher.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "test/libraries.h"

static struct blob key, iv, aad, msg, ct, tag;
static struct libraries libraries;

typedef bool case_fn(const json_t *group, const json_t *test, unsigned param);

static const char *text_of(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    assert_non_null(value);
    return value;
}

static void field(const json_t *test, const char *name, struct blob *out)
{
    unhex(text_of(test, name), out);
}

static bool result_is(const json_t *test, const char *what)
{
    return strcmp(text_of(test, "result"), what) == 0;
}

static void wrong(const json_t *test, const char *why)
{
    fail_msg("case %lld (%s): %s", (long long)json_integer_value(json_object_get(test, "tcId")),
             text_of(test, "comment"), why);
}

/* Runs one file; skips, with a word, where it is absent. A case returns whether we could express it. */
static void run_file(const char *name, case_fn *one, unsigned param)
{
    char path[512];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/wycheproof/%s_test.json", SHARED_VECTORS, name);
    json_t *root = access(path, R_OK) == 0 ? json_load_file(path, 0, &error) : NULL;
    if (root == NULL) {
        print_message("absent: %s\n", path);
        skip();
    }
    size_t ran = 0, i, k;
    json_t *group, *test;
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            ran += one(group, test, param) ? 1 : 0;
        }
    }
    json_decref(root);
    report(name, ran);
}

/* Where it is valid, sealing gives the same bytes and opening the text; where it is not, opening refuses. */
static void check_esp(const json_t *test, struct aead *aead, const struct aead_shape *shape, bool esn)
{
    uint8_t packet[2048], sealed[2048];
    struct aead_job job = {.esp = packet, .text_len = (uint32_t)ct.len};
    job.sequence_high = esn ? load_u32(aad.data + 4) : 0;
    memcpy(packet, aad.data, 4);
    memcpy(packet + 4, aad.data + aad.len - 4, 4);
    memcpy(packet + AEAD_HEADER, iv.data + iv.len - shape->iv, shape->iv);
    memcpy(aead_text(&job, shape), ct.data, ct.len);
    memcpy(aead_icv(&job, shape), tag.data, tag.len);
    size_t len = (size_t)AEAD_HEADER + shape->iv + ct.len + shape->icv;
    memcpy(sealed, packet, len);
    aead_open(aead, &job, 1);
    if (job.ok != result_is(test, "valid"))
        wrong(test, job.ok ? "opened" : "did not open");
    if (!job.ok)
        return;
    if (memcmp(aead_text(&job, shape), msg.data, msg.len) != 0)
        wrong(test, "opened to another text");
    aead_seal_given_iv(aead, &job, 1);
    if (!job.ok || memcmp(packet, sealed, len) != 0)
        wrong(test, "sealed to other bytes");
}

static bool aead_case(const json_t *group, const json_t *test, unsigned encr)
{
    (void)group;
    field(test, "key", &key);
    field(test, "iv", &iv);
    field(test, "aad", &aad);
    field(test, "msg", &msg);
    field(test, "ct", &ct);
    field(test, "tag", &tag);
    bool esn = aad.len == 12;
    size_t salt = encr_info(encr)->salt;
    struct aead_suite suite = {(enum encr)encr, (uint16_t)(key.len * 8), INTEG_NONE, esn};
    struct aead_shape shape;
    if (iv.len != salt + 8 || (aad.len != 8 && !esn) || ct.len % 4 != 0 || ct.len > 1024 ||
        aead_shape(&suite, &shape) != OK || tag.len != shape.icv)
        return false;
    struct random random = random_system();
    memcpy(key.data + key.len, iv.data, salt);
    for (size_t i = 0; i < libraries.count; i++) {
        struct aead *aead;
        assert_int_equal(aead_new(libraries.all[i], &suite, bytes_of(key.data, key.len + salt), &random, &aead), OK);
        check_esp(test, aead, &shape, esn);
        aead_free(aead);
    }
    return true;
}

/* A message under HMAC is a packet with NULL encryption, where key and tag are long enough. */
static void check_null_esp(const json_t *test, unsigned integ)
{
    struct aead_suite suite = {ENCR_NULL, 0, (enum integ)integ, false};
    struct random random = random_system();
    const struct integ_info *info = integ_info(integ);
    if (key.len != info->key || tag.len < info->icv || msg.len < AEAD_HEADER || msg.len % 4 != 0)
        return;
    for (size_t i = 0; i < libraries.count; i++) {
        uint8_t packet[1024];
        struct aead *aead;
        struct aead_job job = {.esp = packet, .text_len = (uint32_t)msg.len - AEAD_HEADER};
        assert_true(msg.len + info->icv <= sizeof packet);
        memcpy(packet, msg.data, msg.len);
        memcpy(packet + msg.len, tag.data, info->icv);
        assert_int_equal(aead_new(libraries.all[i], &suite, blob_bytes(&key), &random, &aead), OK);
        aead_open(aead, &job, 1);
        if (job.ok != result_is(test, "valid") && tag.len == info->icv)
            wrong(test, "as a packet, it verifies wrongly");
        aead_seal_given_iv(aead, &job, 1);
        if (!job.ok || (result_is(test, "valid") && memcmp(packet + msg.len, tag.data, info->icv) != 0))
            wrong(test, "sealed to other bytes");
        aead_free(aead);
    }
}

static bool hmac_case(const json_t *group, const json_t *test, unsigned prf)
{
    (void)group;
    uint8_t out[HASH_MAX];
    field(test, "key", &key);
    field(test, "msg", &msg);
    field(test, "tag", &tag);
    struct bytes part = blob_bytes(&msg);
    assert_int_equal(prf_parts((enum prf)prf, blob_bytes(&key), &part, 1, out), OK);
    assert_true(tag.len <= prf_info(prf)->len);
    if (equal_constant_time(out, tag.data, tag.len) != result_is(test, "valid"))
        wrong(test, "verifies wrongly");
    check_null_esp(test, prf == PRF_HMAC_SHA1       ? INTEG_HMAC_SHA1_96
                         : prf == PRF_HMAC_SHA2_256 ? INTEG_HMAC_SHA2_256_128
                         : prf == PRF_HMAC_SHA2_384 ? INTEG_HMAC_SHA2_384_192
                                                    : INTEG_HMAC_SHA2_512_256);
    return true;
}

/* PKCS#5 as the test itself sees it: our CBC leaves padding alone. */
static bool padding_is_right(const uint8_t *data, size_t len, size_t *text_len)
{
    size_t pad = len > 0 ? data[len - 1] : 0;
    if (pad == 0 || pad > 16 || pad > len)
        return false;
    for (size_t i = len - pad; i < len; i++)
        if (data[i] != pad)
            return false;
    *text_len = len - pad;
    return true;
}

static bool cbc_case(const json_t *group, const json_t *test, unsigned encr)
{
    (void)group;
    size_t len = 0;
    field(test, "key", &key);
    field(test, "iv", &iv);
    field(test, "msg", &msg);
    field(test, "ct", &ct);
    struct blob *copy = &tag;
    *copy = ct;
    enum status status = cbc_decrypt((enum encr)encr, blob_bytes(&key), iv.data, ct.data, ct.len);
    bool valid = status == OK && padding_is_right(ct.data, ct.len, &len);
    if (valid != result_is(test, "valid"))
        wrong(test, "padding read wrongly");
    if (valid && (len != msg.len || memcmp(ct.data, msg.data, len) != 0))
        wrong(test, "another text");
    if (status == OK) {
        assert_int_equal(cbc_encrypt((enum encr)encr, blob_bytes(&key), iv.data, ct.data, ct.len), OK);
        assert_memory_equal(ct.data, copy->data, copy->len);
    }
    return true;
}

/* shared: what must come out; empty: the peer must be refused. */
static void check_dh(const json_t *test, enum group group, struct bytes peer, struct bytes shared)
{
    struct vault *vault = vault_new();
    struct dh *dh = NULL;
    struct secret out;
    assert_non_null(vault);
    assert_int_equal(dh_new_from_private(group, blob_bytes(&key), vault, &dh), OK);
    enum status status = dh_shared(dh, peer, &out);
    if (shared.len == 0 ? status != ERR_MALFORMED : status != OK)
        wrong(test, status == OK ? "the peer's value was taken" : "the peer's value was refused");
    if (status == OK && (out.len != shared.len || memcmp(out.data, shared.data, shared.len) != 0))
        wrong(test, "another secret");
    secret_free(&out);
    dh_free(dh);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

/* Wycheproof leaves the all-zero secret to the protocol: RFC 8031 refuses it. */
static bool x25519_case(const json_t *group, const json_t *test, unsigned id)
{
    (void)group;
    static const uint8_t zero[32];
    field(test, "private", &key);
    field(test, "public", &msg);
    field(test, "shared", &tag);
    assert_int_equal(tag.len, 32);
    bool refuse = memcmp(tag.data, zero, sizeof zero) == 0;
    check_dh(test, (enum group)id, blob_bytes(&msg), bytes_of(tag.data, refuse ? 0 : tag.len));
    return true;
}

/* A point on the wire of IKE is 04|x|y without the 04; compressed points cannot be said there. */
static bool ecdh_case(const json_t *group, const json_t *test, unsigned id)
{
    (void)group;
    const char *private_value = text_of(test, "private");
    field(test, "public", &msg);
    field(test, "shared", &tag);
    if (strlen(private_value) % 2 != 0 || msg.len == 0 || msg.data[0] != 4)
        return false;
    unhex(private_value, &key);
    check_dh(test, (enum group)id, bytes_of(msg.data + 1, msg.len - 1),
             bytes_of(tag.data, result_is(test, "invalid") ? 0 : tag.len));
    return true;
}

/* What the signature of RFC 8017 9.2 covers besides the hash: IKEv1 leaves it out, so here it is a part of the value.
 */
static size_t digest_info(enum prf prf, uint8_t out[19 + HASH_MAX])
{
    uint8_t info[19] = {0x30, 0,    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                        0x65, 0x03, 0x04, 0x02, 0,    0x05, 0x00, 0x04, 0};
    uint8_t len = prf_info(prf)->len;
    info[1] = (uint8_t)(len + 17);
    info[14] = prf == PRF_HMAC_SHA2_256 ? 1 : prf == PRF_HMAC_SHA2_384 ? 2 : 3;
    info[18] = len;
    memcpy(out, info, sizeof info);
    return sizeof info;
}

/* "acceptable" is the DigestInfo without its NULL: not for us. */
static bool sign_case(const json_t *group, const json_t *test, unsigned prf)
{
    char text[256];
    const struct why why = {text, sizeof text};
    uint8_t value[19 + HASH_MAX];
    struct sign_key *public;
    field(group, "publicKeyDer", &key);
    field(test, "msg", &msg);
    field(test, "sig", &tag);
    if (sign_key_read_public(blob_bytes(&key), 0, &public, &why) != OK)
        fail_msg("a key was refused: %s", text);
    const struct bytes part = blob_bytes(&msg);
    size_t before = sign_key_method(public) == SIGN_RSA ? digest_info((enum prf)prf, value) : 0;
    assert_int_equal(hash_parts((enum prf)prf, &part, 1, value + before), OK);
    enum status status = sign_check(public, bytes_of(value, before + prf_info(prf)->len), blob_bytes(&tag));
    sign_key_free(public);
    if (status != (result_is(test, "valid") ? OK : ERR_AUTHENTICATION))
        wrong(test, status == OK ? "verified" : "did not verify");
    return true;
}

#define TEST_FILE(name, one, param)                                                                                    \
    static void test_##name(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_file(#name, one, param);                                                                                   \
    }

TEST_FILE(aes_gcm, aead_case, ENCR_AES_GCM_16)
TEST_FILE(aes_ccm, aead_case, ENCR_AES_CCM_16)
TEST_FILE(chacha20_poly1305, aead_case, ENCR_CHACHA20_POLY1305)
TEST_FILE(aes_cbc_pkcs5, cbc_case, ENCR_AES_CBC)
TEST_FILE(hmac_sha1, hmac_case, PRF_HMAC_SHA1)
TEST_FILE(hmac_sha256, hmac_case, PRF_HMAC_SHA2_256)
TEST_FILE(hmac_sha384, hmac_case, PRF_HMAC_SHA2_384)
TEST_FILE(hmac_sha512, hmac_case, PRF_HMAC_SHA2_512)
TEST_FILE(x25519, x25519_case, GROUP_CURVE25519)
TEST_FILE(ecdh_secp256r1_ecpoint, ecdh_case, GROUP_ECP256)
TEST_FILE(ecdh_secp384r1_ecpoint, ecdh_case, GROUP_ECP384)
TEST_FILE(ecdh_secp521r1_ecpoint, ecdh_case, GROUP_ECP521)
TEST_FILE(rsa_signature_2048_sha256, sign_case, PRF_HMAC_SHA2_256)
TEST_FILE(rsa_signature_3072_sha384, sign_case, PRF_HMAC_SHA2_384)
TEST_FILE(rsa_signature_4096_sha512, sign_case, PRF_HMAC_SHA2_512)
TEST_FILE(ecdsa_secp256r1_sha256_p1363, sign_case, PRF_HMAC_SHA2_256)
TEST_FILE(ecdsa_secp384r1_sha384_p1363, sign_case, PRF_HMAC_SHA2_384)
TEST_FILE(ecdsa_secp521r1_sha512_p1363, sign_case, PRF_HMAC_SHA2_512)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aes_gcm),
        cmocka_unit_test(test_aes_ccm),
        cmocka_unit_test(test_chacha20_poly1305),
        cmocka_unit_test(test_aes_cbc_pkcs5),
        cmocka_unit_test(test_hmac_sha1),
        cmocka_unit_test(test_hmac_sha256),
        cmocka_unit_test(test_hmac_sha384),
        cmocka_unit_test(test_hmac_sha512),
        cmocka_unit_test(test_x25519),
        cmocka_unit_test(test_ecdh_secp256r1_ecpoint),
        cmocka_unit_test(test_ecdh_secp384r1_ecpoint),
        cmocka_unit_test(test_ecdh_secp521r1_ecpoint),
        cmocka_unit_test(test_rsa_signature_2048_sha256),
        cmocka_unit_test(test_rsa_signature_3072_sha384),
        cmocka_unit_test(test_rsa_signature_4096_sha512),
        cmocka_unit_test(test_ecdsa_secp256r1_sha256_p1363),
        cmocka_unit_test(test_ecdsa_secp384r1_sha384_p1363),
        cmocka_unit_test(test_ecdsa_secp521r1_sha512_p1363),
    };
    libraries_make(&libraries);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    libraries_free(&libraries);
    return failed;
}
