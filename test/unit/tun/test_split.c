/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/split.h"

#include "offload_test.h"

static uint8_t super[OFFLOAD_ROOM];

static enum status begin(struct bytes packet, const struct flow *flow, const struct vnet *vnet, uint32_t limit)
{
    struct splitter s;
    enum status status = split_begin(&s, packet, flow, vnet, limit);
    uint8_t buffer[16];
    struct packet out = packet_of(buffer, sizeof buffer, 0);
    if (status != OK)
        assert_false(split_next(&s, &out));
    return status;
}

/* One thing wrong at a time. */
static void test_refused(void **state)
{
    (void)state;
    for (unsigned family = 4; family <= 6; family += 2) {
        for (unsigned udp = 0; udp < 2; udp++) {
            struct recipe r = like(family, udp != 0, 3000);
            size_t len = build(super, &r);
            const struct vnet good = make_super(super, len, 1000);
            const struct flow flow = flow_of(super, len);
            struct bytes packet = bytes_of(super, len);
            assert_int_equal(begin(packet, &flow, &good, 0), OK);

            struct vnet v = good;
            v.gso = VNET_GSO_NONE;
            assert_int_equal(begin(packet, &flow, &v, 0), ERR_UNSUPPORTED);
            for (unsigned gso = 1; gso < 8; gso++) { /* every other kind */
                v.gso = (enum vnet_gso)gso;
                if (v.gso != good.gso)
                    assert_int_equal(begin(packet, &flow, &v, 0), ERR_MALFORMED);
            }
            v = good, v.gso_size = 0;
            assert_int_equal(begin(packet, &flow, &v, 0), ERR_MALFORMED);
            for (unsigned i = 0; i <= 0xffff; i++) {
                v = good, v.checksum_start = (uint16_t)i;
                assert_int_equal(begin(packet, &flow, &v, 0), i == good.checksum_start ? OK : ERR_MALFORMED);
                v = good, v.checksum_offset = (uint16_t)i;
                assert_int_equal(begin(packet, &flow, &v, 0), i == good.checksum_offset ? OK : ERR_MALFORMED);
            }
            struct flow f = flow;
            f.is_fragment = true;
            assert_int_equal(begin(packet, &f, &good, 0), ERR_MALFORMED);
            f = flow, f.protocol = PROTOCOL_SCTP;
            assert_int_equal(begin(packet, &f, &good, 0), ERR_MALFORMED);
            packet.len--; /* less than the flow says */
            assert_int_equal(begin(packet, &flow, &good, 0), ERR_MALFORMED);
        }
    }
}

/* Every data offset and every set of flags. */
static void test_tcp_headers(void **state)
{
    (void)state;
    struct recipe r = like(4, false, 30);
    size_t len = build(super, &r);
    const struct vnet v = make_super(super, len, 10);
    struct flow flow = flow_of(super, len);
    for (unsigned words = 0; words < 16; words++) {
        super[32] = (uint8_t)(words << 4);
        enum status expected = words >= 5 && words * 4 <= 50 ? OK : ERR_MALFORMED;
        assert_int_equal(begin(bytes_of(super, len), &flow, &v, 0), expected);
    }
    super[32] = 0x50;
    for (unsigned flags = 0; flags < 256; flags++) {
        super[33] = (uint8_t)flags;
        enum status status;
        check_split(bytes_of(super, len), &flow, &v, 0, &status);
        assert_int_equal(status, (flags & (SYN | RST)) != 0 ? ERR_MALFORMED : OK);
    }
    super[33] = ACK;
    flow.upper_len = 19;
    assert_int_equal(begin(bytes_of(super, len), &flow, &v, 0), ERR_MALFORMED);
}

static void test_short_udp(void **state)
{
    (void)state;
    struct recipe r = like(6, true, 0);
    size_t len = build(super, &r);
    const struct vnet v = make_super(super, len, 10);
    struct flow flow = flow_of(super, len);
    assert_int_equal(begin(bytes_of(super, len), &flow, &v, 0), OK); /* one empty datagram */
    flow.upper_len = 7;
    assert_int_equal(begin(bytes_of(super, len), &flow, &v, 0), ERR_MALFORMED);
}

/* --- what comes out: check_split knows what a receiver must see --- */

static void split_one(const struct recipe *r, uint16_t gso_size, uint32_t limit, uint32_t expected)
{
    size_t len = build(super, r);
    struct vnet v = make_super(super, len, gso_size);
    struct flow flow = flow_of(super, len);
    enum status status;
    assert_int_equal(check_split(bytes_of(super, len), &flow, &v, limit, &status), expected);
    assert_int_equal(status, expected == 0 ? ERR_LIMIT : OK);
}

