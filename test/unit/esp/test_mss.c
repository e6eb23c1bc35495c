/* SPDX-License-Identifier: Apache-2.0 */
#include "test/inner.h"
#include "test/unit/unit_test.h"

#include "esp/mss.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, PACKET_MAX = 256 };

struct built {
    uint8_t data[PACKET_MAX];
    size_t len;
    struct flow flow;
};

/* Writes the TCP header and its right checksum behind what is there. */
static void finish_tcp(struct built *p, size_t upper, unsigned flags, const void *options, size_t options_len)
{
    uint8_t *tcp = p->data + upper;
    assert_true(options_len <= 40 && options_len % 4 == 0);
    store_u16(tcp, 4711);
    store_u16(tcp + 2, 443);
    store_u32(tcp + 4, 0x01020304);
    tcp[12] = (uint8_t)((20 + options_len) / 4 << 4);
    tcp[13] = (uint8_t)flags;
    store_u16(tcp + 14, 0xfaf0);
    memcpy(tcp + 20, options, options_len);
    p->len = upper + 20 + options_len;
    if (p->data[0] >> 4 == 4)
        store_u16(p->data + 2, (uint16_t)p->len);
    else
        store_u16(p->data + 4, (uint16_t)(p->len - 40));
    assert_int_equal(flow_read(bytes_of(p->data, p->len), &p->flow, NULL), OK);
    assert_int_equal(p->flow.upper, upper);
    store_u16(tcp + 16, (uint16_t)(0xffff - naive_upper_sum(p->data, p->len, &p->flow)));
}

static struct built ipv4(unsigned flags, const void *options, size_t options_len)
{
    struct built p = {.data = {0x46, 0, 0, 0, 0, 1, 0, 0, 64, 6}};
    memcpy(p.data + 12, "\x0a\x01\x00\x02\x0a\x03\x00\x09\x94\x04\x00\x00", 12);
    finish_tcp(&p, 24, flags, options, options_len);
    return p;
}

/* chain: whole extension headers, of which the first has the number `next`. */
static struct built ipv6(unsigned flags, const void *options, size_t options_len, uint8_t next, const void *chain,
                         size_t chain_len)
{
    struct built p = {.data = {0x60, 0, 0, 0, 0, 0, next, 64}};
    memcpy(p.data + 8, "\x20\x01\x0d\xb8\0\1\0\0\0\0\0\0\0\0\0\2\x20\x01\x0d\xb8\0\2\0\0\0\0\0\0\0\0\0\x09", 32);
    memcpy(p.data + 40, chain, chain_len);
    finish_tcp(&p, 40 + chain_len, flags, options, options_len);
    return p;
}

/* On the heap and of the exact size, so that a sanitizer sees the first byte too far. */
static bool clamp(struct built *p, uint32_t limit)
{
    uint8_t *copy = malloc(p->len);
    assert_non_null(copy);
    memcpy(copy, p->data, p->len);
    bool changed = mss_clamp(copy, p->len, &p->flow, limit);
    assert_int_equal(changed, memcmp(copy, p->data, p->len) != 0);
    memcpy(p->data, copy, p->len);
    free(copy);
    return changed;
}

static void assert_unchanged(struct built p, uint32_t limit)
{
    struct built before = p;
    assert_false(clamp(&p, limit));
    assert_memory_equal(p.data, before.data, sizeof p.data);
}

static void assert_right(const struct built *p)
{
    assert_int_equal(naive_upper_sum(p->data, p->len, &p->flow), 0xffff);
}

static const uint8_t mss1460[] = {2, 4, 0x05, 0xb4};

static void test_only_syn(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 256; flags++) {
        struct built p = ipv4(flags, mss1460, sizeof mss1460);
        bool syn = (flags & SYN) != 0 && (flags & (RST | FIN)) == 0;
        assert_int_equal(clamp(&p, 1300), syn);
        assert_int_equal(load_u16(p.data + 24 + 22), syn ? 1300 : 1460);
        assert_right(&p);
    }
}

static void test_not_tcp_or_not_visible(void **state)
{
    (void)state;
    struct built p = ipv4(SYN, mss1460, sizeof mss1460);
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        p.flow.protocol = (uint8_t)protocol;
        if (protocol != PROTOCOL_TCP)
            assert_unchanged(p, 1);
    }
    p = ipv4(SYN, mss1460, sizeof mss1460);
    p.flow.upper = 0; /* a later fragment, whose protocol was borrowed from the first one */
    p.flow.is_fragment = true;
    p.flow.fragment_offset = 8;
    assert_unchanged(p, 1);
}

