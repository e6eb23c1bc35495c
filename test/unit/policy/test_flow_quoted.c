/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors and the packets that they quote. */
#include "policy/protocol.h"
#include "test/unit/policy/policy_test.h"

enum { ICMP4 = 1, ICMP6 = 58 };

/* An ICMP error of that type; the first `len` bytes of `about` are its quotation. */
static struct built error_about(uint8_t family, uint8_t type, const struct built *about, size_t len)
{
    struct built p = family == 4 ? ipv4(ICMP4, 5, 0, 0) : ipv6(ICMP6);
    assert_true(len <= about->len);
    PUT(&p, type, 0, 0, 0, 0, 0, 0, 0);
    put(&p, about->data, len);
    if (family == 4)
        store_u16(p.data + 2, (uint16_t)p.len);
    else
        finish(&p);
    return p;
}

/* On the heap and of the exact size. False as well when the packet itself cannot be read. */
static bool quoted_of(const struct built *p, struct flow *quoted)
{
    struct flow flow;
    uint8_t *copy = malloc(p->len);
    assert_non_null(copy);
    memcpy(copy, p->data, p->len);
    bool is_error =
        flow_read(bytes_of(copy, p->len), &flow, NULL) == OK && flow_read_quoted(bytes_of(copy, p->len), &flow, quoted);
    free(copy);
    return is_error;
}

static void assert_unreadable(const struct flow *quoted)
{
    static const struct flow nothing;
    assert_memory_equal(quoted, &nothing, sizeof nothing);
}

static struct built tcp6(void)
{
    struct built p = ipv6(6);
    put(&p, ports, 8);
    finish(&p);
    return p;
}

static void test_which_types_are_errors(void **state)
{
    (void)state;
    struct built about4 = ipv4(6, 5, 0, 8), about6 = tcp6();
    for (unsigned type = 0; type < 256; type++) {
        struct flow quoted;
        struct built p = error_about(4, (uint8_t)type, &about4, about4.len);
        bool is_error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        assert_int_equal(quoted_of(&p, &quoted), is_error);
        if (is_error)
            assert_int_equal(quoted.protocol, 6);
        else
            assert_unreadable(&quoted);
        p = error_about(6, (uint8_t)type, &about6, about6.len);
        assert_int_equal(quoted_of(&p, &quoted), type < 128);
        assert_int_equal(quoted.source.family, type < 128 ? 6 : 0);
    }
}

static void test_only_icmp_of_its_own_family(void **state)
{
    (void)state;
    struct built about = ipv4(6, 5, 0, 8), about6 = tcp6();
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        struct flow quoted;
        struct built p = error_about(4, 3, &about, about.len);
        p.data[9] = (uint8_t)protocol;
        assert_int_equal(quoted_of(&p, &quoted), protocol == ICMP4);
        p = error_about(6, 1, &about6, about6.len);
        p.data[6] = (uint8_t)protocol;
        /* 43 and 60 take the eight bytes of ICMP for a header, and what follows it is no ICMP either. */
        assert_int_equal(quoted_of(&p, &quoted), protocol == ICMP6);
    }
}

/* The fields are there as far as the quotation reaches, whatever lengths it claims. */
static void test_quotations_of_every_length_ipv4(void **state)
{
    (void)state;
    for (unsigned words = 5; words <= 15; words++) {
        struct built about = ipv4(6, words, 0, 20);
        store_u16(about.data + 2, 1500);
        struct address source = an_address("10.1.0.2"), destination = an_address("10.3.0.9");
        for (size_t len = 0; len <= about.len; len++) {
            struct flow quoted;
            struct built p = error_about(4, 3, &about, len);
            assert_true(quoted_of(&p, &quoted));
            if (len < 20) {
                assert_unreadable(&quoted);
                continue;
            }
            size_t header = words * 4;
            assert_true(address_equal(&quoted.source, &source));
            assert_true(address_equal(&quoted.destination, &destination));
            assert_int_equal(quoted.protocol, 6);
            assert_int_equal(quoted.upper, len >= header ? header : 0);
            assert_int_equal(quoted.upper_len, len >= header ? len - header : 0);
            assert_int_equal(quoted.has_ports, len >= header + 4);
            assert_int_equal(quoted.source_port, len >= header + 4 ? 4711 : 0);
            assert_int_equal(quoted.destination_port, len >= header + 4 ? 443 : 0);
        }
    }
}

