/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/explain.h"

#include "daemon_test.h"

static struct connection connections[] = {{.name = "x"}};

/* Rules, and the answer to a question about them alone. */
struct acl {
    struct spd spd;
    char *text;
};

static void acl_add(struct acl *acl, const char *rule)
{
    enum action action = rule[0] == 'p' ? ACTION_PROTECT : rule[0] == 'b' ? ACTION_BYPASS : ACTION_DISCARD;
    add_rule(&acl->spd, action, strchr(rule, ' ') + 1);
}

static void acl_free(struct acl *acl)
{
    spd_free(&acl->spd);
    free(acl->text);
    acl->text = NULL;
}

static struct explain_query ask(const char *text)
{
    struct explain_query query;
    char why[512] = "";
    if (explain_query_parse(bytes_of(text, strlen(text)), &query, why, sizeof why) != OK)
        fail_msg("'%s': %s", text, why);
    return query;
}

static const char *answer(struct acl *acl, const struct explain_input *more, const char *question)
{
    size_t len;
    const struct explain_query query = ask(question);
    struct explain_input input = more != NULL ? *more : (struct explain_input){0};
    input.spd = &acl->spd;
    input.connections = connections;
    free(acl->text);
    FILE *out = open_memstream(&acl->text, &len);
    explain(&input, &query, out);
    assert_int_equal(fclose(out), 0);
    return acl->text;
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' says '%s'", text, part);
}

/* --- the walk --- */

static uint32_t seed = 20260801;

static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % below;
}

/* A small world, so that rules meet packets: two addresses a side, three protocols, four ports. */
static void random_acl(struct acl *acl)
{
    static const char *const sides[] = {"any", "10.0.0.0/30", "10.0.0.1", "10.0.0.2", "::/0"};
    static const char *const ports[] = {"", " port 1", " port 2-3"};
    static const char *const protocols[] = {"any", "icmp", "tcp", "udp"};
    static const char *const actions[] = {"protect", "bypass", "discard"};
    for (unsigned n = pick(8); n > 0; n--) {
        char rule[128];
        unsigned protocol = pick(4), local = pick(5), remote = pick(5), action = pick(3);
        if ((local == 4 || remote == 4) && (protocol == 1 || (local != 0 && remote != 0 && local != remote)))
            continue; /* families do not go together */
        snprintf(rule, sizeof rule, "%s %s %s%s -> %s%s%s", actions[action], protocols[protocol], sides[local],
                 protocol > 1 ? ports[pick(3)] : "", sides[remote], protocol > 1 ? ports[pick(3)] : "",
                 action == 0 ? " via x" : "");
        acl_add(acl, rule);
    }
}

/* Whole packet number n of the world. */
static struct explain_query whole_packet(unsigned n)
{
    static const uint8_t protocols[] = {1, 6, 17};
    static const char *const addresses[] = {"10.0.0.1", "10.0.0.2"};
    struct explain_query q = {.told = FIELD_PROTOCOL | FIELD_LOCAL_PORT | FIELD_REMOTE_PORT};
    q.flow.protocol = protocols[n % 3];
    q.flow.source = an_address(addresses[n / 3 % 2]);
    q.flow.destination = an_address(addresses[n / 6 % 2]);
    q.flow.has_ports = q.flow.protocol != 1;
    if (q.flow.has_ports) {
        q.flow.source_port = (uint16_t)(1 + n / 12 % 4);
        q.flow.destination_port = (uint16_t)(1 + n / 48 % 4);
    } else {
        q.told = FIELD_PROTOCOL;
    }
    return q;
}

enum { WHOLE_PACKETS = 192 };

static bool has_maybe(const struct explain_walk *walk, int rule)
{
    for (size_t i = 0; i < walk->maybe_count; i++)
        if ((int)walk->maybe[i] == rule)
            return true;
    return false;
}

static void test_a_whole_packet_meets_what_spd_lookup_says(void **state)
{
    (void)state;
    print_message("seed %u\n", seed);
    unsigned decided = 0, partly = 0;
    for (unsigned round = 0; round < 500; round++) {
        struct acl acl = {0};
        random_acl(&acl);
        for (unsigned n = 0; n < WHOLE_PACKETS; n++) {
            struct explain_walk walk;
            struct explain_query q = whole_packet(n);
            int rule = spd_lookup(&acl.spd, &q.flow);
            explain_walk(&acl.spd, &q, &walk);
            assert_int_equal(walk.decides, rule);
            assert_int_equal(walk.maybe_count, 0);
            decided += rule != SPD_RULE_NONE;
            /* Of which only addresses are told, then the protocol too: what it meets is among what is named. */
            const uint8_t protocol = q.flow.protocol;
            q.told = 0;
            q.flow.protocol = 0;
            q.flow.has_ports = false;
            explain_walk(&acl.spd, &q, &walk);
            assert_true(rule == walk.decides || has_maybe(&walk, rule));
            partly += rule != walk.decides;
            q.told = FIELD_PROTOCOL;
            q.flow.protocol = protocol;
            explain_walk(&acl.spd, &q, &walk);
            assert_true(rule == walk.decides || has_maybe(&walk, rule));
        }
        acl_free(&acl);
    }
    assert_true(decided > 10000 && partly > 1000);
}

