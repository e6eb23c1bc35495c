/* SPDX-License-Identifier: Apache-2.0 */
/* The index against the walk, which an SPD that is not compiled takes. */
#include "test/unit/policy/spd_test.h"

#include "policy/spd_index.h"

static struct random_seeded stream;
static struct random randomness;

static int start(void **state)
{
    (void)state;
    randomness = random_of_seed(&stream, 56);
    return 0;
}

static void test_none(void **state)
{
    (void)state;
    struct spd spd = {0};
    const struct selector any = {.local = range_any(4), .remote = range_any(4), .remote_port = port_any()};
    assert_int_equal(spd_compile(&spd, &randomness), OK);
    assert_int_equal(spd_find_protect(&spd, 0, &any), SPD_RULE_NONE);
    assert_int_equal(spd_find_protect(&spd, UINT32_MAX, &any), SPD_RULE_NONE);
    for (unsigned family = 0; family < 10; family++)
        assert_int_equal(spd_first_protect(&spd, (uint8_t)family), SPD_RULE_NONE);
    spd_free(&spd);
}

/* A selector that is equal to a rule's, narrower, or of nobody. */
static struct selector proposal(uint64_t *rng, const struct spd *spd, uint32_t *connection)
{
    struct rule rule = draw_rule(rng);
    if (spd->count > 0 && draw(rng, 4) > 0)
        rule = spd->rules[draw(rng, spd->count)];
    struct selector s = rule.selector;
    *connection = draw(rng, 4) == 0 ? (uint32_t)draw(rng, 4) : rule.connection;
    if (draw(rng, 3) == 0)
        s.remote.first = s.remote.last;
    if (draw(rng, 8) == 0)
        s.local_port.last = s.local_port.first;
    return s;
}

static void test_as_the_walk(void **state)
{
    (void)state;
    size_t hits = 0, all = 0;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        uint64_t rng = seed * 991 + 3;
        struct spd spd;
        draw_spd(&rng, &spd, seed % 40);
        struct spd plain = spd;
        assert_int_equal(spd_compile(&spd, &randomness), OK);
        assert_int_equal(spd_first_protect(&spd, 4), spd_first_protect(&plain, 4));
        assert_int_equal(spd_first_protect(&spd, 6), spd_first_protect(&plain, 6));
        for (int i = 0; i < 100; i++, all++) {
            uint32_t connection;
            const struct selector s = proposal(&rng, &spd, &connection);
            const int wanted = spd_find_protect(&plain, connection, &s);
            const int found = spd_find_protect(&spd, connection, &s);
            if (found != wanted)
                fail_msg("seed %llu, proposal %d: rule %d, not %d", (unsigned long long)seed, i, found, wanted);
            hits += found != SPD_RULE_NONE;
        }
        spd_free(&spd);
    }
    assert_in_range(hits, all / 10, all * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_as_the_walk),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
