/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/coalesce.h"

#include "offload_test.h"

enum { SLOT = 2048 };

/* A batch: packets in their buffers, and copies of them. */
static uint8_t slots[COALESCE_BATCH][SLOT], copies[COALESCE_BATCH][SLOT];
static struct original batch[COALESCE_BATCH];
static size_t batch_len;
static struct coalesce coalesce;

static void start(bool udp)
{
    coalesce_begin(&coalesce, udp);
    batch_len = 0;
}

/* Puts in what is in the next slot. */
static void put_slot(size_t len)
{
    struct original *o = &batch[batch_len];
    memcpy(copies[batch_len], slots[batch_len], len);
    *o = (struct original){.data = slots[batch_len], .copy = copies[batch_len], .len = len};
    o->flow = flow_of(o->data, len);
    assert_true(coalesce_add(&coalesce, o->data, len, &o->flow));
    batch_len++;
}

static void put(const struct recipe *r)
{
    put_slot(build(slots[batch_len], r));
}

/* The sizes of the groups that leave, as text: "1 3 1". check_drain looks after the rest. */
static const char *drain(void)
{
    static char text[4 * COALESCE_BATCH];
    struct coalesced next;
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < coalesce.groups_used; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, i == 0 ? "%u" : " %u", coalesce.groups[i].count);
    check_drain(&coalesce, batch, batch_len);
    assert_false(coalesce_next(&coalesce, &next));
    batch_len = 0;
    return text;
}

/* The next segment of the stream. */
static struct recipe after(struct recipe r)
{
    r.sequence += r.payload;
    r.id++;
    return r;
}

static const char *pair(const struct recipe *a, const struct recipe *b)
{
    start(true);
    put(a);
    put(b);
    return drain();
}

/* --- what joins, and what keeps it from joining --- */

static void test_merges(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        struct recipe r = like((n & 1) != 0 ? 4 : 6, (n & 4) != 0, 1000);
        r.timestamp = (n & 2) != 0 ? 4242 : 0;
        start(true);
        for (unsigned i = 0; i < 20; i++, r = after(r))
            put(&r);
        assert_string_equal(drain(), "20");
    }
}

enum change {
    NOTHING,
    TOS,
    TTL,
    NO_DF,
    RESERVED_BIT,
    ID_GAP,
    ID_SAME,
    GAP,
    OVERLAP,
    REPEATED,
    OTHER_ACK,
    OTHER_WINDOW,
    OTHER_URGENT,
    OTHER_TIMESTAMP,
    NO_TIMESTAMP,
    OTHER_PORT,
    LONGER,
    EMPTY,
    IP_OPTIONS,
    CHANGES
};

static void make_change(struct recipe *b, enum change change)
{
    switch (change) {
    case TOS: b->tos ^= 1; break;
    case TTL: b->ttl--; break;
    case NO_DF: b->fragment = 0; break;
    case RESERVED_BIT: b->fragment |= 0x8000; break;
    case ID_GAP: b->id++; break;
    case ID_SAME: b->id--; break;
    case GAP: b->sequence++; break;
    case OVERLAP: b->sequence--; break;
    case REPEATED: b->sequence -= b->payload; break;
    case OTHER_ACK: b->ack++; break;
    case OTHER_WINDOW: b->window++; break;
    case OTHER_URGENT: b->urgent++; break;
    case OTHER_TIMESTAMP: b->timestamp++; break;
    case NO_TIMESTAMP: b->timestamp = 0; break;
    case OTHER_PORT: b->port++; break;
    case LONGER: b->payload++; break;
    case EMPTY: b->payload = 0; break;
    case IP_OPTIONS: b->inserted = 8; break;
    case NOTHING:
    case CHANGES: break;
    }
}

static bool makes_no_difference(enum change change, unsigned family, bool udp)
{
    bool of_ipv4 = change == NO_DF || change == RESERVED_BIT || change == ID_GAP || change == ID_SAME;
    bool of_tcp = change >= GAP && change <= NO_TIMESTAMP;
    return change == NOTHING || (of_ipv4 && family == 6) || (of_tcp && udp);
}

