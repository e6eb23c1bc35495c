/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong configurations first: each names its file and line, and says what would be right (B47). */
#include "config_test.h"

#define CONN   "[connection a]\n" /* two lines that a connection needs, and its key */
#define REMOTE "remote = 198.51.100.2\n"
#define PSK    "psk = correct horse battery\n"
#define ACL    "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n"
#define GOOD   CONN REMOTE PSK

static void expect_message(const struct loaded *l, unsigned line, const char *word, const char *remedy)
{
    char prefix[64];
    char *text = messages(l);
    snprintf(prefix, sizeof prefix, line > 0 ? CONFIG_TEST_PATH ":%u: " : CONFIG_TEST_PATH ": ", line);
    if (!has_line(text, prefix, word, remedy))
        fail_msg("no line '%s ... %s ... %s' in:\n%s", prefix, word, remedy, text);
    free(text);
}

struct wrong {
    const char *text;
    unsigned line;
    const char *word, *remedy;
};

static void check_wrong(const struct wrong *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct loaded l = load_text(rows[i].text);
        if (l.status != ERR_MALFORMED)
            fail_msg("accepted, or failed otherwise (%s): %s", status_text(l.status), rows[i].text);
        expect_message(&l, rows[i].line, rows[i].word, rows[i].remedy);
        if (l.errors.errors != 1) {
            char *text = messages(&l);
            fail_msg("not one error but %zu:\n%s", l.errors.errors, text);
        }
        unload(&l);
    }
}

#define CHECK_WRONG(rows) check_wrong(rows, sizeof(rows) / sizeof *(rows))

static void test_lines_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {"tun = esp0\n", 1, "before the first section", "[gateway]"},
        {"[gateway]\nnonsense\n", 2, "neither a [section] nor key = value", "';'"},
        {"[gateway]\n = 5\n", 2, "continues", "key = value"},
        {"[gateway]\n= 5\n", 2, "no key before", "key = value"},
        {"[gateway\ntun = x\n", 1, "ends with ']'", "[gateway]"},
        {"[gatway]\nwhatever = 1\n", 1, "unknown section [gatway]", "[connection NAME]"},
        {"\n\n[conn a]\n", 3, "unknown section [conn a]", "[connection NAME]"},
        {"[connection]\n", 1, "lacks a name", "[connection NAME]"},
        {"[connection a b]\n", 1, "'a b' is not a name", "letters"},
        {"[connection -a]\n", 1, "'-a' is not a name", "letters"},
        {"[connection a/../b]\n", 1, "is not a name", "letters"},
        {"[connection a\xc3\xa4]\n", 1, "'a\\xc3\\xa4' is not a name", "letters"},
        {"[connection a234567890123456789012345678901234567890123456789012345678901234]\n", 1, "64", "at most 63"},
        {"[gateway]\ntun = a\x1b[31m\n", 2, "byte 0x1b at column 8", "UTF-8"},
        {"[gateway]\n   more\n", 2, "continues a value", "key = value"},
    };
    CHECK_WRONG(rows);
}

static void test_nul_byte_b47(void **state)
{
    (void)state;
    static const char text[] = "[gateway]\ntun = es\0p0\n";
    struct loaded l = load_bytes(text, sizeof text - 1, false);
    expect_message(&l, 2, "byte 0x00 at column 9", "UTF-8");
    unload(&l);
}

static void test_long_line_b47(void **state)
{
    (void)state;
    char text[512] = "[gateway]\n\ntun = ";
    size_t len = strlen(text);
    memset(text + len, 'x', 300);
    struct loaded l = load_text(text);
    expect_message(&l, 3, "too long (306 bytes", "continue the value on the next line, indented");
    unload(&l);
}

static void test_long_comment_is_fine(void **state)
{
    (void)state;
    char text[1024] = GOOD "; ";
    memset(text + strlen(text), 'x', 700);
    strcat(text, " [gateway]\n" ACL "# end");
    struct loaded l = load_text(text);
    assert_int_equal(l.status, OK);
    unload(&l);
}

