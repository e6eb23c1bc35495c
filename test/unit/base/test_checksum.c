/* SPDX-License-Identifier: Apache-2.0 */
#include "base_test.h"

#include "base/checksum.h"
#include "base/wire.h"

/* One byte after the other: nothing in common with the code under test. */
static uint16_t naive(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        if (sum > 0xffff)
            sum = (sum & 0xffff) + 1;
    }
    return (uint16_t)(0xffff - sum);
}

static void test_known_values(void **state)
{
    (void)state;
    assert_int_equal(checksum_of(NULL, 0), 0xffff);
    assert_int_equal(checksum_of("\0\0\0", 3), 0xffff);
    assert_int_equal(checksum_of("\xff\xff", 2), 0);
    assert_int_equal(checksum_of("\x01", 1), 0xfeff); /* the missing byte is the low one */
    /* RFC 1071 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
    assert_int_equal(checksum_of("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8), 0xffff - 0xddf2);
}

/* Every length, alignment and a few fillings, in one run and cut in two at every even place. */
static void test_sweep(void **state)
{
    (void)state;
    uint8_t data[140];
    for (unsigned filling = 0; filling < 3; filling++) {
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)(filling == 0 ? 0xff : filling == 1 ? i * 37 + 11 : i % 5 == 0 ? 0xff : 0);
        for (size_t at = 0; at < 8; at++) {
            for (size_t len = 0; len <= 130; len++) {
                uint16_t expected = naive(data + at, len);
                assert_int_equal(checksum_of(data + at, len), expected);
                for (size_t cut = 0; cut <= len; cut += 2)
                    assert_int_equal(
                        checksum_finish(checksum_add(checksum_add(0, data + at, cut), data + at + cut, len - cut)),
                        expected);
            }
        }
    }
}

/* The longest packet of the largest bytes does not overflow. */
static void test_long(void **state)
{
    (void)state;
    static uint8_t data[65535];
    memset(data, 0xff, sizeof data);
    assert_int_equal(checksum_of(data, sizeof data), naive(data, sizeof data));
    uint64_t sum = 0;
    for (int i = 0; i < 100; i++)
        sum = checksum_add(sum, data, 65534);
    assert_int_equal(checksum_finish(sum), 0);
}

enum { TWIN_LEN = 4096, TWIN_ALIGN = 32 };

/* Fillings that carry much and little, then noise of a seed. */
static void fill(uint8_t *data, size_t len, unsigned filling)
{
    uint64_t state = 0x9e3779b97f4a7c15 + filling;
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        data[i] = filling == 0 ? 0 : filling == 1 ? 0xff : (uint8_t)(state >> 56);
    }
}

/* What the processor's own instructions sum, and copy, is what plain code does: every length; the alignments of source
 * and target take turns. */
static void test_twins(void **state)
{
    (void)state;
    static uint8_t data[TWIN_LEN + TWIN_ALIGN], copy[TWIN_LEN + TWIN_ALIGN + 1];
    for (unsigned filling = 0; filling < 4; filling++) {
        fill(data, sizeof data, filling);
        for (size_t len = 0; len <= TWIN_LEN; len++) {
            size_t from = len % TWIN_ALIGN, to = len / TWIN_ALIGN % TWIN_ALIGN;
            uint16_t expected = naive(data + from, len);
            assert_int_equal(checksum_of(data + from, len), expected);
            assert_int_equal(checksum_finish(checksum_add_portable(0, data + from, len)), expected);
            for (unsigned portable = 0; portable < 2; portable++) {
                memset(copy + to, 0x5a, len + 1);
                uint64_t sum = portable ? checksum_copy_portable(1, copy + to, data + from, len)
                                        : checksum_copy(1, copy + to, data + from, len);
                assert_int_equal(checksum_finish(sum), checksum_replace(expected, 0, 1));
                assert_memory_equal(copy + to, data + from, len);
                assert_int_equal(copy[to + len], 0x5a);
            }
        }
    }
}

/* Every alignment with every length around the widths of a register and its double. */
static void test_twins_at_edges(void **state)
{
    (void)state;
    static uint8_t data[3 * 64 + TWIN_ALIGN], copy[sizeof data];
    fill(data, sizeof data, 7);
    for (size_t from = 0; from < TWIN_ALIGN; from++) {
        for (size_t len = 0; len <= sizeof data - TWIN_ALIGN; len++) {
            uint16_t expected = naive(data + from, len);
            assert_int_equal(checksum_of(data + from, len), expected);
            assert_int_equal(checksum_finish(checksum_copy(0, copy + TWIN_ALIGN - from, data + from, len)), expected);
            assert_memory_equal(copy + TWIN_ALIGN - from, data + from, len);
        }
    }
}

/* Every checksum, with words at the edges: as if computed anew (RFC 1624 4: 0xffff must not come out). */
static void test_replace(void **state)
{
    (void)state;
    static const uint16_t words[] = {0, 1, 0x00ff, 0x7fff, 0x8000, 0xff00, 0xfffe, 0xffff};
    for (unsigned other = 0; other <= 0xffff; other++) {
        for (size_t b = 0; b < 8; b++) {
            uint8_t data[6] = {0x45};
            store_u16(data + 2, (uint16_t)other);
            store_u16(data + 4, words[b]);
            uint16_t old = checksum_of(data, sizeof data);
            for (size_t a = 0; a < 8; a++) {
                store_u16(data + 4, words[a]);
                assert_int_equal(checksum_replace(old, words[b], words[a]), checksum_of(data, sizeof data));
            }
        }
    }
    /* RFC 1624 4: the example in which equation 2 goes wrong */
    assert_int_equal(checksum_replace(0xdd2f, 0x5555, 0x3285), 0x0000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values), cmocka_unit_test(test_sweep),          cmocka_unit_test(test_long),
        cmocka_unit_test(test_twins),        cmocka_unit_test(test_twins_at_edges), cmocka_unit_test(test_replace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
