/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

#include "policy/spd.h"

static int by_name(void *arg, const char *name)
{
    (void)arg;
    static const char *const names[] = {"branch", "cloud"};
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

static void add(struct spd *spd, enum action action, const char *text)
{
    char why[512];
    if (spd_add(spd, action, text, (uint32_t)(100 + spd->count), by_name, NULL, why, sizeof why) != OK)
        fail_msg("'%s' should be a rule: %s", text, why);
    assert_string_equal(why, "");
}

struct refusal {
    enum action action;
    const char *text;
    const char *says[3];
};

static void check_refusals(const struct refusal *cases, size_t n)
{
    struct spd spd = {0};
    add(&spd, ACTION_DISCARD, "10.9.0.0/16 -> any");
    for (size_t i = 0; i < n; i++) {
        char why[512];
        enum status status = spd_add(&spd, cases[i].action, cases[i].text, 7, by_name, NULL, why, sizeof why);
        if (status == OK)
            fail_msg("'%s' should be refused", cases[i].text);
        for (size_t k = 0; k < COUNT(cases[i].says) && cases[i].says[k] != NULL; k++)
            assert_has(why, cases[i].says[k]);
        for (const char *at = why; *at != '\0'; at++)
            assert_true(*at >= 0x20 && *at < 0x7f);
        assert_int_equal(spd.count, 1);
    }
    spd_free(&spd);
}

static void test_bad_rules_b47(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {ACTION_BYPASS, "", {"no '->'"}},
        {ACTION_BYPASS, "any any", {"no '->'", "LOCAL -> REMOTE"}},
        {ACTION_BYPASS, "any - > any", {"no '->'"}},
        {ACTION_BYPASS, "any -> any -> any", {"two '->'"}},
        {ACTION_BYPASS, "->", {"local side is missing"}},
        {ACTION_BYPASS, "-> any", {"local side is missing"}},
        {ACTION_BYPASS, "any ->", {"remote side is missing"}},
        {ACTION_BYPASS, "any -> port 80", {"remote side is missing"}},
        {ACTION_PROTECT, "any -> via branch", {"remote side is missing"}},
        {ACTION_BYPASS, "tcp -> any", {"an address is missing behind 'tcp'", "tcp any"}},
        {ACTION_BYPASS, "tcp port 80 -> any", {"an address is missing behind 'tcp'"}},
        {ACTION_BYPASS, "tpc any -> any", {"unknown protocol 'tpc'", "tcp, udp"}},
        {ACTION_BYPASS, "256 any -> any", {"unknown protocol '256'", "0 to 255"}},
        {ACTION_BYPASS, "tcp udp any -> any", {"an address is missing behind 'udp'"}},
        {ACTION_BYPASS, "any any any -> any", {"one word too many before '->'"}},
        {ACTION_BYPASS, "10.1.0.0/33 -> any", {"'10.1.0.0/33' is no address", "10.1.0.0/24"}},
        {ACTION_BYPASS, "10.1.0 -> any", {"'10.1.0' is no address"}},
        {ACTION_BYPASS, "%any -> any", {"'%any' is no address", "write any"}},
        {ACTION_BYPASS, "gw.example.org -> any", {"is no address"}},
        {ACTION_BYPASS, "10.1.0.0/255.255.0.0 -> any", {"is no address"}},
        {ACTION_BYPASS, "any -> \x1b[31m", {"'\\x1b[31m' is no address"}},
        {ACTION_BYPASS, "10.1.0.5/24 -> any", {"host bits", "10.1.0.0/24 for the network", "10.1.0.5 for the host"}},
        {ACTION_BYPASS, "any -> 10.0.0.1/0", {"host bits", "0.0.0.0/0"}},
        {ACTION_BYPASS, "any -> 2001:db8::1/32", {"host bits", "2001:db8::/32", "2001:db8::1 for"}},
        {ACTION_BYPASS, "10.1.0.9-10.1.0.1 -> any", {"is no address"}},
        {ACTION_BYPASS, "10.1.0.0/24 -> 2001:db8::/32", {"IPv4", "IPv6", "each family"}},
        {ACTION_BYPASS, "icmp any -> 2001:db8::/32", {"icmpv6"}},
        {ACTION_BYPASS, "icmpv6 10.1.0.0/24 -> any", {"write icmp"}},
        {ACTION_BYPASS, "any -> any extra", {"'extra' is one word too many"}},
        {ACTION_BYPASS, "any -> any 1 2 3 4 5 6 7 8 9", {"too many words"}},
    };
    check_refusals(cases, COUNT(cases));
}

