/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_diff.h"

#include "config_test.h"
#include "daemon/config_keys.h"

#define PSK "psk = a-key-of-thirty-two-bytes-or-so\n"
#define ONE "[connection one]\nlocal = 192.0.2.1\nremote = 192.0.2.2\n" PSK
#define TWO "[connection two]\nlocal = 192.0.2.1\nremote = 192.0.2.3\n" PSK
#define ACL "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via one\n"

struct two {
    struct loaded before, after;
    struct config_diff diff;
};

static struct two differ(const char *before, const char *after)
{
    struct two t = {.before = load_good(before), .after = load_good(after)};
    assert_int_equal(config_diff_make(t.before.config, t.after.config, &t.diff), OK);
    return t;
}

static void finish(struct two *t)
{
    config_diff_free(&t->diff);
    unload(&t->before);
    unload(&t->after);
}

/* Each line, added to a connection that says nothing of it, or written in place of a default, makes it another one. */
static void test_every_key_that_an_sa_follows_from_changes_the_connection(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "mode = aggressive",
        "local_id = @a",
        "remote_id = @b",
        "allow = sha1",
        "ike = aes128-sha256-ecp256",
        "esp = aes128gcm16-ecp256",
        "ike_lifetime = 7h",
        "ike_lifetime_bytes = 1MiB",
        "lifetime = 30m",
        "lifetime_bytes = 1GiB",
        "lifetime_packets = 100000",
        "replay_window = 64",
        "dpd_delay = 5s",
        "dpd_action = clear",
        "encap = no",
        "df = set",
        "fragment = after",
        "outer_fragments = refuse",
        "dscp = ef",
        "ecn = no",
        "mss = off",
        "fragmentation = no",
        "start = start",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        char text[512];
        (void)snprintf(text, sizeof text, ONE "%s\n" ACL, lines[i]);
        struct two t = differ(ONE ACL, text);
        if (t.diff.fates[0] != CONNECTION_CHANGED)
            fail_msg("'%s' does not change the connection", lines[i]);
        assert_int_equal(t.diff.kept[0], RENUMBER_GONE);
        assert_int_equal(t.diff.connections[0], 0);
        assert_int_equal(t.diff.rules[0], 0);
        finish(&t);
        t = differ(text, text);
        if (t.diff.fates[0] != CONNECTION_KEPT)
            fail_msg("'%s' is not equal to itself", lines[i]);
        finish(&t);
    }
}

/* What the tunnel does not depend on is changed without touching it. */
static void test_probes_leave_the_tunnel_alone(void **state)
{
    (void)state;
    static const char *const lines[] = {"required = yes",
                                        "probe = 10.2.0.1",
                                        "probe = 10.2.0.2\nprobe_source = 10.1.0.1",
                                        "probe = 10.2.0.2\nprobe_interval = 1s",
                                        "probe = 10.2.0.2\nprobe_failures = 9",
                                        "probe = 10.2.0.2\nprobe_action = restart"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        char text[512];
        (void)snprintf(text, sizeof text, ONE "%s\n" ACL, lines[i]);
        struct two t = differ(ONE ACL, text);
        if (t.diff.fates[0] != CONNECTION_KEPT)
            fail_msg("'%s' changes the connection", lines[i]);
        finish(&t);
    }
}

static void test_ends_and_secrets_change_the_connection(void **state)
{
    (void)state;
    static const char *const others[] = {
        "[connection one]\nlocal = 192.0.2.9\nremote = 192.0.2.2\n" PSK ACL,
        "[connection one]\nlocal = 192.0.2.1\nremote = 192.0.2.9\n" PSK ACL,
        "[connection one]\nlocal = 192.0.2.1\nremote = gw.example.org\n" PSK ACL,
        "[connection one]\nremote = 192.0.2.2\n" PSK ACL,
        "[connection one]\nlocal = 192.0.2.1\nremote = 192.0.2.2\npsk = a-key-of-thirty-two-bytes-or-sO\n" ACL,
        "[connection one]\nlocal = 192.0.2.1\nremote = 192.0.2.2\npsk = a-key-of-thirty-two-bytes-or-so-\n" ACL,
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        struct two t = differ(ONE ACL, others[i]);
        assert_int_equal(t.diff.counts[CONNECTION_CHANGED], 1);
        finish(&t);
    }
}

static void test_how_it_is_written_does_not_matter(void **state)
{
    (void)state;
    struct two t = differ(ONE ACL, "; a remark\n[acl]\npermit = 10.1.0.0-10.1.0.255 -> 10.2.0.0/24 via one\n"
                                   "[connection one]\nlifetime = 60m\nstart = trap\n" PSK
                                   "remote = 192.0.2.2\nlocal = 192.0.2.1\n");
    assert_int_equal(t.diff.counts[CONNECTION_KEPT], 1);
    assert_true(t.diff.rules_same);
    finish(&t);
}

