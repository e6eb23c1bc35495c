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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers_inside_and_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