static void test_every_change(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        for (enum change change = NOTHING; change < CHANGES; change++) {
            struct recipe a = like((n & 1) != 0 ? 4 : 6, (n & 2) != 0, 500), b;
            a.timestamp = 4242;
            b = after(a);
            make_change(&b, change);
            bool merged = makes_no_difference(change, a.family, a.udp);
            const char *is = pair(&a, &b);
            if (strcmp(is, merged ? "2" : "1 1") != 0)
                fail_msg("IPv%u, udp %d, change %d: %s", a.family, a.udp, (int)change, is);
        }
    }
}

/* Every pair of flags. */
static void test_flags(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            struct recipe a = like(4, false, 10), b = after(a);
            a.flags = (uint8_t)first;
            b.flags = (uint8_t)second;
            bool merged = first == ACK && (second == ACK || second == (ACK | PSH));
            assert_string_equal(pair(&a, &b), merged ? "2" : "1 1");
        }
    }
}

/* The four bits beside the data offset: one of them is AccECN's. */
static void test_reserved_bits(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits < 16; bits++) {
        start(false);
        struct recipe r = like(4, false, 10);
        for (unsigned i = 0; i < 2; i++, r = after(r)) {
            uint8_t *slot = slots[batch_len];
            size_t len = build(slot, &r);
            slot[32] |= (uint8_t)bits;
            store_u16(slot + 36, 0);
            struct flow flow = flow_of(slot, len);
            store_u16(slot + 36, (uint16_t)(0xffff - naive_upper_sum(slot, len, &flow)));
            put_slot(len);
        }
        assert_string_equal(drain(), "1 1");
    }
}

static void test_ids(void **state)
{
    (void)state;
    static const struct {
        uint16_t fragment, ids[3];
        const char *expected;
    } table[] = {
        {0x4000, {5, 6, 7}, "3"},     {0, {5, 6, 7}, "3"},      {0x4000, {0xfffe, 0xffff, 0}, "3"},
        {0x4000, {0, 0, 0}, "3"},     {0, {0, 0, 0}, "1 1 1"},  {0x4000, {5, 5, 5}, "1 1 1"},
        {0x4000, {5, 6, 8}, "2 1"},   {0x4000, {0, 1, 2}, "3"}, {0x4000, {5, 0, 1}, "1 2"},
        {0x2000, {5, 6, 7}, "1 1 1"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct recipe r = like(4, false, 108); /* 128 bytes: fragments come in eights */
        r.fragment = table[i].fragment;
        start(false);
        for (size_t n = 0; n < 3; n++, r = after(r)) {
            r.id = table[i].ids[n];
            put(&r);
        }
        assert_string_equal(drain(), table[i].expected);
    }
}

/* Lengths and flags of a run of segments, and what they leave as. */
static void test_runs(void **state)
{
    (void)state;
    static const struct {
        unsigned payloads[6]; /* plus 10000: pushed */
        const char *expected;
    } table[] = {
        {{100, 100, 100, 0, 0, 0}, "3 1 1 1"}, /* pure acknowledgements, each alone */
        {{100, 100, 50, 100, 100, 100}, "3 3"},
        {{100, 50, 50, 50, 20, 20}, "2 3 1"},
        {{100, 101, 101, 102, 102, 1}, "1 2 3"},
        {{10100, 100, 100, 10100, 100, 10001}, "1 3 2"},
        {{10100, 10100, 10100, 100, 100, 100}, "1 1 1 3"},
        {{1, 1, 1, 1, 1, 1}, "6"},
        {{100, 0, 100, 100, 0, 100}, "1 1 2 1 1"},
    };
    for (unsigned family = 4; family <= 6; family += 2) {
        for (size_t i = 0; i < COUNT(table); i++) {
            struct recipe r = like(family, false, 0);
            start(false);
            for (size_t n = 0; n < 6; n++, r = after(r)) {
                r.payload = table[i].payloads[n] % 10000;
                r.flags = table[i].payloads[n] >= 10000 ? ACK | PSH : ACK;
                put(&r);
            }
            assert_string_equal(drain(), table[i].expected);
        }
    }
}

/* --- what is broken passes alone and unchanged --- */

/* The piece leaves in company. */
static bool is_merged(uint8_t piece)
{
    for (size_t i = 0; i < coalesce.groups_used; i++) {
        const struct coalesce_group *g = &coalesce.groups[i];
        uint8_t at = g->first;
        for (uint8_t n = 0; g->count > 1 && n < g->count; n++, at = coalesce.pieces[at].next)
            if (at == piece)
                return true;
    }
    return false;
}

/* Three segments; one bit of the middle one is flipped, each in turn. check_drain sees that it leaves byte for byte. */
static void flip_each_bit(unsigned family, bool udp, unsigned which)
{
    struct recipe r = like(family, udp, 24);
    r.timestamp = 4242;
    uint8_t packet[SLOT];
    size_t len = build(packet, &r);
    for (size_t bit = 0; bit < len * 8; bit++) {
        size_t sent = 0;
        struct recipe next = r;
        start(true);
        for (unsigned i = 0; i < 3; i++, next = after(next)) {
            uint8_t *slot = slots[batch_len];
            size_t one = build(slot, &next), total;
            struct flow flow;
            if (i == which)
                slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (flow_read(bytes_of(slot, one), &flow, &total) != OK)
                continue; /* it would not have come here */
            put_slot(one);
            sent++;
        }
        if (sent == 3 && is_merged((uint8_t)which))
            fail_msg("IPv%u, udp %d: bit %zu of packet %u is laundered", family, udp, bit, which);
        drain();
    }
}

static void test_bit_flips(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 12; n++)
        flip_each_bit((n & 1) != 0 ? 4 : 6, (n & 2) != 0, n / 4);
}

