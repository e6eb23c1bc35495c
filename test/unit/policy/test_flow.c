/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/protocol.h"
#include "test/unit/policy/policy_test.h"

/* --- IPv4 --- */

static void test_not_a_packet(void **state)
{
    (void)state;
    struct flow f;
    size_t len = 99;
    assert_int_equal(flow_read(bytes_of(NULL, 0), &f, &len), ERR_MALFORMED);
    assert_int_equal(len, 0);
    assert_int_equal(flow_read(bytes_of(NULL, 0), &f, NULL), ERR_MALFORMED);
    struct built p = ipv4(6, 5, 0, 20);
    for (unsigned version = 0; version < 16; version++) {
        p.data[0] = (uint8_t)(version << 4 | 5);
        /* As version 6 the 40 bytes would be a header, whose length field does not fit. */
        assert_int_equal(read_built(&p, &f, &len), version == 4 ? OK : ERR_MALFORMED);
    }
}

static void test_ipv4_lengths_that_do_not_fit(void **state)
{
    (void)state;
    struct flow f;
    size_t len;
    for (unsigned words = 0; words < 16; words++) {
        struct built p = ipv4(17, 5, 0, 20);
        p.data[0] = (uint8_t)(0x40 | words);
        assert_int_equal(read_built(&p, &f, &len), words >= 5 && words * 4 <= 40 ? OK : ERR_MALFORMED);
    }
    for (unsigned total = 0; total < 64; total++) {
        struct built p = ipv4(17, 6, 0, 16);
        store_u16(p.data + 2, (uint16_t)total);
        bool good = total >= 24 && total <= 40;
        assert_int_equal(read_built(&p, &f, &len), good ? OK : ERR_MALFORMED);
        assert_int_equal(len, good ? total : 0);
        if (good)
            assert_int_equal(f.has_ports, total >= 28); /* what lies behind the total length is not looked at */
    }
}

static void test_ipv4_fields(void **state)
{
    (void)state;
    for (unsigned words = 5; words <= 15; words++) {
        struct flow f;
        size_t len;
        struct built p = ipv4(6, words, 0, 20);
        struct address source = an_address("10.1.0.2"), destination = an_address("10.3.0.9");
        assert_int_equal(read_built(&p, &f, &len), OK);
        assert_true(address_equal(&f.source, &source));
        assert_true(address_equal(&f.destination, &destination));
        assert_int_equal(f.protocol, 6);
        assert_true(f.has_ports);
        assert_false(f.is_fragment);
        assert_int_equal(f.source_port, 4711);
        assert_int_equal(f.destination_port, 443);
        assert_int_equal(len, words * 4 + 20);
        assert_int_equal(f.upper, words * 4);
        assert_int_equal(f.upper_len, 20);
    }
}

static void test_which_protocols_have_ports(void **state)
{
    (void)state;
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        struct flow f;
        struct built p = ipv4((uint8_t)protocol, 5, 0, 20);
        bool has = protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
        assert_int_equal(protocol_has_ports(protocol), has);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.protocol, protocol);
        assert_int_equal(f.has_ports, has);
        assert_int_equal(f.source_port, has ? 4711 : 0);
    }
    assert_false(protocol_has_ports(262)); /* 6 modulo 256 */
}

static void test_ipv4_fragments_b38(void **state)
{
    (void)state;
    static const struct {
        unsigned field;
        bool is_fragment, has_ports;
    } cases[] = {
        {0x0000, false, true}, {0x4000, false, true}, /* do not fragment */
        {0x8000, false, true},                        /* the reserved bit */
        {0x2000, true, true},                         /* the first of several */
        {0x2001, true, false}, {0x0001, true, false}, {0x1000, true, false},
        {0x1ffa, true, false}, {0x3ffa, true, false}, {0x4001, true, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow f;
        struct built p = ipv4(17, 5, cases[i].field, 24);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.is_fragment, cases[i].is_fragment);
        assert_int_equal(f.has_ports, cases[i].has_ports);
        assert_int_equal(f.protocol, 17);
        assert_int_equal(f.more_fragments, (cases[i].field & 0x2000) != 0);
        assert_int_equal(f.fragment_offset, (cases[i].field & 0x1fff) * 8);
        assert_int_equal(f.fragment_len, f.is_fragment ? 24 : 0);
        assert_int_equal(f.fragment_id, f.is_fragment ? 0xbeef : 0);
        assert_int_equal(f.upper, f.fragment_offset == 0 ? 20 : 0);
        assert_int_equal(f.upper_len, f.fragment_offset == 0 ? 24 : 0);
    }
}

