/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/v1_vendor.h"

static const uint8_t natt[16] = {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45,
                                 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f}; /* MD5("RFC 3947") */
static const uint8_t dpd[16] = {0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9,
                                0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00}; /* RFC 3706 5.1 */

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
}

static void known_ids_are_found_among_others(void **state)
{
    (void)state;
    assert_int_equal(read_one(PAYLOAD_VENDOR, natt, sizeof natt), VENDOR_NATT);
    assert_int_equal(read_one(PAYLOAD_VENDOR, dpd, sizeof dpd), VENDOR_DPD);
    struct payloads p = {.count = 4};
    const struct bytes bodies[] = {bytes_of("XAUTH...", 8), bytes_of(dpd, 16), bytes_of(natt, 16), bytes_of(natt, 16)};
    for (size_t i = 0; i < 4; i++)
        p.items[i] = (struct payload){.type = PAYLOAD_VENDOR, .body = bodies[i]};
    assert_int_equal(vendor_read(&p), VENDOR_NATT | VENDOR_DPD);
    p.count = 0;
    assert_int_equal(vendor_read(&p), 0);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask <= (VENDOR_NATT | VENDOR_DPD); mask++) {
        uint8_t data[64] = {0};
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
        cmocka_unit_test(near_misses_announce_nothing),
        cmocka_unit_test(known_ids_are_found_among_others),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
