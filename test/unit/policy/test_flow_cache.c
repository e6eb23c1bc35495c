/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/policy/spd_test.h"

#include "policy/flow_cache.h"
#include "policy/spd_index.h"
#include "test/unit/random_test.h"

static struct random_seeded stream;
static struct random randomness;

static int start(void **state)
{
    (void)state;
    randomness = random_of_seed(&stream, 34);
    return 0;
}

static struct flow_cache *a_cache(void)
{
    struct flow_cache *cache;
    assert_int_equal(flow_cache_new(&randomness, &cache), OK);
    return cache;
}

static void add(struct spd *spd, enum action action, const char *text)
{
    char why[256];
    assert_int_equal(spd_add(spd, action, text, 1, any_connection, NULL, why, sizeof why), OK);
}

/* tcp, 10.1.0.1 port 1024 + n to 10.2.0.1 port 80 */
static struct flow a_flow(unsigned n)
{
    return (struct flow){.source = an_address("10.1.0.1"),
                         .destination = an_address("10.2.0.1"),
                         .protocol = 6,
                         .has_ports = true,
                         .source_port = (uint16_t)(1024 + n),
                         .destination_port = 80};
}

/* Asks, and says whether the answer was kept from before. */
static bool hits(struct flow_cache *cache, const struct spd *spd, const struct flow *f)
{
    const bool kept = flow_cache_has(cache, spd, f);
    (void)flow_cache_lookup(cache, spd, f);
    return kept;
}

static void test_no_randomness_no_cache(void **state)
{
    (void)state;
    const struct random none = {.fill = no_random};
    struct flow_cache *cache;
    assert_int_equal(flow_cache_new(&none, &cache), ERR_CRYPTO);
    assert_null(cache);
    flow_cache_free(NULL);
}

static void test_an_spd_without_an_index_is_asked_each_time(void **state)
{
    (void)state;
    struct flow_cache *cache = a_cache();
    struct spd spd = {0};
    const struct flow f = a_flow(0);
    assert_int_equal(flow_cache_lookup(cache, &spd, &f), SPD_RULE_NONE);
    add(&spd, ACTION_BYPASS, "any -> any");
    assert_int_equal(flow_cache_lookup(cache, &spd, &f), 0);
    assert_false(flow_cache_has(cache, &spd, &f));
    spd_free(&spd);
    flow_cache_free(cache);
}

static void test_the_second_packet_hits(void **state)
{
    (void)state;
    struct flow_cache *cache = a_cache();
    struct spd spd = {0};
    add(&spd, ACTION_DISCARD, "tcp any -> any port 81");
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    const struct flow f = a_flow(0);
    struct flow other = f;
    other.destination = an_address("10.9.0.1");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(flow_cache_has(cache, &spd, &f), i > 0);
        assert_int_equal(flow_cache_has(cache, &spd, &other), i > 0);
        assert_int_equal(flow_cache_lookup(cache, &spd, &f), 2);
        assert_int_equal(flow_cache_lookup(cache, &spd, &other), SPD_RULE_NONE); /* an answer too */
    }
    spd_free(&spd);
    flow_cache_free(cache);
}

/* Each field that a rule can see tells two flows apart; what it cannot see does not. */
static void test_what_makes_another_flow(void **state)
{
    (void)state;
    struct spd spd = {0};
    add(&spd, ACTION_BYPASS, "any -> any");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    const struct flow f = a_flow(0);
    for (int field = 0; field < 11; field++) {
        struct flow_cache *cache = a_cache();
        struct flow other = f;
        switch (field) {
        case 0: other.source.bytes[0] ^= 1; break;
        case 1: other.source.bytes[3] ^= 1; break;
        case 2: other.destination.bytes[3] ^= 1; break;
        case 3: other.source_port ^= 1; break;
        case 4: other.destination_port ^= 1; break;
        case 5: other.protocol = 17; break;
        case 6: other.has_ports = false; break;
        case 7: other.source.family = other.destination.family = 6; break;
        case 8: other.source.bytes[15] = 1; break;
        case 9: other.destination.bytes[9] = 1; break;
        default: other.upper = 20, other.upper_len = 99, other.is_fragment = other.more_fragments = true; break;
        }
        (void)flow_cache_lookup(cache, &spd, &f);
        assert_int_equal(hits(cache, &spd, &other), field >= 10);
        assert_true(hits(cache, &spd, &other));
        flow_cache_free(cache);
    }
    /* Ports that are 0 are not ports that are unknown. */
    struct flow_cache *cache = a_cache();
    struct flow zero = f, unknown;
    zero.source_port = zero.destination_port = 0;
    unknown = zero;
    unknown.has_ports = false;
    assert_false(hits(cache, &spd, &zero));
    assert_false(hits(cache, &spd, &unknown));
    flow_cache_free(cache);
    spd_free(&spd);
}

static void test_fragments_without_ports_are_not_kept(void **state)
{
    (void)state;
    struct flow_cache *cache = a_cache();
    struct spd spd = {0};
    add(&spd, ACTION_PROTECT, "tcp 10.1.0.0/24 -> 10.2.0.0/24 port 443 via x");
    add(&spd, ACTION_BYPASS, "any -> any");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    struct flow f = a_flow(0);
    assert_int_equal(flow_cache_lookup(cache, &spd, &f), 1);
    f.is_fragment = true;
    assert_true(flow_cache_has(cache, &spd, &f)); /* the first one, or ports that were lent */
    assert_int_equal(flow_cache_lookup(cache, &spd, &f), 1);
    f.has_ports = false;
    f.source_port = f.destination_port = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(flow_cache_lookup(cache, &spd, &f), SPD_RULE_NONE);
        assert_false(flow_cache_has(cache, &spd, &f));
    }
    spd_free(&spd);
    flow_cache_free(cache);
}

