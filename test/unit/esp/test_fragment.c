/* SPDX-License-Identifier: Apache-2.0 */
#include "test/inner.h"
#include "test/unit/unit_test.h"

#include "esp/fragment.h"

enum { DF = 0x4000, MF = 0x2000, RESERVED = 0x8000, HEADROOM = 64 };

static uint8_t data[65536], whole[65536], buffer[HEADROOM + 65536];

/* An IPv4 packet in data, with counting bytes as its payload. Returns its length. */
static size_t make(const void *options, size_t options_len, size_t payload, unsigned fragment)
{
    size_t header = 20 + options_len, len = header + payload;
    assert_true(len <= 65535 && options_len % 4 == 0);
    memset(data, 0, header);
    data[0] = (uint8_t)(0x40 | header / 4);
    data[1] = 0xb9;
    store_u16(data + 2, (uint16_t)len);
    store_u16(data + 4, 0xbeef);
    store_u16(data + 6, (uint16_t)fragment);
    data[8] = 63;
    data[9] = 17;
    memcpy(data + 12, "\x0a\x01\x00\x02\x0a\x03\x00\x09", 8);
    memcpy(data + 20, options, options_len);
    for (size_t i = 0; i < payload; i++)
        data[header + i] = (uint8_t)(i ^ i >> 8);
    store_u16(data + 10, (uint16_t)(0xffff - naive_sum(0, data, header)));
    return len;
}

static struct packet room(void)
{
    return packet_of(buffer, sizeof buffer, HEADROOM);
}

/* What every fragment must be, whatever it was cut from. */
static void check_fragment(const struct packet *p, uint32_t mtu, bool last)
{
    const uint8_t *ip = packet_data(p);
    size_t header = (size_t)(ip[0] & 15) * 4, len = 0;
    struct flow flow;
    assert_int_equal(p->offset, HEADROOM);
    assert_true(p->len <= mtu);
    assert_int_equal(flow_read(bytes_of(ip, p->len), &flow, &len), OK);
    assert_int_equal(len, p->len);
    assert_int_equal(naive_sum(0, ip, header), 0xffff);
    if (!last) {
        assert_int_equal((p->len - header) % 8, 0);
        assert_true(p->len + 8 > mtu); /* as few fragments as may be */
    }
    /* what no fragment changes: TOS, identification, hops, protocol, addresses */
    assert_int_equal(ip[1], data[1]);
    assert_memory_equal(ip + 4, data + 4, 2);
    assert_memory_equal(ip + 8, data + 8, 2);
    assert_memory_equal(ip + 12, data + 12, 8);
}

/* Cuts data and puts it together again in whole. Returns the number of fragments. */
static size_t cut(size_t len, uint32_t mtu)
{
    struct fragmenter f;
    assert_int_equal(fragment_begin(&f, bytes_of(data, len), mtu), OK);
    size_t n = 0, header = (size_t)(data[0] & 15) * 4, at = 0;
    unsigned original = load_u16(data + 6);
    memset(whole, 0, sizeof whole);
    for (struct packet p = room(); fragment_next(&f, &p); p = room(), n++) {
        const uint8_t *ip = packet_data(&p);
        size_t its_header = (size_t)(ip[0] & 15) * 4, payload = p.len - its_header;
        bool last = at + payload == len - header;
        check_fragment(&p, mtu, last);
        assert_int_equal(load_u16(ip + 6), original + at / 8 + (last || (original & MF) != 0 ? 0 : MF));
        if (n == 0)
            memcpy(whole, ip, header);
        assert_true(at + payload <= len - header);
        memcpy(whole + header + at, ip + its_header, payload);
        at += payload;
    }
    assert_int_equal(at, len - header);
    memcpy(whole + 2, data + 2, 2); /* what the receiver writes anew */
    memcpy(whole + 6, data + 6, 2);
    memcpy(whole + 10, data + 10, 2);
    assert_memory_equal(whole, data, len);
    struct packet none = room();
    assert_false(fragment_next(&f, &none));
    return n;
}

static enum status begin(size_t len, uint32_t mtu)
{
    struct fragmenter f;
    memset(&f, 0xaa, sizeof f);
    enum status status = fragment_begin(&f, bytes_of(data, len), mtu);
    struct packet p = room();
    assert_int_equal(fragment_next(&f, &p), status == OK); /* a refused packet has no fragment */
    return status;
}