static void test_quotations_of_every_length_ipv6(void **state)
{
    (void)state;
    for (size_t extensions = 0; extensions <= 8; extensions++) {
        struct built about = ipv6(extensions > 0 ? 60 : 6);
        for (size_t i = 0; i < extensions; i++)
            PUT(&about, i + 1 < extensions ? 60 : 6, 0, 1, 4, 0, 0, 0, 0);
        put(&about, ports, 8);
        store_u16(about.data + 4, 1400);
        struct address source = an_address("2001:db8:1::2"), destination = an_address("2001:db8:2::9");
        for (size_t len = 0; len <= about.len; len++) {
            struct flow quoted;
            struct built p = error_about(6, 3, &about, len);
            assert_true(quoted_of(&p, &quoted));
            if (len < 40) {
                assert_unreadable(&quoted);
                continue;
            }
            size_t header = 40 + extensions * 8;
            assert_true(address_equal(&quoted.source, &source));
            assert_true(address_equal(&quoted.destination, &destination));
            assert_int_equal(quoted.protocol, len >= header ? 6 : 60);
            assert_int_equal(quoted.upper, len >= header ? header : 0);
            assert_int_equal(quoted.upper_len, len >= header ? len - header : 0);
            assert_int_equal(quoted.has_ports, len >= header + 4);
            assert_int_equal(quoted.destination_port, len >= header + 4 ? 443 : 0);
        }
    }
}

/* Hosts look at neither: what they understand must not be unreadable here. */
static void test_version_and_lengths_of_a_quotation_are_not_believed(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        struct flow quoted;
        struct built about = ipv4(17, 5, 0, 40), about6 = tcp6();
        about.data[0] = (uint8_t)value;
        store_u16(about.data + 2, (uint16_t)(value * 257));
        struct built p = error_about(4, 11, &about, about.len);
        assert_true(quoted_of(&p, &quoted));
        assert_int_equal(quoted.source.family, 4);
        assert_int_equal(quoted.protocol, 17);
        assert_int_equal(quoted.has_ports, (value & 15) >= 5 && (value & 15) * 4 + 4 <= 60);
        about6.data[0] = (uint8_t)value;
        store_u16(about6.data + 4, (uint16_t)(value * 257));
        p = error_about(6, 1, &about6, about6.len);
        assert_true(quoted_of(&p, &quoted));
        assert_int_equal(quoted.source.family, 6);
        assert_true(quoted.has_ports);
        assert_int_equal(quoted.source_port, 4711);
    }
}

static void test_quoted_fragments(void **state)
{
    (void)state;
    struct flow quoted;
    struct built about = ipv4(17, 5, 0x2000, 8), p = error_about(4, 11, &about, about.len);
    assert_true(quoted_of(&p, &quoted));
    assert_true(quoted.is_fragment && quoted.more_fragments && quoted.has_ports);
    assert_int_equal(quoted.fragment_id, 0xbeef);
    assert_int_equal(quoted.fragment_len, 0);
    about = ipv4(17, 5, 0x1fff, 8); /* its lengths are not believed, so it does not reach too far */
    p = error_about(4, 11, &about, about.len);
    assert_true(quoted_of(&p, &quoted));
    assert_true(quoted.is_fragment && !quoted.more_fragments && !quoted.has_ports);
    assert_int_equal(quoted.fragment_offset, 65528);
    assert_int_equal(quoted.upper, 0);

    about = ipv6(44);
    PUT(&about, 6, 0, 0, 1, 1, 2, 3, 4);
    put(&about, ports, 8);
    p = error_about(6, 3, &about, about.len);
    assert_true(quoted_of(&p, &quoted));
    assert_true(quoted.is_fragment && quoted.has_ports);
    assert_int_equal(quoted.fragment_id, 0x01020304);
    assert_int_equal(quoted.fragment_len, 0);
    about.data[43] = 9; /* a later one: its bytes are no ports */
    p = error_about(6, 3, &about, about.len);
    assert_true(quoted_of(&p, &quoted));
    assert_true(quoted.is_fragment && !quoted.has_ports);
    assert_int_equal(quoted.protocol, 6);
    assert_int_equal(quoted.upper, 0);
}

/* A chain that cannot be walked leaves its addresses, and no protocol that it may not have. */
static void test_broken_chains_in_a_quotation(void **state)
{
    (void)state;
    struct flow quoted;
    struct built about = ipv6(60);
    for (size_t i = 0; i < 9; i++)
        PUT(&about, i < 8 ? 60 : 6, 0, 1, 4, 0, 0, 0, 0);
    put(&about, ports, 8);
    struct built p = error_about(6, 1, &about, about.len);
    assert_true(quoted_of(&p, &quoted));
    assert_int_equal(quoted.source.family, 6);
    assert_true(quoted.protocol == 60 && !quoted.has_ports && quoted.upper == 0);

    about = ipv6(44);
    PUT(&about, 44, 0, 0, 0, 0, 0, 0, 7); /* two fragment headers */
    PUT(&about, 6, 0, 0, 0, 0, 0, 0, 7);
    put(&about, ports, 8);
    p = error_about(6, 1, &about, about.len);
    assert_true(quoted_of(&p, &quoted));
    assert_true(quoted.protocol == 44 && !quoted.has_ports);

    about = ipv6(60);
    PUT(&about, 6, 255, 1, 4, 0, 0, 0, 0); /* reaches beyond the quotation */
    p = error_about(6, 1, &about, about.len);
    assert_true(quoted_of(&p, &quoted));
    assert_true(quoted.protocol == 60 && !quoted.has_ports);
}