static void test_gateway_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {"[gateway]\ntnu = esp0\n", 2, "unknown key 'tnu'", "did you mean 'tun'?"},
        {"[gateway]\nloglevel = info\n", 2, "unknown key 'loglevel'", "did you mean 'log_level'?"},
        {"[gateway]\nxyzzy = 1\n", 2, "unknown key 'xyzzy' in [gateway]", "write one of tun, mtu, "},
        {"[gateway]\nMTU = 1400\n", 2, "unknown key 'MTU'", "did you mean 'mtu'?"},
        {"[gateway]\nremote = 192.0.2.1\n", 2, "does not belong in [gateway]", "move it to [connection NAME]"},
        {"[gateway]\ntun = a\ntun = b\n", 3, "tun is there twice, first in line 2", "remove one"},
        {"[gateway]\n[acl]\n[gateway]\n", 3, "[gateway] is there twice, first in line 1", "merge"},
        {"[gateway]\ntun = esp/0\n", 2, "no name for an interface", "such as esp0"},
        {"[gateway]\ntun = abcdefghijklmnop\n", 2, "no name for an interface", "1 to 15"},
        {"[gateway]\ntun =\n", 2, "no name for an interface", "such as esp0"},
        {"[gateway]\ntun = fd:\n", 2, "no name for an interface", "fd:N"},
        {"[gateway]\ntun = fd:2\n", 2, "no name for an interface", "from 3 on"},
        {"[gateway]\ntun = fd:3x\n", 2, "no name for an interface", "fd:N"},
        {"[gateway]\ntun = fd:-3\n", 2, "no name for an interface", "fd:N"},
        {"[gateway]\ntun = fd:2147483648\n", 2, "no name for an interface", "fd:N"},
        {"[gateway]\ntun = esp%d\n", 2, "no name for an interface", "such as esp0"},
        {"[gateway]\nmtu = big\n", 2, "mtu cannot be 'big'", "auto, or a number from 576 to 65535"},
        {"[gateway]\nmtu = 68\n", 2, "mtu = 68 is out of range", "auto, or a number from 576 to 65535"},
        {"[gateway]\nmtu = 65536\n", 2, "mtu = 65536 is out of range", "576 to 65535"},
        {"[gateway]\nworkers = many\n", 2, "workers cannot be 'many'", "auto, or a number from 1 to 16"},
        {"[gateway]\nworkers = 0\n", 2, "workers = 0 is out of range", "1 to 16"},
        {"[gateway]\nworkers = 17\n", 2, "workers = 17 is out of range", "1 to 16"},
        {"[gateway]\nroutes = maybe\n", 2, "routes cannot be 'maybe'", "yes or no"},
        {"[gateway]\ncrypto = isa-l\n", 2, "crypto cannot be 'isa-l'", "auto, openssl or ipsec-mb"},
        {"[gateway]\ncontrol = run/x.sock\n", 2, "not the path of a socket", "absolute path"},
        {"[gateway]\ncontrol =\n", 2, "not the path of a socket", "absolute path"},
        {"[gateway]\nlog_level = loud\n", 2, "log_level cannot be 'loud'", "error, warning, info or debug"},
        {"[gateway]\nlog_format = xml\n", 2, "log_format cannot be 'xml'", "text or json"},
        {"[gateway]\nmetrics = yes\n", 2, "metrics = 'yes' is not an address and a port", "127.0.0.1:9903"},
        {"[gateway]\nmetrics = 127.0.0.1\n", 2, "not an address and a port", "[::1]:9903"},
        {"[gateway]\nmetrics = 127.0.0.1:\n", 2, "not an address and a port", "write both"},
        {"[gateway]\nmetrics = 127.0.0.1:0\n", 2, "not an address and a port", "write both"},
        {"[gateway]\nmetrics = 127.0.0.1:65536\n", 2, "not an address and a port", "write both"},
        {"[gateway]\nmetrics = :9903\n", 2, "not an address and a port", "write both"},
        {"[gateway]\nmetrics = ::1:9903\n", 2, "not an address and a port", "write both"},
        {"[gateway]\nmetrics = [127.0.0.1]:9903\n", 2, "not an address and a port", "write both"},
        {"[gateway]\nmetrics = [::1:9903\n", 2, "not an address and a port", "write both"},
        {"[gateway]\nuser = \n", 2, "user = '' is not the name of a user", "such as nobody, or remove the key"},
        {"[gateway]\nuser = no body\n", 2, "user = 'no body' is not", "remove the key"},
        {"[gateway]\nuser = nobody:nogroup\n", 2, "user = 'nobody:nogroup' is not", "remove the key"},
        {"[gateway]\nuser = a234567890123456789012345678901234\n", 2, "is not the name of a user", "such as nobody"},
        {"[gateway]\nsandbox = maybe\n", 2, "sandbox cannot be 'maybe'", "write yes or no"},
    };
    CHECK_WRONG(rows);
}