static void test_bad_ports_b47(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {ACTION_BYPASS, "any -> any port 80", {"a port needs a protocol", "tcp"}},
        {ACTION_BYPASS, "any port 80 -> any", {"a port needs a protocol"}},
        {ACTION_BYPASS, "icmp any -> any port 8", {"a port needs a protocol"}},
        {ACTION_BYPASS, "gre any -> any port 8", {"a port needs a protocol"}},
        {ACTION_BYPASS, "tcp any -> any port", {"number is missing behind 'port'"}},
        {ACTION_BYPASS, "tcp any port -> any", {"number is missing"}},
        {ACTION_BYPASS, "tcp any -> any port http", {"'http' is no port", "1 to 65535"}},
        {ACTION_BYPASS, "tcp any -> any port 0", {"'0' is no port"}},
        {ACTION_BYPASS, "tcp any -> any port 65536", {"'65536' is no port"}},
        {ACTION_BYPASS, "tcp any -> any port 4294967376", {"is no port"}}, /* 80 modulo 2^32 */
        {ACTION_BYPASS, "tcp any -> any port -80", {"is no port"}},
        {ACTION_BYPASS, "tcp any -> any port 80-", {"is no port"}},
        {ACTION_BYPASS, "tcp any -> any port 90-80", {"low end first"}},
        {ACTION_BYPASS, "tcp any -> any port 80-90-100", {"is no port"}},
        {ACTION_BYPASS, "tcp any -> any port 80,443", {"is no port"}},
        {ACTION_BYPASS, "tcp any -> any port +80", {"is no port"}},
        {ACTION_BYPASS, "tcp any -> any port 80 port 90", {"'port' is one word too many"}},
    };
    check_refusals(cases, COUNT(cases));
}

static void test_bad_via_b47(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {ACTION_PROTECT, "any -> any", {"protect needs a connection", "via"}},
        {ACTION_BYPASS, "any -> any via branch", {"bypass goes through no connection"}},
        {ACTION_DISCARD, "any -> any via branch", {"discard goes through no connection"}},
        {ACTION_PROTECT, "any -> any via", {"a name is missing behind 'via'"}},
        {ACTION_PROTECT, "any -> any via nowhere", {"there is no connection 'nowhere'"}},
        {ACTION_PROTECT, "any -> any via Branch", {"there is no connection 'Branch'"}},
        {ACTION_PROTECT, "any -> any via branch cloud", {"'cloud' is one word too many"}},
        {ACTION_PROTECT, "any -> any via branch via cloud", {"'via' is one word too many"}},
        {ACTION_PROTECT, "any via branch -> any", {"local side is missing"}},
        {ACTION_PROTECT, "tcp any -> any via branch port 80", {"'port' is one word too many"}},
    };
    check_refusals(cases, COUNT(cases));
    struct spd spd = {0};
    char why[128];
    assert_int_equal(spd_add(&spd, ACTION_PROTECT, "any -> any via branch", 1, NULL, NULL, why, sizeof why),
                     ERR_NOT_FOUND);
    spd_free(&spd);
}

static void test_long_rules_and_every_room_for_the_reason_b47(void **state)
{
    (void)state;
    static char text[5000];
    struct spd spd = {0};
    char why[128];
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(spd_add(&spd, ACTION_BYPASS, text, 1, by_name, NULL, why, sizeof why), ERR_LIMIT);
    for (size_t len = 0; len < 128; len++) {
        char *room = malloc(len > 0 ? len : 1);
        assert_non_null(room);
        assert_int_not_equal(spd_add(&spd, ACTION_BYPASS, "nonsense -> any", 1, by_name, NULL, room, len), OK);
        if (len > 0)
            assert_true(strlen(room) < len);
        free(room);
    }
    assert_int_equal(spd.count, 0);
    spd_free(&spd);
}

/* --- what is accepted --- */