/* The same fragment of IPv4 and of IPv6; field as in the IPv4 header. */
static void check_fragment_of_both(unsigned field, size_t payload, bool good4, bool good6)
{
    struct flow f;
    struct built p = ipv4(17, 5, field, payload), q = ipv6(44);
    if ((read_built(&p, &f, NULL) == OK) != good4)
        fail_msg("IPv4 %#x with %zu bytes should be %s", field, payload, good4 ? "good" : "refused");
    unsigned offset = (field & 0x1fff) << 3 | (field & 0x2000) >> 13;
    PUT(&q, 17, 0, (uint8_t)(offset >> 8), (uint8_t)offset, 0, 0, 0, 7);
    for (size_t i = 0; i < payload; i++)
        put(&q, "\1", 1);
    finish(&q);
    if ((read_built(&q, &f, NULL) == OK) != good6)
        fail_msg("IPv6 %#x with %zu bytes should be %s", field, payload, good6 ? "good" : "refused");
}

/* RFC 791 3.2, RFC 8200 4.5: all but the last carry a multiple of 8 bytes; none is empty. */
static void test_b38_tiny_and_odd_fragments(void **state)
{
    (void)state;
    for (size_t payload = 0; payload <= 64; payload++) {
        bool units = payload > 0 && payload % 8 == 0;
        check_fragment_of_both(0x2000, payload, units, units);
        check_fragment_of_both(0x2001, payload, units, units);
        check_fragment_of_both(0x3000, payload, units, units);
        check_fragment_of_both(0x0001, payload, payload > 0, payload > 0);
        check_fragment_of_both(0x0000, payload, true, true); /* whole */
    }
}

/* The length of a whole IPv4 packet has its header in it, the length of an IPv6 packet has not. */
static void test_b38_fragments_beyond_the_largest_packet(void **state)
{
    (void)state;
    for (unsigned units = 0x1fd0; units <= 0x1fff; units++) {
        for (size_t payload = 1; payload <= 128; payload++) {
            size_t end = units * 8 + payload;
            check_fragment_of_both(units, payload, 20 + end <= 65535, end <= 65535);
            if (payload % 8 == 0)
                check_fragment_of_both(units | 0x2000, payload, 20 + end <= 65535, end <= 65535);
        }
    }
    struct flow f;
    for (unsigned words = 5; words <= 15; words++) {
        struct built p = ipv4(17, words, 0x1ff7, 1); /* at 65464 */
        assert_int_equal(read_built(&p, &f, NULL), OK);
        for (size_t payload = 1; payload < 100; payload++) {
            p = ipv4(17, words, 0x1ff7, payload);
            assert_int_equal(read_built(&p, &f, NULL), words * 4 + 65464 + payload <= 65535 ? OK : ERR_MALFORMED);
        }
    }
}

/* --- IPv6 --- */

static void test_ipv6_lengths_that_do_not_fit(void **state)
{
    (void)state;
    for (unsigned payload = 0; payload < 40; payload++) {
        struct flow f;
        size_t len;
        struct built p = ipv6(17);
        put(&p, ports, 8);
        put(&p, ports, 8);
        store_u16(p.data + 4, (uint16_t)payload);
        assert_int_equal(read_built(&p, &f, &len), payload <= 16 ? OK : ERR_MALFORMED);
        assert_int_equal(len, payload <= 16 ? 40 + payload : 0);
        if (payload <= 16)
            assert_int_equal(f.has_ports, payload >= 4);
    }
}

static void test_ipv6_fields(void **state)
{
    (void)state;
    struct flow f;
    struct built p = ipv6(6);
    struct address source = an_address("2001:db8:1::2"), destination = an_address("2001:db8:2::9");
    put(&p, ports, 8);
    finish(&p);
    assert_int_equal(read_built(&p, &f, NULL), OK);
    assert_true(address_equal(&f.source, &source));
    assert_true(address_equal(&f.destination, &destination));
    assert_int_equal(f.protocol, 6);
    assert_true(f.has_ports);
    assert_int_equal(f.source_port, 4711);
    assert_int_equal(f.destination_port, 443);
}