static void test_wrong_checksums(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 4; which++) {
        for (unsigned ip = 0; ip < 2; ip++) {
            struct recipe r = like(4, false, 100);
            start(false);
            for (unsigned i = 0; i < 4; i++, r = after(r)) {
                size_t len = build(slots[batch_len], &r);
                if (i == which)
                    slots[batch_len][ip != 0 ? 10 : 36] ^= 0x40;
                put_slot(len);
            }
            static const char *const expected[] = {"1 3", "1 1 2", "2 1 1", "3 1"};
            assert_string_equal(drain(), expected[which]);
        }
    }
}

/* A datagram without a checksum is not given one, even where none is right by chance; nor one whose length is another
 * than IP's. */
static void test_udp_without_checksum(void **state)
{
    (void)state;
    for (unsigned family = 4; family <= 6; family += 2) {
        for (unsigned what = 0; what < 3; what++) {
            struct recipe r = like(family, true, 100);
            start(true);
            for (unsigned i = 0; i < 2; i++, r = after(r)) {
                size_t len = build(slots[batch_len], &r), upper = family == 4 ? 20 : 40;
                uint8_t *udp = slots[batch_len] + upper;
                if (what == 2) /* the payload makes the sum right */
                    store_u16(udp + 8, (uint16_t)naive_sum(load_u16(udp + 8), udp + 6, 2));
                store_u16(udp + (what == 1 ? 4 : 6), (uint16_t)(what == 1 ? 100 : 0));
                put_slot(len);
            }
            assert_string_equal(drain(), "1 1");
        }
    }
}

static void test_udp_only_where_asked(void **state)
{
    (void)state;
    struct recipe r = like(4, true, 100), s = after(r);
    assert_string_equal(pair(&r, &s), "2");
    start(false);
    put(&r);
    put(&s);
    assert_string_equal(drain(), "1 1");
}

/* Bytes behind the packet would have to go somewhere. */
static void test_trailing_bytes(void **state)
{
    (void)state;
    struct recipe r = like(6, false, 100);
    start(false);
    for (unsigned i = 0; i < 3; i++, r = after(r))
        put_slot(build(slots[batch_len], &r) + (i == 1 ? 1 : 0));
    assert_string_equal(drain(), "1 1 1");
}

/* --- order, and bounds --- */

/* Two streams that take turns leave as two; a lone packet of one ends that one only. */
static void test_flows(void **state)
{
    (void)state;
    struct recipe a = like(4, false, 100), b = a, c = like(6, false, 100);
    b.port = 99;
    start(false);
    for (unsigned i = 0; i < 6; i++, a = after(a), b = after(b), c = after(c)) {
        put(&a);
        put(&b);
        put(&c);
    }
    assert_string_equal(drain(), "6 6 6");
    start(false);
    for (unsigned i = 0; i < 4; i++, a = after(a), b = after(b)) {
        a.flags = i == 2 ? ACK | FIN : ACK;
        put(&a);
        put(&b);
    }
    assert_string_equal(drain(), "2 4 1 1");
}