#define SIX(mtu, acl) "[gateway]\nmtu = " mtu "\n" GOOD "[acl]\n" acl "\n"

/* Under 1280 the kernel takes IPv6 off the TUN. */
static void test_mtu_and_ipv6_rules_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {SIX("1000", "protect = fd01::/64 -> fd02::/64 via a"), 2, "mtu = 1000 is too small for IPv6", "at least 1280"},
        {SIX("1279", "protect = fd01::/64 -> fd02::/64 via a"), 2, "the rule in line 7", "mtu = auto"},
        {SIX("576", "bypass = any -> fd03::/64\nprotect = any -> any via a"), 2, "the rule in line 8", "IPv4 ranges"},
    };
    static const char *const good[] = {
        SIX("1280", "protect = fd01::/64 -> fd02::/64 via a"),
        SIX("auto", "protect = fd01::/64 -> fd02::/64 via a"),
        SIX("1000", "protect = 10.1.0.0/24 -> 10.2.0.0/24 via a\nbypass = any -> fd02::/64"),
    };
    CHECK_WRONG(rows);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct loaded l = load_text(good[i]);
        if (l.status != OK)
            fail_msg("refused: %s", good[i]);
        unload(&l);
    }
}

static void test_ends_and_keys_of_a_connection_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {"; one\n" CONN PSK, 2, "[connection a] lacks remote", "remote = VALUE"},
        {CONN REMOTE, 1, "[connection a] has no pre-shared key", "(umask 077; esptun genpsk > FILE)"},
        {GOOD "psk_file = x\n", 4, "both psk and psk_file", "remove one"},
        {CONN REMOTE "psk =\n", 3, "psk is empty", "genpsk"},
        {CONN REMOTE "psk = a\n  b\n", 3, "several lines", "psk_file = FILE"},
        {CONN PSK "remote = 192.0.2.0/24\n", 3, "is no address and no name", "without a prefix"},
        {CONN PSK "remote = 192.0.2.256\n", 3, "is no address and no name", "four numbers from 0 to 255"},
        {CONN PSK "remote = 192.0.2\n", 3, "is no address and no name", "four numbers"},
        {CONN PSK "remote = 2001:db8::g\n", 3, "is no address and no name", "2001:db8::1"},
        {CONN PSK "remote = gw.example.org:500\n", 3, "a name has no ':'", "without a port"},
        {CONN PSK "remote = gw_1.example.org\n", 3, "'gw_1.example.org' is no address", "letters, digits"},
        {CONN PSK "remote = gw..example.org\n", 3, "a part of the name is empty", "one dot"},
        {CONN PSK "remote = any\n", 3, "is no address and no name", "write %any"},
        {CONN PSK "remote = %gw\n", 3, "is not an IP address", "the name of the peer, or %any"},
        {CONN PSK "remote =\n", 3, "is not an IP address", "the name of the peer, or %any"},
        {CONN PSK "remote = 0.0.0.0\n", 3, "nobody's address", "%any"},
        {CONN PSK "remote = %any\n", 3, "start = trap (the default) is impossible", "start = none"},
        {CONN PSK "remote = %any\nstart = start\n", 4, "start = start is impossible", "start = none"},
        {GOOD "local = eth0\n", 4, "'eth0' is not an IP address", "%any"},
        {GOOD "local = 2001:db8::1\n", 4, "local is IPv6 and remote IPv4", "one family"},
        {GOOD "local = 198.51.100.2\n", 4, "are one address", "remote"},
        {GOOD "local_id = CN=gw, XX=Example\n", 4, "no distinguished name", "O=Example, CN=gw.example.org"},
        {GOOD "remote_id = %any\n", 4, "remote_id cannot be '%any'", "remove the key"},
    };
    CHECK_WRONG(rows);
}

