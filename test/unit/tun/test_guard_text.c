/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/guard_text.h"

#include "tun_test.h"

/* The lines of one chain, each without its indent. */
static const char *chain_of(const char *text, const char *chain)
{
    static char out[8192];
    char head[64];
    (void)snprintf(head, sizeof head, "chain %s {\n", chain);
    const char *at = strstr(text, head);
    assert_non_null(at);
    out[0] = '\0';
    for (at += strlen(head); strncmp(at, "    }", 5) != 0; at = strchr(at, '\n') + 1) {
        const char *start = at + strspn(at, " ");
        strncat(out, start, (size_t)(strchr(start, '\n') + 1 - start));
    }
    return out;
}

struct row {
    const char *rules[4];
    const char *in_rules, *in, *out_rules, *out;
};

static void check(const struct row *row)
{
    size_t count = 0;
    while (count < COUNT(row->rules) && row->rules[count] != NULL)
        count++;
    struct spd spd = an_spd(row->rules, count);
    char *text = guard_text(&spd, "esp0", 0x4500);
    assert_non_null(text);
    assert_string_equal(chain_of(text, "inbound_rules"), row->in_rules);
    assert_string_equal(chain_of(text, "inbound"), row->in);
    assert_string_equal(chain_of(text, "outbound_rules"), row->out_rules);
    assert_string_equal(chain_of(text, "outbound"), row->out);
    free(text);
    spd_free(&spd);
}

#define GOTO_IN  "goto inbound_rules\n"
#define GOTO_OUT "goto outbound_rules\n"
#define IN_DROP  " counter name \"in_clear\" drop comment "
#define OUT_DROP " counter name \"out_clear\" drop comment "

static void test_an_empty_acl(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{NULL}, "", GOTO_IN, "", GOTO_OUT},
        /* the discard would cut off administration */
        {{"discard any -> any"}, "", GOTO_IN, "", GOTO_OUT},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_first_match_and_both_senses(void **state)
{
    (void)state;
    const struct row row = {
        {"discard tcp any -> 10.2.0.0/24 port 23", "bypass 10.1.0.0/24 -> 10.2.0.9/32",
         "protect 10.1.0.0/24 -> 10.2.0.0-10.2.0.9 via x", "protect fd01::/64 -> fd02::/64 via x"},
        "meta nfproto ipv4 ip daddr 10.1.0.0/24 ip saddr 10.2.0.9/32 return comment \"rule 2\"\n"
        "meta nfproto ipv4 ip daddr 10.1.0.0/24 ip saddr 10.2.0.0-10.2.0.9" IN_DROP "\"rule 3\"\n"
        "meta nfproto ipv6 ip6 daddr fd01::/64 ip6 saddr fd02::/64" IN_DROP "\"rule 4\"\n",
        "meta nfproto ipv4 ip saddr 10.1.0.0/24 return\nmeta nfproto ipv6 ip6 saddr fd01::/64 return\n" GOTO_IN,
        "meta nfproto ipv4 ip saddr 10.1.0.0/24 ip daddr 10.2.0.9/32 return comment \"rule 2\"\n"
        "meta nfproto ipv4 ip saddr 10.1.0.0/24 ip daddr 10.2.0.0-10.2.0.9" OUT_DROP "\"rule 3\"\n"
        "meta nfproto ipv6 ip6 saddr fd01::/64 ip6 daddr fd02::/64" OUT_DROP "\"rule 4\"\n",
        "meta nfproto ipv4 ip daddr 10.1.0.0/24 return\nmeta nfproto ipv6 ip6 daddr fd01::/64 return\n" GOTO_OUT,
    };
    check(&row);
}

