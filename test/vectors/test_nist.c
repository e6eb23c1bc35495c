/* SPDX-License-Identifier: Apache-2.0 */
/* NIST's files of CBC, SHA and ECDH, and the files of RFC 2202, 3686 and 4231, as the Debian package
 * python3-cryptography-vectors has them. Its GCM and CCM files have no case with the nonce and the additional data of
 * ESP. */
#include "test/vectors/vectors.h"

#include "crypto/aead_backend.h"
#include "crypto/cipher.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
#include "test/libraries.h"

static struct blob a, b, c, d;
static struct libraries libraries;

enum { INTEG_KEY = 32, INTEG_ICV = 16 };

/* The same text as the inside of a packet, under an ICV of ours: opened and sealed with every library. */
static void cbc_as_esp(void)
{
    struct aead_suite suite = {ENCR_AES_CBC, (uint16_t)(a.len * 8), INTEG_HMAC_SHA2_256_128, false};
    struct random random = random_system();
    uint8_t keymat[32 + INTEG_KEY], want[512] = {0, 0, 1, 1, 0, 0, 0, 1}, packet[512], hash[HASH_MAX];
    size_t covered = AEAD_HEADER + b.len + d.len;
    assert_true(covered + INTEG_ICV <= sizeof want);
    memcpy(keymat, a.data, a.len);
    memset(keymat + a.len, 0x3c, INTEG_KEY);
    memcpy(want + AEAD_HEADER, b.data, b.len);
    memcpy(want + AEAD_HEADER + b.len, d.data, d.len);
    struct bytes part = bytes_of(want, covered);
    assert_int_equal(prf_parts(PRF_HMAC_SHA2_256, bytes_of(keymat + a.len, INTEG_KEY), &part, 1, hash), OK);
    memcpy(want + covered, hash, INTEG_ICV);
    for (size_t i = 0; i < libraries.count; i++) {
        struct aead *aead;
        struct aead_job job = {.esp = packet, .text_len = (uint32_t)d.len};
        assert_int_equal(aead_new(libraries.all[i], &suite, bytes_of(keymat, a.len + INTEG_KEY), &random, &aead), OK);
        memcpy(packet, want, sizeof packet);
        aead_open(aead, &job, 1);
        assert_true(job.ok);
        assert_memory_equal(packet + AEAD_HEADER + b.len, c.data, c.len);
        aead_seal_given_iv(aead, &job, 1);
        assert_true(job.ok);
        assert_memory_equal(packet, want, sizeof packet);
        aead_free(aead);
    }
}

static size_t cbc_record(enum encr encr, const struct record *record)
{
    const char *single = record_get(record, "KEYs"), *aes = record_get(record, "KEY");
    char key_hex[64 * 3 + 1];
    if (record_get(record, "IV") == NULL)
        return 0;
    if (aes != NULL)
        (void)snprintf(key_hex, sizeof key_hex, "%.64s", aes);
    else if (single != NULL)
        (void)snprintf(key_hex, sizeof key_hex, "%.16s%.16s%.16s", single, single, single);
    else
        (void)snprintf(key_hex, sizeof key_hex, "%.16s%.16s%.16s", record_get(record, "KEY1"),
                       record_get(record, "KEY2"), record_get(record, "KEY3"));
    unhex(key_hex, &a);
    record_hex(record, "IV", &b);
    record_hex(record, "PLAINTEXT", &c);
    record_hex(record, "CIPHERTEXT", &d);
    assert_int_equal(c.len, d.len);
    if (encr == ENCR_AES_CBC)
        cbc_as_esp();
    bool encrypt = strcmp(record->section, "[ENCRYPT]") == 0;
    struct blob *from = encrypt ? &c : &d, *to = encrypt ? &d : &c;
    enum status status = (encrypt ? cbc_encrypt : cbc_decrypt)(encr, blob_bytes(&a), b.data, from->data, from->len);
    assert_int_equal(status, OK);
    assert_memory_equal(from->data, to->data, to->len);
    return 1;
}

static size_t cbc_file(enum encr encr, const char *path)
{
    struct records records;
    struct record record = {0};
    size_t ran = 0;
    if (!records_open(&records, path))
        return 0;
    while (records_next(&records, &record))
        ran += cbc_record(encr, &record);
    return ran;
}

