/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel takes the messages, and nft, which knows nothing of us, says what they mean. */
#include "tun/nft.h"

#include <arpa/inet.h>
#include <errno.h>

#include "tun_test.h"

static char out[65536];

static int commit(struct nft_batch *b)
{
    struct netlink netlink;
    assert_int_equal(netlink_open_bus(&netlink, NETLINK_NETFILTER), OK);
    int error = nft_commit(b, &netlink);
    netlink_close(&netlink);
    nft_batch_free(b);
    return error;
}

static void begin(struct nft_batch *b, const char *table)
{
    nft_batch_begin(b, table);
    nft_table_make(b);
    nft_counter_make(b, "seen");
    nft_chain_make(b, "aside", NFT_BATCH_NO_HOOK);
    nft_chain_make(b, "main", NF_INET_LOCAL_OUT);
}

static void assert_listed(const char *what)
{
    output_of_success("nft list ruleset", out, sizeof out);
    assert_has(out, what);
}

static void test_of_nothing_there_nothing_is_deleted(void **state)
{
    (void)state;
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    nft_batch_begin(&b, "t");
    nft_table_delete(&b);
    assert_int_equal(commit(&b), -ENOENT);
}

static void add_rule_to(struct nft_batch *b, const char *chain)
{
    nft_rule_begin(b, chain, NULL);
    nft_verdict(b, NF_DROP, NULL);
    nft_rule_end(b);
}

static void assert_nothing_is_there(void)
{
    assert_string_equal(output_of_success("nft list ruleset", out, sizeof out), "");
}

/* One bad message among good ones, wherever it stands: nothing of the batch holds. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    static const char *const chains[] = {"a", "b", "c", "d"};
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    for (size_t bad = 0; bad < COUNT(chains); bad++) {
        nft_batch_begin(&b, "t");
        nft_table_make(&b);
        for (size_t i = 0; i < COUNT(chains); i++) {
            nft_chain_make(&b, chains[i], NFT_BATCH_NO_HOOK);
            add_rule_to(&b, i == bad ? "nowhere" : chains[i]);
        }
        assert_int_equal(commit(&b), -ENOENT);
        assert_nothing_is_there();
    }
}

/* The kernel answers each of them, which is more than a socket holds: the first answer tells. */
static void test_as_many_errors_as_there_are_messages(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 100, 1000, 20000};
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    for (size_t i = 0; i < COUNT(counts); i++) {
        nft_batch_begin(&b, "t");
        nft_table_make(&b);
        for (unsigned rule = 0; rule < counts[i]; rule++)
            add_rule_to(&b, "nowhere");
        assert_int_equal(commit(&b), -ENOENT);
        assert_nothing_is_there();
    }
}

/* Refused as a whole, and nothing is written anywhere else: the sanitizers look. */
static void test_a_rule_that_is_too_long(void **state)
{
    (void)state;
    static const uint8_t value[NFT_BATCH_VALUE] = {1};
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    begin(&b, "t");
    nft_rule_begin(&b, "main", NULL);
    for (unsigned i = 0; i < 1000; i++) {
        nft_load_payload(&b, NFT_PAYLOAD_NETWORK_HEADER, 8, sizeof value);
        nft_mask(&b, value, sizeof value);
        nft_between(&b, value, value, sizeof value);
    }
    nft_verdict(&b, NF_DROP, NULL);
    nft_rule_end(&b);
    assert_int_equal(commit(&b), -ENOMEM);
    assert_nothing_is_there();
}

static void test_without_privilege(void **state)
{
    (void)state;
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    assert_int_equal(seteuid(65534), 0);
    begin(&b, "t");
    int error = commit(&b);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(error, -EPERM);
}

