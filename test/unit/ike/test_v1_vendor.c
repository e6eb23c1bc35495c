/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "crypto/hash.h"
#include "ike/v1_vendor.h"

static const uint8_t natt[16] = {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45,
                                 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f}; /* MD5("RFC 3947") */
static const uint8_t dpd[16] = {0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9,
                                0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00}; /* RFC 3706 5.1 */

static const uint8_t xauth[8] = {0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12};
static const uint8_t unity[16] = {0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9,
                                  0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc, 0x01, 0x00};

static unsigned read_one(uint8_t type, const void *data, size_t len)
{
    struct payloads p = {.count = 1, .items[0] = {.type = type, .body = bytes_of(data, len)}};
    return vendor_read(&p);
}

static void near_misses_announce_nothing(void **state)
{
    (void)state;
    uint8_t id[17] = {0};
    memcpy(id, natt, sizeof natt);
    for (size_t len = 0; len < 16; len++) {
        uint8_t *exact = exact_copy(natt, len);
        assert_int_equal(read_one(PAYLOAD_VENDOR, exact, len), 0);
        free(exact);
    }
    assert_int_equal(read_one(PAYLOAD_VENDOR, id, 17), 0);
    for (size_t bit = 0; bit < 128; bit++) {
        memcpy(id, natt, sizeof natt);
        id[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(read_one(PAYLOAD_VENDOR, id, 16), 0);
    }
    assert_int_equal(read_one(PAYLOAD_NOTIFY, natt, sizeof natt), 0);
    memset(id, 0, sizeof id);
    memcpy(id, xauth, sizeof xauth);
    for (size_t len = 0; len <= 17; len++)
        assert_int_equal(read_one(PAYLOAD_VENDOR, id, len), len == 8 ? VENDOR_XAUTH : 0);
}

static void known_ids_are_found_among_others(void **state)
{
    (void)state;
    assert_int_equal(read_one(PAYLOAD_VENDOR, natt, sizeof natt), VENDOR_NATT);
    assert_int_equal(read_one(PAYLOAD_VENDOR, dpd, sizeof dpd), VENDOR_DPD);
    assert_int_equal(read_one(PAYLOAD_VENDOR, xauth, sizeof xauth), VENDOR_XAUTH);
    assert_int_equal(read_one(PAYLOAD_VENDOR, unity, sizeof unity), VENDOR_UNITY);
    struct payloads p = {.count = 4};
    const struct bytes bodies[] = {bytes_of("XAUTH...", 8), bytes_of(dpd, 16), bytes_of(natt, 16), bytes_of(natt, 16)};
    for (size_t i = 0; i < 4; i++)
        p.items[i] = (struct payload){.type = PAYLOAD_VENDOR, .body = bodies[i]};
    assert_int_equal(vendor_read(&p), VENDOR_NATT | VENDOR_DPD);
    p.count = 0;
    assert_int_equal(vendor_read(&p), 0);
}

/* The ids are hashes of texts; RFC 3947 3.1 and the drafts say of which. */
static void ids_are_the_hashes_of_their_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned vendor;
    } rows[] = {
        {"RFC 3947", VENDOR_NATT},
        {"draft-ietf-ipsec-nat-t-ike-03", VENDOR_NATT_03},
        {"draft-ietf-ipsec-nat-t-ike-02\n", VENDOR_NATT_02N},
        {"draft-ietf-ipsec-nat-t-ike-02", VENDOR_NATT_02},
        {"FRAGMENTATION", VENDOR_FRAGMENTATION},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t hash[HASH_MAX];
        struct bytes text = bytes_of(rows[i].text, strlen(rows[i].text));
        assert_int_equal(hash_parts(PRF_HMAC_MD5, &text, 1, hash), OK);
        assert_int_equal(read_one(PAYLOAD_VENDOR, hash, 16), rows[i].vendor);
    }
}

static void fragmentation_has_flags(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint8_t flags;
        unsigned vendor;
    } rows[] = {
        {16, 0, VENDOR_FRAGMENTATION},
        {20, 0x80, VENDOR_FRAGMENTATION},
        {20, 0xc0, VENDOR_FRAGMENTATION},
        {20, 0x40, 0},
        {20, 0, 0},
        {17, 0x80, 0},
        {19, 0x80, 0},
        {21, 0x80, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t id[24] = {0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85,         0x25,
                          0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3, rows[i].flags};
        uint8_t *exact = exact_copy(id, rows[i].len);
        assert_int_equal(read_one(PAYLOAD_VENDOR, exact, rows[i].len), rows[i].vendor);
        free(exact);
    }
}

static void of_nat_traversal_the_newest_stays(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask < 64; mask++) {
        unsigned newest = vendor_newest_natt(mask);
        assert_int_equal(newest & ~(unsigned)VENDOR_NATT_ANY, mask & ~(unsigned)VENDOR_NATT_ANY);
        unsigned expected = mask & VENDOR_NATT       ? VENDOR_NATT
                            : mask & VENDOR_NATT_03  ? VENDOR_NATT_03
                            : mask & VENDOR_NATT_02N ? VENDOR_NATT_02N
                                                     : mask & VENDOR_NATT_02;
        assert_int_equal(newest & VENDOR_NATT_ANY, expected);
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    enum { BITS = 10 };
    for (unsigned mask = 0; mask < 1u << BITS; mask++) {
        uint8_t data[256] = {0};
        if (mask & (1u << 6 | 1u << 7)) /* nobody's */
            continue;
        struct payloads p;
        struct writer w = writer_of(data, sizeof data);
        write_u8(&w, 0);
        struct chain c = chain_begin(0);
        vendor_write(&c, &w, mask);
        assert_int_equal(writer_finish(&w), OK);
        assert_int_equal(payloads_read(data[0], bytes_of(data + 1, w.len - 1), false, &p), OK);
        assert_int_equal(vendor_read(&p), mask);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_misses_announce_nothing),      cmocka_unit_test(known_ids_are_found_among_others),
        cmocka_unit_test(ids_are_the_hashes_of_their_texts), cmocka_unit_test(fragmentation_has_flags),
        cmocka_unit_test(of_nat_traversal_the_newest_stays), cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
