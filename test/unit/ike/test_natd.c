/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/natd.h"

static const uint64_t spi_i = 0x0123456789abcdef, spi_r = 0xfedcba9876543210;

static void digest(enum prf prf, const struct endpoint *end, uint8_t out[HASH_MAX])
{
    memset(out, 0, HASH_MAX);
    assert_int_equal(natd_hash(prf, spi_i, spi_r, end, out), OK);
}

/* Everything that goes in changes what comes out. */
static void each_value_counts(void **state)
{
    (void)state;
    uint8_t base[HASH_MAX], other[HASH_MAX];
    struct endpoint end = {an_address("192.0.2.1"), 500};
    digest(PRF_HMAC_SHA2_256, &end, base);
    end.port = 501;
    digest(PRF_HMAC_SHA2_256, &end, other);
    assert_memory_not_equal(base, other, 32);
    end = (struct endpoint){an_address("192.0.2.2"), 500};
    digest(PRF_HMAC_SHA2_256, &end, other);
    assert_memory_not_equal(base, other, 32);
    end = (struct endpoint){an_address("192.0.2.1"), 500};
    assert_int_equal(natd_hash(PRF_HMAC_SHA2_256, spi_i + 1, spi_r, &end, other), OK);
    assert_memory_not_equal(base, other, 32);
    assert_int_equal(natd_hash(PRF_HMAC_SHA2_256, spi_i, spi_r + 1, &end, other), OK);
    assert_memory_not_equal(base, other, 32);
    assert_int_equal(natd_hash(PRF_HMAC_SHA2_256, spi_r, spi_i, &end, other), OK);
    assert_memory_not_equal(base, other, 32);
}

/* Only the bytes of the family are hashed: an IPv4 address is not its mapped IPv6 form. */
static void the_family_decides_how_many_bytes(void **state)
{
    (void)state;
    uint8_t four[HASH_MAX], six[HASH_MAX];
    struct endpoint end = {an_address("192.0.2.1"), 500};
    digest(PRF_HMAC_SHA1, &end, four);
    end.address = an_address("::ffff:192.0.2.1");
    digest(PRF_HMAC_SHA1, &end, six);
    assert_memory_not_equal(four, six, 20);
}

/* RFC 3947 3.2; the digests come from Python's hashlib over CKY-I | CKY-R | address | port. */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        enum prf prf;
        const char *address;
        uint16_t port;
        const char *digest;
    } rows[] = {
        {PRF_HMAC_MD5, "192.0.2.1", 500, "72ea0459445241ba2a05d4dfef320d42"},
        {PRF_HMAC_SHA1, "192.0.2.1", 500, "b43b59394bf8bc930246a8f80b6fddf05c58d9bf"},
        {PRF_HMAC_SHA2_256, "198.51.100.7", 4500, "c3c3d849e7bcf4ba701ead8c0f1b2f488d8e4d153f921e5b764565523234a9d5"},
        {PRF_HMAC_SHA2_384, "2001:db8::1", 500,
         "95817b4231f1073407512c5c9e2d3f65ba9e4aac714be90a2474ebb83de0c2b8ba56ab47d7baefbd20fb1d9a5b720de2"},
        {PRF_HMAC_SHA2_512, "192.0.2.1", 0,
         "65166a0dd598eaceaea97f7f1f28aa44590bb942afe4d08255d7680d11f572794ab66741eca3600089d27d0273c3bdb749834f0b556f3"
         "db974ac83fd54492c50"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t got[HASH_MAX], want[HASH_MAX];
        const struct endpoint end = {an_address(rows[i].address), rows[i].port};
        digest(rows[i].prf, &end, got);
        size_t len = unhex(rows[i].digest, want, sizeof want);
        assert_memory_equal(got, want, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_counts),
        cmocka_unit_test(the_family_decides_how_many_bytes),
        cmocka_unit_test(known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
