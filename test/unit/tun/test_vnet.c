/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/vnet.h"

#include "test/unit/unit_test.h"

static enum status read_it(unsigned flags, unsigned type, uint16_t gso_size, struct vnet *out)
{
    uint8_t header[VNET_HEADER] = {(uint8_t)flags, (uint8_t)type};
    const uint16_t fields[] = {54, gso_size, 20, 16};
    memcpy(header + 2, fields, sizeof fields);
    return vnet_read(bytes_of(header, sizeof header), out);
}

static void test_length(void **state)
{
    (void)state;
    static const uint8_t bytes[12];
    struct vnet v;
    for (size_t len = 0; len <= sizeof bytes; len++)
        assert_int_equal(vnet_read(bytes_of(bytes, len), &v), len == VNET_HEADER ? OK : ERR_MALFORMED);
}

/* Every type, with and without something to sum and a size. */
static void test_types(void **state)
{
    (void)state;
    struct vnet v;
    for (unsigned type = 0; type < 256; type++) {
        bool ecn = (type & 0x80) != 0;
        unsigned kind = type & 0x7f;
        bool is_tcp = kind == 1 || kind == 4, known = is_tcp || kind == 5;
        for (unsigned flags = 0; flags < 256; flags++) {
            for (uint16_t size = 0; size < 2; size++) {
                enum status expected = ERR_UNSUPPORTED;
                if (kind == 0)
                    expected = ecn ? ERR_MALFORMED : OK;
                else if (known)
                    expected = (flags & 1) != 0 && size > 0 && (is_tcp || !ecn) ? OK : ERR_MALFORMED;
                assert_int_equal(read_it(flags, type, size, &v), expected);
            }
        }
    }
}

static void test_fields(void **state)
{
    (void)state;
    struct vnet v;
    assert_int_equal(read_it(1, 0x81, 1448, &v), OK);
    assert_int_equal(v.gso, VNET_GSO_TCPV4);
    assert_true(v.needs_checksum);
    assert_int_equal(v.gso_size, 1448);
    assert_int_equal(v.headers, 54);
    assert_int_equal(v.checksum_start, 20);
    assert_int_equal(v.checksum_offset, 16);
    assert_int_equal(read_it(2, 0, 1448, &v), OK); /* data valid; a size without gso means nothing */
    assert_false(v.needs_checksum);
    assert_int_equal(v.gso_size, 0);
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    static const struct vnet all[] = {
        {.gso = VNET_GSO_NONE},
        {.gso = VNET_GSO_NONE, .needs_checksum = true, .checksum_start = 20, .checksum_offset = 6},
        {VNET_GSO_TCPV4, true, 1, 2, 3, 4},
        {VNET_GSO_TCPV6, true, 0xff01, 0xff02, 0xff03, 0xff04},
        {VNET_GSO_UDP_L4, true, 1200, 48, 40, 6},
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        uint8_t header[VNET_HEADER];
        struct vnet v;
        vnet_write(&all[i], header);
        assert_int_equal(vnet_read(bytes_of(header, sizeof header), &v), OK);
        assert_int_equal(v.gso, all[i].gso);
        assert_int_equal(v.needs_checksum, all[i].needs_checksum);
        assert_int_equal(v.gso_size, all[i].gso_size);
        assert_int_equal(v.headers, all[i].headers);
        assert_int_equal(v.checksum_start, all[i].checksum_start);
        assert_int_equal(v.checksum_offset, all[i].checksum_offset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