/* One extension of each kind, with bodies of several lengths, before UDP. */
static void test_ipv6_extension_headers(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {0, 43, 60, 51};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (unsigned length = 0; length < 6; length++) {
            struct flow f;
            struct built p = ipv6(kinds[k]);
            size_t bytes = kinds[k] == 51 ? (length + 2) * 4 : (length + 1) * 8;
            static const uint8_t zeros[64];
            PUT(&p, 17, (uint8_t)length);
            put(&p, zeros, bytes - 2);
            put(&p, ports, 8);
            finish(&p);
            assert_int_equal(read_built(&p, &f, NULL), OK);
            assert_int_equal(f.protocol, 17);
            assert_true(f.has_ports);
            assert_int_equal(f.source_port, 4711);
            /* A length that reaches behind the packet breaks the chain; so does one byte too few. */
            p.data[41] = (uint8_t)(length + 8);
            assert_int_equal(read_built(&p, &f, NULL), ERR_MALFORMED);
            p.data[41] = 255;
            assert_int_equal(read_built(&p, &f, NULL), ERR_MALFORMED);
            p.data[41] = (uint8_t)length;
            p.len = 40 + bytes - 1;
            finish(&p);
            assert_int_equal(read_built(&p, &f, NULL), ERR_MALFORMED);
        }
    }
}

static struct built chain_of(size_t headers, uint8_t kind, uint8_t last)
{
    struct built p = ipv6(headers > 0 ? kind : last);
    for (size_t i = 0; i < headers; i++)
        PUT(&p, i + 1 < headers ? kind : last, 0, 1, 4, 0, 0, 0, 0);
    put(&p, ports, 8);
    finish(&p);
    return p;
}

static void test_ipv6_chain_at_its_limit(void **state)
{
    (void)state;
    for (size_t n = 0; n < 20; n++) {
        struct flow f;
        struct built p = chain_of(n, 60, 6);
        assert_int_equal(read_built(&p, &f, NULL), n <= 8 ? OK : ERR_MALFORMED);
        if (n <= 8)
            assert_true(f.protocol == 6 && f.has_ports);
    }
}

static void test_ipv6_hop_by_hop_only_first(void **state)
{
    (void)state;
    struct flow f;
    struct built p = chain_of(1, 0, 6);
    assert_int_equal(read_built(&p, &f, NULL), OK);
    p = chain_of(2, 0, 6);
    assert_int_equal(read_built(&p, &f, NULL), ERR_MALFORMED);
}

static void test_ipv6_fragments_b38(void **state)
{
    (void)state;
    static const struct {
        unsigned field; /* offset in the upper 13 bits, "more" in the lowest */
        bool is_fragment, has_ports;
    } cases[] = {
        {0x0000, false, true}, /* atomic */
        {0x0001, true, true},  {0x0008, true, false}, {0x0009, true, false},
        {0xfff0, true, false}, {0x0006, false, true}, /* reserved bits are ignored */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow f;
        struct built p = ipv6(44);
        PUT(&p, 17, 0, (uint8_t)(cases[i].field >> 8), (uint8_t)cases[i].field, 0xde, 0xad, 0xbe, 0xef);
        put(&p, ports, 8);
        finish(&p);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.is_fragment, cases[i].is_fragment);
        assert_int_equal(f.has_ports, cases[i].has_ports);
        assert_int_equal(f.protocol, 17);
        assert_int_equal(f.more_fragments, cases[i].field & 1);
        assert_int_equal(f.fragment_offset, cases[i].field & 0xfff8);
        assert_int_equal(f.fragment_len, f.is_fragment ? 8 : 0);
        assert_int_equal(f.fragment_id, f.is_fragment ? 0xdeadbeef : 0);
        assert_int_equal(f.upper, f.fragment_offset == 0 ? 48 : 0);
        assert_int_equal(f.upper_len, f.fragment_offset == 0 ? 8 : 0);
    }
}