/* Each rule that is named can be met: by the packet that the answer suggests, or else by some other of it. */
static void test_every_rule_that_is_named_can_be_met(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 500; round++) {
        struct acl acl = {0};
        random_acl(&acl);
        const struct explain_query q = ask(round % 2 == 0 ? "10.0.0.1 10.0.0.2" : "tcp 10.0.0.2 10.0.0.1:2");
        struct explain_walk walk;
        explain_walk(&acl.spd, &q, &walk);
        for (size_t i = 0; i < walk.maybe_count; i++) {
            const struct selector *s = &acl.spd.rules[walk.maybe[i]].selector;
            const struct selector_fit fit = selector_explain(s, &q.flow, q.told);
            const struct explain_query one = explain_query_filled(&q, s, fit.open);
            assert_int_equal(selector_explain(s, &one.flow, one.told).differs, 0);
            assert_int_equal(selector_explain(s, &one.flow, one.told).open, 0);
        }
        acl_free(&acl);
    }
}

static void test_rules_are_told_in_order_with_reasons(void **state)
{
    (void)state;
    struct acl acl = {0};
    acl_add(&acl, "protect 10.1.0.0/24 -> 10.2.0.0/24 via x");
    acl_add(&acl, "discard udp any -> 10.3.0.9");
    acl_add(&acl, "protect tcp 10.1.0.0/24 port 1000-2000 -> 10.3.0.9/32 port 443 via x");
    acl_add(&acl, "bypass tcp 10.1.0.0/24 -> 10.3.0.9 port 80-90");
    acl_add(&acl, "discard any -> any");
    const char *text = answer(&acl, NULL, "tcp 10.1.0.5:4000 10.3.0.9:85");
    assert_has(text, "packet: tcp 10.1.0.5:4000 -> 10.3.0.9:85\n"
                     "  rule 1 (line 1): protect 10.1.0.0/24 -> 10.2.0.0/24 via x\n"
                     "      does not match: destination 10.3.0.9 is not in 10.2.0.0/24\n"
                     "  rule 2 (line 2): discard udp 0.0.0.0/0 -> 10.3.0.9/32\n"
                     "      does not match: protocol is tcp, not udp\n"
                     "  rule 3 (line 3): protect tcp 10.1.0.0/24 port 1000-2000 -> 10.3.0.9/32 port 443 via x\n"
                     "      does not match: source port 4000 is not in 1000-2000, destination port 85 is not 443\n"
                     "  rule 4 (line 4): bypass tcp 10.1.0.0/24 -> 10.3.0.9/32 port 80-90\n"
                     "      matches\n"
                     "rule 4 (line 4) decides: bypass\n"
                     "result: leaves in clear, by the host's other routes\n");
    assert_lacks(text, "rule 5");
    text = answer(&acl, NULL, "icmp 10.9.0.5 10.3.0.9");
    assert_has(text, "protocol is icmp, not tcp, source 10.9.0.5 is not in 10.1.0.0/24, icmp has no source port "
                     "1000-2000, icmp has no destination port 443\n");
    assert_has(text, "rule 5 (line 5) decides: discard\nresult: dropped where a route leads it to the TUN interface, "
                     "counted as out_discard_rule;");
    text = answer(&acl, NULL, "2001:db8::1 2001:db8::2");
    assert_has(text, "does not match: it is for IPv4, the packet is IPv6\n");
    assert_has(text, "decides: discard");
    acl_free(&acl);
}

static void test_implicit_discard(void **state)
{
    (void)state;
    struct acl acl = {0};
    assert_has(answer(&acl, NULL, "10.1.0.5 10.9.0.9"),
               "  the end: the implicit discard\nno rule matches: the implicit discard at the end of the ACL decides\n"
               "result: dropped where a route leads it to the TUN interface, counted as out_no_rule;");
    acl_free(&acl);
}

