/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

static void test_bad_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          " ",        "any",      "%any4",      "1.2.3",         "1.2.3.4.5",         "1.2.3.256",
        "01.2.3.4",  "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/32", "0x1.2.3.4",     "16909060",          ":",
        ":::",       "1::2::3",  "12345::",  "::g",        "fe80::1%lo",    "[2001:db8::1]",     "1.2.3.-4",
        "1.2.3.4\n", "%ANY",     "1,2,3,4",  "::1.2.3",    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "gw.example.org",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct address a = {.family = 9};
        assert_int_equal(address_parse(bad[i], &a), ERR_MALFORMED);
        assert_int_equal(a.family, 0);
    }
}

static void test_addresses_print_as_parsed(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2:3", "%any"};
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[ADDRESS_TEXT];
        struct address a = an_address(good[i]);
        assert_string_equal(address_print(&a, text), good[i]);
    }
    char text[ADDRESS_TEXT];
    struct address a = an_address("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
    assert_int_equal(a.family, 6);
    assert_true(strlen(address_print(&a, text)) < ADDRESS_TEXT);
    a = an_address("::ffff:1.2.3.4");
    assert_int_equal(a.family, 6); /* a mapped address is not an IPv4 address */
}

static void test_endpoints_print_in_brackets(void **state)
{
    (void)state;
    char text[ENDPOINT_TEXT];
    struct endpoint v4 = {an_address("192.0.2.1"), 500}, v6 = {an_address("2001:db8::1"), 65535}, none = {.port = 4500};
    assert_string_equal(endpoint_print(&v4, text), "192.0.2.1:500");
    assert_string_equal(endpoint_print(&v6, text), "[2001:db8::1]:65535");
    assert_string_equal(endpoint_print(&none, text), "%any:4500");
    struct endpoint other = v4;
    assert_true(endpoint_equal(&v4, &other));
    other.port = 4500;
    assert_false(endpoint_equal(&v4, &other));
    assert_false(endpoint_equal(&v4, &v6));
}

static void test_order_of_addresses(void **state)
{
    (void)state;
    static const char *const rising[] = {
        "%any", "0.0.0.0", "0.0.0.1",    "1.0.0.0", "127.255.255.255", "128.0.0.0", "255.255.255.255",
        "::",   "::1",     "2001:db8::", "ffff::"};
    for (size_t i = 0; i < COUNT(rising); i++) {
        for (size_t k = 0; k < COUNT(rising); k++) {
            struct address a = an_address(rising[i]), b = an_address(rising[k]);
            int order = address_compare(&a, &b);
            assert_int_equal(order < 0, i < k);
            assert_int_equal(order > 0, i > k);
            assert_int_equal(address_equal(&a, &b), i == k);
        }
    }
}

static void test_an_unknown_family_is_none(void **state)
{
    (void)state;
    struct address a = address_of(7, "\1\2\3\4");
    assert_int_equal(a.family, 0);
    a = address_of(4, "\1\2\3\4");
    struct address b = an_address("1.2.3.4");
    assert_true(address_equal(&a, &b));
}

static void test_bad_ranges(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "any",
        "%any",
        "/",
        "10.1.0.0/",
        "/24",
        "10.1.0.0/33",
        "2001:db8::/129",
        "10.1.0.0/-1",
        "10.1.0.0/+8",
        "10.1.0.0/ 8",
        "10.1.0.0/8 ",
        "10.0.0.0/0x8",
        "10.0.0.0/0008",
        "10.1.0.0/24/24",
        "10.1.0.0/255.255.255.0",
        "10.1.0.0/4294967320", /* 24 modulo 2^32 */
        "10.1.0.1/24",         /* host bits */
        "10.1.0.0/8",
        "0.0.0.1/0",
        "2001:db8::1/64",
        "10.1.0.9-10.1.0.1",
        "10.1.0.1-",
        "-10.1.0.1",
        "10.1.0.1-2001:db8::1",
        "10.1.0.1-10.1.0.2-10.1.0.3",
        "10.1.0.0/24-10.2.0.0/24",
        "10.1.0.1 - 10.1.0.9",
        "%any/0",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/64",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct address_range r = {.first.family = 9};
        if (range_parse(bad[i], &r) != ERR_MALFORMED)
            fail_msg("'%s' should be refused", bad[i]);
        assert_int_equal(r.first.family, 0);
    }
}

