/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_attr.h"

#include "ike_test.h"

static uint8_t *held;

/* Kept until the next call, so that attributes may point into it. */
static enum status read_hex(const char *hex, struct v1_attrs *out)
{
    uint8_t data[1024];
    size_t len = unhex(hex, data, sizeof data);
    free(held);
    held = exact_copy(data, len);
    return v1_attrs_read(bytes_of(held, len), out);
}

static void bodies_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "01",
        "010000",
        "00000001",
        "05000001",
        "ff000001", /* the head, and kinds that there are not */
        "01000001 00",
        "01000001 0001",
        "01000001 000100", /* half an attribute */
        "01000001 00010001",
        "01000001 00010004 0a0900", /* beyond the end */
        "01000001 8001",
        "01000001 800100", /* half a value */
        "01000001 0001ffff 0a090001",
        "01000001 c0880000 40",
    };
    struct v1_attrs attrs;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (read_hex(bad[i], &attrs) != ERR_MALFORMED)
            fail_msg("'%s' was read", bad[i]);
}

static void no_more_attributes_than_fit(void **state)
{
    (void)state;
    uint8_t body[4 + 4 * (ATTRS_MAX + 1)];
    struct v1_attrs attrs;
    for (size_t n = ATTRS_MAX - 1; n <= ATTRS_MAX + 1; n++) {
        struct writer w = writer_of(body, sizeof body);
        v1_attrs_begin(&w, ATTR_REQUEST, 1);
        for (size_t i = 0; i < n; i++)
            v1_attr_write_brief(&w, (uint16_t)i, 0);
        assert_false(w.failed);
        assert_int_equal(v1_attrs_read(writer_bytes(&w), &attrs), n <= ATTRS_MAX ? OK : ERR_LIMIT);
    }
}

static void both_forms(void **state)
{
    (void)state;
    struct v1_attrs attrs;
    assert_int_equal(read_hex("02001234 c0880003 40890002 6162 408a0000 408f0004 00000001", &attrs), OK);
    assert_int_equal(attrs.kind, ATTR_REPLY);
    assert_int_equal(attrs.identifier, 0x1234);
    assert_int_equal(attrs.count, 4);
    assert_true(attrs.items[0].brief);
    assert_int_equal(v1_attr_number(&attrs, XAUTH_TYPE, 9), 3);
    assert_int_equal(v1_attr_number(&attrs, XAUTH_STATUS, 9), 1); /* some peers use the long form */
    assert_int_equal(v1_attr_number(&attrs, XAUTH_USER_PASSWORD, 9), 9);
    assert_int_equal(v1_attr_number(&attrs, XAUTH_MESSAGE, 9), 9);
    assert_memory_equal(v1_attr_find(&attrs, XAUTH_USER_NAME)->value.data, "ab", 2);
    assert_null(v1_attr_find(&attrs, XAUTH_MESSAGE));
}

static void numbers_of_five_bytes_are_none(void **state)
{
    (void)state;
    struct v1_attrs attrs;
    assert_int_equal(read_hex("02000000 408f0005 0000000001", &attrs), OK);
    assert_int_equal(v1_attr_number(&attrs, XAUTH_STATUS, XAUTH_FAIL), XAUTH_FAIL);
}

/* --- what a client is given --- */

static void gifts_that_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0001 0003 0a0900", /* sizes */
        "0001 0005 0a09000102",
        "8001 0a09",
        "0008 000f 000102030405060708090a0b0c0d0e",
        "0003 0003 0a0900",
        "000a 0008 2001000000000000",
        "7004 000d 00000000000000000000000000",
        "0001 0004 00000000",
        "0001 0004 7f000001",
        "0001 0004 e0000001",
        "0001 0004 ffffffff", /* nobody's */
        "0008 0010 00000000000000000000000000000001",
        "0008 0010 ff020000000000000000000000000001",
        "0003 0004 7f000035",
        "7004 000e 0a010000 00ff0000 000000000000", /* a mask with holes */
        "7002 0003 610062",
        "7000 0002 0000", /* NUL in a text */
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char hex[256];
        struct v1_attrs attrs;
        struct virtual_net net;
        snprintf(hex, sizeof hex, "02000001 %s", bad[i]);
        assert_int_equal(read_hex(hex, &attrs), OK);
        if (v1_net_read(&attrs, &net) != ERR_MALFORMED)
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void gifts_that_are_taken(void **state)
{
    (void)state;
    struct v1_attrs attrs;
    struct virtual_net net;
    char text[RANGE_TEXT];
    assert_int_equal(read_hex("02000001 0001 0004 0a090007 0002 0004 ffffffff 0003 0008 0a0200350a020036 "
                              "0008 0011 20010db800000000000000000000000940 7002 0004 61622e00 7000 0002 6869 "
                              "7004 001c 0a010203 ffff0000 000000000000 00000000 00000000 000000000000 7fff 0001 00",
                              &attrs),
                     OK);
    assert_int_equal(v1_net_read(&attrs, &net), OK);
    assert_string_equal(address_print(&net.address[FAMILY_IPV4], text), "10.9.0.7");
    assert_string_equal(address_print(&net.address[FAMILY_IPV6], text), "2001:db8::9");
    assert_int_equal(net.dns_count, 2);
    assert_string_equal(address_print(&net.dns[1], text), "10.2.0.54");
    assert_string_equal(net.domain, "ab."); /* a terminator is no part of it */
    assert_string_equal(net.banner, "hi");
    assert_int_equal(net.split_count, 2);
    assert_string_equal(range_print(&net.split[0], text), "10.1.0.0/16"); /* host bits are cut */
    assert_string_equal(range_print(&net.split[1], text), "0.0.0.0/0");
}