static void test_remote_by_name(void **state)
{
    (void)state;
    struct loaded l = load_text(CONN PSK "remote = GW.example.org.\nlocal = 192.0.2.1\nstart = start\n");
    assert_int_equal(l.status, OK);
    const struct connection *c = &l.config->connections[0];
    assert_string_equal(c->remote_name, "GW.example.org.");
    assert_int_equal(c->remote.family, 0);
    assert_int_equal(c->remote_id.type, ID_NONE);
    assert_false(connection_is_any(c));
    unload(&l);
    /* One name is one peer: main mode cannot tell these two apart. */
    l = load_text(CONN PSK
                  "remote = gw.example.org\n[connection b]\nremote = GW.Example.ORG\npsk = quite another one\n");
    assert_int_equal(l.status, ERR_MALFORMED);
    expect_message(&l, 4, "another psk", "one psk");
    unload(&l);
    l = load_text(CONN PSK
                  "remote = gw.example.org\n[connection b]\nremote = g.example.org\npsk = quite another one\n");
    assert_int_equal(l.status, OK);
    unload(&l);
}

static void test_modes_of_a_connection_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {GOOD "ike_version = 2\n", 4, "ike_version = 2 is not available", "ike_version = 1"},
        {GOOD "mode = base\n", 4, "mode cannot be 'base'", "main or aggressive"},
        {GOOD "mode = aggressive\n", 4, "neither local nor local_id tells", "write local_id"},
        {GOOD "mode = aggressive\nlocal = 198.51.100.1\nike = aes256-sha256-modp2048, aes128-sha256-ecp256\n", 6,
         "aes256-sha256-modp2048 and aes128-sha256-ecp256 differ in their group", "one group"},
        {GOOD "auth = xauth-rsa\n", 4, "auth cannot be 'xauth-rsa'", "psk, pubkey, xauth-psk or xauth-pubkey"},
        {GOOD "auth = xauth-pubkey\nxauth_user = a\nxauth_password = b\n", 3, "psk belongs to auth = xauth-psk",
         "auth = xauth-psk"},
        {CONN REMOTE "auth = xauth-pubkey\nxauth_user = a\nxauth_password = b\n", 1,
         "[connection a] has auth = xauth-pubkey, and lacks key cert ca:", "ca = FILE"},
        {GOOD "auth = pubkey\n", 3, "psk belongs to auth = psk", "auth = psk"},
        {CONN REMOTE "auth = pubkey\n", 1, "[connection a] has auth = pubkey, and lacks key cert ca:", "ca = FILE"},
        {GOOD "fragmentation = force\n", 4, "fragmentation cannot be 'force'", "yes or no"},
    };
    CHECK_WRONG(rows);
}

static void test_algorithms_of_a_connection_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {GOOD "ike = aes512-sha256-modp2048\n", 4, "ike: ", "aes"},
        {GOOD "ike = aes256-sha1-modp2048\n", 4, "sha1", "allow"},
        {GOOD "ike = aes256-sha256\n", 4, "ike: ", "group"},
        {GOOD "esp = aes256-sha1\n", 4, "esp: ", "allow"},
        {GOOD "esp = 3des-sha256\n", 4, "esp: ", "allow"},
        {GOOD "esp =\n", 4, "esp: ", "aes256"},
        {GOOD "esp = null-sha256\n", 4, "esp: null is legacy", "allow = null"},
        {GOOD "esp = aes256-sha256_96\n", 4, "sha256_96 is legacy", "allow = sha256_96"},
        {GOOD "esp = aes256-sha256, aes256-sha256_96\nallow = sha256_96\n", 4, "one and the same in IKE",
         "keep the one"},
        {GOOD "ike = aes256gmac-modp2048\n", 4, "does not encrypt", "aes256"},
        {GOOD "allow = sha0\n", 4, "'sha0' is no legacy algorithm",
         "modp1024, modp1536, sha1, md5, 3des, null, sha256_96, rsa1024, sha1_cert, or nothing"},
        {GOOD "ike = 3des-sha1-modp1024\nallow = sha1 md5\n", 4, "modp1024, 3des are legacy",
         "allow = modp1024 sha1 md5 3des in"},
    };
    CHECK_WRONG(rows);
}

