/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

static struct selector a_selector(uint8_t protocol, const char *local, struct port_range local_port, const char *remote,
                                  struct port_range remote_port)
{
    return (struct selector){a_range(local), a_range(remote), protocol, local_port, remote_port};
}

static struct flow a_flow(uint8_t protocol, const char *source, int source_port, const char *destination,
                          int destination_port)
{
    struct flow f = {.source = an_address(source), .destination = an_address(destination), .protocol = protocol};
    f.has_ports = source_port >= 0;
    f.source_port = (uint16_t)(f.has_ports ? source_port : 0);
    f.destination_port = (uint16_t)(f.has_ports ? destination_port : 0);
    return f;
}

static struct flow reversed(const struct flow *f)
{
    struct flow r = *f;
    r.source = f->destination;
    r.destination = f->source;
    r.source_port = f->destination_port;
    r.destination_port = f->source_port;
    return r;
}

#define ANY               port_any()
#define PORT(first, last) ((struct port_range){first, last})

static void test_matching_truth_table(void **state)
{
    (void)state;
    struct selector any_protocol = a_selector(0, "10.1.0.0/24", ANY, "10.3.0.9", ANY);
    struct selector https = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.9", PORT(443, 443));
    struct selector from_range = a_selector(6, "10.1.0.0/24", PORT(1000, 2000), "10.3.0.9", ANY);
    struct {
        struct flow flow;
        bool any_protocol, https, from_range;
    } cases[] = {
        {a_flow(6, "10.1.0.2", 4711, "10.3.0.9", 443), true, true, false},
        {a_flow(6, "10.1.0.2", 1000, "10.3.0.9", 443), true, true, true},
        {a_flow(6, "10.1.0.2", 2000, "10.3.0.9", 444), true, false, true},
        {a_flow(6, "10.1.0.2", 2001, "10.3.0.9", 442), true, false, false},
        {a_flow(6, "10.1.0.2", 999, "10.3.0.9", 0), true, false, false},
        {a_flow(17, "10.1.0.2", 1500, "10.3.0.9", 443), true, false, false},
        {a_flow(6, "10.1.1.2", 1500, "10.3.0.9", 443), false, false, false},
        {a_flow(6, "10.1.0.2", 1500, "10.3.0.8", 443), false, false, false},
        {a_flow(6, "10.3.0.9", 443, "10.1.0.2", 1500), false, false, false}, /* the other way */
        {a_flow(6, "2001:db8::1", 1500, "2001:db8::2", 443), false, false, false},
        {a_flow(1, "10.1.0.2", -1, "10.3.0.9", -1), true, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow in = reversed(&cases[i].flow);
        assert_int_equal(selector_matches(&any_protocol, &cases[i].flow), cases[i].any_protocol);
        assert_int_equal(selector_matches(&https, &cases[i].flow), cases[i].https);
        assert_int_equal(selector_matches(&from_range, &cases[i].flow), cases[i].from_range);
        assert_int_equal(selector_matches_inbound(&any_protocol, &in), cases[i].any_protocol);
        assert_int_equal(selector_matches_inbound(&https, &in), cases[i].https);
        assert_int_equal(selector_matches_inbound(&from_range, &in), cases[i].from_range);
    }
}

/* RFC 4301 7: a fragment without ports matches no selector that names one, not even where the port would be 0. */
static void test_unknown_ports_never_match_a_port_b38(void **state)
{
    (void)state;
    struct flow f = a_flow(6, "10.1.0.2", -1, "10.3.0.9", -1);
    f.is_fragment = true;
    static const struct port_range ranges[] = {{0, 0}, {0, 65534}, {1, 65535}, {443, 443}};
    for (size_t i = 0; i < COUNT(ranges); i++) {
        struct selector remote = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.9", ranges[i]);
        struct selector local = a_selector(6, "10.1.0.0/24", ranges[i], "10.3.0.9", ANY);
        assert_false(selector_matches(&remote, &f));
        assert_false(selector_matches(&local, &f));
        struct flow in = reversed(&f);
        assert_false(selector_matches_inbound(&remote, &in));
        assert_false(selector_matches_inbound(&local, &in));
    }
    struct selector open = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.9", ANY);
    assert_true(selector_matches(&open, &f));
}

static void test_what_contains_what(void **state)
{
    (void)state;
    struct selector base = a_selector(6, "10.1.0.0/24", PORT(10, 20), "10.3.0.0/24", PORT(443, 443));
    struct {
        struct selector inner;
        bool contained;
    } cases[] = {
        {base, true},
        {a_selector(6, "10.1.0.7", PORT(10, 10), "10.3.0.1", PORT(443, 443)), true},
        {a_selector(0, "10.1.0.7", PORT(10, 10), "10.3.0.1", PORT(443, 443)), false},
        {a_selector(17, "10.1.0.7", PORT(10, 10), "10.3.0.1", PORT(443, 443)), false},
        {a_selector(6, "10.1.0.0/23", PORT(10, 10), "10.3.0.1", PORT(443, 443)), false},
        {a_selector(6, "10.1.0.7", PORT(10, 10), "10.3.0.0/16", PORT(443, 443)), false},
        {a_selector(6, "10.1.0.7", PORT(9, 10), "10.3.0.1", PORT(443, 443)), false},
        {a_selector(6, "10.1.0.7", PORT(10, 21), "10.3.0.1", PORT(443, 443)), false},
        {a_selector(6, "10.1.0.7", PORT(10, 20), "10.3.0.1", ANY), false},
    };
    struct selector all = a_selector(0, "0.0.0.0/0", ANY, "0.0.0.0/0", ANY);
    struct selector all6 = a_selector(0, "::/0", ANY, "::/0", ANY);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(selector_contains(&base, &cases[i].inner), cases[i].contained);
        assert_int_equal(selector_equal(&base, &cases[i].inner), i == 0);
        assert_true(selector_contains(&all, &cases[i].inner));
        assert_false(selector_contains(&all6, &cases[i].inner));
    }
}