/* A first fragment may end anywhere: without the whole option list nothing is changed. */
static void test_cut_short(void **state)
{
    (void)state;
    struct built whole = ipv4(SYN, mss1460, sizeof mss1460);
    for (size_t len = 24; len < whole.len; len++) {
        struct built p = whole;
        p.len = len;
        assert_unchanged(p, 1);
    }
    assert_true(clamp(&whole, 1));
}

static void test_data_offset(void **state)
{
    (void)state;
    for (unsigned words = 0; words < 16; words++) {
        struct built p = ipv4(SYN, mss1460, sizeof mss1460);
        p.data[24 + 12] = (uint8_t)(words << 4);
        if (words != 6)
            assert_unchanged(p, 1);
        else
            assert_true(clamp(&p, 1));
    }
}

static void test_limit_and_value(void **state)
{
    (void)state;
    struct built p = ipv4(SYN, mss1460, sizeof mss1460);
    assert_unchanged(p, 0); /* asked for wrongly */
    assert_unchanged(p, 1460);
    assert_unchanged(p, 1461);
    assert_unchanged(p, 65535);
    assert_unchanged(p, 65536 + 1);
    assert_unchanged(p, UINT32_MAX);
    for (unsigned value = 0; value <= 0xffff; value += 5) {
        static const uint32_t limits[] = {1, 536, 1220, 1360, 0xff00, 0xffff};
        for (size_t i = 0; i < COUNT(limits); i++) {
            uint8_t option[4] = {2, 4, (uint8_t)(value >> 8), (uint8_t)value};
            p = ipv4(SYN | ACK, option, sizeof option);
            assert_int_equal(clamp(&p, limits[i]), value > limits[i]);
            assert_int_equal(load_u16(p.data + 24 + 22), value > limits[i] ? limits[i] : value);
            assert_right(&p);
        }
    }
}

struct row {
    const char *name;
    size_t len;
    const char *options;
    size_t at; /* of the value in the options; 0: nothing may change */
};

/* clang-format off */
static const struct row rows[] = {
    {"none",                   0,  "", 0},
    {"no MSS",                 4,  "\1\1\4\2", 0},
    {"length 0",               4,  "\2\0\5\xb4", 0},
    {"length 1",               4,  "\2\1\5\xb4", 0},
    {"length 2",               4,  "\2\2\5\xb4", 0},
    {"length 3",               4,  "\2\3\5\xb4", 0},
    {"length 5",               8,  "\2\5\5\xb4\1\1\1\1", 0},
    {"length 255",             4,  "\2\xff\5\xb4", 0},
    {"begins at the end",      4,  "\1\1\1\2", 0},
    {"begins before the end",  4,  "\1\1\2\4", 0},
    {"one byte is missing",    4,  "\1\2\4\5", 0},
    {"behind the end",         8,  "\1\1\1\0\2\4\5\xb4", 0},
    {"behind a length 0",      8,  "\x08\0\1\1\2\4\5\xb4", 0},
    {"behind a length 1",      8,  "\x08\1\1\1\2\4\5\xb4", 0},
    {"behind one too long",    8,  "\x08\x09\1\1\2\4\5\xb4", 0},
    {"before a broken one",    8,  "\2\4\5\xb4\1\1\x08\3", 0},
    {"before a length 0",      8,  "\2\4\5\xb4\x08\0\1\1", 0},
    {"inside another",         12, "\xfd\x08\2\4\5\xb4\2\4\1\1\1\1", 0},
    {"alone",                  4,  "\2\4\5\xb4", 2},
    {"at an odd place",        8,  "\1\2\4\5\xb4\1\1\1", 3},
    {"at the end",             8,  "\1\1\1\1\2\4\5\xb4", 6},
    {"at the end, odd",        8,  "\1\1\1\2\4\5\xb4\0", 5},
    {"garbage behind the end", 8,  "\2\4\5\xb4\0\x08\0\xff", 2},
    {"as Linux sends it",      20, "\2\4\5\xb4\4\2\x08\x0a\1\2\3\4\0\0\0\0\1\3\3\7", 2},
    {"last of forty",          40, "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\2\4\5\xb4", 38},
};
/* clang-format on */