static void test_rules_and_their_effective_form(void **state)
{
    (void)state;
    static const struct {
        enum action action;
        const char *text, *first, *second;
    } cases[] = {
        {ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via branch", "protect 10.1.0.0/24 -> 10.2.0.0/24 via branch",
         NULL},
        {ACTION_PROTECT, "tcp 10.1.0.0/24 -> 10.3.0.9/32 port 443 via branch",
         "protect tcp 10.1.0.0/24 -> 10.3.0.9/32 port 443 via branch", NULL},
        {ACTION_PROTECT, "any -> any via cloud", "protect 0.0.0.0/0 -> 0.0.0.0/0 via cloud",
         "protect ::/0 -> ::/0 via cloud"},
        {ACTION_BYPASS, "any -> 192.168.0.0/16", "bypass 0.0.0.0/0 -> 192.168.0.0/16", NULL},
        {ACTION_BYPASS, "2001:db8::/32 -> any", "bypass 2001:db8::/32 -> ::/0", NULL},
        {ACTION_DISCARD, "any -> any", "discard 0.0.0.0/0 -> 0.0.0.0/0", "discard ::/0 -> ::/0"},
        {ACTION_DISCARD, "any any -> any", "discard 0.0.0.0/0 -> 0.0.0.0/0", "discard ::/0 -> ::/0"},
        {ACTION_DISCARD, "any->any", "discard 0.0.0.0/0 -> 0.0.0.0/0", "discard ::/0 -> ::/0"},
        {ACTION_BYPASS, "udp any port 500 -> any port 500-4500",
         "bypass udp 0.0.0.0/0 port 500 -> 0.0.0.0/0 port 500-4500", "bypass udp ::/0 port 500 -> ::/0 port 500-4500"},
        {ACTION_BYPASS, "47 10.1.0.1-10.1.0.9 -> 10.2.0.1", "bypass gre 10.1.0.1-10.1.0.9 -> 10.2.0.1/32", NULL},
        {ACTION_BYPASS, "tcp 10.1.0.1->10.2.0.1 port 0-65535", "bypass tcp 10.1.0.1/32 -> 10.2.0.1/32", NULL},
        {ACTION_BYPASS, "tcp any -> 10.2.0.1 port any", "bypass tcp 0.0.0.0/0 -> 10.2.0.1/32", NULL},
        {ACTION_BYPASS, "sctp 10.1.0.1 port 1 -> any port 65535",
         "bypass sctp 10.1.0.1/32 port 1 -> 0.0.0.0/0 port 65535", NULL},
        {ACTION_BYPASS, "icmp any -> any", "bypass icmp 0.0.0.0/0 -> 0.0.0.0/0", NULL},
        {ACTION_BYPASS, "icmpv6 any -> any", "bypass icmpv6 ::/0 -> ::/0", NULL},
        {ACTION_BYPASS, "\t any \t->  10.1.0.1\r\n", "bypass 0.0.0.0/0 -> 10.1.0.1/32", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spd spd = {0};
        char text[RULE_TEXT];
        add(&spd, cases[i].action, cases[i].text);
        assert_int_equal(spd.count, cases[i].second != NULL ? 2 : 1);
        assert_string_equal(rule_print(&spd.rules[0], text), cases[i].first);
        if (cases[i].second != NULL)
            assert_string_equal(rule_print(&spd.rules[1], text), cases[i].second);
        spd_free(&spd);
        assert_int_equal(spd.count, 0);
        assert_null(spd.rules);
        spd_free(&spd);
    }
}

static void test_numbers_lines_and_texts(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_BYPASS, "any   ->  192.168.0.0/16");
    add(&spd, ACTION_PROTECT, "any -> any via cloud");
    add(&spd, ACTION_DISCARD, "10.1.0.1 -> any");
    static const struct {
        uint32_t number, line, connection;
        const char *text;
    } expected[] = {
        {1, 100, 0, "bypass any -> 192.168.0.0/16"},
        {2, 101, 1, "protect any -> any via cloud"},
        {2, 101, 1, "protect any -> any via cloud"},
        {3, 103, 0, "discard 10.1.0.1 -> any"},
    };
    assert_int_equal(spd.count, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(spd.rules[i].number, expected[i].number);
        assert_int_equal(spd.rules[i].line, expected[i].line);
        assert_int_equal(spd.rules[i].connection, expected[i].connection);
        assert_string_equal(spd.rules[i].text, expected[i].text);
    }
    spd_free(&spd);
}

static void test_names_of_actions(void **state)
{
    (void)state;
    assert_string_equal(action_name(ACTION_PROTECT), "protect");
    assert_string_equal(action_name(ACTION_BYPASS), "bypass");
    assert_string_equal(action_name(ACTION_DISCARD), "discard");
    assert_string_equal(action_name((enum action)99), "unknown");
}

