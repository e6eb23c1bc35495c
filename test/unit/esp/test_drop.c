/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_test.h"

static void test_outside_the_enum_is_named_too(void **state)
{
    (void)state;
    assert_string_equal(drop_name(DROP_NONE), "none");
    assert_string_equal(drop_name(DROP_COUNT), "unknown");
    assert_string_equal(drop_name((enum drop)(DROP_COUNT + 1000)), "unknown");
    assert_string_equal(drop_name((enum drop) - 2), "unknown");
}

static void test_every_reason_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < DROP_COUNT; i++) {
        const char *name = drop_name((enum drop)i);
        assert_non_null(name);
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(name, drop_name((enum drop)j));
    }
}

static void test_names_of_the_contract(void **state)
{
    (void)state;
    assert_string_equal(drop_name(DROP_ENCAP), "encap_malformed");
    assert_string_equal(drop_name(DROP_IN_REPLAY), "in_replay");
    assert_string_equal(drop_name(DROP_IN_AUTH), "in_auth_failed");
    assert_string_equal(drop_name(DROP_OUT_EXPIRED), "out_expired");
    assert_string_equal(drop_name(DROP_OUT_BYPASS), "out_bypass");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outside_the_enum_is_named_too),
        cmocka_unit_test(test_every_reason_has_its_own_name),
        cmocka_unit_test(test_names_of_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