static void lists_are_cut_where_they_are_full(void **state)
{
    (void)state;
    uint8_t body[2048], splits[14 * (ACCESS_SPLIT_MAX + 8)] = {0}, dns[4 * (ACCESS_DNS_MAX + 3)], words[600];
    struct v1_attrs attrs;
    struct virtual_net net;
    memset(dns, 10, sizeof dns);
    memset(words, 'x', sizeof words);
    struct writer w = writer_of(body, sizeof body);
    v1_attrs_begin(&w, ATTR_SET, 1);
    v1_attr_write(&w, UNITY_SPLIT_INCLUDE, bytes_of(splits, sizeof splits));
    v1_attr_write(&w, ATTR_IP4_DNS, bytes_of(dns, sizeof dns));
    v1_attr_write(&w, UNITY_BANNER, bytes_of(words, sizeof words));
    assert_int_equal(v1_attrs_read(writer_bytes(&w), &attrs), OK);
    assert_int_equal(v1_net_read(&attrs, &net), OK);
    assert_int_equal(net.split_count, ACCESS_SPLIT_MAX);
    assert_int_equal(net.dns_count, ACCESS_DNS_MAX);
    assert_int_equal(strlen(net.banner), ACCESS_BANNER - 1);
}

static struct access a_server(void)
{
    struct access access = {.server = true, .domain = "example.org", .banner = "hello"};
    access.dns[access.dns_count++] = an_address("10.2.0.53");
    access.dns[access.dns_count++] = an_address("2001:db8::53");
    assert_int_equal(range_parse("10.2.0.0/16", &access.split[access.split_count++]), OK);
    return access;
}

static void what_is_asked_is_answered_and_no_more(void **state)
{
    (void)state;
    const struct access access = a_server();
    const struct address own[FAMILIES] = {an_address("10.9.0.7"), {0}};
    uint8_t body[1024];
    struct v1_attrs asked, answer;
    assert_int_equal(
        read_hex("01000001 0001 0000 0001 0000 0002 0000 0008 0000 7fff 0000 7007 0000 0007 0000 0005 0000", &asked),
        OK);
    struct writer w = writer_of(body, sizeof body);
    v1_attrs_begin(&w, ATTR_REPLY, 1);
    v1_net_write(&w, &asked, &access, own, 3600, true);
    assert_false(w.failed);
    assert_int_equal(v1_attrs_read(writer_bytes(&w), &answer), OK);
    assert_int_equal(answer.count, 5); /* not the address twice, none of IPv6, nothing unknown */
    assert_int_equal(v1_attr_number(&answer, ATTR_IP4_ADDRESS, 0), 0x0a090007);
    assert_int_equal(v1_attr_number(&answer, ATTR_IP4_NETMASK, 0), 0xffffffff);
    assert_int_equal(v1_attr_number(&answer, ATTR_ADDRESS_EXPIRY, 0), 3600);
    assert_int_equal(v1_attr_number(&answer, UNITY_PFS, 0), 1);
    assert_memory_equal(v1_attr_find(&answer, ATTR_APPLICATION_VERSION)->value.data, "esptun", 6);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    const struct access access = a_server();
    const struct address own[FAMILIES] = {an_address("10.9.0.7"), an_address("2001:db8::7")};
    uint8_t body[1024];
    struct v1_attrs set;
    struct virtual_net net;
    struct writer w = writer_of(body, sizeof body);
    v1_attrs_begin(&w, ATTR_SET, 1);
    v1_net_write(&w, NULL, &access, own, 3600, true);
    assert_int_equal(v1_attrs_read(writer_bytes(&w), &set), OK);
    assert_int_equal(v1_net_read(&set, &net), OK);
    for (size_t f = 0; f < FAMILIES; f++)
        assert_true(address_equal(&net.address[f], &own[f]));
    assert_int_equal(net.dns_count, 2);
    assert_string_equal(net.domain, access.domain);
    assert_string_equal(net.banner, access.banner);
    assert_int_equal(net.split_count, 1);
    assert_true(range_equal(&net.split[0], &access.split[0]));
}

static void the_question_asks_for_the_families_that_are_of_use(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        uint8_t body[256];
        struct v1_attrs asked;
        struct writer w = writer_of(body, sizeof body);
        v1_attrs_begin(&w, ATTR_REQUEST, 1);
        v1_net_ask(&w, n & 1, n & 2);
        assert_int_equal(v1_attrs_read(writer_bytes(&w), &asked), OK);
        assert_int_equal(v1_attr_find(&asked, ATTR_IP4_ADDRESS) != NULL, (n & 1) != 0);
        assert_int_equal(v1_attr_find(&asked, ATTR_IP6_ADDRESS) != NULL, (n & 2) != 0);
        assert_non_null(v1_attr_find(&asked, UNITY_SPLIT_INCLUDE));
    }
}

static int free_held(void **state)
{
    (void)state;
    free(held);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_that_make_no_sense),
        cmocka_unit_test(no_more_attributes_than_fit),
        cmocka_unit_test(both_forms),
        cmocka_unit_test(numbers_of_five_bytes_are_none),
        cmocka_unit_test(gifts_that_are_refused),
        cmocka_unit_test(gifts_that_are_taken),
        cmocka_unit_test(lists_are_cut_where_they_are_full),
        cmocka_unit_test(what_is_asked_is_answered_and_no_more),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_question_asks_for_the_families_that_are_of_use),
    };
    return cmocka_run_group_tests(tests, NULL, free_held);
}
