/* SPDX-License-Identifier: Apache-2.0 */
/* The index is held against spd_walk, which is short enough to be read. */
#include "test/unit/policy/spd_test.h"

#include "policy/spd_index_state.h"
#include "test/unit/random_test.h"

static struct random_seeded stream;
static struct random randomness;

static int start(void **state)
{
    (void)state;
    randomness = random_of_seed(&stream, 12);
    return 0;
}

static void add(struct spd *spd, enum action action, const char *text)
{
    char why[256];
    if (spd_add(spd, action, text, 1, any_connection, NULL, why, sizeof why) != OK)
        fail_msg("'%s' should be a rule: %s", text, why);
}

static struct flow a_flow(uint8_t protocol, const char *from, const char *to, int port)
{
    struct flow f = {.source = an_address(from), .destination = an_address(to), .protocol = protocol};
    f.has_ports = port >= 0;
    f.source_port = f.has_ports ? 1024 : 0;
    f.destination_port = f.has_ports ? (uint16_t)port : 0;
    return f;
}

/* --- none, one --- */

static void test_no_randomness_no_index(void **state)
{
    (void)state;
    const struct random none = {.fill = no_random};
    struct spd spd = {0};
    add(&spd, ACTION_BYPASS, "any -> any");
    assert_int_equal(spd_compile(&spd, &none), ERR_CRYPTO);
    assert_null(spd.index);
    const struct flow f = a_flow(6, "10.0.0.1", "10.0.0.2", 80);
    assert_int_equal(spd_lookup(&spd, &f), 0);
    spd_free(&spd);
}

static void test_empty(void **state)
{
    (void)state;
    struct spd spd = {0};
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    const struct flow f = a_flow(6, "10.0.0.1", "10.0.0.2", 80), nothing = {0};
    assert_int_equal(spd_lookup(&spd, &f), SPD_RULE_NONE);
    assert_int_equal(spd_lookup(&spd, &nothing), SPD_RULE_NONE);
    assert_int_equal(spd_index_stats(spd.index).probes, 0);
    spd_free(&spd);
    spd_index_free(NULL);
}

static void test_odd_flows_match_nothing(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_BYPASS, "any -> any");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    struct flow f = {0};
    assert_int_equal(spd_lookup(&spd, &f), spd_walk(&spd, &f));
    f = a_flow(6, "10.0.0.1", "2001:db8::1", 80);
    assert_int_equal(spd_lookup(&spd, &f), SPD_RULE_NONE);
    spd_free(&spd);
}

static void test_a_later_rule_takes_the_index_back(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_BYPASS, "10.1.0.0/24 -> 10.2.0.0/24");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    uint64_t before = spd_index_generation(spd.index);
    add(&spd, ACTION_DISCARD, "10.1.0.0/24 -> 10.3.0.0/24");
    assert_null(spd.index);
    const struct flow f = a_flow(6, "10.1.0.1", "10.3.0.2", 80);
    assert_int_equal(spd_lookup(&spd, &f), 1);
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    assert_int_equal(spd_lookup(&spd, &f), 1);
    assert_true(spd_index_generation(spd.index) != before);
    spd_free(&spd);
}

/* --- against the walk --- */

static void tell(const struct spd *spd, const struct flow *f, uint64_t seed, int found, int wanted)
{
    char from[ADDRESS_TEXT], to[ADDRESS_TEXT], text[SELECTOR_TEXT];
    for (size_t i = 0; i < spd->count && spd->count < 40; i++)
        print_message("%zu %s %u %s\n", i, action_name(spd->rules[i].action), spd->rules[i].connection,
                      selector_print(&spd->rules[i].selector, text));
    fail_msg("seed %llu, %zu rules: protocol %u, %s[%u] -> %s[%u]%s meets %d, not %d", (unsigned long long)seed,
             spd->count, f->protocol, address_print(&f->source, from), f->source_port,
             address_print(&f->destination, to), f->destination_port, f->has_ports ? "" : ", ports unknown", wanted,
             found);
}

static void compare(const struct spd *spd, const struct flow *f, uint64_t seed, size_t *hits)
{
    int wanted = spd_walk(spd, f), found = spd_lookup(spd, f);
    if (found != wanted)
        tell(spd, f, seed, found, wanted);
    *hits += found != SPD_RULE_NONE;
}

static struct flow back_of(struct flow f)
{
    return flow_reversed(&f);
}

