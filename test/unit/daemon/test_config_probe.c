/* SPDX-License-Identifier: Apache-2.0 */
/* The keys probe and probe_*: what they may say, beside which rules. */
#include "config_test.h"
#include "daemon/host_address.h"

#define HEAD "[connection a]\nremote = 192.0.2.2\npsk = a-key-of-thirty-two-bytes-or-so\n"
#define ACL  "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n"

static void wrong_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *prefix, *word, *remedy;
    } rows[] = {
        {HEAD "probe = host\n" ACL, ":4:", "probe = 'host' is not the address of a host", "such as 10.2.0.1"},
        {HEAD "probe = 10.2.0.0/24\n" ACL, ":4:", "not the address of a host", "without a prefix length"},
        {HEAD "probe = %any\n" ACL, ":4:", "not the address of a host", "remove the key"},
        {HEAD "probe = 0.0.0.0\n" ACL, ":4:", "not the address of a host", ""},
        {HEAD "probe = 127.0.0.1\n" ACL, ":4:", "not the address of a host", ""},
        {HEAD "probe = 224.0.0.1\n" ACL, ":4:", "not the address of a host", ""},
        {HEAD "probe = 255.255.255.255\n" ACL, ":4:", "not the address of a host", ""},
        {HEAD "probe = ::\n" ACL, ":4:", "not the address of a host", ""},
        {HEAD "probe = ::1\n" ACL, ":4:", "not the address of a host", ""},
        {HEAD "probe = ff02::1\n" ACL, ":4:", "not the address of a host", ""},
        {HEAD "probe = 10.2.0.1\nprobe_source = net\n" ACL, ":5:", "probe_source = 'net' is not", "such as"},
        {HEAD "probe = 10.3.0.1\n" ACL, ":4:", "no protect rule of this connection leads ICMP there",
         "protect = NETWORK -> 10.3.0.1 via a"},
        {HEAD "probe = fd00::1\n" ACL, ":4:", "no protect rule", "via a"},
        {HEAD "probe = 10.2.0.1\n[acl]\nprotect = tcp 10.1.0.0/24 -> 10.2.0.0/24 via a\n", ":4:", "leads ICMP there",
         ""},
        {HEAD "probe = 10.2.0.1\n[acl]\nbypass = 10.1.0.0/24 -> 10.2.0.0/24\n", ":4:", "no protect rule", ""},
        {HEAD "probe = 10.2.0.1\nprobe_source = 10.9.0.1\n" ACL,
         ":5:", "probe_source = 10.9.0.1 is not in the local network", "an address of the left side"},
        {HEAD "probe = 10.2.0.1\nprobe_source = fd00::1\n" ACL, ":5:", "probe is IPv4 and probe_source IPv6",
         "one family"},
        {HEAD "probe = 10.2.0.1\nprobe_source = 10.1.0.1\n[acl]\ndiscard = any -> 10.2.0.0/28\n"
              "protect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n",
         ":5:", "the rule in line 7 takes the probe", "another order"},
        {HEAD "probe = 10.2.0.1\nprobe_interval = 0\n" ACL, ":5:", "probe_interval = 0 is out of range", "1s to 1h"},
        {HEAD "probe = 10.2.0.1\nprobe_interval = 2h\n" ACL, ":5:", "probe_interval = 2h is out of range", ""},
        {HEAD "probe = 10.2.0.1\nprobe_failures = 0\n" ACL, ":5:", "probe_failures = 0 is out of range", "1 to 100"},
        {HEAD "probe = 10.2.0.1\nprobe_failures = 101\n" ACL, ":5:", "out of range", "1 to 100"},
        {HEAD "probe = 10.2.0.1\nprobe_action = trap\n" ACL, ":5:", "cannot be 'trap'", "none or restart"},
        {HEAD "probe = 10.2.0.1\nprobe_action = restart\nstart = none\n" ACL,
         ":5:", "start = none leaves that to the peer", "probe_action = none"},
        {"[connection a]\nremote = %any\nstart = none\npsk = a-key-of-thirty-two-bytes-or-so\nprobe = 10.2.0.1\n"
         "probe_action = restart\n" ACL,
         ":6:", "remote = %any cannot be called", "probe_action = none"},
        {HEAD "probe_source = 10.1.0.1\n" ACL, ":4:", "probe_source says how to probe", "probe = ADDRESS"},
        {HEAD "probe_interval = 5s\n" ACL, ":4:", "[connection a] has no probe", "remove probe_interval"},
        {HEAD "probe_failures = 3\n" ACL, ":4:", "has no probe", "remove probe_failures"},
        {HEAD "probe_action = none\n" ACL, ":4:", "has no probe", "remove probe_action"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct loaded l = load_text(rows[i].text);
        char *text = messages(&l), prefix[64];
        (void)snprintf(prefix, sizeof prefix, CONFIG_TEST_PATH "%s ", rows[i].prefix);
        if (l.status == OK || !has_line(text, prefix, rows[i].word, rows[i].remedy))
            fail_msg("row %zu: %s", i, text);
        assert_int_equal(l.errors.errors, 1);
        free(text);
        unload(&l);
    }
}

