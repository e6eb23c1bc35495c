/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

/* --- building packets --- */

enum { PACKET_MAX = 256 };

struct built {
    uint8_t data[PACKET_MAX];
    size_t len;
};

static void put(struct built *p, const void *data, size_t len)
{
    assert_true(len <= PACKET_MAX - p->len);
    memcpy(p->data + p->len, data, len);
    p->len += len;
}

#define PUT(p, ...) put(p, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static const uint8_t ports[8] = {0x12, 0x67, 0x01, 0xbb, 1, 2, 3, 4}; /* 4711, 443 */

/* words: header length in 4 bytes; fragment: the flags and the offset in units of 8. */
static struct built ipv4(uint8_t protocol, unsigned words, unsigned fragment, size_t payload)
{
    struct built p = {0};
    size_t header = (size_t)words * 4;
    assert_true(header + payload <= PACKET_MAX);
    p.len = header + payload;
    memset(p.data + 20, 1, p.len - 20); /* options: all "no operation" */
    p.data[0] = (uint8_t)(0x40 | words);
    store_u16(p.data + 2, (uint16_t)p.len);
    store_u16(p.data + 6, (uint16_t)fragment);
    p.data[8] = 64;
    p.data[9] = protocol;
    memcpy(p.data + 12, "\x0a\x01\x00\x02\x0a\x03\x00\x09", 8);
    memcpy(p.data + header, ports, payload < sizeof ports ? payload : sizeof ports);
    return p;
}

static struct built ipv6(uint8_t next)
{
    struct built p = {0};
    PUT(&p, 0x60, 0, 0, 0, 0, 0, next, 64);
    PUT(&p, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
    PUT(&p, 0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9);
    return p;
}

static void finish(struct built *p)
{
    store_u16(p->data + 4, (uint16_t)(p->len - 40));
}

static enum status read_built(const struct built *p, struct flow *f, size_t *len)
{
    /* On the heap and of the exact size, so that a sanitizer sees the first byte too far. */
    uint8_t *copy = malloc(p->len > 0 ? p->len : 1);
    assert_non_null(copy);
    memcpy(copy, p->data, p->len);
    enum status status = flow_read(bytes_of(copy, p->len), f, len);
    free(copy);
    return status;
}

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
        {0x1fff, true, false}, {0x3fff, true, false}, {0x4001, true, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow f;
        struct built p = ipv4(17, 5, cases[i].field, 24);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.is_fragment, cases[i].is_fragment);
        assert_int_equal(f.has_ports, cases[i].has_ports);
        assert_int_equal(f.protocol, 17);
    }
}

static void test_tiny_first_fragment_has_no_ports_b38(void **state)
{
    (void)state;
    for (size_t payload = 0; payload <= 8; payload++) {
        struct flow f;
        struct built p = ipv4(6, 5, 0x2000, payload);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.has_ports, payload >= 4);
        struct built q = ipv6(44);
        PUT(&q, 6, 0, 0, 1, 0, 0, 0, 7); /* offset 0, more to come */
        put(&q, ports, payload);
        finish(&q);
        assert_int_equal(read_built(&q, &f, NULL), OK);
        assert_int_equal(f.has_ports, payload >= 4);
        assert_true(f.is_fragment);
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
        {0xfff8, true, false}, {0x0006, false, true}, /* reserved bits are ignored */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow f;
        struct built p = ipv6(44);
        PUT(&p, 17, 0, (uint8_t)(cases[i].field >> 8), (uint8_t)cases[i].field, 0, 0, 0, 7);
        put(&p, ports, 8);
        finish(&p);
        assert_int_equal(read_built(&p, &f, NULL), OK);
        assert_int_equal(f.is_fragment, cases[i].is_fragment);
        assert_int_equal(f.has_ports, cases[i].has_ports);
        assert_int_equal(f.protocol, 17);
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
        cmocka_unit_test(test_tiny_first_fragment_has_no_ports_b38),
        cmocka_unit_test(test_ipv6_lengths_that_do_not_fit),
        cmocka_unit_test(test_ipv6_fields),
        cmocka_unit_test(test_ipv6_extension_headers),
        cmocka_unit_test(test_ipv6_chain_at_its_limit),
        cmocka_unit_test(test_ipv6_hop_by_hop_only_first),
        cmocka_unit_test(test_ipv6_fragments_b38),
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