static void test_ports_protocols_and_fragments(void **state)
{
    (void)state;
    const struct row rows[] = {
        /* IPv4 shows the protocol in each fragment */
        {{"protect icmp 10.1.0.0/24 -> 10.2.0.0/24 via x"},
         "meta nfproto ipv4 ip daddr 10.1.0.0/24 ip saddr 10.2.0.0/24 meta l4proto 1" IN_DROP "\"rule 1\"\n",
         "meta nfproto ipv4 ip saddr 10.1.0.0/24 return\n" GOTO_IN,
         "meta nfproto ipv4 ip saddr 10.1.0.0/24 ip daddr 10.2.0.0/24 meta l4proto 1" OUT_DROP "\"rule 1\"\n",
         "meta nfproto ipv4 ip daddr 10.1.0.0/24 return\n" GOTO_OUT},
        {{"protect tcp 10.1.0.0/24 port 7-9 -> 10.2.0.0/24 port 443 via x"},
         "meta nfproto ipv4 ip daddr 10.1.0.0/24 ip saddr 10.2.0.0/24 meta l4proto 6 th dport 7-9 th sport 443" IN_DROP
         "\"rule 1\"\nmeta nfproto ipv4 ip daddr 10.1.0.0/24 ip saddr 10.2.0.0/24 meta l4proto 6 ip frag-off & 0x1fff "
         "!= 0" IN_DROP "\"rule 1\"\n",
         "meta nfproto ipv4 ip saddr 10.1.0.0/24 return\n" GOTO_IN,
         "meta nfproto ipv4 ip saddr 10.1.0.0/24 ip daddr 10.2.0.0/24 meta l4proto 6 th sport 7-9 th dport 443" OUT_DROP
         "\"rule 1\"\nmeta nfproto ipv4 ip saddr 10.1.0.0/24 ip daddr 10.2.0.0/24 meta l4proto 6 ip frag-off & 0x1fff "
         "!= 0" OUT_DROP "\"rule 1\"\n",
         "meta nfproto ipv4 ip daddr 10.1.0.0/24 return\n" GOTO_OUT},
        /* IPv6 may hide it; a fragment of a bypass rule is never taken for one */
        {{"bypass udp fd01::/64 -> fd02::/64 port 53", "protect udp fd01::/64 -> fd02::/64 via x"},
         "meta nfproto ipv6 ip6 daddr fd01::/64 ip6 saddr fd02::/64 meta l4proto 17 th sport 53 return comment \"rule "
         "1\"\nmeta nfproto ipv6 ip6 daddr fd01::/64 ip6 saddr fd02::/64 meta l4proto 17" IN_DROP "\"rule 2\"\n"
         "meta nfproto ipv6 ip6 daddr fd01::/64 ip6 saddr fd02::/64 frag frag-off != 0 frag nexthdr { 0, 43, 44, 51, "
         "60 }" IN_DROP "\"rule 2\"\n",
         "meta nfproto ipv6 ip6 saddr fd01::/64 return\n" GOTO_IN,
         "meta nfproto ipv6 ip6 saddr fd01::/64 ip6 daddr fd02::/64 meta l4proto 17 th dport 53 return comment \"rule "
         "1\"\nmeta nfproto ipv6 ip6 saddr fd01::/64 ip6 daddr fd02::/64 meta l4proto 17" OUT_DROP "\"rule 2\"\n"
         "meta nfproto ipv6 ip6 saddr fd01::/64 ip6 daddr fd02::/64 frag frag-off != 0 frag nexthdr { 0, 43, 44, 51, "
         "60 }" OUT_DROP "\"rule 2\"\n",
         "meta nfproto ipv6 ip6 daddr fd01::/64 return\n" GOTO_OUT},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_which_addresses_are_ours(void **state)
{
    (void)state;
    const struct row rows[] = {
        /* any on both sides names no side; one written rule is two, one a family */
        {{"bypass any -> 10.1.0.0/24", "protect any -> any via x"},
         "meta nfproto ipv4 ip saddr 10.1.0.0/24 return comment \"rule 1\"\nmeta nfproto ipv4" IN_DROP
         "\"rule 2\"\nmeta nfproto ipv6" IN_DROP "\"rule 2\"\n",
         GOTO_IN,
         "meta nfproto ipv4 ip daddr 10.1.0.0/24 return comment \"rule 1\"\nmeta nfproto ipv4" OUT_DROP
         "\"rule 2\"\nmeta nfproto ipv6" OUT_DROP "\"rule 2\"\n",
         GOTO_OUT},
        /* the LAN inside what the peer has: its hosts talk to each other */
        {{"protect 10.1.0.0/24 -> 0.0.0.0/0 via x", "protect 10.1.0.0/24 -> 10.9.0.0/16 via x"},
         "meta nfproto ipv4 ip daddr 10.1.0.0/24" IN_DROP "\"rule 1\"\nmeta nfproto ipv4 ip daddr 10.1.0.0/24 ip saddr "
         "10.9.0.0/16" IN_DROP "\"rule 2\"\n",
         "meta nfproto ipv4 ip saddr 10.1.0.0/24 return\n" GOTO_IN,
         "meta nfproto ipv4 ip saddr 10.1.0.0/24" OUT_DROP "\"rule 1\"\nmeta nfproto ipv4 ip saddr 10.1.0.0/24 ip "
         "daddr 10.9.0.0/16" OUT_DROP "\"rule 2\"\n",
         "meta nfproto ipv4 ip daddr 10.1.0.0/24 return\n" GOTO_OUT},
        /* a hub: the spokes lie inside its own range, and are theirs */
        {{"protect 10.0.0.0/8 -> 10.3.0.0/24 via x", "protect 10.0.0.0/8 -> 10.4.0.0/24 via x"},
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 ip saddr 10.3.0.0/24" IN_DROP "\"rule 1\"\n"
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 ip saddr 10.4.0.0/24" IN_DROP "\"rule 2\"\n",
         "meta nfproto ipv4 ip saddr 10.3.0.0/24 goto inbound_rules\n"
         "meta nfproto ipv4 ip saddr 10.4.0.0/24 goto inbound_rules\n"
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 return\n" GOTO_IN,
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 ip daddr 10.3.0.0/24" OUT_DROP "\"rule 1\"\n"
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 ip daddr 10.4.0.0/24" OUT_DROP "\"rule 2\"\n",
         "meta nfproto ipv4 ip daddr 10.3.0.0/24 goto outbound_rules\n"
         "meta nfproto ipv4 ip daddr 10.4.0.0/24 goto outbound_rules\n"
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 return\n" GOTO_OUT},
        /* the wide local side holds the spoke, although a narrow one begins nearer to it; each side is told once */
        {{"protect 10.0.0.0/8 -> 10.3.0.0/24 via x", "protect 10.2.0.0/24 -> 192.0.2.0/24 via x",
          "protect 10.2.0.0/24 -> 10.3.0.0/24 via x"},
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 ip saddr 10.3.0.0/24" IN_DROP "\"rule 1\"\n"
         "meta nfproto ipv4 ip daddr 10.2.0.0/24 ip saddr 192.0.2.0/24" IN_DROP "\"rule 2\"\n"
         "meta nfproto ipv4 ip daddr 10.2.0.0/24 ip saddr 10.3.0.0/24" IN_DROP "\"rule 3\"\n",
         "meta nfproto ipv4 ip saddr 10.3.0.0/24 goto inbound_rules\n"
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 return\n"
         "meta nfproto ipv4 ip saddr 10.2.0.0/24 return\n" GOTO_IN,
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 ip daddr 10.3.0.0/24" OUT_DROP "\"rule 1\"\n"
         "meta nfproto ipv4 ip saddr 10.2.0.0/24 ip daddr 192.0.2.0/24" OUT_DROP "\"rule 2\"\n"
         "meta nfproto ipv4 ip saddr 10.2.0.0/24 ip daddr 10.3.0.0/24" OUT_DROP "\"rule 3\"\n",
         "meta nfproto ipv4 ip daddr 10.3.0.0/24 goto outbound_rules\n"
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 return\n"
         "meta nfproto ipv4 ip daddr 10.2.0.0/24 return\n" GOTO_OUT},
        /* both sides the same range: a bypass has to say what is ours */
        {{"protect 10.0.0.0/8 -> 10.0.0.0/8 via x"},
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 ip saddr 10.0.0.0/8" IN_DROP "\"rule 1\"\n",
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 goto inbound_rules\n"
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 return\n" GOTO_IN,
         "meta nfproto ipv4 ip saddr 10.0.0.0/8 ip daddr 10.0.0.0/8" OUT_DROP "\"rule 1\"\n",
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 goto outbound_rules\n"
         "meta nfproto ipv4 ip daddr 10.0.0.0/8 return\n" GOTO_OUT},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_the_hooks(void **state)
{
    (void)state;
    struct spd spd = {0};
    char *text = guard_text(&spd, "esp-0.1", 0x4500);
    assert_non_null(text);
    const char *begin = "table inet esptun_esp-0.1\ndelete table inet esptun_esp-0.1\ntable inet esptun_esp-0.1 {\n";
    assert_memory_equal(text, begin, strlen(begin));
    const char *input = chain_of(text, "input");
    assert_has(input, "hook input priority filter; policy accept;\niifname { \"esp-0.1\", \"lo\" } return\n");
    assert_has(input, "udp dport { 500, 4500 } return\nmeta l4proto 50 return\n");
    assert_has(input, "jump inbound\n");
    assert_string_equal(chain_of(text, "forward"),
                        "type filter hook forward priority filter; policy accept;\noifname \"esp-0.1\" return\n"
                        "iifname != \"esp-0.1\" jump inbound\njump outbound\n");
    const char *output = chain_of(text, "output");
    assert_has(output, "hook output priority filter; policy accept;\noifname { \"esp-0.1\", \"lo\" } return\n"
                       "meta mark 0x4500 return\n");
    assert_has(output, "jump outbound\n");
    free(text);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "a\"", "a;", "esp*", "a{", "a\n"};
    static const char *const good[] = {"esp0", "0", "a.b_c-d", "-"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(guard_name_fits(bad[i]));
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(guard_name_fits(good[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_acl),
        cmocka_unit_test(test_first_match_and_both_senses),
        cmocka_unit_test(test_ports_protocols_and_fragments),
        cmocka_unit_test(test_which_addresses_are_ours),
        cmocka_unit_test(test_the_hooks),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
