/* SPDX-License-Identifier: Apache-2.0 */
/* Who floods the table of fragments pushes out nobody else. */
#include "test/unit/policy/fragments_test.h"

#include "crypto/hash.h"

/* Whose fragment it is: "who" gives owner, scope and source of their own to each, at one level or all. */
enum differ { BY_OWNER, BY_SCOPE, BY_SOURCE, DIFFERS };

static enum fragment_verdict see_of(struct fragments *fragments, enum differ by, unsigned who, uint32_t id, bool first,
                                    uint64_t now_ms)
{
    struct flow f = a_fragment(4, UDP, id, first ? 0 : 64, 64, first);
    if (by == BY_SOURCE)
        f.source.bytes[3] = (uint8_t)who;
    return pass_of(fragments, by == BY_OWNER ? who : 0, by == BY_SOURCE ? 0 : who, &f, now_ms);
}

static enum fragment_verdict first_of(struct fragments *fragments, enum differ by, unsigned who, uint32_t id)
{
    return see_of(fragments, by, who, id, true, 1000);
}

static enum fragment_verdict rest_of(struct fragments *fragments, enum differ by, unsigned who, uint32_t id)
{
    return see_of(fragments, by, who, id, false, 1000);
}

/* 2000 firsts fall on each set over fifty times, with eight places each. */
enum { FLOOD_OF_ONE = 2000, FLOODER = 200, OTHERS = 24 };

/* Others that wait for one packet each get it, whatever one of them sends: before, meanwhile, and with later fragments
 * as well as firsts. */
static void test_a_flood_pushes_out_its_own(void **state)
{
    (void)state;
    for (enum differ by = BY_OWNER; by < DIFFERS; by++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            for (unsigned firsts = 0; firsts <= 1; firsts++) {
                struct fragments *fragments = a_table(seed);
                for (unsigned who = 0; who < OTHERS; who++)
                    assert_int_equal(first_of(fragments, by, who, 7), FRAGMENT_KNOWN);
                for (uint32_t id = 0; id < FLOOD_OF_ONE; id++)
                    see_of(fragments, by, FLOODER, id, firsts, 1000);
                for (unsigned who = 0; who < OTHERS; who++)
                    if (rest_of(fragments, by, who, 7) != FRAGMENT_KNOWN)
                        fail_msg("by %d, seed %llu, firsts %u: %u was pushed out", by, (unsigned long long)seed, firsts,
                                 who);
                fragments_free(fragments);
            }
        }
    }
}

/* Into a table that a flood has filled. */
static void test_newcomers_find_room_in_a_flood(void **state)
{
    (void)state;
    for (enum differ by = BY_OWNER; by < DIFFERS; by++) {
        struct fragments *fragments = a_table(38);
        uint32_t id = 0;
        for (; id < FLOOD_OF_ONE; id++)
            first_of(fragments, by, FLOODER, id);
        for (uint32_t packet = 0; packet < 200; packet++) {
            unsigned who = packet % OTHERS;
            assert_int_equal(first_of(fragments, by, who, packet), FRAGMENT_KNOWN);
            for (uint32_t end = id + 200; id < end; id++)
                first_of(fragments, by, FLOODER, id);
            assert_int_equal(rest_of(fragments, by, who, packet), FRAGMENT_KNOWN);
        }
        fragments_free(fragments);
    }
}

/* An id with which the packet of `who` falls into set 0: the hash of the table, taken from its seed. */
static uint32_t id_in_set(enum differ by, unsigned who, uint64_t seed, uint32_t above)
{
    enum { SETS = FRAGMENTS_TRACKED / 8 };
    struct random random = random_of_seed(&seeded, seed);
    uint8_t table_seed[HASH_SEED];
    assert_int_equal(random_fill(&random, table_seed, sizeof table_seed), OK);
    const struct flow f = a_fragment(4, UDP, 0, 0, 64, true);
    struct {
        uint64_t scope;
        uint8_t source[16], destination[16];
        uint32_t id;
        uint16_t family, protocol;
    } key = {.scope = by == BY_SOURCE ? 0 : who, .family = 4, .protocol = UDP};
    memcpy(key.source, f.source.bytes, sizeof key.source);
    memcpy(key.destination, f.destination.bytes, sizeof key.destination);
    if (by == BY_SOURCE)
        key.source[3] = (uint8_t)who;
    for (key.id = above + 1; hash_short(table_seed, &key, sizeof key) % SETS != 0; key.id++)
        ;
    return key.id;
}

/* Eight places: seven others keep theirs, and the flood has one. */
static void test_a_flood_within_one_set(void **state)
{
    (void)state;
    for (enum differ by = BY_OWNER; by < DIFFERS; by++) {
        for (uint8_t others = 0; others <= 7; others++) {
            struct fragments *fragments = a_table(38);
            uint32_t ids[8], id = 0, flood[20] = {0};
            for (unsigned who = 0; who < others; who++) {
                ids[who] = id_in_set(by, who, 38, 0);
                assert_int_equal(first_of(fragments, by, who, ids[who]), FRAGMENT_KNOWN);
            }
            for (unsigned i = 0; i < COUNT(flood); i++) {
                flood[i] = id = id_in_set(by, FLOODER, 38, id);
                assert_int_equal(first_of(fragments, by, FLOODER, id), FRAGMENT_KNOWN);
            }
            for (unsigned who = 0; who < others; who++)
                assert_int_equal(rest_of(fragments, by, who, ids[who]), FRAGMENT_KNOWN);
            /* Its own newest are there, and no more of them than there is room (so it was one set). */
            for (unsigned i = COUNT(flood); i-- > 0;) {
                bool kept = i + 8 >= COUNT(flood) + others;
                assert_int_equal(see_of(fragments, by, FLOODER, flood[i], false, 1000),
                                 kept ? FRAGMENT_KNOWN : FRAGMENT_UNKNOWN);
                if (!kept)
                    break;
            }
            fragments_free(fragments);
        }
    }
}

