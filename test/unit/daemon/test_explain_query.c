/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/explain_query.h"

#include "daemon_test.h"

static char why[512];

static enum status parse(const char *text, struct explain_query *out)
{
    why[0] = '\0';
    return explain_query_parse(bytes_of(text, strlen(text)), out, why, sizeof why);
}

static void test_wrong_questions_are_refused_with_a_remedy(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "the source is missing"},
        {"   ", "the source is missing"},
        {"tcp", "the source is missing"},
        {"10.1.0.5", "the destination is missing"},
        {"10.1.0.5 ->", "the destination is missing"},
        {"-> 10.1.0.5", "neither an address nor a protocol"},
        {"tcp 10.1.0.5 -> -> 10.3.0.9", "'->' is no address"},
        {"10.1.0.5 10.3.0.9 10.4.0.1", "'10.4.0.1' is one word too many"},
        {"a b c d e f g h i", "too many words"},
        {"tpc 10.1.0.5 10.3.0.9", "'tpc' is neither an address nor a protocol"},
        {"256 10.1.0.5 10.3.0.9", "'256' is neither an address nor a protocol"},
        {"tcp udp 10.1.0.5 10.3.0.9", "'udp' is no address"},
        {"tcp any 10.3.0.9", "write one address"},
        {"10.1.0.0/24 10.3.0.9", "write one address"},
        {"10.1.0.5 %any", "'%any' is no address"},
        {"10.1.0 10.3.0.9", "'10.1.0' is no address"},
        {"10.1.0.256:1 10.3.0.9", "'10.1.0.256:1' is no address"},
        {"gw.example.org 10.3.0.9", "names are not looked up"},
        {"[10.1.0.5]:1 10.3.0.9", "'[10.1.0.5]:1' is no address"},
        {"[2001:db8::1 2001:db8::2", "'[2001:db8::1' is no address"},
        {"[2001:db8::1]x 2001:db8::2", "is no address"},
        {"[] ::1", "is no address"},
        {"tcp 10.1.0.5: 10.3.0.9", "'' is no port"},
        {"tcp 10.1.0.5:0 10.3.0.9", "'0' is no port"},
        {"tcp 10.1.0.5:65536 10.3.0.9", "'65536' is no port"},
        {"tcp 10.1.0.5:4294967297 10.3.0.9", "is no port"},
        {"tcp 10.1.0.5:80x 10.3.0.9", "'80x' is no port"},
        {"tcp 10.1.0.5:-1 10.3.0.9", "is no port"},
        {"tcp 10.1.0.5 10.3.0.9 port", "a number is missing behind 'port'"},
        {"tcp 10.1.0.5 10.3.0.9 port 80-90", "'80-90' is no port"},
        {"tcp 10.1.0.5 10.3.0.9:80 port 80", "given twice"},
        {"icmp 10.1.0.5:8 10.3.0.9", "icmp has no ports"},
        {"50 10.1.0.5 10.3.0.9 port 8", "esp has no ports"},
        {"icmp 2001:db8::1 2001:db8::2", "for IPv6 write icmpv6"},
        {"icmpv6 10.1.0.5 10.3.0.9", "for IPv4 write icmp"},
        {"10.1.0.5 2001:db8::2", "10.1.0.5 is IPv4 and 2001:db8::2 is IPv6"},
        {"10.1.0.5\t10.3.0.9", "printable ASCII"},
        {"10.1.0.5 10.3.0.9\x1b[2J", "printable ASCII"},
        {"\xff", "printable ASCII"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct explain_query query;
        if (parse(rows[i][0], &query) != ERR_MALFORMED)
            fail_msg("'%s' should be refused", rows[i][0]);
        assert_has(why, rows[i][1]);
        assert_int_equal(query.flow.source.family, 0);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct explain_query query;
    char line[EXPLAIN_LINE_MAX + 2];
    memset(line, ' ', sizeof line);
    memcpy(line, "10.1.0.5", 8);
    memcpy(line + EXPLAIN_LINE_MAX - 8, "10.3.0.9", 8);
    assert_int_equal(explain_query_parse(bytes_of(line, EXPLAIN_LINE_MAX), &query, why, sizeof why), OK);
    assert_int_equal(explain_query_parse(bytes_of(line, EXPLAIN_LINE_MAX + 1), &query, why, sizeof why), ERR_MALFORMED);
    assert_has(why, "over 200 characters");
    assert_int_equal(explain_query_parse(bytes_of("1.1.1.1\0 1.1.1.2", 16), &query, why, sizeof why), ERR_MALFORMED);
    assert_int_equal(explain_query_parse(bytes_of(NULL, 0), &query, NULL, 0), ERR_MALFORMED);
    memset(line, 'x', sizeof line);
    assert_int_equal(explain_query_parse(bytes_of(line, EXPLAIN_LINE_MAX), &query, why, sizeof why), ERR_MALFORMED);
}

