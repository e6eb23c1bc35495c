/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel takes the rules, and nft, which knows nothing of us, says what they mean. */
#include "tun/guard_rules.h"

#include "tun_test.h"

static char out[16384];

static void install(const struct spd *spd, const char *device)
{
    struct netlink netlink;
    struct nft_batch b;
    char table[NFT_BATCH_TABLE];
    (void)snprintf(table, sizeof table, GUARD_TABLE "%s", device);
    nft_batch_begin(&b, table);
    guard_rules(&b, spd, device, 0x4500);
    assert_int_equal(netlink_open_bus(&netlink, NETLINK_NETFILTER), OK);
    assert_int_equal(nft_commit(&b, &netlink), 0);
    netlink_close(&netlink);
    nft_batch_free(&b);
}

/* The lines of one chain, each without its indent. */
static const char *chain_of(const char *device, const char *chain)
{
    static char lines[sizeof out];
    char command[128];
    size_t len = 0;
    (void)snprintf(command, sizeof command, "nft -n list chain inet " GUARD_TABLE "%s %s", device, chain);
    output_of_success(command, out, sizeof out);
    const char *at = strstr(out, "chain ");
    if (at == NULL)
        fail_msg("no chain %s in: %s", chain, out);
    for (at = strchr(at, '\n') + 1; strncmp(at, "\t}", 2) != 0; at = strchr(at, '\n') + 1) {
        const char *start = at + strspn(at, "\t"), *end = strchr(start, '\n') + 1;
        memcpy(lines + len, start, (size_t)(end - start));
        len += (size_t)(end - start);
    }
    lines[len] = '\0';
    return lines;
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
    install(&spd, "esp0");
    const struct {
        const char *name, *lines;
    } chains[] = {{"inbound_rules", row->in_rules},
                  {"inbound", row->in},
                  {"outbound_rules", row->out_rules},
                  {"outbound", row->out}};
    for (size_t i = 0; i < COUNT(chains); i++) {
        const char *lines = chain_of("esp0", chains[i].name);
        if (strcmp(lines, chains[i].lines) != 0)
            fail_msg("the row that begins with '%s': chain %s is\n%s, not\n%s", count > 0 ? row->rules[0] : "nothing",
                     chains[i].name, lines, chains[i].lines);
    }
    spd_free(&spd);
}

#define GOTO_IN  "goto inbound_rules\n"
#define GOTO_OUT "goto outbound_rules\n"
#define IN_DROP  " counter name \"in_clear\" drop comment "
#define OUT_DROP " counter name \"out_clear\" drop comment "

#define IN_DROP_UNNAMED  " counter name \"in_clear\" drop\n"
#define OUT_DROP_UNNAMED " counter name \"out_clear\" drop\n"

static void test_an_empty_acl(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{NULL}, "", GOTO_IN, "", GOTO_OUT},
        /* the discard would cut off administration */
        {{"discard any -> any"}, "", GOTO_IN, "", GOTO_OUT},
    };
    if (!enter_namespace())
        skip();
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_first_match_and_both_senses(void **state)
{
    (void)state;
    const struct row row = {
        {"discard tcp any -> 10.2.0.0/24 port 23", "bypass 10.1.0.0/24 -> 10.2.0.9/32",
         "protect 10.1.0.0/24 -> 10.2.0.0-10.2.0.9 via x", "protect fd01::/64 -> fd02::/64 via x"},
        "ip daddr 10.1.0.0/24 ip saddr 10.2.0.9 return comment \"rule 2\"\n"
        "ip daddr 10.1.0.0/24 ip saddr 10.2.0.0-10.2.0.9" IN_DROP "\"rule 3\"\n"
        "ip6 daddr fd01::/64 ip6 saddr fd02::/64" IN_DROP "\"rule 4\"\n",
        "ip saddr 10.1.0.0/24 return\nip6 saddr fd01::/64 return\n" GOTO_IN,
        "ip saddr 10.1.0.0/24 ip daddr 10.2.0.9 return comment \"rule 2\"\n"
        "ip saddr 10.1.0.0/24 ip daddr 10.2.0.0-10.2.0.9" OUT_DROP "\"rule 3\"\n"
        "ip6 saddr fd01::/64 ip6 daddr fd02::/64" OUT_DROP "\"rule 4\"\n",
        "ip daddr 10.1.0.0/24 return\nip6 daddr fd01::/64 return\n" GOTO_OUT,
    };
    if (!enter_namespace())
        skip();
    check(&row);
}

