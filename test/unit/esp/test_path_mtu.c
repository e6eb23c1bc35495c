/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/path_mtu.h"

#include "base/deadline.h"
#include "esp_test.h"
#include "policy/ip.h"

static struct address an_address(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, &address), OK);
    return address;
}

static struct path_mtus *make(void)
{
    struct path_mtus *mtus;
    assert_int_equal(path_mtus_new(&mtus), OK);
    return mtus;
}

/* B40: what a router may not say. */
static void test_b40_absurd_claims_change_nothing(void **state)
{
    (void)state;
    const struct {
        const char *peer;
        uint32_t way, claimed;
        bool taken;
    } rows[] = {
        {"192.0.2.2", 1500, 0, false},          {"192.0.2.2", 1500, 68, false},     {"192.0.2.2", 1500, 575, false},
        {"192.0.2.2", 1500, 576, true},         {"192.0.2.2", 1500, 1499, true},    {"192.0.2.2", 1500, 1500, false},
        {"192.0.2.2", 1500, 1501, false},       {"192.0.2.2", 1500, 65535, false},  {"192.0.2.2", 0, 1500, false},
        {"192.0.2.2", 0, 1499, true},           {"2001:db8::2", 1500, 1279, false}, {"2001:db8::2", 1500, 1280, true},
        {"2001:db8::2", 1500, 0, false},        {"2001:db8::2", 9000, 9001, false}, {"2001:db8::2", 9000, 8999, true},
        {"192.0.2.2", 1500, UINT32_MAX, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct path_mtus *mtus = make();
        struct address peer = an_address(rows[i].peer);
        uint32_t before = path_mtus_set_route(mtus, &peer, rows[i].way);
        assert_int_equal(before, rows[i].way == 0 ? MTU_DEFAULT : rows[i].way);
        if (path_mtus_claim(mtus, &peer, rows[i].claimed, 5) != rows[i].taken)
            fail_msg("row %zu", i);
        assert_int_equal(path_mtus_get(mtus, &peer), rows[i].taken ? rows[i].claimed : before);
        assert_true(rows[i].taken == (path_mtus_next(mtus) != DEADLINE_NEVER));
        path_mtus_free(mtus);
    }
}

static void test_claims_only_lower_and_age(void **state)
{
    (void)state;
    struct path_mtus *mtus = make();
    struct address a = an_address("192.0.2.2"), b = an_address("192.0.2.3"), aged;
    path_mtus_set_route(mtus, &a, 1500);
    assert_true(path_mtus_claim(mtus, &a, 1400, 1000));
    assert_false(path_mtus_claim(mtus, &a, 1450, 2000)); /* it never goes up by a claim */
    assert_int_equal(path_mtus_get(mtus, &a), 1400);
    assert_int_equal(path_mtus_get(mtus, &b), MTU_DEFAULT); /* another peer is another path */
    assert_true(path_mtus_claim(mtus, &a, 1300, 3000));
    assert_false(path_mtus_claim(mtus, &a, 1300, 4000)); /* said again: nothing new, but it holds longer */
    assert_int_equal(path_mtus_next(mtus), 4000 + PATH_MTU_LIFE_MS);
    assert_false(path_mtus_take_aged(mtus, 3999 + PATH_MTU_LIFE_MS, &aged));
    assert_true(path_mtus_take_aged(mtus, 4000 + PATH_MTU_LIFE_MS, &aged));
    assert_true(address_equal(&aged, &a));
    assert_int_equal(path_mtus_get(mtus, &a), 1500);
    assert_int_equal(path_mtus_next(mtus), DEADLINE_NEVER);
    path_mtus_free(mtus);
}

static void test_the_way_counts_too(void **state)
{
    (void)state;
    struct path_mtus *mtus = make();
    struct address a = an_address("192.0.2.2");
    path_mtus_set_route(mtus, &a, 1500);
    assert_true(path_mtus_claim(mtus, &a, 1400, 0));
    assert_int_equal(path_mtus_set_route(mtus, &a, 1300), 1300); /* the interface got smaller than the claim */
    assert_int_equal(path_mtus_set_route(mtus, &a, 9000), 1400); /* and larger: the claim holds */
    assert_int_equal(path_mtus_set_route(mtus, &a, 1000000), 1400);
    path_mtus_forget(mtus, &a);
    path_mtus_forget(mtus, &a);
    assert_int_equal(path_mtus_get(mtus, &a), MTU_DEFAULT);
    assert_int_equal(path_mtus_next(mtus), DEADLINE_NEVER);
    assert_int_equal(path_mtus_set_route(mtus, &a, 1000000), IP_PACKET_MAX);
    path_mtus_free(mtus);
    path_mtus_free(NULL);
}

static void test_a_refused_size_leads_to_the_plateau_below(void **state)
{
    (void)state;
    const struct {
        const char *peer;
        uint32_t route, refused, counts;
    } rows[] = {
        {"192.0.2.2", 1500, 1500, 1492},       {"192.0.2.2", 1500, 1493, 1492},   {"192.0.2.2", 1500, 1492, 1006},
        {"192.0.2.2", 1500, 1378, 1006},       {"192.0.2.2", 1500, 1007, 1006},   {"192.0.2.2", 1500, 1006, 576},
        {"192.0.2.2", 1500, 577, 576},         {"192.0.2.2", 1500, 576, 1500},    {"192.0.2.2", 1500, 0, 1500},
        {"192.0.2.2", 1500, 1501, 1500},       {"192.0.2.2", 1400, 1500, 1400},   {"192.0.2.2", 0, 1500, 1492},
        {"192.0.2.2", 9000, 9000, 8166},       {"192.0.2.2", 9000, 2003, 2002},   {"192.0.2.2", 65535, 65535, 32000},
        {"192.0.2.2", 1500, UINT32_MAX, 1500}, {"2001:db8::2", 1500, 1500, 1492}, {"2001:db8::2", 1500, 1492, 1280},
        {"2001:db8::2", 1500, 1281, 1280},     {"2001:db8::2", 1500, 1280, 1500}, {"2001:db8::2", 1280, 1280, 1280},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct path_mtus *mtus = make();
        struct address peer = an_address(rows[i].peer);
        uint32_t before = path_mtus_set_route(mtus, &peer, rows[i].route);
        bool lower = path_mtus_refused(mtus, &peer, rows[i].refused, 5);
        if (path_mtus_get(mtus, &peer) != rows[i].counts || lower != (rows[i].counts < before))
            fail_msg("row %zu: %u", i, path_mtus_get(mtus, &peer));
        assert_true(lower == (path_mtus_next(mtus) != DEADLINE_NEVER));
        path_mtus_free(mtus);
    }
}

static void test_refusals_end_at_the_floor_and_age(void **state)
{
    (void)state;
    static const uint32_t steps[] = {1492, 1006, 576, 576};
    struct path_mtus *mtus = make();
    struct address a = an_address("192.0.2.2"), aged;
    for (uint64_t i = 0; i < COUNT(steps); i++) {
        (void)path_mtus_refused(mtus, &a, path_mtus_get(mtus, &a), i * 1000);
        assert_int_equal(path_mtus_get(mtus, &a), steps[i]);
        /* what was on its way meanwhile is refused too, and changes nothing */
        assert_false(path_mtus_refused(mtus, &a, 1500, 999999));
    }
    assert_int_equal(path_mtus_next(mtus), 2000 + PATH_MTU_LIFE_MS);
    assert_true(path_mtus_take_aged(mtus, 2000 + PATH_MTU_LIFE_MS, &aged));
    assert_int_equal(path_mtus_get(mtus, &a), MTU_DEFAULT);
    path_mtus_free(mtus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b40_absurd_claims_change_nothing),
        cmocka_unit_test(test_claims_only_lower_and_age),
        cmocka_unit_test(test_the_way_counts_too),
        cmocka_unit_test(test_a_refused_size_leads_to_the_plateau_below),
        cmocka_unit_test(test_refusals_end_at_the_floor_and_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