static void test_forms(void **state)
{
    (void)state;
    const struct {
        const char *text, *shell, *people;
        unsigned told;
    } rows[] = {
        {"10.1.0.5 10.3.0.9", "10.1.0.5 10.3.0.9", "10.1.0.5 -> 10.3.0.9", 0},
        {" any  10.1.0.5 to 10.3.0.9 ", "10.1.0.5 10.3.0.9", "10.1.0.5 -> 10.3.0.9", 0},
        {"0 10.1.0.5 - 10.3.0.9", "10.1.0.5 10.3.0.9", "10.1.0.5 -> 10.3.0.9", 0},
        {"tcp 10.1.0.5 10.3.0.9:443", "tcp 10.1.0.5 10.3.0.9:443", "tcp 10.1.0.5 -> 10.3.0.9:443",
         FIELD_PROTOCOL | FIELD_REMOTE_PORT},
        {"tcp 10.1.0.5 10.3.0.9 port 443", "tcp 10.1.0.5 10.3.0.9:443", "tcp 10.1.0.5 -> 10.3.0.9:443",
         FIELD_PROTOCOL | FIELD_REMOTE_PORT},
        {"6 10.1.0.5 port 1 -> 10.3.0.9 port 65535", "tcp 10.1.0.5:1 10.3.0.9:65535",
         "tcp 10.1.0.5:1 -> 10.3.0.9:65535", FIELD_PROTOCOL | FIELD_LOCAL_PORT | FIELD_REMOTE_PORT},
        {"10.1.0.5:53 10.3.0.9", "10.1.0.5:53 10.3.0.9", "10.1.0.5:53 -> 10.3.0.9", FIELD_LOCAL_PORT},
        {"[2001:db8::1]:443 2001:DB8::0:2", "[2001:db8::1]:443 2001:db8::2", "[2001:db8::1]:443 -> 2001:db8::2",
         FIELD_LOCAL_PORT},
        {"udp [::1] :: port 7", "udp ::1 [::]:7", "udp ::1 -> [::]:7", FIELD_PROTOCOL | FIELD_REMOTE_PORT},
        {"254 10.1.0.5 10.3.0.9", "254 10.1.0.5 10.3.0.9", "254 10.1.0.5 -> 10.3.0.9", FIELD_PROTOCOL},
        {"udplite [1111:1111:1111:1111:1111:1111:1111:1111]:65535 [1111:1111:1111:1111:1111:1111:1111:1111]:65535",
         "udplite [1111:1111:1111:1111:1111:1111:1111:1111]:65535 [1111:1111:1111:1111:1111:1111:1111:1111]:65535",
         "udplite [1111:1111:1111:1111:1111:1111:1111:1111]:65535 -> [1111:1111:1111:1111:1111:1111:1111:1111]:65535",
         FIELD_PROTOCOL | FIELD_LOCAL_PORT | FIELD_REMOTE_PORT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct explain_query query;
        char text[EXPLAIN_QUERY_TEXT];
        if (parse(rows[i].text, &query) != OK)
            fail_msg("'%s': %s", rows[i].text, why);
        assert_string_equal(explain_query_print(&query, " ", text), rows[i].shell);
        assert_string_equal(explain_query_print(&query, " -> ", text), rows[i].people);
        assert_int_equal(query.told, rows[i].told);
        assert_int_equal(query.flow.has_ports, (rows[i].told & (FIELD_LOCAL_PORT | FIELD_REMOTE_PORT)) != 0);
        assert_false(query.flow.is_fragment);
    }
}

static void test_turned_and_filled(void **state)
{
    (void)state;
    struct explain_query query, turned, filled;
    char text[EXPLAIN_QUERY_TEXT];
    assert_int_equal(parse("tcp 10.1.0.5 10.3.0.9:443", &query), OK);
    turned = explain_query_turned(&query);
    assert_string_equal(explain_query_print(&turned, " ", text), "tcp 10.3.0.9:443 10.1.0.5");
    turned = explain_query_turned(&turned);
    assert_string_equal(explain_query_print(&turned, " ", text), "tcp 10.1.0.5 10.3.0.9:443");

    const struct selector s = {.protocol = 17, .local_port = {7, 9}, .remote_port = {53, 53}};
    assert_int_equal(parse("10.1.0.5 10.3.0.9", &query), OK);
    filled = explain_query_filled(&query, &s, FIELD_PROTOCOL | FIELD_LOCAL_PORT | FIELD_REMOTE_PORT);
    assert_string_equal(explain_query_print(&filled, " ", text), "udp 10.1.0.5:7 10.3.0.9:53");
    assert_true(filled.flow.has_ports);
    filled = explain_query_filled(&query, &s, FIELD_PROTOCOL);
    assert_string_equal(explain_query_print(&filled, " ", text), "udp 10.1.0.5 10.3.0.9");
    assert_false(filled.flow.has_ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_questions_are_refused_with_a_remedy),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_turned_and_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