static void run(uint64_t seed, size_t rules, size_t flows, size_t *hits)
{
    uint64_t rng = seed * 0x9e3779b97f4a7c15u + 1;
    struct spd spd;
    draw_spd(&rng, &spd, rules);
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    for (size_t i = 0; i < flows; i++) {
        const struct flow f = draw_flow(&rng), back = back_of(f);
        compare(&spd, &f, seed, hits);
        compare(&spd, &back, seed, hits);
    }
    spd_free(&spd);
}

static void test_few_rules_as_the_walk(void **state)
{
    (void)state;
    size_t hits = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++)
        run(seed, seed % 24, 40, &hits);
    assert_true(hits > 2000 * 8); /* of 80: the drawing is good for something */
}

static void test_many_rules_as_the_walk(void **state)
{
    (void)state;
    size_t hits = 0;
    for (uint64_t seed = 1; seed <= 8; seed++)
        run(seed, 600, 1500, &hits);
    assert_true(hits > 8 * 300); /* of 3000 */
}

/* Every corner of every rule, where off-by-one errors live. */
static void corner(const struct selector *s, unsigned which, struct flow *out)
{
    *out = (struct flow){
        .source = (which & 1) != 0 ? s->local.first : s->local.last,
        .destination = (which & 2) != 0 ? s->remote.first : s->remote.last,
        .protocol = s->protocol,
        .has_ports = (which & 16) == 0,
        .source_port = (which & 4) != 0 ? s->local_port.first : s->local_port.last,
        .destination_port = (which & 8) != 0 ? s->remote_port.first : s->remote_port.last,
    };
}

static void step(struct address *a, int by)
{
    for (size_t i = address_len(a); i-- > 0;) {
        a->bytes[i] = (uint8_t)(a->bytes[i] + by);
        if (a->bytes[i] != (by > 0 ? 0 : 255))
            return;
    }
}

static void test_corners_as_the_walk(void **state)
{
    (void)state;
    size_t hits = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        uint64_t rng = seed * 77 + 5;
        struct spd spd;
        draw_spd(&rng, &spd, 30);
        assert_int_equal(spd_compile(&spd, &randomness), OK);
        for (size_t i = 0; i < spd.count * 32; i++) {
            struct flow f;
            corner(&spd.rules[i / 32].selector, i % 32, &f);
            compare(&spd, &f, seed, &hits);
            step(&f.destination, (i & 2) != 0 ? -1 : 1);
            compare(&spd, &f, seed, &hits);
            step(&f.source, (i & 1) != 0 ? -1 : 1);
            f.destination_port = (uint16_t)(f.destination_port + ((i & 8) != 0 ? -1 : 1));
            compare(&spd, &f, seed, &hits);
        }
        spd_free(&spd);
    }
    assert_true(hits > 0);
}

/* --- many, and what they cost --- */

static void add_many(struct spd *spd, unsigned count)
{
    char text[128];
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "10.1.0.0/24 -> 10.%u.%u.%u/28 via x", 100 + (i >> 12), i >> 4 & 255, i << 4 & 255);
        add(spd, ACTION_PROTECT, text);
    }
}

static void test_many_rules_of_one_kind_are_one_place(void **state)
{
    (void)state;
    struct spd spd = {0};
    add_many(&spd, 20000);
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    const struct spd_index_stats stats = spd_index_stats(spd.index);
    assert_int_equal(stats.probes, 2);
    assert_int_equal(stats.listed, 0);
    assert_true(stats.bytes < 20000 * 300);
    for (unsigned i = 0; i < 20000; i += 7) {
        char to[32];
        snprintf(to, sizeof to, "10.%u.%u.%u", 100 + (i >> 12), i >> 4 & 255, (i << 4 & 255) + 15);
        const struct flow f = a_flow(17, "10.1.0.9", to, 53);
        assert_int_equal(spd_lookup(&spd, &f), i);
    }
    spd_free(&spd);
}

/* A chain of ranges ends; then ranges of ports are cut. */
static void test_many_ranges_of_ports(void **state)
{
    (void)state;
    struct spd spd = {0};
    char text[128];
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "tcp any -> 10.2.0.1 port %u-%u", 1000 + i * 7, 1000 + i * 7 + 4);
        add(&spd, i % 3 == 0 ? ACTION_DISCARD : ACTION_BYPASS, text);
    }
    add(&spd, ACTION_BYPASS, "any -> any");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    assert_true(spd_index_stats(spd.index).probes < 32);
    for (int port = 990; port < 2500; port++) {
        const struct flow f = a_flow(6, "10.1.0.9", "10.2.0.1", port);
        assert_int_equal(spd_lookup(&spd, &f), spd_walk(&spd, &f));
    }
    const struct flow unknown = a_flow(6, "10.1.0.9", "10.2.0.1", -1);
    assert_int_equal(spd_lookup(&spd, &unknown), SPD_RULE_NONE);
    spd_free(&spd);
}