/* Two that flood get half each; in one set, four places. */
static void test_two_floods_share(void **state)
{
    (void)state;
    for (enum differ by = BY_OWNER; by < DIFFERS; by++) {
        struct fragments *fragments = a_table(38);
        uint32_t ids[2][20], id[2] = {0, 0};
        for (unsigned i = 0; i < COUNT(ids[0]); i++) /* the second sends three times as much, and begins */
            for (unsigned k = 0; k < 4; k++) {
                unsigned who = k == 3 ? 0 : 1;
                ids[who][i] = id[who] = id_in_set(by, who, 38, id[who]);
                assert_int_equal(first_of(fragments, by, who, id[who]), FRAGMENT_KNOWN);
            }
        for (unsigned i = COUNT(ids[0]) - 4; i < COUNT(ids[0]); i++)
            assert_int_equal(rest_of(fragments, by, 0, ids[0][i]), FRAGMENT_KNOWN);
        assert_int_equal(rest_of(fragments, by, 0, ids[0][COUNT(ids[0]) - 5]), FRAGMENT_UNKNOWN);
        assert_int_equal(rest_of(fragments, by, 1, ids[1][COUNT(ids[1]) - 1]), FRAGMENT_KNOWN);
        fragments_free(fragments);
    }
}

/* An owner with many scopes, or a scope with many sources, has the share of one. */
static void test_many_scopes_of_one_owner_have_one_share(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct fragments *fragments = a_table(seed);
        struct flow quiet = a_fragment(4, UDP, 7, 0, 64, true), rest = a_fragment(4, UDP, 7, 64, 64, false);
        assert_int_equal(fragments_see_of(fragments, 1, 1, &quiet, 1000), FRAGMENT_KNOWN);
        for (uint32_t i = 0; i < FLOOD_OF_ONE; i++) {
            struct flow f = a_fragment(4, UDP, 7, 0, 64, true);
            f.source.bytes[2] = (uint8_t)(i >> 8);
            f.source.bytes[3] = (uint8_t)i;
            assert_int_equal(fragments_see_of(fragments, 2, 100 + (seed % 2 != 0 ? i : 0), &f, 1000), FRAGMENT_KNOWN);
        }
        if (fragments_see_of(fragments, 1, 1, &rest, 1000) != FRAGMENT_KNOWN)
            fail_msg("seed %u: pushed out", seed);
        fragments_free(fragments);
    }
}

/* Nine who have one packet each in a set of eight: the oldest goes, and the newest has its room. */
static void test_more_owners_than_places(void **state)
{
    (void)state;
    for (enum differ by = BY_OWNER; by < DIFFERS; by++) {
        struct fragments *fragments = a_table(38);
        uint32_t ids[9];
        for (unsigned who = 0; who < 9; who++) {
            ids[who] = id_in_set(by, who, 38, 0);
            assert_int_equal(first_of(fragments, by, who, ids[who]), FRAGMENT_KNOWN);
        }
        for (unsigned who = 9; who-- > 0;)
            assert_int_equal(rest_of(fragments, by, who, ids[who]), who == 0 ? FRAGMENT_UNKNOWN : FRAGMENT_KNOWN);
        fragments_free(fragments);
    }
}

/* What is over, by time or because it is whole, never counts as somebody's share. */
static void test_the_dead_have_no_share(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    uint32_t id = 0, old[8];
    for (unsigned i = 0; i < 8; i++) {
        old[i] = id = id_in_set(BY_OWNER, 1, 38, id);
        assert_int_equal(see_of(fragments, BY_OWNER, 1, id, true, i < 4 ? 0 : 1000), FRAGMENT_KNOWN);
    }
    uint64_t now_ms = FRAGMENTS_LIFE_MS;
    for (unsigned i = 0, other = 0; i < 4; i++) {
        other = id_in_set(BY_OWNER, 2, 38, other);
        assert_int_equal(see_of(fragments, BY_OWNER, 2, other, true, now_ms), FRAGMENT_KNOWN);
    }
    for (unsigned i = 4; i < 8; i++)
        assert_int_equal(see_of(fragments, BY_OWNER, 1, old[i], false, now_ms), FRAGMENT_KNOWN);
    fragments_free(fragments);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flood_pushes_out_its_own),
        cmocka_unit_test(test_newcomers_find_room_in_a_flood),
        cmocka_unit_test(test_a_flood_within_one_set),
        cmocka_unit_test(test_two_floods_share),
        cmocka_unit_test(test_many_scopes_of_one_owner_have_one_share),
        cmocka_unit_test(test_more_owners_than_places),
        cmocka_unit_test(test_the_dead_have_no_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