static void test_limits_of_a_connection_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {GOOD "ike_lifetime = 8 hours\n", 4, "ike_lifetime cannot be '8 hours'", "a time from 5s to 365d, such as"},
        {GOOD "lifetime = 0\n", 4, "lifetime = 0 is out of range", "5s to 365d"},
        {GOOD "lifetime_bytes = 4G\n", 4, "lifetime_bytes cannot be '4G'", "none, or a size from 64KiB to "},
        {GOOD "lifetime_bytes = 1\n", 4, "lifetime_bytes = 1 is out of range", "none, or a size from 64KiB to "},
        {GOOD "lifetime_packets = few\n", 4, "lifetime_packets cannot be 'few'", "none, or a number from 1000 to "},
        {GOOD "lifetime_packets = 5\n", 4, "lifetime_packets = 5 is out of range", "none, or a number from 1000 to "},
        {GOOD "replay_window = wide\n", 4, "replay_window cannot be 'wide'", "a number from 64 to 8192"},
        {GOOD "replay_window = 32\n", 4, "replay_window = 32 is out of range", "a number from 64 to 8192"},
        {GOOD "replay_window = 8193\n", 4, "replay_window = 8193 is out of range", "64 to 8192"},
        {GOOD "dpd_delay = 2d\n", 4, "dpd_delay = 2d is out of range", "from 0s to 1d"},
        {GOOD "dscp = fast\n", 4, "dscp cannot be 'fast'", "copy, a number from 0 to 63, or a name"},
        {GOOD "dscp = 64\n", 4, "dscp = 64 is out of range", "copy, a number from 0 to 63, or a name"},
        {GOOD "mss = small\n", 4, "mss cannot be 'small'", "auto, off, or a number from 216 to 65495"},
        {GOOD "mss = 215\n", 4, "mss = 215 is out of range", "auto, off, or a number from 216 to 65495"},
        {GOOD "mss = 65496\n", 4, "mss = 65496 is out of range", "216 to 65495"},
        {GOOD "ecn = on\n", 4, "ecn cannot be 'on'", "yes or no"},
        {GOOD "outer_fragments = yes\n", 4, "outer_fragments cannot be 'yes'", "accept or refuse"},
        {GOOD "dpd_action = die\n", 4, "dpd_action cannot be 'die'", "restart, trap or clear"},
        {GOOD "encap = maybe\n", 4, "encap cannot be 'maybe'", "yes, auto or no"},
        {GOOD "start = now\n", 4, "start cannot be 'now'", "trap, start or none"},
    };
    CHECK_WRONG(rows);
}

static void test_lines_of_a_connection_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {GOOD "lifetme = 1h\n", 4, "unknown key 'lifetme'", "did you mean 'lifetime'?"},
        {GOOD "REMOTE = 192.0.2.1\n", 4, "unknown key 'REMOTE' in [connection a]", "did you mean 'remote'?"},
        {GOOD "tun = esp0\n", 4, "does not belong in [connection a]", "move it to [gateway]"},
        {GOOD REMOTE, 4, "remote is there twice, first in line 2", "remove one"},
        {GOOD GOOD, 4, "[connection a] is there twice, first in line 1", "merge"},
        {GOOD "lifetime = ${ESPTUN_TEST_UNSET}\n", 4, "ESPTUN_TEST_UNSET is not set", "$$"},
        {GOOD "lifetime = ${}\n", 4, "'${'", "${NAME}"},
        {GOOD "lifetime = ${A\n", 4, "'${'", "${NAME}"},
    };
    CHECK_WRONG(rows);
}

static void test_rules_b47(void **state)
{
    (void)state;
    const struct wrong rows[] = {
        {GOOD "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via b\n", 5, "no connection 'b'", "one of a"},
        {"[acl]\nprotect = any -> any via b\n", 2, "no connection 'b'", "[connection NAME]"},
        {GOOD "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24\n", 5, "protect: ", "via"},
        {GOOD "[acl]\nprotect = 10.1.0.1/24 -> 10.2.0.0/24 via a\n", 5, "protect: ", "10.1.0."},
        {GOOD "[acl]\nbypass = any -> 300.0.0.0/8\n", 5, "bypass: ", "300.0.0.0/8"},
        {GOOD "[acl]\nallow = any -> any\n", 5, "does not belong in [acl]", "[connection NAME]"},
        {GOOD "[acl]\nprotct = any -> any via a\n", 5, "unknown key 'protct'", "did you mean 'protect'?"},
        {GOOD "[acl]\nprotect = tcp any -> any port 80-90 via a\n", 5, "protect: a range of ports", "one rule a port"},
        {GOOD "[acl]\nprotect = udp 10.1.0.1 port 1-2 -> 10.2.0.1 via a\n", 5, "range of ports", "one port or all"},
        {GOOD "[acl]\ndiscard = \n", 5, "discard: ", "->"},
    };
    CHECK_WRONG(rows);
}