/* Headers before the fragment header are in each fragment and count for the whole; those behind it are data. */
static void test_b38_ipv6_extensions_around_the_fragment_header(void **state)
{
    (void)state;
    for (size_t before = 0; before <= 3; before++) {
        for (unsigned offset = 0xff00; offset <= 0xfff8; offset += 8) {
            struct flow f;
            struct built p = ipv6(before > 0 ? 60 : 44);
            for (size_t i = 0; i < before; i++)
                PUT(&p, i + 1 < before ? 60 : 44, 0, 1, 4, 0, 0, 0, 0);
            PUT(&p, 17, 0, (uint8_t)(offset >> 8), (uint8_t)offset, 0, 0, 0, 7);
            put(&p, ports, 8);
            finish(&p);
            bool good = before * 8 + offset + 8 <= 65535;
            assert_int_equal(read_built(&p, &f, NULL), good ? OK : ERR_MALFORMED);
        }
    }
    for (size_t behind = 0; behind <= 3; behind++) {
        struct flow f;
        struct built p = ipv6(44);
        PUT(&p, behind > 0 ? 60 : 6, 0, 0, 1, 0, 0, 0, 7);
        for (size_t i = 0; i < behind; i++)
            PUT(&p, i + 1 < behind ? 60 : 6, 0, 1, 4, 0, 0, 0, 0);
        struct built headers_alone = p;
        finish(&headers_alone);
        /* RFC 7112: else the ports, or a whole ICMP error, would hide in the second fragment. */
        assert_int_equal(read_built(&headers_alone, &f, NULL), ERR_MALFORMED);
        put(&p, ports, 8);
        finish(&p);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.fragment_len, behind * 8 + 8);
        assert_int_equal(f.upper, 48 + behind * 8);
        assert_int_equal(f.upper_len, 8);
        assert_true(f.has_ports);
    }
}

/* What a later fragment holds is payload, even where its bytes would look like headers. */
static void test_ipv6_later_fragment_ends_the_chain_b38(void **state)
{
    (void)state;
    struct flow f;
    struct built p = ipv6(44);
    PUT(&p, 60, 0, 0, 8, 0, 0, 0, 7);
    PUT(&p, 6, 255, 1, 2);
    finish(&p);
    assert_int_equal(read_built(&p, &f, NULL), OK);
    assert_int_equal(f.protocol, 60); /* as the fragment header says */
    assert_false(f.has_ports);
    assert_true(f.is_fragment);
}

static void test_ipv6_two_fragment_headers_b38(void **state)
{
    (void)state;
    struct flow f;
    struct built p = ipv6(44);
    PUT(&p, 44, 0, 0, 0, 0, 0, 0, 7);
    PUT(&p, 17, 0, 0, 8, 0, 0, 0, 7);
    put(&p, ports, 8);
    finish(&p);
    assert_int_equal(read_built(&p, &f, NULL), ERR_MALFORMED);
}

static void test_ipv6_chain_ends_at_esp_and_no_next_header(void **state)
{
    (void)state;
    static const uint8_t ends[] = {50, 59, 58, 135, 253};
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct flow f;
        struct built p = chain_of(1, 60, ends[i]);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.protocol, ends[i]);
        assert_false(f.has_ports);
    }
}

/* --- mutation --- */

static void check_sane(const struct built *p, size_t *accepted)
{
    struct flow f;
    size_t len = SIZE_MAX;
    enum status status = read_built(p, &f, &len);
    assert_true(status == OK || status == ERR_MALFORMED);
    assert_true(len <= p->len);
    if (status != OK) {
        assert_int_equal(len, 0);
        return;
    }
    (*accepted)++;
    assert_int_equal(f.source.family, p->data[0] >> 4);
    assert_int_equal(f.destination.family, p->data[0] >> 4);
    assert_true(len >= (f.source.family == 4 ? 20 : 40));
    assert_true(!f.has_ports || protocol_has_ports(f.protocol));
    assert_true(f.has_ports || (f.source_port == 0 && f.destination_port == 0));
    assert_true(f.fragment_offset > 0 ? f.upper == 0 && f.upper_len == 0 : f.upper + f.upper_len == (int)len);
    assert_true(f.is_fragment == (f.fragment_offset > 0 || f.more_fragments));
    assert_true(f.is_fragment == (f.fragment_len > 0));
    assert_true(f.fragment_offset + f.fragment_len <= 65535);
    assert_true(!f.has_ports || f.upper_len >= 4);
}

