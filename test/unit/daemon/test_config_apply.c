/* SPDX-License-Identifier: Apache-2.0 */
/* What a good configuration becomes, and what it is warned about. */
#include "config_test.h"
#include "daemon/config_apply.h"

#define GOOD "[connection a]\nremote = 198.51.100.2\npsk = correct horse battery\n"
#define ACL  "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n"

static void expect_psk(const char *text, const char *psk)
{
    struct loaded l = load_good(text);
    assert_int_equal(l.config->connections[0].psk.len, strlen(psk));
    assert_memory_equal(l.config->connections[0].psk.data, psk, strlen(psk));
    unload(&l);
}

/* Text without the key itself, which must not show. */
static char *printed(const struct config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(config, out);
    fclose(out);
    char *copy = strdup(text); /* gcc 12 takes the stream's buffer for the local pointer's */
    free(text);
    assert_non_null(copy);
    return copy;
}

static void test_defaults(void **state)
{
    (void)state;
    struct loaded l = load_good(GOOD ACL);
    const struct gateway_config *g = &l.config->gateway;
    assert_int_equal(l.errors.warnings, 0);
    assert_string_equal(g->tun, "esp0");
    assert_int_equal(g->mtu, 0);
    assert_int_equal(g->workers, 0);
    assert_true(g->routes);
    assert_true(g->tun_offload && g->udp_gso && g->udp_gro);
    assert_false(g->guard);
    assert_string_equal(g->control, "/run/esptun.sock");
    assert_int_equal(g->log_level, LOG_INFO);
    assert_int_equal(l.config->connection_count, 1);
    const struct connection *c = &l.config->connections[0];
    assert_string_equal(c->name, "a");
    assert_int_equal(c->ike_version, 1);
    assert_int_equal(c->mode, MODE_MAIN);
    assert_int_equal(c->local.family, 0);
    assert_int_equal(c->remote.family, 4);
    assert_int_equal(c->local_id.type, ID_NONE);
    assert_int_equal(c->remote_id.type, ID_NONE);
    assert_int_equal(c->ike.count, 2);
    assert_int_equal(c->esp.count, 2);
    assert_int_equal(c->allow, 0);
    assert_int_equal(c->ike_lifetime_s, 8 * 3600);
    assert_int_equal(c->lifetime_s, 3600);
    assert_int_equal(c->lifetime_bytes, 0);
    assert_int_equal(c->replay_window, 1024);
    assert_int_equal(c->dpd_delay_s, 30);
    assert_int_equal(c->dpd_action, DPD_RESTART);
    assert_int_equal(c->encap, ENCAP_YES);
    assert_true(c->fragmentation);
    assert_int_equal(c->start, START_TRAP);
    assert_true(c->tunnel.ecn);
    assert_true(c->tunnel.outer_fragments);
    assert_int_equal(c->tunnel.dscp, DSCP_COPY);
    assert_int_equal(c->tunnel.mss, MSS_AUTO);
    unload(&l);
}

static void test_a_tun_by_descriptor(void **state)
{
    (void)state;
    static const char *const good[] = {"fd:3", "fd:2147483647"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[512];
        snprintf(text, sizeof text, "[gateway]\ntun = %s\nguard = yes\n%s", good[i], GOOD ACL);
        struct loaded l = load_good(text);
        assert_string_equal(l.config->gateway.tun, good[i]);
        assert_true(l.config->gateway.guard);
        unload(&l);
    }
}