static void good_lines(void **state)
{
    (void)state;
    struct loaded l = load_good(HEAD "probe = 10.2.0.1\nprobe_source = 10.1.0.200\n" ACL);
    const struct connection *c = &l.config->connections[0];
    struct address to = an_address("10.2.0.1"), from = an_address("10.1.0.200");
    assert_true(address_equal(&c->probe, &to) && address_equal(&c->probe_source, &from));
    assert_int_equal(c->probe_interval_s, 10);
    assert_int_equal(c->probe_failures, 3);
    assert_int_equal(c->probe_action, PROBE_ACTION_NONE);
    unload(&l);
    l = load_good(HEAD "probe = fd00:2::1\nprobe_source = fd00:1::1\nprobe_interval = 1m\nprobe_failures = 1\n"
                       "probe_action = restart\n[acl]\nprotect = icmpv6 fd00:1::/64 -> fd00:2::/64 via a\n");
    c = &l.config->connections[0];
    assert_int_equal(c->probe.family, 6);
    assert_int_equal(c->probe_interval_s, 60);
    assert_int_equal(c->probe_failures, 1);
    assert_int_equal(c->probe_action, PROBE_ACTION_RESTART);
    unload(&l);
    /* A peer that is known by its name can be called, too. */
    l = load_good("[connection a]\nremote = gw.example.org\npsk = a-key-of-thirty-two-bytes-or-so\nprobe = 10.2.0.1\n"
                  "probe_action = restart\nprobe_source = 10.1.0.1\n" ACL);
    unload(&l);
}

static void check_prints_them(void **state)
{
    (void)state;
    static const char *const wanted[] = {"probe            = 10.2.0.1\n", "probe_source     = 10.1.0.1\n",
                                         "probe_interval   = 5s\n", "probe_failures   = 3\n",
                                         "probe_action     = none\n"};
    for (int probed = 0; probed < 2; probed++) {
        struct loaded l =
            load_good(probed ? HEAD "probe = 10.2.0.1\nprobe_source = 10.1.0.1\nprobe_interval = 5s\n" ACL : HEAD ACL);
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        config_print(l.config, out);
        fclose(out);
        for (size_t i = 0; i < COUNT(wanted); i++)
            if ((strstr(text, wanted[i]) != NULL) != probed)
                fail_msg("%s: %s", wanted[i], text);
        free(text);
        unload(&l);
    }
}

/* No host has an address of TEST-NET-3 in its local network: then it is said, with the line. */
static void a_host_without_an_address_is_warned(void **state)
{
    (void)state;
    struct loaded l = load_good(HEAD "probe = 10.2.0.1\n[acl]\nprotect = 203.0.113.77/32 -> 10.2.0.0/24 via a\n");
    char *text = messages(&l);
    assert_true(has_line(text, CONFIG_TEST_PATH ":4: warning: ", "no address of this host is in the local network",
                         "write probe_source = ADDRESS"));
    free(text);
    unload(&l);
}

static void which_rule_it_meets(void **state)
{
    (void)state;
    struct loaded l = load_good(HEAD "[connection b]\nremote = 192.0.2.3\npsk = another-key-of-thirty-two-bytes\n"
                                     "[acl]\nprotect = 10.1.0.0/28 -> 10.2.0.0/24 via b\n"
                                     "protect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n");
    const struct {
        const char *from;
        uint32_t connection;
        int rule;
    } rows[] = {{"10.1.0.1", 1, 0},
                {"10.1.0.1", 0, SPD_RULE_NONE},
                {"10.1.0.99", 0, 1},
                {"10.1.0.99", 1, SPD_RULE_NONE},
                {"10.9.0.1", 0, SPD_RULE_NONE},
                {"fd00::1", 0, SPD_RULE_NONE}};
    const struct address to = an_address("10.2.0.1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct address from = an_address(rows[i].from);
        assert_int_equal(host_address_rule(&l.config->spd, rows[i].connection, &from, &to), rows[i].rule);
    }
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lines),         cmocka_unit_test(good_lines),
        cmocka_unit_test(check_prints_them),   cmocka_unit_test(a_host_without_an_address_is_warned),
        cmocka_unit_test(which_rule_it_meets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
