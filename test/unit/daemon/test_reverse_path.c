/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reverse_path.h"

#include "daemon_test.h"

static void test_peers_inside_and_outside(void **state)
{
    (void)state;
    const struct {
        const char *rule, *remote;
        bool at_risk;
    } rows[] = {
        {"10.1.0.0/24 -> 0.0.0.0/0 via x", "192.0.2.2", true},
        {"10.1.0.0/24 -> 192.0.2.0/24 via x", "192.0.2.2", true},
        {"10.1.0.0/24 -> 10.2.0.0/24 via x", "192.0.2.2", false},
        {"any -> any via x", "%any", false},
        {"any -> any via x", "2001:db8::2", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spd spd = {0};
        const struct connection c = {.remote = an_address(rows[i].remote)};
        add_rule(&spd, ACTION_PROTECT, rows[i].rule);
        assert_int_equal(reverse_path_at_risk(&spd, &c, 1), rows[i].at_risk);
        assert_int_equal(reverse_path_at_risk(&spd, &c, 0), false);
        spd_free(&spd);
        add_rule(&spd, ACTION_BYPASS, "any -> any");
        assert_int_equal(reverse_path_at_risk(&spd, &c, 1), false);
        spd_free(&spd);
    }
}

/* Any of many peers, in no order, at each end of a range. */
static void test_many_peers(void **state)
{
    (void)state;
    const char *const remotes[] = {"198.51.100.7", "2001:db8::2", "192.0.2.2", "%any", "203.0.113.9", "10.2.0.1"};
    const struct {
        const char *rule;
        bool at_risk;
    } rows[] = {
        {"10.1.0.0/24 -> 192.0.2.2 via x", true},
        {"10.1.0.0/24 -> 192.0.2.0-192.0.2.2 via x", true},
        {"10.1.0.0/24 -> 203.0.113.9-203.0.113.11 via x", true},
        {"10.1.0.0/24 -> 203.0.113.10-255.255.255.255 via x", false},
        {"10.1.0.0/24 -> 10.2.0.0/24 via x", true},
        {"10.1.0.0/24 -> 192.0.2.3-198.51.100.6 via x", false},
        {"10.1.0.0/24 -> 0.0.0.0-10.2.0.0 via x", false},
        {"2001:db8:1::/48 -> 2001:db8::/64 via x", false},
    };
    struct connection all[COUNT(remotes)] = {0};
    for (size_t i = 0; i < COUNT(remotes); i++)
        all[i].remote = an_address(remotes[i]);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spd spd = {0};
        add_rule(&spd, ACTION_PROTECT, rows[i].rule);
        if (reverse_path_at_risk(&spd, all, COUNT(all)) != rows[i].at_risk)
            fail_msg("%s", rows[i].rule);
        spd_free(&spd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_peers),
        cmocka_unit_test(test_peers_inside_and_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
