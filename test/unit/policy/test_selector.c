/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/protocol.h"
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
        struct flow in = flow_reversed(&cases[i].flow);
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
        struct flow in = flow_reversed(&f);
        assert_false(selector_matches_inbound(&remote, &in));
        assert_false(selector_matches_inbound(&local, &in));
    }
    struct selector open = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.9", ANY);
    assert_true(selector_matches(&open, &f));
}

/* The error goes to who sent the packet, and that packet is one that we may send by this SA (RFC 4301 6.2). */
static void test_which_errors_an_sa_admits(void **state)
{
    (void)state;
    struct selector nets = a_selector(0, "10.1.0.0/24", ANY, "10.3.0.0/24", ANY);
    struct selector tcp = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.0/24", ANY);
    struct selector https = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.0/24", PORT(443, 443));
    struct selector icmp = a_selector(1, "10.1.0.0/24", ANY, "10.3.0.0/24", ANY);
    struct {
        const char *router, *to; /* of the error */
        struct flow quoted;
        bool nets, tcp, https, icmp;
    } cases[] = {
        /* from the host itself, and from a router that no selector knows */
        {"10.3.0.9", "10.1.0.2", a_flow(6, "10.1.0.2", 4711, "10.3.0.9", 443), true, true, true, false},
        {"198.51.100.1", "10.1.0.2", a_flow(6, "10.1.0.2", 4711, "10.3.0.9", 443), true, true, true, false},
        {"10.3.0.9", "10.1.0.2", a_flow(6, "10.1.0.2", 4711, "10.3.0.9", 80), true, true, false, false},
        {"10.3.0.9", "10.1.0.2", a_flow(17, "10.1.0.2", 4711, "10.3.0.9", 443), true, false, false, false},
        {"10.3.0.9", "10.1.0.2", a_flow(1, "10.1.0.2", -1, "10.3.0.9", -1), true, false, false, true},
        /* the quotation ends before the ports */
        {"10.3.0.9", "10.1.0.2", a_flow(6, "10.1.0.2", -1, "10.3.0.9", -1), true, true, false, false},
        /* to another host of ours than the one that sent the packet */
        {"10.3.0.9", "10.1.0.3", a_flow(6, "10.1.0.2", 4711, "10.3.0.9", 443), false, false, false, false},
        {"10.3.0.9", "10.9.0.2", a_flow(6, "10.1.0.2", 4711, "10.3.0.9", 443), false, false, false, false},
        /* about connections that do not go through this SA: the error itself would match as a packet */
        {"10.3.0.9", "10.1.0.2", a_flow(6, "10.1.0.2", 4711, "192.0.2.9", 443), false, false, false, false},
        {"10.3.0.9", "10.1.0.2", a_flow(6, "10.9.0.2", 4711, "10.3.0.9", 443), false, false, false, false},
        {"10.3.0.9", "10.9.0.2", a_flow(6, "10.9.0.2", 4711, "10.3.0.9", 443), false, false, false, false},
        /* a packet of the peer's own, not of ours */
        {"10.3.0.9", "10.1.0.2", a_flow(6, "10.3.0.9", 443, "10.1.0.2", 4711), false, false, false, false},
        {"10.1.0.2", "10.3.0.9", a_flow(6, "10.3.0.9", 443, "10.1.0.2", 4711), false, false, false, false},
        {"10.3.0.9", "10.1.0.2", a_flow(6, "2001:db8::1", 4711, "2001:db8::2", 443), false, false, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow error = a_flow(1, cases[i].router, -1, cases[i].to, -1);
        if (selector_admits_error(&nets, &error, &cases[i].quoted) != cases[i].nets ||
            selector_admits_error(&tcp, &error, &cases[i].quoted) != cases[i].tcp ||
            selector_admits_error(&https, &error, &cases[i].quoted) != cases[i].https ||
            selector_admits_error(&icmp, &error, &cases[i].quoted) != cases[i].icmp)
            fail_msg("case %zu", i);
        error.is_fragment = true; /* its other fragments could change the quotation */
        assert_false(selector_admits_error(&nets, &error, &cases[i].quoted));
    }
}

/* Too short to be about anything: it counts as a packet like any other, unless it is only a piece of one. */
static void test_errors_without_a_quotation(void **state)
{
    (void)state;
    struct selector nets = a_selector(0, "10.1.0.0/24", ANY, "10.3.0.0/24", ANY);
    struct selector icmp = a_selector(1, "10.1.0.0/24", ANY, "10.3.0.0/24", ANY);
    struct selector tcp = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.0/24", ANY);
    struct flow inside = a_flow(1, "10.3.0.9", -1, "10.1.0.2", -1), nothing = {0};
    struct flow router = a_flow(1, "198.51.100.1", -1, "10.1.0.2", -1);
    assert_true(selector_admits_error(&nets, &inside, &nothing));
    assert_true(selector_admits_error(&icmp, &inside, &nothing));
    assert_false(selector_admits_error(&tcp, &inside, &nothing));
    assert_false(selector_admits_error(&nets, &router, &nothing));
    inside.is_fragment = true;
    assert_false(selector_admits_error(&nets, &inside, &nothing));
    assert_false(selector_admits_error(&icmp, &inside, &nothing));
}

/* An IPv6 quotation that ends inside extension headers may be of any protocol: it is none that a selector names. */
static void test_errors_with_a_broken_chain(void **state)
{
    (void)state;
    struct selector nets = a_selector(0, "2001:db8:1::/48", ANY, "2001:db8:2::/48", ANY);
    struct selector tcp = a_selector(6, "2001:db8:1::/48", ANY, "2001:db8:2::/48", ANY);
    struct flow error = a_flow(58, "2001:db8:9::1", -1, "2001:db8:1::2", -1);
    static const uint8_t stops[] = {0, 43, 44, 51, 60};
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct flow quoted = a_flow(stops[i], "2001:db8:1::2", -1, "2001:db8:2::9", -1);
        assert_true(selector_admits_error(&nets, &error, &quoted));
        assert_false(selector_admits_error(&tcp, &error, &quoted));
        assert_true(selector_may_match(&tcp, &quoted));
    }
}