/* What is wrong with the rules is told, and not that the connection they meant is unused. */
static void test_wrong_rules_make_no_connection_unused_b47(void **state)
{
    (void)state;
    static const char *const texts[] = {
        GOOD "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via b\n",
        GOOD "[acl]\nprotct = any -> any via a\n",
        GOOD "[acl]\nprotect\n",
        GOOD "[alc]\nprotect = any -> any via a\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct loaded l = load_text(texts[i]);
        assert_int_equal(l.status, ERR_MALFORMED);
        assert_int_equal(l.errors.warnings, 0);
        unload(&l);
    }
    struct loaded l = load_text(GOOD "mode = fast\n[acl]\ndiscard = any -> any\n");
    assert_int_equal(l.status, ERR_MALFORMED);
    assert_int_equal(l.errors.warnings, 1); /* an error elsewhere does not hide it */
    unload(&l);
}

static void test_ten_megabytes_b47(void **state)
{
    (void)state;
    size_t len = 10 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, ';', len);
    text[100] = text[200] = text[CONFIG_SIZE_MAX + 5] = '\n';
    struct loaded l = load_bytes(text, len, false);
    expect_message(&l, 3, "exceeds 8388608 bytes", "split");
    unload(&l);
    free(text);
}

static void test_secret_in_a_file_that_others_can_read_b47(void **state)
{
    (void)state;
    struct loaded l = load_bytes(GOOD, strlen(GOOD), true);
    expect_message(&l, 3, "others can read", "chmod 600");
    char *text = messages(&l);
    assert_null(strstr(text, "horse"));
    free(text);
    unload(&l);
}

static void test_all_errors_are_told_in_order_b47(void **state)
{
    (void)state;
    struct loaded l = load_text("[gateway]\nmtu = 1\n[acl]\nbypass = x\n[connection a]\nmode = fast\n[gateway]\n");
    assert_int_equal(l.errors.errors, 6); /* also: no remote, no psk */
    for (size_t i = 1; i < l.errors.count; i++)
        assert_true(l.errors.items[i - 1].line <= l.errors.items[i].line);
    unload(&l);
}

/* Main mode with pre-shared keys tells peers apart by their addresses alone. */
static void test_two_connections_of_one_peer_b47(void **state)
{
    (void)state;
    struct loaded l = load_text(GOOD "[connection b]\n" REMOTE "psk = quite another pre-shared key\n");
    assert_int_equal(l.status, ERR_MALFORMED);
    expect_message(&l, 4, "another psk", "one psk");
    unload(&l);
    l = load_text(GOOD "[connection b]\n" REMOTE PSK);
    assert_int_equal(l.status, OK);
    expect_message(&l, 4, "only a answers", "one connection");
    unload(&l);
}