static uint32_t pieces(uint32_t payload, uint32_t segment)
{
    return payload == 0 ? 1 : (payload + segment - 1) / segment;
}

static const uint8_t all_flags[] = {ACK, ACK | PSH, ACK | FIN | PSH, ACK | CWR | PSH | FIN, ACK | ECE, 0};

static void test_sweep(void **state)
{
    (void)state;
    static const uint16_t sizes[] = {1, 2, 7, 536, 1000, 1448, 9000, 65535};
    static const uint32_t payloads[] = {0, 1, 2, 535, 536, 537, 1072, 4000, 4001, 65000};
    for (unsigned n = 0; n < 2 * 2 * 2 * 2; n++) {
        struct recipe r = like((n & 1) != 0 ? 4 : 6, (n & 2) != 0, 0);
        r.timestamp = (n & 4) != 0 ? 12345 : 0;
        r.inserted = (n & 8) != 0 ? 16 : 0;
        for (size_t p = 0; p < COUNT(payloads); p++) {
            for (size_t i = 0; i < COUNT(sizes); i++) {
                if (payloads[p] / sizes[i] > 5000)
                    continue;
                r.payload = payloads[p];
                r.flags = all_flags[(p + i) % COUNT(all_flags)];
                split_one(&r, sizes[i], 0, pieces(r.payload, sizes[i]));
            }
        }
    }
}

/* The longest there is, and numbers that wrap. */
static void test_largest(void **state)
{
    (void)state;
    struct recipe r = like(4, false, 65535 - 40);
    r.sequence = 0xffffff00;
    r.id = 0xfffe;
    split_one(&r, 1460, 0, pieces(r.payload, 1460));
    r = like(6, true, 65535 - 48);
    split_one(&r, 1200, 0, pieces(r.payload, 1200));
}

/* Every limit: TCP is cut to it, UDP is not. */
static void test_limit(void **state)
{
    (void)state;
    for (uint32_t limit = 1; limit < 1200; limit++) {
        struct recipe r = like(limit % 2 != 0 ? 4 : 6, false, 3001);
        uint32_t headers = limit % 2 != 0 ? 40 : 60;
        uint32_t room = limit <= headers ? 0 : limit - headers < 1000 ? limit - headers : 1000;
        split_one(&r, 1000, limit, room == 0 ? 0 : pieces(r.payload, room));
        r.udp = true;
        split_one(&r, 1000, limit, 4);
    }
}

static void test_urgent(void **state)
{
    (void)state;
    static const uint16_t pointers[] = {0, 1, 99, 100, 101, 250, 299, 300, 301, 65535};
    for (size_t i = 0; i < COUNT(pointers); i++) {
        struct recipe r = like(4, false, 300);
        r.urgent = pointers[i];
        split_one(&r, 100, 0, 3); /* without the flag it is copied as it is */
        r.flags |= URG;
        split_one(&r, 100, 0, 3);
    }
}

/* A partial checksum that is wrong is not made right. */
static void test_wrong_partial_stays_wrong(void **state)
{
    (void)state;
    struct recipe r = like(4, false, 3000);
    size_t len = build(super, &r);
    struct vnet v = make_super(super, len, 1000);
    struct flow flow = flow_of(super, len);
    uint8_t buffer[1100];
    struct packet out = packet_of(buffer, sizeof buffer, 0);
    struct splitter s;
    super[36] ^= 1;
    assert_int_equal(split_begin(&s, bytes_of(super, len), &flow, &v, 0), OK);
    while (split_next(&s, &out))
        assert_false(is_all_right(packet_data(&out), out.len));
    enum status status;
    check_split(bytes_of(super, len), &flow, &v, 0, &status);
}

/* A datagram whose sum is 0 by chance says 0xffff: 0 would mean that there is no checksum. */
static void test_udp_sum_of_zero(void **state)
{
    (void)state;
    struct recipe r = like(4, true, 20);
    size_t len = build(super, &r), seen = 0;
    struct vnet v = make_super(super, len, 10);
    struct flow flow = flow_of(super, len);
    uint8_t buffer[64];
    struct packet out = packet_of(buffer, sizeof buffer, 0);
    for (unsigned i = 0; i <= 0xffff; i++) {
        struct splitter s;
        store_u16(super + 28, (uint16_t)i);
        assert_int_equal(split_begin(&s, bytes_of(super, len), &flow, &v, 0), OK);
        assert_true(split_next(&s, &out));
        uint16_t checksum = load_u16(packet_data(&out) + 26);
        assert_int_not_equal(checksum, 0);
        if (checksum == 0xffff) {
            assert_true(is_all_right(packet_data(&out), out.len));
            seen++;
        }
    }
    assert_true(seen > 0);
}