static void test_a_table_with_all_that_stands_in_one(void **state)
{
    (void)state;
    static const uint8_t prefix[4] = {10, 1, 0, 0}, mask[4] = {255, 255, 255, 0}, first[4] = {10, 2, 0, 1},
                         last[4] = {10, 2, 0, 9}, icmp = 1, ipv4 = NFPROTO_IPV4;
    static const char device[16] = "wan0";
    uint32_t mark = 0x4500;
    uint16_t port = htons(4500);
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    begin(&b, "t");
    nft_rule_begin(&b, "main", "in words");
    nft_load_meta(&b, NFT_META_NFPROTO);
    nft_compare(&b, NFT_CMP_EQ, &ipv4, 1);
    nft_load_payload(&b, NFT_PAYLOAD_NETWORK_HEADER, 12, 4);
    nft_mask(&b, mask, 4);
    nft_compare(&b, NFT_CMP_EQ, prefix, 4);
    nft_load_payload(&b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
    nft_between(&b, first, last, 4);
    nft_count(&b, "seen");
    nft_verdict(&b, NF_DROP, NULL);
    nft_rule_end(&b);
    nft_rule_begin(&b, "main", NULL);
    nft_load_meta(&b, NFT_META_L4PROTO);
    nft_compare(&b, NFT_CMP_NEQ, &icmp, 1);
    nft_load_payload(&b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
    nft_compare(&b, NFT_CMP_EQ, &port, 2);
    nft_verdict(&b, NFT_JUMP, "aside");
    nft_rule_end(&b);
    nft_rule_begin(&b, "main", NULL);
    nft_load_exthdr(&b, IPPROTO_FRAGMENT, 0, 1);
    nft_compare(&b, NFT_CMP_EQ, &icmp, 1);
    nft_load_meta(&b, NFT_META_MARK);
    nft_compare(&b, NFT_CMP_EQ, &mark, 4);
    nft_verdict(&b, NFT_GOTO, "aside");
    nft_rule_end(&b);
    nft_rule_begin(&b, "aside", NULL);
    nft_load_meta(&b, NFT_META_OIFNAME);
    nft_compare(&b, NFT_CMP_EQ, device, 16);
    nft_verdict(&b, NFT_RETURN, NULL);
    nft_rule_end(&b);
    assert_int_equal(commit(&b), 0);
    assert_string_equal(output_of_success("nft -n list ruleset", out, sizeof out),
                        "table inet t {\n"
                        "\tcounter seen {\n"
                        "\t\tpackets 0 bytes 0\n"
                        "\t}\n"
                        "\n"
                        "\tchain aside {\n"
                        "\t\toifname \"wan0\" return\n"
                        "\t}\n"
                        "\n"
                        "\tchain main {\n"
                        "\t\ttype filter hook output priority 0; policy accept;\n"
                        "\t\tip saddr 10.1.0.0/24 ip daddr 10.2.0.1-10.2.0.9 counter name \"seen\" drop comment \"in "
                        "words\"\n"
                        "\t\tmeta l4proto != 1 th dport 4500 jump aside\n"
                        "\t\tfrag nexthdr 1 meta mark 0x00004500 goto aside\n"
                        "\t}\n"
                        "}\n");
}

static void test_making_keeps_deleting_and_making_replaces(void **state)
{
    (void)state;
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    begin(&b, "t");
    assert_int_equal(commit(&b), 0);
    begin(&b, "other");
    assert_int_equal(commit(&b), 0);
    nft_batch_begin(&b, "t");
    nft_table_make(&b);
    nft_chain_make(&b, "more", NFT_BATCH_NO_HOOK);
    assert_int_equal(commit(&b), 0);
    assert_listed("chain aside");
    assert_listed("chain more");
    nft_batch_begin(&b, "t");
    nft_table_make(&b);
    nft_table_delete(&b);
    nft_table_make(&b);
    nft_chain_make(&b, "new", NFT_BATCH_NO_HOOK);
    assert_int_equal(commit(&b), 0);
    assert_string_equal(output_of_success("nft list table inet t", out, sizeof out),
                        "table inet t {\n\tchain new {\n\t}\n}\n");
    assert_listed("table inet other");
}

static void test_counters(void **state)
{
    (void)state;
    struct nft_batch b;
    struct netlink netlink;
    uint64_t packets = 77;
    if (!enter_namespace())
        skip();
    run("ip link set lo up");
    begin(&b, "t");
    nft_rule_begin(&b, "main", NULL);
    nft_count(&b, "seen");
    nft_verdict(&b, NF_ACCEPT, NULL);
    nft_rule_end(&b);
    assert_int_equal(commit(&b), 0);
    assert_int_equal(netlink_open_bus(&netlink, NETLINK_NETFILTER), OK);
    assert_true(nft_counter_read(&netlink, "t", "seen", &packets));
    assert_int_equal(packets, 0);
    run("ping -c 3 -i 0.01 127.0.0.1 >/dev/null");
    assert_true(nft_counter_read(&netlink, "t", "seen", &packets));
    assert_int_equal(packets, 6); /* questions and answers */
    assert_false(nft_counter_read(&netlink, "t", "unseen", &packets));
    assert_false(nft_counter_read(&netlink, "other", "seen", &packets));
    assert_true(nft_counter_read(&netlink, "t", "seen", &packets)); /* the socket is none the worse */
    netlink_close(&netlink);
}

/* More than any socket's buffer holds by itself: in one piece all the same. */
static void test_a_long_batch(void **state)
{
    (void)state;
    enum { RULES = 20000 };
    struct nft_batch b;
    if (!enter_namespace())
        skip();
    begin(&b, "t");
    for (uint32_t i = 0; i < RULES; i++) {
        uint32_t address = htonl(0x0a000000 + i);
        nft_rule_begin(&b, "main", "one of many");
        nft_load_payload(&b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
        nft_compare(&b, NFT_CMP_EQ, &address, 4);
        nft_verdict(&b, NF_DROP, NULL);
        nft_rule_end(&b);
    }
    assert_true(b.len > 3 << 20);
    assert_int_equal(commit(&b), 0);
    output_of_success("nft list ruleset | grep -c 'one of many'", out, sizeof out);
    assert_int_equal(atoi(out), RULES);
}

static void test_names_that_are_too_long_are_cut(void **state)
{
    (void)state;
    struct nft_batch b;
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    if (!enter_namespace())
        skip();
    nft_batch_begin(&b, name);
    nft_table_make(&b);
    nft_chain_make(&b, "c", NFT_BATCH_NO_HOOK);
    nft_rule_begin(&b, "c", name);
    nft_verdict(&b, NF_DROP, NULL);
    nft_rule_end(&b);
    assert_int_equal(commit(&b), 0);
    output_of_success("nft list ruleset", out, sizeof out);
    name[NFT_BATCH_TABLE - 1] = '\0';
    assert_has(out, name);
    assert_has(out, "drop comment");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_nothing_there_nothing_is_deleted),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_as_many_errors_as_there_are_messages),
        cmocka_unit_test(test_a_rule_that_is_too_long),
        cmocka_unit_test(test_without_privilege),
        cmocka_unit_test(test_a_table_with_all_that_stands_in_one),
        cmocka_unit_test(test_making_keeps_deleting_and_making_replaces),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_a_long_batch),
        cmocka_unit_test(test_names_that_are_too_long_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