static void check_row(const struct row *row, struct built p)
{
    struct built before = p;
    bool changed = clamp(&p, 1234);
    if (changed != (row->at != 0))
        fail_msg("'%s': changed: %d", row->name, changed);
    assert_right(&p);
    if (changed)
        store_u16(before.data + before.flow.upper + 20 + row->at, 1234);
    memcpy(before.data + before.flow.upper + 16, p.data + p.flow.upper + 16, 2); /* the checksum, seen right */
    assert_memory_equal(p.data, before.data, sizeof p.data);
}

static void test_option_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_row(&rows[i], ipv4(SYN, rows[i].options, rows[i].len));
        check_row(&rows[i], ipv6(SYN | ACK, rows[i].options, rows[i].len, 6, "", 0));
        check_row(&rows[i], ipv6(SYN, rows[i].options, rows[i].len, 60, "\6\0\1\4\0\0\0\0", 8));
    }
}

/* Whichever of two the receiver believes. */
static void test_two_options(void **state)
{
    (void)state;
    struct built p = ipv4(SYN, "\2\4\5\xb4\1\2\4\5\xb5\1\1\1", 12);
    assert_true(clamp(&p, 1000));
    assert_int_equal(load_u16(p.data + 46), 1000);
    assert_int_equal(load_u16(p.data + 51), 1000);
    assert_right(&p);
    p = ipv4(SYN, "\2\4\1\xb4\2\4\5\xb5", 8);
    assert_true(clamp(&p, 1000));
    assert_int_equal(load_u16(p.data + 46), 0x1b4);
    assert_int_equal(load_u16(p.data + 50), 1000);
    assert_right(&p);
}

/* AH signs the TCP header: the peer's host would drop what we change. */
static void test_signed(void **state)
{
    (void)state;
    static const uint8_t ah[24] = {6, 4, 0, 0, 0, 0, 1, 1};
    assert_unchanged(ipv6(SYN, mss1460, 4, 51, ah, sizeof ah), 1);
    static const uint8_t chain[] = {44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* hop by hop, 16 bytes */
                                    51, 9, 0, 0,  0, 0, 0, 7, /* an atomic fragment; 9 is no length there */
                                    6,  4, 0, 0,  0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_unchanged(ipv6(SYN, mss1460, 4, 0, chain, sizeof chain), 1);
    static const uint8_t fragment[] = {6, 51, 0, 0, 51, 51, 51, 51};
    struct built p = ipv6(SYN, mss1460, 4, 44, fragment, sizeof fragment);
    assert_true(clamp(&p, 1));
    assert_right(&p);
}

/* Every error that a checksum can have stays that error. */
static void test_wrong_checksum(void **state)
{
    (void)state;
    for (unsigned error = 0; error < 0xffff; error += 3) {
        struct built p = error % 2 == 0 ? ipv4(SYN, "\2\4\5\xb4", 4) : ipv4(SYN, "\1\2\4\5\xb4\1\1\1", 8);
        store_u16(p.data + 40, (uint16_t)(load_u16(p.data + 40) + error));
        uint32_t before = naive_upper_sum(p.data, p.len, &p.flow);
        assert_true(clamp(&p, 1000));
        assert_int_equal(naive_upper_sum(p.data, p.len, &p.flow), before);
    }
}

static void test_mss_of_mtu(void **state)
{
    (void)state;
    assert_int_equal(mss_of_mtu(4, 1500), 1460);
    assert_int_equal(mss_of_mtu(6, 1500), 1440);
    assert_int_equal(mss_of_mtu(6, 1280), 1220);
    assert_int_equal(mss_of_mtu(4, 576), 536);
    assert_int_equal(mss_of_mtu(4, 68), 28);
    assert_int_equal(mss_of_mtu(4, 41), 1);
    for (uint32_t mtu = 0; mtu <= 40; mtu++)
        assert_int_equal(mss_of_mtu(4, mtu), 1);
    for (uint32_t mtu = 0; mtu <= 61; mtu++)
        assert_int_equal(mss_of_mtu(6, mtu), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_syn),        cmocka_unit_test(test_not_tcp_or_not_visible),
        cmocka_unit_test(test_cut_short),       cmocka_unit_test(test_data_offset),
        cmocka_unit_test(test_limit_and_value), cmocka_unit_test(test_option_lists),
        cmocka_unit_test(test_two_options),     cmocka_unit_test(test_signed),
        cmocka_unit_test(test_wrong_checksum),  cmocka_unit_test(test_mss_of_mtu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