static void test_numbers_follow_names(void **state)
{
    (void)state;
    char text[CONFIG_DIFF_TEXT];
    struct two t = differ(ONE TWO "[acl]\nbypass = any -> 192.168.0.0/16\n"
                                  "protect = 10.1.0.0/24 -> 10.2.0.0/24 via one\n"
                                  "protect = 10.1.0.0/24 -> 10.3.0.0/24 via two\ndiscard = any -> 172.16.0.0/12\n",
                          TWO ONE "[acl]\nprotect = 10.1.0.0/24 -> 10.3.0.0/24 via two\n"
                                  "protect = 10.1.0.0/24 -> 10.2.0.0/25 via one\nbypass = any -> 192.168.0.0/16\n");
    assert_int_equal(t.diff.kept[0], 1);
    assert_int_equal(t.diff.kept[1], 0);
    const uint32_t rules[] = {2, RENUMBER_GONE, 0, RENUMBER_GONE}; /* "any" and an IPv4 range are one rule */
    for (size_t i = 0; i < COUNT(rules); i++)
        assert_int_equal(t.diff.rules[i], rules[i]);
    assert_false(t.diff.rules_same);
    assert_string_equal(config_diff_print(&t.diff, text),
                        "2 connections: 0 changed, 0 added, 0 removed; 2 kept; rules: 1 added, 2 removed");
    finish(&t);
}

static void test_added_and_removed(void **state)
{
    (void)state;
    char text[CONFIG_DIFF_TEXT];
    struct two t = differ(ONE ACL, TWO "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via two\n");
    assert_int_equal(t.diff.connections[0], RENUMBER_GONE);
    assert_int_equal(t.diff.kept[0], RENUMBER_GONE);
    assert_int_equal(t.diff.rules[0], RENUMBER_GONE); /* the same selectors, but another tunnel */
    assert_int_equal(t.diff.fates[0], CONNECTION_ADDED);
    assert_string_equal(config_diff_print(&t.diff, text),
                        "1 connection: 0 changed, 1 added (two), 1 removed (one); 0 kept; rules: 1 added, 1 removed");
    finish(&t);
    t = differ(ONE ACL, ONE TWO ACL);
    assert_string_equal(config_diff_print(&t.diff, text), "2 connections: 0 changed, 1 added (two), 0 removed; 1 kept");
    assert_true(t.diff.rules_same);
    finish(&t);
}

/* Of rules that say the same only the first one meets packets: firsts become firsts. */
static void test_rules_that_say_the_same(void **state)
{
    (void)state;
    struct two t = differ(ONE ACL "protect = 10.1.0.0/24 -> 10.2.0.0/24 via one\n",
                          ONE "[acl]\nbypass = any -> 10.9.0.0/16\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via one\n");
    assert_int_equal(t.diff.rules[0], 1);
    assert_int_equal(t.diff.rules[1], RENUMBER_GONE);
    finish(&t);
}

/* Every key of [gateway] is either fixed, and named, or may change. */
static void test_keys_of_a_running_gateway(void **state)
{
    (void)state;
    static const struct {
        const char *line, *named;
    } rows[] = {
        {"tun = esp7", "tun"},
        {"mtu = 1400", "mtu"},
        {"workers = 3", "workers"},
        {"routes = no", "routes"},
        {"udp_gso = no", "udp_gso"},
        {"udp_gro = no", "udp_gro"},
        {"guard = yes", "guard"},
        {"crypto = openssl", "crypto"},
        {"control = /run/other.sock", "control"},
        {"tun_offload = no", "tun_offload"},
        {"metrics = 127.0.0.1:9903", "metrics"},
        {"log_format = json", "log_format"},
        {"user = nobody", "user"},
        {"sandbox = no", "sandbox"},
        {"log_level = debug", ""},
        {"tun = esp7\nworkers = 2\nguard = yes", "tun, workers, guard"},
    };
    size_t known = 0;
    for (size_t i = 0; config_key_at(i) != NULL; i++)
        known += config_key_at(i)->section == SECTION_GATEWAY;
    assert_int_equal(known, COUNT(rows) - 1); /* a new key needs its row */
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[512], keys[CONFIG_FIXED_TEXT];
        (void)snprintf(text, sizeof text, "[gateway]\n%s\n" ONE ACL, rows[i].line);
        struct two t = differ(ONE ACL, text);
        assert_string_equal(config_diff_fixed(&t.before.config->gateway, &t.after.config->gateway, keys),
                            rows[i].named);
        finish(&t);
    }
}

static void test_many_names_are_cut(void **state)
{
    (void)state;
    char *text = calloc(1, 1 << 20), said[CONFIG_DIFF_TEXT];
    size_t used = 0;
    for (int i = 0; i < 1000; i++)
        used += (size_t)snprintf(text + used, (1 << 20) - used,
                                 "[connection c%d]\nremote = 10.0.%d.%d\nstart = none\n" PSK, i, i / 200, i % 200 + 1);
    struct two t = differ(ONE ACL, text);
    config_diff_print(&t.diff, said);
    assert_true(strlen(said) < 250);
    assert_non_null(strstr(said, "1000 added (c0, c1,"));
    assert_non_null(strstr(said, "...)"));
    finish(&t);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_that_an_sa_follows_from_changes_the_connection),
        cmocka_unit_test(test_probes_leave_the_tunnel_alone),
        cmocka_unit_test(test_ends_and_secrets_change_the_connection),
        cmocka_unit_test(test_how_it_is_written_does_not_matter),
        cmocka_unit_test(test_numbers_follow_names),
        cmocka_unit_test(test_added_and_removed),
        cmocka_unit_test(test_rules_that_say_the_same),
        cmocka_unit_test(test_keys_of_a_running_gateway),
        cmocka_unit_test(test_many_names_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