static const char every_key[] =
    "[gateway]\ntun = vpn1\nmtu = 1400\nworkers = 16\nroutes = no\ncrypto = ipsec-mb\ncontrol = "
    "/tmp/x.sock\nlog_level = debug\n"
    "log_format = json\n"
    "[connection old]\nesp = 3des-sha1-modp1024\nike = 3des-md5-modp1536, aes128-sha1-modp1024\n"
    "allow = sha1, md5 3des modp1024 modp1536\nremote = 2001:db8::2\nlocal = 2001:db8::1\n"
    "local_id = gw@example.org\nremote_id = @peer\nike_version = 1\nmode = main\nauth = psk\n"
    "psk = x y\nike_lifetime = 1d\nlifetime = 90\nlifetime_bytes = 10MB\nreplay_window = 64\n"
    "dpd_delay = 0\ndpd_action = clear\nencap = no\nfragmentation = no\nstart = start\n"
    "[connection road]\nremote = %any\nstart = none\npsk = z\n[acl]\n"
    "permit = 10.1.0.0/24 -> 10.2.0.0/24 via old\ndeny = 10.1.0.0/24 -> 10.3.0.0/24\n"
    "protect = 10.1.0.0/24 -> 10.4.0.0/24 via road\nbypass = 10.1.0.0/24 -> 10.5.0.0/24\n"
    "discard = any -> any\n";

static void test_every_key_of_the_gateway(void **state)
{
    (void)state;
    struct loaded l = load_good(every_key);
    const struct gateway_config *g = &l.config->gateway;
    assert_string_equal(g->tun, "vpn1");
    assert_int_equal(g->mtu, 1400);
    assert_int_equal(g->workers, 16);
    assert_false(g->routes);
    assert_int_equal(g->crypto, AEAD_IPSEC_MB);
    assert_string_equal(g->control, "/tmp/x.sock");
    assert_int_equal(g->log_level, LOG_DEBUG);
    assert_int_equal(g->log_format, LOG_JSON);
    unload(&l);
}

static void test_every_key_of_a_connection(void **state)
{
    (void)state;
    struct loaded l = load_good(every_key);
    const struct connection *c = &l.config->connections[0];
    assert_int_equal(c->local.family, 6);
    assert_int_equal(c->local_id.type, ID_USER_FQDN);
    assert_int_equal(c->remote_id.type, ID_FQDN);
    assert_int_equal(c->ike.count, 2);
    assert_int_equal(c->ike_lifetime_s, 86400);
    assert_int_equal(c->lifetime_s, 90);
    assert_int_equal(c->lifetime_bytes, 10000000);
    assert_int_equal(c->replay_window, 64);
    assert_int_equal(c->dpd_delay_s, 0);
    assert_int_equal(c->dpd_action, DPD_CLEAR);
    assert_int_equal(c->encap, ENCAP_NO);
    assert_false(c->fragmentation);
    assert_int_equal(c->start, START_START);
    assert_int_equal(l.config->connections[1].start, START_NONE);
    unload(&l);
}

static void test_every_action(void **state)
{
    (void)state;
    struct loaded l = load_good(every_key);
    static const enum action actions[] = {ACTION_PROTECT, ACTION_BYPASS, ACTION_PROTECT, ACTION_BYPASS, ACTION_DISCARD};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(l.config->spd.rules[i].action, actions[i]);
    assert_int_equal(l.config->spd.rules[2].connection, 1);
    assert_int_equal(l.config->spd.rules[2].line, 38);
    unload(&l);
}

/* One group, also by default; a name for who has no address; and never without a warning. */
static void test_aggressive_mode(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        size_t suites;
    } rows[] = {
        {"local = 198.51.100.1\n", 1},
        {"local_id = branch.example.org\n", 1},
        {"local = 198.51.100.1\nike = aes256-sha256-modp2048, aes128-sha256-modp2048\n", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text, "%smode = aggressive\n%s%s", GOOD, rows[i].keys, ACL);
        struct loaded l = load_good(text);
        const struct connection *c = &l.config->connections[0];
        assert_int_equal(c->mode, MODE_AGGRESSIVE);
        assert_int_equal(c->ike.count, rows[i].suites);
        assert_int_equal(l.errors.warnings, 1);
        assert_int_equal(l.errors.items[0].line, 4);
        assert_non_null(strstr(l.errors.items[0].text, "guessed offline"));
        assert_non_null(strstr(l.errors.items[0].text, "esptun genpsk"));
        char *shown = printed(l.config);
        assert_non_null(strstr(shown, "\nmode             = aggressive\n"));
        assert_non_null(strstr(shown, "\nfragmentation    = yes\n"));
        free(shown);
        unload(&l);
    }
}