static void test_ports_protocols_and_fragments(void **state)
{
    (void)state;
    const struct row rows[] = {
        /* IPv4 shows the protocol in each fragment */
        {{"protect icmp 10.1.0.0/24 -> 10.2.0.0/24 via x"},
         "ip daddr 10.1.0.0/24 ip saddr 10.2.0.0/24 meta l4proto 1" IN_DROP "\"rule 1\"\n",
         "ip saddr 10.1.0.0/24 return\n" GOTO_IN,
         "ip saddr 10.1.0.0/24 ip daddr 10.2.0.0/24 meta l4proto 1" OUT_DROP "\"rule 1\"\n",
         "ip daddr 10.1.0.0/24 return\n" GOTO_OUT},
        {{"protect tcp 10.1.0.0/24 port 7-9 -> 10.2.0.0/24 port 443 via x"},
         "ip daddr 10.1.0.0/24 ip saddr 10.2.0.0/24 tcp dport 7-9 tcp sport 443" IN_DROP
         "\"rule 1\"\nip daddr 10.1.0.0/24 ip saddr 10.2.0.0/24 meta l4proto 6 ip frag-off & 8191 != 0" IN_DROP
         "\"rule 1\"\n",
         "ip saddr 10.1.0.0/24 return\n" GOTO_IN,
         "ip saddr 10.1.0.0/24 ip daddr 10.2.0.0/24 tcp sport 7-9 tcp dport 443" OUT_DROP
         "\"rule 1\"\nip saddr 10.1.0.0/24 ip daddr 10.2.0.0/24 meta l4proto 6 ip frag-off & 8191 != 0" OUT_DROP
         "\"rule 1\"\n",
         "ip daddr 10.1.0.0/24 return\n" GOTO_OUT},
        /* IPv6 may hide it; a fragment of a bypass rule is never taken for one */
        {{"bypass udp fd01::/64 -> fd02::/64 port 53", "protect udp fd01::/64 -> fd02::/64 via x"},
         "ip6 daddr fd01::/64 ip6 saddr fd02::/64 udp sport 53 return comment \"rule "
         "1\"\nip6 daddr fd01::/64 ip6 saddr fd02::/64 meta l4proto 17" IN_DROP "\"rule 2\"\n"
         "ip6 daddr fd01::/64 ip6 saddr fd02::/64 frag frag-off != 0 jump inbound_hidden comment \"rule 2\"\n",
         "ip6 saddr fd01::/64 return\n" GOTO_IN,
         "ip6 saddr fd01::/64 ip6 daddr fd02::/64 udp dport 53 return comment \"rule "
         "1\"\nip6 saddr fd01::/64 ip6 daddr fd02::/64 meta l4proto 17" OUT_DROP "\"rule 2\"\n"
         "ip6 saddr fd01::/64 ip6 daddr fd02::/64 frag frag-off != 0 jump outbound_hidden comment \"rule 2\"\n",
         "ip6 daddr fd01::/64 return\n" GOTO_OUT},
    };
    if (!enter_namespace())
        skip();
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_which_addresses_are_ours(void **state)
{
    (void)state;
    const struct row rows[] = {
        /* any on both sides names no side; one written rule is two, one a family */
        {{"bypass any -> 10.1.0.0/24", "protect any -> any via x"},
         "ip saddr 10.1.0.0/24 return comment \"rule 1\"\nmeta nfproto 2" IN_DROP "\"rule 2\"\nmeta nfproto 10" IN_DROP
         "\"rule 2\"\n",
         GOTO_IN,
         "ip daddr 10.1.0.0/24 return comment \"rule 1\"\nmeta nfproto 2" OUT_DROP
         "\"rule 2\"\nmeta nfproto 10" OUT_DROP "\"rule 2\"\n",
         GOTO_OUT},
        /* the LAN inside what the peer has: its hosts talk to each other */
        {{"protect 10.1.0.0/24 -> 0.0.0.0/0 via x", "protect 10.1.0.0/24 -> 10.9.0.0/16 via x"},
         "ip daddr 10.1.0.0/24" IN_DROP "\"rule 1\"\nip daddr 10.1.0.0/24 ip saddr "
         "10.9.0.0/16" IN_DROP "\"rule 2\"\n",
         "ip saddr 10.1.0.0/24 return\n" GOTO_IN,
         "ip saddr 10.1.0.0/24" OUT_DROP "\"rule 1\"\nip saddr 10.1.0.0/24 ip "
         "daddr 10.9.0.0/16" OUT_DROP "\"rule 2\"\n",
         "ip daddr 10.1.0.0/24 return\n" GOTO_OUT},
        /* a hub: the spokes lie inside its own range, and are theirs */
        {{"protect 10.0.0.0/8 -> 10.3.0.0/24 via x", "protect 10.0.0.0/8 -> 10.4.0.0/24 via x"},
         "ip daddr 10.0.0.0/8 ip saddr 10.3.0.0/24" IN_DROP "\"rule 1\"\n"
         "ip daddr 10.0.0.0/8 ip saddr 10.4.0.0/24" IN_DROP "\"rule 2\"\n",
         "ip saddr 10.3.0.0/24 goto inbound_rules\n"
         "ip saddr 10.4.0.0/24 goto inbound_rules\n"
         "ip saddr 10.0.0.0/8 return\n" GOTO_IN,
         "ip saddr 10.0.0.0/8 ip daddr 10.3.0.0/24" OUT_DROP "\"rule 1\"\n"
         "ip saddr 10.0.0.0/8 ip daddr 10.4.0.0/24" OUT_DROP "\"rule 2\"\n",
         "ip daddr 10.3.0.0/24 goto outbound_rules\n"
         "ip daddr 10.4.0.0/24 goto outbound_rules\n"
         "ip daddr 10.0.0.0/8 return\n" GOTO_OUT},
        /* the wide local side holds the spoke, although a narrow one begins nearer to it; each side is told once */
        {{"protect 10.0.0.0/8 -> 10.3.0.0/24 via x", "protect 10.2.0.0/24 -> 192.0.2.0/24 via x",
          "protect 10.2.0.0/24 -> 10.3.0.0/24 via x"},
         "ip daddr 10.0.0.0/8 ip saddr 10.3.0.0/24" IN_DROP "\"rule 1\"\n"
         "ip daddr 10.2.0.0/24 ip saddr 192.0.2.0/24" IN_DROP "\"rule 2\"\n"
         "ip daddr 10.2.0.0/24 ip saddr 10.3.0.0/24" IN_DROP "\"rule 3\"\n",
         "ip saddr 10.3.0.0/24 goto inbound_rules\n"
         "ip saddr 10.0.0.0/8 return\n"
         "ip saddr 10.2.0.0/24 return\n" GOTO_IN,
         "ip saddr 10.0.0.0/8 ip daddr 10.3.0.0/24" OUT_DROP "\"rule 1\"\n"
         "ip saddr 10.2.0.0/24 ip daddr 192.0.2.0/24" OUT_DROP "\"rule 2\"\n"
         "ip saddr 10.2.0.0/24 ip daddr 10.3.0.0/24" OUT_DROP "\"rule 3\"\n",
         "ip daddr 10.3.0.0/24 goto outbound_rules\n"
         "ip daddr 10.0.0.0/8 return\n"
         "ip daddr 10.2.0.0/24 return\n" GOTO_OUT},
        /* both sides the same range: a bypass has to say what is ours */
        {{"protect 10.0.0.0/8 -> 10.0.0.0/8 via x"},
         "ip daddr 10.0.0.0/8 ip saddr 10.0.0.0/8" IN_DROP "\"rule 1\"\n",
         "ip saddr 10.0.0.0/8 goto inbound_rules\n"
         "ip saddr 10.0.0.0/8 return\n" GOTO_IN,
         "ip saddr 10.0.0.0/8 ip daddr 10.0.0.0/8" OUT_DROP "\"rule 1\"\n",
         "ip daddr 10.0.0.0/8 goto outbound_rules\n"
         "ip daddr 10.0.0.0/8 return\n" GOTO_OUT},
    };
    if (!enter_namespace())
        skip();
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

/* Errors that quote an IPv4 header without options, or an IPv6 header, of this protocol. */
#define QUOTES4(what)                                                                                                  \
    "icmp type 3 @th,64,8 0x45 @th,136,8 " what " accept\nicmp type 11-12 @th,64,8 0x45 @th,136,8 " what " accept\n"
#define QUOTES6(what) "icmpv6 type 1-4 @th,112,8 " what " accept\n"

static void test_the_hooks(void **state)
{
    (void)state;
    static const char *const chains[][2] = {
        {"input",
         "type filter hook input priority 0; policy accept;\niifname \"esp-0.1\" accept\niifname \"lo\" accept\n"
         "jump outer\njump neighbours\njump inbound\n"},
        {"forward", "type filter hook forward priority 0; policy accept;\noifname \"esp-0.1\" accept\n"
                    "iifname != \"esp-0.1\" jump inbound\njump outbound\n"},
        {"output", "type filter hook output priority 0; policy accept;\noifname \"esp-0.1\" accept\noifname \"lo\" "
                   "accept\nmeta mark 0x00004500 accept\njump neighbours\njump outbound\n"},
        {"neighbours", "icmpv6 type 130-137 ip6 hoplimit 1 accept\nicmpv6 type 130-137 ip6 hoplimit 255 accept\n"
                       "icmpv6 type 143 ip6 hoplimit 1 accept\nicmpv6 type 143 ip6 hoplimit 255 accept\n"},
        {"inbound_hidden", "frag nexthdr 0" IN_DROP_UNNAMED "frag nexthdr 43-44" IN_DROP_UNNAMED
                           "frag nexthdr 51" IN_DROP_UNNAMED "frag nexthdr 60" IN_DROP_UNNAMED},
        {"outbound_hidden", "frag nexthdr 0" OUT_DROP_UNNAMED "frag nexthdr 43-44" OUT_DROP_UNNAMED
                            "frag nexthdr 51" OUT_DROP_UNNAMED "frag nexthdr 60" OUT_DROP_UNNAMED},
        {"outer", "udp dport 500 accept\nudp dport 4500 accept\nmeta l4proto 50 accept\n" QUOTES4("0x32")
                      QUOTES6("0x32") QUOTES4("0x11 @th,224,16 0x1f4") QUOTES6("0x11 @th,384,16 0x1f4")
                          QUOTES4("0x11 @th,224,16 0x1194") QUOTES6("0x11 @th,384,16 0x1194")},
    };
    struct spd spd = {0};
    if (!enter_namespace())
        skip();
    install(&spd, "esp-0.1");
    for (size_t i = 0; i < COUNT(chains); i++) {
        const char *lines = chain_of("esp-0.1", chains[i][0]);
        if (strcmp(lines, chains[i][1]) != 0)
            fail_msg("chain %s is\n%s, not\n%s", chains[i][0], lines, chains[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_acl),
        cmocka_unit_test(test_first_match_and_both_senses),
        cmocka_unit_test(test_ports_protocols_and_fragments),
        cmocka_unit_test(test_which_addresses_are_ours),
        cmocka_unit_test(test_the_hooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