/* --- looking up --- */

static struct flow a_flow(const char *source, const char *destination, int port)
{
    struct flow f = {.source = an_address(source), .destination = an_address(destination), .protocol = 6};
    f.has_ports = port >= 0;
    f.source_port = f.has_ports ? 40000 : 0;
    f.destination_port = (uint16_t)(f.has_ports ? port : 0);
    return f;
}

static void test_first_match_wins_and_the_end_discards(void **state)
{
    (void)state;
    struct spd spd = {0};
    struct flow f = a_flow("10.1.0.2", "10.2.0.9", 443);
    assert_int_equal(spd_lookup(&spd, &f), SPD_RULE_NONE);
    add(&spd, ACTION_DISCARD, "tcp 10.1.0.0/24 -> 10.2.0.0/24 port 25");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via branch");
    add(&spd, ACTION_BYPASS, "10.1.0.0/16 -> 10.2.0.0/16");
    add(&spd, ACTION_PROTECT, "2001:db8:1::/48 -> any via cloud");
    static const struct {
        const char *source, *destination;
        int port, rule;
    } cases[] = {
        {"10.1.0.2", "10.2.0.9", 25, 0},
        {"10.1.0.2", "10.2.0.9", 443, 1},
        {"10.1.0.2", "10.2.0.9", -1, SPD_RULE_NONE}, /* a later fragment, perhaps of what is discarded */
        {"10.1.7.2", "10.2.0.9", 25, 2},
        {"10.1.0.2", "10.3.0.9", 25, SPD_RULE_NONE},
        {"10.2.0.9", "10.1.0.2", 25, SPD_RULE_NONE},
        {"2001:db8:1::5", "2001:db8:2::5", 25, 3},
        {"2001:db8:2::5", "2001:db8:1::5", 25, SPD_RULE_NONE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        f = a_flow(cases[i].source, cases[i].destination, cases[i].port);
        assert_int_equal(spd_lookup(&spd, &f), cases[i].rule);
    }
    spd_free(&spd);
}

/* RFC 4301 7: what may be part of a protected packet never leaves in clear, nor to another peer. */
static void test_b38_fragments_without_ports(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_DISCARD, "tcp 10.1.0.0/24 -> 10.2.0.1 port 25");
    add(&spd, ACTION_PROTECT, "tcp 10.1.0.0/24 -> 10.2.0.0/24 port 443 via branch");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.2 via branch");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.3 via cloud");
    add(&spd, ACTION_BYPASS, "0.0.0.0/0 -> 0.0.0.0/0");
    static const struct {
        const char *destination;
        int port, rule;
    } cases[] = {
        {"10.2.0.9", 443, 1},
        {"10.2.0.9", -1, SPD_RULE_NONE}, /* not by the bypass */
        {"10.2.0.2", -1, 2},             /* the same peer anyway */
        {"10.2.0.3", -1, SPD_RULE_NONE}, /* not to the other peer */
        {"10.2.0.3", 80, 3},
        {"10.2.0.9", 80, 4},
        {"10.9.0.9", -1, 4}, /* no protect rule could mean it */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow f = a_flow("10.1.0.2", cases[i].destination, cases[i].port);
        assert_int_equal(spd_lookup(&spd, &f), cases[i].rule);
    }
    spd_free(&spd);
}

/* d: discard, b: bypass, A and B: protect via branch or cloud. */
static void add_letter(struct spd *spd, char letter, unsigned port)
{
    char text[96], words[24] = "";
    enum action action = letter == 'd' ? ACTION_DISCARD : letter == 'b' ? ACTION_BYPASS : ACTION_PROTECT;
    if (port > 0)
        snprintf(words, sizeof words, " port %u", port);
    snprintf(text, sizeof text, "%s10.1.0.0/24 -> 10.2.0.0/24%s%s", port > 0 ? "tcp " : "", words,
             letter == 'A'   ? " via branch"
             : letter == 'B' ? " via cloud"
                             : "");
    add(spd, action, text);
}

/* By definition: whatever the hidden rules are, the whole packet meets the same action and the same peer, or a bypass,
 * which may be protected as well; or it is discarded anyway. */
static bool may_pass(const char *hidden, char match)
{
    if (match == 'd')
        return true;
    for (; *hidden != '\0'; hidden++)
        if (*hidden != match && *hidden != 'b')
            return false;
    return true;
}