/* With one key, main mode tells connections apart once their names are known. */
static void test_names_behind_one_key(void **state)
{
    (void)state;
    static const struct {
        const char *b, *c;
        const char *warning; /* NULL: fine */
    } table[] = {
        {"remote_id = b.example.org\n", "remote_id = c.example.org\n", NULL},
        {"remote_id = b.example.org\n", "remote_id = B.example.org\n",
         "[connection c] has the local and remote of "
         "[connection b]"},
        {"remote_id = b.example.org\n", "remote_id = a.example.org\n",
         "[connection c] has the local and remote of "
         "[connection a]"},
        {"", "remote_id = c.example.org\n", "[connection b] has the local and remote of [connection a]"},
    };
    static const char peer[] = "remote = 198.51.100.2\npsk = correct horse battery\n";
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%sremote_id = a.example.org\n[connection b]\n%s%s[connection c]\n%s%s", GOOD, peer,
                 table[i].b, peer, table[i].c);
        struct loaded l = load_good(text);
        char *said = messages(&l);
        assert_int_equal(strstr(said, "when the peer calls") != NULL, table[i].warning != NULL);
        if (table[i].warning != NULL)
            assert_non_null(strstr(said, table[i].warning));
        free(said);
        unload(&l);
    }
}

static void test_forms_of_lines(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf; starts with a byte order mark\r\n"
                               "  [connection a]   # comment\r\n"
                               "\tremote = 198.51.100.2 ; the peer\r\n"
                               "\tpsk    =  a;b#c   # not part of it\r\n"
                               "\r\n"
                               "ike: aes256-sha256-modp2048, ; best\r\n"
                               "   # in between\r\n"
                               "     aes128-sha256-ecp256\r\n"
                               " [acl]\r\n"
                               "protect = 10.1.0.0/24 ->\r\n"
                               "    10.2.0.0/24\r\n"
                               "    via a";
    struct loaded l = load_good_bytes(text, sizeof text - 1);
    const struct connection *c = &l.config->connections[0];
    assert_int_equal(c->psk.len, 5);
    assert_memory_equal(c->psk.data, "a;b#c", 5);
    assert_int_equal(c->ike.count, 2);
    assert_int_equal(l.config->spd.count, 1);
    assert_int_equal(l.config->spd.rules[0].line, 10);
    unload(&l);
}

static void test_long_connection_names_stay_apart(void **state)
{
    (void)state;
#define LONG "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    struct loaded l = load_good("[connection " LONG "1]\nremote = 192.0.2.1\npsk = x\n"
                                "[connection " LONG "2]\nremote = 192.0.2.2\npsk = y\n"
                                "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via " LONG "2\n");
    assert_string_equal(l.config->connections[1].name, LONG "2");
    assert_int_equal(l.config->spd.rules[0].connection, 1);
    unload(&l);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("ESPTUN_TEST_PSK", "from; the # environment", 1);
    setenv("ESPTUN_TEST_NET", "10.9.0.0/16", 1);
    struct loaded l = load_good("[connection a]\nremote = 198.51.100.2\npsk = ${ESPTUN_TEST_PSK}$$x$y$\n"
                                "[acl]\nprotect = ${ESPTUN_TEST_NET} -> 10.2.0.0/24 via a\n");
    static const char psk[] = "from; the # environment$x$y$";
    assert_int_equal(l.config->connections[0].psk.len, sizeof psk - 1);
    assert_memory_equal(l.config->connections[0].psk.data, psk, sizeof psk - 1);
    assert_int_equal(l.config->spd.rules[0].selector.local.first.bytes[1], 9);
    unload(&l);
    unsetenv("ESPTUN_TEST_NET");
}