/* Whoever has the key could pass for a peer that only a name server tells from others. */
static void test_a_peer_by_name_that_shares_its_key(void **state)
{
    (void)state;
#define PEER(name, remote, psk, more) "[connection " name "]\nremote = " remote "\npsk = " psk "\n" more
#define ONE                           "pre-shared-key-number-one"
#define TWO                           "pre-shared-key-number-two"
    static const struct {
        const char *text, *says; /* NULL: nothing */
    } rows[] = {
        {PEER("a", "gw.example.org", ONE, ""), NULL},
        {PEER("a", "gw.example.org", ONE, "") PEER("b", "192.0.2.9", TWO, ""), NULL},
        {PEER("a", "gw.example.org", ONE, "") PEER("b", "192.0.2.9", ONE, ""),
         "[connection a] has the psk of [connection b]"},
        {PEER("a", "192.0.2.9", ONE, "") PEER("b", "192.0.2.8", TWO, "") PEER("c", "gw.example.org", ONE, ""),
         "[connection c] has the psk of [connection a]"},
        {PEER("a", "gw.example.org", ONE, "remote_id = gw.example.org\n") PEER("b", "192.0.2.9", ONE, ""), NULL},
        {PEER("a", "192.0.2.8", ONE, "") PEER("b", "192.0.2.9", ONE, ""), NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct loaded l = load_text(rows[i].text);
        char *text = messages(&l);
        assert_int_equal(l.status, OK);
        const char *said = strstr(text, "nothing but a name server");
        if ((said != NULL) != (rows[i].says != NULL) || (said != NULL && strstr(text, rows[i].says) == NULL))
            fail_msg("row %zu: %s", i, text);
        free(text);
        unload(&l);
    }
}

/* Aggressive mode tells them apart by name as well. */
static void test_connections_of_aggressive_mode_b47(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        const char *message; /* NULL: both are fine */
    } rows[] = {
        {"mode = aggressive\nremote_id = a.example\n", "mode = aggressive\nremote_id = b.example\n", NULL},
        {"mode = aggressive\nremote_id = a.example\n", "mode = aggressive\n", NULL},
        {"mode = main\n", "mode = aggressive\n", NULL},
        {"mode = aggressive\nremote_id = a.example\n", "mode = aggressive\nremote_id = A.example\n",
         "another remote_id"},
        {"mode = aggressive\n", "mode = aggressive\n", "another remote_id"},
        {"remote_id = a.example\n", "remote_id = b.example\n", "another local"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "[connection a]\nremote = %%any\nstart = none\npsk = correct horse battery\n%s"
                 "[connection b]\nremote = %%any\nstart = none\npsk = quite another pre-shared key\n%s",
                 rows[i].first, rows[i].second);
        struct loaded l = load_text(text);
        char *told = messages(&l);
        if ((l.status == OK) != (rows[i].message == NULL) ||
            (rows[i].message != NULL && strstr(told, rows[i].message) == NULL))
            fail_msg("row %zu: %s", i, told);
        free(told);
        unload(&l);
    }
}

static void test_many_errors_are_counted_not_kept_b47(void **state)
{
    (void)state;
    char text[32768] = "[gateway]\n";
    for (size_t i = 0; i < 3000; i++)
        strcat(text, "x = 1\n");
    struct loaded l = load_text(text);
    assert_int_equal(l.errors.errors, 3000);
    assert_int_equal(l.errors.count, CONFIG_MESSAGES_MAX);
    expect_message(&l, 0, "2900 more", "correct these first");
    unload(&l);
}

static void test_text_of_the_file_is_escaped(void **state)
{
    (void)state;
    struct loaded l = load_text("[gateway]\nlog_level = \xc3\xa4'\"\n");
    expect_message(&l, 2, "'\\xc3\\xa4\\x27\\x22'", "info");
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_b47),
        cmocka_unit_test(test_nul_byte_b47),
        cmocka_unit_test(test_long_line_b47),
        cmocka_unit_test(test_long_comment_is_fine),
        cmocka_unit_test(test_gateway_b47),
        cmocka_unit_test(test_mtu_and_ipv6_rules_b47),
        cmocka_unit_test(test_ends_and_keys_of_a_connection_b47),
        cmocka_unit_test(test_remote_by_name),
        cmocka_unit_test(test_modes_of_a_connection_b47),
        cmocka_unit_test(test_algorithms_of_a_connection_b47),
        cmocka_unit_test(test_limits_of_a_connection_b47),
        cmocka_unit_test(test_lines_of_a_connection_b47),
        cmocka_unit_test(test_rules_b47),
        cmocka_unit_test(test_wrong_rules_make_no_connection_unused_b47),
        cmocka_unit_test(test_ten_megabytes_b47),
        cmocka_unit_test(test_secret_in_a_file_that_others_can_read_b47),
        cmocka_unit_test(test_all_errors_are_told_in_order_b47),
        cmocka_unit_test(test_two_connections_of_one_peer_b47),
        cmocka_unit_test(test_a_peer_by_name_that_shares_its_key),
        cmocka_unit_test(test_connections_of_aggressive_mode_b47),
        cmocka_unit_test(test_many_errors_are_counted_not_kept_b47),
        cmocka_unit_test(test_text_of_the_file_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