/* Rules with port 1, 2, ... and below them one without: where a later fragment goes, and each whole packet. */
static void check_hidden(const char *hidden, char match)
{
    struct spd spd = {0};
    int count = (int)strlen(hidden);
    for (int i = 0; i < count; i++)
        add_letter(&spd, hidden[i], (unsigned)i + 1);
    add_letter(&spd, match, 0);
    struct flow f = a_flow("10.1.0.2", "10.2.0.9", -1);
    int rule = spd_lookup(&spd, &f);
    if (rule != (may_pass(hidden, match) ? count : SPD_RULE_NONE))
        fail_msg("below '%s', '%c': rule %d", hidden, match, rule);
    for (int port = 1; port <= count + 1; port++) { /* whole packets show where they belong */
        f = a_flow("10.1.0.2", "10.2.0.9", port);
        assert_int_equal(spd_lookup(&spd, &f), port - 1);
    }
    f = a_flow("10.1.0.2", "10.2.0.9", -1);
    f.protocol = 17; /* no rule above can mean it */
    assert_int_equal(spd_lookup(&spd, &f), count);
    spd_free(&spd);
}

/* Up to three rules above, of every kind and in every order. */
static void test_b38_every_hidden_rule_counts(void **state)
{
    (void)state;
    static const char letters[] = "dbAB";
    unsigned combinations = 0;
    for (unsigned count = 0; count <= 3; count++)
        for (unsigned n = 0; n < 1U << (2 * count); n++)
            for (unsigned match = 0; match < 4; match++) {
                char hidden[4] = "";
                for (unsigned i = 0; i < count; i++)
                    hidden[i] = letters[n >> (2 * i) & 3];
                check_hidden(hidden, letters[match]);
                combinations++;
            }
    assert_int_equal(combinations, (1 + 4 + 16 + 64) * 4);
}

static void test_b38_hidden_rules_by_hand(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_PROTECT, "udp 10.1.0.0/24 -> 10.2.0.0/24 port 1 via branch");
    add(&spd, ACTION_PROTECT, "udp 10.1.0.0/24 -> 10.2.0.0/24 port 2 via cloud");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via branch");
    add(&spd, ACTION_DISCARD, "udp 10.1.0.0/24 -> any port 53");
    add(&spd, ACTION_BYPASS, "10.1.0.0/24 -> any");
    add(&spd, ACTION_DISCARD, "udp 10.0.0.0/8 -> 10.9.0.0/16 port 53");
    add(&spd, ACTION_DISCARD, "10.0.0.0/8 -> 10.9.0.0/16");
    add(&spd, ACTION_DISCARD, "udp 2001:db8:1::/48 -> 2001:db8:2:8000::/49 port 53");
    add(&spd, ACTION_PROTECT, "2001:db8:1::/48 -> 2001:db8:2::/48 via branch");
    static const struct {
        const char *source, *destination;
        uint8_t protocol;
        int port, rule;
    } cases[] = {
        {"10.1.0.2", "10.2.0.9", 17, -1, SPD_RULE_NONE}, /* perhaps the other peer's */
        {"10.1.0.2", "10.2.0.9", 17, 1, 0},
        {"10.1.0.2", "10.2.0.9", 17, 2, 1},
        {"10.1.0.2", "10.2.0.9", 17, 3, 2},
        {"10.1.0.2", "10.2.0.9", 6, -1, 2},
        {"10.1.0.2", "10.3.0.9", 17, -1, SPD_RULE_NONE}, /* perhaps discarded: not by the bypass */
        {"10.1.0.2", "10.3.0.9", 17, 54, 4},
        {"10.1.0.2", "10.3.0.9", 1, -1, 4},
        {"10.7.0.2", "10.9.0.9", 17, -1, 6}, /* discarded in any case: by the rule that counts it */
        {"2001:db8:1::5", "2001:db8:2::5", 17, -1, 8},
        {"2001:db8:1::5", "2001:db8:2:8000::5", 17, -1, SPD_RULE_NONE},
        {"2001:db8:1::5", "2001:db8:2:8000::5", 6, -1, 8},
        {"2001:db8:1::5", "2001:db8:2:8000::5", 60, -1, SPD_RULE_NONE}, /* behind the options there may be UDP */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow f = a_flow(cases[i].source, cases[i].destination, cases[i].port);
        f.protocol = cases[i].protocol;
        int rule = spd_lookup(&spd, &f);
        if (rule != cases[i].rule)
            fail_msg("case %zu: rule %d, not %d", i, rule, cases[i].rule);
    }
    spd_free(&spd);
}