/* Bytes behind the length that the header tells leave with nobody. */
static void test_trailing_bytes(void **state)
{
    (void)state;
    struct recipe r = like(4, false, 3000);
    size_t len = build(super, &r);
    struct vnet v = make_super(super, len, 1000);
    struct flow flow = flow_of(super, len);
    enum status status;
    memset(super + len, 0xee, 100);
    assert_int_equal(check_split(bytes_of(super, len + 100), &flow, &v, 0, &status), 3);
}

/* Too little room: nothing is written, and the packet comes when there is some. */
static void test_room(void **state)
{
    (void)state;
    struct recipe r = like(4, false, 250);
    size_t len = build(super, &r);
    struct vnet v = make_super(super, len, 100);
    struct flow flow = flow_of(super, len);
    struct splitter s;
    uint8_t buffer[32 + 140 + 8];
    assert_int_equal(split_begin(&s, bytes_of(super, len), &flow, &v, 0), OK);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.largest, 140);
    assert_int_equal(s.headers, 40);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t needed = i < 2 ? 140 : 90;
        memset(buffer, 0x5a, sizeof buffer);
        struct packet out = packet_of(buffer, 32 + needed - 1, 32);
        assert_false(split_next(&s, &out));
        assert_int_equal(buffer[32], 0x5a);
        out = packet_of(buffer, 32 + needed, 32);
        assert_true(split_next(&s, &out));
        assert_int_equal(out.len, needed);
        assert_int_equal(out.offset, 32);
        assert_int_equal(buffer[31], 0x5a);
        assert_int_equal(buffer[32 + needed], 0x5a);
    }
    struct packet out = packet_of(buffer, sizeof buffer, 32);
    assert_false(split_next(&s, &out));
}

/* --- one packet with a partial checksum --- */

static void test_complete(void **state)
{
    (void)state;
    static uint8_t expected[2000];
    for (unsigned n = 0; n < 8; n++) {
        for (uint32_t payload = 0; payload < 70; payload++) {
            struct recipe r = like((n & 1) != 0 ? 4 : 6, (n & 2) != 0, payload);
            r.inserted = (n & 4) != 0 ? 8 : 0;
            size_t len = build(super, &r);
            memcpy(expected, super, len);
            struct vnet v = make_super(super, len, 0);
            v.gso = VNET_GSO_NONE;
            struct flow flow = flow_of(super, len);
            assert_int_equal(split_complete(super, len, &flow, &v), OK);
            assert_true(is_all_right(super, len));
            assert_memory_equal(super, expected, len);
            v.needs_checksum = false; /* nothing to do, whatever the other fields say */
            v.checksum_start = 0xffff;
            assert_int_equal(split_complete(super, len, &flow, &v), OK);
            assert_memory_equal(super, expected, len);
        }
    }
}

/* Every place of start and field: inside or refused, and then nothing is touched. */
static void test_complete_bounds(void **state)
{
    (void)state;
    struct recipe r = like(4, true, 12);
    uint8_t *copy = malloc(40), before[40];
    assert_non_null(copy);
    assert_int_equal(build(before, &r), 40);
    struct flow flow = flow_of(before, 40);
    for (unsigned start = 0; start <= 300; start++) {
        for (unsigned offset = 0; offset <= 300; offset++) {
            memcpy(copy, before, 40);
            struct vnet v = {.needs_checksum = true,
                             .checksum_start = (uint16_t)(start < 100 ? start : 0xffff - (300 - start)),
                             .checksum_offset = (uint16_t)(offset < 100 ? offset : 0xffff - (300 - offset))};
            bool inside = start >= 20 && offset % 2 == 0 && start + offset + 2 <= 40;
            assert_int_equal(split_complete(copy, 40, &flow, &v), inside ? OK : ERR_MALFORMED);
            if (!inside)
                assert_memory_equal(copy, before, 40);
        }
    }
    struct vnet v = {.needs_checksum = true, .checksum_start = 20, .checksum_offset = 6};
    flow.is_fragment = true;
    assert_int_equal(split_complete(copy, 40, &flow, &v), ERR_MALFORMED);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_tcp_headers),
        cmocka_unit_test(test_short_udp),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_urgent),
        cmocka_unit_test(test_wrong_partial_stays_wrong),
        cmocka_unit_test(test_udp_sum_of_zero),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_complete_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