/* A fragment of UDP, or of TCP, may be of any flow between its hosts. */
static void test_fragments_end_all_flows_of_their_hosts(void **state)
{
    (void)state;
    struct recipe a = like(4, false, 100), b = a, other = like(6, false, 100), piece = like(4, true, 104);
    b.port = 99;
    for (unsigned later = 0; later < 2; later++) {
        piece.fragment = later != 0 ? 0x0010 : 0x2000;
        start(false);
        for (unsigned i = 0; i < 4; i++, a = after(a), b = after(b), other = after(other)) {
            put(&a);
            put(&b);
            put(&other);
            if (i == 1)
                put(&piece);
        }
        assert_string_equal(drain(), "2 2 4 1 2 2");
    }
}

/* Other protocols of the same hosts end nothing. */
static void test_other_protocols(void **state)
{
    (void)state;
    struct recipe a = like(4, false, 100), ping = like(4, true, 104);
    start(false);
    for (unsigned i = 0; i < 3; i++, a = after(a)) {
        put(&a);
        size_t len = build(slots[batch_len], &ping);
        slots[batch_len][9] = PROTOCOL_ICMP;
        put_slot(len);
    }
    assert_string_equal(drain(), "3 1 1 1");
}

/* The ninth flow takes the place of the oldest, whose next packet begins anew. */
static void test_more_flows_than_places(void **state)
{
    (void)state;
    struct recipe flows[COALESCE_FLOWS + 1];
    for (unsigned extra = 0; extra < 2; extra++) {
        start(false);
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned i = 0; i < COALESCE_FLOWS + extra; i++) {
                flows[i] = round == 0 ? like(4, false, 100) : after(flows[i]);
                flows[i].port = (uint16_t)(1000 + i);
                put(&flows[i]);
            }
        }
        assert_string_equal(drain(), extra == 0 ? "2 2 2 2 2 2 2 2" : "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1");
    }
}

/* COALESCE_BATCH packets, COALESCE_SEGMENTS in each that leaves, and no more until they are out. */
static void test_full(void **state)
{
    (void)state;
    struct recipe r = like(4, false, 100);
    start(false);
    for (unsigned i = 0; i < COALESCE_BATCH; i++, r = after(r))
        put(&r);
    static uint8_t more[SLOT];
    size_t len = build(more, &r);
    struct flow flow = flow_of(more, len);
    assert_false(coalesce_add(&coalesce, more, len, &flow));
    assert_string_equal(drain(), "64 64 64");
    struct coalesced next;
    assert_true(coalesce_add(&coalesce, more, len, &flow));
    assert_true(coalesce_next(&coalesce, &next));
    assert_false(coalesce_add(&coalesce, more, len, &flow)); /* it is being emptied */
    assert_false(coalesce_next(&coalesce, &next));
    assert_true(coalesce_add(&coalesce, more, len, &flow));
}

/* Some segments of one length and a last one. Returns the number of writes. */
static size_t write_long(unsigned family, uint32_t payload, unsigned count, uint32_t last)
{
    static uint8_t data[6][33000], copy[6][33000];
    struct original o[6];
    struct recipe r = like(family, false, payload);
    coalesce_begin(&coalesce, false);
    for (unsigned i = 0; i < count; i++, r = after(r)) {
        r.payload = i + 1 == count ? last : payload;
        size_t len = build(data[i], &r);
        memcpy(copy[i], data[i], len);
        o[i] = (struct original){data[i], copy[i], len, flow_of(data[i], len)};
        assert_true(coalesce_add(&coalesce, data[i], len, &o[i].flow));
    }
    return check_drain(&coalesce, o, count);
}

/* 65,535 bytes and not one more. */
static void test_longest(void **state)
{
    (void)state;
    assert_int_equal(write_long(4, 13099, 5, 13099), 1); /* 40 and five times 13,099 */
    assert_int_equal(write_long(4, 13100, 5, 13095), 1);
    assert_int_equal(write_long(4, 13100, 5, 13096), 2);
    assert_int_equal(write_long(4, 13099, 6, 1), 2);
    assert_int_equal(write_long(6, 32738, 2, 32737), 1); /* 60 and both */
    assert_int_equal(write_long(6, 32738, 2, 32738), 2);
}