static void test_what_is_not_told_names_both_outcomes(void **state)
{
    (void)state;
    struct acl acl = {0};
    acl_add(&acl, "protect tcp 10.1.0.0/24 -> 10.3.0.9 port 443 via x");
    acl_add(&acl, "discard tcp 10.1.0.0/24 port 7 -> 10.3.0.9 port 443");
    acl_add(&acl, "discard udp any -> any");
    acl_add(&acl, "bypass any -> any");
    acl_add(&acl, "protect any -> any via x");
    const char *text = answer(&acl, NULL, "10.1.0.5 10.3.0.9");
    assert_has(text, "      would match only tcp with destination port 443\n");
    assert_has(text, "      does not match: what it could take meets rule 1 first\n");
    assert_has(text, "      would match only udp\n");
    assert_has(text, "if it is tcp with destination port 443, rule 1 decides: protect via x\n"
                     "      more: esptun explain tcp 10.1.0.5 10.3.0.9:443\n"
                     "if it is udp, rule 3 decides: discard\n"
                     "      more: esptun explain udp 10.1.0.5 10.3.0.9\n"
                     "else rule 4 (line 5) decides: bypass\n");
    text = answer(&acl, NULL, "tcp 10.1.0.5 10.3.0.9");
    assert_has(text, "would match only destination port 443\n");
    assert_has(text, "if it has destination port 443, rule 1 decides");
    text = answer(&acl, NULL, "10.1.0.5 10.3.0.9:443");
    assert_has(text,
               "if it is tcp, rule 1 decides: protect via x\n      more: esptun explain tcp 10.1.0.5 10.3.0.9:443");
    acl_free(&acl);
}

/* An answer stays readable, and the work bounded, however long the ACL. */
static void test_many_rules(void **state)
{
    (void)state;
    struct acl acl = {0};
    for (unsigned i = 1; i <= 1000; i++) {
        char rule[64];
        snprintf(rule, sizeof rule, "discard 10.9.%u.%u -> any", i / 250, i % 250);
        acl_add(&acl, rule);
    }
    for (unsigned i = 1; i <= 100; i++) {
        char rule[64];
        snprintf(rule, sizeof rule, "protect tcp any -> any port %u via x", i);
        acl_add(&acl, rule);
    }
    acl_add(&acl, "bypass any -> any");
    const char *text = answer(&acl, NULL, "10.1.0.5 10.3.0.9");
    assert_has(text, "rule 256 (line 256)");
    assert_lacks(text, "rule 257 (line 257)");
    assert_has(text, "if it is tcp with destination port 64, ");
    assert_lacks(text, "if it is tcp with destination port 65, ");
    assert_has(text, "(36 more rules depend on protocol and ports: name them");
    assert_has(text, "else rule 1101");
    text = answer(&acl, NULL, "tcp 10.1.0.5 10.3.0.9:100");
    assert_has(text, "more rules are left out)\nrule 1100 ");
    acl_free(&acl);
}

static void test_the_other_direction(void **state)
{
    (void)state;
    struct acl acl = {0};
    acl_add(&acl, "protect tcp 10.1.0.0/24 -> 10.2.0.0/24 port 80 via x");
    struct explain_input guarded = {.guard = true};
    const char *text = answer(&acl, NULL, "tcp 10.2.0.5:80 10.1.0.5");
    assert_has(text, "note: its source is behind the peer and its destination behind us");
    assert_has(text, "arriving from the peer\n  rule 1 (line 1): protect");
    assert_has(text, "rule 1 (line 1) admits it: protect\nconnection x\n  SAs are unknown: esptun is not running\n"
                     "result: admitted only when it arrives as ESP through an SA of this rule\n"
                     "in clear: esptun does not see it");
    assert_has(text, "\nsent from here, with these addresses\n");
    assert_has(text,
               "does not match: source 10.2.0.5 is not in 10.1.0.0/24, destination 10.1.0.5 is not in 10.2.0.0/24");
    assert_has(text, "counted as out_no_rule");
    assert_has(answer(&acl, &guarded, "tcp 10.2.0.5:80 10.1.0.5"), "in clear: the guard drops it (guard = yes)\n");
    text = answer(&acl, NULL, "10.2.0.5 10.1.0.5");
    assert_has(text, "would match only tcp with source port 80\n");
    assert_has(text, "if it is tcp with source port 80, rule 1 decides: protect via x\n"
                     "      more: esptun explain tcp 10.2.0.5:80 10.1.0.5\n"
                     "else no protect rule admits it\n");
    /* what is protected on its way out is not taken for incoming */
    acl_add(&acl, "protect any -> any via x");
    assert_lacks(answer(&acl, NULL, "tcp 10.2.0.5:80 10.1.0.5"), "note:");
    acl_free(&acl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_packet_meets_what_spd_lookup_says),
        cmocka_unit_test(test_every_rule_that_is_named_can_be_met),
        cmocka_unit_test(test_rules_are_told_in_order_with_reasons),
        cmocka_unit_test(test_implicit_discard),
        cmocka_unit_test(test_what_is_not_told_names_both_outcomes),
        cmocka_unit_test(test_many_rules),
        cmocka_unit_test(test_the_other_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