/* RFC 4301 6.2: quoted is as the far host sent it; the error goes back by the rule that its answers would take. */
static void test_by_which_rule_an_error_leaves(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_DISCARD, "tcp 10.1.0.0/24 -> 10.2.0.1 port 25");
    add(&spd, ACTION_PROTECT, "tcp 10.1.0.0/24 -> 10.2.0.0/24 port 443 via branch");
    add(&spd, ACTION_PROTECT, "tcp 10.1.0.0/24 port 22 -> 10.2.0.0/24 via branch");
    add(&spd, ACTION_BYPASS, "10.1.0.0/24 -> 10.2.0.128/25");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.2 via branch");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.3 via cloud");
    add(&spd, ACTION_PROTECT, "2001:db8:1::/48 -> 2001:db8:2::/48 via branch");
    static const struct {
        const char *source, *destination; /* source: the far host */
        int source_port, destination_port, rule;
    } cases[] = {
        {"10.2.0.9", "10.1.0.2", 443, 4711, 1},
        {"10.2.0.9", "10.1.0.2", 4711, 22, 2},
        {"10.2.0.9", "10.1.0.2", 4711, 443, SPD_RULE_NONE}, /* the port is the other side's */
        {"10.2.0.9", "10.1.0.2", 22, 4711, SPD_RULE_NONE},
        {"10.2.0.1", "10.1.0.2", 25, 4711, SPD_RULE_NONE},   /* discarded */
        {"10.2.0.200", "10.1.0.2", 80, 4711, SPD_RULE_NONE}, /* bypassed: not by a tunnel */
        {"10.2.0.200", "10.1.0.2", 443, 4711, 1},
        {"10.2.0.3", "10.1.0.2", 80, 4711, 5},
        {"10.2.0.9", "10.1.0.2", -1, -1, SPD_RULE_NONE},   /* its ports are not shown */
        {"10.2.0.2", "10.1.0.2", -1, -1, 4},               /* the same peer in any case */
        {"10.2.0.3", "10.1.0.2", -1, -1, SPD_RULE_NONE},   /* perhaps another peer's */
        {"10.1.0.2", "10.2.0.9", 443, 443, SPD_RULE_NONE}, /* a packet of our own side */
        {"10.9.0.9", "10.1.0.2", 443, 443, SPD_RULE_NONE},
        {"2001:db8:2::9", "2001:db8:1::2", 80, 4711, 6},
        {"2001:db8:1::2", "2001:db8:2::9", 80, 4711, SPD_RULE_NONE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow quoted = a_flow(cases[i].source, cases[i].destination, cases[i].destination_port);
        quoted.source_port = (uint16_t)(cases[i].source_port < 0 ? 0 : cases[i].source_port);
        int rule = spd_lookup_error(&spd, &quoted);
        if (rule != cases[i].rule)
            fail_msg("case %zu: rule %d, not %d", i, rule, cases[i].rule);
    }
    struct flow unreadable = {0};
    assert_int_equal(spd_lookup_error(&spd, &unreadable), SPD_RULE_NONE);
    spd_free(&spd);
}

static void test_unreadable_quotations_match_not_even_any(void **state)
{
    (void)state;
    struct spd spd = {0};
    struct flow unreadable = {0};
    assert_int_equal(spd_lookup_error(&spd, &unreadable), SPD_RULE_NONE);
    add(&spd, ACTION_PROTECT, "any -> any via branch");
    assert_int_equal(spd.count, 2);
    assert_int_equal(spd_lookup_error(&spd, &unreadable), SPD_RULE_NONE);
    spd_free(&spd);
}

static struct selector a_selector(const char *local, const char *remote)
{
    return (struct selector){a_range(local), a_range(remote), 0, port_any(), port_any()};
}