/* --- split and put together again --- */

/* A super-packet, cut and merged, is the super-packet: check_drain compares each piece, this the whole. */
static void test_round_trip(void **state)
{
    (void)state;
    static uint8_t super[OFFLOAD_ROOM], again[OFFLOAD_ROOM];
    static const uint8_t flags[] = {ACK, ACK | PSH};
    for (unsigned n = 0; n < 16; n++) {
        struct recipe r = like((n & 1) != 0 ? 4 : 6, (n & 2) != 0, 45000 + n * 997);
        r.flags = flags[n / 4 % 2];
        r.timestamp = (n & 8) != 0 ? 1 : 0;
        size_t len = build(super, &r), used = 0;
        struct vnet vnet = make_super(super, len, 1300);
        uint8_t header[VNET_HEADER];
        struct flow flow = flow_of(super, len);
        struct splitter s;
        struct coalesced next;
        start(true);
        assert_int_equal(split_begin(&s, bytes_of(super, len), &flow, &vnet, 0), OK);
        struct packet p = packet_of(slots[0], SLOT, 0);
        while (split_next(&s, &p)) {
            put_slot(p.len);
            p = packet_of(slots[batch_len % COALESCE_BATCH], SLOT, 0);
        }
        assert_true(coalesce_next(&coalesce, &next));
        for (int i = 1; i < next.count; used += next.iov[i].iov_len, i++)
            memcpy(again + used, next.iov[i].iov_base, next.iov[i].iov_len);
        assert_int_equal(used, len);
        assert_memory_equal(again, super, len);
        vnet.headers = (uint16_t)s.headers;
        vnet_write(&vnet, header);
        assert_int_equal(next.iov[0].iov_len, sizeof header);
        assert_memory_equal(next.iov[0].iov_base, header, sizeof header);
        assert_false(coalesce_next(&coalesce, &next));
    }
}

static uint64_t noise;

static uint32_t any(uint32_t below)
{
    noise = noise * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(noise >> 33) % below;
}

/* A step of one of a few streams; now and then something is odd about it. */
static void put_any(struct recipe *flow)
{
    struct recipe r = *flow;
    r.payload = any(10) == 0 ? any(600) : 600;
    r.flags = any(20) == 0 ? (uint8_t)any(256) : any(10) == 0 ? ACK | PSH : ACK;
    if (any(20) == 0)
        make_change(&r, (enum change)any(CHANGES));
    size_t len = build(slots[batch_len], &r);
    if (any(24) == 0)
        slots[batch_len][any((uint32_t)len)] ^= (uint8_t)(1 << any(8));
    struct flow read;
    size_t total;
    if (flow_read(bytes_of(slots[batch_len], len), &read, &total) == OK)
        put_slot(len);
    if (any(20) != 0) /* else it is lost, or comes again */
        *flow = after(r);
}

static void test_any_mix(void **state)
{
    (void)state;
    size_t packets = 0, writes = 0;
    for (uint32_t seed = 1; seed <= 3000; seed++) {
        noise = seed;
        struct recipe flows[12];
        uint32_t count = 1 + any(COUNT(flows));
        for (uint32_t i = 0; i < count; i++) {
            flows[i] = like(any(2) != 0 ? 4 : 6, any(4) == 0, 600);
            flows[i].port = (uint16_t)(5000 + i);
            flows[i].timestamp = any(2);
            flows[i].sequence = any(2) != 0 ? 0xffffff00 : any(1000);
        }
        start(any(2) != 0);
        while (batch_len < COALESCE_BATCH)
            put_any(&flows[any(4) != 0 ? 0 : any(count)]);
        packets += batch_len;
        writes += check_drain(&coalesce, batch, batch_len);
    }
    print_message("seeds 1 to 3000: %zu packets in %zu writes\n", packets, writes);
    assert_true(writes < packets * 3 / 5); /* it does merge */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges),
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_reserved_bits),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_wrong_checksums),
        cmocka_unit_test(test_udp_without_checksum),
        cmocka_unit_test(test_udp_only_where_asked),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_fragments_end_all_flows_of_their_hosts),
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_more_flows_than_places),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_any_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