static void test_another_spd_gives_no_old_answer(void **state)
{
    (void)state;
    struct flow_cache *cache = a_cache();
    struct spd one = {0}, two = {0};
    const struct flow f = a_flow(0);
    add(&one, ACTION_BYPASS, "10.1.0.0/24 -> 10.2.0.0/24");
    add(&two, ACTION_DISCARD, "10.9.0.0/24 -> 10.2.0.0/24");
    add(&two, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    assert_int_equal(spd_compile(&one, &randomness), OK);
    assert_int_equal(spd_compile(&two, &randomness), OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(flow_cache_lookup(cache, &one, &f), 0);
        assert_false(flow_cache_has(cache, &two, &f));
        assert_int_equal(flow_cache_lookup(cache, &two, &f), 1);
        assert_false(flow_cache_has(cache, &one, &f));
    }
    /* The same SPD with other rules. */
    assert_int_equal(flow_cache_lookup(cache, &one, &f), 0);
    one.rules[0].selector.remote = a_range("10.3.0.0/24");
    assert_int_equal(spd_compile(&one, &randomness), OK);
    assert_int_equal(flow_cache_lookup(cache, &one, &f), SPD_RULE_NONE);
    spd_free(&one);
    spd_free(&two);
    flow_cache_free(cache);
}

static void test_more_flows_than_it_holds(void **state)
{
    (void)state;
    struct flow_cache *cache = a_cache();
    struct spd spd = {0};
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    const unsigned more = FLOW_CACHE_SETS * FLOW_CACHE_WAYS * 4;
    unsigned kept = 0;
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < more; i++) {
            const struct flow f = a_flow(i);
            kept += flow_cache_has(cache, &spd, &f);
            assert_int_equal(flow_cache_lookup(cache, &spd, &f), 0);
            assert_true(flow_cache_has(cache, &spd, &f));
        }
    assert_true(kept <= more);
    spd_free(&spd);
    flow_cache_free(cache);
}

/* A quarter of what it can hold: hardly anybody is pushed out, so the hash spreads. */
static void test_flows_spread(void **state)
{
    (void)state;
    struct flow_cache *cache = a_cache();
    struct spd spd = {0};
    add(&spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    const unsigned some = FLOW_CACHE_SETS * FLOW_CACHE_WAYS / 4;
    unsigned kept = 0;
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < some; i++) {
            const struct flow f = a_flow(i);
            kept += hits(cache, &spd, &f);
        }
    assert_true(kept > some * 9 / 10);
    spd_free(&spd);
    flow_cache_free(cache);
}

/* Flows that share a set are still told apart by each half of each address. */
static void test_flows_of_one_set(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        size_t byte; /* whose lowest bit decides; the next one makes the flows many */
        bool source;
    } cases[] = {
        {"2001:db8:0:100::/56 -> any", 6, true},
        {"any -> 2001:db8:0:100::/56", 6, false},
        {"2001:db8::100-2001:db8::1ff -> any", 14, true},
        {"any -> 2001:db8::100-2001:db8::1ff", 14, false},
    };
    for (size_t c = 0; c < COUNT(cases) * 64; c++) {
        struct flow_cache *cache = a_cache(); /* each with another seed: which flows share a set depends on it */
        struct spd spd = {0};
        const size_t at = cases[c / 64].byte;
        add(&spd, ACTION_BYPASS, cases[c / 64].rule);
        assert_int_equal(spd_compile(&spd, &randomness), OK);
        for (unsigned i = 0; i < 512; i++) {
            struct flow f = {.source = an_address("2001:db8::"), .destination = an_address("2001:db8::")};
            uint8_t *bytes = cases[c / 64].source ? f.source.bytes : f.destination.bytes;
            bytes[at] = i & 1;
            bytes[at + 1] = (uint8_t)(i >> 1);
            assert_int_equal(flow_cache_lookup(cache, &spd, &f), (i & 1) != 0 ? 0 : SPD_RULE_NONE);
        }
        spd_free(&spd);
        flow_cache_free(cache);
    }
}

/* Few flows under many changing SPDs, against the walk. */
static void test_random_flows_as_the_walk(void **state)
{
    (void)state;
    struct flow_cache *cache = a_cache();
    struct flow flows[64];
    unsigned kept = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t rng = seed * 1234567 + 89;
        struct spd spd;
        draw_spd(&rng, &spd, 12);
        assert_int_equal(spd_compile(&spd, &randomness), OK);
        for (size_t i = 0; i < COUNT(flows); i++)
            flows[i] = draw_flow(&rng);
        for (size_t i = 0; i < COUNT(flows) * 4; i++) {
            const struct flow *f = &flows[draw(&rng, COUNT(flows))];
            kept += flow_cache_has(cache, &spd, f);
            int wanted = spd_walk(&spd, f), found = flow_cache_lookup(cache, &spd, f);
            if (found != wanted)
                fail_msg("seed %llu, flow %zu: the cache says %d, not %d", (unsigned long long)seed, i, found, wanted);
        }
        spd_free(&spd);
    }
    assert_true(kept > 10000);
    flow_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_randomness_no_cache),
        cmocka_unit_test(test_an_spd_without_an_index_is_asked_each_time),
        cmocka_unit_test(test_the_second_packet_hits),
        cmocka_unit_test(test_what_makes_another_flow),
        cmocka_unit_test(test_fragments_without_ports_are_not_kept),
        cmocka_unit_test(test_another_spd_gives_no_old_answer),
        cmocka_unit_test(test_more_flows_than_it_holds),
        cmocka_unit_test(test_flows_spread),
        cmocka_unit_test(test_flows_of_one_set),
        cmocka_unit_test(test_random_flows_as_the_walk),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