static void test_aes_cbc(void **state)
{
    (void)state;
    static const char *const kinds[] = {"GFSbox", "KeySbox", "MMT", "VarKey", "VarTxt"};
    size_t ran = 0;
    if (access(DEBIAN_VECTORS "ciphers/AES/CBC/CBCMMT128.rsp", R_OK) != 0) {
        print_message("absent: python3-cryptography-vectors\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (int bits = 128; bits <= 256; bits += 64) {
            char path[160];
            (void)snprintf(path, sizeof path, DEBIAN_VECTORS "ciphers/AES/CBC/CBC%s%d.rsp", kinds[i], bits);
            ran += cbc_file(ENCR_AES_CBC, path);
        }
    report("NIST AES-CBC", ran);
}

static void test_3des_cbc(void **state)
{
    (void)state;
    static const char *const files[] = {"TCBCMMT1",    "TCBCMMT3",   "TCBCvartext", "TCBCvarkey",
                                        "TCBCinvperm", "TCBCpermop", "TCBCsubtab"};
    size_t ran = 0;
    if (access(DEBIAN_VECTORS "ciphers/3DES/CBC/TCBCMMT3.rsp", R_OK) != 0) {
        print_message("absent: python3-cryptography-vectors\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[160];
        (void)snprintf(path, sizeof path, DEBIAN_VECTORS "ciphers/3DES/CBC/%s.rsp", files[i]);
        ran += cbc_file(ENCR_3DES, path);
    }
    report("NIST 3DES-CBC", ran);
}

/* As the text of an ESP packet, whose nonce and IV the counter block holds; integrity is another matter. */
static void ctr_case(const struct aead_library *library, const struct random *random)
{
    uint8_t keymat[32 + 4 + 20] = {0}, packet[128] = {0};
    struct aead_suite suite = {ENCR_AES_CTR, (uint16_t)(a.len * 8), INTEG_HMAC_SHA1_96, false};
    struct aead *aead;
    memcpy(keymat, a.data, a.len);
    memcpy(keymat + a.len, b.data, 4);
    memcpy(packet + AEAD_HEADER, b.data + 4, 8);
    memcpy(packet + AEAD_HEADER + 8, c.data, c.len);
    assert_int_equal(aead_new(library, &suite, bytes_of(keymat, a.len + 24), random, &aead), OK);
    struct aead_job job = {.esp = packet, .text_len = (uint32_t)c.len};
    aead_seal_given_iv(aead, &job, 1);
    assert_true(job.ok);
    assert_memory_equal(packet + AEAD_HEADER + 8, d.data, d.len);
    aead_open(aead, &job, 1);
    assert_true(job.ok);
    assert_memory_equal(packet + AEAD_HEADER + 8, c.data, c.len);
    aead_free(aead);
}

static size_t ctr_record(const struct record *record, const struct random *random)
{
    record_hex(record, "KEY", &a);
    record_hex(record, "IV", &b);
    record_hex(record, "PLAINTEXT", &c);
    record_hex(record, "CIPHERTEXT", &d);
    assert_true(b.len == 16 && load_u32(b.data + 12) == 1 && c.len == d.len && c.len <= 64 && a.len <= 32);
    for (size_t i = 0; i < libraries.count; i++)
        ctr_case(libraries.all[i], random);
    return 1;
}

static void test_aes_ctr(void **state)
{
    (void)state;
    size_t ran = 0;
    struct random random = random_system();
    for (int bits = 128; bits <= 256; bits += 64) {
        struct records records;
        struct record record = {0};
        char path[160];
        (void)snprintf(path, sizeof path, DEBIAN_VECTORS "ciphers/AES/CTR/aes-%d-ctr.txt", bits);
        if (!records_open(&records, path))
            skip();
        while (records_next(&records, &record))
            ran += record_get(&record, "KEY") != NULL ? ctr_record(&record, &random) : 0;
    }
    report("RFC 3686 AES-CTR", ran);
}

/* Len is in bits; an empty message stands as "00". */
static size_t hash_file(enum prf prf, const char *path, bool keyed)
{
    struct records records;
    struct record record = {0};
    size_t ran = 0;
    if (!records_open(&records, path))
        return 0;
    while (records_next(&records, &record)) {
        const char *len = record_get(&record, "Len");
        uint8_t out[HASH_MAX];
        if (len == NULL)
            continue;
        record_hex(&record, "Msg", &a);
        record_hex(&record, "MD", &b);
        struct bytes message = bytes_of(a.data, keyed ? a.len : strtoul(len, NULL, 10) / 8);
        assert_true(message.len <= a.len && b.len <= prf_info(prf)->len);
        if (keyed) {
            record_hex(&record, "Key", &c);
            assert_int_equal(prf_parts(prf, blob_bytes(&c), &message, 1, out), OK);
        } else {
            assert_int_equal(hash_parts(prf, &message, 1, out), OK);
        }
        assert_memory_equal(out, b.data, b.len); /* two answers of RFC 4231 are truncated */
        ran++;
    }
    return ran;
}

static void test_hashes(void **state)
{
    (void)state;
    static const struct {
        enum prf prf;
        const char *path;
    } files[] = {
        {PRF_HMAC_MD5, "MD5/rfc-1321.txt"},
        {PRF_HMAC_SHA1, "SHA1/SHA1ShortMsg.rsp"},
        {PRF_HMAC_SHA1, "SHA1/SHA1LongMsg.rsp"},
        {PRF_HMAC_SHA2_256, "SHA2/SHA256ShortMsg.rsp"},
        {PRF_HMAC_SHA2_256, "SHA2/SHA256LongMsg.rsp"},
        {PRF_HMAC_SHA2_384, "SHA2/SHA384ShortMsg.rsp"},
        {PRF_HMAC_SHA2_384, "SHA2/SHA384LongMsg.rsp"},
        {PRF_HMAC_SHA2_512, "SHA2/SHA512ShortMsg.rsp"},
        {PRF_HMAC_SHA2_512, "SHA2/SHA512LongMsg.rsp"},
    };
    if (access(DEBIAN_VECTORS "hashes/MD5/rfc-1321.txt", R_OK) != 0) {
        print_message("absent: python3-cryptography-vectors\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[160];
        (void)snprintf(path, sizeof path, DEBIAN_VECTORS "hashes/%s", files[i].path);
        report(files[i].path, hash_file(files[i].prf, path, false));
    }
}

static void test_hmacs(void **state)
{
    (void)state;
    static const struct {
        enum prf prf;
        const char *path;
    } files[] = {
        {PRF_HMAC_MD5, "rfc-2202-md5.txt"},         {PRF_HMAC_SHA1, "rfc-2202-sha1.txt"},
        {PRF_HMAC_SHA2_256, "rfc-4231-sha256.txt"}, {PRF_HMAC_SHA2_384, "rfc-4231-sha384.txt"},
        {PRF_HMAC_SHA2_512, "rfc-4231-sha512.txt"},
    };
    if (access(DEBIAN_VECTORS "HMAC/rfc-2202-md5.txt", R_OK) != 0) {
        print_message("absent: python3-cryptography-vectors\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[160];
        (void)snprintf(path, sizeof path, DEBIAN_VECTORS "HMAC/%s", files[i].path);
        report(files[i].path, hash_file(files[i].prf, path, true));
    }
}

static enum group group_of_section(const char *section)
{
    return strncmp(section, "[EC -", 5) == 0   ? GROUP_ECP256
           : strncmp(section, "[ED -", 5) == 0 ? GROUP_ECP384
           : strncmp(section, "[EE -", 5) == 0 ? GROUP_ECP521
                                               : GROUP_NONE;
}

/* The value in exactly len bytes; false when it is larger than that. */
static bool fixed_size(const struct record *record, const char *key, size_t len, uint8_t *out)
{
    record_hex(record, key, &a);
    size_t skipped = a.len > len ? a.len - len : 0, padded = a.len < len ? len - a.len : 0;
    for (size_t i = 0; i < skipped; i++)
        if (a.data[i] != 0)
            return false;
    memset(out, 0, padded);
    memcpy(out + padded, a.data + skipped, a.len - skipped);
    return true;
}

/* Result: "P (...)", or "F (number - fault)". */
static void check_ecdh(const char *result, enum status status, const struct secret *shared, const uint8_t *z)
{
    int fault = result[0] == 'F' ? (int)strtol(result + 3, NULL, 10) : 0;
    if (fault == 0) {
        assert_int_equal(status, OK);
        assert_memory_equal(shared->data, z, shared->len);
    } else if (fault == 1 || fault == 2) { /* the peer's key is no point of the curve */
        assert_int_equal(status, ERR_MALFORMED);
        assert_null(shared->data);
    } else if (fault == 8) { /* another Z */
        assert_int_equal(status, OK);
        assert_memory_not_equal(shared->data, z, shared->len);
    }
}

static size_t ecdh_record(const struct record *record, struct vault *vault)
{
    enum group group = group_of_section(record->section);
    const char *result = record_get(record, "Result");
    if (group == GROUP_NONE || result == NULL)
        return 0;
    size_t len = group_info(group)->shared_len;
    uint8_t peer[132], private_value[66], z[66];
    if (!fixed_size(record, "QsCAVSx", len, peer) || !fixed_size(record, "QsCAVSy", len, peer + len))
        return 0; /* longer than the wire can say */
    assert_true(fixed_size(record, "dsIUT", len, private_value) && fixed_size(record, "Z", len, z));
    struct dh *dh;
    struct secret shared;
    if (dh_new_from_private(group, bytes_of(private_value, len), vault, &dh) != OK) {
        assert_non_null(strstr(result, "F (7 - ")); /* our own private value is out of range */
        return 1;
    }
    enum status status = dh_shared(dh, bytes_of(peer, 2 * len), &shared);
    check_ecdh(result, status, &shared, z);
    secret_free(&shared);
    dh_free(dh);
    return 1;
}

static void test_ecdh(void **state)
{
    (void)state;
    struct records records;
    struct record record = {0};
    size_t ran = 0;
    if (!records_open(&records, DEBIAN_VECTORS "asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax"))
        skip();
    struct vault *vault = vault_new();
    while (records_next(&records, &record))
        ran += ecdh_record(&record, vault);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
    report("NIST ECDH", ran);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aes_cbc), cmocka_unit_test(test_aes_ctr), cmocka_unit_test(test_3des_cbc),
        cmocka_unit_test(test_hashes),  cmocka_unit_test(test_hmacs),   cmocka_unit_test(test_ecdh),
    };
    libraries_make(&libraries);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    libraries_free(&libraries);
    return failed;
}