static void test_refused(void **state)
{
    (void)state;
    size_t len = make("", 0, 1000, 0);
    assert_int_equal(begin(len, 576), OK);
    for (size_t cut_at = 0; cut_at < len; cut_at++)
        assert_int_equal(begin(cut_at, 576), ERR_MALFORMED);
    for (unsigned first = 0; first < 256; first++) {
        data[0] = (uint8_t)first;
        enum status expected = first >> 4 != 4 ? ERR_UNSUPPORTED : (first & 15) < 5 ? ERR_MALFORMED : OK;
        assert_int_equal(begin(len, 576), expected);
    }
    len = make("", 0, 1000, DF);
    assert_int_equal(begin(len, 576), ERR_UNSUPPORTED);
    assert_int_equal(begin(len, 1500), ERR_UNSUPPORTED);
    len = make("", 0, 1000, DF | MF | 7);
    assert_int_equal(begin(len, 576), ERR_UNSUPPORTED);
    len = make("", 0, 1000, 0);
    store_u16(data + 2, 19);
    assert_int_equal(begin(len, 576), ERR_MALFORMED);
    store_u16(data + 2, 1021);
    assert_int_equal(begin(len, 576), ERR_MALFORMED);
}

static void test_room_for_eight_bytes(void **state)
{
    (void)state;
    uint8_t options[40];
    memset(options, 1, sizeof options);
    for (size_t n = 0; n <= 40; n += 4) {
        size_t len = make(options, n, 100, 0);
        for (uint32_t mtu = 0; mtu < 20 + n + 8; mtu++)
            assert_int_equal(begin(len, mtu), ERR_LIMIT);
        assert_int_equal(begin(len, (uint32_t)(20 + n + 8)), OK);
        assert_int_equal(begin(len, 68), OK); /* RFC 791 3.2: every link carries that */
    }
}

/* The offset must not wrap: the fragments would overwrite the start of the packet. */
static void test_beyond_the_end(void **state)
{
    (void)state;
    assert_int_equal(begin(make("", 0, 3, 8189), 68), OK);
    assert_int_equal(begin(make("", 0, 4, 8189), 68), ERR_MALFORMED);
    assert_int_equal(begin(make("", 0, 3, 8189 | MF), 68), OK);
    assert_int_equal(begin(make("", 0, 8, 8191), 68), ERR_MALFORMED);
    assert_int_equal(begin(make("", 0, 1475, 8005), 68), OK);
    assert_int_equal(begin(make("", 0, 1476, 8005), 68), ERR_MALFORMED);
    assert_int_equal(begin(make("\1\1\1\1", 4, 1471, 8005), 68), OK);
    assert_int_equal(begin(make("\1\1\1\1", 4, 1472, 8005), 68), ERR_MALFORMED);
    assert_int_equal(begin(make("", 0, 65515, 3), 68), ERR_MALFORMED);
}

static void test_no_room_in_the_buffer(void **state)
{
    (void)state;
    size_t len = make("", 0, 1000, 0);
    struct fragmenter f;
    assert_int_equal(fragment_begin(&f, bytes_of(data, len), 576), OK);
    for (size_t capacity = HEADROOM; capacity < HEADROOM + 572; capacity++) {
        struct packet p = packet_of(buffer, capacity, HEADROOM);
        assert_false(fragment_next(&f, &p));
        assert_int_equal(p.len, 0);
    }
    struct packet p = packet_of(buffer, HEADROOM + 572, HEADROOM);
    assert_true(fragment_next(&f, &p));
    assert_int_equal(p.len, 572);
}

/* Lengths around every border of 8, for a few MTUs: whole, one byte over, many. */
static void test_sweep(void **state)
{
    (void)state;
    static const uint32_t mtus[] = {28, 29, 35, 36, 68, 69, 100, 576, 1280, 1438};
    for (size_t i = 0; i < COUNT(mtus); i++) {
        size_t step = (mtus[i] - 20) / 8 * 8;
        for (size_t payload = 0; payload <= 3 * step + 9; payload++) {
            size_t len = make("", 0, payload, 0);
            size_t expected = len <= mtus[i] ? 1 : (payload - (mtus[i] - 20) + step - 1) / step + 1;
            assert_int_equal(cut(len, mtus[i]), expected);
        }
    }
}

static void test_largest(void **state)
{
    (void)state;
    size_t len = make("", 0, 65515, 0);
    assert_int_equal(cut(len, 68), 1365);
    assert_int_equal(cut(len, 1438), 47);
    assert_int_equal(cut(len, 65535), 1);
    assert_int_equal(cut(len, UINT32_MAX), 1);
}

/* What fits comes out as it was, byte for byte; so does a packet of a header alone. */
static void test_whole(void **state)
{
    (void)state;
    for (size_t payload = 0; payload < 100; payload++) {
        size_t len = make("\x07\x07\x04\1\2\3\4\0", 8, payload, payload % 3 == 0 ? MF : 0);
        struct fragmenter f;
        struct packet p = room();
        assert_int_equal(fragment_begin(&f, bytes_of(data, len), 200), OK);
        assert_true(fragment_next(&f, &p));
        assert_int_equal(p.len, len);
        assert_memory_equal(packet_data(&p), data, len);
        assert_false(fragment_next(&f, &p));
    }
}