static void test_which_selectors_have_ports(void **state)
{
    (void)state;
    static const struct {
        struct port_range range;
        bool has;
    } cases[] = {{{0, 65535}, false}, {{0, 0}, true}, {{0, 65534}, true}, {{1, 65535}, true}, {{443, 443}, true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct selector local = a_selector(6, "10.1.0.0/24", cases[i].range, "10.3.0.9", ANY);
        struct selector remote = a_selector(6, "10.1.0.0/24", ANY, "10.3.0.9", cases[i].range);
        assert_int_equal(selector_has_ports(&local), cases[i].has);
        assert_int_equal(selector_has_ports(&remote), cases[i].has);
    }
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

enum { PORTS_TOLD = FIELD_LOCAL_PORT | FIELD_REMOTE_PORT, ALL_TOLD = FIELD_PROTOCOL | PORTS_TOLD };

static void test_which_field_differs(void **state)
{
    (void)state;
    const struct selector s = a_selector(6, "10.1.0.0/24", PORT(1000, 2000), "10.3.0.9", PORT(443, 443));
    const struct selector wide = a_selector(0, "10.1.0.0/24", ANY, "10.3.0.9", ANY);
    const struct {
        struct flow flow;
        unsigned told, differs, open;
    } rows[] = {
        {a_flow(6, "10.1.0.2", 1000, "10.3.0.9", 443), ALL_TOLD, 0, 0},
        {a_flow(6, "2001:db8::1", 1000, "2001:db8::2", 443), ALL_TOLD, FIELD_FAMILY, 0},
        {a_flow(17, "10.1.0.2", 1000, "10.3.0.9", 443), ALL_TOLD, FIELD_PROTOCOL, 0},
        {a_flow(6, "10.1.1.2", 1000, "10.3.0.9", 443), ALL_TOLD, FIELD_LOCAL, 0},
        {a_flow(6, "10.1.0.2", 999, "10.3.0.9", 443), ALL_TOLD, FIELD_LOCAL_PORT, 0},
        {a_flow(6, "10.1.0.2", 1000, "10.3.0.8", 443), ALL_TOLD, FIELD_REMOTE, 0},
        {a_flow(6, "10.1.0.2", 1000, "10.3.0.9", 444), ALL_TOLD, FIELD_REMOTE_PORT, 0},
        {a_flow(17, "10.1.1.2", 1, "10.3.0.8", 2), ALL_TOLD,
         FIELD_PROTOCOL | FIELD_LOCAL | FIELD_LOCAL_PORT | FIELD_REMOTE | FIELD_REMOTE_PORT, 0},
        /* a protocol without ports, and a packet that does not tell all */
        {a_flow(1, "10.1.0.2", -1, "10.3.0.9", -1), FIELD_PROTOCOL,
         FIELD_PROTOCOL | FIELD_LOCAL_PORT | FIELD_REMOTE_PORT, 0},
        {a_flow(0, "10.1.0.2", -1, "10.3.0.9", -1), 0, 0, ALL_TOLD},
        {a_flow(6, "10.1.0.2", -1, "10.3.0.9", -1), FIELD_PROTOCOL, 0, PORTS_TOLD},
        {a_flow(6, "10.1.0.2", 0, "10.3.0.9", 443), FIELD_PROTOCOL | FIELD_REMOTE_PORT, 0, FIELD_LOCAL_PORT},
        {a_flow(6, "10.1.0.2", 0, "10.3.0.9", 80), FIELD_PROTOCOL | FIELD_REMOTE_PORT, FIELD_REMOTE_PORT,
         FIELD_LOCAL_PORT},
        {a_flow(0, "10.1.0.2", 0, "10.3.0.9", 443), FIELD_REMOTE_PORT, 0, FIELD_PROTOCOL | FIELD_LOCAL_PORT},
        {a_flow(0, "10.1.9.2", -1, "10.3.0.9", -1), 0, FIELD_LOCAL, ALL_TOLD},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct selector_fit fit = selector_explain(&s, &rows[i].flow, rows[i].told);
        if (fit.differs != rows[i].differs || fit.open != rows[i].open)
            fail_msg("row %zu: differs %u, open %u", i, fit.differs, fit.open);
    }
    const struct flow unknown = a_flow(0, "10.1.0.2", -1, "10.3.0.9", -1);
    const struct flow with_port = a_flow(0, "10.1.0.2", 0, "10.3.0.9", 443);
    const struct selector icmp = a_selector(1, "10.1.0.0/24", ANY, "10.3.0.9", ANY);
    assert_int_equal(selector_explain(&wide, &unknown, 0).open, 0);
    assert_int_equal(selector_explain(&icmp, &unknown, 0).open, FIELD_PROTOCOL);
    assert_int_equal(selector_explain(&icmp, &with_port, FIELD_REMOTE_PORT).differs, FIELD_PROTOCOL);
}

enum { SMALL_PACKETS = 3 * 16 };

/* Three protocols, ports 1 to 4. */
static struct flow small_packet(unsigned n)
{
    static const uint8_t protocols[] = {1, 6, 17};
    const uint8_t protocol = protocols[n / 16];
    const bool ports = protocol != 1;
    return a_flow(protocol, "10.0.0.2", ports ? 1 + (int)(n & 3) : -1, "10.0.1.1", ports ? 1 + (int)(n >> 2 & 3) : -1);
}

/* What is left of a whole packet when only a part is told. */
static struct flow forget(const struct flow *whole, unsigned told)
{
    struct flow f = *whole;
    f.protocol = (told & FIELD_PROTOCOL) != 0 ? f.protocol : 0;
    f.source_port = (told & FIELD_LOCAL_PORT) != 0 ? f.source_port : 0;
    f.destination_port = (told & FIELD_REMOTE_PORT) != 0 ? f.destination_port : 0;
    f.has_ports = whole->has_ports && (told & PORTS_TOLD) != 0;
    return f;
}

static bool looks_like(const struct flow *whole, const struct flow *part, unsigned told)
{
    const struct flow f = forget(whole, told);
    return f.protocol == part->protocol && f.has_ports == part->has_ports && f.source_port == part->source_port &&
           f.destination_port == part->destination_port;
}

/* As selector_matches says of all the whole packets that may be meant. */
static void check_explained(const struct selector *s, const struct flow *part, unsigned told)
{
    const struct selector_fit fit = selector_explain(s, part, told);
    size_t all = 0, taken = 0;
    for (unsigned n = 0; n < SMALL_PACKETS; n++) {
        const struct flow whole = small_packet(n);
        if (!looks_like(&whole, part, told))
            continue;
        all++;
        taken += selector_matches(s, &whole);
    }
    assert_true(all > 0);
    if ((fit.differs != 0) != (taken == 0) || (fit.differs == 0 && fit.open == 0) != (taken == all))
        fail_msg("told %u, protocol %u, ports %u and %u: differs %u, open %u, takes %zu of %zu", told, part->protocol,
                 part->source_port, part->destination_port, fit.differs, fit.open, taken, all);
}

static void test_explain_agrees_with_matches(void **state)
{
    (void)state;
    static const struct port_range ranges[] = {{0, 65535}, {1, 1}, {2, 3}};
    static const uint8_t protocols[] = {0, 1, 6, 17};
    static const char *const locals[] = {"10.0.0.1", "10.0.0.0/30"};
    static const unsigned fields[] = {FIELD_PROTOCOL, FIELD_LOCAL_PORT, FIELD_REMOTE_PORT};
    for (size_t n = 0; n < COUNT(protocols) * 9 * 2; n++) {
        const struct selector s =
            a_selector(protocols[n % 4], locals[n / 36], ranges[n / 4 % 3], "10.0.1.1", ranges[n / 12 % 3]);
        if (!protocol_has_ports(s.protocol) && n / 4 % 9 != 0)
            continue; /* ports need a protocol that has them */
        for (unsigned bits = 0; bits < 8; bits++) {
            const unsigned told =
                ((bits & 1) * fields[0]) | ((bits >> 1 & 1) * fields[1]) | ((bits >> 2 & 1) * fields[2]);
            for (unsigned p = 0; p < SMALL_PACKETS; p++) {
                const struct flow whole = small_packet(p), part = forget(&whole, told);
                if (whole.has_ports || (told & PORTS_TOLD) == 0) /* no question tells a port of icmp */
                    check_explained(&s, &part, told);
            }
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching_truth_table),       cmocka_unit_test(test_unknown_ports_never_match_a_port_b38),
        cmocka_unit_test(test_which_errors_an_sa_admits),  cmocka_unit_test(test_errors_without_a_quotation),
        cmocka_unit_test(test_errors_with_a_broken_chain), cmocka_unit_test(test_which_selectors_have_ports),
        cmocka_unit_test(test_what_contains_what),         cmocka_unit_test(test_print_is_the_syntax_of_the_acl),
        cmocka_unit_test(test_which_field_differs),        cmocka_unit_test(test_explain_agrees_with_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