/* Nothing secret stands in the file: it may be readable. */
static void test_psk_of_the_environment_may_stand_in_an_open_file(void **state)
{
    (void)state;
    static const char text[] = "[connection a]\nremote = 198.51.100.2\npsk = ${ESPTUN_TEST_PSK}\n";
    static const char mixed[] = "[connection a]\nremote = 198.51.100.2\npsk = x${ESPTUN_TEST_PSK}\n";
    struct loaded l = {.vault = vault_new()};
    setenv("ESPTUN_TEST_PSK", "secret", 1);
    assert_int_equal(config_load_text("t", bytes_of(mixed, sizeof mixed - 1), true, l.vault, &l.config, &l.errors),
                     ERR_MALFORMED);
    config_errors_free(&l.errors);
    assert_int_equal(config_load_text("t", bytes_of(text, sizeof text - 1), true, l.vault, &l.config, &l.errors), OK);
    unload(&l);
}

static void test_psk_keeps_odd_characters(void **state)
{
    (void)state;
    expect_psk("[connection a]\nremote = 192.0.2.1\npsk = a = b: [c] \"d\" %e \\n\n", "a = b: [c] \"d\" %e \\n");
    expect_psk("[connection a]\nremote = 192.0.2.1\npsk = \xc3\xa4\n", "\xc3\xa4");
    expect_psk("[connection a]\nremote = 192.0.2.1\npsk = $$$${\n", "$${");
}

static void expect_warning(const char *text, unsigned line, const char *word)
{
    struct loaded l = load_good(text);
    if (l.errors.warnings != 1 || l.errors.items[0].line != line || strstr(l.errors.items[0].text, word) == NULL) {
        config_errors_print(&l.errors, stderr);
        fail_msg("expected one warning in line %u with '%s'", line, word);
    }
    unload(&l);
}

static void test_warnings(void **state)
{
    (void)state;
    expect_warning("", 0, "no connection");
    expect_warning(GOOD, 1, "nothing uses connection a");
    expect_warning("[connection a]\nremote = 192.0.2.1\npsk = \"correct horse battery\"\n" ACL, 3, "quotes");
    expect_warning("[connection a]\nremote = 192.0.2.1\npsk = correct horse battery\nike = aes128-sha1-modp1024\nallow "
                   "= sha1 modp1024\n" ACL,
                   4, "modp1024, sha1");
    expect_warning("[connection a]\nremote = 192.0.2.1\npsk = fifteen letters\n" ACL, 3,
                   "psk: the key is shorter than 16");
    expect_warning(GOOD "esp = aes256gcm16-modp2048, aes256-sha256-ecp256\n" ACL, 4, "differ in their group");
    expect_warning(GOOD "esp = aes256gcm16, aes256-sha256-ecp256\n" ACL, 4, "differ in their group");
    expect_warning(GOOD "esp = aes256gcm16, aes128gmac\n" ACL, 4, "aes128gmac authenticates, but does not encrypt");
    expect_warning(GOOD "esp = aes256-sha256_96\nallow = sha256_96\n" ACL, 4, "legacy algorithms (sha256_96)");
    expect_warning(GOOD ACL "bypass = 10.1.0.0/25 -> 10.2.0.9/32\n", 6, "line 5");
    expect_warning(GOOD ACL "discard = any -> any\nbypass = any -> any\n", 7, "line 6");
    expect_warning(GOOD ACL "discard = any -> any\nbypass = tcp 10.0.0.0/8 -> 10.9.0.0/16 port 80\n", 7, "line 6");
}