static void test_errors_behind_options_and_extension_headers(void **state)
{
    (void)state;
    struct flow quoted;
    struct built about = ipv4(6, 5, 0, 8);
    for (unsigned words = 5; words <= 15; words++) {
        struct built p = ipv4(ICMP4, words, 0, 8 + about.len);
        memset(p.data + (size_t)words * 4, 0, 8);
        p.data[(size_t)words * 4] = 3;
        memcpy(p.data + (size_t)words * 4 + 8, about.data, about.len);
        assert_true(quoted_of(&p, &quoted));
        assert_int_equal(quoted.source_port, 4711);
    }
    struct built about6 = tcp6(), p = ipv6(60);
    PUT(&p, ICMP6, 0, 1, 4, 0, 0, 0, 0);
    PUT(&p, 2, 0, 0, 0, 0, 0, 5, 0);
    put(&p, about6.data, about6.len);
    finish(&p);
    assert_true(quoted_of(&p, &quoted));
    assert_int_equal(quoted.source_port, 4711);
}

/* An error shorter than its own header is one all the same: nobody should take it for an ordinary packet. */
static void test_short_errors_and_fragments_of_errors(void **state)
{
    (void)state;
    struct flow quoted;
    for (size_t len = 0; len < 8; len++) {
        struct built p = ipv4(ICMP4, 5, 0, 0);
        for (size_t i = 0; i < len; i++)
            put(&p, "\3", 1);
        store_u16(p.data + 2, (uint16_t)p.len);
        assert_int_equal(quoted_of(&p, &quoted), len > 0);
        assert_unreadable(&quoted);
    }
    struct built about = ipv4(6, 5, 0, 24), p = error_about(4, 3, &about, 24);
    store_u16(p.data + 6, 0x2000);
    assert_true(quoted_of(&p, &quoted));
    assert_int_equal(quoted.protocol, 6);
    store_u16(p.data + 6, 0x2001); /* the middle of a packet, whatever its bytes look like */
    assert_false(quoted_of(&p, &quoted));
    assert_unreadable(&quoted);
}

/* What stands behind the packet (TFC padding) is not quoted. */
static void test_padding_is_not_quoted(void **state)
{
    (void)state;
    struct flow quoted;
    struct built about = ipv4(6, 5, 0, 20), p = error_about(4, 3, &about, 20);
    put(&p, about.data + 20, 20);
    assert_true(quoted_of(&p, &quoted));
    assert_int_equal(quoted.source.family, 4);
    assert_int_equal(quoted.upper_len, 0);
    assert_false(quoted.has_ports);
}

static void test_every_change_of_one_byte(void **state)
{
    (void)state;
    struct built about4 = ipv4(6, 6, 0, 12), about6 = ipv6(0);
    PUT(&about6, 51, 0, 1, 4, 0, 0, 0, 0);
    PUT(&about6, 44, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0);
    PUT(&about6, 6, 0, 0, 0, 0, 0, 0, 7);
    put(&about6, ports, 8);
    struct built whole[] = {error_about(4, 3, &about4, about4.len), error_about(6, 1, &about6, about6.len)};
    for (size_t s = 0; s < COUNT(whole); s++) {
        size_t read = 0;
        for (size_t at = 0; at < whole[s].len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                struct flow quoted;
                struct built p = whole[s];
                p.data[at] = (uint8_t)value;
                if (!quoted_of(&p, &quoted))
                    continue;
                read++;
                assert_true(quoted.source.family == (s == 0 ? 4 : 6) || quoted.source.family == 0);
                assert_int_equal(quoted.source.family, quoted.destination.family);
                assert_true(quoted.upper + quoted.upper_len <= (int)(s == 0 ? about4.len : about6.len));
                assert_true(!quoted.has_ports || (protocol_has_ports(quoted.protocol) && quoted.upper_len >= 4));
            }
        }
        assert_true(read > whole[s].len * 64);
    }
}

static void test_reversed(void **state)
{
    (void)state;
    struct flow f, back, again;
    struct built p = ipv4(6, 5, 0x2000, 16);
    assert_int_equal(read_built(&p, &f, NULL), OK);
    back = flow_reversed(&f);
    assert_true(address_equal(&back.source, &f.destination) && address_equal(&back.destination, &f.source));
    assert_int_equal(back.source_port, 443);
    assert_int_equal(back.destination_port, 4711);
    again = flow_reversed(&back);
    assert_memory_equal(&again, &f, sizeof f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_types_are_errors),
        cmocka_unit_test(test_only_icmp_of_its_own_family),
        cmocka_unit_test(test_quotations_of_every_length_ipv4),
        cmocka_unit_test(test_quotations_of_every_length_ipv6),
        cmocka_unit_test(test_version_and_lengths_of_a_quotation_are_not_believed),
        cmocka_unit_test(test_quoted_fragments),
        cmocka_unit_test(test_broken_chains_in_a_quotation),
        cmocka_unit_test(test_errors_behind_options_and_extension_headers),
        cmocka_unit_test(test_short_errors_and_fragments_of_errors),
        cmocka_unit_test(test_padding_is_not_quoted),
        cmocka_unit_test(test_every_change_of_one_byte),
        cmocka_unit_test(test_reversed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