/* Padding behind the packet (TFC) does not travel. */
static void test_trailing_bytes(void **state)
{
    (void)state;
    size_t len = make("", 0, 1000, 0);
    struct fragmenter f;
    struct packet p = room();
    assert_int_equal(fragment_begin(&f, bytes_of(data, len + 500), 600), OK);
    assert_true(fragment_next(&f, &p));
    assert_int_equal(p.len, 596);
    p = room();
    assert_true(fragment_next(&f, &p));
    assert_int_equal(p.len, 20 + 1000 - 576);
    p = room();
    assert_false(fragment_next(&f, &p));
}

/* Offset and "more" of the packet go on in its pieces (cut() compares each). */
static void test_fragment_of_a_fragment(void **state)
{
    (void)state;
    static const unsigned fields[] = {MF, MF | 1, 1, 185, MF | 185, RESERVED, RESERVED | MF | 4000, 8000, 8064};
    for (size_t i = 0; i < COUNT(fields); i++)
        for (uint32_t mtu = 28; mtu < 1100; mtu += 31)
            cut(make("", 0, 1000, fields[i]), mtu);
}

/* Identification 0 is legal (and what a sender means by it is not our business). */
static void test_identification(void **state)
{
    (void)state;
    static const uint16_t ids[] = {0, 1, 0xffff};
    for (size_t i = 0; i < COUNT(ids); i++) {
        size_t len = make("", 0, 1000, 0);
        store_u16(data + 4, ids[i]);
        assert_int_equal(cut(len, 576), 2);
    }
}

/* A wrong header checksum of the packet is not carried on: flow_read and all before us have let it pass. */
static void test_checksum_is_made(void **state)
{
    (void)state;
    size_t len = make("", 0, 1000, 0);
    store_u16(data + 10, 0x1234);
    assert_int_equal(cut(len, 576), 2);
}

struct row {
    const char *name;
    size_t len;
    const char *options;
    size_t later_len;
    const char *later; /* in all but the first */
};

/* 7: record route, 0x44: timestamp, not copied. 0x83: loose source route, 0x88: stream, 0x94: router alert, copied. */
/* clang-format off */
static const struct row rows[] = {
    {"none", 0, "", 0, ""},
    {"ends", 4, "\0\0\0\0", 0, ""},
    {"no operations", 4, "\1\1\1\1", 0, ""},
    {"not copied", 8, "\x07\x07\x04\1\2\3\4\0", 0, ""},
    {"copied", 4, "\x94\4\0\0", 4, "\x94\4\0\0"},
    {"copied behind not copied", 12, "\x07\x07\x04\1\2\3\4\1\x94\4\0\0", 4, "\x94\4\0\0"},
    {"not copied behind copied", 12, "\x94\4\0\0\x44\x08\5\0\1\2\3\4", 4, "\x94\4\0\0"},
    {"filled up", 8, "\1\x83\x03\x04\x88\4\1\2", 8, "\x83\3\4\x88\4\1\2\0"},
    {"one of two bytes", 4, "\x80\2\1\1", 4, "\x80\2\0\0"},
    {"behind the end", 8, "\0\1\1\1\x94\4\0\0", 0, ""},
    {"length 0", 8, "\x94\4\0\0\x88\0\1\1", 4, "\x94\4\0\0"},
    {"length 1", 8, "\x94\4\0\0\x88\1\1\1", 4, "\x94\4\0\0"},
    {"length 0, not copied", 8, "\x07\0\1\1\x94\4\0\0", 0, ""},
    {"too long", 8, "\x94\4\0\0\x88\5\1\1", 4, "\x94\4\0\0"},
    {"without a length", 4, "\1\1\1\x94", 0, ""},
    {"forty, copied", 40, "\x83\x27\4aaaabbbbccccddddeeeeffffgggghhhhiiii\0", 40,
                          "\x83\x27\4aaaabbbbccccddddeeeeffffgggghhhhiiii\0"},
};
/* clang-format on */

static void check_options(const struct row *row, unsigned fragment, uint32_t mtu)
{
    size_t len = make(row->options, row->len, 504, fragment), n = 0;
    struct fragmenter f;
    cut(len, mtu);
    assert_int_equal(fragment_begin(&f, bytes_of(data, len), mtu), OK);
    for (struct packet p = room(); fragment_next(&f, &p); p = room(), n++) {
        const char *expected = n == 0 ? row->options : row->later;
        size_t expected_len = n == 0 ? row->len : row->later_len;
        const uint8_t *ip = packet_data(&p);
        if ((size_t)(ip[0] & 15) * 4 != 20 + expected_len || memcmp(ip + 20, expected, expected_len) != 0)
            fail_msg("'%s', fragment %zu: its options are wrong", row->name, n);
    }
    assert_true(n > 1);
}

static void test_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (uint32_t mtu = 68; mtu < 120; mtu++) {
            check_options(&rows[i], 0, mtu);
            check_options(&rows[i], MF | 100, mtu);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_room_for_eight_bytes),
        cmocka_unit_test(test_beyond_the_end),
        cmocka_unit_test(test_no_room_in_the_buffer),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_fragment_of_a_fragment),
        cmocka_unit_test(test_identification),
        cmocka_unit_test(test_checksum_is_made),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