static struct built seed_packet(size_t which)
{
    struct built p;
    switch (which) {
    case 0: return ipv4(6, 5, 0, 20);
    case 1: return ipv4(17, 15, 0x2000, 8);
    case 2: return ipv4(132, 6, 0x0010, 12);
    case 3: return chain_of(0, 0, 6);
    case 4: return chain_of(8, 60, 17);
    case 5:
        p = ipv6(0);
        PUT(&p, 43, 0, 1, 4, 0, 0, 0, 0);                         /* hop-by-hop */
        PUT(&p, 51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); /* routing, 16 bytes */
        PUT(&p, 44, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);             /* AH, 24 bytes */
        PUT(&p, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);           /* its ICV */
        PUT(&p, 60, 0, 0, 1, 0, 0, 0, 7);                         /* the first fragment */
        PUT(&p, 17, 0, 1, 4, 0, 0, 0, 0);                         /* destination options */
        put(&p, ports, 8);
        finish(&p);
        return p;
    default:
        p = ipv6(44);
        PUT(&p, 60, 0, 0, 8, 0, 0, 0, 7);
        put(&p, ports, 8);
        finish(&p);
        return p;
    }
}

enum { SEEDS = 7 };

static void test_every_truncation(void **state)
{
    (void)state;
    for (size_t s = 0; s < SEEDS; s++) {
        struct built whole = seed_packet(s);
        size_t accepted = 0;
        check_sane(&whole, &accepted);
        assert_int_equal(accepted, 1);
        for (size_t len = 0; len < whole.len; len++) {
            struct built p = whole;
            p.len = len;
            check_sane(&p, &accepted);
        }
        assert_int_equal(accepted, 1); /* the length field tells that bytes are missing */
    }
}

static void test_every_change_of_one_byte(void **state)
{
    (void)state;
    for (size_t s = 0; s < SEEDS; s++) {
        struct built whole = seed_packet(s);
        size_t accepted = 0;
        for (size_t at = 0; at < whole.len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                struct built p = whole;
                p.data[at] = (uint8_t)value;
                check_sane(&p, &accepted);
            }
        }
        assert_true(accepted > whole.len && accepted < whole.len * 256);
    }
}

/* A changed byte and a cut together: the length fields lie, and the bytes are not there. */
static void test_changes_and_truncations_together(void **state)
{
    (void)state;
    for (size_t s = 0; s < SEEDS; s++) {
        struct built whole = seed_packet(s);
        size_t accepted = 0;
        for (size_t len = 20; len < whole.len; len++) {
            for (size_t at = 0; at < len && at < 64; at++) {
                for (unsigned bit = 0; bit < 8; bit++) {
                    struct built p = whole;
                    p.len = len;
                    p.data[at] ^= (uint8_t)(1 << bit);
                    check_sane(&p, &accepted);
                }
            }
        }
    }
}

static void test_padding_behind_the_packet_is_told(void **state)
{
    (void)state;
    for (size_t s = 0; s < SEEDS; s++) {
        struct built p = seed_packet(s);
        struct flow before, after;
        size_t whole, len;
        assert_int_equal(read_built(&p, &before, &whole), OK);
        assert_int_equal(whole, p.len);
        p.len += 40; /* TFC padding */
        assert_int_equal(read_built(&p, &after, &len), OK);
        assert_int_equal(len, whole);
        assert_memory_equal(&before, &after, sizeof before);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_a_packet),
        cmocka_unit_test(test_ipv4_lengths_that_do_not_fit),
        cmocka_unit_test(test_ipv4_fields),
        cmocka_unit_test(test_which_protocols_have_ports),
        cmocka_unit_test(test_ipv4_fragments_b38),
        cmocka_unit_test(test_b38_tiny_and_odd_fragments),
        cmocka_unit_test(test_b38_fragments_beyond_the_largest_packet),
        cmocka_unit_test(test_ipv6_lengths_that_do_not_fit),
        cmocka_unit_test(test_ipv6_fields),
        cmocka_unit_test(test_ipv6_extension_headers),
        cmocka_unit_test(test_ipv6_chain_at_its_limit),
        cmocka_unit_test(test_ipv6_hop_by_hop_only_first),
        cmocka_unit_test(test_ipv6_fragments_b38),
        cmocka_unit_test(test_b38_ipv6_extensions_around_the_fragment_header),
        cmocka_unit_test(test_ipv6_later_fragment_ends_the_chain_b38),
        cmocka_unit_test(test_ipv6_two_fragment_headers_b38),
        cmocka_unit_test(test_ipv6_chain_ends_at_esp_and_no_next_header),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_change_of_one_byte),
        cmocka_unit_test(test_changes_and_truncations_together),
        cmocka_unit_test(test_padding_behind_the_packet_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