static void test_print_is_the_syntax_of_the_acl(void **state)
{
    (void)state;
    struct {
        struct selector s;
        const char *whole, *local, *remote;
    } cases[] = {
        {a_selector(0, "10.1.0.0/24", ANY, "10.2.0.0/24", ANY), "10.1.0.0/24 -> 10.2.0.0/24", "10.1.0.0/24",
         "10.2.0.0/24"},
        {a_selector(6, "10.1.0.0/24", ANY, "10.3.0.9", PORT(443, 443)), "tcp 10.1.0.0/24 -> 10.3.0.9/32 port 443",
         "10.1.0.0/24[tcp]", "10.3.0.9/32[tcp/443]"},
        {a_selector(17, "10.1.0.1-10.1.0.9", PORT(53, 53), "0.0.0.0/0", PORT(8000, 8080)),
         "udp 10.1.0.1-10.1.0.9 port 53 -> 0.0.0.0/0 port 8000-8080", "10.1.0.1-10.1.0.9[udp/53]",
         "0.0.0.0/0[udp/8000-8080]"},
        {a_selector(254, "::/0", ANY, "2001:db8::/32", ANY), "254 ::/0 -> 2001:db8::/32", "::/0[254]",
         "2001:db8::/32[254]"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[SELECTOR_TEXT];
        assert_string_equal(selector_print(&cases[i].s, text), cases[i].whole);
        assert_string_equal(selector_side_print(&cases[i].s, true, text), cases[i].local);
        assert_string_equal(selector_side_print(&cases[i].s, false, text), cases[i].remote);
    }
    static const char widest[] = "1111:1111:1111:1111:1111:1111:1111:1111-ffff:1111:1111:1111:1111:1111:1111:1111";
    struct selector s = a_selector(136, widest, PORT(10000, 60000), widest, PORT(10000, 60000));
    char text[SELECTOR_TEXT];
    assert_has(selector_print(&s, text), "port 10000-60000 -> 1111:"); /* whole, not cut */
    assert_string_equal(text + strlen(text) - 16, "port 10000-60000");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching_truth_table),
        cmocka_unit_test(test_unknown_ports_never_match_a_port_b38),
        cmocka_unit_test(test_what_contains_what),
        cmocka_unit_test(test_print_is_the_syntax_of_the_acl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