/* Few of the ranges that take many prefixes are walked, more are cut, and the widest are always walked. */
static void test_ranges_that_are_no_prefixes(void **state)
{
    (void)state;
    struct spd spd = {0};
    char text[160];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "any -> 10.%u.0.1-10.%u.255.254", i, i + 1);
        add(&spd, ACTION_BYPASS, text);
    }
    add(&spd, ACTION_BYPASS, "2001:db8::1-2001:db8:ffff::fffe -> 2001:db8::1-2001:db8:ffff::fffe");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    assert_int_equal(spd_index_stats(spd.index).listed, 33);
    for (unsigned i = 0; i < 104; i++) {
        static const unsigned hosts[] = {0, 1, 2, 9, 254, 255};
        for (size_t k = 0; k < COUNT(hosts) * 2; k++) {
            char to[32];
            snprintf(to, sizeof to, "10.%u.%u.%u", i, k < COUNT(hosts) ? 0 : 255, hosts[k % COUNT(hosts)]);
            const struct flow f = a_flow(1, "10.9.0.9", to, -1);
            assert_int_equal(spd_lookup(&spd, &f), spd_walk(&spd, &f));
        }
    }
    const struct flow six = a_flow(6, "2001:db8::1", "2001:db8:ffff::fffe", 80);
    assert_int_equal(spd_lookup(&spd, &six), 100);
    spd_free(&spd);
}

/* --- fragments that do not show their ports --- */

static int meets(const char *const rules[], size_t count, const struct flow *f)
{
    struct spd spd = {0};
    for (size_t i = 0; i < count; i++) {
        const char *text = rules[i] + 2;
        add(&spd, rules[i][0] == 'p' ? ACTION_PROTECT : rules[i][0] == 'd' ? ACTION_DISCARD : ACTION_BYPASS, text);
    }
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    int index = spd_lookup(&spd, f);
    assert_int_equal(index, spd_walk(&spd, f));
    spd_free(&spd);
    return index;
}

#define MEETS(f, ...) meets((const char *const[]){__VA_ARGS__}, COUNT(((const char *const[]){__VA_ARGS__})), f)

static void test_fragments(void **state)
{
    (void)state;
    const struct flow f = a_flow(6, "10.1.0.1", "10.2.0.1", -1), udp = a_flow(17, "10.1.0.1", "10.2.0.1", -1);
    const struct flow within = a_flow(60, "2001:db8::1", "2001:db8::2", -1);
    assert_int_equal(MEETS(&f, "p tcp any -> any port 80 via x", "b any -> any"), SPD_RULE_NONE);
    assert_int_equal(MEETS(&udp, "p tcp any -> any port 80 via x", "b any -> any"), 2); /* each "any" is two */
    assert_int_equal(MEETS(&f, "p tcp any -> any port 80 via x", "p any -> any via x"), 2);
    assert_int_equal(MEETS(&f, "d tcp any -> any port 80", "p any -> any via x"), SPD_RULE_NONE);
    assert_int_equal(MEETS(&f, "d tcp any -> any port 80", "d any -> any"), 2);
    assert_int_equal(MEETS(&f, "b tcp any -> any port 80", "p any -> any via x"), 2);
    assert_int_equal(MEETS(&f, "b any -> any", "d tcp any -> any port 80"), 0);
    assert_int_equal(MEETS(&within, "d icmpv6 any -> any", "b any -> any"), SPD_RULE_NONE);
    assert_int_equal(MEETS(&within, "d icmpv6 any -> 2001:db8:1::/48", "b any -> any"), 2);
    assert_int_equal(MEETS(&within, "b any -> any", "d icmpv6 any -> any"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_randomness_no_index),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_odd_flows_match_nothing),
        cmocka_unit_test(test_a_later_rule_takes_the_index_back),
        cmocka_unit_test(test_few_rules_as_the_walk),
        cmocka_unit_test(test_many_rules_as_the_walk),
        cmocka_unit_test(test_corners_as_the_walk),
        cmocka_unit_test(test_many_rules_of_one_kind_are_one_place),
        cmocka_unit_test(test_many_ranges_of_ports),
        cmocka_unit_test(test_ranges_that_are_no_prefixes),
        cmocka_unit_test(test_fragments),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