static void test_rule_for_a_peers_proposal(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_BYPASS, "10.1.0.0/24 -> 10.2.0.0/24");
    add(&spd, ACTION_PROTECT, "10.1.0.0/16 -> 10.2.0.0/16 via branch");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via cloud");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via branch");
    add(&spd, ACTION_PROTECT, "tcp 10.1.0.0/24 -> 10.9.0.0/24 port 443 via branch");
    static const struct {
        uint32_t connection;
        const char *local, *remote;
        int rule;
    } cases[] = {
        {0, "10.1.0.0/24", "10.2.0.0/24", 3}, /* the equal one, though an earlier one contains it */
        {1, "10.1.0.0/24", "10.2.0.0/24", 2},
        {0, "10.1.0.0/16", "10.2.0.0/16", 1},
        {0, "10.1.5.0/24", "10.2.0.0/24", 1},
        {0, "10.1.0.128/25", "10.2.0.0/24", 1}, /* the first that contains it */
        {0, "10.0.0.0/8", "10.2.0.0/24", SPD_RULE_NONE},
        {0, "10.1.0.0/24", "10.9.0.0/24", SPD_RULE_NONE}, /* wider than the rule: all protocols */
        {0, "10.2.0.0/24", "10.1.0.0/24", SPD_RULE_NONE},
        {7, "10.1.0.0/24", "10.2.0.0/24", SPD_RULE_NONE},
        {0, "::/0", "::/0", SPD_RULE_NONE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct selector s = a_selector(cases[i].local, cases[i].remote);
        assert_int_equal(spd_find_protect(&spd, cases[i].connection, &s), cases[i].rule);
    }
    struct selector https = a_selector("10.1.0.0/24", "10.9.0.0/24");
    https.protocol = 6;
    https.remote_port = (struct port_range){443, 443};
    assert_int_equal(spd_find_protect(&spd, 0, &https), 4);
    https.remote_port.last = 444;
    assert_int_equal(spd_find_protect(&spd, 0, &https), SPD_RULE_NONE);
    spd_free(&spd);
}

static void test_many_rules(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct spd spd = {0};
    char text[64], why[256];
    size_t capacity = 0, growths = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "10.%u.%u.%u -> 10.255.0.0/16", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(spd_add(&spd, ACTION_BYPASS, text, i, by_name, NULL, why, sizeof why), OK);
        growths += spd.capacity != capacity;
        capacity = spd.capacity;
    }
    assert_int_equal(spd.count, MANY);
    assert_true(growths < 20);
    assert_true(spd.capacity <= 2 * MANY);
    assert_int_equal(spd.rules[MANY - 1].number, MANY);
    struct flow f = a_flow("10.1.134.159", "10.255.3.4", 80);
    assert_int_equal(spd_lookup(&spd, &f), MANY - 1);
    f = a_flow("10.1.134.160", "10.255.3.4", 80);
    assert_int_equal(spd_lookup(&spd, &f), SPD_RULE_NONE);
    spd_free(&spd);
}

static void test_first_protect_rule_of_a_family(void **state)
{
    (void)state;
    struct spd spd = {0};
    assert_int_equal(spd_first_protect(&spd, 4), SPD_RULE_NONE);
    add(&spd, ACTION_BYPASS, "any -> any");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via branch");
    assert_int_equal(spd_first_protect(&spd, 4), 2);
    assert_int_equal(spd_first_protect(&spd, 6), SPD_RULE_NONE);
    add(&spd, ACTION_PROTECT, "any -> any via branch"); /* one entry for each family */
    assert_int_equal(spd_first_protect(&spd, 4), 2);
    assert_int_equal(spd.rules[spd_first_protect(&spd, 6)].selector.remote.first.family, 6);
    spd_free(&spd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_rules_b47),
        cmocka_unit_test(test_bad_ports_b47),
        cmocka_unit_test(test_bad_via_b47),
        cmocka_unit_test(test_long_rules_and_every_room_for_the_reason_b47),
        cmocka_unit_test(test_rules_and_their_effective_form),
        cmocka_unit_test(test_numbers_lines_and_texts),
        cmocka_unit_test(test_names_of_actions),
        cmocka_unit_test(test_first_match_wins_and_the_end_discards),
        cmocka_unit_test(test_b38_fragments_without_ports),
        cmocka_unit_test(test_b38_every_hidden_rule_counts),
        cmocka_unit_test(test_b38_hidden_rules_by_hand),
        cmocka_unit_test(test_by_which_rule_an_error_leaves),
        cmocka_unit_test(test_unreadable_quotations_match_not_even_any),
        cmocka_unit_test(test_rule_for_a_peers_proposal),
        cmocka_unit_test(test_first_protect_rule_of_a_family),
        cmocka_unit_test(test_many_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