static void test_ranges_and_how_they_print(void **state)
{
    (void)state;
    static const struct {
        const char *text, *first, *last, *shown;
    } cases[] = {
        {"10.1.0.0/24", "10.1.0.0", "10.1.0.255", "10.1.0.0/24"},
        {"10.1.0.1", "10.1.0.1", "10.1.0.1", "10.1.0.1/32"},
        {"0.0.0.0/0", "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
        {"10.1.0.128/25", "10.1.0.128", "10.1.0.255", "10.1.0.128/25"},
        {"10.1.0.4/31", "10.1.0.4", "10.1.0.5", "10.1.0.4/31"},
        {"10.1.0.0-10.1.0.255", "10.1.0.0", "10.1.0.255", "10.1.0.0/24"},
        {"10.1.0.1-10.1.0.9", "10.1.0.1", "10.1.0.9", "10.1.0.1-10.1.0.9"},
        {"10.1.0.1-10.1.0.2", "10.1.0.1", "10.1.0.2", "10.1.0.1-10.1.0.2"},
        {"2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32"},
        {"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
        {"2001:db8::7", "2001:db8::7", "2001:db8::7", "2001:db8::7/128"},
        {"::1-::2", "::1", "::2", "::1-::2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[RANGE_TEXT];
        struct address_range r = a_range(cases[i].text);
        struct address first = an_address(cases[i].first), last = an_address(cases[i].last);
        assert_true(address_equal(&r.first, &first));
        assert_true(address_equal(&r.last, &last));
        assert_string_equal(range_print(&r, text), cases[i].shown);
        struct address_range again = a_range(text);
        assert_true(range_equal(&r, &again));
    }
    char text[RANGE_TEXT];
    struct address_range longest = a_range("1111:1111:1111:1111:1111:1111:1111:1111-"
                                           "ffff:1111:1111:1111:1111:1111:1111:1111");
    assert_true(strlen(range_print(&longest, text)) < RANGE_TEXT);
}

static void test_every_prefix_length(void **state)
{
    (void)state;
    static const struct {
        uint8_t family;
        unsigned bits;
    } families[] = {{4, 32}, {6, 128}};
    for (size_t f = 0; f < COUNT(families); f++) {
        struct address zero = {.family = families[f].family};
        struct address_range r;
        unsigned len;
        assert_int_equal(range_of_prefix(&zero, families[f].bits + 1, &r), ERR_MALFORMED);
        for (unsigned bits = 0; bits <= families[f].bits; bits++) {
            assert_int_equal(range_of_prefix(&zero, bits, &r), OK);
            assert_true(range_is_prefix(&r, &len));
            assert_int_equal(len, bits);
            struct address host = zero;
            if (bits == 0)
                continue;
            host.bytes[(bits - 1) / 8] = (uint8_t)(0x80 >> (bits - 1) % 8); /* the last bit of the prefix */
            assert_int_equal(range_of_prefix(&host, bits, &r), OK);
            assert_int_equal(range_of_prefix(&host, bits - 1, &r), ERR_MALFORMED);
        }
    }
    struct address none = {0};
    struct address_range r;
    assert_int_equal(range_of_prefix(&none, 0, &r), ERR_MALFORMED);
}

static void test_what_contains_and_overlaps_what(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool contains, contained, overlaps;
    } cases[] = {
        {"10.1.0.0/24", "10.1.0.0/24", true, true, true},
        {"10.1.0.0/16", "10.1.5.0/24", true, false, true},
        {"10.1.0.0/24", "10.1.1.0/24", false, false, false},
        {"10.1.0.0-10.1.0.9", "10.1.0.9-10.1.0.20", false, false, true},
        {"10.1.0.0-10.1.0.8", "10.1.0.9-10.1.0.20", false, false, false},
        {"0.0.0.0/0", "255.255.255.255", true, false, true},
        {"0.0.0.0/0", "::/0", false, false, false},
        {"::/0", "::a01:0", true, false, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address_range a = a_range(cases[i].a), b = a_range(cases[i].b);
        assert_int_equal(range_contains(&a, &b), cases[i].contains);
        assert_int_equal(range_contains(&b, &a), cases[i].contained);
        assert_int_equal(range_overlaps(&a, &b), cases[i].overlaps);
        assert_int_equal(range_overlaps(&b, &a), cases[i].overlaps);
        assert_int_equal(range_equal(&a, &b), cases[i].contains && cases[i].contained);
    }
}

static void test_edges_of_a_range(void **state)
{
    (void)state;
    struct address_range r = a_range("10.1.0.10-10.1.1.5"), any4 = range_any(4), any6 = range_any(6);
    static const struct {
        const char *text;
        bool in;
    } cases[] = {{"10.1.0.9", false}, {"10.1.0.10", true}, {"10.1.0.255", true},
                 {"10.1.1.5", true},  {"10.1.1.6", false}, {"::a01:a", false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address a = an_address(cases[i].text);
        assert_int_equal(range_has(&r, &a), cases[i].in);
        assert_int_equal(range_has(&any4, &a), a.family == 4);
        assert_int_equal(range_has(&any6, &a), a.family == 6);
    }
    struct address none = {0};
    struct address_range nothing = {0};
    assert_false(range_has(&any4, &none));
    assert_false(range_has(&nothing, &none)); /* %any is never inside */
    struct address a = an_address("10.1.0.1");
    struct address_range one = range_of_address(&a);
    assert_true(range_has(&one, &a));
}

static void test_one_host(void **state)
{
    (void)state;
    static const char *const hosts[] = {"10.0.0.1", "1.0.0.0", "223.255.255.255", "fd00::1", "fe80::1", "::2"};
    static const char *const others[] = {"0.0.0.0",         "0.1.2.3", "127.0.0.1", "224.0.0.1",
                                         "255.255.255.255", "::",      "::1",       "ff02::1"};
    struct address a = {0};
    assert_false(address_is_one_host(&a));
    for (size_t i = 0; i < COUNT(hosts); i++)
        assert_true(address_parse(hosts[i], &a) == OK && address_is_one_host(&a));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_true(address_parse(others[i], &a) == OK && !address_is_one_host(&a));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_addresses_print_as_parsed),
        cmocka_unit_test(test_endpoints_print_in_brackets),
        cmocka_unit_test(test_order_of_addresses),
        cmocka_unit_test(test_an_unknown_family_is_none),
        cmocka_unit_test(test_bad_ranges),
        cmocka_unit_test(test_ranges_and_how_they_print),
        cmocka_unit_test(test_every_prefix_length),
        cmocka_unit_test(test_what_contains_and_overlaps_what),
        cmocka_unit_test(test_edges_of_a_range),
        cmocka_unit_test(test_one_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