static void test_rules_that_only_overlap_bring_no_warning(void **state)
{
    (void)state;
    struct loaded l = load_good(
        GOOD ACL
        "bypass = tcp 10.1.0.0/16 -> 10.2.0.0/24 port 80-90\nprotect = tcp 10.3.0.0/16 port 0-65535 -> 10.2.0.0/24 "
        "port 80 via a\nbypass = 10.1.0.0/16 -> 10.2.0.0/24\nbypass = tcp any -> any\ndiscard = any -> any\n");
    assert_int_equal(l.errors.warnings, 0);
    unload(&l);
}

/* What `check` prints is a configuration again, apart from the key. */
static void test_print_reads_back(void **state)
{
    (void)state;
    struct loaded l = load_good(GOOD "lifetime_bytes = 4GiB\nallow = sha1\n" ACL "discard = any -> any\n");
    char *first = printed(l.config);
    assert_null(strstr(first, "horse"));
    assert_non_null(strstr(first, "protect = 10.1.0.0/24 -> 10.2.0.0/24 via a"));
    assert_non_null(strstr(first, "4GiB"));
    const char *split = strstr(first, "local_id");
    char again[8192];
    /* Identities that stand for %any are commentary: leave them out, and give the key. */
    const char *rest = strstr(first, "auth");
    snprintf(again, sizeof again, "%.*spsk = correct horse battery\n%s", (int)(split - first), first, rest);
    struct loaded m = load_good(again);
    assert_int_equal(m.config->connections[0].lifetime_bytes, UINT64_C(4) << 30);
    assert_int_equal(m.config->spd.count, l.config->spd.count);
    unload(&m);
    free(first);
    unload(&l);
}

static void test_print_says_whose_identity_any_is(void **state)
{
    (void)state;
    struct loaded l = load_good("[connection a]\nremote = %any\nstart = none\npsk = correct horse battery\n" ACL);
    char *text = printed(l.config);
    assert_non_null(strstr(text, "\nlog_format       = text\n"));
    assert_non_null(strstr(text, "\nlocal_id         = %any  ; its address\n"));
    assert_non_null(strstr(text, "\nremote_id        = %any  ; whoever has the key\n"));
    free(text);
    unload(&l);
}

/* The two words of a bool, and the name beside a number. */
static void test_print_of_the_tunnel(void **state)
{
    (void)state;
    static const struct {
        const char *key, *shown;
    } rows[] = {
        {"ecn = yes", "\necn              = yes\n"},
        {"ecn = no", "\necn              = no\n"},
        {"outer_fragments = accept", "\nouter_fragments  = accept\n"},
        {"outer_fragments = refuse", "\nouter_fragments  = refuse\n"},
        {"dscp = copy", "\ndscp             = copy\n"},
        {"dscp = af21", "\ndscp             = 18  ; af21\n"},
        {"dscp = 0", "\ndscp             = 0  ; be\n"},
        {"dscp = 63", "\ndscp             = 63\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s\n%s", GOOD, rows[i].key, ACL);
        struct loaded l = load_good(text);
        char *shown = printed(l.config);
        if (strstr(shown, rows[i].shown) == NULL)
            fail_msg("%s is shown as\n%s", rows[i].key, shown);
        free(shown);
        unload(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_a_tun_by_descriptor),
        cmocka_unit_test(test_every_key_of_the_gateway),
        cmocka_unit_test(test_every_key_of_a_connection),
        cmocka_unit_test(test_every_action),
        cmocka_unit_test(test_aggressive_mode),
        cmocka_unit_test(test_names_behind_one_key),
        cmocka_unit_test(test_forms_of_lines),
        cmocka_unit_test(test_long_connection_names_stay_apart),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_psk_of_the_environment_may_stand_in_an_open_file),
        cmocka_unit_test(test_psk_keeps_odd_characters),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_rules_that_only_overlap_bring_no_warning),
        cmocka_unit_test(test_print_reads_back),
        cmocka_unit_test(test_print_says_whose_identity_any_is),
        cmocka_unit_test(test_print_of_the_tunnel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
